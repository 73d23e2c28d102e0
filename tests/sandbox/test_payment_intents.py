import asyncio
from concurrent.futures import ThreadPoolExecutor

import pytest
import stripe

from tests.sandbox.conftest import RETURN_URL, client_of, eventually, paid

MANDATE = {
    "customer_acceptance": {
        "type": "online",
        "online": {"ip_address": "127.0.0.1", "user_agent": "tests"},
    }
}


def refused(call, *args):
    with pytest.raises(stripe.StripeError) as caught:
        call(*args)
    return caught.value


def test_a_new_intent_waits_for_a_payment_method(client):
    intent = client.v1.payment_intents.create(
        {"amount": 4700, "currency": "EUR", "description": "Oracle", "metadata": {"orderId": "1"}}
    )
    assert intent.status == "requires_payment_method"
    assert intent.currency == "eur"
    assert intent.metadata.to_dict() == {"orderId": "1"}
    assert intent.capture_method == "automatic_async"
    assert intent.automatic_payment_methods.to_dict() == {"allow_redirects": "always", "enabled": True}
    assert intent.client_secret.startswith(f"{intent.id}_secret_")
    assert client.v1.payment_intents.retrieve(intent.id).to_dict() == intent.to_dict()


def test_a_card_pays(client):
    intent = client.v1.payment_intents.create({"amount": 4700, "currency": "eur"})
    confirmed = client.v1.payment_intents.confirm(
        intent.id, {"payment_method": "pm_card_visa", "return_url": RETURN_URL, "expand": ["latest_charge"]}
    )
    assert (confirmed.status, confirmed.amount_received) == ("succeeded", 4700)
    charge = confirmed.latest_charge
    assert (charge.paid, charge.captured, charge.amount_captured) == (True, True, 4700)
    assert charge.payment_method_details.card.last4 == "4242"
    assert charge.outcome.network_status == "approved_by_network"


def test_the_balance_transaction_of_an_asynchronous_capture_comes_a_moment_later(serve):
    client = client_of(serve(settlement_delay=0.2))
    charge = paid(client, expand=["latest_charge"]).latest_charge
    assert charge.balance_transaction is None
    read = lambda: client.v1.charges.retrieve(charge.id, {"expand": ["balance_transaction"]})  # noqa: E731
    transaction = eventually(read, lambda charge: charge.balance_transaction).balance_transaction
    # 1.5 % of 47.00 is 0.705, half up 0.71, and 0.25.
    assert (transaction.amount, transaction.fee, transaction.net) == (4700, 96, 4604)
    balance = client.v1.balance.retrieve()
    assert balance.pending[0].amount == 4604
    assert balance.available[0].amount == 0


def test_capture_method_automatic_settles_at_once(client):
    intent = paid(client, capture_method="automatic", expand=["latest_charge.balance_transaction"])
    assert intent.latest_charge.balance_transaction.net == 4604


@pytest.mark.parametrize(
    ("card", "code", "decline_code"),
    [
        ("pm_card_chargeDeclined", "card_declined", "generic_decline"),
        ("pm_card_visa_chargeDeclined", "card_declined", "generic_decline"),
        ("pm_card_visa_chargeDeclinedInsufficientFunds", "card_declined", "insufficient_funds"),
        ("pm_card_visa_chargeDeclinedLostCard", "card_declined", "lost_card"),
        ("pm_card_visa_chargeDeclinedStolenCard", "card_declined", "stolen_card"),
        ("pm_card_chargeDeclinedExpiredCard", "expired_card", "expired_card"),
        ("pm_card_chargeDeclinedIncorrectCvc", "incorrect_cvc", "incorrect_cvc"),
        ("pm_card_chargeDeclinedProcessingError", "processing_error", "processing_error"),
        ("pm_card_visa_chargeDeclinedVelocityLimitExceeded", "card_declined", "card_velocity_exceeded"),
        ("pm_card_radarBlock", "card_declined", "fraudulent"),
    ],
)
def test_declines(client, card, code, decline_code):
    error = refused(lambda: paid(client, card))
    assert isinstance(error, stripe.CardError)
    assert (error.http_status, error.code, error.error.decline_code) == (402, code, decline_code)
    intent = client.v1.payment_intents.retrieve(error.error.payment_intent.id, {"expand": ["latest_charge"]})
    assert (intent.status, intent.payment_method) == ("requires_payment_method", None)
    assert intent.last_payment_error.decline_code == decline_code
    assert (intent.latest_charge.status, intent.latest_charge.failure_code) == ("failed", code)


