"""The dashboard as AppTest runs it, in front of a real store and the sandbox."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path

import pytest
from streamlit.components.v2 import manifest_scanner
from streamlit.testing.v1 import AppTest

import lumira.dashboard
from lumira.access import Actor, Role
from lumira.dashboard import session
from lumira.dashboard.navigation import PAGES
from lumira.errors import InvalidSignature
from tests.api.conftest import sign

# For every AppTest Streamlit reads what each installed package says of itself, which takes longer than most
# pages; a server does so once. What is installed does not change while tests run.
manifest_scanner.scan_component_manifests = functools.cache(manifest_scanner.scan_component_manifests)

ROUTER = Path(lumira.dashboard.__file__).parent / "router.py"


@pytest.fixture
def refuse_a_signature(desk) -> Callable[[], None]:
    """Delivers an event that is signed with the secret of somebody else."""

    def refuse_a_signature() -> None:
        with pytest.raises(InvalidSignature):
            desk.webhooks.receive(b"{}", sign(b"{}", secret="whsec_of_another")["Stripe-Signature"])

    return refuse_a_signature


@pytest.fixture
def open_page(desk, roles, caplog) -> Callable[..., AppTest]:
    """Opens a page of the dashboard, in French unless the browser asks for another language.

    A page tells its reader only that something went wrong; here it is told what.
    """

    def open_page(page: str, *, locale: str = "fr-FR", **query: str) -> AppTest:
        app = AppTest.from_file(str(ROUTER), default_timeout=30)
        # As it stands in the address of the demo, which does not name the usual one.
        app.session_state[session.ROLE] = "" if roles[-1] is Role.ADMIN else str(roles[-1])
        app.context = {"locale": locale}
        if "_" in page:
            # Its address is not its file's name, which Streamlit only learns from a first run.
            app.run()
        app.switch_page(str(PAGES / f"{page}.py"))
        for name, value in query.items():
            app.query_params[name] = value
        app.run()
        assert not app.exception
        unforeseen = [record.exc_text for record in caplog.records if record.msg == "page failed"]
        if unforeseen:
            # The summary has a line of it; where it came from stands in the log of the test.
            pytest.fail(f"the page {page} failed: {unforeseen[-1].splitlines()[-1]}", pytrace=False)
        return app

    return open_page


@pytest.fixture
def pay(desk, support):
    """Creates an order and pays it with a test card; the order as it stands then."""

    def pay(product: str = "mystique", **customer: str):
        created = desk.intents.create({"productId": product, **customer}, actor=support, source="tests")
        return desk.intents.confirm(created.order_id, "pm_card_visa", actor=support)

    return pay


@pytest.fixture
def roles() -> list[Role]:
    """The roles that a test has tried, the present one last."""
    return [Role.ADMIN]


@pytest.fixture
def at_the_desk(roles) -> Callable[[Role], Actor]:
    """Puts somebody of a role at the desk for the pages opened from then on, as the demo's switcher does."""

    def at_the_desk(role: Role) -> Actor:
        roles.append(role)
        return Actor("demo", role)

    return at_the_desk


def shown(app: AppTest) -> str:
    """All that the page says, in one text."""
    kinds = (
        "title",
        "header",
        "markdown",
        "caption",
        "html",
        "error",
        "warning",
        "success",
        "info",
        "code",
    )
    return "\n".join(
        f"{getattr(element, 'title', '')} {element.value}" for kind in kinds for element in getattr(app, kind)
    )
