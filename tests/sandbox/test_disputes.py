import pytest
import stripe

from tests.sandbox.conftest import advance, client_of, eventually, paid


def disputed(client, card="pm_card_createDispute"):
    intent = paid(client, card)
    read = lambda: client.v1.disputes.list({"payment_intent": intent.id}).data  # noqa: E731
    return intent, eventually(read, bool)[0]


def test_a_dispute_takes_the_money_and_a_fee(client):
    intent, dispute = disputed(client)
    assert (dispute.status, dispute.reason, dispute.amount) == ("needs_response", "fraudulent", 4700)
    assert [(one.amount, one.fee, one.net) for one in dispute.balance_transactions] == [(-4700, 2000, -6700)]
    assert client.v1.charges.retrieve(intent.latest_charge).disputed
    with pytest.raises(stripe.InvalidRequestError) as caught:
        client.v1.refunds.create({"payment_intent": intent.id})
    assert caught.value.code == "charge_disputed"


@pytest.mark.parametrize(
    ("evidence", "status", "movements"), [("winning_evidence", "won", 2), ("losing_evidence", "lost", 1)]
)
def test_the_test_evidence_decides(client, evidence, status, movements):
    _, dispute = disputed(client)
    submitted = client.v1.disputes.update(dispute.id, {"evidence": {"uncategorized_text": evidence}})
    assert (submitted.status, submitted.evidence_details.submission_count) == ("under_review", 1)
    decided = eventually(
        lambda: client.v1.disputes.retrieve(dispute.id), lambda dispute: dispute.status != "under_review"
    )
    assert (decided.status, len(decided.balance_transactions)) == (status, movements)


def test_staged_evidence_waits(client):
    _, dispute = disputed(client)
    staged = client.v1.disputes.update(dispute.id, {"evidence": {"customer_name": "Ada"}, "submit": False})
    assert (staged.status, staged.evidence_details.has_evidence) == ("needs_response", True)
    assert client.v1.disputes.update(dispute.id, {"submit": True}).status == "under_review"


def test_closing_loses(client):
    _, dispute = disputed(client, "pm_card_createDisputeProductNotReceived")
    assert dispute.reason == "product_not_received"
    assert client.v1.disputes.close(dispute.id).status == "lost"
    with pytest.raises(stripe.InvalidRequestError):
        client.v1.disputes.close(dispute.id)


def test_an_inquiry_takes_nothing_until_it_is_escalated(client):
    _, dispute = disputed(client, "pm_card_createDisputeInquiry")
    assert (dispute.status, dispute.balance_transactions) == ("warning_needs_response", [])
    evidence = {"uncategorized_text": "escalate_inquiry_evidence"}
    client.v1.disputes.update(dispute.id, {"evidence": evidence})
    escalated = eventually(
        lambda: client.v1.disputes.retrieve(dispute.id), lambda dispute: dispute.status == "needs_response"
    )
    assert len(escalated.balance_transactions) == 1


def test_who_does_not_answer_in_time_has_lost(serve):
    address = serve()
    client = client_of(address)
    _, unanswered = disputed(client)
    client.v1.disputes.update(unanswered.id, {"evidence": {"customer_name": "Ada"}, "submit": False})
    _, answered = disputed(client)
    client.v1.disputes.update(answered.id, {"evidence": {"customer_name": "Ada"}})
    status = lambda dispute: client.v1.disputes.retrieve(dispute.id).status  # noqa: E731

    advance(address, days=6)
    assert status(unanswered) == "needs_response"
    advance(address, days=1)
    assert eventually(lambda: status(unanswered), lambda status: status == "lost")
    assert status(answered) == "under_review"
    [told] = client.v1.events.list({"type": "charge.dispute.closed"}).data
    assert told.data.object["id"] == unanswered.id


def test_an_inquiry_that_is_escalated_has_to_be_answered_anew(serve):
    address = serve()
    client = client_of(address)
    _, dispute = disputed(client, "pm_card_createDisputeInquiry")
    advance(address, days=8)
    status = lambda: client.v1.disputes.retrieve(dispute.id).status  # noqa: E731
    assert status() == "warning_needs_response"
    client.v1.disputes.update(dispute.id, {"evidence": {"uncategorized_text": "escalate_inquiry_evidence"}})
    assert eventually(status, lambda status: status == "needs_response")
    advance(address, days=8)
    assert eventually(status, lambda status: status == "lost")