def test_after_a_decline_another_card_pays(client):
    intent_id = refused(lambda: paid(client, "pm_card_visa_chargeDeclined")).error.payment_intent.id
    again = client.v1.payment_intents.confirm(
        intent_id, {"payment_method": "pm_card_mastercard", "return_url": RETURN_URL}
    )
    assert (again.status, again.last_payment_error) == ("succeeded", None)
    assert [charge.status for charge in client.v1.charges.list({"payment_intent": intent_id}).data] == [
        "succeeded",
        "failed",
    ]


def test_manual_capture_of_a_part(client):
    intent = paid(client, capture_method="manual")
    assert (intent.status, intent.amount_capturable, intent.amount_received) == ("requires_capture", 4700, 0)
    too_much = refused(client.v1.payment_intents.capture, intent.id, {"amount_to_capture": 4701})
    assert (too_much.code, too_much.param) == ("amount_too_large", "amount_to_capture")
    captured = client.v1.payment_intents.capture(intent.id, {"amount_to_capture": 4000})
    assert (captured.status, captured.amount_received, captured.amount_capturable) == ("succeeded", 4000, 0)
    assert refused(client.v1.payment_intents.capture, intent.id).code == "payment_intent_unexpected_state"
    # The rest goes back as a refund, as Stripe shows it, and no more than what was captured can be refunded.
    charge = client.v1.charges.retrieve(
        intent.latest_charge, {"expand": ["refunds.data.balance_transaction", "balance_transaction"]}
    )
    assert (charge.amount_captured, charge.amount_refunded, charge.refunded) == (4000, 700, False)
    # The whole is booked and the rest booked back: https://docs.stripe.com/reports/reporting-categories
    [released] = charge.refunds.data
    booked = released.balance_transaction
    assert (released.amount, booked.type, booked.reporting_category, booked.amount) == (
        700,
        "refund",
        "partial_capture_reversal",
        -700,
    )
    assert charge.balance_transaction.amount == 4700
    too_much = refused(client.v1.refunds.create, {"payment_intent": intent.id, "amount": 4001})
    assert too_much.user_message.endswith("is greater than unrefunded amount on charge (€40.00)")
    assert client.v1.refunds.create({"payment_intent": intent.id}).amount == 4000
    assert client.v1.charges.retrieve(intent.latest_charge).refunded


def test_a_card_alone_may_be_captured_by_hand(client):
    options = {"card": {"capture_method": "manual"}}
    intent = paid(client, payment_method_options=options)
    assert (intent.status, intent.amount_capturable) == ("requires_capture", 4700)
    assert client.v1.payment_intents.capture(intent.id).status == "succeeded"


def test_canceling_gives_an_authorization_back(client):
    intent = paid(client, capture_method="manual")
    canceled = client.v1.payment_intents.cancel(intent.id, {"cancellation_reason": "requested_by_customer"})
    assert (canceled.status, canceled.cancellation_reason) == ("canceled", "requested_by_customer")
    charge = client.v1.charges.retrieve(intent.latest_charge)
    assert (charge.refunded, charge.amount_refunded, charge.captured) == (True, 4700, False)


def test_a_paid_intent_can_be_neither_canceled_nor_confirmed_again_nor_repriced(client):
    intent = paid(client)
    cancel = refused(client.v1.payment_intents.cancel, intent.id)
    assert (cancel.http_status, cancel.code) == (400, "payment_intent_unexpected_state")
    assert "status of succeeded" in cancel.user_message
    confirm = refused(client.v1.payment_intents.confirm, intent.id, {"return_url": RETURN_URL})
    assert "already succeeded" in confirm.user_message
    assert refused(client.v1.payment_intents.update, intent.id, {"amount": 5000}).code == (
        "payment_intent_unexpected_state"
    )
    assert client.v1.payment_intents.update(intent.id, {"description": "paid"}).description == "paid"


def test_confirming_needs_a_payment_method_and_a_return_url(client):
    intent = client.v1.payment_intents.create({"amount": 4700, "currency": "eur"})
    missing = refused(client.v1.payment_intents.confirm, intent.id, {"return_url": RETURN_URL})
    assert missing.code == "payment_intent_unexpected_state"
    assert "missing a payment method" in missing.user_message
    nowhere = refused(client.v1.payment_intents.confirm, intent.id, {"payment_method": "pm_card_visa"})
    assert "return_url" in nowhere.user_message
    never = client.v1.payment_intents.create(
        {
            "amount": 4700,
            "currency": "eur",
            "automatic_payment_methods": {"enabled": True, "allow_redirects": "never"},
        }
    )
    assert (
        client.v1.payment_intents.confirm(never.id, {"payment_method": "pm_card_visa"}).status == "succeeded"
    )


