"""Text from outside stays text on every page: no markup, no formula, no link of its own."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from google.protobuf.json_format import MessageToDict
from streamlit.testing.v1 import AppTest

from lumira.dashboard import problems
from lumira.errors import LumiraError
from tests.api.conftest import event, sign

# What Markdown, HTML, LaTeX and Streamlit's own directives would act on, each with a mark to find it by.
POISON = (
    "**MARK** [MARK](javascript:alert(1)) :red[MARK] :material/MARK: $MARK^2$ `MARK` ~~MARK~~ "
    '<b onclick="x">MARK</b> ![MARK](//evil.example/x.png) https://MARK.example www.MARK.example'
)
# Each of them as it must not come to the page.
MARKED_UP = (
    *(r"\*\*MARK", r"(?<!\\)\[MARK(?<!\\)\]", r"red(?<!\\)\[", r":material/MARK", r"(?<!\\)\$MARK"),
    *(r"(?<!\\)`MARK", r"(?<!\\)~MARK", r"(?<!\\)<b onclick", r"https://MARK", r"www\.MARK"),
)
# Streamlit shows these as they are: what was typed, code, JSON, and cells of a table.
AS_IT_IS = {"code", "json", "text", "arrow_data_frame", "arrowDataFrame"}
# Pages that show texts from outside in a table alone, or not before one looks for them.
IN_TABLES = {"new_payment", "orders", "overview", "webhooks"}
TYPED = {
    "value",
    "default",
    "placeholder",
    "rawValues",
    "id",
    "elementId",
    "formId",
    "jsonArgs",
    "queryString",
    "page",
}


def texts(value: Any) -> Iterator[str]:
    """Every text inside a message that the browser may act on."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for name, member in value.items():
            if name not in TYPED:
                yield from texts(member)
    elif isinstance(value, list):
        for member in value:
            yield from texts(member)


def drawn(block: Any) -> Iterator[tuple[str, str]]:
    """What the page draws: the kind of each element and its texts."""
    for child in getattr(block, "children", {}).values():
        if child.type not in AS_IT_IS and getattr(child, "proto", None) is not None:
            yield from ((child.type, one) for one in texts(MessageToDict(child.proto)))
        yield from drawn(child)


def acted_on(app: AppTest) -> list[tuple[str, str]]:
    """The texts of a page in which something of the poison would be acted on."""
    return [
        (kind, one)
        for kind, one in drawn(app._tree)
        # HTML of our own knows no Markdown.
        if "mark" in one.lower()
        and any(
            re.search(f"(?i){pattern}", one) for pattern in (["<b onclick"] if kind == "html" else MARKED_UP)
        )
    ]


@pytest.fixture
def poisoned(desk, support, admin, documents):
    """An order whose every text is poison, and an event and views beside it."""
    created = desk.intents.create(
        {
            "productId": "mystique",
            "customerEmail": "zoe@example.com",
            "customerName": POISON,
            "customerPhone": POISON,
            "metadata": {"*MARK*": POISON, "a.b": POISON, "$set": POISON},
        },
        actor=support,
        source="tests",
    )
    order = desk.intents.find(created.order_id, actor=support)
    desk.notes.add(order.id, POISON, actor=support, attempt_id="1")
    desk.views.save(POISON[:60], {"q": "zoe"}, shared=True, actor=admin)
    documents.productorders.update_one(
        {"paymentIntentId": order.payment_intent_id},
        {
            "$set": {
                "status": "failed",
                "failureCode": POISON,
                "failureMessage": POISON,
                "stripeStatus": POISON,
                "source": POISON,
                "createdBy": POISON,
                "metadata.productName": POISON,
                "customerEmail": "zoe+MARK@example.com",
                "timeline": [
                    {"at": order.created_at, "kind": kind, "by": POISON, "note": POISON, "eventId": POISON}
                    for kind in ("order.created", "refund.succeeded", POISON, "payment_intent.MARK")
                ],
                "disputes": [
                    {
                        "id": "dp_1",
                        "amount": 1,
                        "status": POISON,
                        "reason": POISON,
                        "createdAt": order.created_at,
                    }
                ],
            },
            "$unset": {"listing": ""},
        },
    )
    delivered = event(f"payout.{POISON}", {"id": POISON, "object": "payout"})
    body = json.dumps(delivered).encode()
    desk.webhooks.receive(body, sign(body)["Stripe-Signature"])
    documents.processed_events.update_many(
        {}, {"$set": {"state": "failed", "error": POISON, "outcome": POISON}}
    )
    desk.order_list.list_all()
    return {"order": order.payment_intent_id, "event": delivered["id"]}


