"""What the doctor's checks find, and how bad it is: pure judgments of what store, Stripe and machine said.

Each says why, and names the command or the page that mends it.
"""

from __future__ import annotations

import errno
import shlex
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from lumira.access import Role
from lumira.encryption import decrypt
from lumira.events import ACTED_ON, WEBHOOK_PATHS
from lumira.openid_providers import ENDPOINTS, NEEDED, leads_back
from lumira.orders import REFUSED, Order
from lumira.settings import Settings
from lumira.texts import translate
from lumira.validation import is_address

if TYPE_CHECKING:
    from lumira.staff import StaffMember
    from lumira.storage.server import Deviations, Server
    from lumira.stripe_gateway import StripeGateway

_MEGABYTE: Final = 1_000_000
# With less MongoDB begins no index:
# https://www.mongodb.com/docs/manual/reference/parameters/#mongodb-parameter-param.indexBuildMinAvailableDiskSpaceMB
DISK_FAILURE: Final = 500 * _MEGABYTE
DISK_WARNING: Final = 2_000 * _MEGABYTE
# Stripe's Date has whole seconds, and its answer takes its time.
SKEW_WARNING: Final = 5
# Beyond this no signature is accepted: https://docs.stripe.com/webhooks#replay-attacks
SKEW_FAILURE: Final = 300
STALE_WARNING: Final = timedelta(minutes=5)
STALE_FAILURE: Final = timedelta(hours=1)
# How many of Stripe's newest events are looked for in the ledger.
EXPECTED: Final = 20
EDIT_SECRETS: Final = "${EDITOR:-vi} .streamlit/secrets.toml"
CREATE_INDEXES: Final = "lumira doctor --create-indexes"
# The reason of a check that could not be made.
UNCHECKED: Final = "unchecked"


class Status(StrEnum):
    """How bad it is: a failure loses or will lose something, a warning asks for a look."""

    OK = "ok"
    WARNING = "warning"
    FAILURE = "failure"


@dataclass(frozen=True)
class Finding:
    """What one check found: its `name`, how bad it is, and the `reason`, whose sentence takes `values`.

    `mend` is the command that mends it, `page` the page that does; both None where nothing is to be done.
    """

    name: str
    status: Status
    reason: str = "ok"
    values: Mapping[str, object] = field(default_factory=dict)
    mend: str | None = None
    page: str | None = None

    def title(self, language: str) -> str:
        """What was checked, in a few words of `fr` or `en`."""
        return translate(language, f"doctor.{self.name}")

    def sentence(self, language: str) -> str:
        """Why the finding is what it is, in one sentence of `fr` or `en`."""
        name = "doctor.unchecked" if self.reason == UNCHECKED else f"doctor.{self.name}.{self.reason}"
        return translate(language, name, **self.values)


def worst(findings: Iterable[Finding]) -> Status:
    """The gravest status among the findings; ok when there are none."""
    return max((finding.status for finding in findings), key=list(Status).index, default=Status.OK)


def judge_variables(unknown: Sequence[str], overridden: Sequence[str]) -> Finding:
    """Whether every variable that is named like ours is read."""
    name = "settings.variables"
    if unknown:
        return Finding(name, Status.WARNING, "unknown", {"names": ", ".join(unknown)}, f"unset {unknown[0]}")
    if overridden:
        values = {"names": ", ".join(overridden)}
        return Finding(name, Status.WARNING, "overridden", values, f"unset {overridden[0]}")
    return Finding(name, Status.OK)


def judge_home(home: Path, problem: OSError | None, user: str) -> Finding:
    """Whether LUMIRA_HOME can be written by `user`, where the store, the sandbox and the signing key live."""
    if problem is None:
        return Finding("machine.home", Status.OK, "ok", {"home": str(home)})
    values = {"home": str(home), "problem": problem.strerror}
    mend = "export LUMIRA_HOME=/var/lib/lumira"
    if problem.errno == errno.EACCES:
        # The folder is the right one, and another user's: root has made it, as a rule.
        mend = f"sudo chown -R {user} {shlex.quote(str(home.absolute()))}"
    return Finding("machine.home", Status.FAILURE, "refused", values, mend)