def test_metadata_merges_and_is_unset(client):
    intent = client.v1.payment_intents.create(
        {"amount": 4700, "currency": "eur", "metadata": {"a": "1", "b": "2"}}
    )
    update = client.v1.payment_intents.update
    assert update(intent.id, {"metadata": {"b": "", "c": "3"}}).metadata.to_dict() == {"a": "1", "c": "3"}
    assert update(intent.id, {"metadata": ""}).metadata.to_dict() == {}


def test_a_direct_debit_is_processing_and_settles_later(client):
    method = client.v1.payment_methods.create(
        {
            "type": "sepa_debit",
            "sepa_debit": {"iban": "FR1420041010050500013M02606"},
            "billing_details": {"name": "Ada", "email": "ada@example.com"},
        }
    )
    intent = paid(client, method.id, mandate_data=MANDATE)
    assert intent.status == "processing"
    without = refused(lambda: paid(client, method.id))
    assert without.code == "payment_intent_mandate_invalid"
    read = lambda: client.v1.payment_intents.retrieve(intent.id, {"expand": ["latest_charge"]})  # noqa: E731
    settled = eventually(read, lambda intent: intent.status != "processing")
    assert (settled.status, settled.latest_charge.paid) == ("succeeded", True)


def test_a_direct_debit_may_fail(client):
    method = client.v1.payment_methods.create(
        {
            "type": "sepa_debit",
            "sepa_debit": {"iban": "FR8420041010050500013M02607"},
            "billing_details": {"name": "Ada", "email": "ada@example.com"},
        }
    )
    intent = paid(client, method.id, mandate_data=MANDATE)
    settled = eventually(
        lambda: client.v1.payment_intents.retrieve(intent.id), lambda intent: intent.status != "processing"
    )
    assert (settled.status, settled.last_payment_error.code) == (
        "requires_payment_method",
        "insufficient_funds",
    )


def test_off_session_a_card_that_needs_authentication_is_declined(client):
    error = refused(lambda: paid(client, "pm_card_authenticationRequired", off_session=True))
    assert (error.http_status, error.code) == (402, "authentication_required")


