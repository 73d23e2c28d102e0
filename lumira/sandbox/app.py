"""The ASGI application: Stripe's API under /v1, and around it the sandbox's own pages."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

from starlette.applications import Starlette
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from lumira.sandbox import control, pages, shapes
from lumira.sandbox.api import Api, Keys
from lumira.sandbox.deliveries import BACK_OFF, Deliveries
from lumira.sandbox.faults import Faults
from lumira.sandbox.resources import TASKS
from lumira.sandbox.store import Store

logger = logging.getLogger(__name__)
DAY = 86400
RETRY_SECONDS = 1.0
DESCRIPTION = "The endpoint the sandbox was started with"


def create_app(
    *,
    key: str | None = None,
    publishable_key: str | None = None,
    state: Path | None = None,
    webhook_url: str | None = None,
    webhook_secret: str | None = None,
    faults: bool = False,
    country: str = "FR",
    settlement_delay: float = 1.0,
    back_off: tuple[float, ...] = BACK_OFF,
) -> Starlette:
    """The sandbox as an ASGI application, to be served by one process.

    `key` and `publishable_key`: the only keys accepted; without them any test key. `state`: the SQLite file,
    else memory. `webhook_url` and `webhook_secret`: an endpoint that is always there, for all events.
    `faults`: serve the control endpoints under /_sandbox. `settlement_delay`: seconds until what settles
    later does. `back_off`: seconds between a delivery's attempts. `app.state.webhook_secret` is the secret of
    that endpoint. Raises sqlite3.Error when the state file can't be used.
    """
    store = Store(state)
    switches = Faults() if faults else None
    api = Api(store, Keys(key, publishable_key), settlement_delay, country, switches)
    if not faults:  # nothing could switch them on again
        store.set_setting("delivery_mode", "normal")
    secret = _ensure_endpoint(store, int(api.now()), webhook_url, webhook_secret)

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        deliveries = Deliveries(store, api.now, back_off)
        due = asyncio.Event()

        def after() -> None:
            deliveries.wake.set()
            due.set()

        api.after = after
        background = [
            asyncio.create_task(deliveries.run()),
            asyncio.create_task(_run_tasks(api, due, deliveries)),
        ]
        yield
        for task in background:
            task.cancel()
        await asyncio.gather(*background, return_exceptions=True)
        store.close()

    methods = ["GET", "POST", "DELETE", "OPTIONS", "PUT", "PATCH"]
    routes = [
        *control.routes(api, switches),
        *pages.routes(api),
        Route("/v1/{path:path}", api.answer, methods=methods),
    ]
    app = Sandbox(routes=routes, lifespan=lifespan)
    app.state.webhook_secret = secret
    return app


class Sandbox(Starlette):
    """Starlette, but a fault can reach the server's own connection, to drop it."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        scope["lumira.sandbox.send"] = send
        await super().__call__(scope, receive, send)


async def _run_tasks(api: Api, due: asyncio.Event, deliveries: Deliveries) -> None:
    """Do what falls due, and forget once a day what Stripe would not know any more."""
    tidy = 0.0
    while True:
        due.clear()
        try:
            if api.now() >= tidy:
                api.store.forget(api.now())
                tidy = api.now() + DAY
            while _do_next(api):
                deliveries.wake.set()
                await asyncio.sleep(0)  # much may be due at once, after a long rest
            following = min(tidy, api.store.next_task() or tidy)
        except sqlite3.OperationalError as problem:  # another program writes to the file: see history.py
            logger.warning("what is due waits: %s", problem)
            following = api.now() + RETRY_SECONDS
        # Until Python 3.12 `asyncio.wait_for` forgets that it is cancelled where what it awaits comes
        # just then: https://github.com/python/cpython/issues/86296
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(max(0.0, following - api.now())):
                await due.wait()


def _do_next(api: Api) -> bool:
    """Do the next thing due as of the time it fell due, in one transaction; False when there is none."""
    with api.store.transaction():
        task = api.store.take_task(api.now())
        if task is None:
            return False
        due, kind, identifier = task
        try:
            TASKS[kind](api.call(due), identifier)
        except Exception:  # one task that can't be done must not keep the others waiting
            logger.exception("%s of %s failed", kind, identifier)
            api.store.rollback()
            api.store.begin()
            api.store.take_task(api.now())
    return True


def _ensure_endpoint(store: Store, now: int, url: str | None, secret: str | None) -> str | None:
    """The endpoint given at the start: made once, found again in the state file, gone when no longer given.

    Answers its secret.
    """
    with store.transaction():
        identifier = store.setting("webhook_endpoint", shapes.new_id("we"))
        if url is None:
            store.delete(identifier)
            return None
        known = {"description": DESCRIPTION, "enabled_events": ["*"], "secret": shapes.new_id("whsec", 32)}
        endpoint = store.get(identifier) or shapes.new("webhook_endpoint", now, **known)
        endpoint |= {"id": identifier, "url": url, "status": "enabled"}
        endpoint["secret"] = secret or endpoint["secret"]
        store.save(endpoint)
        return str(endpoint["secret"])
