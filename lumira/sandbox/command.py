"""`lumira sandbox`: the sandbox as a command."""

from __future__ import annotations

import signal
import socket
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from starlette.applications import Starlette


def sandbox(
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="The port; 0 takes any free one.")] = 12111,
    key: Annotated[
        str | None,
        typer.Option(
            envvar="LUMIRA_SANDBOX_KEY", help="Accept only this secret key. Without it: any sk_test_…"
        ),
    ] = None,
    publishable_key: Annotated[str | None, typer.Option(help="Accept only this publishable key.")] = None,
    state: Annotated[
        Path | None, typer.Option(help="Keep everything in this SQLite file. Without it: memory.")
    ] = None,
    webhook_url: Annotated[str | None, typer.Option(help="Deliver every event to this URL.")] = None,
    webhook_secret: Annotated[
        str | None,
        typer.Option(envvar="LUMIRA_SANDBOX_WEBHOOK_SECRET", help="Sign those deliveries with this whsec_…"),
    ] = None,
    faults: Annotated[
        bool, typer.Option("--faults", help="Serve the control endpoints under /_sandbox.")
    ] = False,
    country: Annotated[str, typer.Option(help="The country of the account.")] = "FR",
    settlement_delay: Annotated[
        float, typer.Option(min=0, help="Seconds until what settles later does: refunds, debits, disputes.")
    ] = 1.0,
    back_off: Annotated[
        str | None,
        typer.Option(help="Seconds between the attempts of a delivery, separated by commas: 1,2,5."),
    ] = None,
) -> None:
    """Run a local Stripe: a stateful sandbox for work and tests without a Stripe account."""
    # A third of a second of imports that every other command need not pay.
    from lumira.sandbox.app import create_app

    pauses = _pauses(back_off)
    if webhook_url and not webhook_url.startswith(("http://", "https://")):
        raise _stop(
            f"can't deliver to {webhook_url}. Give --webhook-url an address that begins with http://."
        )
    with _listener(host, port) as listener:
        try:
            application = create_app(
                key=key,
                publishable_key=publishable_key,
                state=state,
                webhook_url=webhook_url,
                webhook_secret=webhook_secret,
                faults=faults,
                country=country.upper(),
                settlement_delay=settlement_delay,
                back_off=pauses,
            )
        except (sqlite3.Error, OSError) as problem:
            raise _stop(
                f"can't keep its state in {state} ({problem}). Give --state another file, in a writable "
                "folder."
            ) from None
        shown = f"[{host}]" if ":" in host else host
        _serve(
            application,
            listener,
            address=f"http://{shown}:{listener.getsockname()[1]}",
            secret=None if webhook_secret else application.state.webhook_secret,
        )


def _pauses(back_off: str | None) -> tuple[float, ...]:
    """The seconds between the attempts of a delivery; Stripe's for None."""
    from lumira.sandbox.deliveries import BACK_OFF

    if back_off is None:
        return BACK_OFF
    try:
        return tuple(float(pause) for pause in back_off.split(",") if pause.strip())
    except ValueError:
        raise _stop(f"can't read --back-off {back_off}. Give seconds such as 1,2,5.") from None


@contextmanager
def _listener(host: str, port: int) -> Iterator[socket.socket]:
    """A socket bound to the address, closed afterwards."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, port))
        except OSError as problem:
            reason = problem.strerror
            raise _stop(
                f"can't listen on {host}:{port} ({reason}). Choose another --port; 0 takes any."
            ) from None
        yield listener


def _serve(application: Starlette, listener: socket.socket, *, address: str, secret: str | None) -> None:
    """Serve until SIGINT or SIGTERM; say `address`, and a `secret` that was made up, once it listens."""
    import uvicorn

    from lumira.sandbox.server import OPTIONS, Server

    server = Server(uvicorn.Config(application, log_level="warning", **OPTIONS))
    server.secret = secret
    server.address = address
    for stop in (signal.SIGINT, signal.SIGTERM):
        # uvicorn stops on these by itself, then raises them again for whoever started it: nothing is
        # left to do.
        signal.signal(stop, signal.SIG_IGN)
    server.run(sockets=[listener])


def _stop(reason: str) -> typer.Exit:
    typer.echo(f"Lumira sandbox {reason}", err=True)
    return typer.Exit(1)
