"""Stripe as its own clients see it: what customers and staff do there, its events, its truth.

Nothing of Lumira is used here: the comparison that all tortures end with must not share the rules' mistakes.
"""

from __future__ import annotations

import itertools
import json
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

import stripe
from pymongo.database import Database

from tests import web
from tests.conftest import STRIPE_KEY, WEBHOOK_SECRET, wait_until

RETURN_URL = "http://127.0.0.1/"
SEPA_PAID = "FR1420041010050500013M02606"
SEPA_REFUSED = "FR8420041010050500013M02607"
# The events a desk acts on.
ACTED_ON = (
    "payment_intent.succeeded",
    "payment_intent.processing",
    "payment_intent.payment_failed",
    "payment_intent.canceled",
    "charge.refunded",
    "refund.",
    "charge.dispute.",
)
NEVER_SENT = "never_reached_stripe"


class StripeSide:
    """A client of the sandbox of its own."""

    def __init__(self, url: str) -> None:
        self._http = web.Client(base_url=url, auth=(STRIPE_KEY, ""), timeout=30)

    def __enter__(self) -> StripeSide:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def post(self, path: str, **form: Any) -> dict[str, Any]:
        """One request of the API; a decline is an answer too."""
        answer = self._http.post(f"/v1/{path}", data=form)
        assert answer.status_code in (200, 402), answer.text
        return answer.json()

    def get(self, path: str, **query: Any) -> dict[str, Any]:
        answer = self._http.get(f"/v1/{path}", params=query)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def every(self, path: str, **query: Any) -> list[dict[str, Any]]:
        """All objects of a list, newest first."""
        found: list[dict[str, Any]] = []
        while True:
            page = self.get(path, limit=100, **query)
            found += page["data"]
            if not page["has_more"]:
                return found
            query["starting_after"] = found[-1]["id"]

    def switch(self, switch: str, **how: Any) -> None:
        """One of the sandbox's own switches."""
        self._http.post(f"/_sandbox/{switch}", json=how).raise_for_status()

    def advance(self, seconds: float) -> None:
        """Sets Stripe's clock ahead of ours, or behind."""
        self.switch("clock", advance=seconds)

    def end_faults(self) -> None:
        self._http.delete("/_sandbox/faults").raise_for_status()

    def confirm(self, payment_intent_id: str, payment_method: str) -> dict[str, Any]:
        return self.post(
            f"payment_intents/{payment_intent_id}/confirm",
            payment_method=payment_method,
            return_url=RETURN_URL,
        )

    def reprice(self, payment_intent_id: str, amount: int) -> None:
        """Asks for another amount."""
        self.post(f"payment_intents/{payment_intent_id}", amount=amount)

    def debit(self, payment_intent_id: str, iban: str) -> None:
        """A SEPA Direct Debit, waited for."""
        self.post(
            f"payment_intents/{payment_intent_id}/confirm",
            **{
                "payment_method_data[type]": "sepa_debit",
                "payment_method_data[sepa_debit][iban]": iban,
                "payment_method_data[billing_details][name]": "Anaïs",
                "payment_method_data[billing_details][email]": "anais@example.com",
                "mandate_data[customer_acceptance][type]": "online",
                "mandate_data[customer_acceptance][online][ip_address]": "127.0.0.1",
                "mandate_data[customer_acceptance][online][user_agent]": "torture",
                "return_url": RETURN_URL,
            },
        )
        wait_until(lambda: self.get(f"payment_intents/{payment_intent_id}")["status"] != "processing")

    def authenticate(self, payment_intent_id: str, accepted: str) -> None:
        """The customer's answer to 3-D Secure."""
        action = self.get(f"payment_intents/{payment_intent_id}")["next_action"]
        self._http.post(action["redirect_to_url"]["url"], data={"accepted": accepted})

    def refund(self, payment_intent_id: str, amount: int) -> None:
        refund = self.post("refunds", payment_intent=payment_intent_id, amount=amount)
        assert refund.get("object") == "refund", refund

    def dispute(self, payment_intent_id: str, evidence: str) -> None:
        """Answers the dispute of a disputed payment, and waits for the bank."""
        [dispute] = self.get("disputes", payment_intent=payment_intent_id)["data"]
        self.post(f"disputes/{dispute['id']}", **{"evidence[uncategorized_text]": evidence})
        wait_until(lambda: self.get(f"disputes/{dispute['id']}")["status"] in ("won", "lost"))

    def settled(self, payment_intent_id: str) -> None:
        """Waits until nothing is due any more: a refund that fails does so a moment later."""
        time.sleep(0.03)
        wait_until(
            lambda: all(
                refund["status"] != "pending"
                for refund in self.get("refunds", payment_intent=payment_intent_id)["data"]
            )
        )

    def events(self, seen: set[str]) -> list[dict[str, Any]]:
        """The events that a desk acts on, oldest first, without those already seen, which they then are."""
        found: list[dict[str, Any]] = []
        for event in self._newest_events():
            if event["id"] in seen:
                break
            if event["type"].startswith(ACTED_ON):
                found.append(event)
        seen.update(event["id"] for event in found)
        return found[::-1]

    def _newest_events(self) -> Iterator[dict[str, Any]]:
        query: dict[str, Any] = {"limit": 100}
        while True:
            page = self.get("events", **query)
            yield from page["data"]
            if not page["has_more"]:
                return
            query["starting_after"] = page["data"][-1]["id"]


