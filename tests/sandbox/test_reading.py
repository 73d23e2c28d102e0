"""Lists, expansion, search, and the smaller resources."""

import time
import uuid
from datetime import UTC, datetime, timedelta

import pytest
import stripe

from lumira.sandbox.history import PastDispute, PastPayment, PastRefund, write_history
from tests import web
from tests.sandbox.conftest import advance, client_of, eventually, paid


def refused(call, *args):
    with pytest.raises(stripe.InvalidRequestError) as caught:
        call(*args)
    return caught.value


@pytest.fixture
def customer(client):
    return client.v1.customers.create({"email": f"{uuid.uuid4().hex}@example.com", "name": "Ada"})


@pytest.fixture
def three(client, customer):
    """A customer's three PaymentIntents, oldest first."""
    create = client.v1.payment_intents.create
    return [
        create({"amount": amount, "currency": "eur", "customer": customer.id, "metadata": {"n": str(amount)}})
        for amount in (1000, 2000, 3000)
    ]


def ids(page):
    return [item.id for item in page.data]


def test_lists_are_newest_first_and_paged_both_ways(client, customer, three):
    oldest, middle, newest = [intent.id for intent in three]
    mine = {"customer": customer.id}
    page = client.v1.payment_intents.list({**mine, "limit": 2})
    assert (ids(page), page.has_more) == ([newest, middle], True)
    following = client.v1.payment_intents.list({**mine, "starting_after": middle})
    assert (ids(following), following.has_more) == ([oldest], False)
    before = client.v1.payment_intents.list({**mine, "ending_before": oldest, "limit": 1})
    assert (ids(before), before.has_more) == ([middle], True)
    assert [one.id for one in client.v1.payment_intents.list({**mine, "limit": 1}).auto_paging_iter()] == [
        newest,
        middle,
        oldest,
    ]


def test_lists_filter_by_time(client, customer, three):
    now = int(time.time())
    mine = {"customer": customer.id}
    assert (
        len(client.v1.payment_intents.list({**mine, "created": {"gte": now - 60, "lt": now + 60}}).data) == 3
    )
    assert client.v1.payment_intents.list({**mine, "created": {"gt": now + 60}}).data == []
    assert client.v1.payment_intents.list({**mine, "created": three[0].created}).data


@pytest.mark.parametrize("limit", [0, 101, -1])
def test_a_page_has_1_to_100_objects(client, limit):
    assert refused(client.v1.payment_intents.list, {"limit": limit}).param == "limit"


def test_cursors_must_exist_and_exclude_each_other(client, three):
    missing = refused(client.v1.payment_intents.list, {"starting_after": "pi_none"})
    assert (missing.http_status, missing.code, missing.param) == (400, "resource_missing", "starting_after")
    both = {"starting_after": three[0].id, "ending_before": three[1].id}
    assert refused(client.v1.payment_intents.list, both).code == "parameters_exclusive"
    assert refused(client.v1.payment_intents.list, {"customer": "cus_none"}).param == "customer"


def test_expanding(client, customer):
    intent = paid(client, customer=customer.id, capture_method="automatic")
    found = client.v1.payment_intents.retrieve(
        intent.id,
        {"expand": ["customer", "payment_method", "latest_charge.balance_transaction.source"]},
    )
    assert found.customer.email == customer.email
    assert found.payment_method.card.last4 == "4242"
    assert found.latest_charge.balance_transaction.source.id == found.latest_charge.id
    listed = client.v1.payment_intents.list({"customer": customer.id, "expand": ["data.latest_charge"]})
    assert listed.data[0].latest_charge.amount == 4700
    assert "data.customer" in refused(client.v1.payment_intents.list, {"expand": ["customer"]}).user_message
    unexpandable = refused(client.v1.payment_intents.retrieve, intent.id, {"expand": ["amount"]})
    assert unexpandable.user_message == "This property cannot be expanded (amount)."
    too_deep = ["latest_charge.payment_intent.latest_charge.payment_intent.latest_charge"]
    assert refused(client.v1.payment_intents.retrieve, intent.id, {"expand": too_deep})


