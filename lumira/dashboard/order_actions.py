"""What staff can do with an open order: take its payment, refund, cancel, correct its customer, ask Stripe.

Each is there only where the order's state and the role of whoever is at the desk allow it. What the
state asks for stands beside the amount; the rest stands with what it is about.
"""

from __future__ import annotations

import uuid
from typing import Final, Literal

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from lumira.access import Permission
from lumira.dashboard import (
    contact,
    navigation,
    notices,
    order_details,
    payment_actions,
    payment_link,
    problems,
    session,
    typed,
)
from lumira.dashboard.amounts import minor_units
from lumira.dashboard.texts import actor_name, moment, money, text
from lumira.errors import NOT_TRIED, LumiraError, StoreUnavailable, StripeError
from lumira.money import decimals, major_units
from lumira.orders import REFUSED, Order, OrderStatus, TimelineEntry

_REFUND_REASONS: Final = ("requested_by_customer", "duplicate", "fraudulent")
_KINDS: Final[dict[str, Literal["email", "phone"]]] = {"email": "email", "phone": "phone"}


def is_refundable(order: Order) -> bool:
    """Whether there is money to give back, which no dispute has taken or may yet take."""
    paid = order.status is OrderStatus.COMPLETED and bool(order.stripe_payment_intent_id)
    left = order.net > 0 and not is_barred(order)
    return paid and (left or order.unanswered_refund is not None)


def is_barred(order: Order) -> bool:
    """Whether Stripe would refuse to refund what is left, for a dispute."""
    return order.net > 0 and any(dispute.bars_refunds for dispute in order.disputes)


def can_refund(order: Order) -> bool:
    """Whether there is money to give back, and this person may."""
    return is_refundable(order) and session.may(Permission.REFUND)


def can_cancel(order: Order) -> bool:
    """Whether the payment still waits, and this person may call it off."""
    waits = not order.status.is_final and bool(order.stripe_payment_intent_id)
    return waits and session.may(Permission.CANCEL)


def can_pay(order: Order) -> bool:
    """Whether a test card may still pay this order, and this person may use one."""
    # Where Stripe refused to make the PaymentIntent there is none to pay.
    waits = order.status.awaits_payment and order.stripe_status != REFUSED
    return waits and not order.livemode and session.may(Permission.CONFIRM_TEST)


def can_refresh(order: Order) -> bool:
    """Whether Stripe can be asked about this order."""
    return bool(order.stripe_payment_intent_id) and session.may(Permission.REFRESH)


def show(order: Order) -> None:
    """What the state of this order asks for, the next step set off."""
    with st.container(horizontal=True, gap="small", vertical_alignment="center", width="content"):
        if not order.agrees_with_stripe:
            show_refresh(order, type="primary")
        if can_pay(order):
            # What Stripe says otherwise comes first: it may be paid already.
            with st.container(key="next-step" if order.agrees_with_stripe else None, width="content"):
                st.page_link(
                    navigation.new_payment(),
                    label=text("order.act"),
                    icon=":material/credit_card:",
                    query_params={"order": order.order_id},
                )
        if (
            can_refund(order)
            and not order.unanswered_refund
            and st.button(
                text("refund"),
                icon=":material/undo:",
                help=text("shortcut", keys="F"),
                shortcut="F",
                key="refund",
            )
        ):
            # The title is in the reader's language, so the dialog is made when it opens; its attempt is
            # drawn then too and kept by its reruns, so a double click refunds once.
            dialog = st.dialog(text("refund.title"), icon=":material/undo:")
            dialog(refund_dialog)(order, uuid.uuid4().hex)
        if can_cancel(order):
            payment_actions.cancel(order)


def show_outcome(order: Order) -> None:
    """Why there is no refund where one would be expected, and why the last action failed."""
    if is_refundable(order) and not session.may(Permission.REFUND):
        st.caption(text("refund.others"))
    if is_barred(order):
        st.caption(text("refund.barred"))
    if unanswered := order.unanswered_refund:
        _show_unanswered(order, unanswered)
    problems.show_remembered(order.id)


