"""Every function that takes an actor asks for its permission before it does anything else.

What that leaves of the pages stands in dashboard/test_roles.py, of the API in api/test_roles.py.
"""

from __future__ import annotations

import ast
import inspect
import pkgutil
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, date, datetime
from importlib import import_module
from pathlib import Path
from typing import Any, get_type_hints

import pytest
from pydantic import SecretStr

import lumira
from lumira import overview
from lumira.access import PERMISSIONS, Actor, Permission, Role, may, require
from lumira.desk import Desk
from lumira.errors import Forbidden, LumiraError
from lumira.month_figures import MonthFigures
from lumira.order_filter import OrderFilter
from lumira.orders import Order
from lumira.payouts import Contents, Payout
from lumira.views import View

ROOT = Path(lumira.__file__).parent
DAY = date(2026, 11, 1)
NOW = datetime(2026, 11, 1, tzinfo=UTC)
ORDER = Order(
    id="6" * 24, product_id="mystique", amount=4700, status="pending", created_at=NOW, updated_at=NOW
)
PAYOUT = Contents(Payout("po_1", 4700, "eur", "paid", DAY, NOW), [])
P = Permission


@dataclass(frozen=True)
class Row:
    """One function, what it asks for, and a call of it; `case` where arguments decide."""

    name: str
    permission: Permission
    call: Callable[[Desk, Actor], Any]
    case: str = ""


