"""What is wrong with a desk, why, and the command or page that mends it.

Each check asks one thing, with a time-out of its own, and answers one finding. A check that depends on a part
that does not answer is left out: the part's own finding says so. What the answers mean is judged in
`lumira.findings`; store and gateway are handed in.
"""

from __future__ import annotations

import errno
import json
import platform
import secrets
import shutil
import tempfile
import time
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as NotInTime
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from itertools import islice, takewhile
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import httpx
import psutil

from lumira import __version__, https
from lumira.access import Actor, Permission, require
from lumira.audit import Action, AuditEntry
from lumira.errors import (
    DuplicateValues,
    InvalidAddress,
    SettingsError,
    StoreRightsMissing,
    StoreSignInRefused,
    StoreUnavailable,
    StripeConfigError,
    StripeError,
)
from lumira.events import (
    ACTED_ON,
    OTHER_API_VERSION,
    OTHER_LIVEMODE,
    TEST_DELIVERY,
    WEBHOOK_PATHS,
    EventFilter,
    EventState,
)
from lumira.findings import (
    EDIT_SECRETS,
    EXPECTED,
    UNCHECKED,
    Finding,
    Status,
    endpoints_of,
    is_of_other_version,
    judge_applied,
    judge_arriving,
    judge_authenticators,
    judge_callers,
    judge_clock,
    judge_delivery,
    judge_disk,
    judge_endpoints,
    judge_failed,
    judge_home,
    judge_indexes,
    judge_openid,
    judge_overdue,
    judge_publishable_key,
    judge_refused,
    judge_replica_set,
    judge_revenue,
    judge_staff,
    judge_stuck,
    judge_validators,
    judge_variables,
    judge_websocket,
    judge_write,
)
from lumira.openid_providers import announced
from lumira.orders import Order, OrderStatus, status_of
from lumira.setting_sources import (
    is_told,
    masked,
    overridden_variables,
    unknown_variables,
    variable_to_set,
)
from lumira.settings import Settings

if TYPE_CHECKING:
    from lumira.storage import AuditLog, Events, Orders, Rollups, StaffAccounts, Store
    from lumira.stripe_gateway import StripeGateway

# The longest that one check is waited for: store and Stripe have shorter time-outs of their own.
CHECK_SECONDS: Final = 12.0
DELIVERY_SECONDS: Final = 5.0
# What is still open then has been asked for several times: see `Reconciliation.settle_open_orders`.
OVERDUE: Final = timedelta(minutes=30)
OVERDUE_SINCE: Final = timedelta(days=3)
# About how many open orders of each status Stripe is asked, and how many rows a check reads.
ASKED: Final = 5
LOOKED_AT: Final = 200
RECENT: Final = timedelta(days=7)
# Stripe delivers within seconds; after this an event that is not here has not arrived.
ARRIVES_WITHIN: Final = timedelta(minutes=1)
EXPECTED_SINCE: Final = timedelta(days=1)
_NOT_APPLIED: Final = frozenset({OTHER_LIVEMODE, OTHER_API_VERSION})
# Streamlit's, and what asks for a websocket: https://www.rfc-editor.org/rfc/rfc6455#section-4.1
_WEBSOCKET_PATH: Final = "/_stcore/stream"
_UPGRADE: Final = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
}
_PACKAGES: Final = ("stripe", "pymongo", "streamlit")


@dataclass(frozen=True)
class StoredData:
    """The store and what the doctor reads in it; `accounts` is None where everybody is let in.

    `key` gives the signing key, by which secrets of authenticators are read; `refuses_signatures` says
    whether a delivery's signature was just refused.
    """

    store: Store
    orders: Orders
    events: Events
    rollups: Rollups
    audit: AuditLog
    accounts: StaffAccounts | None = None
    key: Callable[[], bytes] | None = None
    refuses_signatures: Callable[[], bool] = lambda: False


@dataclass(frozen=True)
class CreatedEndpoint:
    """A webhook endpoint as it stands now; `secret` only when it was made anew: Stripe shows it this once."""

    id: str
    url: str
    secret: str | None


