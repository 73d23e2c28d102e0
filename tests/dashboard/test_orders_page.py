"""The list of orders: what the URL selects, in words, in order, page by page."""

import html
import re
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qsl
from zoneinfo import ZoneInfo

import pytest

from lumira.access import Actor, Role
from lumira.dashboard import session
from lumira.dashboard.order_table import COLUMNS, orders_frame
from lumira.dashboard.periods import Range, days
from lumira.errors import Forbidden, InvalidFilter, InvalidViewName, StoreUnavailable
from lumira.order_filter import Disputed, Sort
from lumira.orders import Order
from lumira.refunds import Dispute, Refund
from tests.dashboard.conftest import shown


def make(desk, number, **fields):
    created = fields.pop("created_at", datetime.now(UTC) - timedelta(minutes=number))
    order = Order(
        **{
            "id": desk.orders.new_id(),
            "product_id": "mystique",
            "customer_email": f"person{number}@example.com",
            "amount": 4700,
            "status": "completed",
            "payment_intent_id": f"pi_number{number}",
            "stripe_status": "succeeded",
            "created_at": created,
            "updated_at": created,
            "livemode": False,
        }
        | fields
    )
    assert desk.orders.insert(order)
    return order


def rows(app):
    return app.dataframe[0].value


def exports(app):
    """Whether the list is offered as a file."""
    return any(popover.proto.popover.label == "Exporter" for popover in app.get("popover"))


def test_an_empty_list_says_what_to_do_next(open_page):
    app = open_page("orders")
    assert "Aucune commande pour l’instant" in shown(app)
    assert app.page_link[0].value == "Nouveau paiement"


def test_a_file_is_offered_only_of_a_list_that_holds_something(open_page, desk):
    assert not exports(open_page("orders"))
    make(desk, 1)
    assert exports(open_page("orders"))
    assert not exports(open_page("orders", status="failed"))


def test_refunds_are_offered_row_by_row_where_refunds_are_listed(open_page, desk):
    now = datetime.now(UTC)
    refund = Refund(id="re_1", amount=2000, created_at=now)
    make(desk, 1, refunds=[refund], amount_refunded=2000, last_refund_at=now)
    for query, offered in (({}, False), ({"refunded": "yes"}, True), ({"date": "refunded"}, True)):
        app = open_page("orders", **query)
        app.session_state["export"] = True
        labels = [button.proto.label for button in app.run().get("download_button")]
        assert ("Remboursements, CSV" in labels) is offered, query


def test_last_month_is_one_click(open_page, desk):
    make(desk, 1)
    app = open_page("orders")
    app.session_state["filters"] = True
    app.run()
    app.segmented_control(key="filter-span").set_value(Range.LAST_MONTH).run()
    first, last = days(Range.LAST_MONTH, datetime.now(desk.settings.business_timezone).date())
    assert (app.query_params["from"], app.query_params["to"]) == (first.isoformat(), last.isoformat())


def test_what_was_given_is_called_so_wherever_amounts_are_not_added_up(open_page, desk):
    given = {"product_id": "initie", "amount": 0, "stripe_status": None, "customer_email": "zoe@example.com"}
    make(desk, 1, payment_intent_id="free_1", **given)
    make(desk, 2, customer_email="zoe@example.com")
    assert "<b>Offert</b>" in shown(open_page("orders"))
    assert "<b>Offert</b>" in shown(open_page("overview"))
    assert "Offert" in shown(open_page("order", id="free_1"))
    history = [button.label for button in open_page("order", id="pi_number2").button]
    assert any("Initié · Offert · terminée" in label for label in history)


def test_orders_are_listed_newest_first_in_words(open_page, desk):
    make(desk, 2, amount=19900, product_id="alchimique", amount_refunded=9950)
    make(desk, 1, customer_name="Anaïs", status="failed", stripe_status="requires_payment_method")
    make(desk, 3, product_id="initie", amount=0, payment_intent_id="free_3", stripe_status=None)
    frame = rows(open_page("orders"))
    assert list(frame["customer"]) == ["Anaïs", "person2@example.com", "person3@example.com"]
    assert [list(level) for level in frame["level"]] == [["Mystique"], ["Profond"], ["Initié"]]
    assert list(frame["amount"]) == [47, 199, 0]
    assert [list(status) for status in frame["status"]] == [["Refusée"], ["Remb. partiel"], ["Terminée"]]


