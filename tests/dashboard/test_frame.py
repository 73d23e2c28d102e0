"""What stands around every page: the mode, the languages, calm in the face of the unforeseen."""

import ast
import html
import re
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit
from zoneinfo import ZoneInfo

import pytest
from prometheus_client import REGISTRY
from pydantic import SecretStr
from streamlit.testing.v1 import AppTest

import lumira
from lumira import errors
from lumira.access import Role
from lumira.catalog import CATALOG
from lumira.dashboard import attempt, navigation, problems, session, theme
from lumira.stripe_gateway import TEST_PAYMENT_METHODS
from lumira.texts import texts, written_moment
from tests.conftest import opened
from tests.dashboard.conftest import ROUTER, shown

PAGES = ("overview", "orders", "new_payment", "revenue", "webhooks", "reconciliation")
SOURCES = [*ROUTER.parent.glob("*.py"), *navigation.PAGES.glob("*.py")]


@pytest.mark.parametrize("page", PAGES)
def test_every_page_says_that_it_is_test_mode(open_page, page):
    badge = shown(open_page(page))
    assert "lumira-mode-test" in badge
    assert "aucun argent réel" in badge
    assert "Stripe local" in badge


@pytest.mark.parametrize("page", PAGES)
def test_live_mode_looks_different(settings, open_page, page):
    live = settings.model_copy(
        update={"stripe_secret_key": SecretStr("sk_live_of_the_tests"), "allow_live": True}
    )
    with opened(live):
        badge = shown(open_page(page))
    assert "lumira-mode-live" in badge
    assert "<b>Production</b>" in badge
    assert "lumira-mode-test" not in badge.split("<style>")[0]


def test_the_language_is_changed_in_the_sidebar(open_page):
    app = open_page("orders")
    assert app.title[0].value == "Commandes"
    app.get_by_key("language").set_value("en").run()
    assert app.title[0].value == "Orders"


def test_a_card_opens_its_order_in_the_language_and_the_role_of_its_list(open_page, pay, at_the_desk):
    """A card loads the page anew, in a session that knows nothing of this one."""
    order = pay("mystique")
    assert f'href="/order?id={order.payment_intent_id}"' in shown(open_page("orders"))
    at_the_desk(Role.SUPPORT)
    app = open_page("orders")
    app.get_by_key("language").set_value("en").run()
    [cards] = [part.value for part in app.html if part.value.startswith("<ul")]
    link = dict(parse_qsl(urlsplit(html.unescape(re.search('href="(.*?)"', cards)[1])).query))
    assert link == {"id": order.payment_intent_id, "language": "English", "role": "support"}
    anew = AppTest.from_file(str(ROUTER), default_timeout=30)
    anew.context = {"locale": "fr-FR"}
    anew.switch_page(str(navigation.PAGES / "order.py"))
    for name, value in link.items():
        anew.query_params[name] = value
    anew.run()
    assert anew.get_by_key("role-en").value == Role.SUPPORT
    assert "What happened" in shown(anew)


def test_the_start_leads_to_today_in_the_language_and_the_role_of_its_address(desk):
    app = AppTest.from_file(str(ROUTER), default_timeout=30)
    app.context = {"locale": "fr-FR"}
    app.query_params["language"] = "English"
    app.query_params["role"] = Role.STAFF
    app.run()
    assert app.title[0].value == "Today"
    assert app.get_by_key("role-en").value == Role.STAFF


def test_who_asked_for_a_page_there_is_none_of_is_told_once(desk):
    app = AppTest.from_file(str(ROUTER), default_timeout=30)
    app.context = {"locale": "fr-FR"}
    app.query_params["unknown"] = "yes"
    app.run()
    assert [toast.value for toast in app.toast] == ["Cette page n’existe pas\u00a0: voici Aujourd’hui."]
    assert not app.run().toast


