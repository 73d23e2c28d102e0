"""The ledger's lists beside a plain count."""

from datetime import UTC, datetime, timedelta

import pytest
from bson.datetime_ms import DatetimeMS
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lumira.access import Actor, Role
from lumira.events import EventFilter, EventState

STAFF = Actor("noé", Role.STAFF)
TYPES = ("payment_intent.succeeded", "refund.created", "customer.created")
NOW = datetime.now(UTC).replace(microsecond=0)

ages = st.sampled_from(
    [timedelta(0), timedelta(hours=1), timedelta(days=1), timedelta(days=8), timedelta(days=90)]
)
rows = st.lists(
    st.fixed_dictionaries(
        {"eventType": st.sampled_from(TYPES), "createdAt": ages.map(lambda age: NOW - age)},
        # The program we replaced wrote no state.
        optional={"state": st.sampled_from(list(map(str, EventState)))},
    ),
    max_size=25,
)
filters = st.builds(
    EventFilter,
    state=st.none() | st.sampled_from(EventState),
    type=st.none() | st.sampled_from(TYPES),
    since=st.none() | ages.map(lambda age: NOW - age),
)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=rows, selected=filters, size=st.integers(1, 7))
def test_every_page_holds_exactly_what_the_filter_selects(desk, documents, rows, selected, size):
    ledger = documents.processed_events
    ledger.delete_many({})
    if rows:
        ledger.insert_many([{"eventId": f"evt_{number}", **row} for number, row in enumerate(rows)])
    found, cursor = [], None
    while True:
        page, cursor = desk.webhooks.page(size, cursor, selected=selected, actor=STAFF)
        assert len(page) <= size
        found += [event.event_id for event in page]
        if cursor is None:
            break
    expected = [
        row
        for row in ledger.find()
        if selected.state in (None, row.get("state", "processed"))
        and selected.type in (None, row["eventType"])
        and (selected.since is None or row["createdAt"] >= selected.since)
    ]
    expected.sort(key=lambda row: (row["createdAt"], row["_id"]), reverse=True)
    assert found == [row["eventId"] for row in expected]


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=rows, age=ages)
def test_pruning_leaves_what_is_young_in_hand_or_failed(desk, documents, rows, age):
    ledger, before = documents.processed_events, NOW - age
    ledger.delete_many({})
    if rows:
        ledger.insert_many([{"eventId": f"evt_{number}", **row} for number, row in enumerate(rows)])
    goes = [
        number
        for number, row in enumerate(rows)
        if row.get("state", "processed") == "processed" and row["createdAt"] < before
    ]
    assert desk.events.prune(before) == len(goes)
    stays = {f"evt_{number}" for number in range(len(rows)) if number not in goes}
    assert {row["eventId"] for row in ledger.find()} == stays


def test_what_was_processed_late_is_kept_as_long_from_then(desk, documents):
    day = timedelta(days=1)
    documents.processed_events.insert_many(
        [
            {"eventId": "evt_late", "eventType": "x", "createdAt": NOW - 100 * day, "processedAt": NOW},
            {"eventId": "evt_old", "createdAt": NOW - 100 * day, "processedAt": NOW - 100 * day},
        ]
    )
    assert desk.events.prune(NOW - 90 * day) == 1
    assert [row["eventId"] for row in documents.processed_events.find()] == ["evt_late"]


def test_what_years_have_left_is_pruned_to_the_last_event(desk, documents):
    day = timedelta(days=1)
    ages = [90 * day, 90.5 * day, 91 * day, 92 * day, 1_089 * day, 1_091 * day, 5_000 * day]
    rows = [{"eventId": f"evt_{age}", "state": "processed", "createdAt": NOW - age} for age in ages]
    dated = [{**row, "eventId": f"{row['eventId']} of old", "state": None} for row in rows]
    documents.processed_events.insert_many([*rows, *dated])
    assert desk.events.prune(NOW - 90 * day) == 2 * (len(ages) - 1)
    assert {row["createdAt"] for row in documents.processed_events.find()} == {NOW - 90 * day}


def test_a_page_that_finds_little_ends_early_and_goes_on(desk, documents, monkeypatch):
    monkeypatch.setattr("lumira.storage.paging.READ_AT_MOST", 4)
    documents.processed_events.insert_many(
        [
            {"eventId": f"evt_{number}", "eventType": "x", "createdAt": NOW - timedelta(minutes=number)}
            | ({"state": "failed"} if number < 9 else {})
            for number in range(12)
        ]
    )
    processed = EventFilter(EventState.PROCESSED)
    first, cursor = desk.webhooks.page(2, selected=processed, actor=STAFF)
    assert first == []
    assert cursor
    found = []
    while cursor:
        page, cursor = desk.webhooks.page(2, cursor, selected=processed, actor=STAFF)
        found += [event.event_id for event in page]
    assert found == ["evt_9", "evt_10", "evt_11"]


