"""`lumira export`: orders, revenue and the audit log as files for spreadsheets."""

from __future__ import annotations

import sys
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from urllib.parse import parse_qsl

import typer

from lumira.commands.attached import COMMAND_LINE, attached_desk, parse_day
from lumira.commands.files import written
from lumira.commands.wording import counted
from lumira.errors import SettingsError

if TYPE_CHECKING:
    from lumira.export import FileFormat

export = typer.Typer(name="export", help="Files for spreadsheets.", no_args_is_help=True)

_Out = Annotated[
    Path | None, typer.Option(help="The file, ending in .csv or .xlsx; without it, CSV on the output.")
]
_Language = Annotated[str, typer.Option(help="fr or en: titles, words, and the form of the CSV.")]


@export.command("orders")
def export_orders(
    filter: Annotated[str, typer.Option(help="As in the page's address: `status=failed&q=zoe`.")] = "",
    out: _Out = None,
    language: _Language = "fr",
) -> None:
    """Export every order that a filter selects, in the business time zone."""
    from lumira.export import order_columns, write
    from lumira.order_filter import NAMES, parse_filter

    query = dict(parse_qsl(filter.lstrip("?"), keep_blank_values=True))
    for name in query.keys() - {*NAMES}:
        raise SettingsError(f"--filter has no {name}. It takes {', '.join(NAMES)}.")
    kind = _file_format(out, language)
    wanted = parse_filter(query)
    with attached_desk() as desk, written(out) as file:
        zone = desk.settings.business_timezone
        columns = order_columns(language, zone)
        # Of a file cut short too the audit log is told before the store is closed.
        with closing(desk.order_list.export(wanted, kind=kind, actor=COMMAND_LINE)) as rows:
            count = write(file, kind, columns, rows, language=language, zone=zone)
    print(f"{counted(count, 'order')} exported.", file=sys.stderr)


@export.command("revenue")
def export_revenue(
    first: Annotated[str, typer.Option("--from", help="The first day, such as 2026-11-01.")],
    last: Annotated[str, typer.Option("--to", help="The last day, included.")],
    out: _Out = None,
    language: _Language = "fr",
) -> None:
    """Export revenue: a row for each day of the business time zone, level and currency."""
    from lumira.export import write
    from lumira.revenue_export import revenue_columns

    kind = _file_format(out, language)
    first_day, last_day = parse_day(first), parse_day(last)
    if not first_day or not last_day or first_day > last_day:
        raise SettingsError("--from and --to are the first and the last day, such as 2026-11-01 2026-11-30.")
    with attached_desk() as desk, written(out) as file:
        desk.revenue.refresh()
        rows = desk.revenue.days(first_day, last_day, actor=COMMAND_LINE)
        desk.revenue.export(rows, first_day, last_day, kind=kind, actor=COMMAND_LINE)
        zone = desk.settings.business_timezone
        count = write(file, kind, revenue_columns(language), rows, language=language, zone=zone)
    print(f"{counted(count, 'row')} exported.", file=sys.stderr)


@export.command("audit")
def export_audit(
    by: Annotated[str | None, typer.Option(help="Of one person or token, by address or name.")] = None,
    action: Annotated[str | None, typer.Option(help="Of one kind, such as refund or sign_in.")] = None,
    since: Annotated[str | None, typer.Option(help="From this day on, such as 2026-11-01.")] = None,
    out: _Out = None,
    language: _Language = "fr",
) -> None:
    """Export the audit log, newest first: who did what, and what it was before and after."""
    from lumira.audit import Action, AuditFilter
    from lumira.audit_export import audit_columns
    from lumira.days import midnight
    from lumira.export import write

    kind = _file_format(out, language)
    if action not in {None, *Action}:
        raise SettingsError(f"--action {action} is none of ours: {', '.join(Action)}.")
    first_day = parse_day(since)
    with attached_desk() as desk, written(out) as file:
        zone = desk.settings.business_timezone
        selected = AuditFilter(by, action, midnight(first_day, zone) if first_day else None)
        # Of a file cut short too the log is told before the store is closed.
        with closing(desk.audit_trail.export(selected, kind=kind, actor=COMMAND_LINE)) as entries:
            count = write(file, kind, audit_columns(language, zone), entries, language=language, zone=zone)
    print(f"{counted(count, 'entry', 'entries')} exported.", file=sys.stderr)


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
