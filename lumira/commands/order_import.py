"""`lumira import`: the orders of the program before ours, and what is odd about them."""

from __future__ import annotations

from collections import deque
from contextlib import closing
from typing import TYPE_CHECKING, Annotated

import typer

from lumira.commands.attached import COMMAND_LINE, attached_desk
from lumira.commands.wording import counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lumira.order_import import Found, Oddity


def import_orders(
    source: Annotated[str, typer.Option("--from", help="The MongoDB URI of the other program.")],
    database: Annotated[str | None, typer.Option(help="Its database, when the URI names none.")] = None,
    apply: Annotated[bool, typer.Option("--apply", help="Copy. Without: only report.")] = False,
    ask_stripe: Annotated[
        int, typer.Option(min=0, help="How many open orders Stripe is asked about; 0 for none.")
    ] = 200,
) -> None:
    """Report what is odd in another program's orders; with --apply copy them, and again only what is new.

    Nothing is written to the other database. Where Lumira stands on that very database, there is nothing to
    copy: the report alone is of use.
    """
    from lumira.order_import import Examination
    from lumira.storage.former import FormerDatabase, copy_events, copy_orders

    copied = events = days = 0
    with closing(FormerDatabase(source, database)) as former, attached_desk() as desk:
        examination = Examination(desk.gateway if desk.gateway.is_configured else None, ask_stripe)
        importable = examination.importable(former.orders())
        if apply:
            copied = copy_orders(desk.store.database, importable)
            events = copy_events(desk.store.database, former.events())
            # Orders of the past have dates of the past: neither revenue nor fees would look for them. Also
            # where nothing is new: a run before this one may have ended before it came to this.
            days = desk.revenue.rebuild(actor=COMMAND_LINE)
            desk.fees.read_anew()
        else:
            # To be looked at, and not kept.
            deque(importable, maxlen=0)
    _report(examination.found)
    if examination.unasked:
        print(f"Stripe was not asked about all of them: {examination.unasked}")
    print(f"{counted(examination.read, 'order')} read, {examination.stays_behind()} can't be imported.")
    if apply:
        came = f"{counted(copied, 'order')} and {counted(events, 'event')} copied"
        print(f"{came}; what was here already stayed as it is. {counted(days, 'day')} of revenue worked out.")
    else:
        print("Nothing was copied. Run it again with --apply.")


def _report(found: Sequence[Found]) -> None:
    """A row for each oddity, and what to do about each."""
    from rich.console import Console
    from rich.table import Table

    if not found:
        return
    table = Table("what", "orders", "for instance", "what stands there")
    oddities = list(dict.fromkeys(one.oddity for one in found))
    for oddity in oddities:
        odd = [one for one in found if one.oddity is oddity]
        table.add_row(_name(oddity), str(len(odd)), odd[0].order_id, odd[0].detail)
    Console(soft_wrap=True).print(table)
    for oddity in oddities:
        # In one line, to be copied.
        print(f"{_name(oddity)} → {oddity.mend}")


def _name(oddity: Oddity) -> str:
    return str(oddity).replace("_", " ")
