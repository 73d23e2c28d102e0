"""New payment: choose a level, say for whom, create; then the result, and what can be done with it.

The order stands in the URL as soon as there is one, and before it the attempt, so a reload loses nothing.
"""

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from lumira.access import Permission
from lumira.catalog import Product
from lumira.dashboard import (
    address,
    attempt,
    contact,
    customer_search,
    declines,
    metadata_fields,
    navigation,
    notices,
    order_actions,
    order_details,
    payment_actions,
    payment_link,
    payment_steps,
    problems,
    product_cards,
    session,
    stripe_details,
    typed,
)
from lumira.dashboard.session import actor, desk
from lumira.dashboard.texts import failure_reason, money, text
from lumira.errors import LumiraError, OrderNotFound
from lumira.orders import REFUSED, Order

ORDER = "order"
PRODUCT = "product"
# An order whose customer the form begins with.
LIKE = "like"
FIELDS = ("email", "name", "phone")
# What a bank's page brings back in the address; the secret among it must not stay there.
RETURNED = ("payment_intent", "payment_intent_client_secret", "redirect_status")


def show_form() -> None:
    """The products, the customer, and the button that creates."""
    st.title(text("new_payment.title"), anchor=False)
    st.caption(text("new_payment.lead"))
    product = product_cards.choose(PRODUCT)
    # The places beside the fields are made first: what is wrong is known only after the button.
    wrong = {"product": st.container()}
    form, summary = st.columns(2)
    with form, st.container(border=True, height="stretch"), typed.kept("new-payment"):
        rows = show_fields(wrong)
    with summary, st.container(border=True, height="stretch"):
        pressed = show_summary(product)
        failed = st.container()
    if pressed and product:
        create(product, rows, wrong, failed)


def show_fields(wrong: dict[str, DeltaGenerator]) -> list[dict[str, str]]:
    """The fields of the customer and of metadata, whose rows are answered.

    Beside each field stands a place for what is wrong with it, which `wrong` holds by the field's name.
    """
    st.header(text("new_payment.customer"), anchor=False)
    st.caption(text("new_payment.optional"))
    customer_search.show({field: field for field in FIELDS})
    for field, kind in zip(FIELDS, ("email", "default", "phone"), strict=True):
        st.text_input(
            text(f"new_payment.{field}"),
            type=kind,
            placeholder=text(f"new_payment.{field}.hint"),
            validate="",
            key=field,
            persist_state="session",
        )
        wrong[field] = st.container()
    rows = metadata_fields.show()
    wrong["metadata"] = st.container()
    return rows


def show_summary(product: Product | None) -> bool:
    """What will be asked for, and the button that creates it; whether that was pressed."""
    st.header(text("new_payment.summary"), anchor=False)
    if product:
        product_cards.show(product)
        st.caption(text("new_payment.will_give" if product.is_free else "new_payment.will_pay"))
    else:
        st.caption(text("error.MISSING_PRODUCT_ID.next"))
    return st.button(
        text("new_payment.give" if product and product.is_free else "new_payment.create"),
        type="primary",
        icon=":material/add_card:",
        disabled=product is None,
        width="stretch",
        shortcut="Ctrl+Enter",
        help=text("shortcut", keys="Ctrl+⏎"),
        key="create",
    )


def create(
    product: Product,
    rows: list[dict[str, str]],
    wrong: dict[str, DeltaGenerator],
    failed: DeltaGenerator,
) -> None:
    """Creates the payment and opens it, or says what is wrong: beside its field, else in `failed`."""
    customer = {field: st.session_state[field] for field in FIELDS}
    if contact.show_wrong({field: value for field, value in customer.items() if value.strip()}, wrong):
        failed.caption(text("new_payment.correct"))
        return
    try:
        body = {
            "productId": product.id,
            "customerEmail": customer["email"],
            "customerName": customer["name"],
            "customerPhone": customer["phone"],
            "metadata": attempt.metadata_of(rows),
        }
        with failed, st.spinner(text("new_payment.creating")):
            created = attempt.create(body)
    except LumiraError as error:
        if field := problems.field_of(error):
            with wrong[field]:
                problems.beside_field(error)
            failed.caption(text("new_payment.correct"))
        else:
            with failed:
                problems.show(error)
    else:
        address.change({ORDER: created.order_id, attempt.KEY: None, PRODUCT: None})
        st.rerun()


def begin_with_customer_of(order_id: str) -> None:
    """Fills the form with the customer of an earlier order, once; an order that is gone fills nothing."""
    try:
        order = desk().intents.find(order_id, actor=actor())
    except OrderNotFound:
        address.change({LIKE: None})
        return
    address.change({LIKE: None, **attempt.begin()})
    st.session_state["email"] = order.address or ""
    st.session_state["name"] = order.name or ""
    st.session_state["phone"] = order.phone or ""


def start_over() -> None:
    """Makes the page ready for another payment."""
    address.change({ORDER: None, PRODUCT: None, **attempt.begin()})
    attempt.clear()


def result_title(order: Order) -> str:
    """The name of the title that says how the payment stands."""
    match order.status:
        case "completed":
            return "result.created.given" if order.is_free else "result.created.paid"
        case "cancelled":
            return "result.created.cancelled"
        case "failed":
            return "result.created.declined"
        case _:
            return "result.created"


