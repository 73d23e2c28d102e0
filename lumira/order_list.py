"""The list of orders: pages of what a filter selects, how many there are, and many refreshed at once."""

from __future__ import annotations

import math
import time
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextvars import copy_context
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from lumira.access import Actor, Permission, require
from lumira.audit import Action, AuditEntry
from lumira.errors import LumiraError, StripeTimeout
from lumira.order_filter import OrderFilter, filter_query
from lumira.orders import Order, Page
from lumira.similar_names import BEGINNING, misspelt_words, similar_names
from lumira.stripe_pace import SHORT_PAUSES, Pace

if TYPE_CHECKING:
    from lumira.intents import Intents
    from lumira.storage import AuditLog, OrderRows

# Counting stops here: beyond, the list says "more than".
COUNTED: Final = 1_000
# How many of the newest orders are looked at for each beginning of a misspelt name.
_LOOKED_AT: Final = 200
# What a reader of the list waits for at most, when other programs have written orders; the rest is listed
# in the background.
_LISTED_AT_ONCE: Final = 200
# Each answer takes Stripe about 0.3 seconds: more would wait for their turn.
_AT_ONCE: Final = 4


class OrderList:
    """Lists orders for people. `rows`, `intents` and `audit` are handed in.

    `is_complete` says whether filters found every order when the list was last read: not yet, while many
    orders of another program are being listed.
    Every method raises Forbidden when the actor's role does not allow it, and StoreUnavailable.
    """

    def __init__(self, rows: OrderRows, intents: Intents, audit: AuditLog) -> None:
        self._rows = rows
        self._intents = intents
        self._audit = audit
        self.is_complete = True

    def page(self, wanted: OrderFilter, size: int, cursor: str | None = None, *, actor: Actor) -> Page:
        """At most `size` of the orders selected; `cursor` is the `next_cursor` of the page before."""
        require(actor, Permission.BROWSE)
        if wanted.narrows or wanted.sort.by_amount:
            self.is_complete = self._rows.list_orders(_LISTED_AT_ONCE)
        return self._rows.page(wanted, size, cursor)

    def export(
        self, wanted: OrderFilter, chosen: Sequence[Order] = (), *, kind: str, actor: Actor
    ) -> Generator[Order]:
        """The orders of a file: those `chosen` from the list, else all selected, in order, however many.

        They are read as they are asked for. Who took how many of them, by which filter, in which `kind` of
        file (`csv`, `xlsx`) stands in the audit log, of a file cut short too.
        """
        require(actor, Permission.EXPORT)
        return self._exported(wanted, chosen, kind, actor)

    def _exported(
        self, wanted: OrderFilter, chosen: Sequence[Order], kind: str, actor: Actor
    ) -> Generator[Order]:
        if not chosen:
            self.list_all()
        taken = 0
        try:
            for order in chosen or self._rows.every(wanted):
                taken += 1
                yield order
        finally:
            about: dict[str, object] = {"filter": filter_query(wanted), "format": kind, "rows": taken}
            if chosen:
                about["order_ids"] = [order.id for order in chosen]
            self._audit.record(AuditEntry.by(actor, Action.EXPORT_ORDERS, datetime.now(UTC), after=about))

    def count(self, wanted: OrderFilter, *, actor: Actor, at_most: int = COUNTED) -> int:
        """How many orders are selected; one more than `at_most` means more than that."""
        require(actor, Permission.BROWSE)
        return self._rows.count(wanted, at_most + 1)

    def similar_names(self, search: str, *, actor: Actor) -> list[str]:
        """At most three names of customers that are like what was searched for, the most alike first.

        Looks at the newest orders whose customer's name begins as one of the words does.
        """
        require(actor, Permission.BROWSE)
        words = misspelt_words(search)
        beginnings = sorted({word[:BEGINNING] for word in words if len(word) >= BEGINNING})
        pages = (self._rows.page(OrderFilter(search=beginning), _LOOKED_AT) for beginning in beginnings)
        return similar_names(words, (order.name for page in pages for order in page.orders if order.name))

    def list_all(self, seconds: float = math.inf) -> None:
        """Makes every order that other programs wrote or changed one that filters find, for so long."""
        end = time.monotonic() + seconds
        while not self._rows.list_orders() and time.monotonic() < end:
            pass

    def refresh(self, order_ids: Sequence[str], *, actor: Actor) -> Iterator[tuple[str, Order | LumiraError]]:
        """Asks Stripe how these orders stand now, several at once.

        Yields each id with the order as it is afterwards, or with the error that left it as it was, as the
        answers come. Where Stripe asks to slow down, an order is tried again after a pause. Where it answers
        none of several in a row, it is not asked for the rest, which are yielded with that error.
        """
        require(actor, Permission.REFRESH)
        return self._answers(order_ids, actor)

    def _answers(self, order_ids: Sequence[str], actor: Actor) -> Iterator[tuple[str, Order | LumiraError]]:
        pace = Pace(pauses=SHORT_PAUSES)
        pool = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="refresh")
        try:
            asked = {
                pool.submit(copy_context().run, self._refreshed, pace, order_id, actor): order_id
                for order_id in order_ids
            }
            unanswered = 0
            for answer in as_completed(asked.copy()):
                found = answer.result()
                yield asked.pop(answer), found
                unanswered = unanswered + 1 if isinstance(found, StripeTimeout) else 0
                if unanswered == _AT_ONCE:
                    # Whoever waits for it would wait for seconds with each order.
                    yield from ((order_id, found) for order_id in asked.values())
                    return
        finally:
            # A reader who leaves the page stops what has not begun.
            pool.shutdown(wait=False, cancel_futures=True)

    def _refreshed(self, pace: Pace, order_id: str, actor: Actor) -> Order | LumiraError:
        try:
            return pace.ask(self._intents.refresh, order_id, actor=actor)
        except LumiraError as error:
            return error
