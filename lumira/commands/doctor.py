"""`lumira doctor`: what is wrong here, why, and what mends it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lumira.commands.attached import COMMAND_LINE
from lumira.errors import SettingsError
from lumira.settings import Settings, load_settings

if TYPE_CHECKING:
    from lumira.doctor import Doctor
    from lumira.findings import Finding
    from lumira.setting_sources import Setting

_MARKS = {"ok": "[green]ok[/]     ", "warning": "[yellow]warning[/]", "failure": "[red]failure[/]"}


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="Everything as JSON, for programs.")] = False,
    desk: Annotated[
        str | None, typer.Option(help="Where the desk serves, such as https://pay.example.com.")
    ] = None,
    create_webhook: Annotated[
        str | None,
        typer.Option(metavar="URL", help="Have Stripe deliver our events to this address, and end."),
    ] = None,
    create_indexes: Annotated[
        bool, typer.Option("--create-indexes", help="Create and correct indexes and validators, and end.")
    ] = False,
) -> None:
    """Check settings, store, Stripe, webhooks and orders; exit code 1 on a failure. Starts nothing."""
    from lumira.embedded import settings_of_running
    from lumira.findings import Finding, Status, worst
    from lumira.setting_sources import settings_in_force

    if create_webhook or create_indexes:
        with _doctor(settings_of_running(load_settings())) as examiner:
            _mend(examiner, create_webhook, create_indexes)
        return
    settings: list[Setting] = []
    try:
        told = settings_of_running(load_settings())
        settings = settings_in_force(told)
        with _doctor(told) as examiner:
            findings = examiner.examine(actor=COMMAND_LINE, address=desk)
    except SettingsError as error:
        findings = [Finding("settings.valid", Status.FAILURE, "refused", {"problem": error.message})]
    if as_json:
        print(json.dumps(_as_json(findings, settings), ensure_ascii=False, indent=2))
    else:
        _print(findings, settings)
    if worst(findings) is Status.FAILURE:
        raise typer.Exit(1)


@contextmanager
def _doctor(settings: Settings) -> Iterator[Doctor]:
    """The doctor of a desk with these settings."""
    from lumira.desk import Desk, doctor_without_store

    if settings.mongodb_uri is None:
        yield doctor_without_store(settings)
        return
    desk = Desk.open(settings)
    try:
        yield desk.doctor
    finally:
        desk.store.close()


def _mend(examiner: Doctor, webhook: str | None, indexes: bool) -> None:
    from lumira.doctor import set_signing_secret

    if indexes:
        examiner.create_indexes(actor=COMMAND_LINE)
        print("Indexes and validators are as they should be.")
    if webhook:
        created = examiner.create_webhook(webhook, actor=COMMAND_LINE)
        if created.secret is None:
            print(f"{created.url} is corrected; its signing secret stays the same.")
        else:
            print(f"Stripe delivers to {created.url}. Give the desk its secret, then start it again:")
            print(set_signing_secret(created.secret))


def _print(findings: Sequence[Finding], settings: Sequence[Setting]) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from lumira.doctor import versions
    from lumira.findings import Status

    console = Console(highlight=False)
    for finding in findings:
        title, why = escape(finding.title("en")), escape(finding.sentence("en"))
        console.print(f"{_MARKS[finding.status]} [bold]{title}[/]: {why}", soft_wrap=True)
        if finding.mend:
            # In one line, to be copied.
            console.print(f"        → {escape(finding.mend)}", soft_wrap=True)
    dotenv = Path(".env").absolute()
    # What is exported in this shell is no setting of a desk that a service runs.
    if dotenv.is_file() and any((finding.mend or "").startswith("export ") for finding in findings):
        console.print()
        console.print(
            "“export” is for a desk that starts in this shell. Otherwise change the line in "
            f"{escape(str(dotenv))}, then start it again.",
            soft_wrap=True,
        )
    if settings:
        table = Table("setting", "value", "from", box=None, pad_edge=False, title_justify="left")
        for setting in settings:
            table.add_row(setting.variable, escape(setting.value or "–"), str(setting.source))
        console.print()
        console.print(table)
    console.print()
    console.print(", ".join(f"{name} {number}" for name, number in versions().items()))
    counts = {status: sum(finding.status is status for finding in findings) for status in Status}
    console.print(", ".join(f"{status}: {count}" for status, count in counts.items()))


def _as_json(findings: Sequence[Finding], settings: Sequence[Setting]) -> dict[str, object]:
    from lumira.doctor import versions
    from lumira.findings import worst

    return {
        "status": worst(findings),
        "findings": [
            {
                "name": finding.name,
                "status": finding.status,
                "reason": finding.reason,
                "message": finding.sentence("en"),
                "mend": finding.mend,
            }
            for finding in findings
        ],
        "settings": [
            {"variable": setting.variable, "value": setting.value, "source": setting.source}
            for setting in settings
        ],
        "versions": versions(),
    }
