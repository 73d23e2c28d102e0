"""The audit log for those who may read it: a page, an order, a file."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from lumira.access import Actor, Permission, require
from lumira.audit import EVERY_ENTRY, Action, AuditEntry, AuditFilter
from lumira.orders import Order

if TYPE_CHECKING:
    from lumira.storage import AuditLog, Orders

# Entries that are read at once while a file is written.
_BATCH: Final = 500


class AuditTrail:
    """Reads the log. Every method raises Forbidden, and StoreUnavailable."""

    def __init__(self, log: AuditLog, orders: Orders) -> None:
        self._log = log
        self._orders = orders

    def page(
        self,
        size: int,
        cursor: str | None = None,
        *,
        selected: AuditFilter = EVERY_ENTRY,
        actor: Actor,
    ) -> tuple[list[AuditEntry], str | None]:
        """At most `size` entries that are selected, newest first, and the next page's cursor."""
        require(actor, Permission.READ_AUDIT)
        return self._log.page(size, cursor, selected)

    def of_order(self, order_id: str, *, actor: Actor) -> list[AuditEntry]:
        """Everything that was done to the order of this `_id`, newest first."""
        require(actor, Permission.READ_AUDIT)
        return self._log.of_order(order_id)[::-1]

    def orders_of(self, entries: Sequence[AuditEntry], *, actor: Actor) -> dict[str, Order]:
        """The orders that these entries are about, by `_id`."""
        require(actor, Permission.READ_AUDIT)
        return self._orders.find_many([entry.order_id for entry in entries if entry.order_id])

    def export(
        self, selected: AuditFilter = EVERY_ENTRY, *, kind: str, actor: Actor
    ) -> Generator[AuditEntry]:
        """Every entry selected, newest first, read as it is asked for.

        That they are taken away, in which `kind` of file (`csv`, `xlsx`), stands in the log too, of a file
        cut short as well.
        """
        require(actor, Permission.READ_AUDIT)
        return self._exported(selected, kind, actor)

    def _exported(self, selected: AuditFilter, kind: str, actor: Actor) -> Generator[AuditEntry]:
        taken = 0
        try:
            for entry in self._every(selected):
                taken += 1
                yield entry
        finally:
            about: dict[str, Any] = {"format": kind, "rows": taken}
            chosen = {"by": selected.actor, "action": selected.action}
            about |= {name: value for name, value in chosen.items() if value}
            if selected.since:
                about["since"] = selected.since.date().isoformat()
            now = datetime.now(UTC)
            self._log.record(AuditEntry.by(actor, Action.EXPORT_AUDIT, now, after=about))

    def _every(self, selected: AuditFilter) -> Iterator[AuditEntry]:
        cursor: str | None = None
        while True:
            entries, cursor = self._log.page(_BATCH, cursor, selected)
            yield from entries
            if cursor is None:
                return
