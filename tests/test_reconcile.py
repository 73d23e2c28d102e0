"""Reconciliation: what differs is reported, and repaired when asked to; nothing is ever made worse."""

from __future__ import annotations

import itertools
import secrets
import time
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
import stripe
import typer
from bson import ObjectId
from prometheus_client import REGISTRY

from lumira.access import Actor, Role
from lumira.commands import reconcile as command
from lumira.differences import Kind, Report, restored, saved
from lumira.errors import Forbidden, StripeConfigError, StripeServiceError
from lumira.orders import OrderStatus, TimelineEntry
from lumira.reconcile import Reconciliation
from lumira.refunds import Refund
from lumira.storage import Reconciliations
from lumira.stripe_gateway import StripeGateway
from tests.conftest import STRIPE_KEY, reconciliation_of, wait_until
from tests.conftest import own_sandbox as sandbox_url

__all__ = ["sandbox_url"]

ADMIN = Actor("ada", Role.ADMIN)
FINANCE = Actor("fanny", Role.FINANCE)
PAY = "pm_card_visa"


@pytest.fixture
def create(desk, support):
    """Creates an order and answers it as stored."""

    def create(product="mystique"):
        created = desk.intents.create({"productId": product}, actor=support, source="tests")
        return desk.intents.find(created.order_id, actor=support)

    return create


@pytest.fixture
def run(desk):
    """Runs a walk over the last day and keeps what concerns this test's orders and PaymentIntents."""

    def run(*payment_intent_ids, apply=False, actor=ADMIN):
        report = desk.reconciliation.run(datetime.now(UTC) - timedelta(days=1), actor=actor, apply=apply)
        return [
            (difference.kind, difference.repaired)
            for difference in report.differences
            if difference.payment_intent_id in payment_intent_ids or difference.payment_intent_id is None
        ]

    return run


def pay(desk, order, method=PAY):
    """Pays the order at Stripe, unheard by us."""
    desk.gateway.confirm_payment_intent(
        order.payment_intent_id, method, secrets.token_hex(8), "http://127.0.0.1/"
    )


def stored(desk):
    """Every stored order, as the database has it."""
    return list(desk.store.database.productorders.find().sort("_id"))


def test_what_agrees_is_not_reported(desk, create, run, support):
    waiting, paid, free = create(), create(), create("initie")
    desk.intents.confirm(paid.id, PAY, actor=support)
    before = stored(desk)
    assert run(waiting.payment_intent_id, paid.payment_intent_id, free.payment_intent_id) == []
    report = desk.reconciliation.run(datetime.now(UTC) - timedelta(days=1), actor=ADMIN)
    assert (report.orders, report.free) == (2, 1)
    assert stored(desk) == before


def test_a_payment_we_never_heard_of_is_reported_and_then_applied(desk, create, run):
    order = create()
    pay(desk, order)
    before = stored(desk)
    assert run(order.payment_intent_id) == [(Kind.STATUS, False)]
    assert stored(desk) == before
    assert run(order.payment_intent_id, apply=True) == [(Kind.STATUS, True)]
    assert desk.orders.find(order.id).status is OrderStatus.COMPLETED
    assert run(order.payment_intent_id) == []


def test_an_amount_changed_before_payment_is_told_once(desk, create, run):
    order = create()
    spoilt = {"$set": {"amount": 9900, "stripeStatus": "requires_payment_method"}}
    desk.store.database.productorders.update_one({"_id": ObjectId(order.id)}, spoilt)
    assert run(order.payment_intent_id, apply=True) == [(Kind.AMOUNT, True)]
    order = desk.orders.find(order.id)
    assert (order.amount, order.status) == (4700, OrderStatus.PENDING)
    assert [entry.kind for entry in order.timeline if entry.kind.startswith("amount.")] == ["amount.changed"]


@pytest.mark.parametrize("status", ["processing", "cancelled"])
def test_an_order_that_may_not_move_to_where_stripe_is_takes_the_amount_all_the_same(
    desk, create, run, status
):
    order = create()
    spoilt = {"$set": {"amount": 9900, "status": status}}
    desk.store.database.productorders.update_one({"_id": ObjectId(order.id)}, spoilt)
    found = run(order.payment_intent_id, apply=True)
    assert found == [(Kind.STATUS, False), (Kind.AMOUNT, True)]
    order = desk.orders.find(order.id)
    assert (order.amount, order.status, order.timeline[-1].kind) == (4700, status, "amount.corrected")
    assert run(order.payment_intent_id) == [(Kind.STATUS, False)]


class Overtaken:
    """A Stripe where something happens the moment after it has told of a PaymentIntent."""

    def __init__(self, gateway, happens):
        self._gateway = gateway
        self._happens = happens

    def __getattr__(self, name):
        return getattr(self._gateway, name)

    def retrieve_payment_intent(self, *arguments):
        told = self._gateway.retrieve_payment_intent(*arguments)
        self._happens()
        return told


