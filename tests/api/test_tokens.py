"""API tokens: made once, known by their hash, with a role, gone as soon as they are revoked."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from pydantic import SecretStr
from typer.testing import CliRunner

from lumira import desk as desks
from lumira.access import Actor, Role
from lumira.cli import app
from lumira.desk import Desk
from lumira.errors import Forbidden, InvalidTokenName, TokenNameTaken, TokenNotFound
from tests import web
from tests.conftest import NO_STORE, STRIPE_KEY

CREATE = "/api/products/create-payment-intent"
READ = "/api/products/orders/pi_nothing"


@pytest.fixture
def call(api_server, desk):
    """Calls the API with a token."""

    def call(token: str, method: str = "GET", path: str = READ, **request) -> httpx.Response:
        headers = {"Authorization": f"Bearer {token}"}
        return web.request(method, api_server + path, headers=headers, **request)

    return call


def test_a_token_opens_the_api_and_names_its_orders(desk, admin, call, documents):
    token = desk.tokens.create("checkout", actor=admin)
    created = call(token, "POST", CREATE, json={"productId": "mystique"})
    assert created.status_code == 200
    assert documents.productorders.find_one()["createdBy"] == "checkout"


def test_only_the_hash_is_stored(desk, admin, documents):
    token = desk.tokens.create("checkout", actor=admin)
    assert token.startswith("lum_")
    assert len(token) >= 4 + 43
    stored = documents.api_tokens.find_one()
    assert stored["hash"] == hashlib.sha256(token.encode()).hexdigest()
    assert (stored["name"], stored["role"], stored["createdBy"]) == ("checkout", "support", "ada")
    assert token not in str(stored) + str(list(documents.audit_entries.find()))


def test_the_role_of_a_token_limits_it(desk, admin, call):
    reader = desk.tokens.create("reader", Role.STAFF, actor=admin)
    assert call(reader).status_code == 404
    refused = call(reader, "POST", CREATE, json={"productId": "mystique"})
    assert (refused.status_code, refused.json()["code"]) == (403, "FORBIDDEN")


def test_a_revoked_token_is_refused_at_once_and_like_an_unknown_one(desk, admin, call, documents):
    token = desk.tokens.create("checkout", actor=admin)
    assert call(token).status_code == 404
    desk.tokens.revoke("checkout", actor=admin)
    revoked_at = documents.api_tokens.find_one()["revokedAt"]
    desk.tokens.revoke("checkout", actor=admin)
    assert documents.api_tokens.find_one()["revokedAt"] == revoked_at
    answers = [call(token), call("lum_" + "x" * 43), call("nonsense"), call("lum_")]
    assert [answer.status_code for answer in answers] == [401] * 4
    varying = {"timestamp", "requestId"}
    bodies = [{k: v for k, v in answer.json().items() if k not in varying} for answer in answers]
    assert bodies == [bodies[0]] * 4
    assert {answer.headers["WWW-Authenticate"] for answer in answers} == {"Bearer"}


def test_the_last_use_is_noted_once_a_minute(desk, admin, call, documents):
    token = desk.tokens.create("checkout", actor=admin)
    assert "lastUsedAt" not in documents.api_tokens.find_one()
    call(token)
    first = documents.api_tokens.find_one()["lastUsedAt"]
    assert datetime.now(UTC) - first < timedelta(seconds=30)
    call(token)
    assert documents.api_tokens.find_one()["lastUsedAt"] == first
    long_ago = datetime.now(UTC) - timedelta(minutes=2)
    documents.api_tokens.update_one({}, {"$set": {"lastUsedAt": long_ago}})
    call(token)
    assert documents.api_tokens.find_one()["lastUsedAt"] > first


def test_a_name_is_given_once(desk, admin):
    desk.tokens.create("checkout", actor=admin)
    desk.tokens.revoke("checkout", actor=admin)
    with pytest.raises(TokenNameTaken):
        desk.tokens.create("checkout", actor=admin)
    for name in ("", "a b", "-x", "x" * 65, "é", "a\n"):
        with pytest.raises(InvalidTokenName):
            desk.tokens.create(name, actor=admin)
    with pytest.raises(TokenNotFound):
        desk.tokens.revoke("nobody", actor=admin)


@pytest.mark.parametrize("role", [Role.STAFF, Role.SUPPORT, Role.FINANCE])
def test_only_administrators_manage_tokens(desk, role):
    actor = Actor("bob", role)
    for attempt in (
        lambda: desk.tokens.create("checkout", actor=actor),
        lambda: desk.tokens.all(actor=actor),
        lambda: desk.tokens.revoke("checkout", actor=actor),
    ):
        with pytest.raises(Forbidden):
            attempt()


def test_what_is_done_to_tokens_is_in_the_audit_log(desk, admin, documents):
    desk.tokens.create("checkout", actor=admin)
    desk.tokens.revoke("checkout", actor=admin)
    entries = documents.audit_entries.find().sort("at", 1)
    assert [(e["actor"], e["action"], e["note"]) for e in entries] == [
        ("ada", "create_token", "checkout (support)"),
        ("ada", "revoke_token", "checkout"),
    ]


def test_without_the_store_a_token_is_503_and_the_setting_still_speaks(settings, desk, admin, call):
    token = desk.tokens.create("checkout", actor=admin)
    down = Desk.open(settings.model_copy(update={"mongodb_uri": SecretStr(NO_STORE)}))
    desks.use(down)
    answer = call(token, timeout=10)
    assert (answer.status_code, answer.json()["code"]) == (503, "STORE_UNAVAILABLE")
    assert call("nonsense").status_code == 401
    down.store.close()


def test_the_command_creates_lists_and_revokes(settings, desk, call, documents):
    environment = {
        "MONGODB_URI": settings.mongodb_uri.get_secret_value(),
        "MONGODB_DB": settings.mongodb_db,
        "STRIPE_SECRET_KEY": STRIPE_KEY,
    }

    def lumira(*arguments: str):
        return CliRunner().invoke(app, ["token", *arguments], env=environment)

    created = lumira("create", "reports", "--role", "staff")
    token = created.stdout.strip()
    assert token.startswith("lum_")
    assert token not in created.stderr
    assert call(token).status_code == 404
    listed = lumira("list").stdout
    assert "reports" in listed
    assert "staff" in listed
    assert token not in listed
    taken = lumira("create", "reports")
    assert isinstance(taken.exception, TokenNameTaken)
    assert taken.stdout == ""
    assert lumira("revoke", "reports").exit_code == 0
    assert call(token).status_code == 401
    assert documents.api_tokens.find_one()["createdBy"] == "command line"
