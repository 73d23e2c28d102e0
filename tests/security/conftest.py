"""A real `lumira run` on a real port, with accounts of every kind, and the table of what was tried."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from oidc_provider_mock import run_server_in_thread
from pydantic import SecretStr
from pymongo import MongoClient
from starlette.responses import Response

from lumira.access import Actor, Role
from lumira.child_process import free_port
from lumira.desk import Desk
from lumira.session_cookie import set_session
from lumira.settings import load_settings
from tests.running import running

ADMIN = Actor("tests", Role.ADMIN)
PASSWORD = "quatre tirages sous la lune"


@dataclass(frozen=True)
class Fortress:
    """The desk that is attacked, and a desk of our own on its store to look behind it."""

    url: str
    desk: Desk
    home: Path
    provider: str
    log: Path

    def cookie(self, email: str) -> str:
        """The Cookie header of a new session of this member."""
        token = self.desk.sessions.sign_in_by_identity(email, address="127.0.0.1", device="tests").token
        return self.cookie_of(token)

    def cookie_of(self, token: str, key: bytes | None = None) -> str:
        """The Cookie header that carries this token, signed by the desk's key or another."""
        response = Response()
        set_session(response, token, key or self.desk.signing_key(), secure=False, seconds=60)
        return response.headers["set-cookie"].partition(";")[0]


@pytest.fixture(scope="package")
def stack() -> Iterator[ExitStack]:
    """What is open as long as the desk is attacked."""
    with ExitStack() as stack:
        yield stack


@pytest.fixture(scope="package")
def fortress(tmp_path_factory: pytest.TempPathFactory, stack: ExitStack) -> Iterator[Fortress]:
    """`lumira run` without a demo, its accounts made as `lumira staff add` makes them."""
    home, port = tmp_path_factory.mktemp("fortress"), free_port()
    provider = stack.enter_context(run_server_in_thread())
    issuer = f"http://localhost:{provider.server_port}"
    (home / ".streamlit").mkdir()
    (home / ".streamlit" / "secrets.toml").write_text(
        f"""
        [auth]
        redirect_uri = "http://127.0.0.1:{port}/oauth2callback"
        cookie_secret = "not used by Lumira, which signs with its own key"
        client_id = "lumira"
        client_secret = "of the tests"
        server_metadata_url = "{issuer}/.well-known/openid-configuration"
        """
    )
    environment = {
        # Where Streamlit looks for [auth], beside the working directory.
        "HOME": str(home),
        # This test asks more often than any caller may.
        "LUMIRA_RATE_LIMIT": "100000/minute",
    }
    with running(home, port=port, environment=environment) as server:
        uri = (home / "store.uri").read_text().strip()
        desk = Desk.open(load_settings(home=home, mongodb_uri=SecretStr(uri)))
        with closing(desk.store):
            for role in Role:
                desk.staff.add(f"{role}@example.com", role, password=PASSWORD, actor=ADMIN)
            yield Fortress(server.url, desk, home, issuer, server.log)


@dataclass
class Attempts:
    """What was tried and what came of it; printed when the tests have run."""

    rows: list[tuple[str, str, str]] = field(default_factory=list)

    def note(self, kind: str, what: str, outcome: str) -> None:
        """Adds a row."""
        self.rows.append((kind, what, outcome))


@pytest.fixture
def attempts(request: pytest.FixtureRequest) -> Iterator[Attempts]:
    """The attempts of one test, handed to whoever prints the summary."""
    attempts = Attempts()
    yield attempts
    request.node.user_properties.append(("attempts", attempts.rows))


@pytest.fixture
def stored(fortress: Fortress) -> Iterator[Any]:
    """How many documents each collection holds, asked through a driver of the test's own.

    The revenue rollup is left out: the service derives it from the orders by a clock of its own, so that
    it may appear between two counts though nobody did anything.
    """
    with MongoClient(fortress.desk.settings.mongodb_uri.get_secret_value()) as client:
        database = client[fortress.desk.settings.mongodb_db or "lumira"]

        def stored() -> dict[str, int]:
            return {
                name: len(list(database[name].find({}, {"_id": 1})))
                for name in database.list_collection_names()
                if not name.startswith("revenue_")
            }

        yield stored