def test_search_by_metadata_and_fields(client, customer, three):
    search = lambda query, **more: client.v1.payment_intents.search({"query": query, **more})  # noqa: E731
    mine = f"customer:'{customer.id}'"
    assert ids(search(f"{mine} AND metadata['n']:'2000'")) == [three[1].id]
    assert len(search(f"{mine} amount>=2000").data) == 2
    assert len(search(f'{mine} AND -metadata["n"]:"1000"').data) == 2
    assert len(search(f"{mine} AND status:'requires_payment_method' AND currency:'eur'").data) == 3
    assert search(f"{mine} AND metadata['absent']:null").data
    assert search(f"{mine} AND -metadata['n']:null AND amount<1500").data[0].id == three[0].id
    assert search(f"{mine} AND created>{int(time.time()) + 100}").data == []
    either = search(f"metadata['n']:'{uuid.uuid4()}' OR {mine}", expand=["total_count"])
    assert (len(either.data), either.total_count) == (3, 3)
    first = search(mine, limit=2)
    assert first.has_more
    assert ids(search(mine, limit=2, page=first.next_page)) == [three[0].id]


@pytest.mark.parametrize(
    "query",
    [
        "",
        "amount",
        "colour:'red'",
        "amount:'a'",
        "status~'succ'",
        "status:'a' AND amount>1 OR amount<3",
        # https://docs.stripe.com/search#quotes
        "status:succeeded",
        "metadata['n']:eur",
        "'x'",
    ],
)
def test_a_query_that_is_none(client, query):
    assert (
        refused(client.v1.payment_intents.search, {"query": query} if query else {"query": " "}).http_status
        == 400
    )


def test_search_customers_and_charges(client, customer):
    found = client.v1.customers.search({"query": f"email~'{customer.email[:10]}'"})
    assert ids(found) == [customer.id]
    intent = paid(client, customer=customer.id)
    query = f"customer:'{customer.id}' AND payment_method_details.card.last4:4242 AND refunded:null"
    assert ids(client.v1.charges.search({"query": query})) == [intent.latest_charge]


def test_a_search_takes_words_in_any_case_and_a_text_by_whole_words(client, three):
    search = lambda query: ids(client.v1.payment_intents.search({"query": query}))  # noqa: E731
    mark = uuid.uuid4().hex
    client.v1.payment_intents.update(three[0].id, {"metadata": {"mark": mark}})
    assert search(f"metadata['mark']:'{mark.upper()}' AND currency:'EUR'") == [three[0].id]
    named = client.v1.customers.create({"name": f"Zoé Le Goff {mark}"}).id
    customers = lambda query: ids(client.v1.customers.search({"query": query}))  # noqa: E731
    assert customers(f"name:'le goff {mark}'") == [named]
    assert customers(f"name:'goff le {mark}'") == customers(f"name:'off {mark}'") == []


@pytest.mark.parametrize(("refund", "said"), [(0, "null"), (1000, "'false'"), (4700, "'true'")])
def test_a_charge_is_found_by_how_much_of_it_went_back(client, customer, refund, said):
    """https://docs.stripe.com/search#query-fields-for-charges."""
    intent = paid(client, customer=customer.id)
    if refund:
        client.v1.refunds.create({"payment_intent": intent.id, "amount": refund})
    found = {
        asked: ids(client.v1.charges.search({"query": f"customer:'{customer.id}' refunded:{asked}"}))
        for asked in ("null", "'false'", "'true'")
    }
    assert found == {asked: [intent.latest_charge] if asked == said else [] for asked in found}


def test_customers(client, customer):
    assert ids(client.v1.customers.list({"email": customer.email})) == [customer.id]
    updated = client.v1.customers.update(
        customer.id, {"address": "", "phone": "+33600000000", "metadata": {"a": "b"}}
    )
    assert (updated.address, updated.phone, updated.metadata.to_dict()) == (None, "+33600000000", {"a": "b"})
    assert refused(client.v1.customers.create, {"email": "nobody"}).code == "email_invalid"


def test_payment_methods_are_attached_listed_and_detached(client, customer):
    method = client.v1.payment_methods.attach("pm_card_visa", {"customer": customer.id})
    assert method.customer == customer.id
    assert ids(client.v1.payment_methods.list({"customer": customer.id, "type": "card"})) == [method.id]
    elsewhere = client.v1.customers.create({})
    stolen = {"amount": 4700, "currency": "eur", "payment_method": method.id, "customer": elsewhere.id}
    assert refused(client.v1.payment_intents.create, stolen).param == "payment_method"
    assert paid(client, method.id, customer=customer.id).payment_method == method.id
    assert client.v1.payment_methods.detach(method.id).customer is None


