"""What one process serves on one port, and what it opens and closes around it."""

from __future__ import annotations

import gc
import os
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, Final

import anyio.to_thread
import click
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.routing import BaseRoute, Mount, Route

from lumira import desk as desks
from lumira.api.application import application
from lumira.desk import Desk
from lumira.embedded import running
from lumira.errors import LumiraError, StoreUnavailable
from lumira.settings import Settings, load_settings

# Not beside a folder named pages: Streamlit would open its files without ever running the router.
ROUTER_SCRIPT: Final = Path(__file__).parent / "dashboard" / "router.py"

# The desk is for this machine until it has a sign-in. The names keep a web page of another host from reaching
# it through a name that resolves to loopback.
LOOPBACK_HOSTS: Final = ("127.0.0.1", "localhost", "[::1]")
MIDDLEWARE: Final = [
    Middleware(TrustedHostMiddleware, allowed_hosts=list(LOOPBACK_HOSTS), www_redirect=False)
]


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
        preparing = threading.Thread(target=_prepare, args=(desk, stopped), name="prepare", daemon=True)
        preparing.start()
        desks.use(desk)
        try:
            yield desk
        finally:
            stopped.set()
            preparing.join()
            desks.use(None)
            desk.store.close()


def _prepare(desk: Desk, stopped: threading.Event) -> None:
    """Creates the indexes as soon as the store answers; one that is down does not keep us from starting."""
    while not stopped.is_set():
        try:
            desk.store.prepare()
        except StoreUnavailable:
            stopped.wait(2)
        else:
            return


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
