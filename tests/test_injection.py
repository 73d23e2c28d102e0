"""No text becomes more than text: not in the store, not in a file. What pages make of it: dashboard/."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from zipfile import ZipFile
from zoneinfo import ZoneInfo

import pytest

from lumira.access import Actor, Role
from lumira.desk import Desk
from lumira.errors import InvalidFilter, InvalidRequest, LumiraError, NotFound, Unauthorized
from lumira.events import EventFilter
from lumira.export import FileFormat, order_columns, write
from lumira.order_filter import NAMES, OrderFilter, parse_filter
from lumira.orders import Order
from tests import web

PARIS = ZoneInfo("Europe/Paris")
OPERATORS = (
    '{"$ne": null}',
    "$gt",
    "$where",
    "[$ne]=",
    ".*",
    "^",
    "(a+)+$",
    "a.b.$c",
    "'||'1'=='1",
    "*",
    "%",
)
HARD = (
    *("", "\x00", "a\x00b", "\ud800", "x\udfff", "pi_\ud800", "\u202egpj.exe", "\u2066x\u2069", "🌙" * 40),
    *("\n", "\\", "１２３", "9" * 400, "-1", "6" * 24, "a" * 1_000_000),
)
TEXTS = (*OPERATORS, *HARD)

Call = Callable[[Desk, Order, str, Actor], Any]
# Every way in for a text: whoever adds one adds it here.
WAYS: dict[str, Call] = {
    "an order's id": lambda d, o, t, a: d.intents.find(t, actor=a),
    "an order to refresh": lambda d, o, t, a: d.intents.refresh(t, actor=a),
    "an order to edit": lambda d, o, t, a: d.intents.edit_customer(t, edit("ab"), actor=a),
    "a name and phone": lambda d, o, t, a: d.intents.edit_customer(o.id, edit(t), actor=a),
    "a new name": lambda d, o, t, a: create(d, a, customerName=t),
    "a new phone": lambda d, o, t, a: create(d, a, customerPhone=t),
    "a new address": lambda d, o, t, a: create(d, a, customerEmail=t),
    "a metadata key": lambda d, o, t, a: create(d, a, metadata={t[:40]: "x"}),
    "a metadata value": lambda d, o, t, a: create(d, a, metadata={"x": t}),
    "a product": lambda d, o, t, a: d.intents.create({"productId": t}, actor=a, source="tests"),
    "an idempotency key": lambda d, o, t, a: create(d, a, key=t),
    "a request id": lambda d, o, t, a: create(d, a, request_id=t),
    "a refund's note": lambda d, o, t, a: d.refunds.create(o.id, note=t, actor=a),
    "a payment's details": lambda d, o, t, a: d.payments.details(t, actor=a),
    "a customer search": lambda d, o, t, a: d.customers.search(t, actor=a),
    "a customer's address": lambda d, o, t, a: d.customers.history(t, actor=a),
    "a search": lambda d, o, t, a: d.order_list.page(OrderFilter(search=t), 5, actor=a),
    "a cursor": lambda d, o, t, a: d.order_list.page(OrderFilter(), 5, t, actor=a),
    "a note": lambda d, o, t, a: d.notes.add(o.id, t, actor=a, attempt_id="1"),
    "an order to note": lambda d, o, t, a: d.notes.add(t, "x", actor=a, attempt_id="1"),
    "notes of an order": lambda d, o, t, a: d.notes.of_order(t, actor=a),
    "a view's name": lambda d, o, t, a: d.views.save(t, {}, shared=False, actor=a),
    "a view's search": lambda d, o, t, a: d.views.save("x", {"q": t}, shared=False, actor=a),
    "an event": lambda d, o, t, a: d.webhooks.find(t, actor=a),
    "an event to retry": lambda d, o, t, a: d.webhooks.retry(t, actor=a),
    "a type of events": lambda d, o, t, a: d.webhooks.page(5, selected=EventFilter(type=t), actor=a),
    "a cursor of events": lambda d, o, t, a: d.webhooks.page(5, t, actor=a),
    "a token's name": lambda d, o, t, a: d.tokens.create(t, Role.STAFF, actor=a),
    "a token to revoke": lambda d, o, t, a: d.tokens.revoke(t, actor=a),
    "a token": lambda d, o, t, a: d.tokens.authenticate(f"lum_{t}"),
    "a payment link": lambda d, o, t, a: d.checkout.view(t, t),
    "a person to erase": lambda d, o, t, a: d.privacy.erase(t, actor=a),
    "a month": lambda d, o, t, a: d.month_close.closed(t, actor=a),
    "a session": lambda d, o, t, a: d.sessions.find(t),
    **{
        f"filter {name}": lambda d, o, t, a, name=name: d.order_list.page(parse_filter({name: t}), 5, actor=a)
        for name in NAMES
    },
}


def edit(text: str) -> dict[str, str]:
    """The body of an edit with this name and phone."""
    return {"email": "zoe@example.com", "firstName": text, "lastName": "Marin", "phone": text}


def create(desk: Desk, actor: Actor, *, key: str | None = None, request_id: str = "", **customer: Any) -> Any:
    """Creates a free order."""
    body = {"productId": "initie", **customer}
    return desk.intents.create(body, actor=actor, source="tests", idempotency_key=key, request_id=request_id)


@pytest.fixture
def order(desk, admin):
    """A free order of somebody whom no text below is meant to find."""
    created = create(desk, admin, customerEmail="zoe@example.com", customerName="Zoe Marin")
    return desk.intents.find(created.order_id, actor=admin)


def test_whatever_is_typed_is_taken_as_text_or_refused_with_a_reason(desk, admin, order, documents):
    collections = set(documents.list_collection_names())
    wrong = []
    for way, call in WAYS.items():
        for text in TEXTS:
            try:
                call(desk, order, text, admin)
            except LumiraError as error:
                if not 400 <= error.status < 500:
                    wrong.append((way, text[:30], error))
            except Exception as error:  # told below, with all the others
                wrong.append((way, text[:30], error))
    assert wrong == []
    now = documents.productorders.find_one({"paymentIntentId": order.payment_intent_id})
    assert (now["amount"], now["status"]) == (order.amount, order.status)
    new = set(documents.list_collection_names()) - collections
    assert new <= {"order_notes", "saved_views", "api_tokens", "listing_state"}


def test_an_operator_finds_nobody(desk, admin, order):
    for text in OPERATORS:
        assert desk.customers.history(text, actor=admin) == []
        assert desk.customers.search(text, actor=admin) == []
        assert desk.webhooks.page(5, selected=EventFilter(type=text), actor=admin) == ([], None)
        for ask in (desk.intents.find, desk.webhooks.find, desk.tokens.revoke):
            with pytest.raises(NotFound):
                ask(text, actor=admin)
        with pytest.raises(Unauthorized):
            desk.tokens.authenticate(text)


def test_a_search_knows_no_regular_expressions(desk, admin, order):
    def found(search):
        return [one.id for one in desk.order_list.page(OrderFilter(search=search), 5, actor=admin).orders]

    assert found("marin") == found("zoe marin") == [order.id]
    for search in ("m.*n", "mar.n", "[m]arin", "(marin|x)y", "zoe$ne", "marin\\b x"):
        assert found(search) == [], search


@pytest.mark.parametrize("name", sorted(set(NAMES) - {"q"}))
@pytest.mark.parametrize("text", OPERATORS)
def test_a_filter_knows_its_words_and_no_others(name, text):
    with pytest.raises(InvalidFilter):
        parse_filter({name: text})


def test_what_is_no_text_is_refused(desk, admin):
    for value in ({"$ne": None}, {"$gt": ""}, ["x"], 7, True, {"$regex": ".*"}):
        for field in ("customerEmail", "customerName", "customerPhone"):
            with pytest.raises(InvalidRequest):
                create(desk, admin, **{field: value})
        with pytest.raises(InvalidRequest):
            create(desk, admin, metadata={"x": value})
        with pytest.raises(LumiraError):
            desk.intents.create({"productId": value}, actor=admin, source="tests")


def test_keys_of_metadata_are_kept_as_they_are(desk, admin, documents):
    metadata = {"$set": "1", "a.b": "2", "$ne": "3", "a.$.b": "4"}
    created = create(desk, admin, metadata=metadata)
    stored = documents.productorders.find_one({"paymentIntentId": created.order_id})
    assert {key: stored["metadata"][key] for key in metadata} == metadata
    edited = desk.intents.edit_customer(created.order_id, edit("$unset"), actor=admin)
    assert {key: edited.metadata[key] for key in metadata} == metadata
    assert edited.metadata["customerFirstName"] == "$unset"


FORMULAS = (
    "=1+1",
    "+1",
    "-1",
    "@SUM(1)",
    "\t=1",
    "\r=1",
    "\n=1",
    "＝1",
    "=cmd|' /C calc'!A0",
    '=HYPERLINK("x")',
)


@pytest.mark.parametrize("text", FORMULAS)
def test_no_cell_of_a_file_is_a_formula(text):
    at = datetime(2026, 11, 1, tzinfo=UTC)
    order = Order(
        id="6" * 24,
        product_id=text,
        customer_email=text,
        customer_name=text,
        amount=4700,
        status="failed",
        failure_code=text,
        stripe_status=text,
        source=text,
        payment_intent_id=text,
        created_at=at,
        updated_at=at,
    )
    files = {}
    for kind in FileFormat:
        file = io.BytesIO()
        write(file, kind, order_columns("fr", PARIS), [order], language="fr", zone=PARIS)
        files[kind] = file.getvalue()
    table = io.StringIO(files[FileFormat.CSV].decode("utf-8-sig"), newline="")
    cells = list(csv.reader(table, delimiter=";"))[1]
    assert not any(cell.startswith(tuple("=+-@\t\r\n＝＋－＠")) for cell in cells)
    assert any(cell == f"'{text}" for cell in cells)
    sheet = ZipFile(io.BytesIO(files[FileFormat.XLSX])).read("xl/worksheets/sheet1.xml").decode()
    assert "<f>" not in sheet
    assert "hyperlink" not in sheet.lower().replace("hyperlink(", "")


def test_the_customers_page_shows_what_is_stored_as_text(desk, admin, documents, api_server):
    created = desk.intents.create({"productId": "mystique"}, actor=admin, source="tests")
    poison = '<script>alert(1)</script>{{ 7 * 7 }}"onload=x'
    documents.productorders.update_one(
        {"paymentIntentId": created.order_id}, {"$set": {"metadata.productName": poison}}
    )
    order = desk.intents.find(created.order_id, actor=admin)
    page = web.get(api_server + desk.checkout.link(order, actor=admin)).text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;{{ 7 * 7 }}&#34;onload=x" in page
    assert "<script>alert" not in page
