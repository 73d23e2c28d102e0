"""The audit log as it is read: page by page, beside plain Python; as a file; in words."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from lumira.access import Actor, Role
from lumira.audit import Action, AuditEntry, AuditFilter
from lumira.audit_export import action_name, audit_columns, details
from lumira.export import FileFormat, write
from lumira.order_filter import OrderFilter
from lumira.texts import LANGUAGES, is_known

ADMIN = Actor("ada", Role.ADMIN)
NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)
ACTORS = ("claire@example.com", "checkout", "lumira", "command line")

drawn = st.builds(
    lambda back, actor, action: AuditEntry(
        at=NOW - timedelta(milliseconds=back), actor=actor, role="admin", action=str(action)
    ),
    # Many in one millisecond, few long ago.
    st.sampled_from([0, 0, 0, 1, 60_000, 3_600_000, 90_000_000, 40_000_000_000]),
    st.sampled_from(ACTORS),
    st.sampled_from([Action.REFUND, Action.SIGN_IN, Action.CREATE_INTENT]),
)
filters = st.builds(
    AuditFilter,
    st.sampled_from([None, *ACTORS]),
    st.sampled_from([None, Action.REFUND, Action.SIGN_IN]),
    st.sampled_from([None, NOW, NOW - timedelta(days=1)]),
    st.booleans(),
)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(entries=st.lists(drawn, max_size=14), selected=filters, size=st.integers(1, 5))
@example(entries=[AuditEntry(NOW, ACTORS[0], "admin", "refund")], selected=AuditFilter(people=True), size=1)
def test_pages_hold_each_entry_once_and_newest_first(desk, documents, entries, selected, size):
    documents.audit_entries.delete_many({})
    for number, entry in enumerate(entries):
        # Every other one is of an attempt, whose _id is not that of an instant.
        attempt = {"attempt_id": f"{number}"} if number % 2 else {}
        desk.audit.record(AuditEntry(**{**vars(entry), "request_id": f"{number}", **attempt}))
        if number % 3 == 0:
            # As an earlier version wrote it, which may run beside this one.
            documents.audit_entries.update_one({"request_id": f"{number}"}, {"$unset": {"by_person": ""}})
    desk.audit.complete()
    read, cursor = [], None
    while True:
        page, cursor = desk.audit_trail.page(size, cursor, selected=selected, actor=ADMIN)
        assert len(page) <= size
        read += page
        if cursor is None:
            break
    wanted = {
        f"{number}"
        for number, entry in enumerate(entries)
        if selected.actor in (None, entry.actor)
        and selected.action in (None, entry.action)
        and (selected.since is None or entry.at >= selected.since)
        and not (selected.people and entry.actor in {"checkout", "lumira"})
    }
    assert sorted(entry.request_id for entry in read) == sorted(wanted)
    assert [entry.at for entry in read] == sorted((entry.at for entry in read), reverse=True)


def test_what_is_repeated_with_one_key_is_told_once(desk, documents):
    entry = AuditEntry.by(ADMIN, Action.REFUND, NOW, order_id="a", attempt_id="1")
    for note in (None, "again"):
        desk.audit.record(replace(entry, note=note))
    # As a later version may have left it.
    documents.audit_entries.update_one({}, {"$set": {"seal": "x"}})
    assert desk.audit.of_order("a") == [entry]


def test_an_amount_stands_with_its_currency(desk, support):
    paid = _paid(desk, support)
    desk.refunds.create(paid.id, 1200, actor=ADMIN, reason="duplicate")
    refund, *_ = desk.audit_trail.of_order(paid.id, actor=ADMIN)
    assert details(refund, "en") == "Refunded: €0.00 → €12.00 · It was a duplicate"
    assert details(refund, "fr").startswith("Remboursé\u00a0: 0,00\u00a0€ → 12,00\u00a0€")


def test_each_action_has_words_in_both_languages():
    for action in Action:
        for language in LANGUAGES:
            assert action_name(str(action), language) != str(action), action
    # Of an earlier version.
    assert action_name("polish_stars", "en") == "polish_stars"


@pytest.mark.parametrize(
    ("action", "facts", "told"),
    [
        (Action.EXPORT_ORDERS, {"filter": {"status": "failed"}, "format": "csv", "rows": 3, "order_ids": []},
         "Filter: status=failed · Format: csv · Rows: 3"),
        (Action.CREATE_INTENT, {"amount": 0, "currency": "eur"}, "Free"),
        (Action.EXPORT_CUSTOMER, {"order_ids": ["a", "b"]}, "Orders: 2"),
        (Action.CLOSE_MONTH, {"month": "2026-10", "differences": 0, "net": {"eur": 4700, "jpy": 500}},
         "Month: 2026-10 · Differences: 0 · Net: €47.00, ¥500"),
        (Action.EXPORT_MONTH, {"month": "2026-10", "format": "pdf", "closed": True},
         "Month: 2026-10 · Format: pdf · Closed: yes"),
        (Action.EXPORT_AUDIT, {"format": "csv", "rows": 2, "action": "sign_in"},
         "Format: csv · Rows: 2 · Action: Sign-in"),
    ],
)  # fmt: skip
def test_facts_are_told_in_words(action, facts, told):
    assert details(AuditEntry.by(ADMIN, action, NOW, after=facts), "en") == told


@pytest.mark.parametrize(
    ("action", "note", "told"),
    [
        (Action.ADD_STAFF, "admin@example.com (admin)", "admin@example.com (Administration)"),
        (Action.SET_ROLE, "admin@example.com: staff → finance", "admin@example.com: Consultation → Finance"),
        (Action.CREATE_TOKEN, "support (support)", "support (Support)"),
        (Action.ADD_NOTE, "Vu avec elle (admin)", "Vu avec elle (admin)"),
        (Action.SET_ROLE, "paul@example.com: seer → admin", "paul@example.com: seer → Administration"),
    ],
)
def test_a_role_is_told_by_its_name(action, note, told):
    assert details(AuditEntry.by(ADMIN, action, NOW, note=note), "fr") == told


@pytest.mark.parametrize("action", [Action.SIGN_IN, Action.SIGN_IN_REFUSED])
@pytest.mark.parametrize(
    ("agent", "told"),
    [
        ("Mozilla/5.0 (Windows NT 10.0; rv:145.0) Gecko/20100101 Firefox/145.0", "Firefox sur Windows"),
        ("curl/8.5.0", "curl/8.5.0"),
        ("", ""),
    ],
)
def test_a_browser_is_told_by_its_name_and_what_is_none_as_it_calls_itself(action, agent, told):
    entry = AuditEntry.by(ADMIN, action, NOW, note=f"192.0.2.1 · {agent}")
    assert details(entry, "fr") == f"192.0.2.1 · {told}"


def test_every_fact_that_is_recorded_has_a_label(desk, documents, support):
    """What is recorded anywhere and not known here would be missing from the page without a word."""
    desk.views.save("x", {"status": "failed"}, shared=True, actor=ADMIN)
    list(desk.order_list.export(OrderFilter(), kind="csv", actor=ADMIN))
    list(desk.audit_trail.export(AuditFilter("ada", "refund", NOW), kind="csv", actor=ADMIN))
    desk.revenue.rebuild(actor=ADMIN)
    desk.privacy.export("zoe@example.com", actor=ADMIN)
    # Who may see a view and how it is laid out are no news to whoever reads the log.
    told_otherwise = {"owner", "layout"}
    for entry in documents.audit_entries.find():
        for name in entry["after"].keys() - told_otherwise:
            assert is_known(f"audit.fact.{name}"), (entry["action"], name)


def test_a_file_holds_all_and_taking_it_is_told_also_when_cut_short(desk, documents, support):
    paid = _paid(desk, support)
    desk.refunds.create(paid.id, actor=ADMIN)
    file = io.BytesIO()
    zone = ZoneInfo("Europe/Paris")
    entries = desk.audit_trail.export(kind="csv", actor=ADMIN)
    write(file, FileFormat.CSV, audit_columns("en", zone), entries, language="en", zone=zone)
    head, *rows = file.getvalue().decode("utf-8-sig").splitlines()
    assert head.startswith("When (Europe/Paris),Who,Role,Action,Order,Details,Before,After")
    assert len(rows) == 3
    cut_short: Iterator[AuditEntry] = desk.audit_trail.export(kind="xlsx", actor=ADMIN)
    next(cut_short)
    cut_short.close()
    told = list(documents.audit_entries.find({"action": "export_audit"}).sort("at", 1))
    assert [entry["after"] for entry in told] == [
        {"format": "csv", "rows": 3},
        {"format": "xlsx", "rows": 1},
    ]


def _paid(desk, support):
    created = desk.intents.create({"productId": "mystique"}, actor=support, source="tests")
    return desk.intents.confirm(created.order_id, "pm_card_visa", actor=support)
