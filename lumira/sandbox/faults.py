"""Faults on demand: what a caller must survive, for the next requests or a share of them.

A fault is a JSON object, POSTed to /_sandbox/faults:

    {"answer": 500}                                       the next request fails
    {"answer": 429, "next": 3, "retry": true}             three times, with Stripe-Should-Retry: true
    {"answer": "drop", "share": 0.2}                      every fifth connection is dropped, on and on
    {"answer": "drop", "executed": true}                  the request is executed, only its answer is lost
    {"answer": "slow", "seconds": 2, "path": "/v1/refunds"}
    {"answer": "hang"}                                    no answer, for `seconds` (an hour)
"""

from __future__ import annotations

import asyncio
import secrets
from dataclasses import asdict, dataclass, fields
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

MESSAGES = {
    402: ("card_error", "The request was valid and failed. (Sandbox fault)"),
    403: (
        "invalid_request_error",
        "The provided key does not have the required permissions for this endpoint. (Sandbox fault)",
    ),
    429: (
        "invalid_request_error",
        "Too many requests hit the API too quickly. We recommend an exponential backoff of your requests.",
    ),
    500: ("api_error", "Sorry! There was an error while talking to one of our backends. (Sandbox fault)"),
    502: ("api_error", "Bad gateway. (Sandbox fault)"),
    503: ("api_error", "Service unavailable. (Sandbox fault)"),
}
HOW = ("slow", "hang", "drop")


@dataclass
class Fault:
    """One fault: what happens, to which requests, and how often."""

    answer: int | str
    next: int | None = None
    """To how many requests; 1 unless a share is given."""
    share: float | None = None
    """Or to which share of them (0…1), until the faults are cleared."""
    path: str = "/v1/"
    """Only where the URL begins so."""
    method: str | None = None
    seconds: float | None = None
    executed: bool = False
    """The request is executed first, and only its answer is lost."""
    retry: bool | None = None
    """Say so in Stripe-Should-Retry."""

    def __post_init__(self) -> None:
        if self.answer not in HOW and self.answer not in MESSAGES:
            raise ValueError(f"answer must be one of {', '.join(map(str, (*MESSAGES, *HOW)))}")
        if self.share is not None and not 0 < float(self.share) <= 1:
            raise ValueError("share must be above 0 and at most 1")
        if self.next is not None and (not isinstance(self.next, int) or self.next < 1):
            raise ValueError("next must be an integer of at least 1")
        if self.share is None and self.next is None:
            self.next = 1

    def as_json(self) -> dict[str, Any]:
        """The fault as it was asked for."""
        return {name: value for name, value in asdict(self).items() if value is not None}


class Faults:
    """The faults in force, oldest first."""

    def __init__(self) -> None:
        self.active: list[Fault] = []

    def add(self, wanted: Any) -> Fault:
        """Put a fault in force. Raises ValueError when it is none."""
        names = {field.name for field in fields(Fault)}
        if not isinstance(wanted, dict) or "answer" not in wanted or set(wanted) - names:
            raise ValueError(f"a fault is an object with answer and, if wanted, {', '.join(sorted(names))}")
        fault = Fault(**wanted)
        self.active.append(fault)
        return fault

    def take(self, request: Request) -> Fault | None:
        """The fault that this request meets, if any; counted ones wear out."""
        for fault in self.active:
            if not request.url.path.startswith(fault.path) or fault.method not in (None, request.method):
                continue
            if fault.share is not None:
                if secrets.randbelow(1_000_000) >= fault.share * 1_000_000:
                    continue
            elif fault.next is not None:
                fault.next -= 1
                if fault.next == 0:
                    self.active.remove(fault)
            return fault
        return None


async def suffer(fault: Fault) -> Response | None:
    """The answer a fault gives in place of the API's; None once a slow one has waited."""
    if fault.answer == "slow":
        await asyncio.sleep(fault.seconds or 1.0)
        return None
    if fault.answer == "hang":
        await asyncio.sleep(fault.seconds or 3600.0)
        return Dropped()
    if fault.answer == "drop":
        return Dropped()
    status = int(fault.answer)
    kind, message = MESSAGES[status]
    error = {"message": message, "type": kind} | ({"code": "rate_limit"} if status == 429 else {})
    headers = {} if fault.retry is None else {"Stripe-Should-Retry": str(fault.retry).lower()}
    return JSONResponse({"error": error}, status, headers)


class Dropped(Response):
    """No answer at all: the connection is closed."""

    async def __call__(self, scope: Scope, _: Receive, send: Send) -> None:
        """Close the server's connection; where there is none to close, break off in mid-answer."""
        server_send = scope.get("lumira.sandbox.send", send)
        transport = getattr(getattr(server_send, "__self__", None), "transport", None)
        if transport is not None:
            transport.abort()
            await asyncio.sleep(0)  # lets the server notice, so that it does not complain about the silence
            return
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"1000")]})
