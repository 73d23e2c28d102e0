"""Signing in and out: what lets in, what ends a session, what a guess learns."""

from __future__ import annotations

import hashlib
from datetime import timedelta

import pyotp
import pytest
from argon2 import PasswordHasher

from lumira.access import Actor, Role
from lumira.errors import (
    AuthenticatorUnreadable,
    CodeNeeded,
    Forbidden,
    SessionNotFound,
    SignInRefused,
    TooManyAttempts,
)
from lumira.passwords import Passwords
from lumira.sessions import LIFETIME, TICKET_SECONDS
from lumira.storage import StaffAccounts, StaffSessions
from tests.conftest import wait_until
from tests.test_staff import (
    CLAIRE,
    EMAIL,
    PASSWORD,
    cheap,
    claire,
    clock,
    entered,
    sessions,
    sessions_on,
    staff,
)

__all__ = ["cheap", "claire", "clock", "sessions", "staff"]


@pytest.fixture
def authenticator(staff, claire, clock) -> pyotp.TOTP:
    """Claire's authenticator; the code it was set up with is behind us."""
    enrolment = staff.begin_authenticator(actor=CLAIRE)
    totp = pyotp.TOTP(enrolment.secret)
    staff.confirm_authenticator(enrolment, totp.at(clock.now), actor=CLAIRE)
    clock.turn(minutes=2)
    return totp


def test_a_session_is_who_signed_in_from_where(sessions, claire, clock, documents):
    signed_in = entered(sessions, email=" CLAIRE@example.com ")
    session = sessions.find(signed_in.token)
    assert session == signed_in.session
    assert session.actor == CLAIRE
    assert session.name == "Claire Martin"
    [kept] = sessions.of(EMAIL, actor=CLAIRE)
    assert (kept.id, kept.address, kept.device) == (session.id, "192.0.2.1", "Firefox")
    assert session.expires_at == clock.now + LIFETIME
    assert signed_in.token not in repr(signed_in)
    [stored] = documents.sessions.find()
    assert stored["_id"] == hashlib.sha256(signed_in.token.encode()).hexdigest()
    [entry] = documents.audit_entries.find({"action": "sign_in"})
    assert (entry["actor"], entry["note"]) == (EMAIL, "192.0.2.1 · Firefox")
    assert documents.staff.find_one()["lastSignInAt"] == clock.now


def test_every_refusal_reads_the_same(sessions, staff, claire, admin, documents):
    staff.add("eve@example.com", Role.STAFF, password=PASSWORD, actor=admin)
    staff.disable("eve@example.com", actor=admin)
    staff.add("open@example.com", Role.STAFF, actor=admin)
    told = set()
    for email, password in (
        (EMAIL, "a wrong password"),
        ("nobody@example.com", PASSWORD),
        ("eve@example.com", PASSWORD),
        ("open@example.com", ""),
        ("open@example.com", "None"),
        ("", ""),
        ('{"$ne": null}', PASSWORD),
        ("x" * 10_000, "x" * 10_000),
        ("\0", "\ud800"),
    ):
        with pytest.raises(SignInRefused) as refused:
            entered(sessions, password, email)
        told.add((refused.value.message, refused.value.code, str(refused.value.extra)))
    assert len(told) == 1
    assert documents.sessions.find_one() is None
    refusals = list(documents.audit_entries.find({"action": "sign_in_refused"}))
    assert {entry["actor"] for entry in refusals} == {EMAIL, "eve@example.com", "open@example.com", "unknown"}
    assert PASSWORD not in str(refusals)


def test_an_unknown_account_takes_as_long_as_a_known_one(sessions, claire, cheap, monkeypatch):
    # Time itself is no test; that the same work is done is.
    checked, matches = [], cheap.matches
    monkeypatch.setattr(cheap, "matches", lambda *given: checked.append(given) or matches(*given))
    for email in (EMAIL, "nobody@example.com"):
        with pytest.raises(SignInRefused):
            entered(sessions, "a wrong password", email)
    assert len(checked) == 2


def test_a_session_ends_after_a_working_day(sessions, claire, clock):
    token = entered(sessions).token
    clock.turn(hours=11.9)
    assert sessions.find(token)
    clock.turn(hours=0.2)
    assert sessions.find(token) is None
    assert sessions.of(EMAIL, actor=CLAIRE) == []
    assert sessions.prune() == 1