@pytest.mark.parametrize(
    ("params", "code", "param"),
    [
        ({"amount": 4700}, "parameter_missing", "currency"),
        ({"currency": "eur"}, "parameter_missing", "amount"),
        ({"amount": "x", "currency": "eur"}, "parameter_invalid_integer", "amount"),
        ({"amount": 47.5, "currency": "eur"}, "parameter_invalid_integer", "amount"),
        ({"amount": 0, "currency": "eur"}, "parameter_invalid_integer", "amount"),
        ({"amount": -1, "currency": "eur"}, "parameter_invalid_integer", "amount"),
        ({"amount": 49, "currency": "eur"}, "amount_too_small", "amount"),
        ({"amount": 49, "currency": "jpy"}, "amount_too_small", "amount"),
        ({"amount": 100_000_000, "currency": "eur"}, "amount_too_large", "amount"),
        ({"amount": 1005, "currency": "kwd"}, None, "amount"),
        ({"amount": 150, "currency": "isk"}, "invalid_charge_amount_no_decimal_compatible", "amount"),
        ({"amount": 150, "currency": "ugx"}, "invalid_charge_amount_no_decimal_compatible", "amount"),
        ({"amount": 4700, "currency": "zzz"}, None, "currency"),
        ({"amount": 4700, "currency": "eur", "colour": "red"}, "parameter_unknown", "colour"),
        (
            {"amount": 4700, "currency": "eur", "automatic_payment_methods": {"enabled": True, "x": 1}},
            "parameter_unknown",
            "automatic_payment_methods[x]",
        ),
        (
            {"amount": 4700, "currency": "eur", "automatic_payment_methods": {}, "description": ""},
            "parameter_invalid_empty",
            "description",
        ),
        ({"amount": 4700, "currency": "eur", "confirm": "perhaps"}, None, "confirm"),
        ({"amount": 4700, "currency": "eur", "capture_method": "later"}, None, "capture_method"),
        ({"amount": 4700, "currency": "eur", "metadata": "x"}, None, "metadata"),
        ({"amount": 4700, "currency": "eur", "metadata": {"k" * 41: "v"}}, None, "metadata"),
        ({"amount": 4700, "currency": "eur", "metadata": {"k": "v" * 501}}, None, "metadata[k]"),
        ({"amount": 4700, "currency": "eur", "metadata": {str(n): "v" for n in range(51)}}, None, "metadata"),
        ({"amount": 4700, "currency": "eur", "receipt_email": "nobody"}, "email_invalid", "receipt_email"),
        ({"amount": 4700, "currency": "eur", "customer": "cus_none"}, "resource_missing", "customer"),
        (
            {"amount": 4700, "currency": "eur", "payment_method": "pm_none"},
            "resource_missing",
            "payment_method",
        ),
        ({"amount": 4700, "currency": "eur", "return_url": RETURN_URL}, None, "return_url"),
        (
            {"amount": 4700, "currency": "eur", "statement_descriptor": "LUMIRA"},
            None,
            "statement_descriptor",
        ),
        (
            {"amount": 4700, "currency": "eur", "statement_descriptor_suffix": "*" * 5},
            None,
            "statement_descriptor_suffix",
        ),
        (
            {"amount": 4700, "currency": "eur", "payment_method_types": ["card"]},
            "parameter_unknown",
            "payment_method_types",
        ),
        ({"amount": 4700, "currency": "eur", "on_behalf_of": "acct_1"}, None, "on_behalf_of"),
    ],
)
def test_what_stripe_refuses_is_refused(client, params, code, param):
    error = refused(client.v1.payment_intents.create, params)
    assert isinstance(error, stripe.InvalidRequestError)
    assert (error.http_status, error.code, error.param) == (400, code, param)
    assert error.error.type == "invalid_request_error"


@pytest.mark.parametrize(
    ("currency", "least"), [("eur", "€0.50 eur"), ("jpy", "¥50 jpy"), ("huf", "175.00 huf")]
)
def test_a_currency_is_named_once_in_what_is_too_little(client, currency, least):
    error = refused(client.v1.payment_intents.create, {"amount": 49, "currency": currency})
    assert error.user_message == f"Amount must be at least {least}"


@pytest.mark.parametrize(
    ("amount", "currency"), [(50, "eur"), (50, "jpy"), (99_999_999, "usd"), (30, "gbp"), (500, "isk")]
)
def test_the_smallest_and_the_largest_amounts(client, amount, currency):
    assert client.v1.payment_intents.create({"amount": amount, "currency": currency}).amount == amount


def test_an_unknown_intent(client):
    error = refused(client.v1.payment_intents.retrieve, "pi_none")
    assert (error.http_status, error.code, error.param) == (404, "resource_missing", "intent")
    assert error.user_message == "No such payment_intent: 'pi_none'"


def test_200_creates_over_8_threads_give_200_ids(client):
    with ThreadPoolExecutor(8) as threads:
        ids = list(
            threads.map(
                lambda number: (
                    client.v1.payment_intents.create({"amount": 1000 + number, "currency": "eur"}).id
                ),
                range(200),
            )
        )
    assert len(set(ids)) == 200


def test_the_asynchronous_client(address):
    async def flow():
        client = client_of(address, asynchronous=True)
        await use(client)
        await client._requestor._client.close_async()

    async def use(client):
        created = await asyncio.gather(
            *(client.v1.payment_intents.create_async({"amount": 4700, "currency": "eur"}) for _ in range(10))
        )
        assert len({intent.id for intent in created}) == 10
        confirmed = await client.v1.payment_intents.confirm_async(
            created[0].id, {"payment_method": "pm_card_visa", "return_url": RETURN_URL}
        )
        assert confirmed.status == "succeeded"
        refund = await client.v1.refunds.create_async({"payment_intent": confirmed.id, "amount": 700})
        assert refund.status == "succeeded"
        with pytest.raises(stripe.CardError):
            await client.v1.payment_intents.confirm_async(
                created[1].id, {"payment_method": "pm_card_visa_chargeDeclined", "return_url": RETURN_URL}
            )

    # In a thread of its own: Playwright's synchronous API leaves an event loop running in the main one.
    with ThreadPoolExecutor(1) as thread:
        thread.submit(lambda: asyncio.run(flow())).result()
