"""Chromium in front of a real `lumira run`: its own home, its own store and sandbox, nothing replaced."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, ViewportSize, expect
from playwright.sync_api import Error as PlaywrightError
from pymongo import MongoClient
from starlette.responses import Response

from lumira.access import Actor, Role
from lumira.desk import Desk
from lumira.embedded import settings_of_running
from lumira.session_cookie import set_session
from lumira.settings import load_settings
from tests.conftest import wait_until
from tests.running import running

ADMINISTRATOR = "anais@example.com"
PASSWORD = "quatre tirages sous la lune"
TESTS = Actor("tests", Role.ADMIN)
SIZE: Final[ViewportSize] = {"width": 1440, "height": 1000}

# A page of a busy machine may take its time; one that is there is not waited for.
expect.set_options(timeout=45_000)


@dataclass(frozen=True)
class Served:
    """A running desk: where it answers, where its data is, and a desk of our own on its store and sandbox."""

    url: str
    home: Path
    cookie: Any
    behind: Desk

    def sign_in(self, context: BrowserContext) -> BrowserContext:
        """Has the browser carry the session of an administrator."""
        context.add_cookies([self.cookie])
        return context

    def create(self, product_id: str, email: str, name: str | None = None) -> str:
        """The id of a PaymentIntent made beside the browser, for a test that begins with an order."""
        body = {"productId": product_id, "customerEmail": email, "customerName": name}
        return self.behind.intents.create(body, actor=TESTS, source="tests").order_id

    def pay_elsewhere(self, payment_intent_id: str) -> None:
        """Pays at the sandbox, as a customer would at a checkout: the desk hears of it by webhook only."""
        self.behind.gateway.confirm_payment_intent(
            payment_intent_id, "pm_card_visa", secrets.token_hex(8), "http://127.0.0.1/"
        )
        wait_until(lambda: self.processed("payment_intent.succeeded", payment_intent_id))

    @contextmanager
    def ledger(self) -> Iterator[Any]:
        """The desk's own ledger of events, through a driver of the test's own."""
        uri = (self.home / "store.uri").read_text().strip()
        with MongoClient(uri) as client:
            yield client.get_default_database("lumira").processed_events

    def processed(self, event_type: str, payment_intent_id: str) -> bool:
        """Whether the webhook of this event was received and settled."""
        with self.ledger() as events:
            return any(
                payment_intent_id in str(event)
                for event in events.find({"eventType": event_type, "state": "processed"})
            )


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """`lumira run` on a free port with an empty home."""
    home = tmp_path_factory.mktemp("home")
    with running(home) as server:
        behind = Desk.open(settings_of_running(load_settings(home=home)))
        with closing(behind.store):
            yield Served(server.url, home, session_cookie(server.url, behind), behind)


def session_cookie(url: str, behind: Desk) -> Any:
    """A session of an administrator's own account, as Playwright takes a cookie."""
    behind.staff.add(ADMINISTRATOR, Role.ADMIN, name="Anaïs", password=PASSWORD, actor=TESTS)
    token = behind.sessions.sign_in_by_identity(ADMINISTRATOR, address="127.0.0.1", device="tests").token
    response = Response()
    set_session(response, token, behind.signing_key(), secure=False, seconds=3600)
    name, _, value = response.headers["set-cookie"].partition(";")[0].partition("=")
    return {"name": name, "value": value, "url": url, "httpOnly": True, "sameSite": "Lax"}


def reader(chromium: Browser, **options: Any) -> BrowserContext:
    """A browser of somebody who reads French and would rather have nothing move, as `options` say besides.

    What moves while a page loads takes a quarter of Chromium's time.
    """
    return chromium.new_context(locale="fr-FR", reduced_motion="reduce", **options)


@pytest.fixture(scope="session")
def french_page(chromium: Browser) -> Iterator[Page]:
    """A page of one size in French. Its program is compiled once: each new page takes a second for that."""
    context = reader(chromium, viewport=SIZE)
    context.set_default_timeout(60_000)
    yield context.new_page()
    context.close()


@pytest.fixture
def open_page(french_page: Page, served: Served) -> Iterator[Callable[[str], Page]]:
    """Opens an address of the desk in a French browser that knows nothing of other tests; a second one opens
    beside the first.
    """
    context, opened = french_page.context, []
    served.sign_in(context)

    def open_page(path: str) -> Page:
        opened.append(context.new_page() if opened else french_page)
        opened[-1].goto(f"{served.url}{path}")
        settle(opened[-1])
        return opened[-1]

    yield open_page
    for page in opened[1:]:
        page.close()
    french_page.goto(f"{served.url}/api/healthz")
    french_page.evaluate("localStorage.clear(), sessionStorage.clear()")
    french_page.set_viewport_size(SIZE)
    french_page.emulate_media(color_scheme="light")
    context.clear_cookies()


def click_first_row(page: Page, right: int) -> None:
    """Clicks the first row of the page's table, so many pixels right of where it begins."""
    box = page.get_by_test_id("stDataFrame").bounding_box()
    assert box
    # As a hand moves it: the table takes no notice of a pointer that was elsewhere the moment before.
    page.mouse.move(box["x"] + right, box["y"] + 57, steps=12)
    page.wait_for_timeout(200)
    page.mouse.click(box["x"] + right, box["y"] + 57)


def settle(page: Page) -> None:
    """Waits until the page's script has run."""
    page.wait_for_selector('[data-test-script-state="notRunning"]')


def follow(page: Page, name: str) -> None:
    """Follows a link of the menu, as a person goes from page to page."""
    page.get_by_test_id("stSidebar").get_by_role("link", name=name, exact=True).click()
    expect(page.get_by_role("heading", level=1, name=name, exact=True)).to_be_visible()
    settle(page)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Beside a failure stands what its pages showed: where only the output is kept there are no pictures."""
    report = yield
    chromium = getattr(item, "funcargs", {}).get("chromium")
    if report.failed and chromium:
        for page in (page for context in chromium.contexts for page in context.pages):
            with suppress(PlaywrightError):
                report.sections.append((page.url, page.locator("body").aria_snapshot(timeout=5_000)))
    return report