def test_a_disagreement_with_stripe_is_marked(open_page, desk):
    make(desk, 1, status="pending", stripe_status="succeeded")
    make(desk, 2, status="pending", stripe_status="requires_payment_method")
    said = [list(told) for told in rows(open_page("orders"))["stripe_status"]]
    assert said == [["⚠ Réussi"], ["Attend une carte"]]
    assert list(rows(open_page("orders", stripe="differs"))["customer"]) == ["person1@example.com"]


def test_pages_are_turned_forth_and_back_by_links(open_page, desk):
    for number in range(55):
        make(desk, number)
    app = open_page("orders")
    assert len(rows(app)) == 50
    assert "1 à 50 sur 55" in shown(app)
    app.button(key="next").click().run()
    assert list(rows(app)["customer"]) == [f"person{number}@example.com" for number in range(50, 55)]
    assert app.button(key="next").disabled
    same = open_page("orders", after=app.query_params["after"])
    assert list(rows(same)["customer"]) == list(rows(app)["customer"])
    same.button(key="newest").click().run()
    assert "after" not in same.query_params
    assert rows(same)["customer"].iloc[0] == "person0@example.com"
    same.selectbox(key="size").set_value(25).run()
    assert (same.query_params["size"], len(rows(same))) == ("25", 25)


def test_a_cursor_that_is_none_shows_the_first_page(open_page, desk):
    make(desk, 1)
    assert len(rows(open_page("orders", after="nonsense"))) == 1


@pytest.mark.parametrize("by", ["id", "payment_intent_id", "customer_email", "customer_name"])
def test_an_order_is_found_by_what_support_is_told(open_page, desk, by):
    order = make(desk, 1, customer_name="Anaïs Lefèvre", payment_intent_id="pi_3QabCDefGHijKLmn")
    make(desk, 2, payment_intent_id="pi_3Qzz")
    app = open_page("orders")
    app.text_input(key="q").set_value(f"  {getattr(order, by)} ").run()
    assert app.query_params["q"] == getattr(order, by)
    assert list(rows(app)["customer"]) == ["Anaïs Lefèvre"]
    app.button(key="clear-filters").click().run()
    assert len(rows(app)) == 2


def test_a_search_that_finds_nothing_says_what_can_be_searched_for(open_page, desk):
    make(desk, 1)
    assert "ou un téléphone entier, sans autre filtre" in shown(open_page("orders", q="06 12 34 56 78"))
    assert "Élargissez la période" in shown(open_page("orders", status="failed"))


@pytest.mark.parametrize("search", ["$where", ".*", "{$ne: 1}", '"; drop', "[a-z]", "(", "\\", "x" * 2000])
def test_a_search_is_text_whatever_it_says(open_page, desk, search):
    make(desk, 1, customer_name="Zoé")
    app = open_page("orders", q=search)
    assert "Aucune commande ne correspond" in shown(app) or "Ce filtre n’est pas valable" in shown(app)


def test_a_filter_is_chosen_and_stands_in_the_link(open_page, desk):
    make(desk, 1, status="failed", stripe_status="requires_payment_method")
    make(desk, 2, product_id="profond", amount=6700)
    make(desk, 3, status="failed", stripe_status="requires_payment_method", amount=9900)
    app = open_page("orders")
    app.session_state["filters"] = True
    app.run()
    app.pills(key="filter-statuses").set_value(["failed"]).run()
    app.session_state["filters"] = True
    app.run()
    app.text_input(key="filter-max").set_value("47,00").run()
    link = {name: value for name, value in app.query_params.items() if name != "language"}
    assert link == {"status": "failed", "max": "4700"}
    assert list(rows(app)["customer"]) == ["person1@example.com"]
    assert "Refusée · au plus 47,00" in shown(app)
    assert list(rows(open_page("orders", **link))["customer"]) == ["person1@example.com"]


