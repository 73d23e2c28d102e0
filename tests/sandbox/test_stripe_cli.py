"""Stripe's own CLI against the sandbox. `npm install -g @stripe/cli`."""

import os
import shutil
import subprocess

import pytest

from tests.sandbox.conftest import KEY, client_of, eventually

PROGRAM = shutil.which("stripe")

pytestmark = pytest.mark.skipif(
    PROGRAM is None, reason="Stripe's CLI is not installed (npm install -g @stripe/cli)"
)


@pytest.mark.parametrize(
    "event",
    [
        "payment_intent.created",
        "payment_intent.succeeded",
        "payment_intent.payment_failed",
        "payment_intent.canceled",
        "payment_intent.requires_action",
        "payment_intent.processing",
        "payment_intent.amount_capturable_updated",
        "charge.succeeded",
        "charge.failed",
        "charge.captured",
        "charge.refunded",
        "charge.refund.updated",
        "charge.dispute.created",
        "charge.dispute.updated",
        "charge.dispute.closed",
        "customer.created",
        "customer.updated",
        "payment_method.attached",
    ],
)
def test_stripe_trigger(serve, tmp_path, event):
    address = serve()
    command = [str(PROGRAM), "trigger", event, "--api-base", address, "--api-key", KEY + "_of_the_cli"]
    ended = subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
        env={**os.environ, "HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path)},
    )
    assert "Trigger succeeded!" in ended.stdout, ended.stdout + ended.stderr
    client = client_of(address)
    eventually(
        lambda: [one.type for one in client.v1.events.list({"limit": 100}).data], lambda types: event in types
    )
