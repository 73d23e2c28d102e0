"""`lumira import`: the orders of the program before ours, and what is odd about them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lumira.commands.attached import attached_desk
from lumira.commands.wording import counted
from lumira.errors import StripeError

if TYPE_CHECKING:
    from lumira.moving_in import Oddity


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
    from rich.console import Console
    from rich.table import Table

    from lumira.moving_in import STAYS_BEHIND, Found, at_stripe, repeated
    from lumira.storage.former import FormerDatabase, copy_events, copy_orders

    found: list[Found] = []
    read = copied = events = 0

    with closing(FormerDatabase(source, database)) as former, attached_desk() as desk:
        left_to_ask = ask_stripe if desk.gateway.is_configured else 0

        def good() -> Iterator[Mapping[str, Any]]:
            """Every order that can come in; what is odd is noted on the way."""
            nonlocal read, left_to_ask
            for document, odd in repeated(former.orders()):
                read += 1
                found.extend(odd)
                if left_to_ask:
                    try:
                        said = at_stripe(document, desk.gateway)
                    except StripeError as error:
                        left_to_ask = 0
                        print(f"Stripe is not asked any further: {error.message}")
                    else:
                        found.extend([said] if said else [])
                        left_to_ask -= document.get("status") in {"pending", "processing", "failed"}
                if not STAYS_BEHIND & {one.oddity for one in odd}:
                    yield document

        if apply:
            copied = copy_orders(desk.store.database, good())
            events = copy_events(desk.store.database, former.events())
            if copied:
                desk.fees.read_anew()
        else:
            for _ in good():
                pass
    table = Table("what", "orders", "for instance", "what stands there")
    oddities = list(dict.fromkeys(one.oddity for one in found))
    for oddity in oddities:
        odd = [one for one in found if one.oddity is oddity]
        table.add_row(_name(oddity), str(len(odd)), odd[0].order_id, odd[0].detail)
    if found:
        Console(soft_wrap=True).print(table)
    for oddity in oddities:
        # In one line, to be copied.
        print(f"{_name(oddity)} → {oddity.mend}")
    behind = len({one.order_id for one in found if one.oddity in STAYS_BEHIND})
    print(f"{counted(read, 'order')} read, {behind} can't come in.")
    if apply:
        came = f"{counted(copied, 'order')} and {counted(events, 'event')} copied"
        print(f"{came}; what was here already stayed as it is.")
    else:
        print("Nothing was copied. Run it again with --apply.")


def _name(oddity: Oddity) -> str:
    return str(oddity).replace("_", " ")