def show_result(order_id: str) -> None:
    """The payment that was created: what to copy, how it stands, what can be done."""
    try:
        order = desk().intents.find(order_id, actor=actor())
    except OrderNotFound:
        order_details.show_unknown(order_id)
        return
    waits = not order.status.is_final
    whose = problems.plain(" · ".join(filter(None, (order.name, order.address))))
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="bottom"):
        with st.container(width="content", gap="small"):
            st.title(text(result_title(order)), anchor=False)
            st.caption(whose or text("result.nobody"))
        with st.container(horizontal=True, width="content", vertical_alignment="center"):
            st.page_link(
                navigation.order(),
                label=text("result.to_order"),
                icon=":material/receipt:",
                query_params={"id": order_id},
            )
            st.button(
                text("new_payment.start_over"),
                icon=":material/add:",
                on_click=start_over,
                key="start-over",
            )
    what, how = st.columns([1, 1.15], gap="medium")
    with what:
        with st.container(border=True):
            # A frame of its own: a notice that comes or goes must not move an open list of cards.
            with st.container():
                order_details.show_state(order)
                order_details.show_disagreement(order)
                problems.show_remembered(order.id)
                show_outcome(order)
            if order.payment_intent_id and order_actions.can_pay(order):
                st.header(text("result.pay"), anchor=False)
                payment_actions.pay_with_test_card(order)
            if waits and not order.payment_intent_id and order.stripe_status != REFUSED:
                payment_actions.follow(order)
            if waits and order.stripe_payment_intent_id:
                with st.container(horizontal=True):
                    if order_actions.can_refresh(order):
                        payment_actions.refresh(order)
                    if order_actions.can_cancel(order):
                        payment_actions.cancel(order)
        to_copy = st.container(border=True)
        to_copy.header(text("result.to_copy"), anchor=False)
    with how:
        if payment_link.is_offered(order):
            with st.container(border=True):
                st.header(text("link.title"), anchor=False)
                payment_link.show(order)
        happened = st.container(border=True)
    # What Stripe is asked for comes last: it may keep everybody waiting.
    with to_copy:
        show_ids(order)
    with happened:
        if not order.stripe_payment_intent_id:
            st.header(text("order.timeline"), anchor=False)
            order_details.show_timeline(order, st.empty())
        else:
            st.header(text("steps.title"), anchor=False)
            payment_steps.show(order, answered=not isinstance(stripe_details.of(order), LumiraError))


def show_outcome(order: Order) -> None:
    """In a sentence how the payment stands."""
    amount = money(order.amount, order.currency)
    if order.payment_intent_id:
        declines.show(order)
    match order.status:
        case "completed":
            name = "result.given" if order.is_free else "result.paid"
            st.success(text(f"{name}.note", amount=amount), title=text(name), icon=":material/check_circle:")
        case "cancelled":
            st.info(text("result.cancelled.note"), title=text("result.cancelled"), icon=":material/block:")
        case "processing":
            st.info(text("result.processing"), icon=":material/hourglass_top:")
        case _ if order.stripe_status == REFUSED:
            reason = problems.plain(failure_reason(order.failure_code))
            st.warning(text("result.refused"), title=text("declined", reason=reason), icon=":material/block:")
        case _ if not order.payment_intent_id:
            st.warning(text("result.unfinished"), icon=":material/pending:")
        case _ if order.livemode:
            st.info(text("result.live"), icon=":material/lock:")
        case _ if order.stripe_status == "requires_action":
            show_bank(order)
        case _:
            st.caption(text("result.waiting"))


def show_bank(order: Order) -> None:
    """Says that the bank is waited for, and leads to its page."""
    st.info(text("steps.bank.next"), title=text("steps.bank"), icon=":material/account_balance:")
    details = stripe_details.of(order)
    # Why Stripe does not answer is said among the steps.
    if details and not isinstance(details, LumiraError) and details.action_url:
        st.link_button(
            text("steps.bank.open"), details.action_url, icon=":material/account_balance:", width="stretch"
        )


def show_ids(order: Order) -> None:
    """The ids and the client secret, each with its button to copy."""
    if order.payment_intent_id:
        label = "result.free_order" if order.is_free else "result.payment_intent"
        show_to_copy(text(label), order.payment_intent_id)
    show_to_copy(text("result.order"), order.id)
    if order.stripe_payment_intent_id:
        # A secret that pays nothing any more is of no use to anyone. That Stripe is away the steps say.
        is_of_use = not order.status.is_final and session.may(Permission.CREATE_INTENT)
        if is_of_use and not isinstance(stripe_details.of(order), LumiraError):
            try:
                secret = attempt.client_secret(order.stripe_payment_intent_id)
            except LumiraError as error:
                problems.show(error)
            else:
                show_to_copy(text("result.client_secret"), secret, help=text("result.client_secret.help"))
        stripe_details.show_link(order.stripe_payment_intent_id)


def show_to_copy(label: str, value: str, help: str | None = None) -> None:
    """A value under its label, with a button to copy it."""
    with st.container(gap="xxsmall"):
        st.caption(label, help=help)
        st.code(value, language=None, wrap_lines=True)


notices.show()
address.change(dict.fromkeys(RETURNED))
if like := st.query_params.get(LIKE):
    begin_with_customer_of(like)
if order_id := st.query_params.get(ORDER):
    show_result(order_id)
elif made := attempt.made_before():
    address.change({ORDER: made.order_id, attempt.KEY: None, PRODUCT: None})
    show_result(made.order_id)
elif session.may(Permission.CREATE_INTENT):
    if not attempt.is_begun():
        address.change(attempt.begin())
    show_form()
else:
    navigation.show_closed(text("new_payment.title"))
