"""One order in words: its state, its facts, and what happened to it."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from lumira.catalog import CATALOG
from lumira.dashboard import declines, empty, markup, money_returned, navigation, problems, stripe_details
from lumira.dashboard.money_returned import why_disputed, why_made
from lumira.dashboard.texts import (
    actor_name,
    capitalized,
    failure_reason,
    level_name,
    moment,
    money,
    stripe_status_name,
    text,
    text_or,
)
from lumira.dashboard.theme import DISAGREES_COLOUR, NEUTRAL, STATUS_COLOURS, level_colour
from lumira.notes import Note
from lumira.order_filter import said_by_stripe
from lumira.orders import REFUND_REQUESTED, Order, OrderStatus, TimelineEntry, status_of
from lumira.payment_details import ChargeDetails, PaymentDetails
from lumira.redaction import without_secrets
from lumira.texts import is_known
from lumira.validation import OWN_METADATA

_NOTE_LENGTH: Final = 200
_COPIED: Final = ("order.payment_intent", "order.id")
# What the house itself puts into metadata, the program it replaced included; the page shows it elsewhere.
_HOUSE_METADATA: Final = {*OWN_METADATA, "customerFirstName", "customerLastName", "freeProduct"}
# What Stripe said of a payment, and the state of the charge that it said so of.
_OUTCOMES: Final = {"succeeded": "succeeded", "declined": "failed", "processing": "pending"}
# Between an attempt and the entry that tells of it, where nothing else says that they belong together.
_SOON: Final = timedelta(minutes=1)


def price(order: Order) -> str:
    """What an order asks for: its amount, or the word for what is given."""
    return text("new_payment.free") if order.is_free else money(order.amount, order.currency)


def stripe_status(order: Order) -> str:
    """What Stripe said last of this order, in words."""
    return stripe_status_name(said_by_stripe(order))


def stripe_colour(order: Order) -> str:
    """The colour of what Stripe said last: that of the order status it means."""
    if order.stripe_status is None or order.is_free:
        return NEUTRAL
    return STATUS_COLOURS[order.status if order.agrees_with_stripe else _meaning(order)]


def _meaning(order: Order) -> OrderStatus:
    return status_of({"status": order.stripe_status})


def show_state(order: Order) -> None:
    """The amount, the level, and the two statuses side by side.

    Today's products are named like their level, which stands in its chip; others are named.
    """
    known = CATALOG.get(order.product_id)
    st.html(
        markup.amount(
            price(order),
            "" if known and order.product_name == known.name else order.product_name,
        )
        + markup.chips(
            [
                (level_name(order.level), level_colour(order.level)),
                (text(f"status.{order.status}"), STATUS_COLOURS[order.status]),
                (f"Stripe · {stripe_status(order)}", stripe_colour(order)),
                *money_back(order),
            ]
        )
    )


def show_disagreement(order: Order) -> None:
    """A word when the two statuses disagree."""
    if not order.agrees_with_stripe:
        st.warning(
            text(
                "order.disagrees.next",
                here=text(f"status.{order.status}").lower(),
                there=problems.plain(stripe_status(order).lower()),
            ),
            title=text("order.disagrees"),
            icon=":material/sync_problem:",
        )


def money_back(order: Order) -> list[tuple[str, str]]:
    """What a paid order does not show by its state: money that went back, or that an issuer asks for."""
    told = []
    # First of the two: a dispute has a day by which it is lost, and a line of a list has room for one.
    if is_disputed(order):
        told.append(text("order.back.disputed"))
    if is_refunded(order):
        part = text("order.back.part", amount=money(order.amount_refunded, order.currency))
        told.append(text("order.back.whole") if order.net <= 0 else part)
    return [(label, DISAGREES_COLOUR) for label in told]


def is_disputed(order: Order) -> bool:
    """Whether a dispute has taken its money, or may yet take it."""
    return any(dispute.is_open or dispute.status == "lost" for dispute in order.disputes)


def is_refunded(order: Order) -> bool:
    """Whether money went back, of it all or a part."""
    # Stripe shows the release of a payment that was never captured as a refund too: no money had come.
    return bool(order.amount_refunded) and order.status is OrderStatus.COMPLETED


def show_unknown(order_id: str) -> None:
    """What to do when there is no such order, or none was asked for."""
    where = "orders.not_found" if order_id else "order.none"
    with empty.card(text(where), text(f"{where}.next", id=problems.plain(order_id))):
        st.page_link(navigation.orders(), label=text("order.to_list"), icon=":material/receipt_long:")


def when(order: Order) -> str:
    """When it was made, and when it was paid or given."""
    moments = [text("order.when.created", when=moment(order.created_at))]
    if order.completed_at:
        name = "order.when.given" if order.is_free else "order.when.paid"
        moments.append(text(name, when=moment(order.completed_at)))
    return " · ".join(moments)


def show_facts(order: Order) -> None:
    """Where it comes from, its ids, and what staff added; what is unknown is left out."""
    added = [(key, str(value)) for key, value in order.metadata.items() if key not in _HOUSE_METADATA]
    rows = [(text(name), value) for name, value in _facts(order) if value] + added
    st.html(markup.facts(rows, codes=frozenset(text(name) for name in _COPIED)))


def show_money(order: Order, details: PaymentDetails | None, place: DeltaGenerator) -> None:
    """Due, paid, what Stripe kept and what went back, and what is left; the rest once Stripe told it.

    Nothing is due of an order that is free or cancelled.
    """
    place.html(markup.facts(list(_money(order, details)), figures=True))


def _money(order: Order, details: PaymentDetails | None) -> Iterator[tuple[str, str]]:
    if order.status is not OrderStatus.COMPLETED or order.is_free:
        is_due = not order.is_free and order.status is not OrderStatus.CANCELLED
        yield text("order.asked" if is_due else "orders.amount"), price(order)
        return
    yield text("order.taken"), money(order.amount, order.currency)
    if order.amount_refunded:
        yield text("order.refunded"), money(-order.amount_refunded, order.currency)
        yield text("order.net"), money(order.net, order.currency)
    charge = details.paid if details else None
    moved, dispute_fee = money_returned.taken(order, details.disputes) if details else (0, 0)
    if moved:
        yield text("order.disputed_away"), money(moved, order.currency)
    if dispute_fee:
        yield text("order.dispute_fee"), money(-dispute_fee, order.currency)
    if charge is None or charge.fee is None or charge.fee_currency is None:
        yield text("order.fee"), text("order.fee.unknown")
        return
    yield text("order.fee"), money(-charge.fee, charge.fee_currency)
    # Stripe may settle in another currency, which is never summed with the order's.
    if charge.fee_currency == order.currency:
        yield text("order.kept"), money(order.net - charge.fee + moved - dispute_fee, order.currency)


def raw(order: Order) -> dict[str, Any]:
    """The order as it is stored, without its secrets, as JSON shows it."""
    stored = order.model_dump(mode="json", by_alias=True, exclude_none=True)
    without: dict[str, Any] = without_secrets(stored)
    return without


def show_timeline(
    order: Order, place: DeltaGenerator, notes: Sequence[Note] = (), charges: Sequence[ChargeDetails] = ()
) -> None:
    """What happened, newest first, in sentences: colleagues' notes and attempts to pay too, once known."""
    steps = list(_steps(order, notes, charges))
    if steps:
        place.html(markup.timeline(steps))
    else:
        place.caption(text("timeline.empty"))


