"""`lumira staff` as somebody types it, beside a store that runs."""

from __future__ import annotations

import io
import sys

import pytest

from lumira.access import Role
from lumira.api.gate import CHECK_SECONDS
from lumira.cli import main
from lumira.errors import SignInRefused
from lumira.sessions import REMEMBERED_SECONDS
from tests.conftest import STRIPE_KEY, opened
from tests.test_staff import ANOTHER, PASSWORD


@pytest.fixture
def lumira(desk, monkeypatch, capsys):
    """Runs the command on the test's store; how it ended, what it printed, and what it said of itself."""
    settings = desk.settings
    monkeypatch.setenv("MONGODB_URI", settings.mongodb_uri.get_secret_value())
    monkeypatch.setenv("MONGODB_DB", settings.mongodb_db)
    monkeypatch.setenv("STRIPE_SECRET_KEY", STRIPE_KEY)
    monkeypatch.setenv("LUMIRA_HOME", str(settings.home))
    monkeypatch.setenv("COLUMNS", "200")

    def lumira(*words: str, given: str = "") -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["lumira", "staff", *words])
        monkeypatch.setattr(sys, "stdin", io.StringIO(given))
        with pytest.raises(SystemExit) as ended:
            main()
        printed = capsys.readouterr()
        return ended.value.code or 0, printed.out, printed.err

    return lumira


def entered(desk, email, password):
    """A sign-in."""
    return desk.sessions.sign_in(email, password, address="192.0.2.1", device="Firefox")


def test_the_first_account_and_all_that_follows(lumira, desk, admin):
    code, out, _ = lumira(
        "add", "Ada@example.com", "--role", "admin", "--password-stdin", given=f"{PASSWORD}\n"
    )
    assert (code, out) == (0, "ada@example.com may sign in as admin.\n")
    assert entered(desk, "ada@example.com", PASSWORD).session.role is Role.ADMIN
    code, once, err = lumira("add", "claire@example.com", "--one-time", "--name", "Claire")
    assert code == 0
    assert "changed at the first sign-in" in err
    assert entered(desk, "claire@example.com", once.strip()).session.must_change_password
    code, out, _ = lumira("list")
    assert code == 0
    assert all(word in out for word in ("ada@example.com", "admin", "claire@example.com", "Claire", "staff"))
    assert once.strip() not in out
    assert lumira("disable", "claire@example.com")[0] == 0
    with pytest.raises(SignInRefused):
        entered(desk, "claire@example.com", once.strip())
    assert [
        entry["action"]
        for entry in desk.store.database.audit_entries.find({"actor": "command line"}).sort("_id", 1)
    ] == [
        "add_staff",
        "add_staff",
        "disable_staff",
    ]


def test_what_is_said_of_how_soon_it_holds_is_true(lumira, desk, admin, settings):
    """A process trusts what it knows of a session for a while; the gate looks at open pages now and then."""
    assert REMEMBERED_SECONDS + CHECK_SECONDS == 15
    desk.staff.add("ada@example.com", Role.ADMIN, actor=admin)
    desk.staff.add("zoe@example.com", Role.STAFF, password=PASSWORD, actor=admin)
    token = entered(desk, "zoe@example.com", PASSWORD).token
    # Another process than the desk's, which learns of it from the store alone.
    told = lumira("role", "zoe@example.com", "finance")
    assert told == (0, "zoe@example.com is finance: within fifteen seconds everywhere.\n", "")
    with opened(settings) as elsewhere:
        assert elsewhere.sessions.find(token).role is Role.FINANCE
    told = lumira("sign-out", "zoe@example.com")
    assert told == (0, "1 session ended: within fifteen seconds everywhere.\n", "")
    with opened(settings) as elsewhere:
        assert elsewhere.sessions.find(token) is None


def test_what_can_not_be_done_is_one_line(lumira, desk, admin):
    desk.staff.add("ada@example.com", Role.ADMIN, password=ANOTHER, actor=admin)
    for words, given, said in (
        (("add", "ada@example.com", "--one-time"), "", "ada@example.com has an account already."),
        (("add", "eve@example.com", "--password-stdin"), "short\n", "at least 12 characters"),
        (("add", "nowhere", "--one-time"), "", "nowhere is no e-mail address."),
        (("disable", "ada@example.com"), "", "is the only administrator"),
        (("reset", "nobody@example.com"), "", "There is no account nobody@example.com."),
    ):
        code, out, err = lumira(*words, given=given)
        assert (code, out) == (1, ""), words
        assert err.startswith("lumira: ")
        assert said in err
        assert err.count("\n") == 1, err


def test_where_the_store_does_not_answer_it_is_said_what_names_it(lumira, monkeypatch):
    monkeypatch.setenv("MONGODB_URI", "mongodb://127.0.0.1:1/?timeoutMS=200")
    code, _, err = lumira("list")
    assert code == 1
    assert err.splitlines()[-1].startswith("lumira: The order store d")
    assert "`lumira doctor`" in err
