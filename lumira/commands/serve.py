"""`lumira run` and `lumira api`: what serves until it is stopped."""

from __future__ import annotations

import functools
import signal
import socket
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from lumira.errors import LumiraError, SettingsError
from lumira.settings import Settings, load_settings

if TYPE_CHECKING:
    from lumira.desk import Desk


def run(
    demo: Annotated[
        bool,
        typer.Option("--demo", help="Believable orders in an empty store, and no sign-in on this machine."),
    ] = False,
    port: Annotated[int | None, typer.Option(help="The port, instead of LUMIRA_PORT.")] = None,
) -> None:
    """Serve dashboard, API and webhook on one port, with a store and a sandbox where none is configured."""
    settings = load_settings(**({} if port is None else {"port": port}))
    if demo:
        _require_demo_surroundings(settings)
    settings = settings.model_copy(update={"port": _bindable(settings)})
    # The server gives a signal back after it has closed; only an exception lets us stop what we started.
    signal.signal(signal.SIGTERM, _stop)

    from lumira.serving import open_desk

    with open_desk(settings, demo=demo) as desk:
        if demo:
            from lumira.seed import seed_demo

            seed_demo(desk)
        else:
            # Beside the server: a store that is down does not keep it from serving.
            threading.Thread(target=_say_how_to_begin, args=(desk,), daemon=True).start()
        _serve(settings)


def _serve(settings: Settings) -> None:
    import uvicorn

    import app as entry

    # What Streamlit does not pass on to its server: LUMIRA_TRUSTED_PROXIES says whom to believe about a
    # caller's address, the log is set up already, and what we are made of is nobody's business.
    uvicorn.Config = functools.partial(  # type: ignore[assignment, misc]
        uvicorn.Config, proxy_headers=False, log_config=None, server_header=False
    )
    # Streamlit reads .streamlit/config.toml beside the program it believes it runs.
    sys.argv = [str(Path(entry.__file__).resolve())]
    config: dict[str, object] = {"server.address": settings.host, "server.port": settings.port}
    if settings.host in {"0.0.0.0", "::"}:  # noqa: S104 - compared with, not bound to
        # Streamlit would ask the internet for this machine's address, to print it.
        config["browser.serverAddress"] = "localhost"
    entry.app.run(config=config)


def end_once() -> None:
    """Has further signals count for nothing: they would cut short the stopping of what we started."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)


def _stop(_signal: int, _frame: object) -> NoReturn:
    end_once()
    raise SystemExit(0)


def api(
    workers: Annotated[int, typer.Option(min=1, help="How many processes.")] = 1,
    host: Annotated[str | None, typer.Option(help="The address, instead of LUMIRA_HOST.")] = None,
    port: Annotated[int | None, typer.Option(help="The port, instead of LUMIRA_PORT.")] = None,
) -> None:
    """Serve API and webhook alone, by several processes on one store."""
    given = {name: value for name, value in (("host", host), ("port", port)) if value is not None}
    settings = load_settings(**given)
    settings = settings.model_copy(update={"port": _bindable(settings)})
    signal.signal(signal.SIGTERM, _stop)

    from lumira.workers import serve_api

    serve_api(settings, workers)


def _require_demo_surroundings(settings: Settings) -> None:
    """Raises SettingsError where a desk without a sign-in would stand open."""
    if settings.host not in {"127.0.0.1", "::1", "localhost"}:
        raise SettingsError(
            f"LUMIRA_HOST is {settings.host}: a demo has no sign-in and serves this machine only. "
            "Use 127.0.0.1, or leave --demo away."
        )
    if settings.livemode:
        raise SettingsError("STRIPE_SECRET_KEY is a live key, and a demo has no sign-in. Leave --demo away.")


def _say_how_to_begin(desk: Desk) -> None:
    """Says how to get in to whoever starts a desk that has no account yet."""
    try:
        nobody = desk.staff.is_empty()
    except LumiraError:
        # The pages say what is wrong with the store.
        return
    if nobody:
        print(
            "Nobody can sign in yet. Make the first account: lumira staff add you@example.com --role admin",
            flush=True,
        )


def _bindable(settings: Settings) -> int:
    """The port to serve on, a free one for 0. Raises SettingsError when it is taken or not ours to take."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.host, settings.port))
        except OSError as error:
            raise SettingsError(
                f"Port {settings.port} on {settings.host} can't be used: {error.strerror}. Stop what listens "
                "there, or set LUMIRA_PORT to another port."
            ) from None
        return int(probe.getsockname()[1])