def show_share(order: Order) -> None:
    """The address of the page, for colleagues."""
    with st.popover(text("order.copy"), icon=":material/link:", type="tertiary"):
        st.caption(text("order.copy.help"))
        address = f"{payment_link.origin()}/order?id={order.order_id}"
        st.code(address, language=None, wrap_lines=True)


def show_edit(order: Order) -> None:
    """The way to correct the customer."""
    if (
        session.may(Permission.EDIT_CUSTOMER)
        and not order.erased_at
        and st.button(
            text("edit"),
            icon=":material/edit:",
            type="tertiary",
            help=text("shortcut", keys="E"),
            shortcut="E",
            key="edit-customer",
        )
    ):
        dialog = st.dialog(text("edit.title"), icon=":material/edit:")
        dialog(edit_dialog)(order, uuid.uuid4().hex)


def show_again(order: Order) -> None:
    """The way to another payment of the same customer."""
    if order.address and session.may(Permission.CREATE_INTENT):
        st.page_link(
            navigation.new_payment(),
            label=text("order.again"),
            icon=":material/add_card:",
            query_params={"like": order.id},
        )


def _show_unanswered(order: Order, request: TimelineEntry) -> None:
    """A refund that Stripe never answered: what is known of it, and the way to finish it."""
    told = money(request.amount or 0, order.currency)
    st.warning(
        text("refund.unanswered.next", amount=told),
        title=text(
            "refund.unanswered",
            amount=told,
            by=problems.plain(actor_name(request.by)),
            when=moment(request.at, seconds=True),
        ),
        icon=":material/pending:",
    )
    if can_refund(order) and st.button(
        text("refund.finish", amount=told), icon=":material/undo:", type="primary", key="finish-refund"
    ):
        with problems.remembered(order.id):
            with st.spinner(text("refund.refunding")):
                now = session.desk().refunds.finish(order.id, actor=session.actor())
            _say_refunded(now, request.attempt_id)
        st.rerun()


def refund_dialog(order: Order, attempt: str) -> None:
    """Amount, reason and note; says what will happen, then does it once an attempt."""
    # After an answer that never came the money may be on its way: only the same request may follow.
    sent = st.session_state.get(f"refund-sent-{attempt}")
    locked = sent is not None and _may_be_asked(order, sent)
    left = money(order.net, order.currency)
    st.caption(text("refund.left", left=left, of=money(order.amount, order.currency)))
    with typed.kept(f"refund-{order.id}"):
        asked = st.text_input(
            text("refund.amount"),
            value=_as_typed(order.net, order.currency),
            key=f"refund-amount-{attempt}",
            disabled=locked,
            validate="",
        )
        wrong = st.container()
        reason = st.selectbox(
            text("cancel.reason"),
            _REFUND_REASONS,
            format_func=lambda reason: text(f"refund.{reason}"),
            key=f"refund-reason-{attempt}",
            disabled=locked,
        )
        note = st.text_input(text("refund.note"), help=text("refund.note.help"), key=f"refund-note-{attempt}")
    amount = minor_units(str(asked), order.currency)
    if amount is None or not 0 < amount <= order.net:
        name = "refund.amount.none" if amount is None else "refund.amount.wrong"
        wrong.markdown(f":red[:material/error: {text(name, left=left)}]")
        st.button(text("refund"), icon=":material/undo:", disabled=True, width="stretch", key="refund-now")
        return
    name = "refund.whole" if amount == order.net else "refund.part"
    told, rest = money(amount, order.currency), money(order.net - amount, order.currency)
    st.info(text(name, amount=told, rest=rest), icon=":material/info:")
    failed = st.container()
    if st.button(
        text("refund.now", amount=told),
        type="primary",
        icon=":material/undo:",
        width="stretch",
        key="refund-now",
    ):
        _refund(order, amount, reason, str(note).strip() or None, attempt, failed)


