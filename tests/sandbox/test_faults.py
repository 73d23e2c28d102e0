import time

import httpx
import pytest
import stripe

from tests import web
from tests.sandbox.conftest import client_of


@pytest.fixture
def address(serve):
    return serve()


@pytest.fixture
def client(address):
    return client_of(address)


def arm(address, **fault):
    answer = web.post(f"{address}/_sandbox/faults", json=fault)
    assert answer.status_code == 200, answer.text
    return answer.json()["faults"]


def create(client, **options):
    return client.v1.payment_intents.create({"amount": 4700, "currency": "eur"}, options)


@pytest.mark.parametrize(
    ("status", "error"), [(429, stripe.RateLimitError), (500, stripe.APIError), (503, stripe.APIError)]
)
def test_the_next_requests_fail(client, address, status, error):
    arm(address, answer=status, next=2)
    for _ in range(2):
        with pytest.raises(error) as caught:
            create(client)
        assert caught.value.http_status == status
    assert create(client).id


def test_a_client_that_retries_survives(address):
    arm(address, answer=503, next=2)
    assert create(client_of(address, max_network_retries=2)).id
    arm(address, answer=429, next=1, retry=True)
    assert create(client_of(address, max_network_retries=2)).id
    assert web.get(f"{address}/_sandbox/faults").json() == {"faults": []}


def test_a_lost_answer_and_its_retry_make_one_intent(address):
    arm(address, answer="drop", executed=True)
    client = client_of(address, max_network_retries=2)
    intent = create(client)
    assert [one.id for one in client.v1.payment_intents.list().data] == [intent.id]


def test_a_dropped_connection(client, address):
    arm(address, answer="drop")
    with pytest.raises(stripe.APIConnectionError):
        create(client)
    assert client.v1.payment_intents.list().data == []


def test_hanging_and_slowness(client, address):
    arm(address, answer="hang", seconds=5)
    with pytest.raises(httpx.ReadTimeout):
        web.get(f"{address}/v1/balance", timeout=0.2)
    arm(address, answer="slow", seconds=0.2)
    before = time.monotonic()
    assert create(client).id
    assert time.monotonic() - before >= 0.2


def test_a_share_of_the_requests_on_one_path(client, address):
    arm(address, answer=500, share=1, path="/v1/refunds")
    for _ in range(3):
        with pytest.raises(stripe.APIError):
            client.v1.refunds.list()
    assert create(client).id
    assert web.delete(f"{address}/_sandbox/faults").json() == {"faults": []}
    assert client.v1.refunds.list().data == []


@pytest.mark.parametrize(
    "wrong",
    [{}, {"answer": 418}, {"answer": 500, "next": 0}, {"answer": 500, "share": 2}, {"answer": 500, "x": 1}],
)
def test_a_fault_asked_for_wrongly(address, wrong):
    answer = web.post(f"{address}/_sandbox/faults", json=wrong)
    assert answer.status_code == 400
    assert answer.json()["error"]
