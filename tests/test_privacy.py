"""One customer's data: all of it handed out, all of it erased, whatever is cut short or comes later."""

from __future__ import annotations

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from itertools import chain, repeat
from urllib.parse import urlsplit
from uuid import uuid4

import pytest
from pydantic import SecretStr
from typer.testing import CliRunner

from lumira.cli import app
from lumira.differences import Kind
from lumira.errors import CustomerErased, Forbidden, InvalidEmail
from lumira.order_filter import OrderFilter
from lumira.person import Person, audit_entry_without, order_without, person_of, without_person
from lumira.storage import Events
from lumira.storage.personal_data import PersonalData
from tests.api.conftest import event, sign, webhooks_on
from tests.conftest import opened, reconciliation_of, wait_until
from tests.store_gate import Fate, gate

EMAIL = "eve.marin@example.com"
MARKS = ("eve.marin", "Eve Marin", "Ève", "612345678", "0612345678", "vœu secret", "last4")
NOW = datetime(2026, 11, 1, tzinfo=UTC)


def deliver(desk, type_: str, obj: dict, **fields) -> str:
    """Has the desk handle an event, signed as Stripe signs it; its id."""
    delivered = event(type_, obj, **fields)
    body = json.dumps(delivered).encode()
    desk.webhooks.receive(body, sign(body)["Stripe-Signature"])
    return delivered["id"]


def payment_intent(order) -> dict:
    """A PaymentIntent as an event of our days shows it, with the person wherever Stripe puts one."""
    return {
        "id": order.payment_intent_id,
        "object": "payment_intent",
        "amount": order.amount,
        "currency": "eur",
        "status": "succeeded",
        "receipt_email": EMAIL,
        "description": "Tirage de Ève Marin",
        "metadata": {**order.metadata, "wish": "vœu secret"},
        "shipping": {"name": "Ève Marin", "address": {"line1": "1 rue de la Lune"}},
        "latest_charge": "ch_1",
        "last_payment_error": {
            "code": "card_declined",
            "payment_method": {"billing_details": {"email": EMAIL}, "card": {"last4": "4242"}},
        },
    }


@pytest.fixture
def customer(desk, support, admin, documents):
    """A customer who is known in every collection, beside one of nearly the same address."""
    who = {"customerEmail": EMAIL, "customerName": "Ève Marin", "customerPhone": "+33 6 12 34 56 78"}
    bodies = [
        {"productId": "mystique", **who, "metadata": {"wish": "vœu secret"}},
        {"productId": "initie", **who},
    ]
    created = [desk.intents.create(body, actor=support, source="tests") for body in bodies]
    order = desk.intents.confirm(created[0].order_id, "pm_card_visa", actor=support)
    desk.notes.add(order.id, "Ève Marin a rappelé au 06 12 34 56 78.", actor=support, attempt_id="1")
    desk.refunds.create(order.id, 700, actor=admin, reason=None, note="Geste pour Ève Marin, vœu secret")
    deliver(desk, "payment_intent.succeeded", payment_intent(order))
    deliver(desk, "customer.updated", {"id": "cus_1", "object": "customer", "email": EMAIL})
    desk.views.save("Eve Marin", {"q": "marin"}, shared=True, actor=admin)
    desk.views.save("Ses commandes", {"q": EMAIL}, shared=False, actor=admin)
    desk.views.save("Échecs", {"status": "failed"}, shared=True, actor=admin)
    # Written by another program, which adds fields of its own.
    documents.productorders.update_one(
        {"paymentIntentId": order.payment_intent_id},
        {"$set": {"customerId": "6" * 24, "formData": {"question": "vœu secret"}, "__v": 0}},
    )
    other = {"productId": "initie", "customerEmail": "st" + EMAIL, "customerName": "Steve Marin"}
    desk.intents.create(other, actor=support, source="tests")
    desk.order_list.list_all()
    return desk.intents.find(order.id, actor=support)