def judge_disk(free: int, folder: Path) -> Finding:
    """Whether there is room left, `free` bytes of it, where LUMIRA_HOME stands."""
    if free >= DISK_WARNING:
        return Finding(
            "machine.disk", Status.OK, "ok", {"gigabytes": free // (1000 * _MEGABYTE), "folder": str(folder)}
        )
    values = {"megabytes": free // _MEGABYTE, "folder": str(folder)}
    status, reason = (Status.FAILURE, "full") if free < DISK_FAILURE else (Status.WARNING, "low")
    # The ledger is pruned daily anyway: what fills a disk has to be looked for.
    mend = f"du -ahx {shlex.quote(str(folder))} | sort -h | tail"
    return Finding("machine.disk", status, reason, values, mend)


def judge_write(refusal: str | None, mongosh: str) -> Finding:
    """Whether the store takes a write; `mongosh` is the command that evaluates what follows it."""
    if refusal is None:
        return Finding("store.writable", Status.OK)
    if refusal != "Unauthorized":
        # Where the store stands, which need not be here.
        return Finding("store.writable", Status.FAILURE, "failed", {"code": refusal}, "df -h")
    mend = f'{mongosh} \'db.grantRolesToUser("lumira", ["readWrite"])\''
    return Finding("store.writable", Status.FAILURE, "refused", {"code": refusal}, mend)


def judge_replica_set(server: Server, mongosh: str) -> Finding:
    """Whether the store survives the loss of a machine."""
    name, values = "store.replica_set", {"name": server.replica_set, "members": server.members}
    if server.is_embedded:
        return Finding(name, Status.OK, "embedded")
    if server.replica_set is None:
        return Finding(name, Status.WARNING, "alone", mend=f"{mongosh} 'rs.initiate()'")
    if server.members < 3:
        return Finding(name, Status.WARNING, "few", values, f"{mongosh} 'rs.add(\"host:27017\")'")
    return Finding(name, Status.OK, "ok", values)


def judge_indexes(found: Deviations, mongosh: str, database: str) -> Finding:
    """Whether the indexes are those that are needed, and none of another program may refuse our writes."""
    name = "store.indexes"
    if found.to_mend:
        return _to_create(name, found)
    if found.in_the_way:
        collection, index = found.in_the_way[0].split(".", 1)
        drop = f'db.getSiblingDB("{database}").{collection}.dropIndex("{index}")'
        values = {"names": _listed(found.in_the_way)}
        return Finding(name, Status.WARNING, "in_the_way", values, f"{mongosh} '{drop}'")
    if found.others:
        return Finding(name, Status.OK, "others", {"names": _listed(found.others)})
    return Finding(name, Status.OK)


def judge_validators(found: Deviations) -> Finding:
    """Whether the validators are those of this version."""
    return _to_create("store.validators", found) if found.to_mend else Finding("store.validators", Status.OK)


def _to_create(name: str, found: Deviations) -> Finding:
    reason = "missing" if found.missing else "different"
    return Finding(name, Status.FAILURE, reason, {"names": _listed(found.to_mend)}, CREATE_INDEXES)


def judge_publishable_key(settings: Settings, gateway: StripeGateway) -> Finding:
    """Whether customers can pay by a link: with a publishable key, of the same mode as the secret key."""
    name, key = "stripe.publishable_key", settings.stripe_publishable_key
    mend = "export STRIPE_PUBLISHABLE_KEY='pk_test_…'"
    if key is None:
        return Finding(name, Status.WARNING, "missing", mend=mend)
    if key.startswith("pk_live_") != gateway.livemode:
        return Finding(name, Status.FAILURE, "other_mode", mend=mend)
    return Finding(name, Status.OK)


def judge_clock(ours: datetime, theirs: datetime) -> Finding:
    """Whether our clock goes with Stripe's; a signature is good for five minutes only."""
    skew = round(abs((ours - theirs).total_seconds()))
    name, mend = "stripe.clock", "timedatectl set-ntp true"
    if skew >= SKEW_FAILURE:
        return Finding(name, Status.FAILURE, "refused", {"seconds": skew}, mend)
    if skew > SKEW_WARNING:
        return Finding(name, Status.WARNING, "skewed", {"seconds": skew}, mend)
    return Finding(name, Status.OK)


def judge_endpoints(endpoints: Sequence[Mapping[str, Any]], api_version: str, address: str | None) -> Finding:
    """Whether Stripe delivers what we act on, in our API version; `address` where only one can be ours."""
    name = "webhook.endpoint"
    url = address or f"https://your.host{WEBHOOK_PATHS[0]}"
    ours = endpoints_of(endpoints, address)
    # The best one counts: an old one beside it does no harm.
    ours.sort(
        key=lambda endpoint: (endpoint["status"] != "enabled", is_of_other_version(endpoint, api_version))
    )
    if not ours:
        return Finding(
            name,
            Status.FAILURE if address else Status.WARNING,
            "missing",
            {"url": url},
            f"lumira doctor --create-webhook {url}",
        )
    best = ours[0]
    mend = f"lumira doctor --create-webhook {best['url']}"
    missing = [] if "*" in best["enabled_events"] else sorted(set(ACTED_ON) - {*best["enabled_events"]})
    if best["status"] != "enabled":
        return Finding(name, Status.FAILURE, "disabled", {"url": best["url"]}, mend)
    if is_of_other_version(best, api_version):
        values = {"url": best["url"], "version": best.get("api_version"), "ours": api_version}
        return Finding(name, Status.FAILURE, "other_version", values, mend)
    if missing:
        return Finding(
            name, Status.FAILURE, "events", {"url": best["url"], "names": ", ".join(missing)}, mend
        )
    return Finding(name, Status.OK, "ok", {"url": best["url"]})


def judge_delivery(
    address: str, status: int | None, code: str, *, no_https: bool = False, knows_https: bool = True
) -> Finding:
    """Whether the desk took the test delivery: its HTTP status, None when nobody answered, and its code.

    `no_https`: somebody did answer, and the connection could not be made safe. `knows_https`: the desk has
    said that it was asked over https.
    """
    name, values = "webhook.delivery", {"url": address, "status": status, "code": code}
    desk = address.rsplit("/api/", 1)[0]
    if no_https:
        return Finding(name, Status.FAILURE, "no_https", values, f"curl -sSI {desk}")
    if status is None:
        return Finding(name, Status.WARNING, "not_running", values, "lumira run")
    if status == 200 and address.startswith("https:") and not knows_https:
        mend = "export LUMIRA_TRUSTED_PROXIES=127.0.0.1"
        return Finding(name, Status.WARNING, "proxy_not_trusted", values, mend)
    if status == 200:
        return Finding(name, Status.OK, "ok", values)
    if code in {"INVALID_SIGNATURE", "WEBHOOK_SECRET_MISSING"}:
        return Finding(name, Status.FAILURE, "other_secret", values, "lumira run")
    return Finding(name, Status.FAILURE, "refused", values, f"curl -si {desk}/api/ready")


def judge_websocket(address: str, status: int | None) -> Finding:
    """Whether a websocket comes through to the desk, by which its pages come.

    `status` is the HTTP status of asking for one, None where nobody answered: 403 is the desk, which has none
    for whoever has no session, 404 `lumira api` alone, which has no pages. A proxy that does not pass on what
    asks for it leaves a plain request, 401.
    """
    name = "machine.websocket"
    if status is None or status == 404 or status >= 500:
        return Finding(name, Status.OK, "untried", {"url": address})
    if status in {101, 403}:
        return Finding(name, Status.OK, "ok", {"url": address})
    values = {"url": address, "status": status}
    return Finding(name, Status.FAILURE, "lost", values, "sudo nginx -T | grep -i upgrade")


def judge_arriving(missing: Sequence[str], url: str | None, mend: str) -> Finding:
    """Whether Stripe's events reach the ledger: the ids of its newest that are `missing`, newest first.

    `url` is that of the endpoint they were made for, None where Stripe had nothing to deliver; `mend` is the
    command that sets its signing secret.
    """
    name = "webhook.arriving"
    if url is None:
        return Finding(name, Status.OK, "none")
    if not missing:
        return Finding(name, Status.OK)
    reason = "missing.one" if len(missing) == 1 else "missing"
    count = f"{EXPECTED}+" if len(missing) == EXPECTED else len(missing)
    values = {"count": count, "event": missing[0], "url": url}
    return Finding(name, Status.FAILURE, reason, values, mend)


def judge_refused(url: str, mend: str) -> Finding:
    """The last delivery bore a signature that was refused: Stripe's, or of anybody who knows the address.

    `mend` is the command that sets the signing secret.
    """
    return Finding("webhook.arriving", Status.WARNING, "refused", {"url": url}, mend)


def judge_failed(count: int, *, more: bool) -> Finding:
    """Whether every event that Stripe delivered was handled; `more` when they were not counted to the end."""
    if not count:
        return Finding("events.failed", Status.OK)
    values = {"count": f"{count}+" if more else count}
    reason = "failed.one" if count == 1 else "failed"
    return Finding("events.failed", Status.FAILURE, reason, values, "lumira webhooks retry", "webhooks")


def judge_stuck(event_ids: Sequence[str]) -> Finding:
    """Whether a worker died over an event and nobody has taken it up."""
    if not event_ids:
        return Finding("events.stuck", Status.OK)
    reason = "stuck.one" if len(event_ids) == 1 else "stuck"
    mend = f"lumira webhooks retry {event_ids[0]}"
    return Finding("events.stuck", Status.WARNING, reason, {"count": len(event_ids)}, mend)


def judge_applied(versions: Sequence[str]) -> Finding:
    """Whether the latest events were of our API version and mode; `versions` of those that were not."""
    if not versions:
        return Finding("events.applied", Status.OK)
    values = {"count": len(versions), "versions": ", ".join(sorted(set(versions)))}
    reason = "left.one" if len(versions) == 1 else "left"
    mend = "lumira reconcile --since 7d --apply"
    return Finding("events.applied", Status.WARNING, reason, values, mend, "webhooks")


def judge_overdue(overdue: int, opened: int) -> Finding:
    """Whether orders stand open that Stripe has settled, or never heard of."""
    values = {"count": overdue, "open": opened}
    if not overdue:
        return Finding("orders.overdue", Status.OK, "ok", values)
    reason = "overdue.one" if overdue == 1 else "overdue"
    mend = "lumira reconcile --since 3d --apply"
    return Finding("orders.overdue", Status.FAILURE, reason, values, mend, "reconciliation")


def judge_callers(orders: Sequence[Order]) -> Finding:
    """What callers get wrong, by the signs it leaves on recent orders."""
    unknown = sum(order.level is None for order in orders)
    address = sum(not order.address or not is_address(order.address) for order in orders)
    metadata = sum(not order.metadata.get("productId") for order in orders)
    refused = sum(order.stripe_status == REFUSED for order in orders)
    values = {
        "orders": len(orders),
        "unknown": unknown,
        "address": address,
        "metadata": metadata,
        "refused": refused,
    }
    name = "orders.callers"
    if not orders:
        return Finding(name, Status.OK, "none")
    if refused:
        return Finding(
            name, Status.WARNING, "refused", values, "lumira export orders --filter stripe=refused", "orders"
        )
    if unknown or metadata:
        return Finding(
            name, Status.WARNING, "wrong", values, "lumira export orders --filter level=unknown", "orders"
        )
    return Finding(name, Status.OK, "ok", values)


def judge_staff(members: Sequence[StaffMember]) -> Finding:
    """Whether somebody may sign in who may do everything."""
    name = "staff.administrator"
    members = [member for member in members if member.disabled_at is None]
    administrators = [member for member in members if member.role is Role.ADMIN]
    if not administrators:
        return Finding(name, Status.WARNING, "none", mend="lumira staff add you@example.com --role admin")
    return Finding(name, Status.OK, "ok", {"count": len(administrators), "members": len(members)})


def judge_authenticators(members: Sequence[StaffMember], key: Callable[[], bytes] | None) -> Finding:
    """Whether everybody's codes can be checked: the secrets of authenticators ask for the signing key."""
    name = "staff.authenticators"
    members = [member for member in members if member.totp_secret and member.disabled_at is None]
    if not members:
        return Finding(name, Status.OK, "none")
    unreadable = [
        member.email
        for member in members
        if key is not None and decrypt(str(member.totp_secret), key(), owner=member.email) is None
    ]
    if unreadable:
        mend = f"lumira staff reset {unreadable[0]}"
        return Finding(name, Status.WARNING, "unreadable", {"emails": _listed(unreadable)}, mend)
    return Finding(name, Status.OK, "ok", {"count": len(members)})


def judge_openid(
    providers: Mapping[str, Mapping[str, object]], metadata: Mapping[str, Mapping[str, object] | str]
) -> Finding:
    """Whether people can be sent to the OpenID providers that `[auth]` tells of, and come back.

    `metadata` is what each says of itself, or why it says nothing.
    """
    name = "staff.openid"
    for provider, settings in providers.items():
        table = f"[auth.{provider}]" if provider else "[auth]"
        if wrong := _wrong_in(settings, metadata[provider]):
            reason, values = wrong
            address = str(settings.get("server_metadata_url"))
            mend = f"curl -sS {shlex.quote(address)}" if reason in {"down", "no_provider"} else EDIT_SECRETS
            return Finding(name, Status.FAILURE, reason, {"table": table, **values}, mend)
    return Finding(name, Status.OK, "ok" if providers else "none", {"count": len(providers)})


def _wrong_in(
    provider: Mapping[str, object], metadata: Mapping[str, object] | str
) -> tuple[str, Mapping[str, object]] | None:
    """The reason and its values, where people can't be sent to a provider, or don't come back; else None."""
    if lacking := [key for key in (*NEEDED, "redirect_uri") if not provider.get(key)]:
        return "incomplete", {"keys": _listed(lacking)}
    if not leads_back(str(provider["redirect_uri"])):
        return "redirect", {"address": provider["redirect_uri"]}
    if isinstance(metadata, str):
        return "down", {"address": provider["server_metadata_url"], "problem": metadata}
    if lacking := [key for key in ENDPOINTS if not metadata.get(key)]:
        return "no_provider", {"address": provider["server_metadata_url"], "keys": _listed(lacking)}
    return None


def judge_revenue(age: timedelta | None) -> Finding:
    """Whether the days' figures follow the orders; `age` since they last did, None when they never did."""
    name, mend = "revenue.fresh", "lumira revenue rebuild"
    if age is None:
        return Finding(name, Status.WARNING, "never", mend=mend)
    values = {"minutes": round(age.total_seconds() / 60)}
    if age > STALE_FAILURE:
        return Finding(name, Status.FAILURE, "stale", values, mend)
    if age > STALE_WARNING:
        return Finding(name, Status.WARNING, "stale", values, mend)
    return Finding(name, Status.OK)


def endpoints_of(endpoints: Sequence[Mapping[str, Any]], address: str | None) -> list[Mapping[str, Any]]:
    """The endpoints that may be this desk's: of this address, or where it is not known, of our paths."""
    return [
        endpoint
        for endpoint in endpoints
        if (endpoint["url"] == address if address else urlsplit(endpoint["url"]).path in WEBHOOK_PATHS)
    ]


def is_of_other_version(endpoint: Mapping[str, Any], api_version: str) -> bool:
    """Whether Stripe writes this endpoint's events in another API version than ours."""
    return endpoint.get("api_version") not in (None, api_version)


def _listed(names: Sequence[str]) -> str:
    """At most five names in a row, and how many more there are."""
    return ", ".join(names[:5]) + (f" (+{len(names) - 5})" if len(names) > 5 else "")