Check = Callable[[], Finding]


class Doctor:
    """Examines one desk. `stored` is None where no store is configured or running.

    `sign` makes the header with which Stripe would sign a body of text with a secret.
    """

    def __init__(
        self,
        settings: Settings,
        gateway: StripeGateway,
        stored: StoredData | None,
        *,
        sign: Callable[[str, str], str],
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._settings = settings
        self._gateway = gateway
        self._stored = stored
        self._sign = sign
        self._clock = clock

    def examine(self, *, actor: Actor, address: str | None = None) -> list[Finding]:
        """Every finding, in the order of the parts: settings, machine, store, Stripe, webhooks, work.

        `address` is where the desk serves, such as `https://pay.example.com`, by default what the settings
        say.

        Changes nothing but one document that it writes to try the store, and removes. Never raises for what
        is wrong, only Forbidden.
        """
        require(actor, Permission.VIEW_SYSTEM)
        address = (address or self._settings.local_url).rstrip("/")
        pool = ThreadPoolExecutor(max_workers=8, thread_name_prefix="doctor")

        def all_of(checks: Iterable[tuple[str, Check]]) -> list[Finding]:
            under_way = [(name, pool.submit(check)) for name, check in checks]
            return [_finding(name, future) for name, future in under_way]

        try:
            first = all_of(self._first_checks())
            store_answers = _is_ok(first, "store.reachable")
            stripe_answers = _is_ok(first, "stripe.key")
            further = all_of(self._further_checks(store_answers, stripe_answers, address))
        finally:
            # A check that takes too long is said to, and not waited for.
            pool.shutdown(wait=False, cancel_futures=True)
        order = {name: position for position, name in enumerate(NAMES)}
        return sorted([*first, *further], key=lambda finding: order[finding.name])

    def create_indexes(self, *, actor: Actor) -> None:
        """Creates missing indexes and validators and corrects those that differ.

        Raises Forbidden, StoreUnavailable, and, once all that can be made is there, StoreRightsMissing or
        DuplicateValues.
        """
        require(actor, Permission.VIEW_SYSTEM)
        if self._stored is None:
            raise StoreUnavailable("No store is running. Start it with `lumira run`, or set MONGODB_URI.")
        unmade = self._stored.store.prepare()
        self._record(actor, Action.CREATE_INDEXES, None)
        if unmade.refused:
            names = ", ".join(unmade.refused)
            raise StoreRightsMissing(
                f"The user of MONGODB_URI may not make {names}. Give it the role dbAdmin of its database.",
                names=names,
            )
        if unmade.shared:
            names = ", ".join(f"{index} ({value})" for index, value in unmade.shared.items())
            raise DuplicateValues(
                f"Several documents share what must be unique: {names}. Keep one of each, then try again.",
                names=names,
            )

    def create_webhook(self, url: str, *, actor: Actor) -> CreatedEndpoint:
        """Has Stripe deliver the events we act on to `url`, in our API version.

        An endpoint of that address is corrected and keeps its secret. Stripe can't change the API version of
        one: then a new one is made and the old one disabled. Raises Forbidden, InvalidAddress, StripeError,
        and StoreUnavailable once it is done and can't be noted in the audit log.
        """
        require(actor, Permission.VIEW_SYSTEM)
        url = webhook_address(url, insecure=self._gateway.is_sandbox)
        there = [one for one in self._gateway.list_webhook_endpoints() if one["url"] == url]
        ours = [one for one in there if not is_of_other_version(one, self._gateway.api_version)]
        if ours:
            self._gateway.update_webhook_endpoint(ours[0]["id"], events=ACTED_ON, disabled=False)
            created = CreatedEndpoint(ours[0]["id"], url, None)
        else:
            made = self._gateway.create_webhook_endpoint(url, ACTED_ON)
            created = CreatedEndpoint(made["id"], url, made["secret"])
        for other in there:
            if other["id"] != created.id and other["status"] == "enabled":
                self._gateway.update_webhook_endpoint(
                    other["id"], events=other["enabled_events"], disabled=True
                )
        self._record(actor, Action.CREATE_WEBHOOK, url)
        return created

    def _record(self, actor: Actor, action: Action, note: str | None) -> None:
        if self._stored is not None:
            self._stored.audit.record(AuditEntry.by(actor, action, self._clock(), note=note))

    def _first_checks(self) -> list[tuple[str, Check]]:
        home = self._settings.home
        checks: list[tuple[str, Check]] = [
            ("settings.variables", lambda: judge_variables(unknown_variables(), overridden_variables())),
            ("machine.home", lambda: judge_home(home, _why_not_writable(home), psutil.Process().username())),
            ("machine.disk", lambda: judge_disk(shutil.disk_usage(_existing(home)).free, home)),
            ("store.reachable", self._store),
            ("stripe.key", self._stripe),
        ]
        if self._gateway.is_configured:
            checks += [
                ("stripe.publishable_key", lambda: judge_publishable_key(self._settings, self._gateway)),
                ("webhook.secret", self._secret),
            ]
        return checks

    def _further_checks(self, store: bool, stripe: bool, address: str) -> list[tuple[str, Check]]:
        checks: list[tuple[str, Check]] = []
        if stripe:
            checks += [
                ("stripe.clock", self._stripe_clock),
                ("webhook.endpoint", lambda: self._endpoint(address)),
            ]
        checks.append(("machine.websocket", lambda: self._websocket(address)))
        # A desk whose store is down can take nothing.
        if self._settings.stripe_webhook_secret is not None and (store or self._stored is None):
            checks.append(("webhook.delivery", lambda: self._delivery(address)))
        if store and (stored := self._stored):
            checks += [
                ("store.writable", lambda: judge_write(stored.store.refused_write(), self._mongosh())),
                ("store.replica_set", lambda: judge_replica_set(stored.store.server(), self._mongosh())),
                (
                    "store.indexes",
                    lambda: judge_indexes(
                        stored.store.index_deviations(), self._mongosh(), stored.store.database.name
                    ),
                ),
                (
                    "store.validators",
                    lambda: judge_validators(stored.store.validator_deviations()),
                ),
                ("events.failed", lambda: self._failed(stored)),
                ("events.stuck", lambda: judge_stuck(stored.events.stuck(LOOKED_AT))),
                ("events.applied", lambda: self._applied(stored)),
                ("orders.overdue", lambda: self._overdue(stored, stripe)),
                ("orders.callers", lambda: self._callers(stored)),
                ("revenue.fresh", lambda: self._revenue(stored)),
            ]
            if stripe:
                checks.append(("webhook.arriving", lambda: self._arriving(stored, address)))
            if (accounts := stored.accounts) is not None:
                checks += [
                    ("staff.administrator", lambda: judge_staff(accounts.all())),
                    ("staff.authenticators", lambda: judge_authenticators(accounts.all(), stored.key)),
                    ("staff.openid", self._openid),
                ]
        return checks

    def _store(self) -> Finding:
        name = "store.reachable"
        if self._stored is None:
            return Finding(name, Status.WARNING, "not_running", mend="lumira run")
        address = masked(self._settings.mongodb_uri)
        began = time.perf_counter()
        try:
            self._stored.store.ping()
            server = self._stored.store.server()
        except StoreSignInRefused:
            mend = "export MONGODB_URI='mongodb://…'"
            return Finding(name, Status.FAILURE, "refused", {"address": address}, mend)
        except StoreUnavailable:
            local = urlsplit(address).hostname in {"127.0.0.1", "localhost"}
            mend = "sudo systemctl start mongod" if local else f"{self._mongosh()} 'db.hello()'"
            if not is_told("MONGODB_URI"):
                # The embedded store, which `lumira run` alone starts.
                mend = "lumira run"
            return Finding(name, Status.FAILURE, "down", {"address": address}, mend)
        milliseconds = round((time.perf_counter() - began) * 1000)
        values = {"server": server.name, "version": server.version, "milliseconds": milliseconds}
        return Finding(name, Status.OK, "ok", values)

    def _mongosh(self) -> str:
        """The command that evaluates what follows it in our store, without a secret in it."""
        uri = self._settings.mongodb_uri
        shown = masked(uri)
        is_open = uri is not None and uri.get_secret_value() == shown
        return f"mongosh {shown} --eval" if is_open else 'mongosh "$MONGODB_URI" --eval'

    def _stripe(self) -> Finding:
        name, gateway = "stripe.key", self._gateway
        if not gateway.is_configured and self._stored is None:
            return Finding(name, Status.WARNING, "not_running", mend="lumira run")
        if not gateway.is_configured:
            mend = "export STRIPE_SECRET_KEY='sk_test_…'"
            return Finding(name, Status.FAILURE, "missing", mend=mend)
        try:
            gateway.ping()
        except StripeConfigError:
            mend = "export STRIPE_SECRET_KEY='sk_test_…'"
            return Finding(name, Status.FAILURE, "refused", mend=mend)
        except StripeError as error:
            mend = "lumira run" if gateway.is_sandbox else "curl -sSI https://api.stripe.com"
            return Finding(name, Status.FAILURE, "down", {"code": error.code}, mend)
        reason = "sandbox" if gateway.is_sandbox else "live" if gateway.livemode else "test"
        return Finding(name, Status.OK, reason, {"version": gateway.api_version})

    def _stripe_clock(self) -> Finding:
        before = self._clock()
        theirs = self._gateway.server_time()
        return judge_clock(before + (self._clock() - before) / 2, theirs)

    def _secret(self) -> Finding:
        if self._settings.stripe_webhook_secret is None:
            mend = set_signing_secret("whsec_…")
            return Finding("webhook.secret", Status.FAILURE, "missing", mend=mend)
        return Finding("webhook.secret", Status.OK)

    def _endpoint(self, address: str) -> Finding:
        try:
            endpoints = self._gateway.list_webhook_endpoints()
        except StripeConfigError:
            return Finding("webhook.endpoint", Status.WARNING, "forbidden")
        return judge_endpoints(endpoints, self._gateway.api_version, self._only(address))

    def _only(self, address: str) -> str | None:
        """The one address at which the sandbox reaches this desk; Stripe may reach it at any."""
        return f"{address}{WEBHOOK_PATHS[0]}" if self._gateway.is_sandbox else None

    def _arriving(self, stored: StoredData, address: str) -> Finding:
        """Whether deliveries come through, by the ledger and by the last signature that was seen."""
        finding = self._newest_arrived(stored, address)
        if finding.status is Status.OK and stored.refuses_signatures():
            return judge_refused(address + WEBHOOK_PATHS[0], set_signing_secret("whsec_…"))
        return finding

    def _newest_arrived(self, stored: StoredData, address: str) -> Finding:
        """Whether what Stripe last had to deliver is in the ledger, since there is an endpoint of ours."""
        now, mend = self._clock(), set_signing_secret("whsec_…")
        try:
            endpoints = endpoints_of(self._gateway.list_webhook_endpoints(), self._only(address))
            enabled = [endpoint for endpoint in endpoints if endpoint["status"] == "enabled"]
            asked_for = {name for endpoint in enabled for name in endpoint["enabled_events"]}
            types = [name for name in ACTED_ON if name in asked_for or "*" in asked_for]
            if not types:
                return judge_arriving([], None, mend)
            since = datetime.fromtimestamp(min(endpoint["created"] for endpoint in enabled), UTC)
            events = self._gateway.list_events(
                types, max(since, now - EXPECTED_SINCE), now - ARRIVES_WITHIN, EXPECTED
            )
        except StripeConfigError:
            return Finding("webhook.arriving", Status.WARNING, "forbidden")
        arrived = stored.events.known([event["id"] for event in events])
        # Where one arrived after them, their cause is over, and Stripe sends them again.
        return judge_arriving(
            [event["id"] for event in takewhile(lambda event: event["id"] not in arrived, events)],
            enabled[0]["url"] if events else None,
            mend,
        )

    def _delivery(self, address: str) -> Finding:
        """Delivers an event that asks for nothing to the desk itself, signed as Stripe would sign it."""
        secret = self._settings.stripe_webhook_secret
        assert secret is not None  # noqa: S101 - asked for only then
        event_id = f"evt_lumira_{secrets.token_hex(12)}"
        body = json.dumps({"id": event_id, "type": TEST_DELIVERY, "data": {"object": {"id": event_id}}})
        address += WEBHOOK_PATHS[0]
        try:
            # No proxy of the environment stands between us and ourselves.
            with httpx.Client(
                trust_env=False, timeout=DELIVERY_SECONDS, verify=https.authorities()
            ) as client:
                header = self._sign(body, secret.get_secret_value())
                answer = client.post(address, content=body, headers={"Stripe-Signature": header})
        except httpx.HTTPError as error:
            no_https = https.unsafe(error) is not None
            return judge_delivery(address, None, https.why_unanswered(error), no_https=no_https)
        finally:
            if self._stored is not None:
                self._forget(self._stored, event_id)
        knows_https = "strict-transport-security" in answer.headers
        return judge_delivery(address, answer.status_code, _code(answer), knows_https=knows_https)

    @staticmethod
    def _websocket(address: str) -> Finding:
        """Asks the desk for the websocket of its pages, as a browser does that is not signed in."""
        try:
            with (
                httpx.Client(trust_env=False, timeout=DELIVERY_SECONDS, verify=https.authorities()) as client,
                client.stream("GET", address + _WEBSOCKET_PATH, headers=_UPGRADE) as answer,
            ):
                return judge_websocket(address, answer.status_code)
        except httpx.HTTPError:
            return judge_websocket(address, None)

    @staticmethod
    def _forget(stored: StoredData, event_id: str) -> None:
        try:
            stored.events.forget(event_id)
        except StoreUnavailable:
            return

    @staticmethod
    def _failed(stored: StoredData) -> Finding:
        events, more = stored.events.page(LOOKED_AT, selected=EventFilter(EventState.FAILED))
        return judge_failed(len(events), more=more is not None)

    def _applied(self, stored: StoredData) -> Finding:
        """Whether Stripe's events are of our API version and mode, by the newest of the last days."""
        selected = EventFilter(EventState.PROCESSED, since=self._clock() - RECENT)
        events, _ = stored.events.page(LOOKED_AT, selected=selected)
        # Where one of ours came after them, their cause is over.
        left = list(takewhile(lambda event: event.outcome in _NOT_APPLIED or event.outcome is None, events))
        versions = [event.api_version or "?" for event in left if event.outcome in _NOT_APPLIED]
        return judge_applied(versions)

    def _overdue(self, stored: StoredData, stripe: bool) -> Finding:
        """Orders still open that should not be, by what we know and by what Stripe says of the newest."""
        now = self._clock()
        orders = stored.orders.open_between(now - OVERDUE_SINCE, now - OVERDUE, LOOKED_AT)
        overdue = {order.id for order in orders if _is_overdue(order)}
        if stripe:
            for status in OrderStatus:
                newest = [
                    order for order in orders if order.status is status and order.stripe_payment_intent_id
                ]
                overdue |= {order.id for order in newest[:ASKED] if self._stripe_says_otherwise(order)}
        return judge_overdue(len(overdue), len(orders))

    def _stripe_says_otherwise(self, order: Order) -> bool:
        try:
            payment_intent = self._gateway.retrieve_payment_intent(str(order.stripe_payment_intent_id))
        except StripeError:
            return False
        return status_of(payment_intent) is not order.status

    @staticmethod
    def _openid() -> Finding:
        """Whether people can be sent to each OpenID provider that is set up."""
        try:
            found = announced()
        except SettingsError as error:
            return Finding(
                "staff.openid", Status.FAILURE, "unreadable", {"problem": error.message}, EDIT_SECRETS
            )
        return judge_openid(
            found,
            {
                name: https.json_object(str(found[name].get("server_metadata_url", "")), DELIVERY_SECONDS)
                for name in found
            },
        )

    def _callers(self, stored: StoredData) -> Finding:
        now = self._clock()
        return judge_callers(list(islice(stored.orders.created_between(now - RECENT, now), LOOKED_AT)))

    def _revenue(self, stored: StoredData) -> Finding:
        state = stored.rollups.state()
        return judge_revenue(self._clock() - state.watermark if state else None)


# Every check, in the order in which findings are shown.
NAMES: Final = (
    "settings.valid",
    "settings.variables",
    "machine.home",
    "machine.disk",
    "machine.websocket",
    "store.reachable",
    "store.writable",
    "store.replica_set",
    "store.indexes",
    "store.validators",
    "stripe.key",
    "stripe.publishable_key",
    "stripe.clock",
    "webhook.secret",
    "webhook.endpoint",
    "webhook.delivery",
    "webhook.arriving",
    "events.failed",
    "events.stuck",
    "events.applied",
    "orders.overdue",
    "orders.callers",
    "revenue.fresh",
    "staff.administrator",
    "staff.authenticators",
    "staff.openid",
)


def versions() -> dict[str, str]:
    """The versions of Lumira, of the libraries it stands on, and of Python."""
    # Our own stands in the code: a container runs it without installing it.
    libraries = {name: version(name) for name in _PACKAGES}
    return {"lumira": __version__, **libraries, "python": platform.python_version()}


def set_signing_secret(secret: str) -> str:
    """The command that gives the desk the signing secret of its endpoint, by the variable that counts."""
    return f"export {variable_to_set('stripe_webhook_secret')}='{secret}'"


def webhook_address(text: str, *, insecure: bool = False) -> str:
    """The address Stripe is to deliver to; one without a path gets ours.

    Raises InvalidAddress for what is no https address, or none of our webhook; `insecure` admits http.
    """
    refusal = InvalidAddress(
        f"{text} is no address for Stripe's webhook: say https://your.host{WEBHOOK_PATHS[0]}."
    )
    try:
        url = urlsplit(text.strip())
    except ValueError:
        raise refusal from None
    schemes = {"https", "http"} if insecure else {"https"}
    path = url.path if url.path.strip("/") else WEBHOOK_PATHS[0]
    if url.scheme not in schemes or not url.hostname or path not in WEBHOOK_PATHS or url.query:
        raise refusal
    return f"{url.scheme}://{url.netloc}{path}"


def _finding(name: str, under_way: Future[Finding]) -> Finding:
    """What a check found; a check that fails, or takes too long, takes no other with it."""
    try:
        return under_way.result(timeout=CHECK_SECONDS)
    except NotInTime:
        problem = "TimeoutError"
    except Exception as error:
        problem = getattr(error, "code", None) or type(error).__name__
    return Finding(name, Status.FAILURE, UNCHECKED, {"problem": problem}, "lumira doctor")


def _is_ok(findings: Iterable[Finding], name: str) -> bool:
    return any(finding.name == name and finding.status is Status.OK for finding in findings)


def _is_overdue(order: Order) -> bool:
    # One that Stripe refused to make has failed for good, and has no PaymentIntent either.
    is_untied = order.payment_intent_id is None and order.status is OrderStatus.PENDING
    return is_untied or not order.agrees_with_stripe


def _code(answer: httpx.Response) -> str:
    try:
        return str(answer.json()["code"])
    except (ValueError, KeyError, TypeError):
        return "–"


def _existing(folder: Path) -> Path:
    """The folder, or the nearest one above it that exists."""
    return next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())


def _why_not_writable(home: Path) -> OSError | None:
    """Why no file can be made in the folder, or the folder itself can't be; None when it can."""
    folder = _existing(home)
    if not folder.is_dir():
        return NotADirectoryError(errno.ENOTDIR, f"{folder} is a file")
    try:
        with tempfile.TemporaryFile(dir=folder):
            return None
    except OSError as error:
        return error
