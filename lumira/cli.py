"""The `lumira` command."""

from __future__ import annotations

import functools
import signal
import socket
import sys
import threading
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from lumira.commands.attached import COMMAND_LINE, attached_desk
from lumira.commands.backup import backup, restore
from lumira.commands.customer import customer
from lumira.commands.doctor import doctor
from lumira.commands.export import export
from lumira.commands.order_import import import_orders
from lumira.commands.revenue import revenue
from lumira.commands.staff import staff
from lumira.commands.token import token
from lumira.commands.webhooks import webhooks
from lumira.commands.wording import counted
from lumira.errors import LumiraError, SettingsError
from lumira.sandbox.command import sandbox
from lumira.settings import Settings, load_settings

if TYPE_CHECKING:
    from lumira.desk import Desk

app = typer.Typer(
    name="lumira",
    help="The payment desk of Oracle Lumira.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
app.command()(sandbox)
app.command()(backup)
app.command()(restore)
app.command("import")(import_orders)
app.command()(doctor)
app.add_typer(webhooks)
app.add_typer(revenue)
app.add_typer(export)
app.add_typer(customer)
app.add_typer(token)
app.add_typer(staff)


@app.callback()
def _commands() -> None:
    """The payment desk of Oracle Lumira."""


@app.command()
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


def _stop(_signal: int, _frame: object) -> NoReturn:
    raise SystemExit(0)


@app.command()
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


@app.command()
def seed(
    orders: Annotated[int, typer.Option(min=1, help="How many orders.")] = 1_000,
    days: Annotated[int, typer.Option(min=1, help="Over how many days, up to today.")] = 90,
    seed: Annotated[int, typer.Option(help="The same seed makes the same orders.")] = 1,
) -> None:
    """Insert believable test orders into the store of MONGODB_URI, or into the embedded one."""
    from lumira.seed import insert_orders

    with attached_desk() as desk:
        inserted = insert_orders(desk, orders=orders, days=days, seed=seed)
    print(f"{counted(inserted, 'order')} inserted, {orders - inserted} there already.")


@app.command()
def reconcile(
    since: Annotated[str, typer.Option(help="How far back: 30d, 12h, or a day such as 2026-11-01.")] = "30d",
    apply: Annotated[
        bool, typer.Option("--apply", help="Repair what differs. Without: only report.")
    ] = False,
) -> None:
    """Compare Stripe with the orders and report what differs; exit code 1 when something still does."""
    from rich.console import Console
    from rich.progress import Progress
    from rich.table import Table

    beginning = _since(since)
    with attached_desk() as desk, Progress(transient=True) as bar:
        task = bar.add_task("Reconciling days", total=None)
        report = desk.reconciliation.run(
            beginning,
            actor=COMMAND_LINE,
            apply=apply,
            progress=lambda done, total: bar.update(task, completed=done, total=total),
        )
    table = Table("difference", "PaymentIntent", "order", "ours", "Stripe's", "repaired")
    for difference in report.differences:
        table.add_row(
            str(difference.kind),
            difference.payment_intent_id or "–",
            difference.order_id or "–",
            difference.ours or "–",
            difference.stripes or "–",
            "yes" if difference.repaired else "no",
        )
    if report.differences:
        Console().print(table)
    left = len(report.open_differences)
    print(
        f"{counted(report.payment_intents, 'PaymentIntent')} and {counted(report.orders, 'order')} since "
        f"{report.since:%Y-%m-%d %H:%M} UTC: {counted(len(report.differences), 'difference')}, {left} left, "
        f"{counted(report.unrelated, 'PaymentIntent')} of other programs, "
        f"{counted(report.free, 'free order')} without one."
    )
    if left:
        if not apply:
            print("Run it again with --apply to repair them.")
        raise typer.Exit(1)


def _since(text: str) -> datetime:
    """The instant (UTC) that `30d`, `12h` or a day means. Raises SettingsError for anything else."""
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    number, unit = text[:-1], text[-1:]
    if number.isascii() and number.isdigit() and len(number) <= 5:
        # From midnight, so that a run that was killed is recognised by the next one.
        if unit == "d":
            return today - timedelta(days=int(number))
        if unit == "h":
            hour = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
            return hour - timedelta(hours=int(number))
    try:
        return datetime.combine(date.fromisoformat(text), datetime.min.time(), UTC)
    except ValueError:
        raise SettingsError(f"--since {text} is no span: say 30d, 12h or 2026-11-01.") from None


def main() -> None:
    """Runs the command; an error of ours is one line on stderr and exit code 1."""
    try:
        app()
    except LumiraError as error:
        print(f"lumira: {error.message}", file=sys.stderr)
        raise SystemExit(1) from None
