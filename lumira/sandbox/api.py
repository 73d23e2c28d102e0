"""Stripe's HTTP: keys, versions, form bodies, idempotency, request ids, errors.

https://docs.stripe.com/api/authentication, /api/versioning, /api/idempotent_requests, /api/request_ids
"""

from __future__ import annotations

import base64
import contextlib
import json
import logging
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from email.utils import formatdate
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from lumira.sandbox import shapes
from lumira.sandbox.call import API_VERSION, Call
from lumira.sandbox.errors import StripeError, StripeObject, refusal
from lumira.sandbox.faults import Faults, suffer
from lumira.sandbox.lists import expand
from lumira.sandbox.parameters import Parameters, check, decode
from lumira.sandbox.resources import EXTRAS, find_route
from lumira.sandbox.store import Store

logger = logging.getLogger(__name__)

# What a request without a version is served as; all that changes are the parameters it may send.
FORMER_VERSION = "2024-06-20"
VERSION = re.compile(r"\d{4}-\d\d-\d\d(\.[a-z]+)?(; ?\w+=v\d+)*")
LONGEST_KEY = 255
# What a browser may do with a publishable key and a client_secret.
FOR_BROWSERS = {"payment_intent.retrieve", "payment_intent.confirm", "payment_method.create"}
CORS = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Allow-Methods": "GET, HEAD, PUT, PATCH, POST, DELETE",
    "Access-Control-Allow-Headers": "authorization, content-type, stripe-version, idempotency-key",
    "Access-Control-Expose-Headers": "Request-Id, Stripe-Version",
    "Access-Control-Max-Age": "300",
}
Answer = tuple[int, bytes, dict[str, str]]
"""(status, JSON, headers)."""


@dataclass
class Keys:
    """The keys the sandbox accepts; without any, every test key."""

    secret: str | None = None
    publishable: str | None = None

    def kind_of(self, key: str | None) -> str:
        """What a key is: secret or publishable. Raises StripeError 401 for no key and for any other."""
        if not key:
            raise refusal("no_key")
        if key == self.secret or (self.secret is None and key.startswith(("sk_test_", "rk_test_"))):
            return "secret"
        if key == self.publishable or (self.publishable is None and key.startswith("pk_test_")):
            return "publishable"
        hidden = f"{key[:8]}{'*' * max(len(key) - 12, 4)}{key[-4:]}" if len(key) > 12 else "*" * len(key)
        raise refusal("wrong_key", shown=hidden)


