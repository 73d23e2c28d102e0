"""The audit log: who did what to which order, when, and what it was before and after."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum, auto
from typing import TYPE_CHECKING, Any, Final

from lumira.access import Actor
from lumira.errors import NOT_TRIED, StripeError, StripeRefused
from lumira.orders import Order

if TYPE_CHECKING:
    from lumira.storage import AuditLog, Orders


class Action(StrEnum):
    """What is recorded; the values are the store's.

    `…_UNANSWERED` is what Stripe was asked for without saying what came of it.
    """

    # Payments.
    CREATE_INTENT = auto()
    CONFIRM_TEST = auto()
    CONFIRM_TEST_UNANSWERED = auto()
    CANCEL = auto()
    CANCEL_UNANSWERED = auto()
    REFUND = auto()
    REFUND_UNANSWERED = auto()
    EDIT_CUSTOMER = auto()
    RENEW_PAYMENT_LINK = auto()
    ADD_NOTE = auto()
    REPAIR = auto()
    RETRY_WEBHOOK = auto()
    # What was taken away, or for good.
    EXPORT_ORDERS = auto()
    EXPORT_REVENUE = auto()
    EXPORT_MONTH = auto()
    EXPORT_PAYOUT = auto()
    EXPORT_AUDIT = auto()
    EXPORT_CUSTOMER = auto()
    ERASE_CUSTOMER = auto()
    CLOSE_MONTH = auto()
    # Who comes in.
    SIGN_IN = auto()
    SIGN_IN_REFUSED = auto()
    SIGN_OUT = auto()
    SIGN_OUT_EVERYWHERE = auto()
    END_SESSION = auto()
    CHANGE_PASSWORD = auto()
    ADD_AUTHENTICATOR = auto()
    REMOVE_AUTHENTICATOR = auto()
    ADD_STAFF = auto()
    SET_ROLE = auto()
    DISABLE_STAFF = auto()
    ENABLE_STAFF = auto()
    RESET_STAFF = auto()
    DROP_AUTHENTICATOR = auto()
    CREATE_TOKEN = auto()
    REVOKE_TOKEN = auto()
    # How the desk is set up.
    SAVE_VIEW = auto()
    DELETE_VIEW = auto()
    CREATE_INDEXES = auto()
    CREATE_WEBHOOK = auto()
    PRUNE_WEBHOOKS = auto()
    REBUILD_REVENUE = auto()

    @property
    def unanswered(self) -> Action:
        """The same, where Stripe did not answer."""
        return Action(f"{self}_unanswered")


# The actor of a refused sign-in whose account nobody has.
UNKNOWN_ACCOUNT: Final = "unknown"
# Whoever acts without an address of their own, and is a person all the same; in a demo also roles.
_PEOPLE: Final = frozenset({"command line", "demo", "support", "finance", UNKNOWN_ACCOUNT})


@dataclass(frozen=True)
class AuditEntry:
    """One thing a person or token did. `before` and `after` hold the facts that it changed.

    `at` is UTC; `action` is an Action, or one of an earlier version. An `attempt_id` is the idempotency key
    of what was done: however often it is repeated, the log tells of it once.
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
    def by(cls, actor: Actor, action: Action, at: datetime, **facts: Any) -> AuditEntry:
        """The entry for what an actor did at an instant (UTC); `facts` are the further fields."""
        return cls(at=at, actor=actor.name, role=str(actor.role), action=str(action), **facts)

    @property
    def is_of_a_person(self) -> bool:
        """Whether a person did it, and not an API token or Lumira itself, whose names have no @."""
        return "@" in self.actor or self.actor in _PEOPLE


@dataclass(frozen=True)
class AuditFilter:
    """Which entries are listed: of one actor, of one action, since an instant (UTC); None for all.

    `people`: without what API tokens and Lumira itself did.
    """

    actor: str | None = None
    action: str | None = None
    since: datetime | None = None
    people: bool = False

    def admits(self, entry: AuditEntry) -> bool:
        """Whether an entry is of the actor, the action and the time asked for."""
        is_recent = self.since is None or entry.at >= self.since
        is_wanted = self.actor in (None, entry.actor) and self.action in (None, entry.action)
        return is_recent and is_wanted and (entry.is_of_a_person or not self.people)


EVERY_ENTRY: Final = AuditFilter()

# What an entry compares. Names and addresses are the customer's own and stay out.
_FACTS: Final = ("status", "stripe_status", "payment_intent_id", "amount", "amount_refunded")
# Those of them that are minor units of the order's currency.
AMOUNTS: Final = ("amount", "amount_refunded")


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
        action: Action,
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
        # An amount says nothing without its currency.
        currency = {"currency": after.currency} if any(name in AMOUNTS for name in changed) else {}
        self._log.record(
            AuditEntry.by(
                actor,
                action,
                datetime.now(UTC),
                order_id=after.id,
                before={name: old[name] for name in changed if name in old},
                after={name: new[name] for name in changed} | currency,
                request_id=request_id,
                note=note,
                attempt_id=attempt_id,
            )
        )

    def afterwards(
        self,
        actor: Actor,
        action: Action,
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
        action: Action,
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
            self.action(actor, action.unanswered, order, order, note, attempt_id)
            raise
