"""The `lumira` command."""

from __future__ import annotations

import os
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn
from urllib.parse import parse_qsl

import typer

from lumira.access import Actor, Role
from lumira.errors import LumiraError, SettingsError
from lumira.sandbox.command import sandbox
from lumira.settings import Settings, load_settings

if TYPE_CHECKING:
    from lumira.desk import Desk
    from lumira.export import FileFormat

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
    _require_loopback(settings)
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

    # LUMIRA_TRUSTED_PROXIES says whom to believe about a caller's address, not the server's own default.
    os.environ["FORWARDED_ALLOW_IPS"] = ""
    # Streamlit reads .streamlit/config.toml beside the program it believes it runs.
    sys.argv = [str(Path(entry.__file__).resolve())]
    entry.app.run(config={"server.address": settings.host, "server.port": settings.port})


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

    from lumira.serving import serve_api

    serve_api(settings, workers)


def _require_loopback(settings: Settings) -> None:
    if settings.host not in {"127.0.0.1", "::1", "localhost"}:
        raise SettingsError(
            f"LUMIRA_HOST is {settings.host}: the desk has no sign-in yet and serves this machine only. "
            "Use 127.0.0.1."
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

    with _attached_desk() as desk:
        inserted = insert_orders(desk, orders=orders, days=days, seed=seed)
    print(f"{inserted} orders inserted, {orders - inserted} were there already.")


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
    with _attached_desk() as desk, Progress(transient=True) as bar:
        task = bar.add_task("Reconciling days", total=None)
        report = desk.reconciliation.run(
            beginning,
            actor=_COMMAND_LINE,
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
        f"{report.payment_intents} PaymentIntents and {report.orders} orders since "
        f"{report.since:%Y-%m-%d %H:%M} UTC: {len(report.differences)} differences, {left} left, "
        f"{report.unrelated} PaymentIntents of other programs."
    )
    if left:
        if not apply:
            print("Run it again with --apply to repair them.")
        raise typer.Exit(1)


webhooks = typer.Typer(help="The ledger of webhook events.", no_args_is_help=True)
app.add_typer(webhooks, name="webhooks")


@webhooks.command()
def retry(
    event_id: Annotated[str | None, typer.Argument(help="One event; without it, every failed one.")] = None,
) -> None:
    """Handle failed events again; exit code 1 when one still fails."""
    with _attached_desk() as desk:
        if event_id is not None:
            print(f"{event_id}: {desk.webhooks.retry(event_id, actor=_COMMAND_LINE)}")
            return
        for retried, outcome in desk.webhooks.retry_failed(actor=_COMMAND_LINE):
            print(f"{retried}: {outcome}")
        left = len(desk.events.failed())
    print(f"{left} failed events left.")
    if left:
        raise typer.Exit(1)


@webhooks.command()
def prune() -> None:
    """Remove events processed more than 90 days ago; failed ones stay. `lumira run` does it daily."""
    with _attached_desk() as desk:
        print(f"{desk.webhooks.prune()} events removed.")


revenue = typer.Typer(help="What is kept of revenue by day.", no_args_is_help=True)
app.add_typer(revenue, name="revenue")


@revenue.command()
def rebuild() -> None:
    """Work out every day from the orders anew; pages go on meanwhile."""
    from rich.progress import Progress

    with _attached_desk() as desk, Progress(transient=True) as bar:
        task = bar.add_task("Days", total=None)
        days = desk.revenue.rebuild(
            progress=lambda done, total: bar.update(task, completed=done, total=total)
        )
    print(f"{days} days worked out.")


@revenue.command()
def verify(
    first: Annotated[str | None, typer.Option("--from", help="The first day, such as 2026-11-01.")] = None,
    last: Annotated[str | None, typer.Option("--to", help="The last day, included.")] = None,
) -> None:
    """Count the orders and compare with what is kept of each day; exit code 1 on a difference."""
    from rich.console import Console
    from rich.table import Table

    from lumira.money import format_money
    from lumira.revenue import frame, totals

    with _attached_desk() as desk:
        mismatches, rows = desk.revenue.verify(actor=_COMMAND_LINE, first=_day(first), last=_day(last))
    for found in totals(frame(rows)):
        gross, refunds, net = (
            format_money(amount, found.currency, "en") for amount in (found.gross, found.refunds, found.net)
        )
        print(f"{found.currency}: gross {gross}, refunds {refunds}, net {net}, {found.orders} paid orders")
    if mismatches:
        table = Table("day", "level", "currency", "figure", "kept", "in the orders")
        for mismatch in mismatches:
            table.add_row(
                *(mismatch.day.isoformat(), mismatch.level, mismatch.currency, mismatch.figure),
                *(str(mismatch.kept), str(mismatch.counted)),
            )
        Console().print(table)
        print(f"{len(mismatches)} differences. `lumira revenue rebuild` works all days out anew.")
        raise typer.Exit(1)
    print("What is kept is what the orders say.")


export = typer.Typer(help="Files for spreadsheets.", no_args_is_help=True)
app.add_typer(export, name="export")


@export.command("orders")
def export_orders(
    filter: Annotated[str, typer.Option(help="As in the page's address: `status=failed&q=zoe`.")] = "",
    out: Annotated[
        Path | None, typer.Option(help="The file, ending in .csv or .xlsx; without it, CSV on the output.")
    ] = None,
    language: Annotated[str, typer.Option(help="fr or en: titles, words, and the form of the CSV.")] = "fr",
) -> None:
    """Export every order that a filter selects, in the business time zone."""
    from lumira.export import order_columns, write
    from lumira.order_filter import NAMES, parse_filter

    query = dict(parse_qsl(filter.lstrip("?"), keep_blank_values=True))
    for name in query.keys() - {*NAMES}:
        raise SettingsError(f"--filter has no {name}. It takes {', '.join(NAMES)}.")
    kind = _file_format(out, language)
    wanted = parse_filter(query)
    with _attached_desk() as desk, out.open("wb") if out else nullcontext(sys.stdout.buffer) as file:
        zone = desk.settings.business_timezone
        rows = desk.order_list.every(wanted, actor=_COMMAND_LINE)
        columns = order_columns(language, zone)
        count = write(file, kind, columns, rows, language=language, zone=zone)
    print(f"{count} orders exported.", file=sys.stderr)


@export.command("revenue")
def export_revenue(
    first: Annotated[str, typer.Option("--from", help="The first day, such as 2026-11-01.")],
    last: Annotated[str, typer.Option("--to", help="The last day, included.")],
    out: Annotated[
        Path | None, typer.Option(help="The file, ending in .csv or .xlsx; without it, CSV on the output.")
    ] = None,
    language: Annotated[str, typer.Option(help="fr or en: titles, words, and the form of the CSV.")] = "fr",
) -> None:
    """Export revenue: a row for each day of the business time zone, level and currency."""
    from lumira.export import write
    from lumira.revenue_export import revenue_columns

    kind = _file_format(out, language)
    days = _day(first), _day(last)
    if not days[0] or not days[1] or days[0] > days[1]:
        raise SettingsError("--from and --to are the first and the last day, such as 2026-11-01 2026-11-30.")
    with _attached_desk() as desk, out.open("wb") if out else nullcontext(sys.stdout.buffer) as file:
        desk.revenue.refresh()
        rows = desk.revenue.days(days[0], days[1], actor=_COMMAND_LINE)
        zone = desk.settings.business_timezone
        count = write(file, kind, revenue_columns(language), rows, language=language, zone=zone)
    print(f"{count} rows exported.", file=sys.stderr)


def _file_format(out: Path | None, language: str) -> FileFormat:
    """The kind of file that a name asks for. Raises SettingsError for another, or an unknown language."""
    from lumira.export import FileFormat
    from lumira.texts import LANGUAGES

    if language not in LANGUAGES:
        raise SettingsError(f"--language {language} is none of ours: {' or '.join(LANGUAGES)}.")
    kind = out.suffix.removeprefix(".").lower() if out else str(FileFormat.CSV)
    if kind not in set(FileFormat):
        raise SettingsError(f"--out {out}: end the name in .csv or .xlsx.")
    return FileFormat(kind)


token = typer.Typer(help="The tokens of API callers.", no_args_is_help=True)
app.add_typer(token, name="token")


@token.command()
def create(
    name: Annotated[str, typer.Argument(help="Who will use it; stands in timelines.")],
    role: Annotated[Role, typer.Option(help="What it may do.")] = Role.SUPPORT,
) -> None:
    """Create a token and print it, this once."""
    with _attached_desk() as desk:
        text = desk.tokens.create(name, role, actor=_COMMAND_LINE)
    print("Keep it: only its hash is stored.", file=sys.stderr)
    print(text)


@token.command("list")
def list_tokens() -> None:
    """List every token, revoked ones too; times are UTC."""
    from rich.console import Console
    from rich.table import Table

    table = Table("name", "role", "created", "by", "last used", "revoked")
    with _attached_desk() as desk:
        for known in desk.tokens.all(actor=_COMMAND_LINE):
            created, used, revoked = (
                f"{instant:%Y-%m-%d %H:%M}" if instant else "–"
                for instant in (known.created_at, known.last_used_at, known.revoked_at)
            )
            table.add_row(known.name, str(known.role), created, known.created_by, used, revoked)
    Console().print(table)


@token.command()
def revoke(name: Annotated[str, typer.Argument(help="The token's name.")]) -> None:
    """Revoke a token; its next request is refused."""
    with _attached_desk() as desk:
        desk.tokens.revoke(name, actor=_COMMAND_LINE)
    print(f"{name} is revoked.")


# Whoever can run the command on this machine can read its secrets too.
_COMMAND_LINE = Actor("command line", Role.ADMIN)


@contextmanager
def _attached_desk() -> Iterator[Desk]:
    """A prepared desk for a command that ends, beside a running Lumira or alone."""
    from lumira.desk import Desk
    from lumira.embedded import attached

    with attached(load_settings()) as settings:
        desk = Desk.open(settings)
        desk.store.prepare()
        try:
            yield desk
        finally:
            desk.store.close()


def _day(text: str | None) -> date | None:
    """The day of an option, None for none. Raises SettingsError for what is no day."""
    try:
        return date.fromisoformat(text) if text else None
    except ValueError:
        raise SettingsError(f"{text} is no day: say it as 2026-11-01.") from None


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