ROWS = [
    Row("audit_trail.export", P.READ_AUDIT, lambda d, a: d.audit_trail.export(kind="csv", actor=a)),
    Row("audit_trail.of_order", P.READ_AUDIT, lambda d, a: d.audit_trail.of_order("x", actor=a)),
    Row("audit_trail.orders_of", P.READ_AUDIT, lambda d, a: d.audit_trail.orders_of([], actor=a)),
    Row("audit_trail.page", P.READ_AUDIT, lambda d, a: d.audit_trail.page(10, actor=a)),
    Row("checkout.link", P.SHARE_PAYMENT_LINK, lambda d, a: d.checkout.link(ORDER, actor=a)),
    Row("checkout.renew", P.SHARE_PAYMENT_LINK, lambda d, a: d.checkout.renew("x", actor=a)),
    Row("customers.history", P.BROWSE, lambda d, a: d.customers.history("x@example.com", actor=a)),
    Row("customers.search", P.BROWSE, lambda d, a: d.customers.search("zoe", actor=a)),
    Row("doctor.create_indexes", P.VIEW_SYSTEM, lambda d, a: d.doctor.create_indexes(actor=a)),
    Row(
        "doctor.create_webhook",
        P.VIEW_SYSTEM,
        lambda d, a: d.doctor.create_webhook("http://127.0.0.1:1/x", actor=a),
    ),
    Row("doctor.examine", P.VIEW_SYSTEM, lambda d, a: d.doctor.examine(actor=a)),
    Row("intents.cancel", P.CANCEL, lambda d, a: d.intents.cancel("x", actor=a)),
    Row("intents.client_secret", P.CREATE_INTENT, lambda d, a: d.intents.client_secret("x", actor=a)),
    Row("intents.confirm", P.CONFIRM_TEST, lambda d, a: d.intents.confirm("x", "pm_card_visa", actor=a)),
    Row(
        "intents.correct_customer",
        P.EDIT_CUSTOMER,
        lambda d, a: d.intents.correct_customer("x", {}, actor=a),
    ),
    Row("intents.create", P.CREATE_INTENT, lambda d, a: d.intents.create({}, actor=a, source="tests")),
    Row("intents.edit_customer", P.EDIT_CUSTOMER, lambda d, a: d.intents.edit_customer("x", {}, actor=a)),
    Row("intents.find", P.BROWSE, lambda d, a: d.intents.find("x", actor=a)),
    Row("refunds.finish", P.REFUND, lambda d, a: d.refunds.finish("x", actor=a)),
    Row("intents.find_by_attempt", P.BROWSE, lambda d, a: d.intents.find_by_attempt("x", actor=a)),
    Row("intents.refresh", P.REFRESH, lambda d, a: d.intents.refresh("x", actor=a)),
    Row("refunds.create", P.REFUND, lambda d, a: d.refunds.create("x", actor=a)),
    Row("month_close.close", P.CLOSE_MONTH, lambda d, a: d.month_close.close("2026-10", actor=a)),
    Row("month_close.closed", P.VIEW_REVENUE, lambda d, a: d.month_close.closed("2026-10", actor=a)),
    Row("month_close.compare", P.VIEW_REVENUE, lambda d, a: d.month_close.compare("2026-10", actor=a)),
    Row(
        "month_close.export",
        P.EXPORT,
        lambda d, a: d.month_close.export(MonthFigures("2026-10", NOW), kind="pdf", actor=a),
    ),
    Row(
        "month_close.late_changes",
        P.VIEW_REVENUE,
        lambda d, a: d.month_close.late_changes(MonthFigures("2026-10", NOW), actor=a),
    ),
    Row("payouts.arriving", P.VIEW_REVENUE, lambda d, a: d.payouts.arriving("2026-10", actor=a)),
    Row("payouts.contents", P.VIEW_REVENUE, lambda d, a: d.payouts.contents("po_1", actor=a)),
    Row("payouts.failed", P.VIEW_REVENUE, lambda d, a: d.payouts.failed(actor=a)),
    Row("payouts.export", P.EXPORT, lambda d, a: d.payouts.export(PAYOUT, kind="csv", actor=a)),
    Row("notes.add", P.ADD_NOTE, lambda d, a: d.notes.add("x", "text", actor=a, attempt_id="1")),
    Row("notes.of_order", P.BROWSE, lambda d, a: d.notes.of_order("x", actor=a)),
    Row("order_list.count", P.BROWSE, lambda d, a: d.order_list.count(OrderFilter(), actor=a)),
    Row("order_list.export", P.EXPORT, lambda d, a: d.order_list.export(OrderFilter(), kind="csv", actor=a)),
    Row(
        "order_list.export",
        P.EXPORT,
        lambda d, a: d.order_list.export(OrderFilter(), [ORDER], kind="csv", actor=a),
        "of orders that are shown",
    ),
    Row("order_list.page", P.BROWSE, lambda d, a: d.order_list.page(OrderFilter(), 10, actor=a)),
    Row("order_list.refresh", P.REFRESH, lambda d, a: d.order_list.refresh(["x"], actor=a)),
    Row("order_list.similar_names", P.BROWSE, lambda d, a: d.order_list.similar_names("zoé", actor=a)),
    Row("overview.needed", P.BROWSE, lambda d, a: overview.needed(d.order_list, DAY, actor=a)),
    Row("payments.details", P.BROWSE, lambda d, a: d.payments.details("x", actor=a)),
    Row("payments.by_card", P.BROWSE, lambda d, a: d.payments.by_card("4242", actor=a)),
    Row("payments.order_id_of", P.BROWSE, lambda d, a: d.payments.order_id_of("x", actor=a)),
    Row(
        "privacy.erase",
        P.MANAGE_PERSONAL_DATA,
        lambda d, a: d.privacy.erase("nobody@example.com", actor=a),
    ),
    Row(
        "privacy.export",
        P.MANAGE_PERSONAL_DATA,
        lambda d, a: d.privacy.export("nobody@example.com", actor=a),
    ),
    Row("reconciliation.run", P.RECONCILE, lambda d, a: d.reconciliation.run(datetime.now(UTC), actor=a)),
    Row(
        "reconciliation.run",
        P.REPAIR,
        lambda d, a: d.reconciliation.run(datetime.now(UTC), actor=a, apply=True),
        "repairing",
    ),
    Row(
        "reconciliation.settle_money_back",
        P.REPAIR,
        lambda d, a: d.reconciliation.settle_money_back(actor=a),
    ),
    Row(
        "reconciliation.settle_open_orders",
        P.REPAIR,
        lambda d, a: d.reconciliation.settle_open_orders(actor=a),
    ),
    Row("revenue.conversion", P.VIEW_REVENUE, lambda d, a: d.revenue.conversion(DAY, DAY, actor=a)),
    Row("revenue.counted", P.VIEW_REVENUE, lambda d, a: d.revenue.counted(DAY, DAY, actor=a)),
    Row("revenue.daily", P.VIEW_REVENUE, lambda d, a: d.revenue.daily(DAY, DAY, actor=a)),
    Row("revenue.days", P.VIEW_REVENUE, lambda d, a: d.revenue.days(DAY, DAY, actor=a)),
    Row("revenue.export", P.EXPORT, lambda d, a: d.revenue.export([], DAY, DAY, kind="csv", actor=a)),
    Row("revenue.rebuild", P.VIEW_SYSTEM, lambda d, a: d.revenue.rebuild(actor=a)),
    Row("revenue.revision", P.VIEW_REVENUE, lambda d, a: d.revenue.revision(actor=a)),
    Row("revenue.verify", P.VIEW_REVENUE, lambda d, a: d.revenue.verify(actor=a, first=DAY, last=DAY)),
    Row("sessions.end", P.MANAGE_STAFF, lambda d, a: d.sessions.end("x", "x@example.com", actor=a)),
    Row("sessions.of", P.MANAGE_STAFF, lambda d, a: d.sessions.of("x@example.com", actor=a)),
    Row(
        "sessions.sign_out_everywhere",
        P.MANAGE_STAFF,
        lambda d, a: d.sessions.sign_out_everywhere("x@example.com", actor=a),
    ),
    Row("staff.add", P.MANAGE_STAFF, lambda d, a: d.staff.add("x@example.com", Role.STAFF, actor=a)),
    Row(
        "staff.add_with_one_time_password",
        P.MANAGE_STAFF,
        lambda d, a: d.staff.add_with_one_time_password("x@example.com", Role.STAFF, actor=a),
    ),
    Row("staff.all", P.MANAGE_STAFF, lambda d, a: d.staff.all(actor=a)),
    Row("staff.disable", P.MANAGE_STAFF, lambda d, a: d.staff.disable("x@example.com", actor=a)),
    Row(
        "staff.drop_authenticator",
        P.MANAGE_STAFF,
        lambda d, a: d.staff.drop_authenticator("x@example.com", actor=a),
    ),
    Row("staff.enable", P.MANAGE_STAFF, lambda d, a: d.staff.enable("x@example.com", actor=a)),
    Row("staff.reset", P.MANAGE_STAFF, lambda d, a: d.staff.reset("x@example.com", actor=a)),
    Row(
        "staff.set_role",
        P.MANAGE_STAFF,
        lambda d, a: d.staff.set_role("x@example.com", Role.STAFF, actor=a),
    ),
    Row("tokens.all", P.MANAGE_TOKENS, lambda d, a: d.tokens.all(actor=a)),
    Row("tokens.create", P.MANAGE_TOKENS, lambda d, a: d.tokens.create("x", actor=a)),
    Row("tokens.revoke", P.MANAGE_TOKENS, lambda d, a: d.tokens.revoke("x", actor=a)),
    Row("views.all", P.BROWSE, lambda d, a: d.views.all(actor=a)),
    Row("views.delete", P.BROWSE, lambda d, a: d.views.delete(View("x", {}, a.name), actor=a), "one's own"),
    Row("views.delete", P.SHARE_VIEW, lambda d, a: d.views.delete(View("x", {}, ""), actor=a), "everyone's"),
    Row("views.save", P.BROWSE, lambda d, a: d.views.save("x", {}, shared=False, actor=a), "one's own"),
    Row("views.save", P.SHARE_VIEW, lambda d, a: d.views.save("x", {}, shared=True, actor=a), "everyone's"),
    Row("webhooks.find", P.BROWSE, lambda d, a: d.webhooks.find("x", actor=a)),
    Row("webhooks.of_payment", P.BROWSE, lambda d, a: d.webhooks.of_payment("x", since=NOW, actor=a)),
    Row("webhooks.page", P.BROWSE, lambda d, a: d.webhooks.page(1, actor=a)),
    Row("webhooks.prune", P.VIEW_SYSTEM, lambda d, a: d.webhooks.prune(actor=a)),
    Row("webhooks.retry", P.RETRY_WEBHOOK, lambda d, a: d.webhooks.retry("x", actor=a)),
    Row("webhooks.retry_failed", P.RETRY_WEBHOOK, lambda d, a: d.webhooks.retry_failed(actor=a)),
]

