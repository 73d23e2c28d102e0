"""`lumira api`: API and webhook alone, by several processes on one store and one port."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing, contextmanager
from tempfile import TemporaryDirectory
from typing import Final

import anyio.to_thread
import uvicorn
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import Mount

from lumira import background, logs
from lumira.api.allowed_hosts import AllowedHosts
from lumira.api.application import nothing_here
from lumira.api.security_headers import SecurityHeaders
from lumira.embedded import STORE_FILE, attached
from lumira.errors import SettingsError, StoreUnavailable
from lumira.metrics import SHARED_FOLDER
from lumira.serving import api_routes, opened
from lumira.settings import Settings, load_settings, revealed
from lumira.storage import Store

# How long a worker that was asked to end may finish the requests it has.
GRACE_SECONDS: Final = 30


def serve_api(settings: Settings, workers: int) -> None:
    """Serves API and webhook alone, without the dashboard, by `workers` processes on one store and one port.

    Returns when a SIGTERM or SIGINT has ended them; requests in flight are finished first. Raises
    SettingsError without a store.
    """
    logs.configure(settings)
    with _beside_a_store(settings) as complete, TemporaryDirectory(prefix="lumira-metrics-") as shared:
        os.environ.update(_environment(complete))
        if workers > 1:
            # A single one is this very process, whose counters have been made by now: it answers for itself.
            os.environ[SHARED_FOLDER] = shared
        by = "one process" if workers == 1 else f"{workers} processes"
        print(f"API on http://{settings.host}:{settings.port}/api by {by}", flush=True)
        uvicorn.run(
            "lumira.workers:api_application",
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
    desk = opened(load_settings(), background.prepare)
    await anyio.to_thread.run_sync(desk.__enter__)
    try:
        yield
    finally:
        await anyio.to_thread.run_sync(lambda: desk.__exit__(None, None, None))


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
        with closing(Store((settings.home / STORE_FILE).read_text(encoding="utf-8").strip())) as store:
            store.ping()
    except (OSError, StoreUnavailable):
        raise SettingsError(
            f"MONGODB_URI is not set, and no Lumira is running on {settings.home}. Set it, or start "
            "`lumira run`."
        ) from None
    with attached(settings) as complete:
        yield complete


def _environment(settings: Settings) -> dict[str, str]:
    """The variables that tell a worker what this process has found or was told by its options."""
    found = {
        "MONGODB_URI": revealed(settings.mongodb_uri),
        "STRIPE_SECRET_KEY": revealed(settings.stripe_secret_key),
        "STRIPE_PUBLISHABLE_KEY": settings.stripe_publishable_key,
        "STRIPE_PRODUCT_WEBHOOK_SECRET": revealed(settings.stripe_webhook_secret),
        "STRIPE_API_BASE": settings.stripe_api_base,
        "LUMIRA_HOST": settings.host,
        "LUMIRA_PORT": str(settings.port),
    }
    return {name: value for name, value in found.items() if value}