def test_an_amount_paid_meanwhile_is_not_corrected_to_the_one_before(settings, desk, create, support):
    order = create()
    client = stripe.StripeClient(STRIPE_KEY, base_addresses={"api": str(settings.stripe_api_base)})
    desk.store.database.productorders.update_one({"_id": ObjectId(order.id)}, {"$set": {"amount": 9900}})

    def is_paid():
        client.v1.payment_intents.update(order.payment_intent_id, {"amount": 5200})
        pay(desk, order)
        desk.intents.refresh(order.id, actor=support)

    reconciliation = Reconciliation(
        desk.orders, Overtaken(desk.gateway, is_paid), desk.audit, Reconciliations(desk.store.database)
    )
    reconciliation.run(datetime.now(UTC) - timedelta(days=1), actor=ADMIN, apply=True)
    order = desk.orders.find(order.id)
    assert (order.status, order.amount) == (OrderStatus.COMPLETED, 5200)


def test_refunds_and_amounts_follow_stripe(desk, create, run):
    order = create("profond")
    pay(desk, order)
    desk.gateway.create_refund(order.payment_intent_id, 700, None, {}, secrets.token_hex(8))
    desk.store.database.productorders.update_one({"_id": ObjectId(order.id)}, {"$set": {"amount": 67}})
    report = desk.reconciliation.run(datetime.now(UTC) - timedelta(days=1), actor=ADMIN)
    assert [
        (difference.ours, difference.stripes)
        for difference in report.differences
        if difference.payment_intent_id == order.payment_intent_id and difference.kind is not Kind.STATUS
    ] == [("67 eur", "6700 eur"), ("0 eur", "700 eur")]
    found = run(order.payment_intent_id, apply=True)
    assert sorted(found) == [(Kind.AMOUNT, True), (Kind.REFUNDS, True), (Kind.STATUS, True)]
    order = desk.orders.find(order.id)
    assert (order.amount, order.amount_refunded, order.status) == (6700, 700, "completed")
    assert run(order.payment_intent_id) == []


def test_a_refund_that_stripe_does_not_have_counts_no_more_and_stays_in_sight(desk, create, run, support):
    """Nothing was given back: it was called repairable, and no repair ever touched it."""
    order = create()
    desk.intents.confirm(order.id, PAY, actor=support)
    real = desk.gateway.create_refund(order.payment_intent_id, 700, None, {}, secrets.token_hex(8))
    desk.intents.refresh(order.id, actor=support)
    made_at = datetime.now(UTC) - timedelta(hours=1)
    spoilt = Refund(id="re_elsewhere", amount=1000, created_at=made_at)
    desk.orders.add_refunds(desk.orders.find(order.id), [spoilt], by="stripe")
    assert run(order.payment_intent_id) == [(Kind.REFUNDS, False)]
    assert desk.orders.find(order.id).amount_refunded == 1700
    desk.revenue.refresh()
    assert run(order.payment_intent_id, apply=True) == [(Kind.REFUNDS, True)]
    order = desk.orders.find(order.id)
    assert (order.amount_refunded, order.net) == (700, 4000)
    assert [(one.id, one.status) for one in order.refunds] == [
        ("re_elsewhere", "unknown"),
        (real["id"], real["status"]),
    ]
    told = order.timeline[-1]
    assert (told.kind, told.amount, told.by, told.note) == (
        "refund.unknown",
        1000,
        ADMIN.name,
        "re_elsewhere",
    )
    assert desk.revenue.verify(actor=ADMIN)[0] == []
    assert run(order.payment_intent_id, apply=True) == []
    # Whatever Stripe says of it after all counts again.
    desk.orders.add_refunds(order, [spoilt], by="stripe")
    assert desk.orders.find(order.id).amount_refunded == 1700


def test_a_refund_of_this_moment_is_not_taken_for_one_that_stripe_does_not_have(desk, create, run, support):
    order = create()
    desk.intents.confirm(order.id, PAY, actor=support)
    fresh = Refund(id="re_fresh", amount=1000, created_at=datetime.now(UTC))
    desk.orders.add_refunds(desk.orders.find(order.id), [fresh], by="stripe")
    assert run(order.payment_intent_id, apply=True) == [(Kind.REFUNDS, False)]
    assert desk.orders.find(order.id).amount_refunded == 1000


def test_an_order_lost_between_stripe_and_us_is_tied_again(desk, create, run):
    order = create()
    pay(desk, order)
    # Long enough ago to be given up, had Stripe not heard of it.
    untied = {
        "$unset": {"paymentIntentId": "", "stripeStatus": ""},
        "$set": {"createdAt": datetime.now(UTC) - timedelta(minutes=20)},
    }
    desk.store.database.productorders.update_one({"_id": ObjectId(order.id)}, untied)
    assert run(order.payment_intent_id) == [(Kind.UNTIED_ORDER, False)]
    assert run(order.payment_intent_id, apply=True) == [(Kind.UNTIED_ORDER, True)]
    again = desk.orders.find(order.id)
    assert (again.payment_intent_id, again.status) == (order.payment_intent_id, "completed")


