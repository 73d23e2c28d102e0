"""The `lumira` command."""

from __future__ import annotations

import signal
import socket
import sys
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from lumira.errors import LumiraError, SettingsError
from lumira.sandbox.command import sandbox
from lumira.settings import Settings, load_settings

app = typer.Typer(
    name="lumira",
    help="The payment desk of Oracle Lumira.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
app.command()(sandbox)


@app.callback()
def _commands() -> None:
    """The payment desk of Oracle Lumira."""


@app.command()
def run(
    demo: Annotated[bool, typer.Option("--demo", help="Fill an empty store with believable orders.")] = False,
    port: Annotated[int | None, typer.Option(help="The port, instead of LUMIRA_PORT.")] = None,
) -> None:
    """Serve dashboard, API and webhook on one port, with a store and a sandbox where none is configured."""
    settings = load_settings(**({} if port is None else {"port": port}))
    settings = settings.model_copy(update={"port": _bindable(settings)})
    # The server gives a signal back after it has closed; only an exception lets us stop what we started.
    signal.signal(signal.SIGTERM, _stop)

    from lumira.serving import open_desk

    with open_desk(settings) as desk:
        if demo:
            from lumira.seed import seed_demo

            seed_demo(desk)
        _serve(settings)


def _serve(settings: Settings) -> None:
    import app as entry

    # Streamlit reads .streamlit/config.toml beside the program it believes it runs.
    sys.argv = [str(Path(entry.__file__).resolve())]
    entry.app.run(config={"server.address": settings.host, "server.port": settings.port})


def _stop(_signal: int, _frame: object) -> NoReturn:
    raise SystemExit(0)


def _bindable(settings: Settings) -> int:
    """The port to serve on, a free one for 0. Raises SettingsError when it is taken or not ours to take."""
    if settings.host not in {"127.0.0.1", "::1", "localhost"}:
        raise SettingsError(
            f"LUMIRA_HOST is {settings.host}: the desk has no sign-in yet and serves this machine only. "
            "Use 127.0.0.1."
        )
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


@app.command()
def seed(
    orders: Annotated[int, typer.Option(min=1, help="How many orders.")] = 1_000,
    days: Annotated[int, typer.Option(min=1, help="Over how many days, up to today.")] = 90,
    seed: Annotated[int, typer.Option(help="The same seed makes the same orders.")] = 1,
) -> None:
    """Insert believable test orders into the store of MONGODB_URI, or into the embedded one."""
    from lumira.desk import Desk
    from lumira.embedded import store_only
    from lumira.seed import insert_orders

    with store_only(load_settings()) as settings:
        desk = Desk.open(settings)
        desk.store.prepare()
        inserted = insert_orders(desk, orders=orders, days=days, seed=seed)
    print(f"{inserted} orders inserted, {orders - inserted} were there already.")


def main() -> None:
    """Runs the command; an error of ours is one line on stderr and exit code 1."""
    try:
        app()
    except LumiraError as error:
        print(f"lumira: {error.message}", file=sys.stderr)
        raise SystemExit(1) from None
