"""Notes that staff write on orders for one another. They are never changed and never seen by customers."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from lumira.access import Actor, Permission, require
from lumira.audit import Action, RecordedActions
from lumira.errors import InvalidNote

if TYPE_CHECKING:
    from lumira.storage import AuditLog, OrderNotes, Orders

LENGTH: Final = 2_000


@dataclass(frozen=True)
class Note:
    """What one person wrote on one order; `at` is UTC, `id` the attempt that wrote it."""

    id: str
    order_id: str
    at: datetime
    by: str
    text: str


class Notes:
    """Writes and reads notes. Every method raises Forbidden, and StoreUnavailable."""

    def __init__(
        self,
        orders: Orders,
        notes: OrderNotes,
        audit: AuditLog,
    ) -> None:
        self._orders = orders
        self._notes = notes
        self._recorded = RecordedActions(audit, orders)

    def add(self, order_id: str, text: str, *, actor: Actor, attempt_id: str) -> None:
        """Writes a note of any characters on the order; the same attempt writes it once.

        Raises InvalidNote for an empty one or one of more than 2,000 characters, and OrderNotFound.
        """
        require(actor, Permission.ADD_NOTE)
        # Half a surrogate pair can't be stored; a NUL can, but other programs would end the text there.
        kept = text.encode("utf-8", "replace").decode().replace("\x00", "").strip()
        if not 0 < len(kept) <= LENGTH:
            raise InvalidNote(f"A note has 1 to {LENGTH} characters.")
        order = self._orders.get(order_id)
        self._notes.insert(
            Note(id=attempt_id, order_id=order.id, at=datetime.now(UTC), by=actor.name, text=kept)
        )
        self._recorded.action(actor, Action.ADD_NOTE, order, order, attempt_id=attempt_id)

    def of_order(self, order_id: str, *, actor: Actor) -> list[Note]:
        """The notes of the order, newest first."""
        require(actor, Permission.BROWSE)
        return self._notes.of_order(order_id)