def test_a_card_is_kept_for_future_use(client, customer):
    intent = paid(client, customer=customer.id, setup_future_usage="off_session")
    assert client.v1.payment_methods.retrieve(intent.payment_method).customer == customer.id


def test_a_secret_key_cannot_send_card_numbers(client):
    card = {"number": "4242424242424242", "exp_month": 12, "exp_year": 2034, "cvc": "123"}
    with pytest.raises(
        stripe.CardError, match="generally unsafe"
    ) as caught:  # 402, though no card was declined
        client.v1.payment_methods.create({"type": "card", "card": card})
    assert caught.value.error.type == "invalid_request_error"


def test_the_account_its_balance_and_its_payouts(serve):
    client = client_of(serve(country="FR"))
    account = client.v1.accounts.retrieve_current()
    assert (account.country, account.default_currency, account.charges_enabled) == ("FR", "eur", True)
    assert client.v1.accounts.retrieve_current().id == account.id
    assert client.v1.balance.retrieve().available[0].to_dict()["amount"] == 0
    assert client.v1.payouts.list().data == []


def test_money_becomes_available_after_a_week_and_is_paid_out_that_night(serve):
    address = serve()
    client = client_of(address)
    paid(client, capture_method="automatic")
    assert client.v1.balance.retrieve().pending[0].amount == 4604
    status = lambda: client.v1.balance_transactions.list({"type": "charge"}).data[0].status  # noqa: E731
    advance(address, days=7)
    assert eventually(status, lambda status: status == "available")
    advance(address, days=2)
    [payout] = eventually(
        lambda: client.v1.payouts.list({"status": "paid", "expand": ["data.balance_transaction"]}).data, bool
    )
    assert (payout.amount, payout.currency, payout.automatic) == (4604, "eur", True)
    assert payout.arrival_date == payout.created + 86400
    assert payout.created % 86400 == 0
    assert client.v1.payouts.list({"arrival_date": {"gt": payout.arrival_date}}).data == []
    assert client.v1.payouts.list({"arrival_date": payout.arrival_date}).data[0].id == payout.id
    assert (payout.balance_transaction.net, payout.balance_transaction.type) == (-4604, "payout")
    parts = client.v1.balance_transactions.list({"payout": payout.id}).data
    assert sorted((part.type, part.net) for part in parts) == [("charge", 4604), ("payout", -4604)]
    assert client.v1.balance.retrieve().available[0].amount == 0
    told = [event.type for event in client.v1.events.list({"type": "payout.*"}).data]
    assert told == ["payout.reconciliation_completed", "payout.paid", "payout.created"]


def test_a_refund_above_the_balance_waits_for_the_next_payment_to_be_paid_out(serve):
    address = serve()
    client = client_of(address)
    intent = paid(client, "pm_card_bypassPending", capture_method="automatic")
    client.v1.refunds.create({"payment_intent": intent.id})
    advance(address, days=9)
    # The fee is kept: 46.04 came in at once and was paid out, 47.00 went out a week later.
    [payout] = eventually(lambda: client.v1.payouts.list({"status": "paid"}).data, bool)
    assert payout.amount == 4604
    eventually(lambda: client.v1.balance.retrieve().available[0].amount, lambda amount: amount == -4700)
    paid(client, "pm_card_bypassPending", capture_method="automatic", amount=10000)
    advance(address, days=2)
    latest = eventually(lambda: client.v1.payouts.list().data, lambda payouts: len(payouts) == 2)[0]
    assert latest.amount == 10000 - 175 - 4700


def test_a_history_has_been_paid_out(tmp_path, serve):
    now = datetime.now(UTC)
    refund = PastRefund(1000, now - timedelta(days=20))
    then = now - timedelta(days=30)
    past = PastPayment("pi_past", 4700, "eur", then, then, "succeeded", refunds=(refund,))
    written = write_history(tmp_path / "state.sqlite", [past])
    again = write_history(tmp_path / "state.sqlite", [past])
    assert (again.ids, again.events) == (written.ids, [])
    client = client_of(serve(state=tmp_path / "state.sqlite"))
    [payout] = client.v1.payouts.list().data
    assert (payout.amount, payout.status) == (4604, "paid")
    assert then.timestamp() + 7 * 86400 < payout.created <= then.timestamp() + 8 * 86400
    assert client.v1.balance.retrieve().available[0].amount == -1000
    assert client.v1.payment_intents.retrieve("pi_past").created == int(then.timestamp())


