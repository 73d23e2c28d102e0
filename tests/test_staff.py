"""Accounts of staff: who may change what, and what ends with it."""

from __future__ import annotations

import contextlib
import threading
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import pyotp
import pytest
from argon2 import PasswordHasher

from lumira.access import Actor, Role
from lumira.desk import Desk
from lumira.errors import (
    AccountExists,
    AccountNotFound,
    Forbidden,
    InvalidEmail,
    InvalidRequest,
    LastAdministrator,
    SignInRefused,
    StoreUnavailable,
    TooManyAttempts,
    WeakPassword,
    WrongCode,
    WrongPassword,
)
from lumira.passwords import Passwords
from lumira.sessions import Sessions
from lumira.staff import Staff
from lumira.storage import AuditLog, StaffAccounts, StaffSessions, Store
from tests.store_gate import Fate, gate, once

PASSWORD = "tournesol vélo plombier"
ANOTHER = "garage lune sept mouton"
EMAIL = "claire@example.com"
CLAIRE = Actor(EMAIL, Role.SUPPORT)


class Clock:
    """A clock that a test turns."""

    def __init__(self) -> None:
        self.now = datetime(2026, 11, 23, 8, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def turn(self, **by: float) -> None:
        self.now += timedelta(**by)


@pytest.fixture
def clock() -> Clock:
    """What the accounts and sessions of a test go by."""
    return Clock()


@pytest.fixture
def cheap() -> Passwords:
    """Passwords whose hashing takes no time."""
    return Passwords(PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))


@pytest.fixture
def sessions(desk, clock, cheap) -> Sessions:
    """Sessions by the test's clock."""
    return sessions_on(desk, passwords=cheap, clock=clock)


def sessions_on(desk: Desk, **given: Any) -> Sessions:
    """Sessions on the desk's store as another process has them, put together with what is `given`."""
    database = desk.store.database
    return Sessions(
        StaffSessions(database),
        StaffAccounts(database),
        AuditLog(database),
        **{"key": desk.signing_key, **given},
    )


@pytest.fixture
def staff(desk, clock, cheap, sessions) -> Staff:
    """Accounts by the test's clock."""
    return accounts_on(desk.store.database, sessions, desk.signing_key, passwords=cheap, clock=clock)


def accounts_on(database, sessions, key, **given: Any) -> Staff:
    """Accounts of this database whose changes these sessions are told."""
    return Staff(
        StaffAccounts(database),
        StaffSessions(database),
        AuditLog(database),
        key=key,
        changed=sessions.forget,
        **given,
    )


@pytest.fixture
def claire(staff, admin):
    """A colleague of support who has a password."""
    return staff.add(
        "  Claire@Example.com ", Role.SUPPORT, name=" Claire  Martin", password=PASSWORD, actor=admin
    )


def entered(sessions, password=PASSWORD, email=EMAIL, code=None, address="192.0.2.1"):
    """Claire's sign-in."""
    return sessions.sign_in(email, password, code, address=address, device="Firefox")


def test_an_account_is_made_once_and_shows_no_secret(staff, claire, admin, documents):
    assert (claire.email, claire.name, claire.role) == (EMAIL, "Claire Martin", Role.SUPPORT)
    assert staff.all(actor=admin) == [staff.of(CLAIRE)]
    assert not staff.is_empty()
    assert "argon2" not in repr(claire)
    with pytest.raises(AccountExists):
        staff.add("CLAIRE@example.com", Role.ADMIN, password=PASSWORD, actor=admin)
    [entry] = documents.audit_entries.find({"action": "add_staff"})
    assert (entry["actor"], entry["note"]) == ("ada", f"{EMAIL} (support)")


@pytest.mark.parametrize(
    "email", ["", "claire", "claire@", "a b@example.com", {"$ne": ""}.__repr__(), "x" * 300]
)
def test_an_address_that_is_none_is_refused(staff, admin, email):
    with pytest.raises(InvalidEmail):
        staff.add(email, Role.STAFF, password=PASSWORD, actor=admin)
    assert staff.is_empty()


def test_a_weak_password_makes_no_account(staff, admin):
    with pytest.raises(WeakPassword):
        staff.add("claire@example.com", Role.STAFF, password="claire@example", actor=admin)
    assert staff.is_empty()