def _steps(order: Order, notes: Sequence[Note], charges: Sequence[ChargeDetails]) -> Iterator[markup.Step]:
    told = told_of(order, charges)
    happened = [
        (
            entry.at,
            0 if entry.kind == "order.created" else 2,
            _answered(order, entry, told[place]) if place in told else step(order, entry),
        )
        for place, entry in enumerate(order.timeline)
    ]
    alone = [charge for charge in reversed(charges) if charge not in told.values()]
    happened += [(charge.created_at, 1, _attempt(charge)) for charge in alone]
    happened += [(note.at, 2, _noted(note)) for note in reversed(notes)]
    # Stripe counts in whole seconds: an attempt comes before what was told of it in the same second.
    happened.sort(key=lambda one: (one[0].replace(microsecond=0), one[1]))
    return (one for _, _, one in reversed(happened))


def told_of(order: Order, charges: Sequence[ChargeDetails]) -> dict[int, ChargeDetails]:
    """The attempt to pay that an entry of the timeline tells the outcome of, by the entry's place in it.

    An entry does not name its charge: it is the one with its reason, if any, that was made nearest to it.
    """
    pairs: list[tuple[bool, timedelta, int, ChargeDetails]] = []
    for place, entry in enumerate(order.timeline):
        for charge in reversed(charges):
            # Stripe counts in whole seconds.
            apart = abs(entry.at.replace(microsecond=0) - charge.created_at)
            other_reason = entry.code != charge.failure_code
            if _OUTCOMES.get(_stripe_said(entry)) == charge.status and (apart < _SOON or not other_reason):
                pairs.append((other_reason, apart, place, charge))
    told: dict[int, ChargeDetails] = {}
    for _, _, place, charge in sorted(pairs, key=lambda pair: pair[:3]):
        if place not in told and charge not in told.values():
            told[place] = charge
    return told


def _answered(order: Order, entry: TimelineEntry, charge: ChargeDetails) -> markup.Step:
    """An attempt to pay and what came of it, in one sentence."""
    attempt = _attempt(charge)
    sentence = text(
        f"{_answer_name(entry)}.attempt",
        by=actor_name(entry.by),
        method=stripe_details.method(charge),
        amount=money(charge.amount, charge.currency),
    )
    return replace(attempt, sentence=sentence, when=f"{step(order, entry).when} · {charge.id}")