def test_a_missing_order_is_made_from_its_payment_intent(desk, create, run):
    order = create("profond")
    pay(desk, order)
    desk.store.database.productorders.delete_many({})
    assert run(order.payment_intent_id) == [(Kind.MISSING_ORDER, False)]
    assert stored(desk) == []
    assert run(order.payment_intent_id, apply=True) == [(Kind.MISSING_ORDER, True)]
    made = desk.orders.find_by_payment_intent(order.payment_intent_id)
    assert (made.status, made.amount, made.product_id, made.source) == (
        "completed",
        6700,
        "profond",
        "stripe",
    )


def test_an_order_that_a_webhook_makes_while_we_look_is_not_missing(desk, create, run, monkeypatch):
    order = create()
    monkeypatch.setattr(desk.orders, "find_by_payment_intents", lambda _ids: {})
    assert run(order.payment_intent_id) == []
    pay(desk, order)
    assert run(order.payment_intent_id, apply=True) == [(Kind.STATUS, True)]


def test_an_order_whose_request_never_arrived_is_given_up_after_a_while(desk, create, run):
    order = create()
    old = datetime.now(UTC) - timedelta(hours=2)
    other = desk.orders.new_id()
    document = desk.store.database.productorders.find_one({"_id": ObjectId(order.id)})
    document |= {"_id": ObjectId(other), "attemptId": secrets.token_hex(8)}
    del document["paymentIntentId"]
    desk.store.database.productorders.insert_one(document | {"createdAt": old})
    assert run(apply=True) == [(Kind.NEVER_SENT, True)]
    assert desk.orders.find(other).status is OrderStatus.CANCELLED
    assert desk.orders.find(order.id).status is OrderStatus.PENDING


def test_an_open_order_whose_request_never_arrived_is_given_up_by_itself(desk, create, later, documents):
    document = documents.productorders.find_one({"_id": ObjectId(create().id)})
    del document["paymentIntentId"]
    never_sent = document | {"_id": ObjectId(), "attemptId": secrets.token_hex(8)}
    documents.productorders.insert_one(never_sent)
    order = desk.orders.find(str(never_sent["_id"]))
    report = later.settle_open_orders(actor=ADMIN)
    assert [(found.kind, found.repaired) for found in of_order(report, order)] == [(Kind.NEVER_SENT, True)]
    assert desk.orders.find(order.id).status is OrderStatus.CANCELLED


@pytest.mark.parametrize("apply", [False, True])
def test_an_order_that_another_program_spoilt_is_reported_and_stops_nobody(
    desk, create, run, documents, apply
):
    """It is not missing, and no second order is made for its payment."""
    spoilt, paid = create(), create()
    for order in (spoilt, paid):
        pay(desk, order)
    without = {"$unset": {"amount": ""}}
    documents.productorders.update_one({"_id": ObjectId(spoilt.id)}, without, bypass_document_validation=True)
    told = run(spoilt.payment_intent_id, paid.payment_intent_id, apply=apply)
    assert sorted(told) == [(Kind.STATUS, apply), (Kind.UNREADABLE_ORDER, False)]
    assert documents.productorders.count_documents({"paymentIntentId": spoilt.payment_intent_id}) == 1


@pytest.mark.parametrize(
    ("kinds", "advice"),
    [
        ([Kind.MISSING_INTENT, Kind.UNREADABLE_ORDER], ""),
        ([Kind.MISSING_INTENT, Kind.STATUS], "Run it again with --apply to repair 1 of them.\n"),
    ],
)
def test_the_command_promises_no_repair_that_it_can_not_make(monkeypatch, capsys, kinds, advice):
    found = Report(since=datetime.now(UTC), until=datetime.now(UTC))
    for kind in kinds:
        found.add(kind, "pi_1", "1", "pending", None)
    desk = SimpleNamespace(reconciliation=SimpleNamespace(run=lambda *_, **__: found))
    monkeypatch.setattr(command, "attached_desk", lambda: nullcontext(desk))
    with pytest.raises(typer.Exit):
        command.reconcile("1d")
    assert capsys.readouterr().out.partition("without one.\n")[2] == advice


def test_a_payment_intent_that_stripe_does_not_know_is_reported(desk, create, run):
    order = create()
    desk.store.database.productorders.update_one(
        {"_id": ObjectId(order.id)}, {"$set": {"paymentIntentId": "pi_of_another_account"}}
    )
    assert (Kind.MISSING_INTENT, False) in run("pi_of_another_account", apply=True)


def test_the_payments_of_other_programs_are_left_alone(desk):
    client = stripe.StripeClient(STRIPE_KEY, base_addresses={"api": desk.settings.stripe_api_base})
    client.v1.payment_intents.create({"amount": 999, "currency": "eur"})
    report = desk.reconciliation.run(datetime.now(UTC) - timedelta(hours=1), actor=ADMIN, apply=True)
    assert report.unrelated >= 1
    assert desk.store.database.productorders.find_one({"amount": 999}) is None