def delivery(event: dict[str, Any]) -> tuple[bytes, str]:
    """The bytes and the Stripe-Signature of a delivery of this event."""
    body = json.dumps(event)
    return body.encode(), stripe.WebhookSignature.generate_signature_header(body, WEBHOOK_SECRET)


def status_meant(payment_intent: dict[str, Any]) -> str:
    """The order status that a PaymentIntent means, by the contract's table."""
    if payment_intent["status"] == "requires_payment_method" and payment_intent["last_payment_error"]:
        return "failed"
    return {
        "succeeded": "completed",
        "processing": "processing",
        "requires_capture": "processing",
        "canceled": "cancelled",
    }.get(payment_intent["status"], "pending")


def compare(side: StripeSide, database: Database[Any], counts: Counter[str]) -> dict[str, dict[str, Any]]:
    """Holds every order against its PaymentIntent, one to one and to the cent; answers the orders."""
    stored = list(database.productorders.find())
    tied = {order["paymentIntentId"]: order for order in stored if order.get("paymentIntentId")}
    untied = [order for order in stored if not order.get("paymentIntentId")]
    assert len(tied) + len(untied) == len(stored)
    intents = {intent["id"]: intent for intent in side.every("payment_intents")}
    assert set(tied) == set(intents), "orders and PaymentIntents do not match one to one"
    ids = [intent["metadata"]["orderId"] for intent in intents.values() if "orderId" in intent["metadata"]]
    assert len(set(ids)) == len(ids), "two PaymentIntents for one order"
    for order in untied:
        assert (order["status"], order["stripeStatus"]) == ("cancelled", NEVER_SENT)
        assert str(order["_id"]) not in ids
    all_refunds = _by_payment_intent(side.every("refunds"))
    all_disputes = _by_payment_intent(side.every("disputes"))
    all_charges = _by_payment_intent(side.every("charges"))
    for intent_id, intent in intents.items():
        order = tied[intent_id]
        assert order["status"] == status_meant(intent), intent_id
        assert (order["amount"], order["currency"]) == (intent["amount"], intent["currency"])
        charges = [charge for charge in all_charges.get(intent_id, []) if charge["paid"]]
        assert len(charges) <= 1, "charged twice"
        refunds = {(r["id"], r["amount"], r["status"]) for r in all_refunds.get(intent_id, [])}
        assert {(r["id"], r["amount"], r["status"]) for r in order.get("refunds", [])} == refunds
        assert order["amountRefunded"] == sum(charge["amount_refunded"] for charge in charges)
        disputes = {(d["id"], d["amount"], d["status"]) for d in all_disputes.get(intent_id, [])}
        assert {(d["id"], d["amount"], d["status"]) for d in order.get("disputes", [])} == disputes
        check_timeline(order)
    counts["orders compared"] += len(stored)
    counts["differences"] += 0
    return tied


def check_timeline(order: dict[str, Any]) -> None:
    """Nothing is told twice: one completion, each state of a refund or dispute once."""
    timeline = order["timeline"]
    moves = [(entry.get("from"), entry["to"]) for entry in timeline if entry.get("from")]
    assert [to for _, to in moves].count("completed") == (order["status"] == "completed")
    for (_, before), (after, _) in itertools.pairwise(moves):
        assert before == after, f"the moves do not follow each other: {moves}"
    told = [entry["kind"] for entry in timeline].count("refund.failed")
    assert told == len([refund for refund in order.get("refunds", []) if refund["status"] == "failed"])


def _by_payment_intent(objects: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    for one in objects:
        found.setdefault(one["payment_intent"], []).append(one)
    return found