def _refund(
    order: Order, amount: int, reason: str, note: str | None, attempt: str, failed: DeltaGenerator
) -> None:
    """Asks Stripe for the refund, once an attempt; why it could not be made is said in `failed`."""
    # What was refused may be corrected and asked again; that is another request.
    key = f"{attempt}-{amount}-{reason}"
    try:
        with failed, st.spinner(text("refund.refunding")):
            now = session.desk().refunds.create(
                order.order_id,
                amount,
                actor=session.actor(),
                reason=reason,
                note=note,
                idempotency_key=key,
                left=order.net,
            )
    except LumiraError as error:
        if error.extra.get("refundable", order.net) != order.net:
            # Refunded elsewhere since this was opened: the page says so, and what is left.
            problems.remember(order.id, error)
            st.rerun()
        # A store that stopped may have done so once Stripe had made it.
        if isinstance(error, StripeError | StoreUnavailable) and not isinstance(error, NOT_TRIED):
            st.session_state[f"refund-sent-{attempt}"] = key
        with failed:
            problems.show(error)
    else:
        problems.forget(order.id)
        _say_refunded(now, key)
        st.rerun()


def _may_be_asked(order: Order, key: str) -> bool:
    """Whether Stripe may have been asked for the refund of this idempotency key: the order says so first."""
    try:
        now = session.desk().intents.find(order.order_id, actor=session.actor())
    except StoreUnavailable:
        return True
    return any(entry.attempt_id == key for entry in now.timeline)


def _say_refunded(order: Order, attempt_id: str | None) -> None:
    """Says that money went back, or is about to; nothing where the page says that it did not."""
    made = next((refund for refund in order.refunds if refund.attempt_id == attempt_id), None)
    if made and made.counts:
        name = "refund.done" if made.status == "succeeded" else "refund.asked"
        notices.say(text(name, amount=money(made.amount, order.currency)))


def edit_dialog(order: Order, attempt: str) -> None:
    """The customer's address, name and phone; what is wrong stands beside its field.

    Only what was changed is written and checked: who has no address can still be given a number.
    """
    if order.stripe_payment_intent_id:
        st.caption(text("edit.lead"))
    first_name, last_name = order.names
    known = {
        "email": order.address or "",
        "first_name": first_name,
        "last_name": last_name,
        "phone": order.phone or "",
    }
    corrected, wrong = {}, {}
    with typed.kept(f"customer-{order.id}"):
        for field, value in known.items():
            corrected[field] = st.text_input(
                text(f"edit.{field}"),
                value=value,
                type=_KINDS.get(field, "default"),
                validate="",
                placeholder=text(f"new_payment.{field}.hint") if field in _KINDS else None,
                help=text("edit.phone.help") if field == "phone" and value else None,
                key=f"edit-{field}-{attempt}",
            )
            wrong[field] = st.container()
    failed = st.container()
    if st.button(
        text("edit.save"), type="primary", icon=":material/check:", width="stretch", key="save-customer"
    ):
        changed = {
            field: value
            for field, value in corrected.items()
            # A number taken out stays, as in the contract.
            if value.strip() != known[field].strip() and (value.strip() or field != "phone")
        }
        if not changed:
            st.rerun()
        if contact.show_wrong(changed, wrong):
            return
        changes = contact.by_contract(changed)
        try:
            with failed, st.spinner(text("edit.saving")):
                session.desk().intents.correct_customer(order.order_id, changes, actor=session.actor())
        except LumiraError as error:
            with failed:
                problems.show(error)
        else:
            notices.say(text("edit.done"))
            st.rerun()


def show_refresh(order: Order, *, type: Literal["primary", "tertiary"] = "tertiary") -> None:
    """Asks Stripe how the payment stands now."""
    if can_refresh(order) and st.button(
        text("order.refresh"),
        icon=":material/sync:",
        type=type,
        help=f"{text('order.refresh.help')} {text('shortcut', keys='S')}",
        shortcut="S",
        key="refresh-order",
    ):
        with problems.told_once(order.id):
            now = session.desk().intents.refresh(order.order_id, actor=session.actor())
            notices.say(
                text("order.refreshed", status=problems.plain(order_details.stripe_status(now).lower()))
            )
        st.rerun()


def _as_typed(amount: int, currency: str) -> str:
    """The amount as it is typed here: with the reader's decimal sign and no currency."""
    written = f"{major_units(amount, currency):.{decimals(currency)}f}"
    return written.replace(".", ",") if session.language() == "fr" else written