@pytest.fixture
def report():
    """A report of a difference that is repaired, of one that can't be, and of one that can."""
    now = datetime.now(UTC)
    counts = {"payment_intents": 5, "orders": 4, "free": 3, "unrelated": 2}
    report = Report(since=now - timedelta(days=1), until=now, **counts)
    report.add(Kind.STATUS, "pi_1", "1", "pending", "completed", repaired=True)
    report.add(Kind.MISSING_INTENT, "pi_2", "2", "pending", None)
    report.add(Kind.AMOUNT, "pi_3", "3", "4700 eur", "5200 eur")
    return report


def test_what_is_repaired_is_not_open_and_what_stripe_does_not_know_not_repairable(report):
    assert report.open_differences == report.differences[1:]
    assert report.repairable == report.differences[2:]


def test_a_run_goes_on_with_what_was_kept_of_it(report):
    done = report.since + timedelta(hours=3)
    assert restored(saved(report, done, {"8", "9"})) == (report, done, {"8", "9"})


class Killed(BaseException):
    """The process is gone."""


def test_a_killed_run_goes_on_where_it_was(desk, create):
    order = create()
    pay(desk, order)
    since = datetime.now(UTC) - timedelta(days=5)
    days: list[int] = []

    def die(done, total):
        if done == 3:
            raise Killed

    with pytest.raises(Killed):
        desk.reconciliation.run(since, actor=ADMIN, apply=True, progress=die)
    report = desk.reconciliation.run(
        since, actor=ADMIN, apply=True, progress=lambda done, total: days.append(total)
    )
    assert days[0] == 2 + 1
    assert (Kind.STATUS, True) in [(d.kind, d.repaired) for d in report.differences]
    assert report.since.replace(microsecond=0) == since.replace(microsecond=0)


def test_a_run_that_goes_on_hours_later_sees_what_came_meanwhile(desk, create):
    """It is said to be made now, and may be said to agree."""
    since = datetime.now(UTC) - timedelta(days=5)

    def die(done, total):
        if done == 3:
            raise Killed

    with pytest.raises(Killed):
        reconciliation_of(desk, timedelta(hours=-4)).run(since, actor=ADMIN, progress=die)
    order = create()
    pay(desk, order)
    report = desk.reconciliation.run(since, actor=ADMIN)
    assert (Kind.STATUS, order.id) in [(found.kind, found.order_id) for found in report.differences]
    assert report.until > order.created_at


@pytest.fixture
def failing(desk):
    """A reconciliation, an hour later, whose Stripe answers a question so many times and then, once, not."""

    def failing(answers, question="retrieve_payment_intent"):
        gateway = StripeGateway(STRIPE_KEY, api_base=desk.settings.stripe_api_base)
        answered, asked = getattr(gateway, question), itertools.count()

        def ask(*arguments, **named):
            if next(asked) == answers:
                raise StripeServiceError("Stripe has a problem of its own.")
            return answered(*arguments, **named)

        setattr(gateway, question, ask)
        return Reconciliation(
            desk.orders,
            gateway,
            desk.audit,
            Reconciliations(desk.store.database),
            clock=lambda: datetime.now(UTC) + timedelta(hours=1),
        )

    return failing


def test_a_state_grows_no_larger_than_a_document_may_be(failing, create, desk, documents, monkeypatch):
    """With 90,000 differences MongoDB refused it: that run ended, and every one that went on with it."""
    monkeypatch.setattr("lumira.reconcile.KEPT_DIFFERENCES", 0)
    order = create()
    pay(desk, order)
    since = datetime.now(UTC) - timedelta(days=2)
    with pytest.raises(StripeServiceError):
        failing(0, "list_refunds_between").run(since, actor=ADMIN, apply=True)
    assert desk.intents.find(order.id, actor=ADMIN).status is OrderStatus.COMPLETED
    [kept] = documents.reconciliations.find()
    assert kept["state"]["differences"] == []
    # It walks the last day once more, and finds what was repaired there to be no difference.
    report = reconciliation_of(desk, timedelta(hours=1)).run(since, actor=ADMIN, apply=True)
    assert not [found for found in report.differences if found.order_id == order.id]
    assert documents.reconciliations.count_documents({}) == 0


@pytest.fixture
def counted():
    """How many differences of a kind were counted as repaired since the test began."""

    def read(kind):
        labels = {"kind": str(kind), "repaired": "yes"}
        return REGISTRY.get_sample_value("lumira_reconcile_differences_total", labels) or 0

    before = {kind: read(kind) for kind in Kind}
    return lambda kind: read(kind) - before[kind]


def test_what_a_run_repaired_before_stripe_failed_is_audited(failing, create, desk, documents, counted):
    for order in (create(), create()):
        pay(desk, order)
    reconciliation = failing(1)
    since = datetime.now(UTC) - timedelta(hours=1)
    with pytest.raises(StripeServiceError):
        reconciliation.run(since, actor=ADMIN, apply=True)
    [entry] = documents.audit_entries.find({"action": "repair"})
    assert (entry["actor"], entry["after"]) == ("ada", {"differences": 1, "repaired": 1})
    assert counted(Kind.STATUS) == 1
    reconciliation.run(since, actor=ADMIN, apply=True)
    assert documents.audit_entries.count_documents({"action": "repair"}) == 2
    assert counted(Kind.STATUS) == 2