def everything(documents) -> dict[str, list]:
    """All that the store holds, by collection."""
    return {name: list(documents[name].find()) for name in sorted(documents.list_collection_names())}


def holding(documents, *marks: str) -> dict[str, list[str]]:
    """The collections that hold one of these texts, with the texts."""
    found = {}
    for name, rows in everything(documents).items():
        text = json.dumps(rows, default=str, ensure_ascii=False).lower()
        text = text.replace("steve.marin", "").replace("steve marin", "")
        if there := [mark for mark in marks if mark.lower() in text]:
            found[name] = there
    return found


def test_an_address_that_another_program_wrote_in_capitals_is_the_customers(desk, admin, customer, documents):
    # As the program before ours wrote it: no listing, nothing but its fields.
    former = {
        "productId": "initie",
        "customerEmail": "Eve.MARIN@example.com",
        "amount": 2700,
        "currency": "eur",
        "status": "completed",
        "paymentIntentId": "pi_former",
        "createdAt": NOW,
        "updatedAt": NOW,
        "metadata": {"customerName": "Ève Marin"},
    }
    documents.productorders.insert_one(former)
    exported = desk.privacy.export(EMAIL, actor=admin)
    assert "pi_former" in exported["at_stripe"]
    assert desk.privacy.erase(EMAIL, actor=admin).orders == 3
    desk.order_list.list_all()
    assert holding(documents, *MARKS) == {}


def test_a_listing_that_is_out_of_date_hands_nobody_elses_order_over(desk, admin, customer, documents):
    # Another program gave the order to somebody else, and its date stayed.
    given = {"customerEmail": "zoe@example.com", "metadata.customerEmail": "zoe@example.com"}
    documents.productorders.update_one({"paymentIntentId": customer.payment_intent_id}, {"$set": given})
    assert len(desk.privacy.export(EMAIL, actor=admin)["orders"]) == 1
    assert desk.privacy.erase(EMAIL, actor=admin).orders == 1


def test_an_export_holds_all_that_is_held_and_is_plain_json(desk, admin, customer, documents):
    exported = desk.privacy.export(f" {EMAIL.upper()} ", actor=admin)
    assert json.loads(json.dumps(exported)) == exported
    assert [order["productId"] for order in exported["orders"]] == ["mystique", "initie"]
    assert exported["orders"][0]["metadata"]["wish"] == "vœu secret"
    assert exported["orders"][0]["formData"] == {"question": "vœu secret"}
    assert [note["text"] for note in exported["notes"]] == ["Ève Marin a rappelé au 06 12 34 56 78."]
    assert {event["eventType"] for event in exported["webhooks"]} >= {
        "payment_intent.succeeded",
        "customer.updated",
    }
    assert {view["name"] for view in exported["saved_views"]} == {"Eve Marin", "Ses commandes"}
    assert "refund" in {entry["action"] for entry in exported["audit_entries"]}
    assert exported["at_stripe"] == [customer.payment_intent_id]
    text = json.dumps(exported)
    assert "steve" not in text.lower()
    assert "_secret_" not in text
    assert "client_secret" not in text
    [entry] = documents.audit_entries.find({"action": "export_customer"})
    assert EMAIL not in str(entry)
    assert entry["after"]["order_ids"] == [order["_id"] for order in exported["orders"]]


def test_a_webhook_without_a_date_is_handed_out_and_erased_too(desk, admin, customer, documents):
    # Of the former program nothing but eventId is sure.
    far = [NOW + timedelta(days=900), NOW - timedelta(days=40_000)]
    odd = [None, "2026-11-30T09:00:00.000Z", "", 1_764_493_200_000, 1.7e12, -1, *far]
    documents.processed_events.insert_many(
        [
            {"eventId": "evt_undated", "data": {"object": {"receipt_email": EMAIL}}},
            *(
                {"eventId": f"evt_{number}", "createdAt": dated, "data": {"object": {"receipt_email": EMAIL}}}
                for number, dated in enumerate(odd)
            ),
        ]
    )
    exported = {event["eventId"] for event in desk.privacy.export(EMAIL, actor=admin)["webhooks"]}
    assert {"evt_undated", *(f"evt_{number}" for number in range(len(odd)))} <= exported
    desk.privacy.erase(EMAIL, actor=admin)
    assert holding(documents, *MARKS) == {}