def test_nothing_else_is_a_token(sessions, claire):
    signed_in = entered(sessions)
    for token in ("", "x", signed_in.session.id, signed_in.token + "x", signed_in.token[:-1], "é\0\ud800"):
        assert sessions.find(token) is None


def test_signing_out_ends_this_session_alone(sessions, claire, documents):
    here, there = entered(sessions), entered(sessions)
    sessions.sign_out(here.token)
    sessions.sign_out(here.token)
    assert sessions.find(here.token) is None
    assert sessions.find(there.token)
    assert len(list(documents.audit_entries.find({"action": "sign_out"}))) == 1


@pytest.mark.parametrize(
    "ending",
    [
        lambda sessions, here: sessions.sign_out(here.token),
        lambda sessions, here: sessions.end(here.session.id, EMAIL, actor=CLAIRE),
        lambda sessions, here: sessions.sign_out_everywhere(EMAIL, actor=CLAIRE),
    ],
)
@pytest.mark.parametrize("asks", ["just before it is removed", "and hears late"])
def test_a_page_that_asks_while_a_session_ends_is_out_too(sessions, claire, monkeypatch, ending, asks):
    here = entered(sessions)
    find, delete = StaffSessions.find, StaffSessions.delete

    def delete_after_a_page_has_asked(stored, id_):
        sessions.find(here.token)
        return delete(stored, id_)

    def find_and_hear_late(stored, id_):
        found = find(stored, id_)
        monkeypatch.undo()
        ending(sessions, here)
        return found

    if asks == "and hears late":
        monkeypatch.setattr(StaffSessions, "find", find_and_hear_late)
        sessions.find(here.token)
    else:
        monkeypatch.setattr(StaffSessions, "delete", delete_after_a_page_has_asked)
        ending(sessions, here)
    assert sessions.find(here.token) is None


def test_a_page_that_hears_late_of_an_account_that_is_disabled_is_out_too(
    sessions, staff, claire, admin, monkeypatch
):
    here = entered(sessions)
    find = StaffAccounts.find

    def find_and_hear_late(accounts, email):
        found = find(accounts, email)
        monkeypatch.undo()
        staff.disable(EMAIL, actor=admin)
        return found

    monkeypatch.setattr(StaffAccounts, "find", find_and_hear_late)
    sessions.find(here.token)
    assert sessions.find(here.token) is None


def test_whoever_is_disabled_by_another_process_is_out_within_seconds(desk, staff, claire, admin, cheap):
    here = sessions_on(desk, passwords=cheap, remembered_seconds=0.2)
    token = entered(here).token
    assert here.find(token)
    # This one tells `here` nothing: as `lumira staff disable` beside a running desk.
    staff.disable(EMAIL, actor=admin)
    wait_until(lambda: here.find(token) is None, seconds=5)


def test_a_session_whose_answer_was_lost_is_stored_again_without_harm(sessions, claire, desk):
    # The driver repeats a write by itself; a store killed in between no longer knows that it did it.
    stored = StaffSessions(desk.store.database)
    session = stored.find(entered(sessions).session.id)
    stored.insert(session)
    assert stored.of(EMAIL) == [session]


def test_one_s_own_sessions_and_nobody_else_s(sessions, claire, admin, documents):
    here, there = entered(sessions), entered(sessions, address="2001:db8::1")
    assert {one.address for one in sessions.of(EMAIL, actor=CLAIRE)} == {"192.0.2.1", "2001:db8::1"}
    stranger = Actor("eve@example.com", Role.FINANCE)
    for attempt in (
        lambda: sessions.of(EMAIL, actor=stranger),
        lambda: sessions.end(here.session.id, EMAIL, actor=stranger),
        lambda: sessions.sign_out_everywhere(EMAIL, actor=stranger),
    ):
        with pytest.raises(Forbidden):
            attempt()
    # Another's session under one's own name is none.
    with pytest.raises(SessionNotFound):
        sessions.end(here.session.id, "eve@example.com", actor=stranger)
    sessions.end(there.session.id, EMAIL, actor=CLAIRE)
    with pytest.raises(SessionNotFound):
        sessions.end(there.session.id, EMAIL, actor=CLAIRE)
    assert sessions.find(there.token) is None
    assert sessions.find(here.token)
    assert sessions.sign_out_everywhere(EMAIL, actor=admin) == 1
    assert sessions.find(here.token) is None
    told = [(one["action"], one["actor"], one["note"]) for one in documents.audit_entries.find().sort("_id")]
    assert told[-2:] == [("end_session", EMAIL, EMAIL), ("sign_out_everywhere", "ada", EMAIL)]


