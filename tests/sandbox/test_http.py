"""Keys, versions, URLs, headers, idempotency."""

import threading
import time

import pytest
import stripe

from lumira.sandbox.parameters import decode
from tests import web
from tests.sandbox import parameters_of_stripe
from tests.sandbox.conftest import KEY, RETURN_URL, client_of
from tests.sandbox.openapi import check_answer

VERSION = {"Stripe-Version": "2026-10-28.endive"}
INTENT = {"amount": "4700", "currency": "eur"}


def post(address, data=INTENT, path="/v1/payment_intents", key=KEY, **headers):
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    return web.post(
        f"{address}{path}", data=data, headers={**VERSION, "Authorization": f"Bearer {key}", **names}
    )


def test_the_parameter_table_is_what_the_installed_stripe_ships():
    assert (
        parameters_of_stripe.render(parameters_of_stripe.derive()) == parameters_of_stripe.TABLE.read_text()
    )


def test_stripe_pins_the_version_the_sandbox_speaks():
    from lumira.sandbox.call import API_VERSION

    assert stripe.api_version == API_VERSION


def test_nested_parameters():
    assert decode("a[b][]=1&a[b][]=2&c[0][d]=3&e=%26") == {
        "a": {"b": {"0": "1", "1": "2"}},
        "c": {"0": {"d": "3"}},
        "e": "&",
    }


def test_headers(address):
    answer = post(address, Idempotency_Key="headers-1")
    assert answer.status_code == 200
    assert answer.headers["Request-Id"].startswith("req_")
    assert answer.headers["Stripe-Version"] == VERSION["Stripe-Version"]
    assert answer.headers["Idempotency-Key"] == "headers-1"
    assert answer.headers["Content-Type"] == "application/json"


@pytest.mark.parametrize(
    "authorization",
    [None, "Bearer sk_live_123", "Bearer nonsense", "Basic bm9uc2Vuc2U6", "Basic %"],
)
def test_other_keys_are_refused(address, authorization):
    headers = {"Authorization": authorization} if authorization else {}
    answer = web.get(f"{address}/v1/payment_intents", headers=headers)
    assert answer.status_code == 401
    assert answer.json()["error"]["type"] == "invalid_request_error"
    assert answer.headers["WWW-Authenticate"] == 'Basic realm="Stripe"'
    check_answer(401, answer.json())


def test_only_the_given_key_is_accepted(serve):
    address = serve(key="sk_test_the_one", publishable_key="pk_test_the_one")
    assert client_of(address, "sk_test_the_one").v1.payment_intents.list().data == []
    for key in ("sk_test_another", "pk_test_another", "rk_test_another"):
        with pytest.raises(stripe.AuthenticationError, match="Invalid API Key provided"):
            client_of(address, key).v1.payment_intents.list()
    shown = web.get(f"{address}/v1/balance", headers={"Authorization": "Bearer sk_test_1234567890abcdef"})
    assert "1234567890" not in shown.text


def test_there_is_one_account(client):
    own = client.v1.accounts.retrieve_current().id
    assert client.v1.balance.retrieve({}, {"stripe_account": own})
    with pytest.raises(stripe.PermissionError, match="does not have access to account 'acct_other'"):
        client.v1.balance.retrieve({}, {"stripe_account": "acct_other"})


def test_basic_authentication_as_curl_does_it(address):
    assert web.get(f"{address}/v1/balance", auth=(KEY, "")).status_code == 200


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/subscriptions"),
        ("POST", "/v1/payment_intents/pi_1/explode"),
        ("DELETE", "/v1/payment_intents/pi_1"),
        ("PUT", "/v1/payment_intents/pi_1"),
        ("GET", "/v1/"),
        ("GET", "/v1/payment_intents/"),
        ("GET", "/v1/payment_intents/pi_1/confirm"),
    ],
)
def test_unknown_urls(address, method, path):
    answer = web.request(method, address + path, headers={"Authorization": f"Bearer {KEY}"})
    assert answer.status_code == 404
    message = answer.json()["error"]["message"]
    assert message.startswith(
        f"Unrecognized request URL ({method}: {path}). Please see https://stripe.com/docs"
    )


