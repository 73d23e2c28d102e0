"""Whatever is sent, the sandbox answers in Stripe's shapes: it never fails itself."""

import random
from urllib.parse import urlencode

import pytest

from lumira.sandbox.parameters import TABLE
from lumira.sandbox.resources import ROUTES
from tests import web
from tests.sandbox.conftest import KEY, client_of, eventually, paid
from tests.sandbox.openapi import check_answer

GARBAGE = [
    "",
    "x",
    "-1",
    "0",
    "99999999999999999999",
    "true",
    "é\x00\ud7ff",
    "null",
    "1e5",
    "pm_card_visa",
    "a" * 6000,
]


def value_of(shape, chance):
    """A value of this shape, now and then none of it; nested as {"a": {"b": "1"}}."""
    if chance.random() < 0.15:
        return chance.choice([*GARBAGE, {"x": "1"}, {"0": "1"}])
    if isinstance(shape, dict):
        [(kind, inner)] = shape.items()
        if kind == "any":
            return value_of(chance.choice(inner), chance)
        if kind == "enum":
            return chance.choice(inner)
        if kind == "array":
            return {str(index): value_of(inner, chance) for index in range(chance.randint(1, 3))}
        return fields_of(inner, chance)
    return {
        "integer": str(chance.choice([0, 1, 50, 4700, 10**8])),
        "boolean": chance.choice(["true", "false"]),
        "number": "1.5",
        "map": {"key": chance.choice(["value", ""])},
        "empty": "",
    }.get(
        shape,
        chance.choice(["eur", "pm_card_visa", "a@example.com", "http://127.0.0.1:9/", "status:'succeeded'"]),
    )


def fields_of(shapes, chance):
    """Some of these fields, and all that are required."""
    names = chance.sample(list(shapes), min(len(shapes), chance.randint(0, 4)))
    names += [name for name in shapes if name.endswith("!")]
    return {name.rstrip("!"): value_of(shapes[name], chance) for name in names}


def encoded(tree, prefix=""):
    for name, value in tree.items():
        key = f"{prefix}[{name}]" if prefix else name
        if isinstance(value, dict):
            yield from encoded(value, key)
        else:
            yield key, value


@pytest.fixture(scope="module")
def known(address):
    """An id of each kind that the URLs can name."""
    client = client_of(address)
    intent = paid(client, "pm_card_createDispute")
    customer = client.v1.customers.create({"name": "Ada"})
    other = paid(client, capture_method="automatic")
    return {
        "payment_intents": intent.id,
        "charges": other.latest_charge,
        "refunds": client.v1.refunds.create({"payment_intent": other.id, "amount": 100}).id,
        "customers": customer.id,
        "payment_methods": client.v1.payment_methods.attach("pm_card_visa", {"customer": customer.id}).id,
        "disputes": eventually(lambda: client.v1.disputes.list({"payment_intent": intent.id}).data, bool)[
            0
        ].id,
        "events": client.v1.events.list({"limit": 1}).data[0].id,
        "webhook_endpoints": client.v1.webhook_endpoints.create(
            {"url": "http://127.0.0.1:9/", "enabled_events": ["payout.paid"]}
        ).id,
    }


@pytest.mark.parametrize("route", ROUTES.items(), ids=lambda route: route[1].name)
def test_any_request_has_an_answer(address, known, route):
    (method, pattern), target = route
    chance = random.Random(target.name)
    headers = {"Authorization": f"Bearer {KEY}", "Stripe-Version": "2026-10-28.endive"}
    with web.Client(base_url=address, headers=headers) as http:
        for _ in range(15):
            shapes = TABLE[target.name]
            form = urlencode(list(encoded(fields_of(shapes, chance))), errors="replace")
            path = pattern.replace("*", known.get(pattern.split("/")[2], "x_none"))
            if method == "GET":
                answer = http.get(f"{path}?{form}")
            else:
                content_type = {"Content-Type": "application/x-www-form-urlencoded"}
                answer = http.request(method, path, content=form, headers=content_type)
            assert answer.status_code in (200, 400, 402, 404), (form, answer.text)
            check_answer(answer.status_code, answer.json())
