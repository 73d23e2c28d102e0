"""The audit log: who did what to which order, when, and what it was before and after."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from lumira.access import Actor
from lumira.errors import NOT_TRIED, StripeError, StripeRefused
from lumira.orders import Order

if TYPE_CHECKING:
    from lumira.storage import AuditLog, Orders


@dataclass(frozen=True)
class AuditEntry:
    """One thing a person or token did. `before` and `after` hold the facts that it changed.

    `at` is UTC; `action` is a verb of Permission's kind (`create_intent`, `refund` …), with `_unanswered`
    behind it where Stripe did not say what came of it. An `attempt_id` is the idempotency key of what was
    done: however often it is repeated, the log tells of it once.
    """

    at: datetime
    actor: str
    role: str
    action: str
    order_id: str | None = None
    before: dict[str, Any] = field(default_factory=dict)
    after: dict[str, Any] = field(default_factory=dict)
    request_id: str = ""
    note: str | None = None
    attempt_id: str | None = None

    @classmethod
    def by(cls, actor: Actor, action: str, at: datetime, **facts: Any) -> AuditEntry:
        """The entry for what an actor did at an instant (UTC); `facts` are the further fields."""
        return cls(at=at, actor=actor.name, role=str(actor.role), action=action, **facts)


# What an entry compares. Names and addresses are the customer's own and stay out.
_FACTS = ("status", "stripe_status", "payment_intent_id", "amount", "amount_refunded")


def _facts(order: Order | None) -> dict[str, Any]:
    if order is None:
        return {}
    facts = {name: getattr(order, name) for name in _FACTS}
    return {name: str(value) if name == "status" else value for name, value in facts.items()}


class RecordedActions:
    """Writes what people do to orders into the audit log."""

    def __init__(self, log: AuditLog, orders: Orders) -> None:
        self._log = log
        self._orders = orders

    def action(
        self,
        actor: Actor,
        action: str,
        before: Order | None,
        after: Order,
        note: str | None = None,
        attempt_id: str | None = None,
        *,
        request_id: str = "",
    ) -> None:
        """Records an action on one order, of one attempt only the first; an order that did not exist before
        has no `before`. Raises StoreUnavailable.
        """
        old, new = _facts(before), _facts(after)
        changed = [name for name in _FACTS if old.get(name) != new.get(name)]
        self._log.record(
            AuditEntry.by(
                actor,
                action,
                datetime.now(UTC),
                order_id=after.id,
                before={name: old[name] for name in changed if name in old},
                after={name: new[name] for name in changed},
                request_id=request_id,
                note=note,
                attempt_id=attempt_id,
            )
        )

    def afterwards(
        self,
        actor: Actor,
        action: str,
        before: Order,
        note: str | None = None,
        attempt_id: str | None = None,
        *,
        request_id: str = "",
    ) -> Order:
        """Records an action with the order as it stands now, and answers that. Raises StoreUnavailable."""
        after = self._orders.find(before.id) or before
        self.action(actor, action, before, after, note, attempt_id, request_id=request_id)
        return after

    @contextmanager
    def unanswered(
        self,
        actor: Actor,
        action: str,
        order: Order,
        note: str | None = None,
        attempt_id: str | None = None,
    ) -> Iterator[None]:
        """Records who asked Stripe for what, where its answer is lost: it may have done it all the same.

        What came of it is then heard by a webhook or a look at the order, which are nobody's action.
        """
        try:
            yield
        except (*NOT_TRIED, StripeRefused):
            # Stripe has answered that it did nothing.
            raise
        except StripeError:
            self.action(actor, f"{action}_unanswered", order, order, note, attempt_id)
            raise