# What takes no actor, and why it needs none.
WITHOUT_ACTOR = {
    "checkout.ends_at": "reckons with the order it is given",
    "checkout.view": "for the customer, whom the link's token lets in",
    "fees.follow": "Lumira's own: what Stripe keeps, as Stripe says it",
    "payouts.follow": "Lumira's own: which payouts failed, as Stripe says it",
    "fees.read_anew": "the import's: what Stripe keeps is read once more, and nothing else",
    "health.problems": "says only whether store and Stripe answer",
    "order_list.list_all": "Lumira's own: what orders are found by, nothing that anybody chooses",
    "revenue.followed_until": "says only how fresh the figures are",
    "revenue.mark": "Lumira's own: figures that follow from the orders alone",
    "revenue.recheck": "Lumira's own: the same",
    "revenue.refresh": "Lumira's own: the same",
    "revenue.today": "reads the clock",
    "sessions.find": "finds out who acts",
    "sessions.forget": "what is remembered for ten seconds, nothing that is kept",
    "sessions.prune": "Lumira's own: what has ended by itself",
    "sessions.sign_in": "finds out who acts",
    "sessions.sign_in_by_identity": "finds out who acts",
    "sessions.sign_out": "whoever holds the token may end it",
    "staff.is_empty": "says only whether there is an account at all",
    "tokens.authenticate": "finds out who acts",
    "webhooks.receive": "for Stripe, whom its signature lets in",
    "webhooks.refuses_signatures": "yes or no, of nobody",
}

