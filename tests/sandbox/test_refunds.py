import pytest
import stripe

from tests.sandbox.conftest import client_of, eventually, paid


def refused(call, *args):
    with pytest.raises(stripe.InvalidRequestError) as caught:
        call(*args)
    return caught.value


def test_a_full_refund(client):
    intent = paid(client)
    refund = client.v1.refunds.create(
        {"payment_intent": intent.id, "reason": "requested_by_customer", "metadata": {"by": "ada"}}
    )
    assert (refund.status, refund.amount, refund.reason) == ("succeeded", 4700, "requested_by_customer")
    charge = client.v1.charges.retrieve(intent.latest_charge, {"expand": ["refunds"]})
    assert (charge.refunded, charge.amount_refunded) == (True, 4700)
    assert [one.id for one in charge.refunds.data] == [refund.id]
    assert client.v1.payment_intents.retrieve(intent.id).status == "succeeded"


def test_partial_refunds_up_to_the_whole_and_no_further(client):
    intent = paid(client)
    client.v1.refunds.create({"payment_intent": intent.id, "amount": 4000})
    charge = client.v1.charges.retrieve(intent.latest_charge)
    assert (charge.refunded, charge.amount_refunded) == (False, 4000)
    too_much = refused(client.v1.refunds.create, {"payment_intent": intent.id, "amount": 701})
    assert (too_much.http_status, too_much.code, too_much.param) == (400, None, "amount")
    assert too_much.user_message == (
        "Refund amount (€7.01) is greater than unrefunded amount on charge (€7.00)"
    )
    assert client.v1.refunds.create({"charge": intent.latest_charge}).amount == 700
    again = refused(client.v1.refunds.create, {"payment_intent": intent.id})
    assert again.code == "charge_already_refunded"
    assert [refund.amount for refund in client.v1.refunds.list({"payment_intent": intent.id}).data] == [
        700,
        4000,
    ]


def test_no_part_of_a_unit_that_no_network_moves_is_captured_or_refunded(client):
    held = paid(client, amount=500, currency="isk", capture_method="manual")
    error = refused(client.v1.payment_intents.capture, held.id, {"amount_to_capture": 250})
    assert (error.code, error.param) == ("invalid_charge_amount_no_decimal_compatible", "amount_to_capture")
    intent = client.v1.payment_intents.capture(held.id)
    error = refused(client.v1.refunds.create, {"payment_intent": intent.id, "amount": 250})
    assert (error.code, error.param) == ("invalid_charge_amount_no_decimal_compatible", "amount")
    assert client.v1.refunds.create({"payment_intent": intent.id, "amount": 200}).amount == 200


def test_what_was_not_paid_is_not_refunded(client):
    intent = client.v1.payment_intents.create({"amount": 4700, "currency": "eur"})
    error = refused(client.v1.refunds.create, {"payment_intent": intent.id})
    assert "does not have a successful charge to refund" in error.user_message
    assert refused(client.v1.refunds.create, {"amount": 100}).code == "parameter_missing"
    assert refused(client.v1.refunds.create, {"charge": "ch_none"}).code == "resource_missing"
    assert (
        refused(client.v1.refunds.create, {"payment_intent": paid(client).id, "amount": 0}).param == "amount"
    )


def test_a_refund_takes_money_out_and_gets_a_reference(client):
    intent = paid(client)
    refund = client.v1.refunds.create(
        {"payment_intent": intent.id, "amount": 700, "expand": ["balance_transaction"]}
    )
    assert (refund.balance_transaction.amount, refund.balance_transaction.net) == (-700, -700)
    assert refund.destination_details.card.reference_status == "pending"
    read = lambda: client.v1.refunds.retrieve(refund.id).destination_details.card  # noqa: E731
    assert eventually(read, lambda card: card.reference_status == "available").reference


def test_a_pending_refund_succeeds_later(client):
    intent = paid(client, "pm_card_pendingRefund")
    refund = client.v1.refunds.create({"payment_intent": intent.id})
    assert refund.status == "pending"
    eventually(lambda: client.v1.refunds.retrieve(refund.id).status, lambda status: status == "succeeded")


def test_a_refund_that_fails_gives_the_charge_its_amount_back(serve):
    client = client_of(serve(settlement_delay=0.2))
    intent = paid(client, "pm_card_refundFail")
    refund = client.v1.refunds.create({"payment_intent": intent.id})
    assert refund.status == "succeeded"
    failed = eventually(
        lambda: client.v1.refunds.retrieve(refund.id), lambda refund: refund.status == "failed"
    )
    assert failed.failure_reason == "expired_or_canceled_card"
    charge = client.v1.charges.retrieve(intent.latest_charge)
    assert (charge.refunded, charge.amount_refunded) == (False, 0)
    transactions = client.v1.balance_transactions.list({"source": refund.id}).data
    assert sorted(transaction.net for transaction in transactions) == [-4700, 4700]


def test_a_refund_to_a_card_cannot_be_canceled_but_can_be_annotated(client):
    refund = client.v1.refunds.create({"payment_intent": paid(client).id})
    assert "status of" in refused(client.v1.refunds.cancel, refund.id).user_message
    assert client.v1.refunds.update(refund.id, {"metadata": {"note": "x"}}).metadata.note == "x"