def test_only_administrators_manage_accounts(staff, claire):
    for change in (
        lambda: staff.add("x@example.com", Role.ADMIN, actor=CLAIRE),
        lambda: staff.set_role(EMAIL, Role.ADMIN, actor=CLAIRE),
        lambda: staff.reset(EMAIL, actor=CLAIRE),
        lambda: staff.all(actor=CLAIRE),
    ):
        with pytest.raises(Forbidden):
            change()
    assert staff.of(CLAIRE) == claire


def test_unknown_accounts_are_named_as_such(staff, admin):
    for change in (staff.disable, staff.enable, staff.reset, staff.drop_authenticator):
        with pytest.raises(AccountNotFound):
            change("nobody@example.com", actor=admin)


def test_a_language_that_was_chosen_is_there_from_the_next_click_on(staff, sessions, claire):
    here = entered(sessions)
    assert sessions.find(here.token).language is None
    staff.choose_language("en", actor=CLAIRE)
    assert sessions.find(here.token).language == "en"
    assert entered(sessions).session.language == "en"
    with pytest.raises(InvalidRequest):
        staff.choose_language("de", actor=CLAIRE)
    with pytest.raises(AccountNotFound):
        staff.choose_language("en", actor=Actor("nobody@example.com", Role.STAFF))


def test_a_role_holds_from_the_next_click_on(staff, sessions, claire, admin, documents):
    signed_in = entered(sessions)
    staff.set_role(EMAIL, Role.FINANCE, actor=admin)
    assert sessions.find(signed_in.token).actor == Actor(EMAIL, Role.FINANCE)
    staff.set_role(EMAIL, Role.FINANCE, actor=admin)
    [entry] = documents.audit_entries.find({"action": "set_role"})
    assert entry["note"] == f"{EMAIL}: support → finance"


def test_whoever_is_disabled_is_out_and_stays_out(staff, sessions, claire, admin):
    signed_in = entered(sessions)
    staff.disable(EMAIL, actor=admin)
    staff.disable(EMAIL, actor=admin)
    assert sessions.find(signed_in.token) is None
    with pytest.raises(SignInRefused):
        entered(sessions)
    staff.enable(EMAIL, actor=admin)
    assert sessions.find(signed_in.token) is None
    assert sessions.find(entered(sessions).token)


def test_the_last_administrator_stays(staff, admin):
    staff.add("ada@example.com", Role.ADMIN, actor=admin)
    staff.add("eve@example.com", Role.ADMIN, actor=admin)
    staff.disable("eve@example.com", actor=admin)
    for change in (
        lambda: staff.disable("ada@example.com", actor=admin),
        lambda: staff.set_role("ada@example.com", Role.STAFF, actor=admin),
    ):
        with pytest.raises(LastAdministrator):
            change()
    [ada, _] = staff.all(actor=admin)
    assert ada.role is Role.ADMIN
    assert ada.disabled_at is None


def test_a_store_that_stops_in_the_middle_leaves_the_last_administrator(
    desk, staff, sessions, admin, cheap, clock, store_uri
):
    staff.add("ada@example.com", Role.ADMIN, actor=admin)
    written = []

    def fate(command):
        written.extend([command] if command == "update" else [])
        return Fate.WT_PANIC if written and command == "find" else Fate.PASSES

    with gate(urlsplit(store_uri).port, fate) as uri, closing(Store(uri, desk.store.database.name)) as store:
        told = accounts_on(store.database, sessions, desk.signing_key, passwords=cheap, clock=clock)
        with pytest.raises((LastAdministrator, StoreUnavailable)):
            told.set_role("ada@example.com", Role.STAFF, actor=admin)
    [ada] = staff.all(actor=admin)
    assert ada.role is Role.ADMIN


def test_two_administrators_can_not_shut_each_other_out_at_once(staff, admin):
    emails = ["ada@example.com", "eve@example.com"]
    for email in emails:
        staff.add(email, Role.ADMIN, actor=admin)
    together = threading.Barrier(2)

    def shut_out(email):
        together.wait()
        with contextlib.suppress(LastAdministrator):
            staff.disable(email, actor=admin)

    threads = [threading.Thread(target=shut_out, args=(email,)) for email in emails]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert any(member.disabled_at is None for member in staff.all(actor=admin))


def test_a_reset_ends_every_session_and_its_password_is_good_once(staff, sessions, claire, admin):
    old = entered(sessions)
    password = staff.reset(EMAIL, actor=admin)
    assert sessions.find(old.token) is None
    with pytest.raises(SignInRefused):
        entered(sessions)
    signed_in = entered(sessions, password)
    assert signed_in.session.must_change_password
    staff.change_password(password, ANOTHER, actor=CLAIRE, keep_session=signed_in.session.id)
    assert not sessions.find(signed_in.token).must_change_password


