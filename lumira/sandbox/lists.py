"""Lists and the expansion of references. https://docs.stripe.com/api/pagination, https://docs.stripe.com/expand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lumira.sandbox.call import Call
from lumira.sandbox.errors import StripeObject, invalid_request, words
from lumira.sandbox.parameters import Parameters
from lumira.sandbox.shapes import without_secret

Conditions = list[tuple[str, list[Any]]]

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
    "payout": words("balance_transaction destination"),
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
            value = params[name]
            if name == "customer" and value:
                call.find("customer", value, param="customer")
            conditions.append((f"{name} = ?", [value]))
    created = params.get("created")
    if isinstance(created, dict):
        conditions += [(f"created {COMPARISONS[name]} ?", [value]) for name, value in created.items()]
    elif created is not None:
        conditions.append(("created = ?", [created]))
    if "starting_after" in params and "ending_before" in params:
        message = "You may only specify one of these parameters: ending_before, starting_after."
        raise invalid_request(message, param="ending_before", code="parameters_exclusive")
    cursor = {name: _cursor(call, kind, params, name) for name in ("starting_after", "ending_before")}
    bodies, more = call.store.page(
        kind, conditions, limit=limit, after=cursor["starting_after"], before=cursor["ending_before"]
    )
    return {"object": "list", "data": [without_secret(body) for body in bodies], "has_more": more, "url": url}


def page_size(params: Parameters) -> int:
    """`limit`, 10 without. Raises StripeError (400) outside 1…100."""
    limit: int = params.get("limit", 10)
    if not 1 <= limit <= 100:
        bound = "greater than or equal to 1" if limit < 1 else "less than or equal to 100"
        message = f"This value must be {bound}."
        raise invalid_request(message, param="limit", code="parameter_invalid_integer", validation=True)
    return limit


def _cursor(call: Call, kind: str, params: Parameters, name: str) -> tuple[int, int] | None:
    if name not in params:
        return None
    call.find(kind, params[name], param=name)
    return call.store.position(params[name])


def expand(
    call: Call, body: StripeObject, paths: list[str], extras: dict[str, Callable[..., Any]]
) -> StripeObject:
    """The object with the references at these paths replaced by what they refer to.

    `extras` are fields that only exist when expanded ("charge.refunds"). Raises StripeError (400) for a path
    that can't be expanded or is deeper than four levels.
    """
    for path in paths:
        parts = path.split(".")
        if len(parts) - (parts[0] == "data") > DEEPEST:
            message = f"You cannot expand more than {DEEPEST} levels of a property. Property: {path}"
            raise invalid_request(message)
        _expand(call, body, parts, path, extras)
    return body


def _expand(
    call: Call, body: Any, parts: list[str], path: str, extras: dict[str, Callable[..., Any]]
) -> None:
    if body is None or not parts:
        return
    if not isinstance(body, dict) or "object" not in body:
        raise _unexpandable(path)
    name, rest = parts[0], parts[1:]
    if body["object"] in ("list", "search_result"):
        if name == "total_count" and body["object"] == "search_result":
            return
        if name != "data" or not rest:
            hint = "" if name == "data" else f" You may want to try expanding 'data.{path}' instead."
            raise _unexpandable(path, hint)
        for item in body["data"]:
            _expand(call, item, rest, path, extras)
        return
    kind = body["object"]
    extra = extras.get(f"{kind}.{name}")
    if extra is not None:
        body.setdefault(name, extra(call, body))
    elif name not in REFERENCES.get(kind, ()):
        raise _unexpandable(path)
    elif isinstance(body.get(name), str):
        found = call.store.get(body[name])
        body[name] = without_secret(found) if found else body[name]
    _expand(call, body.get(name), rest, path, extras)


def _unexpandable(path: str, hint: str = "") -> Exception:
    return invalid_request(f"This property cannot be expanded ({path}).{hint}")
