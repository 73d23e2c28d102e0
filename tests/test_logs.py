"""The log of running parts: one line an event, what it is about, and nothing secret whatever goes wrong."""

from __future__ import annotations

import itertools
import json
import logging
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from pydantic import SecretStr

from lumira import logs
from lumira.access import Actor
from lumira.child_process import free_port
from lumira.desk import Desk
from lumira.settings import load_settings
from tests import web
from tests.api.conftest import event, sign
from tests.conftest import wait_until
from tests.running import Running, running

PASSWORD = "hunter2hunter2"
BEARER = "a-bearer-nobody-may-read"
KEY = "sk_test_refused51QabcDEFghi"
LINK_TOKEN = "aBcDeFgHiJkLmNoP"


@pytest.fixture
def configured(capsys: pytest.CaptureFixture[str]) -> Any:
    """Sets the log of this process up; answers the lines that were written, parsed."""

    def configured(**settings: Any) -> Any:
        logs.configure(load_settings(**{"log_format": "json", **settings}))
        return lambda: [json.loads(line) for line in capsys.readouterr().err.splitlines()]

    return configured


def test_a_line_is_an_event_with_its_facts(configured: Any) -> None:
    lines = configured()
    with logs.bound(request_id="r-1", order_id="66f0"):
        logging.getLogger("lumira.tests").info("order moved", extra={"to": "completed", "amount": 4700})
    logging.getLogger("lumira.tests").debug("nothing of interest")
    (line,) = lines()
    assert line.pop("timestamp").endswith("Z")
    # Left on the record by pytest's own handler.
    line.pop("message", None)
    assert line == {
        "event": "order moved",
        "level": "info",
        "logger": "lumira.tests",
        "request_id": "r-1",
        "order_id": "66f0",
        "to": "completed",
        "amount": 4700,
    }


def test_what_is_bound_stands_on_the_lines_of_every_thread(
    configured: Any, desk: Desk, support: Actor
) -> None:
    lines = configured()
    with logs.bound(request_id="r-1"):
        created = desk.intents.create({"productId": "mystique"}, actor=support, source="tests")
        desk.gateway.confirm_payment_intent(created.order_id, "pm_card_visa", "once", "https://a.example/")
        list(desk.order_list.refresh([created.order_id], actor=support))
    written = [line for line in lines() if line["event"] in {"audit recorded", "order moved"}]
    assert [line["event"] for line in written] == ["audit recorded", "order moved"]
    assert all(line.get("request_id") == "r-1" for line in written), written


def test_the_level_and_the_shape_are_settings(configured: Any, capsys: pytest.CaptureFixture[str]) -> None:
    configured(log_level="WARNING", log_format="console")
    logging.getLogger("lumira.tests").info("not this")
    logging.getLogger("lumira.tests").warning("but this", extra={"code": "STORE_UNAVAILABLE"})
    written = capsys.readouterr().err
    assert "not this" not in written
    assert "but this" in written
    assert "code=STORE_UNAVAILABLE" in written


def test_no_part_of_a_line_holds_a_secret(configured: Any) -> None:
    lines = configured(
        api_token=SecretStr("correct horse"), mongodb_uri=SecretStr(f"mongodb://u:{PASSWORD}@127.0.0.1/x")
    )
    logger = logging.getLogger("lumira.tests")
    try:
        raise ValueError(f"could not reach mongodb://u:{PASSWORD}@db with correct horse")
    except ValueError:
        logger.exception(
            "it failed for %s", f"Bearer {BEARER}", extra={"password": "abc", "headers": {"k": KEY}}
        )
    logger.warning("%s", ValueError(KEY))
    logger.warning("bearer %s", BEARER)
    written = json.dumps(lines())
    assert written.count("[hidden]") >= 7
    for secret in (PASSWORD, BEARER, KEY, "correct horse", '"abc"'):
        assert secret not in written


@pytest.mark.parametrize("password", ["correct#horse", "correct[horse", "correct/horse", "correct%23horse"])
def test_the_stores_password_is_hidden_whatever_stands_in_it(configured: Any, password: str) -> None:
    lines = configured(mongodb_uri=SecretStr(f"mongodb://ada:{password}@127.0.0.1/lumira"))
    meant = password.replace("%23", "#")
    logging.getLogger("lumira.tests").warning("%s was refused, %s too", password, meant)
    assert [line["event"] for line in lines()] == ["[hidden] was refused, [hidden] too"]


