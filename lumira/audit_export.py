"""What an audit entry says, in words, and a file of them tells of each."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from lumira.audit import AMOUNTS, Action, AuditEntry
from lumira.devices import device_name
from lumira.export import Column
from lumira.money import format_money
from lumira.texts import actor_name, is_known, translate, translate_or

# Their notes end with a role, `(admin)`, or with the one before and the one after, `staff → admin`.
_OF_ROLES: Final = frozenset({Action.ADD_STAFF, Action.SET_ROLE, Action.CREATE_TOKEN})
_ROLES: Final = re.compile(r"(?<=\()\w+(?=\)$)|\w+(?= → \w+$)|(?<=→ )\w+$")
# Theirs are an address, and behind it what the browser calls itself.
_OF_BROWSERS: Final = frozenset({Action.SIGN_IN, Action.SIGN_IN_REFUSED})


def audit_columns(language: str, zone: ZoneInfo) -> list[Column[AuditEntry]]:
    """The columns of entries, titles and words in `fr` or `en`; what was before and after also as stored."""

    def title(name: str) -> str:
        return translate(language, name)

    return [
        Column(f"{title('audit.at')} ({zone.key})", lambda entry: entry.at, 20),
        Column(title("audit.by"), lambda entry: actor_name(language, entry.actor), 28),
        Column(title("audit.role"), lambda entry: role_name(entry.role, language), 14),
        Column(title("audit.action"), lambda entry: action_name(entry.action, language), 26),
        Column(title("audit.order"), lambda entry: entry.order_id, 26),
        Column(title("audit.details"), lambda entry: details(entry, language), 50),
        Column(title("audit.before"), lambda entry: _as_json(entry.before), 24),
        Column(title("audit.after"), lambda entry: _as_json(entry.after), 24),
        Column(title("audit.request"), lambda entry: entry.request_id or None, 26),
    ]


def role_name(role: str, language: str) -> str:
    """The role that the actor had then; empty for an account that nobody has."""
    return translate_or(language, f"role.{role}", role)


def action_name(action: str, language: str) -> str:
    """What was done, as a title; one of an earlier version by its stored name."""
    return translate_or(language, f"audit.action.{action}", action)


def details(entry: AuditEntry, language: str) -> str:
    """What an entry changed and says besides: `En attente → Terminée · pm_card_visa`."""
    note = entry.note or ""
    if entry.action in _OF_ROLES:
        note = _ROLES.sub(lambda found: role_name(found[0], language), note)
    if entry.action in _OF_BROWSERS:
        address, between, agent = note.partition(" · ")
        note = address + between + (device_name(agent, language) or agent)
    reason = translate_or(language, f"timeline.reason.{note}", note).removesuffix(".")
    told = [*_changes(entry, language), *_facts(entry.after, language), reason]
    return " · ".join(filter(None, told))


def _changes(entry: AuditEntry, language: str) -> Iterator[str]:
    """What the action changed on the order."""

    def written(name: str, value: Any) -> str:
        if name == "status":
            return translate_or(language, f"status.{value}", str(value))
        if name == "amount" and value == 0:
            return translate(language, "new_payment.free")
        return format_money(value, str(entry.after["currency"]), language)

    # Entries of earlier versions name no currency.
    amounts = AMOUNTS if "currency" in entry.after else ()
    for name in (*amounts, "status"):
        if not entry.before and name == "amount" and entry.after.get(name) is not None:
            yield written(name, entry.after[name])
        elif name in entry.before and name in entry.after:
            change = f"{written(name, entry.before[name])} → {written(name, entry.after[name])}"
            yield change if name == "status" else _labelled(f"audit.fact.{name}", change, language)


def _facts(after: Mapping[str, Any], language: str) -> Iterator[str]:
    """The facts of an action that has no order, each behind what it is."""
    for name, value in after.items():
        label = f"audit.fact.{name}"
        if name in AMOUNTS or not is_known(label) or value in ("", None, [], {}):
            continue
        yield _labelled(label, _written(name, value, language), language)


def _written(name: str, value: Any, language: str) -> str:
    match value:
        case bool():
            return translate(language, "yes" if value else "no")
        case Mapping() if name == "net":
            return ", ".join(format_money(amount, currency, language) for currency, amount in value.items())
        case Mapping():
            return urlencode(value, safe=",:@")
        case list() if name == "order_ids":
            return str(len(value))
        case list():
            return ", ".join(map(str, value))
        case _:
            return translate_or(language, f"audit.action.{value}", str(value))


def _labelled(label: str, value: str, language: str) -> str:
    return translate(language, "audit.fact", what=translate(language, label), value=value)


def _as_json(facts: Mapping[str, Any]) -> str | None:
    return json.dumps(facts, ensure_ascii=False, default=str, sort_keys=True) if facts else None