def test_being_seen_is_noted_once_a_minute(sessions, claire, clock, documents):
    token = entered(sessions).token
    began = clock.now
    clock.turn(seconds=59)
    sessions.forget(EMAIL)
    sessions.find(token)
    assert documents.sessions.find_one()["lastSeenAt"] == began
    clock.turn(seconds=2)
    sessions.forget(EMAIL)
    sessions.find(token)
    assert documents.sessions.find_one()["lastSeenAt"] == began + timedelta(seconds=61)


def test_a_code_is_asked_for_once_the_password_is_right(sessions, authenticator, clock):
    with pytest.raises(SignInRefused):
        entered(sessions, "a wrong password")
    with pytest.raises(CodeNeeded) as needed:
        entered(sessions)
    assert PASSWORD not in needed.value.ticket
    signed_in = sessions.sign_in(
        EMAIL, "", authenticator.at(clock.now), ticket=needed.value.ticket, address="192.0.2.1", device=""
    )
    assert sessions.find(signed_in.token)


def test_a_code_is_good_once_and_half_a_minute_either_way(sessions, authenticator, clock):
    def code_at(step):
        return authenticator.at(clock.now + timedelta(seconds=30 * step))

    for wrong in ("", "000", code_at(-4), code_at(4)):
        with pytest.raises(SignInRefused):
            entered(sessions, code=wrong, address=f"192.0.2.{len(wrong)}")
    code = code_at(-1)
    assert entered(sessions, code=code)
    with pytest.raises(SignInRefused):
        entered(sessions, code=code)
    assert entered(sessions, code=code_at(1))
    # An earlier one, though never used, comes too late.
    with pytest.raises(SignInRefused):
        entered(sessions, code=code_at(0))


def test_a_ticket_is_for_one_account_one_password_and_five_minutes(
    sessions, staff, authenticator, clock, admin, monkeypatch
):
    staff.add("eve@example.com", Role.STAFF, password=PASSWORD, actor=admin)
    with pytest.raises(CodeNeeded) as needed:
        entered(sessions)
    ticket = needed.value.ticket

    def with_ticket(ticket, email=EMAIL):
        code = authenticator.at(clock.now)
        return sessions.sign_in(email, "", code, ticket=ticket, address="192.0.2.9", device="")

    content, _, signature = ticket.rpartition(".")
    # Not its last character, of which only some bits count.
    other = ("B" if signature[0] == "A" else "A") + signature[1:]
    for forged in (f"{content}.{other}", "x", ticket.split(".")[0]):
        with pytest.raises(SignInRefused):
            with_ticket(forged)
    with pytest.raises(SignInRefused):
        with_ticket(ticket, "eve@example.com")
    assert TICKET_SECONDS == 300
    with monkeypatch.context() as patch:
        # Nobody waits for five minutes: every ticket is older than this.
        patch.setattr("lumira.sessions.TICKET_SECONDS", -1)
        with pytest.raises(SignInRefused):
            with_ticket(ticket)
    staff.reset(EMAIL, actor=admin)
    with pytest.raises(SignInRefused):
        with_ticket(ticket)


def test_guessing_is_slow_for_known_and_unknown_accounts_alike(sessions, claire, documents):
    waits = []
    for email in (EMAIL, "nobody@example.com"):
        for _ in range(5):
            with pytest.raises(SignInRefused):
                entered(sessions, "a guess", email, address="198.51.100.7")
        with pytest.raises(TooManyAttempts) as refused:
            entered(sessions, PASSWORD, email, address="198.51.100.7")
        waits.append(refused.value.retry_after)
    assert all(0 < wait <= 300 for wait in waits)
    # Claire herself, at her own desk, gets in meanwhile.
    assert entered(sessions)


def test_many_accounts_from_one_address_are_slow_too(sessions):
    for number in range(60):
        with pytest.raises(SignInRefused):
            entered(sessions, "a guess", f"colleague-{number}@example.com", address="198.51.100.8")
    with pytest.raises(TooManyAttempts):
        entered(sessions, address="198.51.100.8")


def test_one_customer_s_ipv6_addresses_are_one(sessions):
    for number in range(60):
        with pytest.raises(SignInRefused):
            entered(sessions, "a guess", f"colleague-{number}@example.com", address=f"2001:db8::{number:x}")
    with pytest.raises(TooManyAttempts):
        entered(sessions, address="2001:db8::ffff")


