"""`lumira reconcile`: Stripe beside the orders."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Annotated

import typer

from lumira.commands.attached import COMMAND_LINE, attached_desk
from lumira.commands.wording import counted
from lumira.errors import SettingsError


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
        if not apply and report.repairable:
            print(f"Run it again with --apply to repair {len(report.repairable)} of them.")
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