@pytest.mark.parametrize(("wanted", "written"), [(False, "no"), (True, "yes")])
def test_with_refunds_or_without_is_chosen_and_taken_back(open_page, wanted, written):
    app = open_page("orders")
    for chosen, link in ((wanted, written), (None, None)):
        app.session_state["filters"] = True
        app.run()
        app.segmented_control(key="filter-refunded").set_value(chosen).run()
        assert app.query_params.get("refunded") == link
        assert app.session_state["filter-refunded"] is chosen


def test_the_days_of_a_link_are_those_of_the_business(open_page, desk):
    # 00:30 in Paris is still the day before in UTC.
    make(desk, 1, created_at=datetime(2026, 7, 1, 22, 30, tzinfo=UTC))
    make(desk, 2, created_at=datetime(2026, 7, 1, 21, 30, tzinfo=UTC))
    link = {"from": "2026-07-02", "to": "2026-07-02"}
    assert list(rows(open_page("orders", **link))["customer"]) == ["person1@example.com"]


def test_a_link_that_means_nothing_shows_no_other_orders(open_page, desk):
    make(desk, 1)
    app = open_page("orders", status="paid")
    assert not app.dataframe
    assert app.error[0].title == "Ce filtre n’est pas valable."
    app.button[0].click().run()
    assert len(rows(app)) == 1


def test_a_search_without_a_letter_is_corrected_where_it_was_typed(open_page, desk):
    make(desk, 1, status="failed")
    app = open_page("orders", q="?!", status="failed")
    assert app.error[0].title == "Ce filtre n’est pas valable."
    assert app.text_input(key="q").value == "?!"
    app.text_input(key="q").set_value("person1").run()
    assert not app.error
    assert len(rows(app)) == 1
    assert app.query_params["status"] == "failed"


def test_a_view_is_saved_and_shown(open_page, desk, admin):
    make(desk, 1, status="failed", stripe_status="requires_payment_method")
    make(desk, 2, disputes=[Dispute(id="dp_1", amount=4700, status="lost", created_at=datetime.now(UTC))])
    app = open_page("orders", status="failed", sort="amount")
    app.session_state["save-view"] = True
    app.run()
    app.text_input(key="view-name").set_value("Refus par montant").run()
    next(button for button in app.button if button.label == "Enregistrer la vue").click().run()
    [view] = desk.views.all(actor=session.actor())
    assert (view.name, view.query) == ("Refus par montant", {"status": "failed", "sort": "amount"})
    assert desk.views.all(actor=admin) == []
    assert app.toast[0].value == "Vue enregistrée\u00a0: Refus par montant"
    app.query_params["sort"] = "-amount"
    for told in ("remplacée", "enregistrée"):
        app.session_state["save-view"] = True
        app.run()
        app.text_input(key="view-name").set_value("REFUS par montant").run()
        next(button for button in app.button if button.label == "Enregistrer la vue").click().run()
        assert app.toast[0].value == f"Vue {told}\u00a0: REFUS par montant"
    desk.views.save(
        "Refus par montant", {"status": "failed", "sort": "amount"}, shared=False, actor=session.actor()
    )
    fresh = open_page("orders")
    fresh.pills(key="view").set_value(view.id).run()
    assert (fresh.query_params["status"], fresh.query_params["sort"]) == ("failed", "amount")
    fresh.pills(key="view").set_value("built-in:disputed").run()
    assert list(rows(fresh)["customer"]) == ["person2@example.com"]
    assert fresh.query_params["disputed"] == "yes"


def test_views_of_one_name_are_told_apart_and_each_shows_its_own(open_page, desk, admin):
    mine = desk.views.save("Chères", {"min": "6700"}, shared=False, actor=session.actor())
    ours = desk.views.save("Chères", {"min": "9700"}, shared=True, actor=admin)
    like_ours = desk.views.save("Refusées", {"status": "cancelled"}, shared=True, actor=admin)
    app = open_page("orders")
    assert app.pills(key="view").options[6:] == ["Chères", "Refusées (pour tous)", "Chères (à moi)"]
    for view in (ours, like_ours, mine):
        app.pills(key="view").set_value(view.id).run()
        assert app.pills(key="view").value == view.id
        assert {name: app.query_params[name] for name in view.query} == view.query
    app.pills(key="view").set_value("built-in:failed").run()
    assert app.query_params["status"] == "failed"
    app.session_state["save-view"] = True
    app.run()
    deletes = [button.label for button in app.button if str(button.key).startswith("delete-")]
    assert deletes == ["Supprimer Chères", "Supprimer Refusées (pour tous)", "Supprimer Chères (à moi)"]


