"""What one process serves on one port, and what it opens and closes around it."""

from __future__ import annotations

import gc
import logging
import math
import multiprocessing
import os
import re
import signal
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import anyio.to_thread
import click
import uvicorn
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import BaseRoute, Mount, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from lumira import desk as desks
from lumira import logs, traces
from lumira.access import Actor, Role
from lumira.api.allowed_hosts import AllowedHosts
from lumira.api.application import application, nothing_here
from lumira.api.checkout import checkout_application
from lumira.api.first_paint import FirstPaint
from lumira.api.gate import OPEN, Gate
from lumira.api.metrics import metrics_application
from lumira.api.no_uploads import NoUploads
from lumira.api.security_headers import SecurityHeaders
from lumira.api.sign_in import callback_application, sign_in_application, sign_out_application
from lumira.api.unknown_pages import UnknownPages
from lumira.api.webhook import Deliveries
from lumira.desk import Desk
from lumira.embedded import STORE_FILE, attached, running
from lumira.errors import LumiraError, SettingsError, StoreUnavailable
from lumira.metrics import SHARED_FOLDER
from lumira.settings import Settings, load_settings
from lumira.storage import Store

# Not beside a folder named pages: Streamlit would open its files without ever running the router.
ROUTER_SCRIPT: Final = Path(__file__).parent / "dashboard" / "router.py"

# The addresses of the dashboard's pages, each by the name of its file.
PAGES: Final = frozenset(
    page.stem.replace("_", "-") for page in (Path(__file__).parents[1] / "pages").glob("[a-z]*.py")
)
# The outermost first: a refusal has the headers too.
MIDDLEWARE: Final = [
    Middleware(SecurityHeaders),
    Middleware(AllowedHosts),
    Middleware(NoUploads, others=OPEN),
    Middleware(Gate),
    Middleware(UnknownPages, pages=PAGES, others=OPEN),
    Middleware(FirstPaint),
]

logger: Final = logging.getLogger("lumira")

RETRY_SECONDS: Final = 2
# The longest that listing the orders of another program keeps everything else waiting.
LISTING_SECONDS: Final = 5
TEND_SECONDS: Final = 300
# Pages bring revenue up to date themselves; this takes what they leave, and looks a little at all days.
REVENUE_SECONDS: Final = 10
RECHECK_SECONDS: Final = 0.2
FEES_SECONDS: Final = 2
# How long a worker that was asked to end may finish the requests it has.
GRACE_SECONDS: Final = 30
# Who does what Lumira does on its own.
LUMIRA: Final = Actor("lumira", Role.ADMIN)


def routes() -> list[BaseRoute]:
    """API, the customer's page and the sign-in; all other paths are Streamlit's, even unknown ones."""
    return [
        *api_routes(),
        *_mounted("/sign-in", sign_in_application()),
        *_mounted("/sign-out", sign_out_application()),
        *_mounted("/oauth2callback", callback_application()),
    ]


def api_routes() -> list[BaseRoute]:
    """API, webhook, the customer's page and what Prometheus reads."""
    return [
        *_mounted("/api", Deliveries(application())),
        *_mounted("/checkout", checkout_application()),
        *_mounted("/metrics", metrics_application()),
    ]


def _mounted(path: str, app: ASGIApp) -> list[BaseRoute]:
    """The application at the path and at every path below it."""
    mount = Mount(path, app=app)
    # Starlette's pattern ends at a line break, and what it lets by would get Streamlit's page.
    mount.path_regex = re.compile(mount.path_regex.pattern, re.DOTALL)
    return [mount, Route(path, endpoint=_Root(path, app))]


@dataclass(frozen=True)
class _Root:
    """An application asked for at the very path it is mounted at, which a Mount leaves to others."""

    path: str
    app: ASGIApp

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        root = scope.get("root_path", "") + self.path
        await self.app({**scope, "path": f"{root}/", "root_path": root}, receive, send)


