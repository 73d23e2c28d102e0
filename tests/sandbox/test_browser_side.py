"""What a page can do with the publishable key, and the bank's 3-D Secure page."""

import re
from urllib.parse import parse_qs, urlsplit

import pytest

from tests import web
from tests.sandbox.conftest import RETURN_URL, eventually, paid
from tests.sandbox.openapi import check_object

CARD = {
    "payment_method_data[type]": "card",
    "payment_method_data[card][number]": "4242 4242 4242 4242",
    "payment_method_data[card][exp_month]": "12",
    "payment_method_data[card][exp_year]": "34",
    "payment_method_data[card][cvc]": "123",
}


@pytest.fixture
def intent(client):
    return client.v1.payment_intents.create({"amount": 4700, "currency": "eur", "metadata": {"secret": "no"}})


def confirm(browser, intent, **fields):
    secret = {"key": "pk_test_shared", "client_secret": intent.client_secret}
    form = {**secret, "use_stripe_sdk": "true", **fields}
    return browser.post(f"/v1/payment_intents/{intent.id}/confirm", data=form)


def test_a_page_reads_only_what_stripe_shows_it(browser, intent):
    url = f"/v1/payment_intents/{intent.id}"
    answer = browser.get(url, params={"key": "pk_test_shared", "client_secret": intent.client_secret})
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    shown = answer.json()
    assert (shown["id"], shown["amount"], shown["status"]) == (intent.id, 4700, "requires_payment_method")
    assert not {"metadata", "latest_charge", "customer", "amount_received"} & set(shown)
    check_object(shown)
    assert browser.get(url).status_code == 400
    wrong = browser.get(url, params={"key": "pk_test_shared", "client_secret": f"{intent.id}_secret_x"})
    assert wrong.status_code == 404


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/payment_intents"),
        ("POST", "/v1/payment_intents"),
        ("POST", "/v1/refunds"),
        ("GET", "/v1/balance"),
    ],
)
def test_a_page_cannot_do_what_needs_a_secret_key(browser, method, path):
    answer = browser.request(method, path)
    assert (answer.status_code, answer.json()["error"]["code"]) == (401, "secret_key_required")


def test_preflight(address):
    answer = web.options(f"{address}/v1/payment_intents/pi_1", headers={"Origin": "https://shop.example"})
    assert answer.status_code == 204
    assert "authorization" in answer.headers["Access-Control-Allow-Headers"]


def test_a_typed_test_card_pays(browser, client, intent):
    answer = confirm(browser, intent, **CARD)
    assert (answer.status_code, answer.json()["status"]) == (200, "succeeded")
    charge = client.v1.charges.retrieve(client.v1.payment_intents.retrieve(intent.id).latest_charge)
    card = charge.payment_method_details.card
    assert (card.last4, card.exp_year) == ("4242", 2034)


@pytest.mark.parametrize(
    ("field", "value", "code"),
    [
        ("number", "4242424242424241", "incorrect_number"),
        ("number", "4111111111111111", "card_declined"),
        ("number", "4000000000000002", "card_declined"),
        ("exp_month", "13", "invalid_expiry_month"),
        ("exp_year", "20", "invalid_expiry_year"),
        ("cvc", "1", "invalid_cvc"),
    ],
)
def test_what_is_wrong_with_a_typed_card(browser, intent, field, value, code):
    answer = confirm(browser, intent, **{**CARD, f"payment_method_data[card][{field}]": value})
    assert (answer.status_code, answer.json()["error"]["code"]) == (402, code)
    assert "metadata" not in answer.json()["error"].get("payment_intent", {})


def test_3d_secure_by_redirect_accepted(client):
    intent = paid(client, "pm_card_threeDSecure2Required", return_url=f"{RETURN_URL}?order=1")
    assert intent.status == "requires_action"
    action = intent.next_action.redirect_to_url
    assert action.return_url == f"{RETURN_URL}?order=1"
    page = web.get(action.url, headers={"Accept-Language": "fr"})
    assert "sandbox" in page.text
    assert "47,00\u00a0€" in page.text
    assert "Réussir" in page.text
    back = web.post(action.url, data={"accepted": "yes"})
    assert back.status_code == 303
    returned = parse_qs(urlsplit(back.headers["Location"]).query)
    assert (returned["order"], returned["redirect_status"]) == (["1"], ["succeeded"])
    assert returned["payment_intent"] == [intent.id]
    found = client.v1.payment_intents.retrieve(intent.id, {"expand": ["latest_charge"]})
    assert found.status == "succeeded"
    assert found.latest_charge.payment_method_details.card.three_d_secure.result == "authenticated"
    assert web.post(action.url, data={"accepted": "no"}).status_code == 200
    assert client.v1.payment_intents.retrieve(intent.id).status == "succeeded"


def test_3d_secure_refused(client):
    intent = paid(client, "pm_card_threeDSecure2Required")
    back = web.post(intent.next_action.redirect_to_url.url, data={"accepted": "no"})
    assert "redirect_status=failed" in back.headers["Location"]
    found = client.v1.payment_intents.retrieve(intent.id)
    assert (found.status, found.last_payment_error.code) == (
        "requires_payment_method",
        "payment_intent_authentication_failure",
    )


def test_3d_secure_accepted_and_then_declined(client):
    intent = paid(client, "pm_card_threeDSecureRequiredChargeDeclined")
    web.post(intent.next_action.redirect_to_url.url, data={"accepted": "yes"})
    error = client.v1.payment_intents.retrieve(intent.id).last_payment_error
    assert (error.code, error.decline_code) == ("card_declined", "generic_decline")


def test_3d_secure_needs_the_right_secret(client):
    intent = paid(client, "pm_card_threeDSecure2Required")
    url = intent.next_action.redirect_to_url.url
    assert web.get(re.sub("secret=.*", "secret=x", url)).status_code == 404
    assert web.get(url.replace(intent.id, "pi_none")).status_code == 404


def test_the_stand_in_asks_the_sandbox_for_3d_secure_in_a_frame(browser, client, intent):
    form = {**CARD, "payment_method_data[card][number]": "4000000000003220", "return_url": RETURN_URL}
    action = confirm(browser, intent, **form).json()["next_action"]
    assert action["type"] == "use_stripe_sdk"
    done = web.post(action["use_stripe_sdk"]["stripe_js"], data={"accepted": "yes"})
    assert "postMessage" in done.text
    eventually(
        lambda: client.v1.payment_intents.retrieve(intent.id).status, lambda status: status == "succeeded"
    )


def test_pages_are_served(address, client):
    script = web.get(f"{address}/js/stripe.js")
    assert script.headers["Content-Type"].startswith("text/javascript")
    assert "window.Stripe" in script.text
    assert "Lumira sandbox" in web.get(address).text
    charge = client.v1.charges.retrieve(paid(client).latest_charge)
    assert "€47.00" in web.get(charge.receipt_url).text
    assert web.get(f"{address}/receipts/ch_none").status_code == 404
    overview = web.get(f"{address}/_sandbox/overview", params={"kind": "charge"}).json()
    assert charge.id in [one["id"] for one in overview["objects"]]
    assert web.get(f"{address}/_sandbox/objects/{charge.id}").json()["amount"] == 4700