def test_a_new_password_ends_the_other_sessions(staff, sessions, claire, documents):
    here, there = entered(sessions), entered(sessions)
    staff.change_password(PASSWORD, ANOTHER, actor=CLAIRE, keep_session=here.session.id)
    assert sessions.find(here.token)
    assert sessions.find(there.token) is None
    assert entered(sessions, ANOTHER)
    for document in (*documents.audit_entries.find(), *documents.staff.find(), *documents.sessions.find()):
        for secret in (PASSWORD, ANOTHER, here.token, there.token):
            assert secret not in str(document)


def test_a_new_password_whose_answer_was_lost_is_taken_at_the_second_try(
    desk, staff, sessions, claire, clock, cheap, store_uri
):
    """It held by then, so that the old one was refused, and whoever else was signed in stayed so."""
    here, there = entered(sessions), entered(sessions)
    with (
        gate(urlsplit(store_uri).port, once("delete", Fate.WT_PANIC)) as uri,
        closing(Store(uri, desk.store.database.name)) as store,
    ):
        told = accounts_on(store.database, sessions, desk.signing_key, passwords=cheap, clock=clock)

        def change():
            told.change_password(PASSWORD, ANOTHER, actor=CLAIRE, keep_session=here.session.id)

        with pytest.raises(StoreUnavailable):
            change()
        change()
    sessions.forget(EMAIL)
    assert sessions.find(there.token) is None
    assert sessions.find(here.token)
    clock.turn(hours=2)
    with pytest.raises(WrongPassword):
        staff.change_password(PASSWORD, ANOTHER, actor=CLAIRE)


def test_a_new_password_needs_the_present_one_and_guessing_it_is_slow(staff, claire):
    with pytest.raises(WeakPassword):
        staff.change_password(PASSWORD, "claire martin", actor=CLAIRE)
    with pytest.raises(WeakPassword):
        staff.change_password(PASSWORD, PASSWORD, actor=CLAIRE)
    for _ in range(5):
        with pytest.raises(WrongPassword):
            staff.change_password("another guess", ANOTHER, actor=CLAIRE)
    with pytest.raises(TooManyAttempts):
        staff.change_password(PASSWORD, ANOTHER, actor=CLAIRE)


def test_an_account_without_password_has_none_to_change(staff, admin):
    staff.add(EMAIL, Role.SUPPORT, actor=admin)
    for old in ("", "None"):
        with pytest.raises(WrongPassword):
            staff.change_password(old, ANOTHER, actor=CLAIRE)


def test_an_authenticator_is_kept_once_it_has_shown_a_code(staff, claire, admin, clock, documents):
    enrolment = staff.begin_authenticator(actor=CLAIRE)
    assert enrolment.secret not in repr(enrolment)
    assert enrolment.uri.startswith("otpauth://totp/Oracle%20Lumira:claire%40example.com?secret=")
    for code in ("", "12345", "abcdef", "٣٣٣٣٣٣"):
        with pytest.raises(WrongCode):
            staff.confirm_authenticator(enrolment, code, actor=CLAIRE)
    assert not staff.of(CLAIRE).has_totp
    staff.confirm_authenticator(enrolment, pyotp.TOTP(enrolment.secret).at(clock.now), actor=CLAIRE)
    assert staff.of(CLAIRE).has_totp
    assert enrolment.secret not in repr(staff.of(CLAIRE))
    another = staff.begin_authenticator(actor=CLAIRE)
    with pytest.raises(Forbidden):
        staff.confirm_authenticator(another, pyotp.TOTP(another.secret).at(clock.now), actor=CLAIRE)
    with pytest.raises(WrongPassword):
        staff.remove_authenticator("guess", actor=CLAIRE)
    staff.remove_authenticator(PASSWORD, actor=CLAIRE)
    assert not staff.of(CLAIRE).has_totp
    told = [(entry["action"], entry["actor"]) for entry in documents.audit_entries.find().sort("_id")]
    assert told[-2:] == [("add_authenticator", EMAIL), ("remove_authenticator", EMAIL)]


def test_an_administrator_can_drop_an_authenticator_that_is_lost(staff, sessions, claire, admin, clock):
    enrolment = staff.begin_authenticator(actor=CLAIRE)
    staff.confirm_authenticator(enrolment, pyotp.TOTP(enrolment.secret).at(clock.now), actor=CLAIRE)
    staff.drop_authenticator(EMAIL, actor=admin)
    assert entered(sessions)
