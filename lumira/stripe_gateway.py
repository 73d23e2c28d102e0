"""All that is said to Stripe, and the translation of what goes wrong there: the only importer of `stripe`.

Objects come back as plain dicts in Stripe's own shape, so no other module knows the SDK. Requests are made
with its `raw_request`, which answers dicts: its other methods build objects, one for each level, and to build
them and take them apart again took a seventh of the time of a request to a near Stripe.
https://github.com/stripe/stripe-python#custom-requests
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Mapping, Sequence
from datetime import datetime
from email.utils import parsedate_to_datetime
from functools import partial
from typing import Any, Final
from urllib.parse import quote, urlsplit

import requests
import stripe
from requests.adapters import HTTPAdapter

from lumira import traces
from lumira.errors import (
    IdempotencyConflict,
    InvalidEvent,
    InvalidSignature,
    LumiraError,
    PaymentFailed,
    StripeConfigError,
    StripeRateLimited,
    StripeRefused,
    StripeServiceError,
    StripeTimeout,
)
from lumira.events import ACTED_ON
from lumira.metrics import STRIPE
from lumira.pasted import CHARGES, REFUNDS
from lumira.stripe_pace import every_page

# With telemetry each request tells Stripe of this machine, under an id kept in the home folder of its user.
# https://github.com/stripe/stripe-python#telemetry
stripe.enable_telemetry = False

PaymentIntent = dict[str, Any]
Event = dict[str, Any]

# Three tries and the pauses between them take less than 30 seconds: many callers and proxies wait no longer,
# nor does a worker that was asked to end.
TIMEOUT_SECONDS: Final = 9
TRIES: Final = 3
# For a caller that can answer without Stripe: many programs give up on our whole answer after five seconds.
ONCE_SECONDS: Final = 4
# Expanding the charge's balance transaction expands the charge too.
CHARGE: Final = "latest_charge.balance_transaction"
# How many charges a search by card shows: more than anybody looks through.
SEARCHED: Final = 20
# At most so many threads ask Stripe at once, each on a connection that is kept. The server has 40 threads:
# while Stripe is silent, the other eight serve what needs no Stripe.
CONNECTIONS: Final = 32
# How long a thread waits for one of them to be free; Stripe answers a payment in less.
CONNECTION_SECONDS: Final = 1
# Stripe's own libraries accept a signature for five minutes: https://docs.stripe.com/webhooks#replay-attacks
SIGNATURE_TOLERANCE_SECONDS: Final = 300
# How deep an event may be nested: as deep as a document of the store, far deeper than Stripe's events are.
# https://www.mongodb.com/docs/manual/reference/limits/#mongodb-limit-Nested-Depth-for-BSON-Documents
_DEEPEST: Final = 100
# Events whose types begin so are about money: we read the object in them.
_WITH_OBJECT: Final = ("payment_intent", "charge", "refund")

# The most that a page of a list can hold: https://docs.stripe.com/api/pagination
PAGE: Final = 100

# The documented test payment methods the desk offers: https://docs.stripe.com/testing
TEST_PAYMENT_METHODS: Final = {
    "pm_card_visa": "Visa",
    "pm_card_mastercard": "Mastercard",
    "pm_card_visa_chargeDeclined": "generic_decline",
    "pm_card_visa_chargeDeclinedInsufficientFunds": "insufficient_funds",
    "pm_card_chargeDeclinedExpiredCard": "expired_card",
    "pm_card_chargeDeclinedIncorrectCvc": "incorrect_cvc",
    "pm_card_chargeDeclinedProcessingError": "processing_error",
    "pm_card_threeDSecure2Required": "3-D Secure",
}


def _session(api_base: str) -> requests.Session:
    """Connections to one Stripe, shared by all threads, through the proxy the environment names.

    The environment is read once: requests would read it, and look for a .netrc whose password it prefers to
    our key, before each call.
    """
    session = requests.Session()
    session.proxies = requests.utils.get_environ_proxies(api_base)
    session.trust_env = False
    for scheme in ("http://", "https://"):
        session.mount(scheme, HTTPAdapter(pool_maxsize=CONNECTIONS))
    return session


class _TimedClient(stripe.RequestsClient):
    """Requests to Stripe; each try is timed.

    stripe-python tries a request again when the first try got no answer. Stripe may have done it all the
    same. When the second try is then told to slow down (429), nobody knows whether the request was done: it
    counts as unanswered. So does one for which no connection gets free within a second.
    """

    def __init__(self, connections: threading.Semaphore, **options: Any) -> None:
        super().__init__(**options)
        self._connections = connections
        # In each thread the idempotency key of the last request that got no answer.
        self._unanswered = threading.local()

    # The library's own declaration of this method differs from how it calls it.
    def request(  # type: ignore[override]
        self, method: str, url: str, headers: Mapping[str, str] | None, post_data: Any = None
    ) -> tuple[bytes, int, Mapping[str, str]]:
        """Sends one request. Its metric names the resource that follows /v1/ in the path, and no id."""
        began, status = time.perf_counter(), "unreachable"
        key = (headers or {}).get("Idempotency-Key")
        if not self._connections.acquire(timeout=CONNECTION_SECONDS):
            no_answer = "all connections wait for answers"
            raise stripe.APIConnectionError(no_answer, should_retry=False) from TimeoutError()  # type: ignore[no-untyped-call]
        try:
            answer = super().request(method, url, headers, post_data)
            status = str(answer[1])
        finally:
            self._connections.release()
            if status in {"unreachable", "409"} or status.startswith("5"):
                self._unanswered.key = key
            resource = urlsplit(url).path.removeprefix("/v1/").partition("/")[0]
            took = time.perf_counter() - began
            STRIPE.labels(method.upper(), resource, status).observe(took)
            traces.asked(
                f"Stripe {method.upper()} {resource}",
                took,
                failed=not status.startswith("2"),
                http__request__method=method.upper(),
                http__response__status_code=status,
            )
        if not _is_stripes(answer[0]):
            # Some proxy answered in Stripe's place: whether Stripe did the request is not known.
            self._unanswered.key = key
            raise stripe.APIConnectionError("no answer of Stripe's", should_retry=True)  # type: ignore[no-untyped-call]
        if status == "429" and key and getattr(self._unanswered, "key", None) == key:
            lost = "told to slow down after an answer was lost"
            raise stripe.APIConnectionError(lost, should_retry=False)  # type: ignore[no-untyped-call]
        return answer


def _is_stripes(body: bytes) -> bool:
    """Whether Stripe may have answered this: its objects say what they are, and its errors are objects."""
    try:
        said = json.loads(body)
    except (ValueError, RecursionError):
        return False
    return isinstance(said, dict) and ("object" in said or isinstance(said.get("error"), dict))


class StripeGateway:
    """One Stripe account, in test mode or live. Connections are kept for the life of the gateway.

    Stripe is given `timeout` seconds for each of at most `tries` tries, and less for what is asked `once`.
    Without a key every call raises StripeConfigError. Otherwise: StripeTimeout, StripeServiceError,
    PaymentFailed, IdempotencyConflict; none of their messages holds a secret.
    """

    def __init__(
        self,
        key: str | None,
        *,
        api_base: str | None = None,
        timeout: float = TIMEOUT_SECONDS,
        tries: int = TRIES,
    ) -> None:
        self._api_base = api_base
        # The version the SDK is written for; objects of another version may read differently.
        self.api_version: str = stripe.api_version
        self.livemode = bool(key) and str(key).startswith(("sk_live_", "rk_live_"))
        self._client: stripe.StripeClient | None = None
        self._hurried: stripe.StripeClient | None = None
        if key:
            session = _session(api_base or stripe.DEFAULT_API_BASE)
            connections = threading.Semaphore(CONNECTIONS)

            def client(timeout: float, tries: int) -> stripe.StripeClient:
                return stripe.StripeClient(
                    key,
                    base_addresses={"api": api_base} if api_base else {},
                    max_network_retries=tries - 1,
                    http_client=_TimedClient(connections, timeout=timeout, session=session),
                )

            self._client = client(timeout, tries)
            self._hurried = client(min(timeout, ONCE_SECONDS), 1)

    @property
    def is_configured(self) -> bool:
        """Whether there is a key at all."""
        return self._client is not None

    @property
    def is_sandbox(self) -> bool:
        """Whether calls go to a Stripe on this machine instead of Stripe's own."""
        host = urlsplit(self._api_base).hostname if self._api_base else None
        return host in {"127.0.0.1", "localhost", "::1"}

    def payment_intent_url(self, payment_intent_id: str) -> str:
        """Where staff see this PaymentIntent: Stripe's dashboard, or the sandbox's own page."""
        if self.is_sandbox:
            return f"{self._api_base}/payment_intents/{payment_intent_id}"
        return self._in_dashboard(f"payments/{payment_intent_id}")

    def dispute_url(self, dispute_id: str, payment_intent_id: str) -> str:
        """Where staff answer this dispute: Stripe's dashboard; the sandbox's own page shows the payment."""
        if self.is_sandbox:
            return self.payment_intent_url(payment_intent_id)
        return self._in_dashboard(f"disputes/{dispute_id}")

    def payout_url(self, payout_id: str) -> str | None:
        """Where staff see this payout in Stripe's dashboard; None for the sandbox, which has no page."""
        return None if self.is_sandbox else self._in_dashboard(f"payouts/{payout_id}")

    def _in_dashboard(self, page: str) -> str:
        mode = "" if self.livemode else "test/"
        return f"https://dashboard.stripe.com/{mode}{page}"

    def create_payment_intent(self, parameters: Mapping[str, Any], idempotency_key: str) -> PaymentIntent:
        """Creates a PaymentIntent, or answers the one this idempotency key created before."""
        return self._post("payment_intents", parameters, idempotency_key)

    def retrieve_payment_intent(self, payment_intent_id: str, *, once: bool = False) -> PaymentIntent:
        """The PaymentIntent as it is now, its latest charge expanded with its balance transaction.

        `once`: in one try of at most four seconds, for a caller that can answer without it.
        """
        return self._get(f"payment_intents/{_quoted(payment_intent_id)}", {"expand": [CHARGE]}, once=once)

    def confirm_payment_intent(
        self, payment_intent_id: str, payment_method: str, idempotency_key: str, return_url: str
    ) -> PaymentIntent:
        """Confirms with a payment method; a decline raises PaymentFailed."""
        return self._post(
            f"payment_intents/{_quoted(payment_intent_id)}/confirm",
            {"payment_method": payment_method, "return_url": return_url, "expand": [CHARGE]},
            idempotency_key,
        )

    def cancel_payment_intent(
        self, payment_intent_id: str, reason: str, idempotency_key: str | None = None
    ) -> PaymentIntent:
        """Cancels; raises StripeRefused once it is paid or cancelled.

        `reason`: duplicate, fraudulent, requested_by_customer or abandoned.
        """
        path = f"payment_intents/{_quoted(payment_intent_id)}/cancel"
        return self._post(path, {"cancellation_reason": reason}, idempotency_key)

    def update_payment_intent_metadata(self, payment_intent_id: str, metadata: Mapping[str, str]) -> None:
        """Merges the metadata into the PaymentIntent's own; an empty value removes its key."""
        self._post(f"payment_intents/{_quoted(payment_intent_id)}", {"metadata": dict(metadata)})

    def list_payment_intents(
        self, created_after: datetime, created_before: datetime, starting_after: str | None = None
    ) -> tuple[list[PaymentIntent], bool]:
        """One page of at most 100, newest first, latest charges expanded, and whether there are more.

        `created_after` is inclusive and `created_before` exclusive, in whole seconds UTC.
        """
        created = created_within(created_after, created_before)
        return self._page(
            "payment_intents", {"created": created, "expand": [f"data.{CHARGE}"]}, starting_after
        )

    def create_refund(
        self,
        payment_intent_id: str,
        amount: int,
        reason: str | None,
        metadata: Mapping[str, str],
        idempotency_key: str,
    ) -> dict[str, Any]:
        """Refunds `amount` minor units, once for the key. StripeRefused when Stripe says no."""
        parameters: dict[str, Any] = {
            "payment_intent": payment_intent_id,
            "amount": amount,
            "metadata": dict(metadata),
        }
        if reason:
            parameters["reason"] = reason
        return self._post("refunds", parameters, idempotency_key)

    def list_refunds(self, payment_intent_id: str, *, once: bool = False) -> list[dict[str, Any]]:
        """Every refund of the PaymentIntent; `once` as of `retrieve_payment_intent`."""
        return self._whole_list("refunds", {"payment_intent": payment_intent_id}, once=once)

    def list_refunds_between(
        self, created_after: datetime, created_before: datetime, starting_after: str | None = None
    ) -> tuple[list[dict[str, Any]], bool]:
        """One page of refunds, of whatever payments, as of `list_payment_intents`."""
        created = created_within(created_after, created_before)
        return self._page("refunds", {"created": created}, starting_after)

    def list_disputes(self, payment_intent_id: str) -> list[dict[str, Any]]:
        """The newest disputes of the PaymentIntent, at most 100, each with its movements of the balance.

        An empty list with a restricted key that may not read them.
        """
        return self._disputes({"payment_intent": payment_intent_id})[0]

    def list_disputes_between(
        self, created_after: datetime, created_before: datetime, starting_after: str | None = None
    ) -> tuple[list[dict[str, Any]], bool]:
        """One page of disputes, of whatever payments, as of `list_payment_intents`.

        An empty list with a restricted key that may not read them.
        """
        return self._disputes({"created": created_within(created_after, created_before)}, starting_after)

    def list_charges(self, payment_intent_id: str) -> list[dict[str, Any]]:
        """The newest charges of the PaymentIntent, at most 20, their balance transactions expanded."""
        expanded = ["data.balance_transaction"]
        parameters = {"payment_intent": payment_intent_id, "limit": 20, "expand": expanded}
        return self._page("charges", parameters)[0]

    def search_charges(
        self,
        last4: str,
        start: datetime | None,
        end: datetime | None,
        minimum: int | None,
        maximum: int | None,
    ) -> tuple[list[str], bool]:
        """The ids of PaymentIntents with a charge on a card of these last four digits, newest first, each
        once, and whether there are more. Stripe finds a charge about a minute after it was made.

        `start` is inclusive and `end` exclusive, in whole seconds UTC; the amounts, minor units, are both
        inclusive. https://docs.stripe.com/search#query-fields-for-charges
        """
        bounds = (
            ("created>=", None if start is None else max(0, int(start.timestamp()))),
            ("created<", None if end is None else int(end.timestamp())),
            ("amount>=", minimum),
            ("amount<=", maximum),
        )
        query = [f'payment_method_details.card.last4:"{last4}"']
        query += [f"{bound}{value}" for bound, value in bounds if value is not None]
        page = self._get("charges/search", {"query": " AND ".join(query), "limit": SEARCHED})
        charges = sorted(page["data"], key=lambda charge: int(charge["created"]), reverse=True)
        named = [charge["payment_intent"] for charge in charges if charge.get("payment_intent")]
        return list(dict.fromkeys(named)), page["has_more"]

    def payment_intent_of(self, object_id: str) -> str | None:
        """The id of the PaymentIntent that a charge, refund or dispute belongs to; None where Stripe knows no
        such object, or it was paid without one.
        """
        if object_id.startswith(CHARGES):
            resource = "charges"
        else:
            resource = "refunds" if object_id.startswith(REFUNDS) else "disputes"
        found = self._find(f"{resource}/{_quoted(object_id)}")
        named: str | None = found.get("payment_intent") if found else None
        return named

    def list_balance_transactions(
        self, created_after: datetime, created_before: datetime, starting_after: str | None = None
    ) -> tuple[list[dict[str, Any]], bool]:
        """One page of at most 100 movements of the balance, newest first, sources expanded, and whether there
        are more. `created_after` is inclusive and `created_before` exclusive, in whole seconds UTC.
        """
        created = created_within(created_after, created_before)
        return self._page(
            "balance_transactions", {"created": created, "expand": ["data.source"]}, starting_after
        )

    def list_payouts(
        self, arriving_from: datetime, arriving_before: datetime | None, starting_after: str | None = None
    ) -> tuple[list[dict[str, Any]], bool]:
        """One page of at most 100 payouts, the newest made first, and whether there are more.

        `arriving_from` is inclusive, `arriving_before` exclusive and without end when None, in whole seconds
        UTC: Stripe dates an arrival to a midnight of UTC. What brought the money of a failed one back is
        expanded.
        """
        arrival = {"gte": int(arriving_from.timestamp())}
        if arriving_before:
            arrival["lt"] = int(arriving_before.timestamp())
        asked = {"arrival_date": arrival, "expand": ["data.failure_balance_transaction"]}
        return self._page("payouts", asked, starting_after)

    def retrieve_payout(self, payout_id: str) -> dict[str, Any] | None:
        """The payout as it is now; None where Stripe knows no such payout."""
        return self._find(f"payouts/{_quoted(payout_id)}")

    def list_paid_out(
        self, payout_id: str, starting_after: str | None = None
    ) -> tuple[list[dict[str, Any]], bool]:
        """One page of the balance transactions of an automatic payout, as of `list_balance_transactions`."""
        return self._page(
            "balance_transactions", {"payout": payout_id, "expand": ["data.source"]}, starting_after
        )

    def list_events(
        self, types: Sequence[str], created_after: datetime, created_before: datetime, limit: int
    ) -> list[dict[str, Any]]:
        """The newest events of these types, newest first: at most 20 types and 100 events.

        `created_after` is inclusive and `created_before` exclusive, in whole seconds UTC.
        https://docs.stripe.com/api/events/list
        """
        created = created_within(created_after, created_before)
        return self._page("events", {"types": list(types), "created": created, "limit": limit})[0]

    def list_webhook_endpoints(self) -> list[dict[str, Any]]:
        """Every webhook endpoint of the account; their secrets are not shown again."""
        return self._whole_list("webhook_endpoints", {})

    def create_webhook_endpoint(self, url: str, events: Sequence[str]) -> dict[str, Any]:
        """Has these types of events delivered to `url` in our API version; only the answer has the secret."""
        parameters: dict[str, Any] = {
            "url": url,
            "enabled_events": list(events),
            "api_version": self.api_version,
            "description": "Lumira",
        }
        return self._post("webhook_endpoints", parameters)

    def update_webhook_endpoint(self, endpoint_id: str, *, events: Sequence[str], disabled: bool) -> None:
        """Changes which types of events an endpoint gets, and whether it gets any."""
        changes = {"enabled_events": list(events), "disabled": disabled}
        self._post(f"webhook_endpoints/{_quoted(endpoint_id)}", changes)

    def server_time(self) -> datetime:
        """What time it is at Stripe (UTC, whole seconds), from the answer to the smallest request."""
        answer = self._request("get", "payment_intents", {"limit": 1})
        return parsedate_to_datetime(answer.headers["Date"])

    def ping(self) -> None:
        """Asks Stripe for the smallest answer that proves key and connection. Raises as any call."""
        self._get("payment_intents", {"limit": 1})

    def _disputes(
        self, parameters: Mapping[str, Any], starting_after: str | None = None
    ) -> tuple[list[dict[str, Any]], bool]:
        try:
            return self._page("disputes", parameters, starting_after)
        except StripeConfigError as refusal:
            if isinstance(refusal.__cause__, stripe.PermissionError):
                return [], False
            raise

    def _page(
        self,
        path: str,
        parameters: Mapping[str, Any],
        starting_after: str | None = None,
        *,
        once: bool = False,
    ) -> tuple[list[dict[str, Any]], bool]:
        """The page of a list behind the object of this id, of at most 100 unless `parameters` name another
        limit, and whether there are more.
        """
        behind = {"starting_after": starting_after} if starting_after else {}
        page = self._get(path, {"limit": PAGE, **parameters, **behind}, once=once)
        return page["data"], page["has_more"]

    def _whole_list(
        self, path: str, parameters: Mapping[str, Any], *, once: bool = False
    ) -> list[dict[str, Any]]:
        listed = every_page(partial(self._page, path, parameters, once=once))
        return [found for page in listed for found in page]

    def _get(
        self, path: str, parameters: Mapping[str, Any] | None = None, *, once: bool = False
    ) -> dict[str, Any]:
        answer: dict[str, Any] = self._request("get", path, parameters or {}, once=once).data
        return answer

    def _find(self, path: str) -> dict[str, Any] | None:
        """The object at this path; None where Stripe knows no such object."""
        try:
            return self._get(path)
        except StripeRefused as refusal:
            if refusal.extra.get("stripeCode") == "resource_missing":
                return None
            raise

    def _post(
        self, path: str, parameters: Mapping[str, Any], idempotency_key: str | None = None
    ) -> dict[str, Any]:
        options: dict[str, Any] = {"idempotency_key": idempotency_key} if idempotency_key else {}
        answer: dict[str, Any] = self._request("post", path, parameters, **options).data
        return answer

    def _request(
        self, method: str, path: str, parameters: Mapping[str, Any], *, once: bool = False, **options: Any
    ) -> Any:
        """The answer to one request, with `data` and `headers`. `options` are stripe-python's own, see its
        RequestOptions. Raises as the class says.
        """
        client = self._hurried if once else self._client
        if client is None:
            raise StripeConfigError("No Stripe key is configured. Set STRIPE_SECRET_KEY and start again.")
        try:
            return client.raw_request(method, f"/v1/{path}", **parameters, **options)
        except stripe.StripeError as error:
            raise _translated(error) from error