def test_a_view_can_be_saved_while_its_name_is_typed(open_page, desk):
    app = open_page("orders", status="failed")
    app.session_state["save-view"] = True
    app.run()
    # A field is taken when it is left, and a click on a button that is not open is lost.
    save = next(button for button in app.button if button.label == "Enregistrer la vue")
    assert not save.disabled
    save.click().run()
    assert desk.views.all(actor=session.actor()) == []
    assert app.error[0].title == "Ce nom ne convient pas."


def test_a_view_that_can_not_be_deleted_says_why(open_page, desk, monkeypatch):
    desk.views.save("Refus", {"status": "failed"}, shared=False, actor=session.actor())
    app = open_page("orders")
    app.session_state["save-view"] = True
    app.run()

    def away(*_, **__):
        raise StoreUnavailable("The store went away.")

    monkeypatch.setattr(type(desk.views), "delete", away)
    next(button for button in app.button if str(button.key).startswith("delete-")).click().run()
    assert not app.exception
    assert [warning.title for warning in app.warning] == ["Les commandes sont inaccessibles pour l’instant."]


def test_four_digits_find_the_orders_of_a_card(open_page, pay):
    order = pay("profond", customerName="Zoé Le Goff")
    app = open_page("orders", q="4242", min="6700", max="6700")
    page = shown(app)
    assert "avec une carte finissant par 4242" in page
    links = {link.proto.query_string.partition("&")[0]: link.label for link in app.page_link}
    assert "Zoé Le Goff · Profond · 67,00\u00a0€ · Terminée" in links[f"id={order.payment_intent_id}"]
    assert "Aucune commande ne correspond" not in page
    # Nobody has such a card.
    assert "Aucune commande ne correspond" in shown(open_page("orders", q="0001"))


def test_a_search_is_typed_no_longer_than_it_can_be(open_page):
    app = open_page("orders")
    assert {app.text_input(key="q").proto.max_chars, app.text_input(key="find-0").proto.max_chars} == {200}


def test_a_view_brings_its_columns_and_page_size_back(open_page, desk, admin):
    make(desk, 1, status="failed")
    app = open_page("orders", status="failed", columns="created,customer,amount", size="25")
    app.session_state["save-view"] = True
    app.run()
    app.text_input(key="view-name").set_value("Refus").run()
    next(button for button in app.button if button.label == "Enregistrer la vue").click().run()
    [view] = desk.views.all(actor=session.actor())
    assert view.layout == {"columns": "created,customer,amount", "size": "25"}

    # Elsewhere, with other columns: the view is laid out as it was saved, and is the one that is marked.
    fresh = open_page("orders", columns="created,net", size="100")
    fresh.pills(key="view").set_value(view.id).run()
    assert list(rows(fresh)) == ["created", "customer", "amount"]
    assert (fresh.query_params["size"], fresh.pills(key="view").value) == ("25", view.id)
    # A built-in one leaves the layout of the moment alone.
    fresh.pills(key="view").set_value("built-in:all").run()
    assert list(rows(fresh)) == ["created", "customer", "amount"]


def test_a_small_screen_cuts_off_no_state(open_page, desk):
    make(desk, 1)
    columns = list(rows(open_page("orders")).columns)
    assert columns.index("amount") < columns.index("status") < columns.index("stripe_status")
    # What takes the most room, and is read on the order's own page as well.
    assert columns[-1] == "email"


def test_a_view_saved_as_usual_brings_the_usual_columns_and_an_old_one_changes_none(
    open_page, desk, documents
):
    make(desk, 1, status="failed")
    usual = desk.views.save("Usual", {"status": "failed"}, {}, shared=True, actor=session.actor())
    documents.saved_views.insert_one({"_id": ":old", "name": "Old", "query": {"min": "1"}, "owner": ""})
    app = open_page("orders", columns="created,net")
    app.pills(key="view").set_value(":old").run()
    assert list(rows(app)) == ["created", "net"]
    assert app.pills(key="view").value == ":old"
    app.pills(key="view").set_value(usual.id).run()
    assert "columns" not in app.query_params
    assert "customer" in rows(app)