def test_a_worker_slower_than_its_lease_undoes_nothing(desk, documents):
    desk.events.claim({"id": "evt_1", "type": "refund.created", "data": {"object": {}}})
    desk.events.settle("evt_1", "applied")
    desk.events.fail("evt_1", "too slow", "INTERNAL_SERVER_ERROR")
    row = documents.processed_events.find_one({"eventId": "evt_1"})
    assert (row["state"], "error" in row) == ("processed", False)


def test_a_listed_event_holds_nothing_of_its_payload_but_ids(desk):
    charge = {"id": "ch_1", "payment_intent": "pi_1", "billing_details": {"email": "zoe@example.com"}}
    for number, whole in enumerate((charge, charge | {"payment_intent": {"id": "pi_1", "amount": 4700}})):
        desk.events.claim({"id": f"evt_{number}", "type": "charge.refunded", "data": {"object": whole}})
    page, _ = desk.webhooks.page(2, actor=STAFF)
    assert [event.data for event in page] == [{"object": {"id": "ch_1", "payment_intent": "pi_1"}}] * 2


def test_rows_that_another_program_left_undated_are_shown_last_retried_and_pruned(desk, documents):
    old = NOW - timedelta(days=200)
    documents.processed_events.insert_many(
        [
            {"eventId": "evt_done", "eventType": TYPES[0], "processedAt": old},
            {"eventId": "evt_failed", "eventType": TYPES[0], "state": "failed", "createdAt": None},
            {"eventId": "evt_dated", "eventType": TYPES[0], "createdAt": NOW, "processedAt": NOW},
        ]
    )
    page, cursor = desk.webhooks.page(10, actor=STAFF)
    assert (page[0].event_id, cursor) == ("evt_dated", None)
    assert {event.event_id for event in page[1:]} == {"evt_done", "evt_failed"}
    recent, _ = desk.webhooks.page(10, selected=EventFilter(since=old), actor=STAFF)
    assert [event.event_id for event in recent] == ["evt_dated"]
    assert desk.events.failed() == ["evt_failed"]
    assert desk.webhooks.prune(actor=Actor("ada", Role.ADMIN)) == 1
    assert {row["eventId"] for row in documents.processed_events.find()} == {"evt_failed", "evt_dated"}


@pytest.mark.parametrize(
    "odd",
    [
        {"processedAt": "yesterday"},
        {"processedAt": DatetimeMS(1_700_000_000_000_000)},
        {"createdAt": DatetimeMS(1_700_000_000_000_000)},
        {"createdAt": "2026-11-30"},
        {"eventType": None},
    ],
)
def test_a_row_that_another_program_wrote_otherwise_hides_none(desk, documents, odd):
    """One of them was enough: no page of the ledger opened, and Prometheus was answered 500."""
    ada = Actor("ada", Role.ADMIN)
    whole = {"eventType": TYPES[0], "processedAt": NOW, "createdAt": NOW}
    row = {"eventId": "evt_odd", **{name: value for name, value in (whole | odd).items() if value}}
    documents.processed_events.insert_many([row, {"eventId": "evt_whole", **whole}])
    page, _ = desk.webhooks.page(10, actor=ada)
    assert "evt_whole" in {event.event_id for event in page}
    assert desk.webhooks.find("evt_odd", actor=ada).state == "processed"
    assert desk.webhooks.of_payment("pi_1", since=NOW - timedelta(minutes=1), actor=ada) == []
    assert desk.webhooks.retry("evt_odd", actor=ada) == "unchanged"


def test_a_row_in_hand_without_a_lease_is_nobodys(desk, documents):
    taken = {"eventId": "evt_1", "eventType": "x", "state": "processing", "createdAt": NOW}
    documents.processed_events.insert_one(taken)
    assert desk.events.claim({"id": "evt_1", "type": "x", "data": {"object": {}}}) == "ours"


def test_of_many_in_hand_those_that_are_stuck_are_found(desk, documents):
    documents.processed_events.insert_many(
        {
            **{"eventId": f"evt_{number}", "eventType": "x", "state": "processing"},
            **{
                "createdAt": NOW - timedelta(minutes=number),
                # The newest alone is still being worked at.
                "leaseUntil": NOW + timedelta(hours=1 - 2 * number),
            },
        }
        for number in range(10)
    )
    assert set(desk.events.stuck(3)) == {"evt_7", "evt_8", "evt_9"}
    # One that was retried as the store stopped failed before, and has left the failed ones.
    retried = dict(desk.webhooks.retry_failed(actor=Actor("ada", Role.ADMIN)))
    assert retried == {f"evt_{number}": "ignored" for number in range(1, 10)}
    assert desk.events.stuck(10) == []