@pytest.mark.reshapes
def test_an_order_that_another_program_has_spoilt_is_handed_out_and_erased_too(desk, admin, documents):
    # From before there was a validator.
    documents.command("collMod", "productorders", validator={})
    spoilt = {"customerEmail": EMAIL, "customerName": "Ève Marin", "createdAt": "2024-11-01"}
    in_capitals = spoilt | {"customerEmail": "Eve.MARIN@example.com"}
    now = datetime.now(UTC)
    no_list = [
        spoilt | {"timeline": odd, "updatedAt": now} for odd in ("none", 7, ["none"], {"by": "Ève Marin"})
    ]
    documents.productorders.insert_many(
        [spoilt, {"customerEmail": EMAIL, "updatedAt": NOW}, in_capitals, *no_list]
    )
    assert len(desk.privacy.export(EMAIL, actor=admin)["orders"]) == 7
    assert desk.privacy.erase(EMAIL, actor=admin).orders == 7
    assert "marin" not in json.dumps(everything(documents), default=str).lower()


def test_erasing_leaves_accounts_and_nobody_in_them(desk, admin, customer, documents):
    assert holding(documents, *MARKS).keys() == {
        *("audit_entries", "order_notes", "processed_events", "productorders", "saved_views"),
    }
    before = desk.intents.find(customer.id, actor=admin)
    erased = desk.privacy.erase(EMAIL, actor=admin)
    assert holding(documents, *MARKS) == {}
    assert (erased.orders, erased.notes, erased.views) == (2, 1, 2)
    assert erased.payment_intents == [customer.payment_intent_id]
    after = desk.intents.find(customer.id, actor=admin)
    for name in ("amount", "currency", "status", "created_at", "completed_at", "refunds", "amount_refunded"):
        assert getattr(after, name) == getattr(before, name), name
    assert [entry.kind for entry in after.timeline] == [
        *(entry.kind for entry in before.timeline),
        "customer.erased",
    ]
    assert after.level == before.level
    assert after.product_name == before.product_name
    [raw] = documents.productorders.find({"paymentIntentId": customer.payment_intent_id})
    assert raw["__v"] == 0
    assert "customerId" not in raw
    assert [view["name"] for view in documents.saved_views.find()] == ["Échecs"]
    entries = list(documents.audit_entries.find({"action": "erase_customer"}))
    assert len(entries) == 2
    assert {entry["actor"] for entry in entries} == {"ada"}


def test_events_and_audit_of_other_customers_are_left_as_they_were(desk, admin, customer, documents):
    [other] = desk.customers.history("st" + EMAIL, actor=admin)
    owner = {"billing_details": {"email": "st" + EMAIL, "name": "Steve Marin"}, "customer": "cus_2"}
    of_other = {"id": "ch_2", "object": "charge", "payment_intent": other.payment_intent_id, **owner}
    event_id = deliver(desk, "charge.updated", of_other)
    entries = {"orderId": other.id}
    before = list(documents.audit_entries.find(entries))
    erased = desk.privacy.erase(EMAIL, actor=admin)
    assert documents.processed_events.find_one({"eventId": event_id})["data"]["object"] == of_other
    assert list(documents.audit_entries.find(entries)) == before
    # Those of the payment and of the customer object at Stripe.
    assert erased.events == 2


def test_erasing_changes_no_figure(desk, admin, customer, documents):
    charged = {"fee": 96, "feeCurrency": "eur", "updatedAt": datetime.now(UTC)}
    documents.productorders.update_one({"paymentIntentId": customer.payment_intent_id}, {"$set": charged})
    today = desk.revenue.today()
    before = desk.revenue.days(today, today, actor=admin)
    assert sum(row["fees"] for row in before) == 96
    desk.privacy.erase(EMAIL, actor=admin)
    assert desk.revenue.days(today, today, actor=admin) == before