def test_of_a_history_stripe_knows_the_events_of_30_days_and_delivers_none(tmp_path, serve):
    now = datetime.now(UTC)
    old, recent = now - timedelta(days=31), now - timedelta(days=2)
    refund = PastRefund(1000, recent + timedelta(hours=1))
    past = [
        PastPayment("pi_old", 4700, "eur", old, old, "succeeded", refunds=(refund,)),
        PastPayment("pi_recent", 6700, "eur", recent, recent + timedelta(minutes=1), "succeeded"),
        PastPayment(
            *("pi_declined", 4700, "eur", recent, recent, "requires_payment_method"),
            decline_code="insufficient_funds",
        ),
    ]
    written = write_history(tmp_path / "state.sqlite", past)
    client = client_of(serve(state=tmp_path / "state.sqlite"))
    listed = list(client.v1.events.list({"limit": 100}).auto_paging_iter())
    assert {event.id for event in listed} == {event["id"] for event in written.events}
    assert all(event.pending_webhooks == 0 and event.created > old.timestamp() for event in listed)
    told = {
        (
            event["type"],
            event["data"]["object"].get("payment_intent") or event["data"]["object"]["id"],
        ): event["created"]
        for event in written.events
    }
    assert told["payment_intent.created", "pi_recent"] == int(recent.timestamp())
    assert told["payment_intent.succeeded", "pi_recent"] == int(recent.timestamp()) + 60
    assert told["charge.refunded", "pi_old"] == int(recent.timestamp()) + 3600
    assert ("payment_intent.payment_failed", "pi_declined") in told
    assert ("payment_intent.succeeded", "pi_old") not in told


def test_disputes_of_the_past_take_money_when_they_are_opened_and_give_it_back_when_won(tmp_path, serve):
    then, day = datetime.now(UTC) - timedelta(days=90), timedelta(days=1)
    opened, answered, closed = then + 20 * day, then + 22 * day, then + 60 * day
    known = {
        # Nobody answered, and the time to do so is over.
        "pi_forgotten": PastDispute(opened, "fraudulent"),
        "pi_review": PastDispute(opened, "duplicate", "under_review", answered),
        "pi_won": PastDispute(opened, "product_unacceptable", "won", answered, closed),
        "pi_lost": PastDispute(opened, "product_not_received", "lost", answered, closed),
    }
    past = [
        PastPayment(name, 4700, "eur", then, then, "succeeded", disputes=(dispute,))
        for name, dispute in known.items()
    ]
    written = write_history(tmp_path / "state.sqlite", past).ids
    assert write_history(tmp_path / "state.sqlite", past).ids == written
    client = client_of(serve(state=tmp_path / "state.sqlite"))
    for name, dispute in known.items():
        [found] = client.v1.disputes.list({"payment_intent": name}).data
        assert written[name].disputes == [found.id]
        assert (found.status, found.reason, found.created) == (
            "lost" if name == "pi_forgotten" else dispute.status,
            dispute.reason,
            int(opened.timestamp()),
        )
        moved = [(int(opened.timestamp()), -6700), (int(closed.timestamp()), 6700)]
        booked = [(one.created, one.net) for one in found.balance_transactions]
        assert booked == moved[: 2 if name == "pi_won" else 1]
    # The payout of before the disputes is whole.
    [payout] = client.v1.payouts.list().data
    assert payout.amount == 4 * 4604
    assert payout.created < opened.timestamp()
    assert client.v1.balance.retrieve().available[0].amount == -3 * 6700
    assert client.v1.events.list().data == []


def test_events_are_kept_for_30_days(tmp_path, serve):
    state = tmp_path / "state.sqlite"
    address = serve(state=state, webhook_url="http://127.0.0.1:9/", back_off=())
    client = client_of(address)
    intent = client.v1.payment_intents.create({"amount": 4700, "currency": "eur"})
    [event] = client.v1.events.list().data
    advance(address, days=29)
    assert client.v1.events.retrieve(event.id).id == event.id
    advance(address, days=2)
    eventually(lambda: client.v1.events.list().data, lambda events: events == [])
    assert web.get(f"{address}/_sandbox/deliveries").json()["deliveries"] == []
    assert client.v1.payment_intents.retrieve(intent.id).id == intent.id


def test_charges_are_annotated(client):
    charge = client.v1.charges.update(
        paid(client).latest_charge, {"description": "seen", "metadata": {"a": "b"}}
    )
    assert (charge.description, charge.metadata.a) == ("seen", "b")