# What takes an actor to act on that very person's account, whatever their role.
ONES_OWN = {
    "staff.begin_authenticator",
    "staff.change_password",
    "staff.choose_language",
    "staff.confirm_authenticator",
    "staff.of",
    "staff.remove_authenticator",
}

# The edges, which rules are handed; no page, route or command reaches through a desk for them.
EDGES = ("lumira.storage", "lumira.stripe_gateway", "lumira.settings", "lumira.session_cookie")


def parts() -> dict[str, type]:
    """The parts of a desk that hold rules, by name."""
    hints = get_type_hints(Desk)
    return {
        name: kind
        for name, kind in hints.items()
        if getattr(kind, "__module__", "").startswith("lumira.") and not kind.__module__.startswith(EDGES)
    }


def public_functions() -> dict[str, inspect.Signature]:
    """Every public method of those parts and every function of the rules that takes an actor, by name."""
    found = {
        f"{part}.{name}": inspect.signature(member)
        for part, kind in parts().items()
        for name, member in inspect.getmembers(kind, inspect.isfunction)
        if not name.startswith("_")
    }
    for module in pkgutil.iter_modules([str(ROOT)]):
        if module.ispkg or module.name in {"access", "audit", "__main__"}:
            continue
        for name, member in inspect.getmembers(import_module(f"lumira.{module.name}"), inspect.isfunction):
            own = member.__module__ == f"lumira.{module.name}" and not name.startswith("_")
            if own and "actor" in inspect.signature(member).parameters:
                found[f"{module.name}.{name}"] = inspect.signature(member)
    return found


def actor_of(role: Role) -> Actor:
    """Somebody of a role."""
    return Actor("tests", role)


def named(row: Row) -> str:
    """How a row is called in the test's report."""
    return f"{row.name} {row.case}".strip()