def test_a_search_finds_the_erased_no_more_and_others_still(desk, admin, customer):
    desk.privacy.erase(EMAIL, actor=admin)
    desk.order_list.list_all()
    for search in ("eve", EMAIL, "eve.marin"):
        assert desk.order_list.page(OrderFilter(search=search), 10, actor=admin).orders == []
    found = desk.order_list.page(OrderFilter(search="marin"), 10, actor=admin).orders
    assert [order.customer_email for order in found] == ["st" + EMAIL]
    assert desk.customers.history(EMAIL, actor=admin) == []
    assert desk.order_list.page(OrderFilter(search=customer.payment_intent_id), 10, actor=admin).orders


def test_erasing_again_changes_nothing(desk, admin, customer, documents):
    desk.privacy.erase(EMAIL, actor=admin)
    desk.order_list.list_all()
    before = everything(documents)
    assert desk.privacy.erase(EMAIL, actor=admin).is_nothing
    assert everything(documents) == before
    assert desk.privacy.erase("nobody@example.com", actor=admin).is_nothing


class Killed(BaseException):
    """The process ends here."""


CHANGES = (
    "mark_erased",
    "delete_notes",
    "replace_audit_entry",
    "replace_event",
    "delete_view",
    "clear_order",
)


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("after", [False, True])
def test_what_was_cut_short_is_finished_by_the_next_call(
    desk, admin, customer, documents, change, after, monkeypatch
):
    changing = getattr(PersonalData, change)

    def killed(*arguments):
        if after:
            changing(*arguments)
        raise Killed

    monkeypatch.setattr(PersonalData, change, killed)
    with pytest.raises(Killed):
        desk.privacy.erase(EMAIL, actor=admin)
    monkeypatch.undo()
    desk.privacy.erase(EMAIL, actor=admin)
    assert holding(documents, *MARKS) == {}
    # One for each order, however often it was begun.
    assert documents.audit_entries.count_documents({"action": "erase_customer"}) == 2


def test_an_event_that_comes_later_brings_nobody_back(desk, admin, customer, documents):
    desk.privacy.erase(EMAIL, actor=admin)
    intent = payment_intent(customer)
    deliver(desk, "payment_intent.succeeded", intent)
    charge = {"id": "ch_1", "object": "charge", "payment_intent": customer.payment_intent_id, "amount": 4700}
    owner = {"billing_details": {"email": EMAIL, "name": "Ève Marin"}, "receipt_email": EMAIL}
    event_id = deliver(desk, "charge.updated", charge | owner)
    desk.intents.refresh(customer.id, actor=admin)
    assert holding(documents, *MARKS) == {}
    assert desk.webhooks.find(event_id, actor=admin).data["object"]["id"] == "ch_1"


@pytest.mark.parametrize("waiting", [False, True])
def test_an_old_senders_refund_that_names_the_order_alone_is_handed_out_and_erased(
    desk, admin, customer, documents, waiting
):
    if waiting:
        documents.productorders.update_one(
            {"paymentIntentId": customer.payment_intent_id}, {"$unset": {"paymentIntentId": ""}}
        )
    metadata = {"orderId": customer.id, "customerName": "Ève Marin"}
    refund = {"id": "re_1", "amount": 100, "currency": "eur", "metadata": metadata}
    earlier = deliver(desk, "refund.created", refund)
    exported = desk.privacy.export(EMAIL, actor=admin)
    assert earlier in {event["eventId"] for event in exported["webhooks"]}
    desk.privacy.erase(EMAIL, actor=admin)
    assert holding(documents, *MARKS) == {}
    deliver(desk, "refund.updated", refund)
    assert holding(documents, *MARKS) == {}