@pytest.mark.parametrize(
    ("spoilt", "names"),
    [
        ({"query": "status=failed"}, ["Good"]),
        ({"query": {"status": ["failed", "pending"]}}, ["Good"]),
        ({"name": 12}, ["Good"]),
        ({"layout": "size=50"}, ["Good", "Odd"]),
        ({"layout": {"size": 50}}, ["Good", "Odd"]),
    ],
)
def test_a_view_that_was_spoilt_in_the_store_hides_no_other(open_page, desk, documents, spoilt, names):
    make(desk, 1, status="failed")
    desk.views.save("Good", {"status": "failed"}, shared=True, actor=session.actor())
    whole = {"_id": ":odd", "name": "Odd", "query": {"status": "failed"}, "owner": ""}
    documents.saved_views.insert_one(whole | spoilt)
    # As a version that has no such field would leave it.
    documents.saved_views.insert_one({"_id": ":other", "owner": ""})
    app = open_page("orders")
    assert not app.error
    assert app.pills(key="view").options[-len(names) :] == names
    app.pills(key="view").set_value(":good").run()
    assert app.query_params["status"] == "failed"
    views = desk.views.all(actor=session.actor())
    assert [(view.name, view.layout) for view in views] == [(name, None) for name in names]


def test_only_who_may_saves_views_for_everyone(desk, admin):
    staff = Actor("max", Role.STAFF)
    desk.views.save("Mine", {"status": "failed"}, shared=False, actor=staff)
    desk.views.save("Ours", {"q": "zoe"}, shared=True, actor=admin)
    with pytest.raises(Forbidden):
        desk.views.save("All", {}, shared=True, actor=staff)
    assert [view.name for view in desk.views.all(actor=staff)] == ["Ours", "Mine"]
    assert [view.name for view in desk.views.all(actor=admin)] == ["Ours"]
    [ours, mine] = desk.views.all(actor=staff)
    with pytest.raises(Forbidden):
        desk.views.delete(ours, actor=staff)
    desk.views.delete(mine, actor=admin)
    assert len(desk.views.all(actor=staff)) == 2
    desk.views.delete(mine, actor=staff)
    assert [view.name for view in desk.views.all(actor=staff)] == ["Ours"]
    for name, query in (("", {}), ("x" * 61, {})):
        with pytest.raises(InvalidViewName):
            desk.views.save(name, query, shared=False, actor=admin)
    with pytest.raises(InvalidFilter):
        desk.views.save("x", {"status": "paid"}, shared=False, actor=admin)


def test_a_page_is_refreshed_and_what_fails_is_listed(open_page, desk, support):
    paid = desk.intents.create({"productId": "profond"}, actor=support, source="tests")
    desk.gateway.confirm_payment_intent(
        paid.order_id, "pm_card_visa", f"elsewhere-{paid.order_id}", "http://127.0.0.1/"
    )
    make(desk, 60, payment_intent_id="pi_nobody_knows")
    app = open_page("orders")
    app.button(key="refresh-orders").click().run()
    assert [list(status) for status in rows(app)["status"]] == [["Terminée"], ["Terminée"]]
    assert app.toast[0].value == "Stripe a répondu pour 1 commande."
    assert app.warning[0].title == "1 commande n’a pas pu être actualisée"
    assert "pi_nobody_knows" in app.warning[0].value


def test_free_orders_are_none_that_stripe_answered_for(open_page, desk, support, pay):
    desk.intents.create({"productId": "initie"}, actor=support, source="tests")
    app = open_page("orders")
    app.button(key="refresh-orders").click().run()
    assert app.toast[0].value == "Rien à demander à Stripe\u00a0: aucune de ces commandes n’y est."
    pay("profond")
    app.run()
    app.button(key="refresh-orders").click().run()
    assert app.toast[0].value == "Stripe a répondu pour 1 commande."


def test_why_orders_could_not_be_refreshed_is_said_once_for_all_of_them(open_page, desk):
    for number in (1, 2):
        make(desk, number, payment_intent_id=f"pi_nobody_knows_{number}")
    app = open_page("orders")
    app.button(key="refresh-orders").click().run()
    assert app.warning[0].value.count("Stripe refuse cette demande.") == 1
    assert all(f"`pi_nobody_knows_{number}`" in app.warning[0].value for number in (1, 2))
    # Of another list nothing was asked.
    app.pills(key="view").set_value("built-in:failed").run()
    assert not app.warning