def test_one_account_from_many_addresses_is_slow_too(sessions, claire):
    for number in range(40):
        with pytest.raises(SignInRefused):
            entered(sessions, "a guess", address=f"198.51.100.{number}")
    with pytest.raises(TooManyAttempts):
        entered(sessions, address="198.51.100.41")


def test_whoever_gets_in_may_mistype_again(sessions, claire):
    for _ in range(3):
        for _ in range(4):
            with pytest.raises(SignInRefused):
                entered(sessions, "a typo")
        assert entered(sessions)


def test_a_proved_identity_needs_an_open_account(sessions, staff, claire, admin):
    def by_identity(email):
        return sessions.sign_in_by_identity(email, address="192.0.2.1", device="Firefox")

    assert by_identity("Claire@example.com").session.actor == CLAIRE
    with pytest.raises(SignInRefused):
        by_identity("nobody@example.com")
    staff.disable(EMAIL, actor=admin)
    with pytest.raises(SignInRefused):
        by_identity(EMAIL)


def test_the_secret_of_an_authenticator_can_not_be_read_in_the_store(authenticator, documents):
    stored = documents.staff.find_one()["totpSecret"]
    assert authenticator.secret not in stored
    assert stored.startswith("aes256gcm:")


def test_a_secret_stored_by_an_earlier_version_is_good_and_encrypted_by_signing_in(
    sessions, authenticator, documents, clock
):
    documents.staff.update_one({}, {"$set": {"totpSecret": authenticator.secret}})
    with pytest.raises(SignInRefused):
        entered(sessions, code="000000")
    assert documents.staff.find_one()["totpSecret"] == authenticator.secret
    assert entered(sessions, code=authenticator.at(clock.now))
    assert authenticator.secret not in documents.staff.find_one()["totpSecret"]
    clock.turn(minutes=1)
    assert entered(sessions, code=authenticator.at(clock.now))


def test_after_another_signing_key_whoever_has_an_authenticator_is_told_to_have_it_reset(
    desk, sessions, staff, admin, authenticator, cheap, clock
):
    rekeyed = sessions_on(desk, key=lambda: b"another key", passwords=cheap, clock=clock)
    with pytest.raises(AuthenticatorUnreadable, match=f"lumira staff reset {EMAIL}"):
        entered(rekeyed, code=authenticator.at(clock.now))
    # Who does not know the password learns nothing of it.
    with pytest.raises(SignInRefused):
        entered(rekeyed, "a wrong password")
    assert entered(rekeyed, staff.reset(EMAIL, actor=admin))


def test_a_secret_is_good_for_its_own_account_alone(sessions, staff, admin, authenticator, documents, clock):
    staff.add("eve@example.com", Role.STAFF, password=PASSWORD, actor=admin)
    claires = documents.staff.find_one({"_id": EMAIL})["totpSecret"]
    documents.staff.update_one({"_id": "eve@example.com"}, {"$set": {"totpSecret": claires}})
    with pytest.raises(AuthenticatorUnreadable):
        entered(sessions, email="eve@example.com", code=authenticator.at(clock.now))


def test_an_outdated_hash_is_made_anew_by_signing_in(desk, claire, sessions, documents):
    dearer = Passwords(PasswordHasher(time_cost=2, memory_cost=16, parallelism=1))
    later = sessions_on(desk, passwords=dearer)
    entered(later)
    assert "m=16,t=2" in documents.staff.find_one()["passwordHash"]
    assert entered(later)


@pytest.mark.parametrize("step", ["matches", "hash"])
def test_who_signs_in_by_a_password_that_is_reset_meanwhile_is_out(
    desk, claire, staff, admin, documents, clock, monkeypatch, step
):
    """Their session began behind the back of whoever ended all; the old password was written over the new."""
    dearer = Passwords(PasswordHasher(time_cost=2, memory_cost=16, parallelism=1))
    dearer.matches("nobody's", None)
    done = getattr(dearer, step)

    def do_after_a_reset(*given):
        answer = done(*given)
        clock.turn(seconds=1)
        staff.reset(EMAIL, actor=admin)
        return answer

    later = sessions_on(desk, passwords=dearer)
    monkeypatch.setattr(dearer, step, do_after_a_reset)
    with pytest.raises(SignInRefused):
        entered(later)
    monkeypatch.undo()
    assert documents.sessions.count_documents({}) == 0
    with pytest.raises(SignInRefused):
        entered(later)