def test_the_unforeseen_is_no_traceback(open_page, desk, monkeypatch):
    app = open_page("orders")
    monkeypatch.setattr(desk.intents, "find", lambda *_, **__: 1 // 0)
    app.query_params["order"] = "pi_broken"
    app.run()
    assert not app.exception
    assert "INTERNAL_SERVER_ERROR" in app.error[0].value
    assert app.button(key="try-again")


def test_an_order_that_another_program_spoilt_says_so(open_page, desk, documents):
    documents.productorders.insert_one(
        {"paymentIntentId": "pi_broken", "createdAt": "not a date"}, bypass_document_validation=True
    )
    for page, named in (("orders", {"order": "pi_broken"}), ("order", {"id": "pi_broken"})):
        app = open_page(page, **named)
        assert not app.exception
        assert "ORDER_UNREADABLE" in app.error[0].value


def test_every_text_is_in_both_languages_with_the_same_places():
    french, english = texts("fr"), texts("en")
    assert list(french) == list(english), set(french) ^ set(english)
    for name in french:
        assert french[name], name
        assert english[name], name
        assert set(re.findall(r"{(\w+)}", french[name])) == set(re.findall(r"{(\w+)}", english[name])), name


@pytest.mark.parametrize("language", ["fr", "en"])
def test_no_name_stands_for_two_texts(language):
    """Of two the first would be shown in both places."""
    catalog = Path(lumira.__file__).parent / "locales" / language / "LC_MESSAGES" / "lumira.po"
    names = re.findall(r'^msgid "(.+)"$', catalog.read_text(encoding="utf-8"), re.MULTILINE)
    assert [name for name, count in Counter(names).items() if count > 1] == []


def test_no_line_of_french_breaks_before_its_punctuation_or_within_a_number():
    for name, french in texts("fr").items():
        assert not re.search(r" [;:!?»]|« ", french), name
        assert not re.search(r"\d \d{3}\b|[\d}] (s|ms|min|h|pt|Mo|Go)\b", french), name
        assert "'" not in french, f"{name}: the typographic apostrophe is ’"


def test_every_text_that_is_asked_for_exists():
    known = set(texts("fr"))
    for source in SOURCES:
        for call in ast.walk(ast.parse(source.read_text())):
            if not (isinstance(call, ast.Call) and isinstance(call.func, ast.Name)):
                continue
            for ending in {"text": [""], "counted": ["", ".one"]}.get(call.func.id, []):
                for name in _names(call.args[0]):
                    assert name + ending in known, f"{source.name}: {name}{ending}"


def _names(argument):
    if isinstance(argument, ast.Constant):
        return [argument.value]
    if isinstance(argument, ast.IfExp):
        return [*_names(argument.body), *_names(argument.orelse)]
    return []


def test_every_product_has_words():
    wanted = {f"product.{product.id}" for product in CATALOG.values()}
    wanted |= {f"holds.{item}" for product in CATALOG.values() for item in (*product.access, *product.bonus)}
    assert wanted - set(texts("fr")) == set()


def test_every_test_card_and_failure_has_words():
    for reason in TEST_PAYMENT_METHODS.values():
        assert f"failure.{reason}" in texts("fr") or reason in {"Visa", "Mastercard", "3-D Secure"}


def test_every_error_a_page_can_meet_has_words():
    met = (
        errors.InvalidEmail,
        errors.InvalidCustomer,
        errors.InvalidMetadata,
        errors.ProductNotAvailable,
        errors.OrderNotFound,
        errors.OrderUnreadable,
        errors.OrderNotCancellable,
        errors.OrderNotPayable,
        errors.OrderNotRefundable,
        errors.InvalidFirstName,
        errors.InvalidLastName,
        errors.EventNotFound,
        errors.EventInProgress,
        errors.IdempotencyConflict,
        errors.DuplicateValues,
        errors.StoreRightsMissing,
        errors.Forbidden,
        errors.StripeConfigError,
        errors.StripeServiceError,
        errors.StripeTimeout,
        errors.StoreUnavailable,
        errors.LumiraError,
    )
    for error in met:
        assert f"error.{error.code}" in texts("fr")
        assert f"error.{error.code}.next" in texts("fr")


def test_metadata_rows_become_metadata():
    rows = [{"key": " campaign ", "value": "noël"}, {"key": " ", "value": ""}]
    assert attempt.metadata_of(rows) == {"campaign": "noël"}
    with pytest.raises(errors.InvalidMetadata) as twice:
        attempt.metadata_of([{"key": "a", "value": "1"}, {"key": "a", "value": "2"}])
    assert problems.headline(twice.value) == "La clé «\u00a0a\u00a0» est là deux fois."
    assert problems.field_of(twice.value) == "metadata"


@pytest.mark.parametrize(
    ("error", "told"),
    [(errors.StripeTimeout("Try again."), ""), (errors.StripeServiceError("It is late."), " · It is late.")],
)
def test_what_stripe_said_is_told_and_nothing_where_it_said_nothing(error, told):
    def page(error):
        from lumira.dashboard import problems

        problems.show(error)

    app = AppTest.from_function(page, args=(error,)).run()
    assert app.warning[0].value.endswith(f"{error.code}{told}]")


def test_text_from_outside_is_no_markdown():
    assert problems.plain("**a** [b](c) `d`") == r"\*\*a\*\* \[b\]\(c\) \`d\`"


@pytest.mark.parametrize("page", sorted(Path(navigation.PAGES).glob("[a-z]*.py")))
def test_a_page_names_no_database_and_no_stripe(page):
    imported = {
        name
        for node in ast.walk(ast.parse(page.read_text()))
        if isinstance(node, (ast.Import, ast.ImportFrom))
        for name in (
            [node.module] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names]
        )
    }
    edges = ("pymongo", "bson", "stripe", "lumira.storage", "lumira.stripe_gateway", "lumira.sandbox")
    assert not any(name.startswith(edges) for name in imported)


