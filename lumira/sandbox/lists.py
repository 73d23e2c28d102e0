"""Lists and the expansion of references. https://docs.stripe.com/api/pagination, https://docs.stripe.com/expand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lumira.sandbox.call import Call
from lumira.sandbox.errors import StripeError, StripeObject, refusal, words
from lumira.sandbox.parameters import Parameters
from lumira.sandbox.shapes import shown
from lumira.sandbox.store import FILTERS

Conditions = list[tuple[str, list[Any]]]
Extras = dict[str, Callable[[Call, StripeObject], StripeObject]]

# Object → its references that `expand` may replace by the object itself.
REFERENCES = {
    "payment_intent": words(
        "application customer latest_charge on_behalf_of payment_method review source transfer_data"
    ),
    "charge": words(
        "application application_fee balance_transaction customer failure_balance_transaction on_behalf_of "
        "payment_intent review source_transfer transfer"
    ),
    "refund": words(
        "balance_transaction charge customer failure_balance_transaction payment_intent payment_method "
        "source_transfer_reversal transfer_reversal"
    ),
    "dispute": words("charge payment_intent"),
    "balance_transaction": words("source"),
    "payment_method": words("customer"),
    "customer": words("default_source test_clock"),
    "payout": words("balance_transaction destination failure_balance_transaction"),
}
DEEPEST = 4
COMPARISONS = {"gt": ">", "gte": ">=", "lt": "<", "lte": "<="}


def list_objects(
    call: Call,
    kind: str,
    url: str,
    params: Parameters,
    filters: tuple[str, ...] = (),
    extra: Conditions | None = None,
) -> StripeObject:
    """A page of objects, newest first.

    Raises StripeError (400) for a limit outside 1…100, both cursors, or a cursor that names no object.
    """
    limit = page_size(params)
    conditions = list(extra or [])
    for name in filters:
        if name in params:
            if name == "customer" and params[name]:
                call.find("customer", params[name], param="customer")
            conditions += _compared(name, params[name])
    if "created" in params:
        conditions += _compared("created", params["created"])
    exclusive(params, "ending_before", "starting_after")
    for name in ("starting_after", "ending_before"):
        if name in params:
            call.find(kind, params[name], param=name)
    after, before = (call.store.position(params.get(name)) for name in ("starting_after", "ending_before"))
    bodies, more = call.store.page(kind, conditions, limit=limit, after=after, before=before)
    return {"object": "list", "data": [shown(body) for body in bodies], "has_more": more, "url": url}


def _compared(name: str, value: Any) -> Conditions:
    """A field against a value, or against bounds: {"gte": 1, "lt": 2}."""
    column = name if name in (*FILTERS, "created") else f"json_extract(body, '$.{name}')"
    if not isinstance(value, dict):
        return [(f"{column} = ?", [value])]
    return [(f"{column} {COMPARISONS[bound]} ?", [limit]) for bound, limit in value.items()]


def exclusive(params: Parameters, first: str, second: str) -> None:
    """Raise StripeError (400) parameters_exclusive when both are given."""
    if first in params and second in params:
        raise refusal("parameters_exclusive", param=first, names=f"{first}, {second}")


def page_size(params: Parameters) -> int:
    """`limit`, 10 without. Raises StripeError (400) outside 1…100."""
    limit: int = params.get("limit", 10)
    if limit < 1:
        raise refusal("below_minimum", param="limit", least=1)
    if limit > 100:
        raise refusal("above_maximum", param="limit", most=100)
    return limit


def expand(call: Call, body: StripeObject, paths: list[str], extras: Extras) -> StripeObject:
    """The object with the references at these paths replaced by what they refer to.

    `extras` are fields that only exist when expanded ("charge.refunds"). Raises StripeError (400) for a path
    that can't be expanded or is deeper than four levels.
    """
    for path in paths:
        parts = path.split(".")
        if len(parts) - (parts[0] == "data") > DEEPEST:
            raise refusal("expanded_too_deep", most=DEEPEST, path=path)
        _expand(call, body, parts, path, extras)
    return body


def _expand(call: Call, body: Any, parts: list[str], path: str, extras: Extras) -> None:
    if body is None or not parts:
        return
    if not isinstance(body, dict) or "object" not in body:
        raise _unexpandable(path)
    kind, name, rest = body["object"], parts[0], parts[1:]
    if kind in ("list", "search_result"):
        if name == "total_count" and kind == "search_result":
            return
        if name != "data" or not rest:
            hint = "" if name == "data" else f" You may want to try expanding 'data.{path}' instead."
            raise _unexpandable(path, hint)
        for item in body["data"]:
            _expand(call, item, rest, path, extras)
        return
    if extra := extras.get(f"{kind}.{name}"):
        body.setdefault(name, extra(call, body))
    elif name not in REFERENCES.get(kind, ()):
        raise _unexpandable(path)
    elif isinstance(body.get(name), str) and (found := call.store.get(body[name])):
        body[name] = shown(found)
    _expand(call, body.get(name), rest, path, extras)


def _unexpandable(path: str, hint: str = "") -> StripeError:
    return refusal("unexpandable", path=path, hint=hint)