@contextmanager
def open_desk(settings: Settings, *, demo: bool = False) -> Iterator[Desk]:
    """Starts what `settings` lack and makes the desk the one of this process, until the context ends.

    A demo lets everybody in who reaches it, so it must not be reachable from elsewhere. Raises SettingsError
    with one line that says what to do.
    """
    with running(settings) as complete, _opened(complete, _tend, demo=demo) as desk:
        yield desk


@contextmanager
def _opened(
    settings: Settings, work: Callable[[Desk, threading.Event], None], *, demo: bool = False
) -> Iterator[Desk]:
    """The desk of this process, with `work` going on beside it until the context ends."""
    logs.configure(settings)
    traces.configure(settings)
    desk = Desk.open(settings, demo=demo)
    stopped = threading.Event()
    working = threading.Thread(target=work, args=(desk, stopped), name="tend", daemon=True)
    working.start()
    desks.use(desk)
    try:
        yield desk
    finally:
        stopped.set()
        working.join()
        desks.use(None)
        desk.store.close()


def _tend(desk: Desk, stopped: threading.Event) -> None:
    """Looks after store and orders until stopped: indexes at once, what orders are found by and revenue
    every ten seconds, fees and open orders every five minutes, the ledger daily. A store or a Stripe that is
    down is tried again; it is no reason not to start.
    """
    _prepare(desk, stopped)

    def done(work: Callable[[], object]) -> bool:
        # A store that is down keeps each of them waiting; whoever stops us waits for one at most.
        return not stopped.is_set() and _done(work)

    tended, pruned = time.monotonic(), -math.inf
    while not stopped.is_set():
        done(lambda: desk.order_list.list_all(LISTING_SECONDS))
        if done(desk.revenue.refresh):
            done(lambda: desk.revenue.recheck(RECHECK_SECONDS))
        if desk.gateway.is_configured:
            done(lambda: desk.fees.follow(FEES_SECONDS))
        stopped.wait(REVENUE_SECONDS)
        if time.monotonic() < tended + TEND_SECONDS:
            continue
        tended = time.monotonic()
        if desk.gateway.is_configured:
            done(lambda: desk.reconciliation.settle_open_orders(actor=LUMIRA))
        if time.monotonic() > pruned + 86_400 and done(lambda: _prune(desk)):
            pruned = time.monotonic()


def _prune(desk: Desk) -> None:
    """Removes what is kept for a time only."""
    desk.webhooks.prune(actor=LUMIRA)
    desk.sessions.prune()


def _prepare(desk: Desk, stopped: threading.Event) -> None:
    """Creates the indexes as soon as the store answers."""
    while not stopped.is_set() and not _done(desk.store.prepare):
        stopped.wait(RETRY_SECONDS)


def _done(work: Callable[[], object]) -> bool:
    """Whether the work could be done; what can't be done now is tried again later."""
    try:
        with logs.bound(work="background"), traces.work("background"):
            work()
    except LumiraError as error:
        logger.warning("background work postponed", extra={"code": error.code, "reason": error.message})
        return False
    except Exception:
        logger.exception("background work failed")
        return False
    return True


@asynccontextmanager
async def lifespan(_app: object) -> AsyncIterator[dict[str, Any]]:
    """Opens the desk around the server, unless `lumira run` has opened it already."""
    logs.take_over_libraries()
    # Beside the server: API and webhook answer seconds earlier.
    warming = threading.Thread(target=_warm_up, name="warm-up", daemon=True)
    if desks.is_open():
        warming.start()
        yield {}
        return
    opened = None
    try:
        opened = open_desk(load_settings(port=served_port()))
        await anyio.to_thread.run_sync(opened.__enter__)
    except LumiraError as error:
        # The server would print a traceback of its own around any exception.
        print(f"lumira: {error.message}", file=sys.stderr, flush=True)
        os._exit(1)
    warming.start()
    try:
        yield {}
    finally:
        await anyio.to_thread.run_sync(lambda: opened.__exit__(None, None, None))


def served_port() -> int:
    """The port of this server, whoever started it: the sandbox delivers there."""
    context = click.get_current_context(silent=True)
    while context is not None:
        if context.command.name == "run" and "server_port" in context.params:
            from streamlit import config

            return int(config.get_option("server.port"))
        if context.params.get("app") and isinstance(context.params.get("port"), int):
            return int(context.params["port"])
        context = context.parent
    return load_settings().port


