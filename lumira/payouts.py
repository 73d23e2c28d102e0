"""Stripe's payouts: what arrives in the bank account, and the payments, refunds and fees it consists of.

None of it is stored: whoever asks hears what Stripe says now. All amounts are minor units.
https://docs.stripe.com/payouts/reconciliation
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, Final
from zoneinfo import ZoneInfo

from lumira.access import Actor, Permission, require
from lumira.audit import Action, AuditEntry
from lumira.balance import kind_of
from lumira.batches import batched
from lumira.days import midnight
from lumira.errors import PayoutNotFound
from lumira.month_close import days_of
from lumira.orders import Order
from lumira.stripe_pace import SHORT_PAUSES, Pace, every_page

if TYPE_CHECKING:
    from lumira.storage import AuditLog, Orders
    from lumira.stripe_gateway import StripeGateway

# Stripe dates an arrival to a midnight of UTC, whatever the account's time zone.
_STRIPES_DAYS: Final = ZoneInfo("UTC")
_ON_ITS_WAY: Final = ("pending", "in_transit")
_RETURNED: Final = ("failed", "canceled")
# In the order in which they are added up.
KINDS: Final = ("charges", "refunds", "disputes", "fees", "other", "payouts")
# So many orders are looked up at once.
_AT_ONCE: Final = 500
# Failed ones are looked for among those of so many days, and nobody asks again for so many seconds.
_FAILED_WITHIN: Final = timedelta(days=30)
_REST_SECONDS: Final = 300


@dataclass(frozen=True)
class Payout:
    """A transfer to the bank account, or from it where the amount is below nothing.

    `status` is Stripe's: pending, in_transit, paid, failed or canceled. `arrives` is the day on which the
    bank is expected to book it. What it consists of Stripe says where it is `automatic`, and whole once it
    `is_reconciled`; of one that was asked for by hand it never does.
    https://docs.stripe.com/api/payouts/object
    """

    id: str
    amount: int
    currency: str
    status: str
    arrives: date
    created_at: datetime
    automatic: bool = True
    is_reconciled: bool = True
    failure_code: str | None = None
    failure_message: str | None = None
    # When its money came back, where Stripe was asked for that too.
    failed_at: datetime | None = None
    # What the bank account's statement shows, and the bank's own number to ask after it with, where known.
    statement: str | None = None
    trace_id: str | None = None

    @classmethod
    def of(cls, payout: Mapping[str, Any]) -> Payout:
        """A payout as Stripe describes it."""
        back = payout.get("failure_balance_transaction")
        return cls(
            id=payout["id"],
            amount=payout["amount"],
            currency=payout["currency"],
            status=payout["status"],
            arrives=datetime.fromtimestamp(payout["arrival_date"], UTC).date(),
            created_at=datetime.fromtimestamp(payout["created"], UTC),
            automatic=payout["automatic"],
            is_reconciled=payout["reconciliation_status"] == "completed",
            failure_code=payout["failure_code"],
            failure_message=payout["failure_message"],
            failed_at=datetime.fromtimestamp(back["created"], UTC) if isinstance(back, Mapping) else None,
            statement=payout["statement_descriptor"],
            trace_id=(payout.get("trace_id") or {}).get("value"),
        )

    @property
    def is_on_its_way(self) -> bool:
        """Whether the bank is still to book it."""
        return self.status in _ON_ITS_WAY

    @property
    def is_returned(self) -> bool:
        """Whether its money is back in the balance: the bank refused it, or it was called off."""
        return self.status in _RETURNED


@dataclass(frozen=True)
class BalanceTransaction:
    """One balance transaction of a payout, in the payout's currency; `kind` is one of KINDS.

    `amount` is before the `fee` and below nothing where money went out. `order` is the order it is of, where
    there is one here; else `description` is what Stripe says of it.
    """

    id: str
    kind: str
    booked_at: datetime
    amount: int
    fee: int
    net: int
    payment_intent_id: str | None = None
    order: Order | None = None
    description: str = ""


@dataclass(frozen=True)
class Contents:
    """A payout and its balance transactions, newest first, without that of the transfer itself."""

    payout: Payout
    transactions: list[BalanceTransaction]

    @property
    def net(self) -> int:
        """What the transactions come to."""
        return sum(transaction.net for transaction in self.transactions)

    @property
    def agrees(self) -> bool:
        """Whether they come to what was transferred."""
        return self.net == self.payout.amount

    def lines(self) -> list[tuple[str, int, int]]:
        """What adds up to `net`: each kind that occurs, how many transactions, and their amount before fees.

        The line of the fees has what Stripe kept of all of them.
        """
        counts: dict[str, int] = dict.fromkeys(KINDS, 0)
        amounts: dict[str, int] = dict.fromkeys(KINDS, 0)
        for transaction in self.transactions:
            counts[transaction.kind] += 1
            amounts[transaction.kind] += transaction.amount
            counts["fees"] += transaction.fee != 0
            amounts["fees"] -= transaction.fee
        return [(kind, counts[kind], amounts[kind]) for kind in KINDS if counts[kind]]


def totals_by_currency(payouts: Iterable[Payout]) -> dict[str, dict[str, int]]:
    """What of them has arrived, is on its way and came back, each by its currency: `paid`, `on_its_way` and
    `returned`, in minor units.
    """
    found: dict[str, dict[str, int]] = {}
    for payout in payouts:
        sums = found.setdefault(payout.currency, {"paid": 0, "on_its_way": 0, "returned": 0})
        state = "on_its_way" if payout.is_on_its_way else "returned" if payout.is_returned else "paid"
        sums[state] += payout.amount
    return dict(sorted(found.items()))


def still_failed(payouts: Iterable[Payout]) -> list[Payout]:
    """Those that failed and after whose failure none was made in their currency that was paid, latest first.

    A bank account that refused one gets no other before its details are corrected; the next one then takes
    the sum along. Those made before a failure may be called paid for some days yet.
    https://docs.stripe.com/api/external_account_bank_accounts/object#account_bank_account_object-status
    """
    found: list[Payout] = []
    paid: dict[str, datetime] = {}
    for payout in sorted(payouts, key=lambda payout: payout.created_at, reverse=True):
        if payout.status == "paid":
            paid.setdefault(payout.currency, payout.created_at)
        elif payout.status == "failed":
            last = paid.get(payout.currency)
            if last is None or last < (payout.failed_at or payout.created_at):
                found.append(payout)
    return found


class Payouts:
    """Asks Stripe for payouts. What takes an actor raises Forbidden; what asks Stripe raises StripeError."""

    def __init__(self, gateway: StripeGateway, orders: Orders, audit: AuditLog, timezone: ZoneInfo) -> None:
        self._gateway = gateway
        self._orders = orders
        self._audit = audit
        self._timezone = timezone
        self._lock = threading.Lock()
        self._rest_until = 0.0
        self._failed: list[Payout] = []

    def follow(self) -> None:
        """Asks Stripe which payouts failed, in one request and at most every five minutes.

        Raises StripeError; then what was known stays.
        """
        with self._lock:
            if time.monotonic() < self._rest_until:
                return
            self._rest_until = time.monotonic() + _REST_SECONDS
        listed, _ = self._gateway.list_payouts(datetime.now(UTC) - _FAILED_WITHIN, None)
        self._failed = still_failed(map(Payout.of, listed))

    def failed(self, *, actor: Actor) -> list[Payout]:
        """The payouts of the last thirty days that failed and still wait for somebody, the latest first.

        Asks nobody: it is what `follow` found last, nothing before its first answer.
        """
        require(actor, Permission.VIEW_REVENUE)
        return self._failed

    def arriving(self, month: str, *, actor: Actor) -> list[Payout]:
        """The payouts that arrive in `2026-10`, the latest first; in the present month those of later, too.

        Raises InvalidRequest for what is no month.
        """
        require(actor, Permission.VIEW_REVENUE)
        first, last = days_of(month)
        is_over = last < datetime.now(UTC).astimezone(self._timezone).date()
        end = midnight(last + timedelta(days=1), _STRIPES_DAYS) if is_over else None
        listed = every_page(
            partial(
                Pace(pauses=SHORT_PAUSES).ask, self._gateway.list_payouts, midnight(first, _STRIPES_DAYS), end
            )
        )
        found = [Payout.of(payout) for page in listed for payout in page]
        return sorted(found, key=lambda payout: (payout.arrives, payout.created_at), reverse=True)

    def contents(self, payout_id: str, *, actor: Actor) -> Contents:
        """A payout and what it consists of; without transactions where Stripe does not say.

        Raises PayoutNotFound and StoreUnavailable.
        """
        require(actor, Permission.VIEW_REVENUE)
        found = self._gateway.retrieve_payout(payout_id)
        if found is None:
            raise PayoutNotFound(f"Stripe knows no payout {payout_id}.")
        payout = Payout.of(found)
        if not payout.automatic:
            return Contents(payout, [])
        listed = every_page(partial(Pace(pauses=SHORT_PAUSES).ask, self._gateway.list_paid_out, payout.id))
        booked = [
            transaction
            for page in listed
            for transaction in page
            # The transfer itself leaves the balance, and comes back where it failed.
            if _source(transaction).get("id") != payout.id
        ]
        payments = sorted({payment for one in booked if (payment := _payment_intent_of(one))})
        orders: dict[str, Order] = {}
        for batch in batched(payments, _AT_ONCE):
            orders |= self._orders.find_by_payment_intents(batch)
        return Contents(payout, [_balance_transaction(transaction, orders) for transaction in booked])

    def export(self, contents: Contents, *, kind: str, actor: Actor) -> None:
        """Notes in the audit log that what a payout consists of is taken away in a `kind` of file (`csv`,
        `xlsx`); to be asked before the file is given out. Raises StoreUnavailable.
        """
        require(actor, Permission.EXPORT)
        about = {"payout": contents.payout.id, "format": kind, "rows": len(contents.transactions)}
        self._audit.record(AuditEntry.by(actor, Action.EXPORT_PAYOUT, datetime.now(UTC), after=about))


def _balance_transaction(transaction: Mapping[str, Any], orders: Mapping[str, Order]) -> BalanceTransaction:
    payment_intent_id = _payment_intent_of(transaction)
    return BalanceTransaction(
        id=transaction["id"],
        kind=kind_of(transaction),
        booked_at=datetime.fromtimestamp(transaction["created"], UTC),
        amount=transaction["amount"],
        fee=transaction["fee"],
        net=transaction["net"],
        payment_intent_id=payment_intent_id,
        order=orders.get(payment_intent_id) if payment_intent_id else None,
        description=transaction.get("description") or "",
    )


def _source(transaction: Mapping[str, Any]) -> Mapping[str, Any]:
    """What a balance transaction is of; nothing for what Stripe books by itself."""
    source = transaction.get("source")
    return source if isinstance(source, Mapping) else {}


def _payment_intent_of(transaction: Mapping[str, Any]) -> str | None:
    named: str | None = _source(transaction).get("payment_intent")
    return named