def created_within(first: datetime, last: datetime) -> dict[str, int]:
    """Stripe's filter of what was created from `first` (inclusive) to `last`, not before its time begins."""
    return {"gte": max(0, int(first.timestamp())), "lt": int(last.timestamp())}


def _quoted(object_id: str) -> str:
    return quote(object_id, safe="")


def verified_event(payload: bytes, signature: str | None, secret: str) -> Event:
    """The event in a signed webhook delivery.

    Verifies before it parses (https://docs.stripe.com/webhooks#verify-manually) and refuses time stamps in
    the future as well as old ones, which stripe-python does not. Raises InvalidSignature, and InvalidEvent
    for a signed body that is no event.
    """
    if not signature:
        raise InvalidSignature("The Stripe-Signature header is missing.")
    try:
        text = payload.decode("utf-8")
        stripe.WebhookSignature.verify_header(text, signature, secret, SIGNATURE_TOLERANCE_SECONDS)
        timestamps = [int(part[2:]) for part in signature.split(",") if part.startswith("t=")]
    # Signatures with characters beyond ASCII can't be compared: a TypeError.
    except (stripe.SignatureVerificationError, ValueError, TypeError):
        raise InvalidSignature(
            "The signature does not match this body and secret, or is too old. Compare the signing secret of "
            "the webhook endpoint in Stripe with STRIPE_WEBHOOK_SECRET."
        ) from None
    if any(stamp > time.time() + SIGNATURE_TOLERANCE_SECONDS for stamp in timestamps):
        raise InvalidSignature("The signature's time stamp lies in the future. Check the clocks.")
    try:
        event = json.loads(text)
    except (ValueError, RecursionError):
        event = None
    if (
        not isinstance(event, dict)
        or _is_deeper(event, _DEEPEST)
        or not isinstance(event.get("id"), str)
        or not isinstance(event.get("type"), str)
        # A thin event names its object elsewhere.
        or not isinstance(event.setdefault("data", {}), dict)
        or (event["type"].startswith(_WITH_OBJECT) and not isinstance(event["data"].get("object"), dict))
        or (event["type"] in ACTED_ON and not _has_id(event["data"]["object"]))
    ):
        raise InvalidEvent("The body is signed but is not a Stripe event.")
    return event