def test_a_handler_that_a_library_adds_writes_no_secret_either(
    configured: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    configured()
    library = logging.getLogger("a.library")
    library.propagate = False
    library.addHandler(logging.StreamHandler(sys.stdout))
    try:
        raise ValueError(KEY)
    except ValueError:
        library.exception("POST %s", f"/checkout/1?token={LINK_TOKEN}")
    written = capsys.readouterr().out
    assert "ValueError: sk_test_[hidden]" in written
    assert "POST /checkout/1?token=[hidden]" in written


def test_libraries_are_taken_over_though_they_make_loggers_meanwhile(configured: Any) -> None:
    late = (f"streamlit.late{number}" for number in itertools.count())

    class Busy(logging.Logger):
        """As another thread would, it makes a logger while the loggers are walked."""

        propagate = property(lambda self: True, lambda self, _value: logging.getLogger(next(late)))

    known = logging.root.manager.loggerDict
    before = set(known)
    known["uvicorn.busy"] = Busy("uvicorn.busy")
    try:
        logs.take_over_libraries()
    finally:
        for name in known.keys() - before:
            del known[name]


def test_a_delivery_is_told_with_its_event_and_its_order(configured: Any, desk: Desk, support: Actor) -> None:
    created = desk.intents.create({"productId": "mystique"}, actor=support, source="tests")
    lines = configured()
    paid = event("payment_intent.succeeded", {"id": created.order_id, "status": "succeeded"})
    body = json.dumps(paid).encode()
    for _ in range(2):
        desk.webhooks.receive(body, sign(body)["Stripe-Signature"])
    told = lines()
    assert [line["event"] for line in told] == ["order moved", "webhook handled", "webhook repeated"]
    assert {(line["event_id"], line["event_type"]) for line in told} == {(paid["id"], paid["type"])}
    assert told[0]["to"] == "completed"
    assert told[0]["payment_intent_id"] == created.order_id
    assert told[1]["outcome"] == "applied"


@pytest.fixture(scope="module")
def troubled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """`lumira run` with a store that is down and a Stripe that is not there."""
    environment = {
        "LUMIRA_API_TOKEN": BEARER,
        "LUMIRA_LOG_LEVEL": "debug",
        "MONGODB_URI": f"mongodb://lumira:{PASSWORD}@127.0.0.1:{free_port()}/lumira?serverSelectionTimeoutMS=300",
        "STRIPE_SECRET_KEY": KEY,
        "STRIPE_WEBHOOK_SECRET": "whsec_nobodyMayReadThis",
        "STRIPE_API_BASE": f"http://127.0.0.1:{free_port()}",
    }
    home = tmp_path_factory.mktemp("troubled")
    with running(home, answering="/api/healthz", environment=environment) as server:
        yield server


def test_whatever_fails_the_log_of_a_running_desk_and_its_answers_hold_no_secret(troubled: Running) -> None:
    url, log = troubled.url, troubled.log
    signed = sign(
        json.dumps(event("payment_intent.succeeded", {"id": "pi_1"})).encode(), secret="whsec_forged"
    )
    bearer, other = f"Bearer {BEARER}", f"Bearer lum_{'x' * 43}"
    created = {"productId": "mystique", "customerEmail": "a@example.com"}
    requests: list[tuple[str, str, dict[str, Any]]] = [
        (
            "POST",
            "/api/products/create-payment-intent",
            {"json": created, "headers": {"Authorization": bearer, "X-Request-Id": "r-of-the-test"}},
        ),
        ("GET", "/api/products/order/pi_1", {"headers": {"Authorization": other}}),
        ("POST", "/api/products/webhook", {"content": b"{}", "headers": signed}),
        ("GET", f"/checkout/66f0c0ffee66f0c0ffee66f0?token={LINK_TOKEN}", {}),
        ("GET", "/orders", {"headers": {"Cookie": "lumira_session=forgedforgedforged"}}),
        ("POST", "/sign-in", {"data": {"email": "a@example.com", "password": PASSWORD}}),
        ("GET", "/api/ready", {}),
    ]
    # All at once: each waits for the store as long as it may.
    with ThreadPoolExecutor(len(requests)) as threads:
        answers = list(
            threads.map(lambda asked: web.request(asked[0], url + asked[1], timeout=60, **asked[2]), requests)
        )
    assert answers[0].status_code == 503
    written = wait_until(lambda: "r-of-the-test" in log.read_text() and log.read_text())
    secrets = (PASSWORD, BEARER, KEY, "lum_xxx", "nobodyMayRead", LINK_TOKEN, "forgedforged")
    for text in (written, *(answer.text for answer in answers)):
        for secret in (*secrets, signed["Stripe-Signature"].rpartition("=")[2]):
            assert secret not in text
    parsed = [json.loads(line) for line in written.splitlines() if line.startswith("{")]
    about = [line for line in parsed if line.get("request_id") == "r-of-the-test"]
    assert {"request answered"} <= {line["event"] for line in about}
    assert all(line["path"].startswith("/api/") for line in about if line["event"] == "request answered")
    refusals = {(line["path"], line["status"], line.get("code")) for line in parsed if "status" in line}
    assert ("/api/products/webhook", 400, "INVALID_SIGNATURE") in refusals
    # What LUMIRA_LOG_LEVEL=warning leaves: an operator who set it still reads what went wrong here.
    levels = {(line["status"] >= 500, line["level"]) for line in parsed if "status" in line}
    # Probes, at level debug, come every few seconds.
    assert levels - {(False, "debug"), (True, "debug")} == {(False, "info"), (True, "warning")}
    # Besides these lines only what Streamlit prints as it starts.
    assert not any("Traceback" in line for line in written.splitlines() if not line.startswith("{"))
