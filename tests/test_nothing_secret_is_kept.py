"""What is stored, answered and shown holds no secret, whatever Stripe sends or refuses."""

from __future__ import annotations

import json
import secrets
from typing import Any

import pytest
from pydantic import SecretStr

from lumira.access import Actor
from lumira.desk import Desk
from lumira.errors import StripeError
from lumira.settings import Settings
from tests.api.conftest import event, sign
from tests.conftest import opened

WRONG_KEY = "sk_test_51" + "notTheOneOfThisSandbox"


def everything(documents: Any) -> str:
    return json.dumps(
        {name: list(documents[name].find()) for name in documents.list_collection_names()}, default=str
    )


def test_the_ledger_keeps_no_client_secret(desk: Desk, documents: Any, admin: Actor) -> None:
    created = desk.intents.create({"productId": "mystique"}, actor=admin, source="tests")
    assert "_secret_" in created.client_secret
    paid = {"id": created.order_id, "status": "succeeded", "client_secret": created.client_secret}
    redirect = {"url": f"https://example.com/?payment_intent_client_secret={created.client_secret}"}
    body = json.dumps(event("payment_intent.succeeded", {**paid, "next_action": redirect})).encode()
    desk.webhooks.receive(body, sign(body)["Stripe-Signature"])
    assert created.client_secret not in everything(documents)
    # One that was stored before this was so is not shown either.
    documents.processed_events.update_many({}, {"$set": {"data.object.client_secret": created.client_secret}})
    shown = desk.webhooks.find(json.loads(body)["id"], actor=admin)
    assert created.order_id in shown.model_dump_json()
    assert "_secret_" not in shown.model_dump_json()


def test_a_refused_key_is_named_nowhere(settings: Settings, admin: Actor) -> None:
    refused = settings.model_copy(
        update={"stripe_secret_key": SecretStr(WRONG_KEY), "mongodb_db": f"test_{secrets.token_hex(8)}"}
    )
    with opened(refused) as desk:
        with pytest.raises(StripeError) as error:
            desk.intents.create({"productId": "mystique"}, actor=admin, source="tests")
        assert WRONG_KEY not in f"{error.value} {error.value.message} {error.value.extra}"
        assert WRONG_KEY not in everything(desk.store.database)


def test_a_store_that_is_down_is_named_without_its_password(settings: Settings) -> None:
    password = "hunter2" + "hunter2"
    uri = SecretStr(f"mongodb://lumira:{password}@127.0.0.1:9/lumira?timeoutMS=300")
    desk = Desk.open(settings.model_copy(update={"mongodb_uri": uri}))
    with pytest.raises(Exception) as error:
        desk.store.ping()
    desk.store.close()
    assert password not in f"{error.value!r} {error.value}"
    assert password not in repr(desk.settings)