def _is_deeper(value: object, levels: int) -> bool:
    """Whether lists and objects are nested deeper than this."""
    members = list(value.values()) if isinstance(value, dict) else value
    if not isinstance(members, list):
        return False
    inner = [member for member in members if isinstance(member, dict | list)]
    return bool(inner) and (levels <= 1 or any(_is_deeper(member, levels - 1) for member in inner))


def _has_id(subject: Mapping[str, Any]) -> bool:
    return isinstance(subject.get("id"), str) and subject["id"] != ""


def signature(payload: str, secret: str) -> str:
    """The Stripe-Signature header with which Stripe would deliver this body now."""
    header: str = stripe.WebhookSignature.generate_signature_header(payload=payload, secret=secret)
    return header


def _translated(error: stripe.StripeError) -> LumiraError:
    """Stripe's error as ours, by https://docs.stripe.com/api/errors; the text is for staff."""
    request_id = {"stripeRequestId": error.request_id} if error.request_id else {}
    code = {"stripeCode": error.code} if error.code else {}
    match error:
        case stripe.CardError():
            detail = error.error
            decline = getattr(detail, "decline_code", None) or error.code
            return PaymentFailed(
                error.user_message or "The card was declined.", declineCode=decline, **request_id
            )
        case stripe.PermissionError():
            # Stripe's own words name the account, and callers read ours.
            return StripeConfigError(
                "The Stripe key lacks a right that this needs. Compare its rights in Stripe's dashboard "
                "with those in docs/security.md.",
                **request_id,
            )
        case stripe.AuthenticationError():
            return StripeConfigError(
                "Stripe refuses the key. Check STRIPE_SECRET_KEY against the API keys in Stripe's dashboard.",
                **request_id,
            )
        case stripe.IdempotencyError() if error.http_status == 400:
            return IdempotencyConflict(
                "This idempotency key was used for another request. Use a new key for a new one.",
                **request_id,
            )
        case stripe.RateLimitError():
            return StripeRateLimited("Stripe asks us to slow down. Try again in a few seconds.", **request_id)
        case stripe.APIConnectionError() if _timed_out(error):
            return StripeTimeout("Stripe did not answer in time. Try again: nothing is charged twice.")
        case stripe.APIConnectionError():
            return StripeServiceError("Stripe can't be reached. Try again in a moment.")
        case stripe.InvalidRequestError():
            return StripeRefused(f"Stripe refuses the request: {error.user_message}", **code, **request_id)
        case _:
            return StripeServiceError("Stripe has a problem of its own. Try again in a moment.", **request_id)


def _timed_out(error: stripe.APIConnectionError) -> bool:
    cause: BaseException | None = error
    while cause is not None:
        if "Timeout" in type(cause).__name__:
            return True
        cause = cause.__cause__ or cause.__context__
    return False