def test_orders_that_have_not_changed_are_counted_in_plain_french(open_page, pay):
    pay("profond"), pay("mystique")
    app = open_page("orders")
    app.button(key="refresh-orders").click().run()
    assert app.toast[0].value == "Stripe a répondu pour 2 commandes. Commandes modifiées\u00a0: 0."


def test_every_column_can_be_shown(open_page, desk):
    at = datetime.now(UTC)
    make(
        desk,
        1,
        status="completed",
        completed_at=at,
        amount_refunded=100,
        last_refund_at=at,
        refunds=[Refund(id="re_1", amount=100, created_at=at)],
        failure_code="card_declined",
        source="api",
    )
    frame = rows(open_page("orders", columns=",".join(COLUMNS)))
    assert list(frame.columns) == list(COLUMNS)
    assert frame["payment_intent"][0] == desk.gateway.payment_intent_url("pi_number1")
    assert (frame["net"][0], frame["source"][0]) == (46, "le site")
    # Of what nobody paid nothing is left.
    desk.store.database.productorders.update_one({}, {"$set": {"status": "cancelled"}})
    frame = rows(open_page("orders", columns="amount,refunded,net"))
    assert frame["amount"][0] == 47
    assert frame[["refunded", "net"]].isna().all(axis=None)


def test_whoever_has_no_mouse_gets_the_list_as_links_and_comes_back_to_it(open_page, desk):
    order = make(desk, 1)
    app = open_page("orders", status="completed")
    app.button(key="other-form").click().run()
    assert app.query_params["as"] == "cards"
    assert not app.dataframe
    link = f"/order?id={order.order_id}&amp;list=status%3Dcompleted%26as%3Dcards"
    assert f'href="{link}"' in shown(app)
    app.button(key="other-form").click().run()
    assert "as" not in app.query_params
    assert len(app.dataframe) == 1


def test_who_gave_no_name_is_called_the_same_in_the_list_and_on_the_start_page(open_page, desk):
    make(desk, 1, customer_email=None)
    app = open_page("orders")
    assert list(rows(app)["customer"]) == ["Sans nom"]
    assert "<b>Sans nom</b>" in shown(app)
    assert "Sans nom · Mystique" in [link.value for link in open_page("overview").page_link]


def test_a_list_of_what_was_not_paid_says_why_and_nothing_of_refunds(open_page, desk):
    failed = {"status": "failed", "stripe_status": "requires_payment_method"}
    make(desk, 1, failure_code="insufficient_funds", **failed)
    make(desk, 2, status="pending", stripe_status="requires_payment_method")
    told = rows(open_page("orders", status="failed"))
    assert list(told["failure"]) == ["solde insuffisant"]
    assert "refunded" not in told.columns
    waiting = rows(open_page("orders", status="pending,failed"))
    assert {"stripe_status", "email"} <= set(waiting.columns)
    assert not {"refunded", "failure"} & set(waiting.columns)


@pytest.mark.parametrize("asked", [{"refunded": "yes"}, {"date": "refunded"}])
def test_how_much_went_back_stands_in_a_list_of_refunds_and_that_it_did_in_every_list(open_page, desk, asked):
    for number, amount in enumerate((4700, 2000, 0)):
        at = datetime.now(UTC) - timedelta(minutes=number)
        make(desk, number, amount_refunded=amount, last_refund_at=at if amount else None)
    states = [["Remboursée"], ["Remb. partiel"], ["Terminée"]]
    usual = rows(open_page("orders"))
    assert [list(status) for status in usual["status"]] == states
    assert "refunded" not in usual.columns
    listed = rows(open_page("orders", **asked))
    assert [list(status) for status in listed["status"]] == states[:2]
    assert sorted(listed["refunded"]) == [20, 47]