def test_an_event_that_failed_before_can_be_handled_after(desk, admin, support, documents):
    created = desk.intents.create(
        {"productId": "mystique", "customerEmail": EMAIL, "customerName": "Ève Marin"},
        actor=support,
        source="tests",
    )
    order = desk.intents.find(created.order_id, actor=support)
    delivered = event("payment_intent.succeeded", payment_intent(order))
    documents.processed_events.insert_one(
        {
            "eventId": delivered["id"],
            "eventType": delivered["type"],
            "state": "failed",
            "attempts": 1,
            "error": f"no mail to {EMAIL}",
            "data": delivered["data"],
            "createdAt": datetime.now(UTC),
            "updatedAt": datetime.now(UTC),
        }
    )
    desk.privacy.erase(EMAIL, actor=admin)
    assert holding(documents, *MARKS) == {}
    assert desk.webhooks.retry(delivered["id"], actor=admin) == "applied"
    assert desk.intents.find(order.id, actor=admin).status == "completed"
    assert holding(documents, *MARKS) == {}


def test_events_that_come_meanwhile_are_kept_without_the_person(desk, admin, customer, documents):
    stop = threading.Event()
    errors = []

    def keep_coming():
        try:
            while not stop.is_set():
                deliver(desk, "payment_intent.processing", payment_intent(customer))
        except Exception as error:  # told below
            errors.append(error)

    threads = [threading.Thread(target=keep_coming) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        desk.privacy.erase(EMAIL, actor=admin)
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert errors == []
    assert holding(documents, *MARKS) == {}


@pytest.mark.parametrize("amount", [4700, 5200])
def test_an_event_that_has_moved_its_order_when_its_customer_is_erased_is_recorded_without_them(
    desk, admin, support, customer, documents, amount
):
    class Late(Events):
        def record(self, event, outcome):
            desk.privacy.erase(EMAIL, actor=admin)
            return super().record(event, outcome)

    body = {"productId": "mystique", "customerEmail": EMAIL, "customerName": "Ève Marin"}
    created = desk.intents.create(body, actor=support, source="tests")
    order = desk.intents.find(created.order_id, actor=support)
    webhooks = webhooks_on(Late(desk.store.database), desk)
    delivered = event("payment_intent.succeeded", payment_intent(order) | {"amount": amount})
    raw = json.dumps(delivered).encode()
    webhooks.receive(raw, sign(raw)["Stripe-Signature"])
    paid = desk.intents.find(order.id, actor=admin)
    assert (paid.status, paid.amount) == ("completed", amount)
    row = documents.processed_events.find_one({"eventId": delivered["id"]})
    assert (row["state"], row["eventType"]) == ("processed", delivered["type"])
    assert holding(documents, *MARKS) == {}


def test_a_timeline_that_grows_meanwhile_loses_nothing(desk, admin, customer, monkeypatch):
    finding, grown = PersonalData.views, []

    def growing(self):
        if not grown:
            grown.append(desk.refunds.create(customer.id, 100, actor=admin))
        return finding(self)

    monkeypatch.setattr(PersonalData, "views", growing)
    desk.privacy.erase(EMAIL, actor=admin)
    kinds = [entry.kind for entry in desk.intents.find(customer.id, actor=admin).timeline]
    assert kinds.count("refund.requested") == 2
    assert kinds[-1] == "customer.erased"


def test_an_order_tells_once_that_its_customer_was_erased_though_answers_are_lost(
    settings, desk, admin, customer, store_uri
):
    """The driver repeats a write whose answer it did not hear; this store has done it all the same."""
    lost = chain([Fate.UNHEARD, Fate.PASSES] * 10, repeat(Fate.PASSES))

    with (
        gate(urlsplit(store_uri).port, lambda name: next(lost) if name == "update" else Fate.PASSES) as uri,
        opened(settings.model_copy(update={"mongodb_uri": SecretStr(uri)})) as unheard,
    ):
        unheard.privacy.erase(EMAIL, actor=admin)
    kinds = [entry.kind for entry in desk.intents.find(customer.id, actor=admin).timeline]
    assert kinds.count("customer.erased") == 1


@pytest.mark.parametrize("first_heard", ["payment_intent.succeeded", "charge.dispute.created"])
def test_a_payment_whose_answer_was_lost_brings_nobody_back(desk, admin, support, documents, first_heard):
    body = {"productId": "mystique", "customerEmail": EMAIL, "customerName": "Ève Marin"}
    created = desk.intents.create(body, actor=support, source="tests")
    order = desk.intents.confirm(created.order_id, "pm_card_visa", actor=support)
    # What the store holds when Stripe has made the PaymentIntent and its answer never came.
    unanswered = {"$set": {"status": "pending"}, "$unset": {"paymentIntentId": "", "stripeStatus": ""}}
    documents.productorders.update_one({}, unanswered)
    desk.privacy.erase(EMAIL, actor=admin)
    dispute = {
        "id": "dp_1",
        "object": "dispute",
        "amount": 4700,
        "payment_intent": created.order_id,
        "evidence": {"customer_email_address": EMAIL, "customer_name": "Ève Marin"},
    }
    deliver(desk, first_heard, payment_intent(order) if "intent" in first_heard else dispute)
    assert desk.intents.find(created.order_id, actor=support).status == "completed"
    assert holding(documents, *MARKS) == {}


@pytest.mark.parametrize("told_by", ["its own answer", "a webhook"])
def test_a_payment_that_stripe_makes_meanwhile_is_cleared_at_stripe_too(
    settings, admin, support, documents, faulty_sandbox_url, fault, told_by
):
    body = {"productId": "mystique", "customerEmail": EMAIL, "customerName": "Ève Marin"}
    body |= {"metadata": {"wish": "vœu secret"}}
    key = uuid4().hex
    with opened(settings.model_copy(update={"stripe_api_base": faulty_sandbox_url})) as desk:

        def create():
            return desk.intents.create(body, actor=support, source="tests", idempotency_key=key).order_id

        if told_by == "its own answer":
            fault(answer="slow", seconds=1, path="/v1/payment_intents", method="POST")
            with ThreadPoolExecutor(1) as pool:
                asked = pool.submit(create)
                wait_until(lambda: desk.orders.find_by_attempt(key))
                erased = desk.privacy.erase(EMAIL, actor=admin)
            made = asked.result()
        else:
            made = create()
            unanswered = {"$unset": {"paymentIntentId": "", "stripeStatus": ""}}
            documents.productorders.update_one({}, unanswered)
            erased = desk.privacy.erase(EMAIL, actor=admin)
            deliver(desk, "payment_intent.processing", desk.gateway.retrieve_payment_intent(made))
            later = reconciliation_of(desk, timedelta(hours=1))
            report = later.settle_open_orders(actor=admin)
            assert [(found.kind, found.repaired) for found in report.differences] == [(Kind.CUSTOMER, True)]
            told = [entry.kind for entry in desk.intents.find(made, actor=admin).timeline]
            assert told.index("customer.not_erased_at_stripe") < told.index("customer.erased_at_stripe")
        # Nobody could name it then.
        assert erased.payment_intents == []
        at_stripe = desk.gateway.retrieve_payment_intent(made)["metadata"]
        assert at_stripe.keys() <= {"productId", "productName", "level", "source", "timestamp", "orderId"}
        assert holding(documents, *MARKS) == {}


def test_nobody_takes_the_place_of_the_erased(desk, admin, customer, documents):
    desk.privacy.erase(EMAIL, actor=admin)
    edit = {"email": EMAIL, "firstName": "Eve", "lastName": "Marin"}
    with pytest.raises(CustomerErased):
        desk.intents.edit_customer(customer.id, edit, actor=admin)
    with pytest.raises(CustomerErased):
        desk.intents.correct_customer(customer.id, {"phone": MARKS[0]}, actor=admin)
    assert holding(documents, *MARKS) == {}


def test_whoever_orders_again_is_a_new_customer(desk, admin, support, customer):
    desk.privacy.erase(EMAIL, actor=admin)
    desk.intents.create({"productId": "initie", "customerEmail": EMAIL}, actor=support, source="tests")
    assert len(desk.customers.history(EMAIL, actor=admin)) == 1


@pytest.mark.parametrize("top", [{}, {"customerEmail": None}, {"customerEmail": ""}])
def test_an_address_that_stands_in_metadata_alone_leads_to_its_order(desk, admin, documents, top):
    """As the other program may leave it; an order that has an address of its own is that customer's."""

    def stored(payment: str, address: object, **fields) -> None:
        documents.productorders.insert_one(
            {
                **{"productId": "mystique", "amount": 4700, "currency": "eur", "status": "completed"},
                **{"paymentIntentId": payment, "createdAt": NOW, "updatedAt": NOW, "completedAt": NOW},
                **{"metadata": {"customerEmail": address, "customerName": "Ève Marin"}, **fields},
            }
        )

    stored("pi_hers", " Eve.Marin@Example.com ", **top)
    stored("pi_other", "st" + EMAIL, **top)
    stored("pi_none", None, **top)
    stored("pi_odd", ["x"], **top)
    stored("pi_anothers", EMAIL, customerEmail="ann@example.com")
    documents.productorders.update_one({"paymentIntentId": "pi_none"}, {"$set": {"metadata": None}})
    exported = desk.privacy.export(EMAIL, actor=admin)
    assert [order["paymentIntentId"] for order in exported["orders"]] == ["pi_hers"]
    erased = desk.privacy.erase(EMAIL, actor=admin)
    assert (erased.orders, erased.payment_intents) == (1, ["pi_hers"])
    stored_now = {row["paymentIntentId"]: row for row in documents.productorders.find()}
    assert stored_now["pi_hers"]["metadata"] == {}
    assert "customerEmail" not in stored_now["pi_hers"]
    assert stored_now["pi_other"]["metadata"]["customerName"] == "Ève Marin"
    assert stored_now["pi_anothers"]["metadata"]["customerName"] == "Ève Marin"
    assert desk.privacy.erase(EMAIL, actor=admin).is_nothing


@pytest.mark.parametrize("address", ["", "eve", "a@b", '{"$ne": null}', "\x00@example.com"])
def test_what_is_no_address_erases_nobody(desk, admin, customer, documents, address):
    before = everything(documents)
    with pytest.raises(InvalidEmail):
        desk.privacy.erase(address, actor=admin)
    assert everything(documents) == before


def test_only_an_administrator_may(desk, support):
    for asked in (desk.privacy.export, desk.privacy.erase):
        with pytest.raises(Forbidden):
            asked(EMAIL, actor=support)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("EVE@X.FR", True),
        ("to eve@x.fr.", True),
        ("steve@x.fr", False),
        ("eve@x.fr.evil.com", False),
        ("eve@x.free", False),
        ("a+eve@x.fr", False),
        ("Mme ÈVE   Marin", True),
        ("Steve Marin", False),
        ("Eve Marina", False),
        ("Eve", False),
        ("06.12.34.56.78", True),
        ("+33 6 12 34 56 78", True),
        ("06 12 34 56 79", False),
    ],
)
def test_a_person_is_known_by_address_full_name_and_number(text, named):
    person = Person("eve@x.fr", frozenset({"eve marin"}), frozenset({"612345678"}))
    assert person.is_named_in(text) is named


