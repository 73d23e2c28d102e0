"""The real parts that tests talk to: a store and a sandbox, each a process of its own over TCP."""

from __future__ import annotations

import logging
import os
import secrets
import shutil
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import hypothesis
import pytest
import stripe
import uvicorn
from playwright.sync_api import Browser, sync_playwright
from pydantic import SecretStr
from pymongo import MongoClient
from pymongo.database import Database
from starlette.applications import Starlette
from streamlit.config import get_config_options

from lumira import desk as desks
from lumira.access import Actor, Role
from lumira.child_process import kept_running
from lumira.desk import Desk
from lumira.embedded import embedded_store
from lumira.lifecycle import order_from
from lumira.orders import Order
from lumira.reconcile import Reconciliation
from lumira.sandbox.app import create_app
from lumira.sandbox.server import OPTIONS
from lumira.serving import routes
from lumira.settings import Settings, load_settings
from lumira.storage import Reconciliations
from tests import web

API_TOKEN = "token-of-the-tests"
WEBHOOK_SECRET = "whsec_of_the_tests"
STRIPE_KEY = "sk_test_of_the_tests"
# Where no store is, which is noticed sooner than a person would wait.
NO_STORE = "mongodb://127.0.0.1:9/?timeoutMS=300"

# How long an example takes is the machine's affair: no test is a timed one.
hypothesis.settings.register_profile("untimed", deadline=None)
hypothesis.settings.load_profile("untimed")

# A machine that forbids bytecode would compile every module anew in each of the many processes tests start.
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

# Tests see only what they set, whatever this machine has configured.
for name in list(os.environ):
    if name.startswith(("MONGODB_", "STRIPE_", "LUMIRA_", "OTEL_", "SENTRY_")):
        del os.environ[name]

# Streamlit reads its configuration once, from wherever the process stands: before a test goes elsewhere.
get_config_options()


@pytest.fixture(autouse=True)
def logging_as_found() -> Iterator[None]:
    """Takes back what a test did to the log of this process.

    A command run here leaves a handler that writes to the stderr of its own test, which is closed by then.
    """
    root, factory, level = logging.getLogger(), logging.getLogRecordFactory(), logging.getLogger().level
    found = set(root.handlers)
    yield
    root.handlers = [handler for handler in root.handlers if handler in found]
    # Not by the attribute: whether a line is wanted is remembered for each logger.
    root.setLevel(level)
    logging.setLogRecordFactory(factory)


