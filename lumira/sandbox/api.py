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

from starlette.requests import Request
from starlette.responses import Response

from lumira.sandbox import shapes
from lumira.sandbox.call import API_VERSION, Call
from lumira.sandbox.errors import (
    StripeError,
    StripeObject,
    idempotency_error,
    idempotency_key_in_use,
    invalid_request,
    unauthorized,
)
from lumira.sandbox.faults import Faults, suffer
from lumira.sandbox.lists import expand
from lumira.sandbox.parameters import Parameters, check, decode
from lumira.sandbox.resources import EXTRAS, find_route, perform
from lumira.sandbox.store import Store

logger = logging.getLogger(__name__)

# What a request without a version is served as; all that changes are the parameters it may send.
FORMER_VERSION = "2024-06-20"
KEYS_KEPT = 86400  # Stripe forgets idempotency keys after a day
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
NO_KEY = (
    "You did not provide an API key. You need to provide your API key in the Authorization header, using "
    "Bearer auth (e.g. 'Authorization: Bearer YOUR_SECRET_KEY'). See "
    "https://stripe.com/docs/api#authentication for details, or we can help at https://support.stripe.com/."
)
NOT_FOR_BROWSERS = (
    "This API call cannot be made with a publishable API key. Please use a secret API key. You can find a "
    "list of your API keys at https://dashboard.stripe.com/account/apikeys."
)


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
            raise unauthorized(NO_KEY)
        if key == self.secret or (self.secret is None and key.startswith(("sk_test_", "rk_test_"))):
            return "secret"
        if key == self.publishable or (self.publishable is None and key.startswith("pk_test_")):
            return "publishable"
        shown = f"{key[:8]}{'*' * max(len(key) - 12, 4)}{key[-4:]}" if len(key) > 12 else "*" * len(key)
        raise unauthorized(f"Invalid API Key provided: {shown}")


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
    under_way: set[str | None] = field(default_factory=set)
    """Idempotency keys of requests that a fault holds back."""
    clock_offset: float = 0.0

    def now(self) -> float:
        """UTC seconds by the sandbox's clock."""
        return time.time() + self.clock_offset

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
        headers |= {"Request-Id": request_id, "Stripe-Version": version, **CORS}
        if key := request.headers.get("idempotency-key"):
            headers["Idempotency-Key"] = key
        return Response(content, status, headers, media_type="application/json")

    @contextlib.contextmanager
    def _holding(self, request: Request) -> Iterator[None]:
        """While a fault holds a request back, its idempotency key is in use."""
        key = request.headers.get("idempotency-key")
        new = {key} - self.under_way - {None}
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
            if not key:
                return self._execute(request, body, request_id, kind, None)
            return self._once(request, body, request_id, kind, key)
        except StripeError as error:
            return error.status, _json({"error": error.error}), dict(error.headers)
        except Exception:  # a mistake of ours must look like one of Stripe's, and show in the log
            logger.exception("%s %s failed", request.method, request.url.path)
            message = "An unknown error occurred in the sandbox: see its log."
            return 500, _json({"error": {"message": message, "type": "api_error"}}), {}

    def _once(self, request: Request, body: bytes, request_id: str, kind: str, key: str) -> Answer:
        """Execute, or answer what the first request with this idempotency key was answered."""
        if len(key) > LONGEST_KEY:
            raise idempotency_error(f"Idempotency key is too long: at most {LONGEST_KEY} characters.")
        if key in self.under_way:
            raise idempotency_key_in_use(key)
        known = self.store.recall(key, self.now() - KEYS_KEPT)
        fingerprint = f"{request.headers.get('stripe-version', '')} {body.decode(errors='replace')}"
        if known:
            former_request, endpoint, status, content, original = known
            if endpoint != request.url.path:
                raise idempotency_error(
                    "Keys for idempotent requests can only be used for the same endpoint they were first "
                    f"used for ('{request.url.path}' vs '{endpoint}'). Try using a key other than '{key}' "
                    "if you meant to execute a different request."
                )
            if former_request != fingerprint:
                raise idempotency_error(
                    "Keys for idempotent requests can only be used with the same parameters they were first "
                    f"used with. Try using a key other than '{key}' if you meant to execute a different "
                    "request."
                )
            return status, content, {"Idempotent-Replayed": "true", "Original-Request": original}

        def remember(status: int, content: bytes) -> None:
            self.store.remember(key, fingerprint, request.url.path, status, content, request_id, self.now())

        status, content, headers = self._execute(request, body, request_id, kind, key, remember)
        return status, content, {**headers, "Original-Request": request_id}

    def _execute(
        self,
        request: Request,
        body: bytes,
        request_id: str,
        kind: str,
        key: str | None,
        remember: Callable[[int, bytes], None] | None = None,
    ) -> Answer:
        """One transaction, the answer's memory in it: a crash leaves both or neither."""
        call = Call(
            self.store,
            self.now(),
            base_url=str(request.base_url).rstrip("/"),
            request_id=request_id,
            idempotency_key=key,
            former_version=request.headers.get("stripe-version") != API_VERSION,
            publishable=kind == "publishable",
            settlement_delay=self.settlement_delay,
            country=self.country,
        )
        self.store.begin()
        try:
            status, headers, executed = 200, {}, True
            try:
                answer = self._perform(call, request, body)
            except StripeError as error:
                if not error.keeps_changes:
                    self.store.rollback()
                if call.publishable and "payment_intent" in error.error:
                    error.error["payment_intent"] = shapes.for_browser(error.error["payment_intent"])
                answer, status, headers = {"error": error.error}, error.status, error.headers
                executed = not error.validation
            content = _json(answer)
            if remember and executed:
                remember(status, content)
            self.store.commit()
        except BaseException:
            self.store.rollback()
            raise
        if request.method != "GET":
            self.after()
        return status, content, dict(headers)

    def _perform(self, call: Call, request: Request, body: bytes) -> StripeObject:
        _check_version(request.headers.get("stripe-version"))
        route, identifier = find_route(request.method, request.url.path)
        raw = decode(
            request.url.query if request.method in ("GET", "DELETE") else body.decode(errors="replace")
        )
        if call.publishable:
            _check_browser(call, route.name, identifier, raw)
        params = check(route.name, raw, former_version=call.former_version)
        answer = perform(call, route, identifier, params)
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


def _check_version(version: str | None) -> None:
    if version is not None and not re.fullmatch(r"\d{4}-\d\d-\d\d(\.[a-z]+)?(; ?\w+=v\d+)*", version):
        raise invalid_request(f"Invalid Stripe API version: {version}.", validation=True)


def _check_browser(call: Call, operation: str, identifier: str | None, raw: Parameters) -> None:
    """A publishable key reaches only what its client_secret names, and only what Stripe.js needs."""
    if operation not in FOR_BROWSERS:
        raise unauthorized(NOT_FOR_BROWSERS, "secret_key_required")
    raw.pop("key", None)
    if operation.startswith("payment_intent") and identifier:
        secret = raw.pop("client_secret", None)
        if not secret:
            raise invalid_request(
                "Missing required param: client_secret.", param="client_secret", code="parameter_missing"
            )
        if secret != call.find("payment_intent", identifier)["client_secret"]:
            message = f"No such payment_intent: '{identifier}'"
            raise invalid_request(message, param="intent", code="resource_missing", status=404)


def _json(body: StripeObject) -> bytes:
    return json.dumps(body, ensure_ascii=False).encode()