@pytest.mark.parametrize("heard", ["Zoé Muler", "mulller", "ZOE mulere"])
def test_a_misspelt_name_is_asked_for_again_as_it_is_written(open_page, desk, heard):
    make(desk, 1, customer_name="Zoé Müller", customer_email="a@example.com")
    make(desk, 2, customer_name="Paul Dupont", customer_email="b@example.com")
    make(desk, 3, customer_name="Zoé Mulot", customer_email="c@example.com")
    app = open_page("orders", q=heard)
    assert "Peut-être cherchiez-vous" in shown(app)
    likely = [button for button in app.button if (button.key or "").startswith("like-")]
    assert likely[0].label == "Zoé Müller"
    assert "Paul Dupont" not in [button.label for button in likely]
    likely[0].click().run()
    assert app.query_params["q"] == "Zoé Müller"
    assert list(rows(app)["customer"]) == ["Zoé Müller"]


@pytest.mark.parametrize("nothing_like_it", ["Xavier", "Marguerite Duras", "4242424", "zoe@example.com"])
def test_what_no_name_is_like_leads_to_none(open_page, desk, nothing_like_it):
    make(desk, 1, customer_name="Zoé Müller")
    assert "Peut-être cherchiez-vous" not in shown(open_page("orders", q=nothing_like_it))


def test_a_disputed_order_shows_as_such_in_the_usual_list_too(open_page, desk):
    for number, status in enumerate(("needs_response", "lost", "won")):
        told = Dispute(id="dp", amount=4700, status=status, created_at=datetime.now(UTC))
        make(desk, number, disputes=[told])
    assert [list(status) for status in rows(open_page("orders"))["status"]] == [
        ["Contestée"],
        ["Contestée"],
        ["Terminée"],
    ]


def test_a_dispute_that_is_due_today_says_so_and_one_whose_time_is_over_too(open_page, desk):
    last_of_today = datetime.now(ZoneInfo("Europe/Paris")).replace(hour=23, minute=59, second=59)
    for number, due_by in enumerate((last_of_today, datetime(2026, 3, 1, 12, tzinfo=UTC))):
        told = Dispute(
            id="dp", amount=4700, status="needs_response", created_at=datetime.now(UTC), due_by=due_by
        )
        make(desk, number, disputes=[told], customer_name=f"Client {number}")
    listed = rows(open_page("orders", disputed="yes"))
    assert list(listed["dispute"]) == ["Répondre aujourd’hui", "Délai expiré le 1er mars"]
    page = shown(open_page("overview"))
    assert "aujourd’hui</time>" in page
    assert "délai expiré</time>" in page


def test_the_disputes_that_wait_for_an_answer_are_one_choice_away(open_page, desk):
    for number, status in enumerate(("needs_response", "warning_needs_response", "under_review", "lost")):
        told = Dispute(id="dp", amount=4700, status=status, created_at=datetime.now(UTC))
        make(desk, number, disputes=[told])
    app = open_page("orders")
    app.session_state["filters"] = True
    app.run()
    app.segmented_control(key="filter-disputed").set_value(Disputed.NEEDS_RESPONSE).run()
    assert app.query_params["disputed"] == "needs_response"
    # By their deadline; of neither is one known, so the one that waits longest comes first.
    assert app.selectbox(key="sort").value is Sort.DUE
    assert list(rows(app)["dispute"]) == [
        "Question de la banque, réponse attendue",
        "Litige, réponse attendue",
    ]
    assert "avec un litige qui attend une réponse" in shown(app)
    app.segmented_control(key="filter-disputed").set_value(Disputed.YES).run()
    assert app.selectbox(key="sort").value is Sort.NEWEST
    assert len(app.selectbox(key="sort").options) == 4


def test_a_list_of_disputes_says_how_each_stands(open_page, desk):
    at = datetime(2026, 11, 20, 9, tzinfo=UTC)

    def disputed(number, *stands):
        disputes = [
            Dispute(id=f"du_{number}_{status}", amount=4700, status=status, created_at=at, due_by=due_by)
            for status, due_by in stands
        ]
        make(desk, number, status="completed", disputes=disputes)

    # In the evening at Greenwich it is the next day in Paris.
    disputed(1, ("lost", None), ("needs_response", datetime(2099, 12, 5, 23, 30, tzinfo=UTC)))
    disputed(2, ("under_review", None), ("won", None))
    disputed(3, ("won", None))
    app = open_page("orders", disputed="yes")
    frame = rows(app)
    assert sorted(frame["dispute"]) == ["Litige gagné", "Litige, à l’examen", "Répondre d’ici au 6 déc."]
    assert "refunded" not in frame.columns
    [cards] = [part.body for part in app.html if part.body.startswith("<ul")]
    assert cards.count("· Répondre d’ici au 6 déc.") == 1