def test_a_first_name_alone_and_a_short_number_name_nobody():
    orders = [{"customerName": "Eve", "metadata": {"customerPhone": "1234", "customerLastName": None}}, {}]
    assert person_of("eve@x.fr", orders) == Person("eve@x.fr")


def test_a_payload_keeps_what_its_handling_needs():
    payload = {
        "object": {"id": "pi_1", "status": "succeeded", "amount": 1, "charges": {"data": [{"name": "x"}]}}
    }
    assert without_person(payload)["object"] == {
        "id": "pi_1",
        "status": "succeeded",
        "amount": 1,
        "charges": {"data": [{}]},
    }
    assert without_person(None) is None
    assert without_person({"metadata": None, "payment_method": "pm_1"}) == {
        "metadata": {},
        "payment_method": "pm_1",
    }


@pytest.mark.parametrize(
    "name",
    [
        *("billing_details", "customer_details", "shipping", "evidence", "individual", "owner"),
        *("email", "name", "phone", "address", "receipt_email", "receipt_url", "receipt_number"),
        *("customer", "customer_email", "customer_name", "customer_phone", "customer_address"),
        *("customer_shipping", "customer_account", "payment_method_details", "payment_method_options"),
        *("ip", "ip_address", "client_ip", "description", "fraud_details", "source", "client_secret"),
    ],
)
def test_wherever_stripe_holds_a_person_nothing_stays_of_them(name):
    held = {"object": {"id": "ch_1", name: "cus_1", "charges": {"data": [{name: {"line1": "3, rue X"}}]}}}
    assert without_person(held) == {"object": {"id": "ch_1", "charges": {"data": [{}]}}}