def test_every_function_stands_in_the_table():
    asking = {name for name, signature in public_functions().items() if "actor" in signature.parameters}
    assert asking == {row.name for row in ROWS} | ONES_OWN
    assert public_functions().keys() - asking == WITHOUT_ACTOR.keys()


@pytest.fixture
def nowhere(settings) -> Iterator[Desk]:
    """A desk whose store and Stripe can't be reached: whoever asks them gets another error than Forbidden."""
    unreachable = settings.model_copy(
        update={
            "mongodb_uri": SecretStr("mongodb://127.0.0.1:1/"),
            "stripe_api_base": "http://127.0.0.1:1",
        }
    )
    desk = Desk.open(unreachable)
    with closing(desk.store):
        yield desk


def test_whoever_lacks_the_permission_is_refused_before_anything_is_asked(nowhere, monkeypatch):
    actor = actor_of(Role.STAFF)
    for row in ROWS:
        # Somebody who may do all but this, so that nothing else refuses.
        monkeypatch.setitem(PERMISSIONS, Role.STAFF, frozenset(Permission) - {row.permission})
        # What answers bit by bit must refuse at once, not when its first bit is taken.
        with pytest.raises(Forbidden, match=rf"does not allow {row.permission}\b"):
            row.call(nowhere, actor)


@pytest.mark.parametrize("role", Role)
def test_each_role_is_refused_what_it_lacks(nowhere, role):
    refused = set()
    for row in ROWS:
        if not may(actor_of(role), row.permission):
            refused.add(row.permission)
            with pytest.raises(Forbidden):
                row.call(nowhere, actor_of(role))
    assert bool(refused) is (role is not Role.ADMIN)


def test_whoever_has_the_permission_is_not_refused(desk):
    for row in ROWS:
        for role in Role:
            if not may(actor_of(role), row.permission):
                continue
            try:
                answer = row.call(desk, actor_of(role))
                list(answer) if inspect.isgenerator(answer) else None
            except Forbidden:
                pytest.fail(f"{named(row)} refuses {role}")
            except LumiraError:
                pass


def test_each_role_may_do_what_its_work_needs():
    base = {P.BROWSE, P.REFRESH, P.ADD_NOTE, P.RECONCILE}
    assert PERMISSIONS[Role.STAFF] == base
    support = {P.CREATE_INTENT, P.CONFIRM_TEST, P.CANCEL, P.EDIT_CUSTOMER, P.SHARE_PAYMENT_LINK}
    assert PERMISSIONS[Role.SUPPORT] == base | support | {P.READ_PAYLOAD, P.SHARE_VIEW}
    finance = {P.VIEW_REVENUE, P.EXPORT, P.REFUND, P.CLOSE_MONTH}
    assert PERMISSIONS[Role.FINANCE] == base | finance | {P.READ_PAYLOAD, P.SHARE_VIEW}
    assert PERMISSIONS[Role.ADMIN] == set(Permission)


def test_a_refusal_says_what_to_do():
    with pytest.raises(Forbidden, match="role staff does not allow refund"):
        require(actor_of(Role.STAFF), P.REFUND)


def test_pages_routes_and_commands_do_not_reach_behind_the_rules():
    behind = {
        name for name, kind in get_type_hints(Desk).items() if kind.__module__.startswith("lumira.storage")
    }
    assert {"orders", "events", "audit", "store"} <= behind
    # What a desk is opened and closed with.
    behind -= {"store"}
    folders = (ROOT / "dashboard", ROOT / "api", ROOT.parent / "pages")
    for file in (file for folder in folders for file in folder.rglob("*.py")):
        if file == ROOT / "api" / "metrics.py":
            # Counts events, for this machine or whoever may see the system, for which it asks itself.
            continue
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Attribute) and node.attr in behind:
                whose = ast.unparse(node.value)
                assert not whose.endswith(("desk()", "current()", "desk")), f"{file}: {whose}.{node.attr}"