@pytest.mark.parametrize(("light", "page"), [("dark", "#0F0B19"), ("light", "#FBF7EF")])
def test_every_chip_of_a_table_can_be_read(light, page):
    """Streamlit writes black on a chip, as it lies over the page, above a luminance of .5, else white."""
    assert page in (navigation.PAGES.parent / ".streamlit" / "config.toml").read_text()
    for kind, colours in (("level", theme.LEVEL_COLOURS), ("status", theme.STATUS_COLOURS)):
        for name, colour in colours.items():
            chip = theme.chip(colour, kind, light)
            share = int(chip[7:], 16) / 255
            background = _luminance(
                [
                    share * over + (1 - share) * under
                    for over, under in zip(_channels(chip), _channels(page), strict=True)
                ]
            )
            contrast = (background + 0.05) / 0.05 if background > 0.5 else 1.05 / (background + 0.05)
            assert contrast >= 4.5, f"{name} on {light}: {contrast:.2f}"


def _channels(colour):
    return [int(colour[place : place + 2], 16) for place in (1, 3, 5)]


def _luminance(channels):
    """https://www.w3.org/TR/WCAG22/#dfn-relative-luminance."""
    linear = [
        value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4
        for value in (channel / 255 for channel in channels)
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_the_search_of_every_page_leads_to_the_list_or_straight_to_the_order(open_page, pay):
    order = pay("profond", customerName="Zoé Le Goff")
    app = open_page("webhooks")
    app.get_by_key("find-0").set_value(" zoé ").run()
    assert app.title[0].value == "Commandes"
    assert app.query_params["q"] == "zoé"
    assert app.get_by_key("find-1").value == ""
    app = open_page("webhooks")
    app.get_by_key("find-0").set_value(order.payment_intent_id).run()
    assert app.query_params["id"] == order.payment_intent_id
    assert "67,00" in shown(app)


def test_half_an_id_in_the_search_of_every_page_finds_its_order(open_page, pay):
    order = pay("profond")
    app = open_page("webhooks")
    app.get_by_key("find-0").set_value(order.payment_intent_id[:12]).run()
    assert app.title[0].value == "Commandes"
    assert app.query_params["q"] == order.payment_intent_id[:12]
    assert len(app.dataframe[0].value) == 1


@pytest.fixture
def search(open_page):
    """Asks the search of every page for something; the page it leads to."""

    def search(asked: str) -> AppTest:
        app = open_page("webhooks")
        app.get_by_key("find-0").set_value(asked).run()
        assert not app.exception
        return app

    return search


def test_any_id_of_stripe_leads_to_its_order(search, desk, pay, admin):
    order = pay("profond")
    [refund] = desk.refunds.create(order.order_id, 2000, actor=admin).refunds
    [charge] = desk.payments.details(order.id, actor=admin).charges
    for named in (charge.id, refund.id, f"Reçu {charge.id}", order.id):
        assert search(named).query_params["id"] == order.payment_intent_id, named


def test_a_stripe_that_does_not_answer_is_asked_once_by_a_search_and_the_list_it_leads_to(
    settings, search, open_page, faulty_sandbox_url, fault, faults_left
):
    charge = "ch_3Q0000000000000000000000"
    with opened(settings.model_copy(update={"stripe_api_base": faulty_sandbox_url})):
        fault(answer=429, next=10, path="/v1/charges/")
        app = search(charge)
        assert [warning.title for warning in app.warning] == ["Stripe ne répond pas correctement."]
        assert faults_left() == 9
        app = open_page("orders", q=charge).run()
        assert faults_left() == 8
        app.button(key="try-again").click().run()
        assert faults_left() == 7


def test_the_dispute_of_a_letter_of_stripe_leads_to_its_order(search, desk, support):
    created = desk.intents.create({"productId": "profond"}, actor=support, source="tests")
    desk.intents.confirm(created.order_id, "pm_card_createDispute", actor=support)
    [dispute] = desk.gateway.list_disputes(created.order_id)
    assert search(dispute["id"]).query_params["id"] == created.order_id


def test_an_id_is_found_in_whatever_was_copied_with_it(search, pay):
    named = pay("profond").payment_intent_id
    for pasted in (
        f"https://dashboard.stripe.com/test/payments/{named}",
        f"{named[:9]} {named[9:]}",
        f"{named}_secret_abc",
        f"PaymentIntent : {named}.",
    ):
        assert search(pasted).query_params["id"] == named, pasted


def test_an_event_leads_to_what_came_of_it(search):
    assert search("evt_1").query_params["event"] == "evt_1"


def test_an_amount_leads_to_the_orders_of_that_amount(search, pay):
    pay("mystique")
    pay("profond")
    app = search("47 €")
    assert (app.query_params["min"], app.query_params["max"]) == ("4700", "4700")
    assert len(app.dataframe[0].value) == 1


def test_an_id_that_nobody_knows_is_told_so(search, pay):
    pay("mystique")
    before = asked_for_charges()
    app = search("ch_unknown")
    assert app.query_params["q"] == "ch_unknown"
    assert "ne porte ce numéro" in shown(app)
    assert asked_for_charges() == before + 1


@pytest.mark.parametrize(("named", "asked"), [("ch_unknown", True), ("pi_unknown", False), ("f" * 24, False)])
def test_stripe_is_said_to_know_no_such_id_only_where_it_was_asked(open_page, pay, named, asked):
    pay("mystique")
    page = shown(open_page("orders", q=named))
    assert ("le compte Stripe de ce bureau ne le connaît pas" in page) is asked
    # What was paid there and has no order here is found by its PaymentIntent.
    assert ("Payé chez Stripe et pas ici" in page.replace("\u202f", " ")) is not asked


def asked_for_charges() -> float:
    """How often Stripe has said that it knows no such charge."""
    labels = {"method": "GET", "resource": "charges", "status": "404"}
    return REGISTRY.get_sample_value("lumira_stripe_seconds_count", labels) or 0


def test_a_charge_in_the_search_of_the_list_offers_its_order(open_page, desk, pay, admin):
    order = pay("profond")
    [charge] = desk.payments.details(order.id, actor=admin).charges
    app = open_page("orders", q=charge.id)
    [link] = [link for link in app.page_link if link.value == "Ouvrir sa commande"]
    assert link.proto.query_string == f"id={order.payment_intent_id}"


def test_a_silent_stripe_does_not_make_a_charge_an_unknown_one(settings, search, pay):
    pay("mystique")
    with opened(settings.model_copy(update={"stripe_api_base": "http://127.0.0.1:9"})):
        page = shown(search("ch_unknown"))
    assert "ne porte ce numéro" not in page
    assert "Stripe" in page


def test_a_new_payment_begins_on_every_page_for_those_who_may(open_page, at_the_desk):
    app = open_page("webhooks")
    app.button(key="begin-payment").click().run()
    assert app.title[0].value == "Nouveau paiement"
    at_the_desk(Role.STAFF)
    assert "begin-payment" not in [button.key for button in open_page("webhooks").button]


@pytest.mark.parametrize(
    ("locale", "said"), [("fr-FR", ["0 commande", "2 commandes"]), ("en-GB", ["0 orders", "2 orders"])]
)
def test_none_is_singular_in_french(locale, said):
    def page():
        import streamlit as st

        from lumira.dashboard.texts import counted

        for count in (0, 2):
            st.text(counted("orders.shown", count))

    app = AppTest.from_function(page)
    app.context = {"locale": locale}
    assert [text.value for text in app.run().text] == said


def test_french_counts_the_first_of_a_month_in_moments_too():
    paris = ZoneInfo("Europe/Paris")
    first, later = datetime(2026, 12, 1, 9, 5, tzinfo=UTC), datetime(2026, 12, 21, 9, 5, tzinfo=UTC)
    assert written_moment(first, "fr", paris) == "1er déc. 2026 à 10:05"
    assert written_moment(later, "fr", paris) == "21 déc. 2026 à 10:05"
    assert written_moment(first, "en", paris) == "1 Dec 2026, 10:05"


def test_no_rule_styles_what_is_inside_of_what_it_chose_by_its_contents():
    """A browser then works the styles of the page out anew for whatever is put into it, and a chart measures
    each of its words that way: 7 ms a word instead of half of one.
    """
    sheet = re.sub(r"/\*.*?\*/", "", (theme.ASSETS / "lumira.css").read_text(), flags=re.DOTALL)
    contents = r"\((?:[^()]|\((?:[^()]|\([^()]*\))*\))*\)"
    lists = [selectors.strip() for selectors in re.findall(r"([^{};]+)\{", sheet) if ":has" in selectors]
    assert len(lists) > 10
    found = {
        selector
        for selector in lists
        for behind in re.split(rf":has{contents}", selector)[1:]
        if re.search(r"[ >~+]", re.sub(contents, "", behind.partition(",")[0]).lstrip(")"))
    }
    # Panels are few, and there is no other way to know of one that is open.
    assert found == {'body:has([data-testid="stPopoverBody"]) .lumira-mode'}


@pytest.mark.parametrize("looked_up", [0, 3, 6, 9])
def test_a_session_that_can_no_longer_be_looked_up_while_a_page_is_drawn_is_told_of(
    open_page, monkeypatch, looked_up
):
    # An answer of the store's counts for some seconds, which may end between any two questions.
    asked, actor = [], session.actor

    def away():
        asked.append(looked_up)
        if len(asked) > looked_up:
            raise errors.StoreUnavailable("The order store does not answer.")
        return actor()

    monkeypatch.setattr(session, "actor", away)
    app = open_page("orders")
    assert "STORE_UNAVAILABLE" in shown(app)
    assert app.get_by_key("try-again")
