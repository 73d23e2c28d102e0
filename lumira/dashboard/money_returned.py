"""Money that goes back, on an order's page: where each refund is, and what a dispute asks for, until when."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from lumira.dashboard import markup, problems, session
from lumira.dashboard.texts import counted, day, moment, money, short_day, text, text_or
from lumira.money_back import DisputeAtStripe, RefundAtStripe, on_statement_by
from lumira.orders import Order
from lumira.payment_details import PaymentDetails
from lumira.refunds import Dispute, Refund


def show(order: Order, details: PaymentDetails | None, place: DeltaGenerator) -> None:
    """Every refund and dispute, newest first, with what Stripe told of it; nothing without any."""
    made: list[Refund | Dispute] = [*order.refunds, *order.disputes]
    if not made:
        return
    at_stripe = {refund.id: refund for refund in details.refunds} if details else {}
    groups: list[str] = []
    for one in sorted(made, key=lambda each: each.created_at, reverse=True):
        kind = "refund_status" if isinstance(one, Refund) else "dispute_status"
        told = f"{money(one.amount, order.currency)} · {text_or(f'{kind}.{one.status}', one.status)}"
        why = why_made(one.reason) if isinstance(one, Refund) else why_disputed(one.reason)
        rows = [(moment(one.created_at), f"{told} · {why}" if why else told)]
        if known := at_stripe.get(one.id):
            rows += _where(known)
        groups.append(markup.facts(rows, codes=frozenset({text("refund.reference")})))
    with place.container():
        st.markdown(f"**{text('order.money_back')}**")
        st.html(markup.groups(groups))


def _where(refund: RefundAtStripe) -> Iterator[tuple[str, str]]:
    """Where the money is, in words to tell the customer, and what their bank finds it by."""
    label = text("refund.where")
    if refund.status in {"pending", "requires_action"}:
        told = text(f"refund.where.{refund.status}")
        yield label, text_or(f"refund.where.pending.{refund.waits_for}", told)
    elif refund.status == "failed":
        reason = text_or(f"refund.failure.{refund.failure}", text("refund.failure.unknown"))
        # Not every reason is one to pay the customer another way: they might have the money twice.
        told = text("refund.where.failed", reason=reason)
        yield label, text_or(f"refund.where.failed.{refund.failure}", told)
    elif refund.status == "succeeded" and refund.reversal:
        yield label, text("refund.where.reversal")
    elif refund.status == "succeeded":
        zone = session.timezone()
        by = on_statement_by(refund.created_at.astimezone(zone).date())
        name = "refund.where.sent"
        if datetime.now(zone).date() > by:
            name = "refund.where.late" if refund.reference else "refund.where.late.no_reference"
        yield label, text(name, day=day(by))
    if refund.reference:
        yield text("refund.reference"), refund.reference


def show_disputes(order: Order, details: PaymentDetails | None, place: DeltaGenerator) -> None:
    """What each open dispute is about, until when it is to be answered and where; nothing without any."""
    at_stripe = {dispute.id: dispute for dispute in details.disputes} if details else {}
    open_ones = [dispute for dispute in order.disputes if dispute.is_open]
    if not open_ones:
        return
    with place.container():
        for dispute in open_ones:
            with st.container(border=True):
                _show_dispute(order, dispute, at_stripe.get(dispute.id))


def _show_dispute(order: Order, dispute: Dispute, at_stripe: DisputeAtStripe | None) -> None:
    told = money(dispute.amount, order.currency)
    inquiry = dispute.status.startswith("warning_")
    st.header(
        text("dispute.inquiry" if inquiry else "dispute.title", amount=told), anchor=False, width="content"
    )
    due_by = at_stripe.due_by if at_stripe else dispute.due_by
    if not dispute.needs_response:
        answered = "dispute.under_review.inquiry" if inquiry else "dispute.under_review"
        st.markdown(f":material/hourglass_top: {text(answered)}")
    elif due_by:
        st.markdown(f":material/alarm: **{_time_left(due_by)}**")
    says = problems.plain(why_disputed(dispute.reason))
    lines = [says]
    if dispute.needs_response:
        lines.append(text_or(f"dispute.evidence.{dispute.reason}", text("dispute.evidence.general")))
    lines.append(_stake(inquiry, at_stripe))
    if at_stripe and dispute.needs_response:
        lines.append(text("dispute.drafted" if at_stripe.drafted else "dispute.nothing_sent"))
    st.markdown("\n".join(f"- {line}" for line in lines if line))
    if dispute.needs_response and order.payment_intent_id:
        gateway = session.desk().gateway
        st.link_button(
            text("order.at_sandbox" if gateway.is_sandbox else "dispute.answer"),
            gateway.dispute_url(dispute.id, order.payment_intent_id),
            icon=":material/open_in_new:",
        )


def due(name: str, due_by: datetime) -> str:
    """Until which day a dispute is to be answered, in the words of `name`, which has its own for today."""
    now, zone = datetime.now(UTC), session.timezone()
    if due_by <= now:
        return text(f"{name}.over", day=short_day(due_by))
    if due_by.astimezone(zone).date() == now.astimezone(zone).date():
        return text(f"{name}.today")
    return text(name, day=short_day(due_by))


def _time_left(due_by: datetime) -> str:
    now, when = datetime.now(UTC), moment(due_by)
    if due_by <= now:
        return text("dispute.over", when=when)
    zone = session.timezone()
    days = (due_by.astimezone(zone).date() - now.astimezone(zone).date()).days
    return counted("dispute.due", days, when=when) if days else text("dispute.due.today", when=when)


def _stake(inquiry: bool, at_stripe: DisputeAtStripe | None) -> str:
    """What has been taken so far, and what an answer can bring back."""
    if inquiry:
        return text("dispute.stake.inquiry")
    if at_stripe is None or at_stripe.moved >= 0:
        return ""
    taken = money(-at_stripe.moved, at_stripe.currency)
    if at_stripe.fee <= 0:
        return text("dispute.stake", amount=taken)
    return text("dispute.stake.fee", amount=taken, fee=money(at_stripe.fee, at_stripe.currency))


def taken(order: Order, disputes: Sequence[DisputeAtStripe]) -> tuple[int, int]:
    """What disputes moved and what Stripe keeps for them, minor units of the order's currency; no others."""
    own = [dispute for dispute in disputes if dispute.currency == order.currency]
    return sum(dispute.moved for dispute in own), sum(dispute.fee for dispute in own)


def why_made(reason: str | None) -> str:
    """Why a refund was made: one of Stripe's reasons in words, or a note of staff's own."""
    return text_or(f"timeline.reason.{reason}", reason) if reason else ""


def why_disputed(reason: str | None) -> str:
    """What a customer or their bank claims in a dispute, by Stripe's reason; it need not be so."""
    return text_or(f"dispute.says.{reason}", reason) if reason else ""
