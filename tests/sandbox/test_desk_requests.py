"""Every request that Lumira's own gateway sends is one that Stripe's OpenAPI document knows."""

import re
import uuid
from datetime import UTC, datetime, timedelta

import pytest
import stripe

from lumira import stripe_gateway
from lumira.errors import PaymentFailed
from lumira.events import ACTED_ON
from lumira.money import THREE_DECIMAL_CURRENCIES, ZERO_DECIMAL_CURRENCIES
from lumira.sandbox import control, money
from tests.sandbox.conftest import KEY, RETURN_URL, check_exchange
from tests.sandbox.openapi import document

CALLS = {
    "ping",
    "create_payment_intent",
    "update_payment_intent_metadata",
    "confirm_payment_intent",
    "retrieve_payment_intent",
    "list_payment_intents",
    "cancel_payment_intent",
    "create_refund",
    "list_refunds",
    "list_refunds_between",
    "list_disputes",
    "list_disputes_between",
    "list_charges",
    "payment_intent_of",
    "search_charges",
    "list_balance_transactions",
    "list_payouts",
    "retrieve_payout",
    "list_paid_out",
    "list_events",
    "list_webhook_endpoints",
    "create_webhook_endpoint",
    "update_webhook_endpoint",
    "server_time",
}


def test_the_desk_sends_what_stripe_documents(address, monkeypatch):
    exchanges = []
    unchecked = stripe.RequestsClient.request

    def checked(self, method, url, headers, post_data=None):
        content, status, answered = unchecked(self, method, url, headers, post_data)
        check_exchange(method, url, post_data, content, status)
        exchanges.append(url)
        return content, status, answered

    monkeypatch.setattr(stripe.RequestsClient, "request", checked)
    gateway = stripe_gateway.StripeGateway(KEY, api_base=address)
    gateway.ping()
    parameters = {
        "amount": 4700,
        "currency": "eur",
        "automatic_payment_methods": {"enabled": True},
        "description": "Oracle Lumira - Niveau Mystique",
        "statement_descriptor_suffix": "ORACLE LUMIRA",
        "metadata": {"productId": "mystique", "customerPhone": ""},
    }
    intent = gateway.create_payment_intent(parameters, uuid.uuid4().hex)
    gateway.update_payment_intent_metadata(intent["id"], {"customerFirstName": "Ada"})
    with pytest.raises(PaymentFailed):
        gateway.confirm_payment_intent(
            intent["id"], "pm_card_visa_chargeDeclined", uuid.uuid4().hex, RETURN_URL
        )
    paid = gateway.confirm_payment_intent(intent["id"], "pm_card_visa", uuid.uuid4().hex, RETURN_URL)
    assert paid["status"] == "succeeded"
    assert gateway.retrieve_payment_intent(intent["id"])["latest_charge"]["paid"]
    other = gateway.create_payment_intent(parameters, uuid.uuid4().hex)
    assert gateway.cancel_payment_intent(other["id"], "requested_by_customer")["status"] == "canceled"
    refund = gateway.create_refund(paid["id"], 700, "requested_by_customer", {"by": "ada"}, uuid.uuid4().hex)
    assert [one["id"] for one in gateway.list_refunds(paid["id"])] == [refund["id"]]
    assert [one["paid"] for one in gateway.list_charges(paid["id"])] == [True, False]
    assert gateway.list_disputes(paid["id"]) == []
    assert (
        gateway.payment_intent_of(refund["id"]) == gateway.payment_intent_of(refund["charge"]) == paid["id"]
    )
    assert gateway.payment_intent_of("du_unknown") is None
    now = datetime.now(UTC)
    found, _ = gateway.search_charges("4242", now - timedelta(hours=1), now + timedelta(hours=1), 1, 4700)
    assert paid["id"] in found
    booked, _ = gateway.list_balance_transactions(now - timedelta(minutes=5), now + timedelta(minutes=5))
    assert refund["id"] in [one["source"]["id"] for one in booked]
    assert gateway.list_payouts(now - timedelta(days=30), now) == ([], False)
    assert gateway.retrieve_payout("po_unknown") is None
    assert gateway.list_paid_out("po_unknown") == ([], False)
    events = gateway.list_events(
        ["payment_intent.succeeded"], now - timedelta(minutes=5), now + timedelta(minutes=5), 100
    )
    assert paid["id"] in [one["data"]["object"]["id"] for one in events]
    period = (now - timedelta(minutes=5), now + timedelta(minutes=5))
    refunds, _ = gateway.list_refunds_between(*period)
    assert refund["id"] in [one["id"] for one in refunds]
    assert gateway.list_disputes_between(*period, None)[1] is False
    page, _ = gateway.list_payment_intents(
        now - timedelta(minutes=5), now + timedelta(minutes=5), other["id"]
    )
    assert paid["id"] in [one["id"] for one in page]
    assert abs(gateway.server_time() - now) < timedelta(minutes=5)
    endpoint = gateway.create_webhook_endpoint("https://example.com/hook", ["payment_intent.succeeded"])
    assert endpoint["api_version"] == gateway.api_version
    gateway.update_webhook_endpoint(endpoint["id"], events=["charge.refunded"], disabled=True)
    [known] = [one for one in gateway.list_webhook_endpoints() if one["id"] == endpoint["id"]]
    assert (known["enabled_events"], known["status"]) == (["charge.refunded"], "disabled")
    # A method that is new to the gateway belongs above too.
    asks = {name for name, member in vars(type(gateway)).items() if callable(member) and name[0] != "_"}
    assert asks - {"payment_intent_url", "dispute_url", "payout_url"} == CALLS
    assert len(exchanges) >= len(CALLS)


def test_a_currency_has_as_many_decimals_here_as_at_the_desk():
    assert set(money.ZERO_DECIMAL) == ZERO_DECIMAL_CURRENCIES
    assert set(money.THREE_DECIMAL) == THREE_DECIMAL_CURRENCIES
    page = (control.STATIC / "control.html").read_text(encoding="utf-8")
    shown = [set(listed.split()) for listed in re.findall(r'Decimal = new Set\("([a-z ]+)"', page)]
    assert shown == [ZERO_DECIMAL_CURRENCIES, THREE_DECIMAL_CURRENCIES]


def test_every_type_that_tells_of_an_end_a_refund_or_a_dispute_is_asked_for():
    """An endpoint is not sent what was left out, and nothing would say so."""
    creation = document()["paths"]["/v1/webhook_endpoints"]["post"]["requestBody"]["content"]
    fields = creation["application/x-www-form-urlencoded"]["schema"]["properties"]
    known = set(fields["enabled_events"]["items"]["enum"])
    ends = {f"payment_intent.{name}" for name in ("succeeded", "processing", "payment_failed", "canceled")}
    money_back = {name for name in known if name.startswith(("refund.", "charge.dispute."))}
    assert set(ACTED_ON) == (ends & known) | money_back | {"charge.refunded"}