@pytest.mark.parametrize(
    "page",
    ["overview", "orders", "order", "order of nobody", "new_payment", "created", "webhooks", "webhook"],
)
def test_a_page_shows_text_from_outside_as_text(open_page, poisoned, page):
    pages = {
        "order": ("order", {"id": poisoned["order"]}),
        "order of nobody": ("order", {"id": POISON}),
        "orders": ("orders", {"q": "MARK"}),
        "created": ("new_payment", {"order": poisoned["order"]}),
        "webhook": ("webhooks", {"event": poisoned["event"]}),
    }
    name, query = pages.get(page, (page, {}))
    app = open_page(name, **query)
    if page == "new_payment":
        app.text_input(key="customer-search").set_value("MARK").run()
        assert any(button.key == "found-0" for button in app.button)
    assert acted_on(app) == []
    assert any("MARK" in one for _, one in drawn(app._tree)) or page in IN_TABLES


def test_the_name_of_a_view_is_shown_as_text_wherever_it_stands(open_page, poisoned, desk, admin):
    app = open_page("orders")
    app.session_state["save-view"] = True
    app.run()
    assert acted_on(app) == []
    assert any(
        "MARK" in label for pills in app.get("button_group") for label in texts(MessageToDict(pills.proto))
    )
    next(button for button in app.button if str(button.key).startswith("delete-")).click().run()
    assert acted_on(app) == []
    assert app.toast


@pytest.mark.parametrize("page", ["overview", "orders", "order"])
def test_a_name_does_not_turn_round_what_stands_beside_it(open_page, desk, support, page):
    asked = {
        "productId": "mystique",
        "customerEmail": "zoe@example.com",
        "customerName": "\u202eZoé\u2066 سارة",
    }
    created = desk.intents.create(asked, actor=support, source="tests")
    app = open_page(page, **({"id": created.order_id} if page == "order" else {}))
    shown = [one for kind, one in drawn(app._tree) if kind != "json"]
    shown += [str(value) for frame in app.dataframe for value in frame.value.to_numpy().flat]
    assert any("Zoé سارة" in one for one in shown)
    assert [one for one in shown if re.search("[\u202a-\u202e\u2066-\u2069]", one)] == []


class Unheard(LumiraError):
    """An error without a text of its own, so that its message is shown."""

    code = "UNHEARD"


def test_an_error_that_quotes_its_caller_is_shown_as_text():
    def page(error):
        from lumira.dashboard import problems

        problems.show(error)

    app = AppTest.from_function(page, args=(Unheard(POISON),)).run()
    assert "MARK" in app.error[0].value
    assert acted_on(app) == []


@pytest.mark.parametrize(
    "text",
    [
        "https://evil.example",
        "www.evil.example",
        "zoe@example.com",
        "HTTP://EVIL.EXAMPLE",
        ":material/home:",
        ":moon:",
    ],
)
def test_plain_text_has_no_link_and_no_icon_of_its_own(text):
    # Links, icons and emoji are looked for after the backslashes are gone, so what makes them is parted.
    read = re.sub(r"\\(.)", r"\1", problems.plain(text))
    assert not re.search(r"(?i)https?://\w|www\.\w|\w@\w|:\w", read)
    assert read.replace("\u2060", "") == text