def test_what_a_run_is_told_of_days_already_walked_is_counted_once(failing, create, desk, counted):
    order, since = create(), datetime.now(UTC) - timedelta(hours=1)
    pay(desk, order)
    # The refunds are read after the last day.
    reconciliation = failing(0, "list_refunds_between")
    with pytest.raises(StripeServiceError):
        reconciliation.run(since, actor=ADMIN, apply=True)
    found = reconciliation.run(since, actor=ADMIN, apply=True).differences
    assert [one.repaired for one in found if one.order_id == order.id] == [True]
    assert counted(Kind.STATUS) == 1


@pytest.mark.parametrize("kind", [Kind.STATUS, Kind.REFUNDS])
def test_what_was_settled_before_stripe_failed_is_counted(failing, create, desk, support, counted, kind):
    for order in (create(), create()):
        pay(desk, order)
        if kind is Kind.REFUNDS:
            desk.intents.refresh(order.id, actor=support)
            desk.gateway.create_refund(order.payment_intent_id, 4700, None, {}, secrets.token_hex(8))
    # Two looks at the first of them; the second one's is not answered.
    cut_short = failing(2)
    settle = cut_short.settle_open_orders if kind is Kind.STATUS else cut_short.settle_money_back
    with pytest.raises(StripeServiceError):
        settle(actor=ADMIN)
    assert counted(kind) == 1
    settle(actor=ADMIN)
    assert counted(kind) == 2


def test_open_orders_are_settled_from_fifteen_minutes_to_three_days_after_they_were_made(desk, create):
    ages = [timedelta(minutes=14), timedelta(minutes=16), timedelta(hours=71), timedelta(hours=73)]
    made, final = [create() for _ in ages], create()
    collection = desk.store.database.productorders
    for order, age in zip([*made, final], [*ages, ages[1]], strict=True):
        pay(desk, order)
        past = {"$set": {"createdAt": datetime.now(UTC) - age}}
        collection.update_one({"_id": ObjectId(order.id)}, past)
    collection.update_one({"_id": ObjectId(final.id)}, {"$set": {"status": "cancelled"}})
    report = desk.reconciliation.settle_open_orders(actor=ADMIN)
    assert report.orders == 2
    found = [desk.orders.find(order.id).status for order in made]
    assert found == ["pending", "completed", "completed", "pending"]
    assert desk.orders.find(final.id).status is OrderStatus.CANCELLED


def test_no_open_order_waits_for_ever_behind_newer_ones(desk, create, monkeypatch):
    monkeypatch.setattr("lumira.reconcile.OPEN_LIMIT", 3)
    collection = desk.store.database.productorders
    waiting = [create() for _ in range(7)]
    for hours, order in enumerate(waiting, start=1):
        past = datetime.now(UTC) - timedelta(hours=hours)
        collection.update_one({"_id": ObjectId(order.id)}, {"$set": {"createdAt": past}})
    pay(desk, waiting[-1])
    for _ in range(3):
        assert desk.reconciliation.settle_open_orders(actor=ADMIN).orders <= 6
    assert desk.orders.find(waiting[-1].id).status is OrderStatus.COMPLETED
    # Then it begins with the newest again.
    pay(desk, waiting[3])
    desk.reconciliation.settle_open_orders(actor=ADMIN)
    desk.reconciliation.settle_open_orders(actor=ADMIN)
    assert desk.orders.find(waiting[3].id).status is OrderStatus.COMPLETED


def test_a_spoilt_order_among_the_newest_hides_none_behind_them(desk, create, later, documents, monkeypatch):
    monkeypatch.setattr("lumira.reconcile.OPEN_LIMIT", 2)
    paid, _, spoilt, _ = (create() for _ in range(4))
    pay(desk, paid)
    without = {"$unset": {"amount": ""}}
    documents.productorders.update_one({"_id": ObjectId(spoilt.id)}, without, bypass_document_validation=True)
    for _ in range(2):
        later.settle_open_orders(actor=ADMIN)
    assert desk.orders.find(paid.id).status is OrderStatus.COMPLETED


def test_stripe_is_not_asked_for_a_free_order_that_another_program_left_open(desk, create, later, documents):
    free = create("initie")
    documents.productorders.update_one({"_id": ObjectId(free.id)}, {"$set": {"status": "processing"}})
    assert of_order(later.settle_open_orders(actor=ADMIN), free) == []