def _attempt(charge: ChargeDetails) -> markup.Step:
    """One attempt to pay, with the reason in words where it was declined."""
    reason = failure_reason(charge.failure_code) if charge.status == "failed" else ""
    return markup.Step(
        sentence=text(
            f"timeline.attempt.{charge.status}",
            method=stripe_details.method(charge),
            amount=money(charge.amount, charge.currency),
        ),
        note=f"{capitalized(reason)}." if reason else "",
        when=f"{moment(charge.created_at, seconds=True)} · {charge.id}",
        colour=stripe_details.colour(charge),
    )


def _noted(note: Note) -> markup.Step:
    """The beginning of a colleague's note; the whole of it stands beside."""
    return markup.Step(
        sentence=text("timeline.note", by=actor_name(note.by)),
        note=textwrap.shorten(note.text, _NOTE_LENGTH, placeholder="…"),
        when=moment(note.at, seconds=True),
        colour=NEUTRAL,
    )


def _facts(order: Order) -> Iterator[tuple[str, str | None]]:
    # Why a card was declined is told beside the amount.
    if order.failure_code and not declines.is_declined(order):
        yield "order.failure", failure_reason(order.failure_code)
    if order.stripe_synced_at:
        yield "order.synced", moment(order.stripe_synced_at)
    if order.source:
        yield "order.source", text_or(f"source.{order.source}", order.source)
    yield "order.payment_intent", order.payment_intent_id
    yield "order.id", order.id


def step(order: Order, entry: TimelineEntry) -> markup.Step:
    """A timeline entry as a sentence, with a note and the moment."""
    when = moment(entry.at, seconds=True)
    if entry.event_id:
        when = f"{when} · {text('timeline.event', id=entry.event_id)}"
    return markup.Step(
        sentence=sentence(order, entry), note=_note(order, entry), when=when, colour=_colour(entry)
    )


def sentence(order: Order, entry: TimelineEntry) -> str:
    """Who did what."""
    by = actor_name(entry.by)
    stripe_said = _stripe_said(entry)
    if not stripe_said:
        amount = money(_amount(order, entry), order.currency)
        return text_or(f"timeline.{entry.kind}", _plainly(by, entry.kind), by=by, amount=amount)
    return text_or(_answer_name(entry), _plainly(by, stripe_status_name(stripe_said)), by=by)


def _stripe_said(entry: TimelineEntry) -> str:
    """The PaymentIntent's state an entry tells of, or that a card was declined; "" where it tells none."""
    if not entry.kind.startswith("payment_intent."):
        return ""
    stripe_said = entry.kind.removeprefix("payment_intent.")
    declined = entry.after == OrderStatus.FAILED and stripe_said == "requires_payment_method"
    return "declined" if declined else stripe_said


def _answer_name(entry: TimelineEntry) -> str:
    """The name of the sentence: Stripe told it, somebody asked Stripe, or it is what somebody did."""
    said = _stripe_said(entry)
    if entry.by == "stripe":
        return f"timeline.told.{said}"
    did = f"timeline.did.{said}"
    return did if entry.attempt_id and is_known(did) else f"timeline.asked.{said}"


def _plainly(by: str, kind: str) -> str:
    return text("timeline.other", by=by, kind=kind)


def _amount(order: Order, entry: TimelineEntry) -> int:
    """The money an entry is about; entries of earlier versions name none, but their refund does."""
    if entry.amount is not None:
        return entry.amount
    return next((refund.amount for refund in order.refunds if refund.created_at == entry.at), 0)


def _note(order: Order, entry: TimelineEntry) -> str:
    if entry.after == OrderStatus.FAILED:
        # Entries of earlier versions have no code of their own; the order keeps that of its last decline.
        latest = all(entry.at >= other.at for other in order.timeline if other.after == OrderStatus.FAILED)
        code = entry.code or (order.failure_code if latest else None)
        if code and (reason := text_or(f"failure.{code}", "")):
            return f"{capitalized(reason)}."
    if entry.kind == REFUND_REQUESTED and entry.code and entry.note and entry.code != entry.note:
        return f"{why_made(entry.code).removesuffix('.')} · {entry.note}"
    if entry.kind.startswith("refund.") and _is_answer(order, entry):
        # The request, right beneath it, says why.
        return ""
    return why_disputed(entry.note) if entry.kind.startswith("dispute.") else why_made(entry.note)


def _is_answer(order: Order, entry: TimelineEntry) -> bool:
    """Whether a refund is what one of us asked for, in the same words."""
    asked = (one for one in order.timeline if one.kind == REFUND_REQUESTED and one.amount == entry.amount)
    return entry.kind != REFUND_REQUESTED and any(entry.note in {one.note, one.code} for one in asked)


def _colour(entry: TimelineEntry) -> str:
    if entry.after in set(OrderStatus):
        return STATUS_COLOURS[str(entry.after)]
    return DISAGREES_COLOUR if entry.kind.startswith(("charge.", "refund.", "dispute.")) else NEUTRAL
