"""The customer's page behind a payment link: who may see it, what it shows, and what it never gives away."""

import dataclasses
import re
from datetime import UTC, datetime, timedelta

import pytest
from pydantic import SecretStr

from lumira import desk as desks
from lumira.access import Actor, Role
from lumira.api.checkout import content_security_policy
from lumira.api.languages import language_of
from lumira.checkout import LIFETIME
from lumira.desk import Desk
from lumira.errors import Forbidden, OrderNotPayable
from tests import web
from tests.conftest import NO_STORE, opened

PUBLISHABLE_KEY = "pk_test_of_the_tests"
SECRET = re.compile(r"pi_\w+_secret_\w+")


@pytest.fixture
def settings(settings, faulty_sandbox_url):
    changed = {"stripe_publishable_key": PUBLISHABLE_KEY, "stripe_api_base": faulty_sandbox_url}
    return settings.model_copy(update=changed)


@pytest.fixture
def get(api_server, desk):
    """Asks for a path as a French browser would."""
    headers = {"Accept-Language": "fr-FR,fr;q=0.9,en;q=0.8"}
    with web.Client(base_url=api_server, headers=headers) as client:
        yield lambda path, **headers: client.get(path, headers=headers)


@pytest.fixture
def order(desk, support):
    created = desk.intents.create(
        {"productId": "mystique", "customerEmail": "zoe@example.com", "customerName": "Zoé"},
        actor=support,
        source="tests",
    )
    return desk.intents.find(created.order_id, actor=support)


@pytest.fixture
def link(desk, order, support):
    return desk.checkout.link(order, actor=support)


def test_a_link_shows_product_and_amount_and_nothing_else_of_the_order(get, link, order):
    answer = get(link)
    assert answer.status_code == 200
    assert "Niveau Mystique" in answer.text
    assert "47,00\u00a0€" in answer.text
    assert PUBLISHABLE_KEY in answer.text
    assert len(set(SECRET.findall(answer.text))) == 1
    for private in ("zoe@example.com", "Zoé", order.id):
        assert private not in answer.text


def test_the_page_is_kept_nowhere_and_loads_only_what_it_needs(get, link, desk):
    answer = get(link)
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["referrer-policy"] == "no-referrer"
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert f"script-src 'self' {desk.settings.stripe_api_base};" in policy
    assert "frame-ancestors 'none'" in policy
    assert get("/checkout/assets/checkout.css").headers["content-type"].startswith("text/css")


def test_an_english_browser_is_shown_an_english_page(get, link):
    page = get(link, **{"Accept-Language": "en"}).text
    assert "€47.00" in page
    assert "47,00" not in page


def test_with_stripe_itself_its_scripts_and_frames_may_be_loaded_and_nothing_else(settings):
    with opened(settings.model_copy(update={"stripe_api_base": None})) as desk:
        policy = content_security_policy(desk)
    allowed = {name: values for name, *values in (part.split() for part in policy.split("; "))}
    assert allowed["default-src"] == ["'none'"]
    # https://docs.stripe.com/security/guide#content-security-policy
    scripts = ["https://js.stripe.com", "https://*.js.stripe.com"]
    assert allowed["script-src"] == ["'self'", *scripts]
    assert allowed["connect-src"] == ["https://api.stripe.com"]
    assert allowed["frame-src"] == [*scripts, "https://hooks.stripe.com"]


def test_every_link_that_is_none_gets_the_same_answer(get, link, order, desk, support):
    other = desk.intents.create({"productId": "profond"}, actor=support, source="tests")
    others = desk.checkout.link(desk.intents.find(other.order_id, actor=support), actor=support)
    token, others_token = link.partition("token=")[2], others.partition("token=")[2]
    tries = [
        f"/checkout/{order.id}",
        f"/checkout/{order.id}?token=",
        f"/checkout/{order.id}?token=é",
        f"/checkout/{order.id}?token={token[:-1]}",
        f"/checkout/{order.id}?token={others_token}",
        f"/checkout/{order.payment_intent_id}?token={token}",
        f"/checkout/{'0' * 24}?token={token}",
        "/checkout/not-an-order?token=x",
        "/checkout/a/b",
        "/checkout/",
        "/checkout",
        "/checkout/assets/secret.key",
    ]
    answers = [get(path) for path in tries]
    assert {answer.status_code for answer in answers} == {404}
    assert len({answer.text for answer in answers}) == 1
    assert not SECRET.search(answers[0].text)


@pytest.mark.parametrize(("card", "word"), [("pm_card_visa", "Merci, c’est payé"), (None, "annulé")])
def test_a_paid_or_cancelled_order_gives_no_way_to_pay(get, link, order, desk, support, card, word):
    if card:
        desk.intents.confirm(order.payment_intent_id, card, actor=support)
    else:
        desk.intents.cancel(order.payment_intent_id, actor=support)
    answer = get(link)
    assert word in answer.text
    assert not SECRET.search(answer.text)
    assert "<script" not in answer.text
    assert "script-src 'self';" in answer.headers["content-security-policy"]


def test_what_happened_at_stripe_alone_shows_on_the_next_visit(get, link, order, desk, support):
    desk.gateway.cancel_payment_intent(order.payment_intent_id, "abandoned")
    assert "annulé" in get(link).text
    after = desk.intents.find(order.id, actor=support)
    assert (after.status, after.timeline[-1].by) == ("cancelled", "stripe")


