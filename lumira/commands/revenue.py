"""`lumira revenue`: what is kept of each day, built anew and verified."""

from __future__ import annotations

from typing import Annotated

import typer

from lumira.commands.attached import COMMAND_LINE, attached_desk, parse_day
from lumira.commands.wording import counted

revenue = typer.Typer(name="revenue", help="What is kept of revenue by day.", no_args_is_help=True)


@revenue.command()
def rebuild() -> None:
    """Work out every day from the orders anew; pages go on meanwhile."""
    from rich.progress import Progress

    with attached_desk() as desk, Progress(transient=True) as bar:
        task = bar.add_task("Days", total=None)
        days = desk.revenue.rebuild(
            actor=COMMAND_LINE, progress=lambda done, total: bar.update(task, completed=done, total=total)
        )
    print(f"{counted(days, 'day')} worked out.")


@revenue.command()
def verify(
    first: Annotated[str | None, typer.Option("--from", help="The first day, such as 2026-11-01.")] = None,
    last: Annotated[str | None, typer.Option("--to", help="The last day, included.")] = None,
) -> None:
    """Count the orders and compare with what is kept of each day; exit code 1 on a difference."""
    from rich.console import Console
    from rich.table import Table

    from lumira.money import format_money
    from lumira.revenue_sums import frame, totals

    with attached_desk() as desk:
        mismatches, rows = desk.revenue.verify(
            actor=COMMAND_LINE, first=parse_day(first), last=parse_day(last)
        )
    for found in totals(frame(rows)):
        gross, refunds, net = (
            format_money(amount, found.currency, "en") for amount in (found.gross, found.refunds, found.net)
        )
        orders = counted(found.orders, "paid order")
        print(f"{found.currency}: gross {gross}, refunds {refunds}, net {net}, {orders}")
    if mismatches:
        table = Table("day", "level", "currency", "figure", "kept", "in the orders")
        for mismatch in mismatches:
            table.add_row(
                mismatch.day.isoformat(),
                mismatch.level,
                mismatch.currency,
                mismatch.figure,
                str(mismatch.kept),
                str(mismatch.counted),
            )
        Console().print(table)
        print(f"{counted(len(mismatches), 'difference')}. `lumira revenue rebuild` works all days out anew.")
        raise typer.Exit(1)
    print("What is kept is what the orders say.")