@pytest.fixture(scope="session")
def store_uri(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URI of an embedded store that lives as long as the test session."""
    child, uri = embedded_store(tmp_path_factory.mktemp("store"))
    with kept_running(child):
        yield uri


@pytest.fixture(scope="session")
def sandbox_url() -> Iterator[str]:
    """The address of a sandbox without a webhook endpoint, for the test session."""
    with sandbox() as url:
        yield url


@pytest.fixture(scope="session")
def faulty_sandbox_url() -> Iterator[str]:
    """The address of a sandbox that fails on demand, for the test session."""
    with sandbox(faults=True) as url:
        yield url


@pytest.fixture(scope="module")
def own_sandbox() -> Iterator[str]:
    """The address of a sandbox of the module's own, for tests that walk through every PaymentIntent there is.

    A module takes it in place of the shared one: `from tests.conftest import own_sandbox as sandbox_url`.
    """
    with sandbox() as url:
        yield url


@pytest.fixture
def fault(faulty_sandbox_url: str) -> Iterator[Callable[..., None]]:
    """Makes the next requests to that sandbox fail, as lumira/sandbox/faults.py says, until the test ends."""

    with web.Client(base_url=faulty_sandbox_url) as client:

        def fault(**how: Any) -> None:
            client.post("/_sandbox/faults", json=how).raise_for_status()

        yield fault
        client.delete("/_sandbox/faults").raise_for_status()


@pytest.fixture
def faults_left(faulty_sandbox_url: str) -> Callable[[], int]:
    """How many requests the one fault in force is still to meet."""

    def faults_left() -> int:
        [in_force] = web.get(f"{faulty_sandbox_url}/_sandbox/faults").json()["faults"]
        return int(in_force["next"])

    return faults_left


@contextmanager
def sandbox(**options: Any) -> Iterator[str]:
    """A sandbox of its own on a real port, in this process: another would take a third of a second to start.

    `options` are those of create_app.
    """
    with serving(create_app(**{"key": STRIPE_KEY, **options}), lifespan="on", **OPTIONS) as url:
        yield url


def wait_until(condition: Callable[[], Any], seconds: float = 60, why: Callable[[], str] = str) -> Any:
    """What `condition` answers as soon as it is true; fails the test, with `why`, when it never is."""
    deadline = time.monotonic() + seconds
    while not (answer := condition()):
        if time.monotonic() > deadline:
            pytest.fail(f"not true within {seconds} seconds {why()}")
        time.sleep(0.02)
    return answer


@pytest.fixture(scope="session")
def raw_store(store_uri: str) -> Iterator[MongoClient[Any]]:
    """The store through a driver of the tests' own."""
    with MongoClient[Any](store_uri, tz_aware=True) as client:
        yield client


@pytest.fixture(scope="session")
def left_databases() -> list[str]:
    """Databases that tests have left empty, with their indexes: those take longer than most tests."""
    return []


# The databases of this worker that have their indexes and validators, by the store's URI and their name.
_PREPARED: set[tuple[str, str]] = set()


@pytest.fixture
def documents(
    request: pytest.FixtureRequest, raw_store: MongoClient[Any], left_databases: list[str]
) -> Iterator[Database[Any]]:
    """The raw database of the test, empty and its own; one that it `reshapes` is nobody's after it."""
    name = left_databases.pop() if left_databases else f"test_{secrets.token_hex(8)}"
    database = raw_store[name]
    yield database
    if request.node.get_closest_marker("reshapes"):
        raw_store.drop_database(name)
        _PREPARED.difference_update([prepared for prepared in _PREPARED if prepared[1] == name])
        return
    for collection in database.list_collection_names():
        database[collection].delete_many({})
    left_databases.append(name)


@pytest.fixture
def settings(store_uri: str, sandbox_url: str, documents: Database[Any], tmp_path: Path) -> Settings:
    """Settings with that database."""
    return load_settings(
        mongodb_uri=SecretStr(store_uri),
        mongodb_db=documents.name,
        stripe_secret_key=SecretStr(STRIPE_KEY),
        stripe_webhook_secret=SecretStr(WEBHOOK_SECRET),
        stripe_api_base=sandbox_url,
        api_token=SecretStr(API_TOKEN),
        # All tests call from one address.
        rate_limit="100000/minute",
        webhook_rate_limit="100000/minute",
        home=tmp_path / "home",
        # Where nobody listens; 0 would be asked as 80.
        port=9,
    )


@pytest.fixture
def desk(settings: Settings) -> Iterator[Desk]:
    """A desk on a database of its own, which is also the one `lumira.desk.current` answers."""
    with opened(settings) as opened_desk:
        yield opened_desk


@contextmanager
def opened(settings: Settings) -> Iterator[Desk]:
    """A prepared desk for these settings, its pages open to everybody."""
    desk = Desk.open(settings, demo=True)
    assert settings.mongodb_uri
    prepared = (settings.mongodb_uri.get_secret_value(), desk.store.database.name)
    if prepared not in _PREPARED:
        desk.store.prepare()
        _PREPARED.add(prepared)
    desks.use(desk)
    try:
        yield desk
    finally:
        desks.use(None)
        desk.store.close()


def reconciliation_of(desk: Desk, ahead: timedelta = timedelta()) -> Reconciliation:
    """A reconciliation of the desk's, by a clock that is ahead of ours, which takes no rests."""
    return Reconciliation(
        desk.orders,
        desk.gateway,
        desk.audit,
        Reconciliations(desk.store.database),
        clock=lambda: datetime.now(UTC) + ahead,
        sleep=lambda _seconds: None,
    )


def authorized_order(desk: Desk) -> Order:
    """The order of a payment that the bank has authorized and nobody has captured, of another program."""
    client = stripe.StripeClient(STRIPE_KEY, base_addresses={"api": str(desk.settings.stripe_api_base)})
    authorized = client.v1.payment_intents.create(
        {
            **{"amount": 4700, "currency": "eur", "capture_method": "manual", "confirm": True},
            **{"payment_method": "pm_card_visa", "return_url": "http://127.0.0.1/"},
            "metadata": {"productId": "mystique"},
        }
    )
    order = order_from(authorized.to_dict(), desk.orders.new_id(), livemode=False)
    desk.orders.insert(order)
    return order


@pytest.fixture
def support() -> Actor:
    """A member of staff who may create payments."""
    return Actor("claire", Role.SUPPORT)


@pytest.fixture
def admin() -> Actor:
    """A member of staff who may do everything."""
    return Actor("ada", Role.ADMIN)


@contextmanager
def serving(app: Starlette, port: int = 0, **options: Any) -> Iterator[str]:
    """The app on a real port of this machine, served as uvicorn's `options` say besides."""
    options = {"log_level": "error", "lifespan": "off", "proxy_headers": False, **options}
    config = uvicorn.Config(app, host="127.0.0.1", port=port, **options)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    wait_until(lambda: server.started)
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(timeout=10)


@pytest.fixture(scope="session")
def api_server() -> Iterator[str]:
    """The API on a real port; it speaks for the `desk` of the test that runs."""
    with serving(Starlette(routes=routes())) as url:
        yield url


def pytest_xdist_auto_num_workers() -> int:
    """Two workers a core: a test waits for servers for about as long as it computes."""
    return 2 * (os.cpu_count() or 1)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Shows what the tests of tests/torture have counted, and what those of tests/security have tried."""
    properties = {
        report.nodeid: dict(report.user_properties)
        for reports in terminalreporter.stats.values()
        for report in reports
        if getattr(report, "when", None) == "teardown"
    }
    counted = {name: found["counts"] for name, found in properties.items() if "counts" in found}
    if counted:
        terminalreporter.section("torture")
    for name, counts in sorted(counted.items()):
        terminalreporter.line(f"{name.removeprefix('tests/torture/')}: {counts}")
    tried = Counter(
        (kind, outcome) for found in properties.values() for kind, _, outcome in found.get("attempts", ())
    )
    if tried:
        terminalreporter.section("attempts to get in")
    for (kind, outcome), times in sorted(tried.items()):
        terminalreporter.line(f"{kind:12} {times:5} times: {outcome}")
    if terminalreporter.config.option.verbose > 0:
        for found in properties.values():
            for kind, what, outcome in found.get("attempts", ()):
                terminalreporter.line(f"{kind:12} {what!r}: {outcome}")


# The headless one does the same for a quarter less of a processor.
BROWSERS = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
CHROMIUM = next(filter(None, map(shutil.which, BROWSERS)), None)
ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    # No page lives long enough to win back what the last two compilers cost: an eighth of Chromium's time.
    "--js-flags=--no-opt --no-maglev",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest tests begin first; those of the browser are skipped without Chromium, but never in CI."""
    # A long test that begins last leaves every other worker without work until it has ended.
    items[:] = _dealt(items)
    if CHROMIUM or os.environ.get("CI") == "true":
        return
    skip = pytest.mark.skip(
        reason="no Chromium on this machine (Debian: apt-get install chromium-headless-shell)"
    )
    for item in items:
        if item.get_closest_marker("browser"):
            item.add_marker(skip)


def _dealt(items: list[pytest.Item]) -> list[pytest.Item]:
    """The items so that each worker, which is given as many as the others, one behind the other, begins with
    long tests, the longest first; the rest stay together by module, which makes its fixtures once.

    What shares a running desk and a browser page begins on the first worker, which starts them once.
    """
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    sharing = sorted((item for item in items if _shares_a_desk(item)), key=_seconds, reverse=True)
    alone = [item for item in items if not _shares_a_desk(item)]
    long = sorted(filter(_seconds, alone), key=_seconds, reverse=True)
    short = [item for item in alone if not _seconds(item)]
    dealt: list[pytest.Item] = []
    for worker in range(workers):
        share = long[worker - 1 :: workers - 1] if worker else sharing + long * (workers == 1)
        rest = max(0, (len(items) - len(dealt)) // (workers - worker) - len(share))
        dealt += [*share, *short[:rest]]
        del short[:rest]
    return dealt


def _shares_a_desk(item: pytest.Item) -> bool:
    return "served" in getattr(item, "fixturenames", ())


def _seconds(item: pytest.Item) -> int:
    mark = item.get_closest_marker("long")
    return int(mark.args[0]) if mark else 0


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """One Chromium for the session: Playwright's synchronous API can run once in a process."""
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=CHROMIUM, args=list(ARGUMENTS))
        yield launched
        launched.close()
