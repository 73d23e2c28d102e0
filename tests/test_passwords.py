"""What makes a good password, and how passwords are kept."""

from __future__ import annotations

import re

import pytest
from argon2 import PasswordHasher
from hypothesis import given, settings
from hypothesis import strategies as st

from lumira.errors import WeakPassword
from lumira.passwords import MAX_LENGTH, Passwords, check_password, one_time_password

# What a hash costs is argon2's affair; these tests ask what is compared with what.
CHEAP = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)


@pytest.mark.parametrize(
    "password",
    [
        "court",
        "onze signes",
        "motdepasse123",
        "password1234",
        "aaaaaaaaaaaaaaaa",
        "azertyuiop12345",
        "lumira oracle lumira",
        "claire.martin@example.com",
        "x" * (MAX_LENGTH + 1),
    ],
)
def test_what_anybody_would_try_is_refused(password):
    with pytest.raises(WeakPassword):
        check_password(password, about=("claire.martin@example.com", "Claire Martin"))


@pytest.mark.parametrize(
    "password",
    ["tournesol vélo plombier", "Zk7%qLp2vRw9", "正しい馬の電池ホチキス留め", "vélo lune sept garage" * 6],
)
def test_a_good_one_is_taken(password):
    check_password(password, about=("claire.martin@example.com",))


def test_what_is_given_out_once_is_good_and_never_the_same():
    given_out = {one_time_password() for _ in range(20)}
    assert len(given_out) == 20
    for password in given_out:
        check_password(password)
        # It is read out, and typed from paper.
        assert re.fullmatch(r"([a-z2-9]{4}-){4}[a-z2-9]{4}", password)
        assert not set(password) & set("ilo01")


@settings(max_examples=40)
@given(st.text(max_size=MAX_LENGTH), st.text(max_size=MAX_LENGTH))
def test_only_the_password_itself_matches(one, other):
    passwords = Passwords(CHEAP)
    stored = passwords.hash(one)
    assert passwords.matches(one, stored)
    if other.encode("utf-8", "replace") != one.encode("utf-8", "replace"):
        assert not passwords.matches(other + "…", stored)


def test_the_same_letters_from_another_keyboard_match():
    passwords = Passwords(CHEAP)
    assert passwords.matches("cafe\u0301 crème", passwords.hash("café crème"))


def test_without_a_stored_one_nothing_matches():
    passwords = Passwords(CHEAP)
    assert not passwords.matches("", None)
    assert not passwords.matches("anything", "not a hash")


def test_a_hash_of_other_parameters_is_outdated():
    stored = Passwords(CHEAP).hash("vélo")
    assert not Passwords(CHEAP).is_outdated(stored)
    assert Passwords().is_outdated(stored)


def test_ours_is_argon2id_as_rfc_9106_recommends():
    assert Passwords().hash("vélo").startswith("$argon2id$v=19$m=65536,t=3,p=4$")