def serve_api(settings: Settings, workers: int) -> None:
    """Serves API and webhook alone, without the dashboard, by `workers` processes on one store and one port.

    Returns when a SIGTERM or SIGINT has ended them; requests in flight are finished first. Raises
    SettingsError without a store.
    """
    logs.configure(settings)
    with _beside_a_store(settings) as complete, TemporaryDirectory(prefix="lumira-metrics-") as shared:
        os.environ.update(_environment(complete) | {SHARED_FOLDER: shared})
        print(f"API on http://{settings.host}:{settings.port}/api by {workers} processes", flush=True)
        uvicorn.run(
            "lumira.serving:api_application",
            factory=True,
            host=settings.host,
            port=settings.port,
            workers=workers,
            log_config=None,
            log_level="warning",
            access_log=False,
            server_header=False,
            # LUMIRA_TRUSTED_PROXIES says whom to believe about a caller's address.
            proxy_headers=False,
            timeout_graceful_shutdown=GRACE_SECONDS,
        )


def api_application() -> Starlette:
    """The application of one process of `lumira api`; it is set up by the environment alone."""
    return Starlette(
        routes=[*api_routes(), Mount("/", app=nothing_here())],
        middleware=[Middleware(SecurityHeaders), Middleware(AllowedHosts)],
        lifespan=_api_lifespan,
    )


@asynccontextmanager
async def _api_lifespan(_app: object) -> AsyncIterator[None]:
    _end_with_parent()
    # Open orders and the ledger are looked after once, by `lumira run` or by commands, not by each worker.
    opened = _opened(load_settings(), _prepare)
    await anyio.to_thread.run_sync(opened.__enter__)
    try:
        yield
    finally:
        await anyio.to_thread.run_sync(lambda: opened.__exit__(None, None, None))


def _end_with_parent() -> None:
    """Ends this worker when the process that started it is killed: it would keep the port for ever."""
    parent = multiprocessing.parent_process()
    if parent is None:
        return

    def follow() -> None:
        parent.join()
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=follow, name="follow", daemon=True).start()


@contextmanager
def _beside_a_store(settings: Settings) -> Iterator[Settings]:
    """The settings with the store they name, or else with store and sandbox of the Lumira that runs here.

    Raises SettingsError when there is neither.
    """
    if settings.mongodb_uri is not None:
        yield settings
        return
    try:
        running_store = Store((settings.home / STORE_FILE).read_text(encoding="utf-8").strip())
        running_store.ping()
        running_store.close()
    except (OSError, StoreUnavailable):
        raise SettingsError(
            f"MONGODB_URI is not set, and no Lumira is running on {settings.home}. Set it, or start "
            "`lumira run`."
        ) from None
    with attached(settings) as complete:
        yield complete


def _environment(settings: Settings) -> dict[str, str]:
    """The variables that tell a worker what this process has found or was told by its options."""
    uri, key = settings.mongodb_uri, settings.stripe_secret_key
    secret, publishable_key = settings.stripe_webhook_secret, settings.stripe_publishable_key
    found = {
        "MONGODB_URI": uri.get_secret_value() if uri else None,
        "STRIPE_SECRET_KEY": key.get_secret_value() if key else None,
        "STRIPE_PUBLISHABLE_KEY": publishable_key,
        "STRIPE_PRODUCT_WEBHOOK_SECRET": secret.get_secret_value() if secret else None,
        "STRIPE_API_BASE": settings.stripe_api_base,
        "LUMIRA_HOST": settings.host,
        "LUMIRA_PORT": str(settings.port),
    }
    return {name: value for name, value in found.items() if value}


def _warm_up() -> None:
    """Imports what every page needs before the first visit and takes it out of the collector's sight.

    A rerun then costs 6 ms instead of 117: the collector walked everything that was ever imported.
    """
    import pandas  # noqa: F401
    import plotly.graph_objects  # noqa: F401

    import lumira.dashboard  # noqa: F401

    gc.collect()
    gc.freeze()