@dataclass
class Api:
    """Answers requests for /v1/…, one at a time, each in a transaction of its own."""

    store: Store
    keys: Keys
    settlement_delay: float = 1.0
    country: str = "FR"
    faults: Faults | None = None
    after: Callable[[], None] = lambda: None
    """Called after a request that changed something: events may wait for delivery."""
    under_way: set[str] = field(default_factory=set)
    """Idempotency keys of requests that a fault holds back."""
    clock_offset: float = 0.0

    def now(self) -> float:
        """UTC seconds by the sandbox's clock."""
        return time.time() + self.clock_offset

    def call(self, clock: float | None = None, **more: Any) -> Call:
        """What a request, or a thing that fell due at `clock`, may do to the state."""
        clock = self.now() if clock is None else clock
        return Call(self.store, clock, settlement_delay=self.settlement_delay, country=self.country, **more)

    async def answer(self, request: Request) -> Response:
        """The ASGI edge of the API."""
        if request.method == "OPTIONS":
            return Response(status_code=204, headers=CORS)
        body = await request.body()
        request_id = shapes.new_id("req", 14)
        fault = self.faults.take(request) if self.faults else None
        if fault and not fault.executed:
            with self._holding(request):
                if answer := await suffer(fault):
                    answer.headers["Request-Id"] = request_id
                    return answer
        status, content, headers = self.respond(request, body, request_id)
        if fault and fault.executed and (answer := await suffer(fault)):
            return answer
        version = request.headers.get("stripe-version") or FORMER_VERSION
        date = formatdate(self.now(), usegmt=True)
        headers |= {"Date": date, "Request-Id": request_id, "Stripe-Version": version, **CORS}
        if key := request.headers.get("idempotency-key"):
            headers["Idempotency-Key"] = key
        return Response(content, status, headers, media_type="application/json")

    @contextlib.contextmanager
    def _holding(self, request: Request) -> Iterator[None]:
        """While a fault holds a request back, its idempotency key is in use."""
        new = {request.headers.get("idempotency-key", "")} - self.under_way - {""}
        self.under_way |= new
        try:
            yield
        finally:
            self.under_way -= new

    def respond(self, request: Request, body: bytes, request_id: str) -> Answer:
        """(status, JSON, headers), whatever happens."""
        try:
            kind = self.keys.kind_of(_key_of(request, body))
            key = request.headers.get("idempotency-key") if request.method == "POST" else None
            call = self.call(
                base_url=str(request.base_url).rstrip("/"),
                request_id=request_id,
                idempotency_key=key,
                former_version=request.headers.get("stripe-version") != API_VERSION,
                publishable=kind == "publishable",
            )
            return self._once(call, request, body, key) if key else self._execute(call, request, body)
        except StripeError as error:
            # The wait is short: whoever sends the same key again soon gets the first request's answer.
            headers = {"Stripe-Should-Retry": "true"} if error.status == 409 else {}
            if error.status == 401:
                headers["WWW-Authenticate"] = 'Basic realm="Stripe"'
            return error.status, _json({"error": error.error}), headers
        except Exception:  # a mistake of ours must look like one of Stripe's, and show in the log
            logger.exception("%s %s failed", request.method, request.url.path)
            message = "An unknown error occurred in the sandbox: see its log."
            return 500, _json({"error": {"message": message, "type": "api_error"}}), {}

    def _once(self, call: Call, request: Request, body: bytes, key: str) -> Answer:
        """Execute, or answer what the first request with this idempotency key was answered."""
        if len(key) > LONGEST_KEY:
            raise refusal("key_too_long", most=LONGEST_KEY)
        if key in self.under_way:
            raise refusal("idempotency_key_in_use", key=key)
        path, now = request.url.path, self.now()
        fingerprint = f"{request.headers.get('stripe-version', '')} {body.decode(errors='replace')}"
        if known := self.store.recall(key, now):
            first, endpoint, status, content, original = known
            if endpoint != path:
                raise refusal("key_for_another_endpoint", path=path, first=endpoint, key=key)
            if first != fingerprint:
                raise refusal("key_for_other_parameters", key=key)
            return status, content, {"Idempotent-Replayed": "true", "Original-Request": original}

        def remember(status: int, content: bytes) -> None:
            self.store.remember(key, fingerprint, path, status, content, str(call.request_id), now)

        status, content, headers = self._execute(call, request, body, remember)
        return status, content, {**headers, "Original-Request": str(call.request_id)}

    def _execute(
        self, call: Call, request: Request, body: bytes, remember: Callable[[int, bytes], None] | None = None
    ) -> Answer:
        """One transaction, the answer's memory in it: a crash leaves both or neither."""
        with self.store.transaction():
            status, executed = 200, True
            try:
                answer = self._perform(call, request, body)
            except StripeError as error:
                if not error.keeps_changes:
                    self.store.rollback()
                    self.store.begin()
                if call.publishable and "payment_intent" in error.error:
                    error.error["payment_intent"] = shapes.for_browser(error.error["payment_intent"])
                answer, status, executed = {"error": error.error}, error.status, not error.validation
            content = _json(answer)
            if remember and executed:
                remember(status, content)
        if request.method != "GET":
            self.after()
        return status, content, {}

    def _perform(self, call: Call, request: Request, body: bytes) -> StripeObject:
        version = request.headers.get("stripe-version")
        if version is not None and not VERSION.fullmatch(version):
            raise refusal("wrong_version", version=version)
        account = request.headers.get("stripe-account")
        if account and account != self.store.setting("account", shapes.new_id("acct", 16)):
            raise refusal("wrong_account", account=account)
        route, identifier = find_route(request.method, request.url.path)
        if body and "json" in request.headers.get("content-type", ""):
            raise refusal("no_form")
        sent = request.url.query if request.method in ("GET", "DELETE") else body.decode(errors="replace")
        raw = decode(sent)
        if call.publishable:
            _check_browser(call, route.name, identifier, raw)
        params = check(route.name, raw, former_version=call.former_version)
        answer = route.function(call, *([identifier] if identifier else []), params)
        if call.publishable and answer.get("object") == "payment_intent":
            answer = shapes.for_browser(answer)
        return expand(call, answer, params.get("expand") or [], EXTRAS)


def _key_of(request: Request, body: bytes) -> str | None:
    """Bearer, Basic (`curl -u key:`), or, from a browser, a `key` parameter."""
    scheme, _, value = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return value.strip()
    if scheme.lower() == "basic":
        try:
            return base64.b64decode(value).decode().partition(":")[0]
        except ValueError:
            return None
    key = request.query_params.get("key") or decode(body.decode(errors="replace")).get("key")
    return key if isinstance(key, str) else None


def _check_browser(call: Call, operation: str, identifier: str | None, raw: Parameters) -> None:
    """A publishable key reaches only what its client_secret names, and only what Stripe.js needs."""
    if operation not in FOR_BROWSERS:
        raise refusal("secret_key_required")
    raw.pop("key", None)
    if operation.startswith("payment_intent") and identifier:
        secret = raw.pop("client_secret", None)
        if not secret:
            raise refusal("parameter_missing", param="client_secret")
        if secret != call.find("payment_intent", identifier)["client_secret"]:
            raise refusal("wrong_client_secret", param="intent", id=identifier)


def _json(body: StripeObject) -> bytes:
    return json.dumps(body, ensure_ascii=False).encode()