def test_a_spoilt_order_stops_no_open_order_from_being_settled(desk, create, later, documents):
    spoilt, untied, paid = create(), create(), create()
    pay(desk, paid)
    # The newest is looked at first, and what Stripe says of it leads to the spoilt one.
    orders = documents.productorders
    orders.update_one({"_id": ObjectId(untied.id)}, {"$unset": {"paymentIntentId": ""}})
    tied = {"$set": {"paymentIntentId": untied.payment_intent_id}, "$unset": {"amount": ""}}
    orders.update_one({"_id": ObjectId(spoilt.id)}, tied, bypass_document_validation=True)
    past = datetime.now(UTC) - timedelta(minutes=1)
    orders.update_one({"_id": ObjectId(paid.id)}, {"$set": {"createdAt": past}})
    report = later.settle_open_orders(actor=ADMIN)
    assert [found.kind for found in of_order(report, spoilt)] == [Kind.UNREADABLE_ORDER]
    assert desk.orders.find(paid.id).status is OrderStatus.COMPLETED


def test_everyone_may_look_and_only_admins_repair(desk, run):
    run(actor=FINANCE)
    with pytest.raises(Forbidden):
        run(actor=FINANCE, apply=True)
    with pytest.raises(Forbidden):
        desk.reconciliation.settle_open_orders(actor=FINANCE)


def test_orders_of_the_other_mode_are_left_to_the_desk_of_that_mode(desk, create, run, documents):
    waiting, tied, former = create(), create(), create()
    long_ago = datetime.now(UTC) - timedelta(minutes=20)
    made = {"createdAt": long_ago, "livemode": True}
    orders = documents.productorders
    orders.update_one({"_id": ObjectId(waiting.id)}, {"$set": made, "$unset": {"paymentIntentId": ""}})
    orders.update_one({"_id": ObjectId(tied.id)}, {"$set": made | {"paymentIntentId": "pi_live_1"}})
    # An order of the program before ours does not say of which mode it is.
    orders.update_one(
        {"_id": ObjectId(former.id)}, {"$set": {"paymentIntentId": "pi_gone_1"}, "$unset": {"livemode": ""}}
    )
    assert run("pi_live_1", "pi_gone_1", apply=True) == [(Kind.MISSING_INTENT, False)]
    settled = desk.reconciliation.settle_open_orders(actor=ADMIN)
    assert {difference.order_id for difference in settled.differences}.isdisjoint({waiting.id, tied.id})
    assert {desk.orders.find(order.id).status for order in (waiting, tied, former)} == {"pending"}


def test_a_desk_whose_clock_runs_ahead_still_finds_what_it_made(settings, desk, create, documents):
    order = create()
    # Cut short before the order was tied; made, as its own clock had it, three minutes after Stripe's.
    later = datetime.now(UTC) + timedelta(minutes=3)
    documents.productorders.update_one(
        {"_id": ObjectId(order.id)}, {"$set": {"createdAt": later}, "$unset": {"paymentIntentId": ""}}
    )
    reconciliation = reconciliation_of(desk, timedelta(minutes=25))
    reconciliation.settle_open_orders(actor=ADMIN)
    assert desk.orders.find(order.id).payment_intent_id == order.payment_intent_id


def test_when_an_old_order_was_paid_is_reported_and_then_filled_in(desk, create, run, documents, admin):
    order = create()
    pay(desk, order)
    desk.intents.refresh(order.id, actor=admin)
    paid_at = desk.orders.find(order.id).completed_at
    # The program before ours did not always say when.
    month_ago = datetime.now(UTC) - timedelta(days=30)
    documents.productorders.update_one(
        {"_id": ObjectId(order.id)}, {"$unset": {"completedAt": ""}, "$set": {"updatedAt": month_ago}}
    )
    before = stored(desk)
    assert run(order.payment_intent_id) == [(Kind.COMPLETED_AT, False)]
    assert stored(desk) == before
    assert run(order.payment_intent_id, apply=True) == [(Kind.COMPLETED_AT, True)]
    mended = desk.orders.find(order.id)
    assert mended.completed_at == paid_at
    assert mended.updated_at > month_ago
    assert run(order.payment_intent_id) == []


def test_a_waiting_order_whose_payment_intent_is_null_is_tied(desk, create, run, documents):
    order = create()
    documents.productorders.update_one({"_id": ObjectId(order.id)}, {"$set": {"paymentIntentId": None}})
    assert run(order.payment_intent_id, apply=True) == [(Kind.UNTIED_ORDER, True)]
    assert desk.orders.find(order.id).payment_intent_id == order.payment_intent_id


@pytest.fixture
def later(desk):
    """A reconciliation an hour later."""
    return reconciliation_of(desk, timedelta(hours=1))


def of_order(report, order):
    """What the report says of this order: the sandbox has the PaymentIntents of other tests too."""
    return [found for found in report.differences if found.order_id == order.id]


def customer_at_stripe(desk, order):
    return desk.gateway.retrieve_payment_intent(order.payment_intent_id)["metadata"].get("customerEmail")


def cut_short(desk, order):
    """What a correction leaves behind that dies before its copy to Stripe."""
    entry = TimelineEntry(at=datetime.now(UTC), kind="customer.edited", by="claire")
    assert desk.orders.edit_customer(order, {"customerEmail": "anna@example.com"}, entry)