def test_a_decline_is_told_in_the_customers_words_and_may_be_tried_again(get, link, order, desk, support):
    with pytest.raises(Exception, match="funds"):
        desk.intents.confirm(
            order.payment_intent_id, "pm_card_visa_chargeDeclinedInsufficientFunds", actor=support
        )
    answer = get(link)
    assert "Le solde de la carte ne suffit pas." in answer.text
    assert SECRET.search(answer.text)


def test_a_stolen_card_is_not_called_so(get, link, order, desk, support):
    with pytest.raises(Exception, match="declined"):
        desk.intents.confirm(order.payment_intent_id, "pm_card_visa_chargeDeclinedStolenCard", actor=support)
    answer = get(link)
    assert "Votre banque a refusé la carte." in answer.text
    # The client secret is drawn by lot, and one in some hundreds has these letters too.
    words = SECRET.sub("", answer.text).lower()
    assert "vol" not in words.replace("valable", "")


def test_an_old_link_expires_and_a_new_one_replaces_it(get, link, order, desk, support, documents):
    long_ago = datetime.now(UTC) - LIFETIME - timedelta(minutes=1)
    documents.productorders.update_one(
        {"paymentIntentId": order.payment_intent_id}, {"$set": {"createdAt": long_ago}}
    )
    old = desk.checkout.link(desk.intents.find(order.id, actor=support), actor=support)
    answer = get(old)
    assert "Ce lien a expiré" in answer.text
    assert not SECRET.search(answer.text)
    renewed = desk.checkout.renew(order.id, actor=support)
    assert get(old).status_code == 404
    assert SECRET.search(get(desk.checkout.link(renewed, actor=support)).text)
    assert desk.audit.of_order(order.id)[-1].action == "renew_payment_link"


def test_a_link_survives_a_restart(get, link, settings):
    with opened(settings.model_copy()) as again:
        # The database of `opened` is dropped in the end, this desk's own is asked before.
        desks.use(again)
        assert get(link).status_code == 200


def test_while_stripe_is_silent_the_page_is_calm_and_the_link_stays(get, link, fault):
    fault(answer=500, path="/v1/payment_intents", retry=False)
    answer = get(link)
    assert answer.status_code == 503
    assert "momentanément indisponible" in answer.text
    assert get(link).status_code == 200


def test_who_may_have_paid_already_is_not_told_that_they_have_not(get, link, order, desk, fault):
    desk.gateway.confirm_payment_intent(
        order.payment_intent_id, "pm_card_visa", order.id, "http://127.0.0.1/"
    )
    fault(answer=500, path="/v1/payment_intents", retry=False)
    answer = get(link)
    assert "momentanément indisponible" in answer.text
    assert "Rien n’a été débité" not in answer.text
    assert "Merci, c’est payé" in get(link).text


def test_while_the_store_is_down_the_page_is_calm(get, link, desk, settings):
    down = settings.model_copy(update={"mongodb_uri": SecretStr(NO_STORE)})
    unreachable = Desk.open(down)
    desks.use(unreachable)
    answer = get(link)
    unreachable.store.close()
    assert answer.status_code == 503
    assert "momentanément indisponible" in answer.text


def test_what_nobody_foresaw_is_a_calm_page_too(get, link, desk):
    desks.use(dataclasses.replace(desk, checkout=None))
    answer = get(link)
    assert (answer.status_code, answer.headers["content-type"]) == (500, "text/html; charset=utf-8")
    assert "momentanément indisponible" in answer.text


def test_a_client_secret_in_the_address_is_left_at_once(get, link):
    answer = get(f"{link}&payment_intent=pi_1&payment_intent_client_secret=pi_1_secret_2&redirect_status=x")
    assert answer.status_code == 303
    # A path alone: behind a proxy we would name http, and the token would go over it once.
    assert answer.headers["location"] == link
    assert answer.headers["cache-control"] == "no-store"


def test_only_who_may_create_payments_gets_links_and_only_for_what_can_be_paid(desk, order, support):
    with pytest.raises(Forbidden):
        desk.checkout.link(order, actor=Actor("fanny", Role.FINANCE))
    with pytest.raises(Forbidden):
        desk.checkout.renew(order.id, actor=Actor("fanny", Role.FINANCE))
    free = desk.intents.create({"productId": "initie"}, actor=support, source="tests")
    with pytest.raises(OrderNotPayable):
        desk.checkout.link(desk.intents.find(free.order_id, actor=support), actor=support)
    paid = desk.intents.confirm(order.id, "pm_card_visa", actor=support)
    with pytest.raises(OrderNotPayable):
        desk.checkout.link(paid, actor=support)


def test_without_a_publishable_key_the_page_is_calm(settings, api_server, desk, link):
    desk.checkout.publishable_key = None
    answer = web.get(f"{api_server}{link}", headers={"Accept-Language": "en"})
    assert answer.status_code == 503
    assert "Payment is unavailable at the moment" in answer.text
    assert not SECRET.search(answer.text)


@pytest.mark.parametrize(
    ("asked", "language"),
    [
        ("", "fr"),
        ("en-GB,en;q=0.9", "en"),
        ("de,en;q=0.7,fr;q=0.3", "en"),
        ("en;q=0.2, fr;q=0.8", "fr"),
        # White space may stand around a semicolon: https://www.rfc-editor.org/rfc/rfc9110#section-12.4.2
        ("fr; q=0.2, en ; q=0.8", "en"),
        ("de", "fr"),
        ("en;q=x,fr;q=0.1", "fr"),
    ],
)
def test_the_language_is_the_browsers(asked, language):
    assert language_of(asked) == language