def test_words_of_staff_go_and_reasons_of_stripe_stay():
    person = Person("eve@x.fr")
    words = [
        ("ada", "a word of mine"),
        ("ada", "duplicate"),
        ("stripe", "declined"),
        ("stripe", "to eve@x.fr"),
    ]
    timeline = [{"at": NOW, "kind": "refund.succeeded", "by": by, "note": note} for by, note in words]
    kept, gone = order_without({"timeline": timeline, "listing": {}, "amount": 1}, person)
    assert [entry.get("note") for entry in kept["timeline"]] == [None, "duplicate", "declined", None]
    assert gone == ["listing"]
    for action in ("refund", "refund_unanswered"):
        entry = {"action": action, "note": "a word", "before": {}, "after": {"q": "eve@x.fr"}}
        assert audit_entry_without(entry, person) == {**entry, "note": None, "after": {}}


@pytest.fixture
def command(desk, monkeypatch):
    """`lumira customer` on the store of the test."""
    settings = desk.settings
    monkeypatch.setenv("MONGODB_URI", settings.mongodb_uri.get_secret_value())
    monkeypatch.setenv("MONGODB_DB", settings.mongodb_db)
    monkeypatch.setenv("STRIPE_SECRET_KEY", settings.stripe_secret_key.get_secret_value())
    monkeypatch.setenv("STRIPE_API_BASE", settings.stripe_api_base)

    def command(*arguments: str, answer: str = ""):
        return CliRunner().invoke(app, ["customer", *arguments], input=answer)

    return command


def test_the_command_exports_and_erases(command, customer, documents, tmp_path):
    file = tmp_path / "eve.json"
    # As another program may have left it, for everybody to read.
    file.write_text("{}")
    file.chmod(0o644)
    exported = command("export", EMAIL, "--out", str(file))
    assert exported.exit_code == 0, exported.output
    assert "2 orders, 1 note" in exported.output
    assert customer.payment_intent_id in exported.output
    assert json.loads(file.read_text())["customer"] == EMAIL
    assert "Ève" in file.read_text()
    assert file.stat().st_mode & 0o077 == 0
    refused = command("erase", EMAIL, answer="n\n")
    assert refused.exit_code == 1
    assert holding(documents, EMAIL)
    erased = command("erase", EMAIL, "--yes")
    assert erased.exit_code == 0, erased.output
    assert "2 orders cleared, 1 note and 2 saved views removed" in erased.output
    assert f"in {customer.payment_intent_id}. Ask Stripe too" in erased.output
    assert holding(documents, *MARKS) == {}
    assert "Nothing is held" in command("erase", EMAIL, "--yes").output
