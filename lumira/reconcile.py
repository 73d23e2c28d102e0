"""Stripe beside the store: report what differs, and repair it when asked to.

Stripe holds the truth about money, so every repair of it brings the order to what Stripe says, by the same
conditional moves that webhooks make. Only a customer whom staff corrected is brought to Stripe. A run can be
repeated and killed at any moment.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import groupby
from typing import TYPE_CHECKING, Any, Final

from lumira.access import Actor, Permission, require
from lumira.audit import Action, AuditEntry
from lumira.customer_at_stripe import copy_customer, never_copied
from lumira.differences import (
    Difference,
    Kind,
    Report,
    differences,
    differs_in_amount,
    is_news,
    restored,
    saved,
)
from lumira.errors import OrderUnreadable, StripeError, StripeRefused
from lumira.lifecycle import IN_FLIGHT, apply_payment_intent, is_made_for, made_around, order_of
from lumira.metrics import DIFFERENCES
from lumira.orders import (
    CUSTOMER_COPIED,
    CUSTOMER_ERASED,
    NEVER_REACHED,
    Observation,
    Order,
    OrderStatus,
    TimelineEntry,
)
from lumira.refunds import dispute_from, refund_from
from lumira.stripe_pace import Pace, every_page

if TYPE_CHECKING:
    from lumira.storage import AuditLog, Orders, Reconciliations
    from lumira.stripe_gateway import PaymentIntent, StripeGateway

WINDOW: Final = timedelta(days=1)
# How far back the regular look at open orders goes, and at how many of each status it looks.
OPEN_SINCE: Final = timedelta(days=3)
OPEN_LIMIT: Final = 50
# A cardholder has 120 days to dispute a payment, and the issuer some 75 to decide:
# https://docs.stripe.com/disputes/how-disputes-work
MONEY_BACK_SINCE: Final = timedelta(days=200)
# An unfinished run is continued for this long; later it starts anew.
RESUMABLE: Final = timedelta(hours=6)

# A run with more differences than this no longer saves how far it has come: its state is one document, which
# holds some 90,000 at most. Killed, it goes on from the last day saved; what was repaired differs no more.
KEPT_DIFFERENCES: Final = 10_000

Progress = Callable[[int, int], None]
# Objects of Stripe's, and when they were asked for.
Page = tuple[list[dict[str, Any]], datetime]


@dataclass(frozen=True)
class _Run:
    """One look at both sides: whether it repairs, on whose behalf, and what it has found so far."""

    report: Report
    apply: bool
    actor: Actor


class Reconciliation:
    """Compares and repairs. `orders` and `gateway` are the two sides.

    Every method raises StoreUnavailable and StripeError; what was repaired until then stays repaired.
    """

    def __init__(
        self,
        orders: Orders,
        gateway: StripeGateway,
        audit: AuditLog,
        reconciliations: Reconciliations,
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._orders = orders
        self._gateway = gateway
        self._audit = audit
        self._reconciliations = reconciliations
        self._clock = clock
        self._ask = Pace(sleep).ask
        # Down to here `settle_open_orders` has come; None to begin with the newest again.
        self._settled_to: datetime | None = None

    def run(
        self,
        since: datetime,
        *,
        actor: Actor,
        apply: bool = False,
        progress: Progress | None = None,
    ) -> Report:
        """Walks every PaymentIntent, order, refund and dispute created since (UTC) and reports what differs.

        Refunds and disputes may be of older payments.

        With `apply` it repairs; without, it changes nothing at all. `progress` is told the days done and the
        days there are. A run that was killed goes on with the day it was at, up to now. Raises Forbidden.
        """
        require(actor, Permission.REPAIR if apply else Permission.RECONCILE)
        key = f"walk:{'apply' if apply else 'report'}"
        report, start, untied = self._begin(key, since)
        run = _Run(report, apply, actor)
        known = len(report.differences)
        days = list(_windows(start, report.until))
        with _counted(report):
            try:
                self._walk_days(key, days, untied, run, progress)
                for pages in self._money_back(report.since, report.until):
                    for page, asked_at in pages:
                        self._compare_money_back(page, asked_at, run)
            except StripeError:
                # What is repaired stays repaired, and is no difference when the day is walked again.
                if any(difference.repaired for difference in report.differences[known:]):
                    self._record_repairs(report.differences[known:], actor)
                raise
        if progress:
            progress(len(days), len(days))
        self._reconciliations.finish(key)
        if apply:
            self._record_repairs(report.differences, actor)
        return report

    def _begin(self, key: str, since: datetime) -> tuple[Report, datetime, set[str]]:
        """A new run of this kind, or one that was killed lately: its report, the instant (UTC) from which to
        walk on, and the orders without PaymentIntent seen before that.
        """
        now = self._clock()
        # Whole seconds, as Stripe counts: no PaymentIntent falls into two windows, or between them.
        since = since.replace(microsecond=0)
        until = now.replace(microsecond=0) + timedelta(seconds=1)
        state = self._reconciliations.unfinished(key, now - RESUMABLE)
        if state and state["since"] == since:
            report, start, untied = restored(state)
            # What came since the run was begun belongs to it too: it is told as a comparison of now.
            report.until = max(report.until, until)
            return report, start, untied
        return Report(since=since, until=until), since, set()

    def _walk_days(
        self,
        key: str,
        days: Sequence[tuple[datetime, datetime]],
        untied: set[str],
        run: _Run,
        progress: Progress | None,
    ) -> None:
        """Compares day by day and saves how far it has come; last, the orders that no PaymentIntent named."""
        report = run.report
        for done, (first, last) in enumerate(days):
            if progress:
                progress(done, len(days))
            untied = untied | self._walk(first, last, run)
            if len(report.differences) <= KEPT_DIFFERENCES:
                self._reconciliations.save(key, saved(report, last, untied), self._clock())
        tied = {one.order_id for one in report.differences if one.kind is Kind.UNTIED_ORDER}
        for order_id in sorted(untied - tied):
            self._check_never_sent(order_id, run)

    def _record_repairs(self, told: Sequence[Difference], actor: Actor) -> None:
        found = {"differences": len(told), "repaired": sum(difference.repaired for difference in told)}
        self._audit.record(AuditEntry.by(actor, Action.REPAIR, self._clock(), after=found))

    def settle_open_orders(self, *, actor: Actor) -> Report:
        """Asks Stripe about orders that are not final fifteen minutes after they were made, and applies.

        Small enough to run every few minutes: of the last three days the newest fifty of each status, and
        fifty older ones, which are others at each call, so that every order has its turn. What Stripe does
        not know, and an order that can't be read, is reported and passed over. Where Stripe does not answer
        it raises, and begins anew the next time.
        """
        require(actor, Permission.REPAIR)
        now = self._clock()
        report = Report(since=now - OPEN_SINCE, until=now - IN_FLIGHT)
        run = _Run(report, apply=True, actor=actor)
        newest = self._orders.open_between(report.since, report.until, OPEN_LIMIT)
        further = []
        if behind := _unread_before(newest):
            resumed = min(self._settled_to or behind, behind)
            further = self._orders.open_between(report.since, resumed, OPEN_LIMIT)
            self._settled_to = _unread_before(further)
        with _counted(report):
            for order in {order.id: order for order in [*newest, *further]}.values():
                if order.is_free or not self._is_ours(order):
                    continue
                report.orders += 1
                if not order.payment_intent_id:
                    self._look_for(order, run)
                    continue
                asked_at = self._clock()
                try:
                    payment_intent = self._ask(self._gateway.retrieve_payment_intent, order.payment_intent_id)
                except StripeRefused:
                    report.add_missing_intent(order)
                else:
                    self._match(order, payment_intent, asked_at, run)
        return report

    def settle_money_back(self, *, actor: Actor) -> Report:
        """Looks at the newest refunds and disputes, a hundred of each, and applies what is not known here.

        Two requests, to run every few minutes: what Stripe's dashboard or a bank did is known though its
        event never came, or came before its order.
        """
        require(actor, Permission.REPAIR)
        now = self._clock()
        report = Report(since=now - MONEY_BACK_SINCE, until=now + timedelta(seconds=1))
        run = _Run(report, apply=True, actor=actor)
        with _counted(report):
            for pages in self._money_back(report.since, report.until):
                page, asked_at = next(pages)
                self._compare_money_back(page, asked_at, run)
        return report

    def _money_back(self, first: datetime, last: datetime) -> Iterator[Iterator[Page]]:
        """The pages of refunds, and those of disputes, made in [first, last)."""
        yield self._pages(self._gateway.list_refunds_between, first, last)
        yield self._pages(self._gateway.list_disputes_between, first, last)

    def _compare_money_back(self, page: Sequence[Mapping[str, Any]], asked_at: datetime, run: _Run) -> None:
        """Adds what differs between these refunds or disputes and their orders, where there is an order."""
        # Without repairs an order that the walk reported still differs: it is not reported twice.
        told = set() if run.apply else {difference.order_id for difference in run.report.differences}
        known = self._orders.find_by_payment_intents(
            [returned["payment_intent"] for returned in page if returned.get("payment_intent")]
        )
        for returned in page:
            order = known.get(returned.get("payment_intent") or "")
            if order is None or not is_news(order, returned, asked_at):
                continue
            # An event may have come between reading the one and the other.
            order = self._orders.find(order.id) or order
            if not is_news(order, returned, asked_at):
                continue
            differs = order.id in told
            if not differs:
                told.add(order.id)
                now = self._clock()
                payment_intent = self._ask(self._gateway.retrieve_payment_intent, order.payment_intent_id)
                differs = self._compare(order, payment_intent, now, run)
            # A refund that we did not know was reported with the sum that differs.
            if returned["object"] == "dispute" or not differs:
                self._compare_status(order, returned, asked_at, run)

    def _compare_status(
        self, order: Order, returned: Mapping[str, Any], asked_at: datetime, run: _Run
    ) -> None:
        """Adds to the report that a refund or dispute stands otherwise than the order says."""
        if returned["object"] == "dispute":
            kind, dispute = Kind.DISPUTE, dispute_from(returned, asked_at)
            theirs, ours = dispute.status, {one.id: one.status for one in order.disputes}.get(dispute.id)
            if run.apply:
                self._orders.add_dispute(order, dispute)
        else:
            kind, refund = Kind.REFUND_STATUS, refund_from(returned)
            theirs, ours = refund.status, {one.id: one.status for one in order.refunds}.get(refund.id)
            if run.apply:
                self._orders.add_refunds(order, [refund], by="stripe")
        # More time to answer is no difference.
        if ours != theirs:
            mended = run.apply and not is_news(self._orders.find(order.id) or order, returned, asked_at)
            run.report.add(kind, order.payment_intent_id, order.id, ours, theirs, repaired=mended)

    def _walk(self, first: datetime, last: datetime, run: _Run) -> set[str]:
        """Compares what was created in one window; returns the orders that have no PaymentIntent."""
        seen: set[str] = set()
        for page, asked_at in self._pages(self._gateway.list_payment_intents, first, last):
            known = self._orders.find_by_payment_intents([intent["id"] for intent in page])
            for payment_intent in page:
                seen.add(payment_intent["id"])
                run.report.payment_intents += 1
                order = known.get(payment_intent["id"])
                self._match(order, payment_intent, asked_at, run)
        untied: set[str] = set()
        for order in filter(self._is_ours, self._orders.created_between(first, last)):
            if order.is_free:
                run.report.free += 1
                continue
            run.report.orders += 1
            if order.payment_intent_id is None:
                untied.add(order.id)
            elif order.payment_intent_id not in seen:
                # Made a moment before midnight, or not at this Stripe at all.
                try:
                    self._ask(self._gateway.retrieve_payment_intent, order.payment_intent_id)
                except StripeRefused:
                    run.report.add_missing_intent(order)
        return untied

    def _is_ours(self, order: Order) -> bool:
        """Whether our Stripe can know of it. Of two desks on one store, live and test, each has its own."""
        return order.livemode in (None, self._gateway.livemode)

    def _match(
        self, order: Order | None, payment_intent: PaymentIntent, asked_at: datetime, run: _Run
    ) -> None:
        """Compares a PaymentIntent with its order, or finds it one; an order that is spoilt is reported."""
        try:
            if order is None:
                self._adopt(payment_intent, asked_at, run)
            else:
                self._compare(order, payment_intent, asked_at, run)
        except OrderUnreadable as error:
            kind, spoilt = Kind.UNREADABLE_ORDER, error.extra["orderId"]
            run.report.add(kind, payment_intent["id"], spoilt, None, payment_intent["status"])

    def _compare(self, order: Order, payment_intent: PaymentIntent, asked_at: datetime, run: _Run) -> bool:
        """Adds what differs between an order and its PaymentIntent to the report, repaired with `apply`.

        Returns whether anything did.
        """
        if not any(differences(order, payment_intent, asked_at)):
            return False
        # A webhook may have come between reading the one and the other: look again at both.
        asked_at = self._clock()
        payment_intent = self._ask(self._gateway.retrieve_payment_intent, payment_intent["id"])
        order = self._orders.find(order.id) or order
        found = list(differences(order, payment_intent, asked_at))
        if found and run.apply:
            order = self._apply(order, payment_intent, asked_at, run)
            order = self._orders.find(order.id) or order
            # An order that is completed, or may not move to where Stripe is, has not taken it over; one that
            # was paid since we looked has the amount that was paid.
            paid_since = order.status is OrderStatus.COMPLETED and payment_intent["status"] != "succeeded"
            if differs_in_amount(order, payment_intent) and not paid_since:
                self._correct_amount(order, payment_intent, run.actor)
                order = self._orders.find(order.id) or order
            if customer := never_copied(order, payment_intent, asked_at):
                # One that Stripe does not take stays a difference.
                with suppress(StripeRefused):
                    self._copy_customer(order, payment_intent, customer, run.actor)
                    payment_intent = {
                        **payment_intent,
                        "metadata": {**payment_intent["metadata"], **customer},
                    }
        still = {kind for kind, _, _ in differences(order, payment_intent, asked_at)}
        refunds_differ = run.apply and Kind.REFUNDS in still
        if refunds_differ and self._mark_refunds_unknown(order, payment_intent, run.actor):
            order = self._orders.find(order.id) or order
            still = {kind for kind, _, _ in differences(order, payment_intent, asked_at)}
        for kind, ours, stripes in found:
            run.report.add(kind, payment_intent["id"], order.id, ours, stripes, repaired=kind not in still)
        return bool(found)

    def _apply(self, order: Order, payment_intent: PaymentIntent, asked_at: datetime, run: _Run) -> Order:
        # Where Stripe says to slow down half-way, what was moved is found moved.
        return self._ask(
            apply_payment_intent,
            self._orders,
            self._gateway,
            order,
            payment_intent,
            asked_at,
            by=run.actor.name,
        )

    def _correct_amount(self, order: Order, payment_intent: PaymentIntent, actor: Actor) -> None:
        entry = TimelineEntry(
            at=self._clock(), kind="amount.corrected", by=actor.name, amount=payment_intent["amount"]
        )
        self._orders.correct_amount(order, payment_intent["amount"], payment_intent["currency"], entry)

    def _mark_refunds_unknown(self, order: Order, payment_intent: PaymentIntent, actor: Actor) -> bool:
        """Lets refunds count no more that Stripe does not have: money that never left is revenue.

        One of the last minutes may have been made after Stripe was asked. Returns whether there were any.
        """
        now = self._clock()
        old = {one.id for one in order.refunds if one.counts and one.created_at < now - IN_FLIGHT}
        listed = {refund["id"] for refund in self._ask(self._gateway.list_refunds, payment_intent["id"])}
        return self._orders.mark_refunds_unknown(order, old - listed, by=actor.name, at=now)

    def _copy_customer(
        self, order: Order, payment_intent: PaymentIntent, customer: Mapping[str, str], actor: Actor
    ) -> None:
        """The customer is the one thing that the order knows better than Stripe."""
        self._ask(copy_customer, self._orders, self._gateway, order, payment_intent["id"], customer)
        kind = CUSTOMER_ERASED if order.erased_at else CUSTOMER_COPIED
        self._orders.append(order, TimelineEntry(at=self._clock(), kind=kind, by=actor.name))

    def _adopt(self, payment_intent: PaymentIntent, asked_at: datetime, run: _Run) -> None:
        """A PaymentIntent that no order named: its order waits for it, is missing, or it is not ours.

        Raises OrderUnreadable.
        """
        metadata = payment_intent.get("metadata") or {}
        if not {"productId", "level", "orderId"} & metadata.keys():
            run.report.unrelated += 1
            return
        # A webhook may have made it meanwhile; one that is there, and can't be read, is not missing.
        if order := self._orders.find_by_payment_intent(payment_intent["id"]):
            self._compare(order, payment_intent, asked_at, run)
            return
        waiting = self._orders.find(str(metadata.get("orderId")))
        kind = Kind.UNTIED_ORDER if waiting else Kind.MISSING_ORDER
        order = waiting
        if run.apply:
            order = order_of(self._orders, payment_intent, livemode=self._gateway.livemode)
            self._apply(order, payment_intent, asked_at, run)
        run.report.add(
            kind,
            payment_intent["id"],
            order.id if order else None,
            str(waiting.status) if waiting else None,
            payment_intent["status"],
            repaired=run.apply and order is not None and order.payment_intent_id == payment_intent["id"],
        )

    def _look_for(self, order: Order, run: _Run) -> None:
        """Looks for the PaymentIntent of an order that has none, around the time the order was made."""
        for page, asked_at in self._pages(self._gateway.list_payment_intents, *made_around(order)):
            for payment_intent in page:
                if is_made_for(order, payment_intent):
                    self._match(None, payment_intent, asked_at, run)
                    return
        self._check_never_sent(order.id, run)

    def _check_never_sent(self, order_id: str, run: _Run) -> None:
        """An order whose create request never reached Stripe: nobody can pay it, so it is given up."""
        order = self._orders.find(order_id)
        if order is None or order.payment_intent_id or order.status is not OrderStatus.PENDING:
            return
        if order.created_at > self._clock() - IN_FLIGHT:
            return
        repaired = run.apply and self._orders.move(
            order, Observation(OrderStatus.CANCELLED, NEVER_REACHED, self._clock()), by=run.actor.name
        )
        run.report.add(Kind.NEVER_SENT, None, order.id, str(order.status), None, repaired=repaired)

    def _pages(
        self, listed: Callable[..., tuple[list[dict[str, Any]], bool]], first: datetime, last: datetime
    ) -> Iterator[Page]:
        """Pages of what was created in [first, last), each with the instant it was asked for."""
        asked_at = self._clock()
        for page in every_page(partial(self._ask, listed, first, last)):
            yield page, asked_at
            asked_at = self._clock()


@contextmanager
def _counted(report: Report) -> Iterator[None]:
    """Counts what the report is told meanwhile, also where an error ends that: what is repaired stays so."""
    known = len(report.differences)
    try:
        yield
    finally:
        for difference in report.differences[known:]:
            DIFFERENCES.labels(str(difference.kind), "yes" if difference.repaired else "no").inc()


def _windows(start: datetime, end: datetime) -> Iterator[tuple[datetime, datetime]]:
    """Days from start to end, oldest first."""
    while start < end:
        last = min(start + WINDOW, end)
        yield start, last
        start = last


def _unread_before(orders: Sequence[Order]) -> datetime | None:
    """Before which instant there may be more open orders than these; None when these are all."""
    oldest = {}
    for status, group in groupby(orders, key=lambda order: order.status):
        of_status = list(group)
        if len(of_status) == OPEN_LIMIT:
            # Others may be of the same instant.
            oldest[status] = of_status[-1].created_at + timedelta(milliseconds=1)
    return max(oldest.values(), default=None)
