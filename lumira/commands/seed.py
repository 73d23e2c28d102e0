"""`lumira seed`: believable test orders."""

from __future__ import annotations

from typing import Annotated

import typer

from lumira.commands.attached import attached_desk
from lumira.commands.wording import counted


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