def test_money_of_several_currencies_is_written_as_text(open_page, desk):
    make(desk, 1)
    make(desk, 2, currency="jpy", amount=500)
    assert list(rows(open_page("orders"))["amount"]) == ["47,00\u00a0€", "500\u00a0JPY"]


def test_the_way_back_from_an_order_is_the_list_it_was_opened_from(open_page, desk):
    make(desk, 1, status="failed", stripe_status="requires_payment_method")
    listed = {"status": "failed", "sort": "amount", "size": "25"}
    [cards] = [part.body for part in open_page("orders", **listed).html if part.body.startswith("<ul")]
    link = html.unescape(re.search('href="/order[?](.*?)"', cards)[1])
    # As it is loaded anew, or opened in another tab: no session knows of the list.
    query = dict(parse_qsl(link))
    order = open_page("order", **query)
    assert dict(parse_qsl(order.page_link[0].proto.query_string)) == listed
    # What the browser itself goes back to is the list at the order's address.
    back = open_page("orders", **query).query_params
    assert {name: back[name] for name in back if name != "language"} == listed
    made_up = open_page("order", **query | {"list": "embed=true&status=failed"})
    assert made_up.page_link[0].proto.query_string == "status=failed"


def test_a_former_link_leads_to_the_page_of_the_order(open_page, desk):
    make(desk, 1, customer_name="Anaïs")
    app = open_page("orders", order="pi_number1")
    assert "Anaïs" in shown(app)
    assert app.query_params["id"] == "pi_number1"


def test_what_a_customer_wrote_is_shown_as_text(open_page, desk):
    make(desk, 1, customer_name="<img src=x onerror=alert(1)>")
    page = shown(open_page("orders"))
    assert "&lt;img src=x" in page
    assert "<img" not in page


def test_an_order_of_the_former_program_is_shown_and_found(open_page, desk, documents):
    at = datetime(2025, 3, 1, 10, tzinfo=UTC)
    documents.productorders.insert_one(
        {
            "productId": "alchimique",
            "customerEmail": "old@example.com",
            "amount": 19900,
            "currency": "eur",
            "status": "completed",
            "paymentIntentId": "pi_old",
            "createdAt": at,
            "updatedAt": at,
            "metadata": {"customerName": "Hélène Dubois"},
            "__v": 0,
        }
    )
    for query in ({}, {"q": "helene"}, {"level": "profond"}, {"source": "former"}, {"min": "19900"}):
        app = open_page("orders", **query)
        assert rows(app)["customer"].iloc[0] == "Hélène Dubois"
    assert [list(told) for told in rows(app)["stripe_status"]] == [["Jamais vérifié"]]
    # It has no date of its own for that; column and filter take the same for it.
    app = open_page("orders", **{"date": "completed", "from": "2025-03-01", "to": "2025-03-01"})
    assert list(rows(app)["completed"]) == [at]


def test_english_is_spoken_to_an_english_browser(open_page, desk):
    make(desk, 1)
    app = open_page("orders", locale="en-GB", status="completed")
    assert app.title[0].value == "Orders"
    assert [list(status) for status in rows(app)["status"]] == [["Completed"]]
    assert "Completed" in shown(app)


def test_the_frame_of_no_orders_is_empty(desk):
    assert orders_frame([], ["created", "amount"]).empty


def test_of_two_amounts_the_one_that_is_none_is_named(open_page, desk):
    make(desk, 1)
    app = open_page("orders")

    def typed(name, amount):
        app.session_state["filters"] = True
        app.run()
        app.text_input(key=f"filter-{name}").set_value(amount).run()
        app.session_state["filters"] = True
        return shown(app.run())

    typed("min", "20,50")
    assert "«\u00a0cent \\*euros\\*\u00a0» n’est pas un montant" in typed("max", "cent *euros*")
    assert app.query_params["min"] == "2050"
    assert "n’est pas un montant" not in typed("max", "100")
    assert app.query_params["max"] == "10000"
