"""The command, as a process of its own."""

import asyncio
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
import stripe
import typer
from typer.testing import CliRunner

from lumira.sandbox.app import create_app
from lumira.sandbox.command import sandbox
from lumira.sandbox.store import Store
from tests import web
from tests.sandbox.conftest import KEY, ROOT, client_of, eventually, paid, sandbox_process

pytestmark = pytest.mark.whole

QUICK = ",".join(["0.3"] * 500)


def run(*options):
    """The command in this process, which is quicker: for what ends before it serves."""
    application = typer.Typer()
    application.command()(sandbox)
    return CliRunner().invoke(application, options)


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
def test_it_says_one_line_and_stops_cleanly(stop):
    with sandbox_process() as (address, process):
        assert web.get(f"{address}/_sandbox/health").json() == {"status": "ok"}
        before = time.monotonic()
        process.send_signal(stop)
        out, err = process.communicate(timeout=10)
    assert (process.returncode, out, err) == (0, "", "")
    assert time.monotonic() - before < 3


def test_a_port_in_use():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ended = run("--port", str(port))
    assert (ended.exit_code, ended.stdout) == (1, "")
    assert f"can't listen on 127.0.0.1:{port}" in ended.stderr
    assert "--port" in ended.stderr
    assert isinstance(ended.exception, SystemExit)


@pytest.mark.parametrize(
    "options",
    [
        ("--state", "/proc/none/state.sqlite"),
        ("--state", str(ROOT / "README.md")),
        ("--back-off", "soon"),
        ("--webhook-url", "shop.example/hook"),
    ],
)
def test_options_that_cannot_be_met(options, tmp_path):
    ended = run("--port", "0", *options)
    assert (ended.exit_code, ended.stdout) == (1, "")
    assert isinstance(ended.exception, SystemExit)
    assert len(ended.stderr.strip().splitlines()) == 1


def test_state_survives_a_crash_and_the_given_endpoint_is_not_doubled(tmp_path, endpoint):
    state = str(tmp_path / "state.sqlite")
    secrets = {"LUMIRA_SANDBOX_KEY": "sk_test_given", "LUMIRA_SANDBOX_WEBHOOK_SECRET": "whsec_given"}
    first = (
        "--state",
        state,
        "--webhook-url",
        "http://127.0.0.1:9/away",
        "--settlement-delay",
        "1",
        "--back-off",
        QUICK,
    )
    second = ("--state", state, "--webhook-url", endpoint.url)
    with sandbox_process(*first, **secrets) as (address, process):
        client = client_of(address, "sk_test_given")
        intent = paid(client)
        key = {"idempotency_key": "kept"}
        kept = client.v1.payment_intents.create({"amount": 4700, "currency": "eur"}, key).id
        with pytest.raises(stripe.AuthenticationError):
            client_of(address).v1.balance.retrieve()
        process.kill()
        process.wait()
    with sandbox_process(*second, **secrets) as (address, _):
        client = client_of(address, "sk_test_given")
        assert client.v1.payment_intents.retrieve(intent.id).status == "succeeded"
        assert client.v1.payment_intents.create({"amount": 4700, "currency": "eur"}, key).id == kept
        [only] = client.v1.webhook_endpoints.list().data
        assert only.url == endpoint.url
        # What fell due, or was owed, while it was down is done now.
        eventually(
            lambda: client.v1.charges.retrieve(intent.latest_charge).balance_transaction, lambda known: known
        )
        delivery = endpoint.wait_for("payment_intent.succeeded", seconds=10)
        stripe.WebhookSignature.verify_header(
            delivery.body, delivery.headers["Stripe-Signature"], "whsec_given"
        )


def test_the_given_endpoint_is_gone_when_it_is_no_longer_given(tmp_path):
    state, url = tmp_path / "state.sqlite", "http://127.0.0.1:9/away"
    made_up = create_app(state=state, webhook_url=url).state.webhook_secret
    assert made_up.startswith("whsec_")
    assert create_app(state=state, webhook_url=url).state.webhook_secret == made_up
    assert create_app(state=state).state.webhook_secret is None
    store = Store(state)
    assert [*store.each("webhook_endpoint")] == []
    store.close()


def test_a_made_up_secret_is_said():
    with sandbox_process("--webhook-url", "http://127.0.0.1:9/away") as (_, process):
        assert process.stdout.readline().startswith("Deliveries are signed with whsec_")


def test_a_state_file_of_another_version_is_refused(tmp_path):
    state = tmp_path / "state.sqlite"
    connection = sqlite3.connect(state)
    connection.execute("PRAGMA user_version = 1")
    connection.commit()
    connection.close()
    ended = run("--port", "0", "--state", str(state))
    assert ended.exit_code == 1
    assert "another version" in ended.stderr


def test_the_sandbox_knows_nothing_of_lumira_and_stripe():
    code = (
        "import sys, lumira.sandbox.app, lumira.sandbox.server, lumira.sandbox.command; "
        "names = [n for n in sys.modules if n.split('.')[0] in ('stripe', 'pymongo', 'streamlit') "
        "or (n.startswith('lumira.') and not n.startswith('lumira.sandbox'))]; print(names)"
    )
    ended = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert ended.stdout.strip() == "[]"


def test_it_stops_right_after_a_request_that_left_an_event_to_deliver():
    app = create_app()

    async def served() -> None:
        async with app.router.lifespan_context(app):
            here = httpx.ASGITransport(app=app)
            async with httpx.AsyncClient(transport=here, base_url="http://sandbox", auth=(KEY, "")) as client:
                await asyncio.sleep(0.05)
                (await client.post("/v1/customers")).raise_for_status()

    # In a thread of its own: where tests of the browser run beside, theirs has an event loop already.
    with ThreadPoolExecutor(1) as thread:
        thread.submit(lambda: asyncio.run(asyncio.wait_for(served(), timeout=5))).result()