def test_versions(address):
    types = {**INTENT, "payment_method_types[]": "card"}
    assert post(address, types).json()["error"]["code"] == "parameter_unknown"
    former = post(address, types, Stripe_Version="2024-06-20")
    assert former.json()["payment_method_types"] == ["card"]
    assert former.json()["automatic_payment_methods"] is None
    without = web.post(f"{address}/v1/payment_intents", data=types, auth=(KEY, ""))
    assert without.status_code == 200
    assert (
        post(address, Stripe_Version="yesterday")
        .json()["error"]["message"]
        .startswith("Invalid Stripe API version")
    )


@pytest.mark.parametrize("body", [b"\xff\xfe", b"amount", b"amount=1&amount[x]=2", b"a[b=1", b"=1", b"%"])
def test_broken_bodies_are_refused_not_broken_on(address, body):
    answer = web.post(
        f"{address}/v1/payment_intents", content=body, headers={"Authorization": f"Bearer {KEY}"}
    )
    assert answer.status_code == 400
    check_answer(400, answer.json())


def test_a_json_body_is_refused_as_stripe_refuses_it(address):
    answer = web.post(f"{address}/v1/payment_intents", json={"amount": 4700}, auth=(KEY, ""))
    assert answer.status_code == 400
    assert "application/x-www-form-urlencoded" in answer.json()["error"]["message"]


def test_the_same_key_answers_the_same(client, address):
    options = {"idempotency_key": "same-1"}
    first = client.v1.payment_intents.create({"amount": 4700, "currency": "eur"}, options)
    second = client.v1.payment_intents.create({"amount": 4700, "currency": "eur"}, options)
    assert first.to_dict() == second.to_dict()
    assert "Idempotent-Replayed" not in first.last_response.headers
    assert second.last_response.headers["Idempotent-Replayed"] == "true"
    assert second.last_response.headers["Original-Request"] == first.last_response.request_id


def test_a_declined_payment_is_replayed_too(client):
    params = {
        "amount": 4700,
        "currency": "eur",
        "payment_method": "pm_card_visa_chargeDeclined",
        "confirm": True,
        "return_url": RETURN_URL,
    }
    charges = set()
    for _ in range(2):
        with pytest.raises(stripe.CardError) as caught:
            client.v1.payment_intents.create(params, {"idempotency_key": "declined-1"})
        charges.add(caught.value.error.charge)
    assert len(charges) == 1


def test_a_key_is_for_one_request(client):
    options = {"idempotency_key": "one-1"}
    intent = client.v1.payment_intents.create({"amount": 4700, "currency": "eur"}, options)
    with pytest.raises(stripe.IdempotencyError, match="same parameters") as caught:
        client.v1.payment_intents.create({"amount": 4800, "currency": "eur"}, options)
    assert (caught.value.http_status, caught.value.error.type) == (400, "idempotency_error")
    with pytest.raises(stripe.IdempotencyError, match="same endpoint"):
        client.v1.payment_intents.cancel(intent.id, {}, options)


def test_an_invalid_request_leaves_its_key_free(client):
    options = {"idempotency_key": "free-1"}
    with pytest.raises(stripe.InvalidRequestError):
        client.v1.payment_intents.create({"amount": "x", "currency": "eur"}, options)
    assert client.v1.payment_intents.create({"amount": 4700, "currency": "eur"}, options).id


def test_a_key_in_use(serve):
    address = serve()
    web.post(f"{address}/_sandbox/faults", json={"answer": "slow", "seconds": 0.4})
    first = threading.Thread(target=post, args=(address,), kwargs={"Idempotency_Key": "busy"})
    first.start()
    time.sleep(0.15)
    second = post(address, Idempotency_Key="busy")
    assert (second.status_code, second.json()["error"]["code"]) == (409, "idempotency_key_in_use")
    first.join()
    assert post(address, Idempotency_Key="busy").headers["Idempotent-Replayed"] == "true"


def test_keys_are_forgotten_after_a_day(serve):
    address = serve()
    first = post(address, Idempotency_Key="day").json()["id"]
    web.post(f"{address}/_sandbox/clock", json={"advance": 86401})
    assert post(address, Idempotency_Key="day").json()["id"] != first