def test_a_correction_that_never_came_to_stripe_is_reported_and_then_copied(desk, create, run, later):
    order = create()
    cut_short(desk, order)
    # Whoever corrects it may be at it.
    assert run(order.payment_intent_id, apply=True) == []
    since = datetime.now(UTC) - timedelta(days=1)
    [found] = of_order(later.run(since, actor=FINANCE), order)
    assert (found.kind, found.order_id, found.repaired) == (Kind.CUSTOMER, order.id, False)
    # Reports are kept, and name no customer.
    assert (found.ours, found.stripes) == (None, None)
    assert customer_at_stripe(desk, order) is None
    [found] = of_order(later.run(since, actor=ADMIN, apply=True), order)
    assert (found.kind, found.repaired) == (Kind.CUSTOMER, True)
    assert customer_at_stripe(desk, order) == "anna@example.com"
    assert [entry.kind for entry in desk.orders.find(order.id).timeline][-1] == "customer.copied_to_stripe"
    assert of_order(later.run(since, actor=FINANCE), order) == []


def test_a_correction_that_never_came_to_stripe_is_copied_while_its_order_is_open(desk, create, later):
    order = create()
    cut_short(desk, order)
    report = later.settle_open_orders(actor=ADMIN)
    assert [(found.kind, found.repaired) for found in of_order(report, order)] == [(Kind.CUSTOMER, True)]
    assert customer_at_stripe(desk, order) == "anna@example.com"


def test_a_customer_that_stripe_does_not_take_is_reported_and_stops_nobody(desk, create, later, documents):
    order, paid = create(), create()
    # Another program wrote a name that is longer than Stripe's metadata may be.
    written = {"$set": {"metadata.customerName": "x" * 501}}
    documents.productorders.update_one({"_id": ObjectId(order.id)}, written)
    cut_short(desk, order)
    pay(desk, paid)
    for report in (
        later.settle_open_orders(actor=ADMIN),
        later.run(datetime.now(UTC) - timedelta(days=1), actor=ADMIN, apply=True),
    ):
        assert [(found.kind, found.repaired) for found in of_order(report, order)] == [(Kind.CUSTOMER, False)]
    assert desk.orders.find(paid.id).status is OrderStatus.COMPLETED


def test_customers_that_other_programs_wrote_are_left_as_they_are(desk, create, later, documents):
    order = create()
    written = {"$set": {"metadata.customerEmail": "anna@example.com"}}
    documents.productorders.update_one({"_id": ObjectId(order.id)}, written)
    report = later.run(datetime.now(UTC) - timedelta(days=1), actor=ADMIN, apply=True)
    assert of_order(report, order) == []
    assert customer_at_stripe(desk, order) is None


def decided(desk, dispute, evidence):
    """Answers the dispute at Stripe, unheard by us, and waits for the bank."""
    client = stripe.StripeClient(STRIPE_KEY, base_addresses={"api": str(desk.settings.stripe_api_base)})
    client.v1.disputes.update(dispute.id, {"evidence": {"uncategorized_text": evidence}})
    wait_until(lambda: client.v1.disputes.retrieve(dispute.id).status in {"won", "lost"})


def test_a_look_at_an_order_brings_its_disputes(desk, create, support):
    order = create()
    pay(desk, order, "pm_card_createDispute")
    order = desk.intents.refresh(order.id, actor=support)
    [dispute] = order.disputes
    assert (dispute.status, dispute.reason, dispute.amount) == ("needs_response", "fraudulent", 4700)
    assert dispute.due_by > datetime.now(UTC)
    decided(desk, dispute, "winning_evidence")
    order = desk.intents.refresh(order.id, actor=support)
    assert [dispute.status for dispute in order.disputes] == ["won"]
    told = [(entry.kind, entry.by) for entry in order.timeline if entry.kind.startswith("dispute.")]
    assert told == [("dispute.needs_response", "stripe"), ("dispute.won", "stripe")]
    again = desk.intents.refresh(order.id, actor=support)
    assert (again.timeline, again.revision) == (order.timeline, order.revision)


def test_how_a_dispute_stands_is_reported_and_then_applied(desk, create, run, support):
    order = create()
    pay(desk, order, "pm_card_createDispute")
    [dispute] = desk.intents.refresh(order.id, actor=support).disputes
    assert run(order.payment_intent_id) == []
    decided(desk, dispute, "losing_evidence")
    before = stored(desk)
    assert run(order.payment_intent_id) == [(Kind.DISPUTE, False)]
    assert stored(desk) == before
    assert run(order.payment_intent_id, apply=True) == [(Kind.DISPUTE, True)]
    assert [dispute.status for dispute in desk.orders.find(order.id).disputes] == ["lost"]
    assert run(order.payment_intent_id) == []


