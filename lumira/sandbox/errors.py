"""The errors the sandbox answers with, in Stripe's shapes, codes and words.

Each is raised by its name in refusals.toml: `raise refusal("already_refunded", id=charge["id"])`. A declined
card is one more, made in attempts.py.

https://docs.stripe.com/api/errors and https://docs.stripe.com/error-codes
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

StripeObject = dict[str, Any]

REFUSALS = tomllib.loads(Path(__file__).with_name("refusals.toml").read_text(encoding="utf-8"))
SHOWN = ("code", "decline_code", "message", "param", "payment_intent", "type")


def words(text: str) -> tuple[str, ...]:
    """The words of a text."""
    return tuple(text.split())


class StripeError(Exception):
    """An answer that is no success.

    `keeps_changes`: a declined card leaves a failed charge and an event behind, while every other error
    leaves the state as it was. `validation`: the request never began to execute, so that its idempotency key
    stays free.
    """

    def __init__(
        self, status: int, error: StripeObject, *, keeps_changes: bool = False, validation: bool = False
    ) -> None:
        super().__init__(error.get("message"))
        self.status = status
        self.error = {name: value for name, value in error.items() if value is not None}
        if code := self.error.get("code"):
            self.error.setdefault("doc_url", f"https://stripe.com/docs/error-codes/{code.replace('_', '-')}")
        self.keeps_changes = keeps_changes
        self.validation = validation


def refusal(name: str, /, *, status: int | None = None, **values: Any) -> StripeError:
    """The refusal of this name, its words filled in with `values`.

    `param` and `payment_intent` among the values stand in the error too; `status` overrides the table's.
    """
    entry = REFUSALS[name]
    known = {"type": "invalid_request_error", **values, **entry, "message": entry["message"].format(**values)}
    error = {field: known.get(field) for field in SHOWN}
    return StripeError(status or entry.get("status", 400), error, validation=entry.get("validation", False))
