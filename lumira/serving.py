"""What one process serves on one port, and what it opens and closes around it."""

from __future__ import annotations

import gc
import os
import re
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import anyio.to_thread
import click
from starlette.middleware import Middleware
from starlette.routing import BaseRoute, Mount, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from lumira import background, logs, traces
from lumira import desk as desks
from lumira.api.allowed_hosts import AllowedHosts
from lumira.api.application import application
from lumira.api.charts_later import ChartsLater
from lumira.api.checkout import checkout_application
from lumira.api.compressed_files import CompressedFiles
from lumira.api.first_paint import FirstPaint
from lumira.api.gate import OPEN, Gate
from lumira.api.metrics import metrics_application
from lumira.api.no_uploads import NoUploads
from lumira.api.own_paths import OwnPaths
from lumira.api.security_headers import SecurityHeaders
from lumira.api.sign_in import callback_application, sign_in_application, sign_out_application
from lumira.api.unknown_pages import UnknownPages
from lumira.api.webhook import Deliveries
from lumira.dashboard import PAGES
from lumira.desk import Desk
from lumira.embedded import running
from lumira.errors import LumiraError, SettingsError, StoreUnavailable
from lumira.openid_providers import CALLBACK
from lumira.secret_key import secret_key
from lumira.settings import Settings, load_settings

# Not beside a folder named pages: Streamlit would open its files without ever running the router.
ROUTER_SCRIPT: Final = Path(__file__).parent / "dashboard" / "router.py"

# How long the end of a desk waits for its background work. A Stripe that hangs may hold that for minutes, and
# whatever it does can be cut short: it is done again by the next desk.
END_SECONDS: Final = 5

# The addresses of the dashboard's pages, each by the name of its file.
ADDRESSES: Final = frozenset(page.stem.replace("_", "-") for page in PAGES.glob("[a-z]*.py"))


def routes() -> list[BaseRoute]:
    """API, the customer's page and the sign-in; all other paths are Streamlit's, even unknown ones."""
    return [
        *api_routes(),
        *_mounted("/sign-in", sign_in_application()),
        *_mounted("/sign-out", sign_out_application()),
        *_mounted(CALLBACK, callback_application()),
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
    """Passes a request for exactly the path of a mounted application to it: a Mount answers only below."""

    path: str
    app: ASGIApp

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        root = scope.get("root_path", "") + self.path
        await self.app({**scope, "path": f"{root}/", "root_path": root}, receive, send)


# The outermost first: a refusal has the headers too.
MIDDLEWARE: Final = [
    Middleware(SecurityHeaders),
    Middleware(AllowedHosts),
    Middleware(NoUploads, others=OPEN),
    Middleware(Gate),
    Middleware(OwnPaths, routes=api_routes()),
    Middleware(UnknownPages, pages=ADDRESSES, others=OPEN),
    Middleware(ChartsLater),
    Middleware(CompressedFiles),
    Middleware(FirstPaint),
]


@contextmanager
def open_desk(settings: Settings, *, demo: bool = False) -> Iterator[Desk]:
    """Starts what `settings` lack and makes the desk the one of this process, until the context ends.

    A demo lets everybody in who reaches it, so it must not be reachable from elsewhere. Raises SettingsError
    with one line that says what to do.
    """
    with running(settings) as complete:
        # Where it can't be kept nobody could sign in, and whoever meets that in a page can't mend it.
        secret_key(complete)
        with opened(complete, background.look_after, demo=demo) as desk:
            yield desk


@contextmanager
def opened(
    settings: Settings, work: Callable[[Desk, threading.Event], None], *, demo: bool = False
) -> Iterator[Desk]:
    """The desk of this process, with `work` going on beside it until the context ends.

    Raises SettingsError for a store that a restore has filled in part.
    """
    logs.configure(settings)
    traces.configure(settings)
    desk = Desk.open(settings, demo=demo)
    # One that does not answer is no reason not to start.
    with suppress(StoreUnavailable):
        try:
            desk.store.check_whole()
        except SettingsError:
            desk.store.close()
            raise
    stopped = threading.Event()
    working = threading.Thread(target=work, args=(desk, stopped), name="background", daemon=True)
    working.start()
    desks.use(desk)
    try:
        yield desk
    finally:
        stopped.set()
        working.join(END_SECONDS)
        desks.use(None)
        if not working.is_alive():
            desk.store.close()


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
    try:
        desk = open_desk(load_settings(port=served_port()))
        await anyio.to_thread.run_sync(desk.__enter__)
    except LumiraError as error:
        # The server would print a traceback of its own around any exception.
        print(f"lumira: {error.message}", file=sys.stderr, flush=True)
        os._exit(1)
    warming.start()
    try:
        yield {}
    finally:
        await anyio.to_thread.run_sync(lambda: desk.__exit__(None, None, None))


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


def _warm_up() -> None:
    """Imports what every page needs before the first visit and takes it out of the collector's sight.

    A rerun then costs 6 ms instead of 117: the collector walked everything that was ever imported.
    """
    import pandas  # noqa: F401
    import plotly.graph_objects  # noqa: F401

    gc.collect()
    gc.freeze()