def test_a_dispute_without_its_date_is_given_it_and_nothing_is_told(desk, create, run, support, documents):
    order = create()
    pay(desk, order, "pm_card_createDispute")
    desk.intents.refresh(order.id, actor=support)
    documents.productorders.update_one({"_id": ObjectId(order.id)}, {"$unset": {"disputes.0.dueBy": ""}})
    assert desk.orders.find(order.id).disputes[0].due_by is None
    assert run(order.payment_intent_id, apply=True) == []
    assert desk.orders.find(order.id).disputes[0].due_by


def test_how_a_refund_stands_is_reported_and_then_applied(desk, create, run, support):
    order = create()
    pay(desk, order, "pm_card_pendingRefund")
    refund = desk.gateway.create_refund(order.payment_intent_id, 700, None, {}, secrets.token_hex(8))
    [known] = desk.intents.refresh(order.id, actor=support).refunds
    assert known.status == refund["status"] == "pending"
    wait_until(lambda: desk.gateway.list_refunds(order.payment_intent_id)[0]["status"] == "succeeded")
    assert run(order.payment_intent_id) == [(Kind.REFUND_STATUS, False)]
    assert run(order.payment_intent_id, apply=True) == [(Kind.REFUND_STATUS, True)]
    assert [refund.status for refund in desk.orders.find(order.id).refunds] == ["succeeded"]
    assert run(order.payment_intent_id) == []


@pytest.fixture
def paid_before(desk, create, support):
    """Makes an order that is paid, and answers it with an instant after that."""

    def paid_before(method):
        order = create()
        pay(desk, order, method)
        desk.intents.refresh(order.id, actor=support)
        # Stripe counts whole seconds.
        time.sleep(1.1)
        return order, datetime.now(UTC)

    return paid_before


def test_refunds_of_payments_older_than_the_walk_are_found(desk, paid_before):
    order, since = paid_before(PAY)
    desk.gateway.create_refund(order.payment_intent_id, 700, None, {}, secrets.token_hex(8))
    desk.gateway.create_refund(order.payment_intent_id, 300, None, {}, secrets.token_hex(8))
    report = desk.reconciliation.run(since, actor=ADMIN)
    assert [(one.kind, one.order_id, one.ours, one.stripes) for one in report.differences] == [
        (Kind.REFUNDS, order.id, "0 eur", "1000 eur")
    ]
    report = desk.reconciliation.run(since, actor=ADMIN, apply=True)
    assert [(one.kind, one.repaired) for one in report.differences] == [(Kind.REFUNDS, True)]
    assert desk.orders.find(order.id).amount_refunded == 1000


def test_what_banks_and_stripes_dashboard_did_is_settled_by_itself(desk, create, support):
    refunded, disputed = create(), create()
    pay(desk, refunded)
    desk.intents.refresh(refunded.id, actor=support)
    desk.gateway.create_refund(refunded.payment_intent_id, 4700, None, {}, secrets.token_hex(8))
    pay(desk, disputed, "pm_card_createDispute")
    report = desk.reconciliation.settle_money_back(actor=ADMIN)
    assert sorted((one.kind, one.order_id, one.repaired) for one in report.differences) == sorted(
        [
            (Kind.REFUNDS, refunded.id, True),
            (Kind.STATUS, disputed.id, True),
            (Kind.DISPUTE, disputed.id, True),
        ]
    )
    assert desk.orders.find(refunded.id).amount_refunded == 4700
    assert [dispute.status for dispute in desk.orders.find(disputed.id).disputes] == ["needs_response"]
    assert desk.reconciliation.settle_money_back(actor=ADMIN).differences == []


def test_a_key_that_may_not_read_disputes_stops_nothing(faulty_sandbox_url, fault):
    gateway = StripeGateway(STRIPE_KEY, api_base=faulty_sandbox_url)
    fault(answer=403, path="/v1/disputes")
    assert gateway.list_disputes("pi_any") == []
    assert gateway.list_disputes_between(datetime.now(UTC), datetime.now(UTC)) == ([], False)


def test_a_key_that_lacks_a_right_is_not_said_to_be_wrong(faulty_sandbox_url, fault):
    fault(answer=403, path="/v1/payment_intents/pi_any")
    with pytest.raises(StripeConfigError, match="lacks a right"):
        StripeGateway(STRIPE_KEY, api_base=faulty_sandbox_url).retrieve_payment_intent("pi_any")


def test_whoever_looks_has_not_refunded(desk, create, support, admin):
    order = create()
    desk.intents.confirm(order.id, PAY, actor=support)
    desk.gateway.create_refund(order.payment_intent_id, 700, None, {}, secrets.token_hex(8))
    # What Ada asks for and nobody hears of; what Claire's look then finds.
    asked = {"attemptId": "ada-s"}
    requested = TimelineEntry(
        at=datetime.now(UTC), kind="refund.requested", by="ada", amount=300, attempt_id="ada-s"
    )
    desk.orders.append(order, requested)
    desk.gateway.create_refund(order.payment_intent_id, 300, None, asked, "ada-s")
    order = desk.intents.refresh(order.id, actor=support)
    told = {entry.amount: entry.by for entry in order.timeline if entry.kind == "refund.succeeded"}
    assert told == {700: "stripe", 300: "ada"}
