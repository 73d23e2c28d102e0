"""What one process serves on one port, and what it opens and closes around it."""

from __future__ import annotations

import gc
import math
import os
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, Final

import anyio.to_thread
import click
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.routing import BaseRoute, Mount, Route

from lumira import desk as desks
from lumira.access import Actor, Role
from lumira.api.application import application
from lumira.desk import Desk
from lumira.embedded import running
from lumira.errors import LumiraError
from lumira.settings import Settings, load_settings

# Not beside a folder named pages: Streamlit would open its files without ever running the router.
ROUTER_SCRIPT: Final = Path(__file__).parent / "dashboard" / "router.py"

# The desk is for this machine until it has a sign-in. The names keep a web page of another host from reaching
# it through a name that resolves to loopback.
LOOPBACK_HOSTS: Final = ("127.0.0.1", "localhost", "[::1]")
MIDDLEWARE: Final = [
    Middleware(TrustedHostMiddleware, allowed_hosts=list(LOOPBACK_HOSTS), www_redirect=False)
]

RETRY_SECONDS: Final = 2
TEND_SECONDS: Final = 300
# Who does what Lumira does on its own.
LUMIRA: Final = Actor("lumira", Role.ADMIN)


def routes() -> list[BaseRoute]:
    """The API; everything else is Streamlit's, which answers any unknown path with its page."""
    api = application()
    return [Mount("/api", app=api), Route("/api", endpoint=api)]


@contextmanager
def open_desk(settings: Settings) -> Iterator[Desk]:
    """Starts what `settings` lack and makes the desk the one of this process, until the context ends.

    Raises SettingsError with one line that says what to do.
    """
    with running(settings) as complete:
        desk = Desk.open(complete)
        stopped = threading.Event()
        tending = threading.Thread(target=_tend, args=(desk, stopped), name="tend", daemon=True)
        tending.start()
        desks.use(desk)
        try:
            yield desk
        finally:
            stopped.set()
            tending.join()
            desks.use(None)
            desk.store.close()


def _tend(desk: Desk, stopped: threading.Event) -> None:
    """Looks after store and orders until stopped: indexes at once, open orders every five minutes, the ledger
    daily. A store or a Stripe that is down is tried again; it is no reason not to start.
    """
    while not _done(desk.store.prepare):
        if stopped.wait(RETRY_SECONDS):
            return
    pruned = -math.inf
    while not stopped.wait(TEND_SECONDS):
        if desk.gateway.is_configured:
            _done(lambda: desk.reconciliation.settle_open_orders(actor=LUMIRA))
        if time.monotonic() > pruned + 86_400 and _done(desk.webhooks.prune):
            pruned = time.monotonic()


def _done(work: Callable[[], object]) -> bool:
    try:
        work()
    except LumiraError:
        return False
    return True


@asynccontextmanager
async def lifespan(_app: object) -> AsyncIterator[dict[str, Any]]:
    """Opens the desk around the server, unless `lumira run` has opened it already."""
    if desks.is_open():
        _warm_up()
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
    _warm_up()
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


def _warm_up() -> None:
    """Imports what every page needs before the first visit and takes it out of the collector's sight.

    A rerun then costs 6 ms instead of 117: the collector walked everything that was ever imported.
    """
    import plotly.graph_objects  # noqa: F401

    import lumira.dashboard  # noqa: F401

    gc.collect()
    gc.freeze()
