"""Form bodies and query strings: decode them as Stripe does, and refuse what Stripe refuses.

`parameters.json` says, operation by operation, which parameters exist and of what type. It is derived from
the types that stripe-python ships for the pinned API version; tests/sandbox/parameters_of_stripe.py derives
it.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

from lumira.sandbox.errors import StripeError, StripeObject, refusal, words

Parameters = dict[str, Any]

TABLE: dict[str, dict[str, Any]] = json.loads(Path(__file__).with_name("parameters.json").read_text())
for parameters in TABLE.values():
    if "payment_method_data" in parameters:
        # Undocumented, and what Stripe.js sends: the card that a payer typed.
        data, made = parameters["payment_method_data"]["object"], TABLE["payment_method.create"]
        data |= {"card": made["card"], "type!": made["type"]}

# https://docs.stripe.com/metadata#data
METADATA_KEYS, METADATA_KEY_LENGTH, METADATA_VALUE_LENGTH = 50, 40, 500
LONGEST_STRING = 5000
# What Stripe's messages call a type, where it isn't the table's word.
WORDS = {"enum": "string", "number": "decimal"}
# What Stripe takes and the sandbox does not serve: Connect, cash balances, saved tokens, test clocks.
UNSERVED = words(
    "amount_to_confirm application_fee application_fee_amount cash_balance confirmation_token connect "
    "customer_account final_capture instructions_email mandate on_behalf_of origin "
    "payment_method_configuration refund_application_fee reverse_transfer tax tax_id_data "
    "test_clock transfer_data validate"
)
# Versions before endive take `payment_method_types`, which endive replaced by `allowed_payment_method_types`.
FORMER_PARAMETERS = {
    operation: {"payment_method_types": {"array": "string"}}
    for operation in ("payment_intent.create", "payment_intent.update", "payment_intent.confirm")
}


def decode(text: str) -> Parameters:
    """`a[b][]=1&a[b][]=2` → {"a": {"b": {"0": "1", "1": "2"}}}: brackets nest, `[]` and `[0]` make lists."""
    tree: Parameters = {}
    for key, value in parse_qsl(text, keep_blank_values=True):
        name, _, rest = key.partition("[")
        path = [name, *(part.rstrip("]") for part in rest.split("["))] if rest else [name]
        node = tree
        for part in path[:-1]:
            node = node.setdefault(part or str(len(node)), {})
            if not isinstance(node, dict):
                raise refusal("conflicting_parameters", param=name)
        node[path[-1] or str(len(node))] = value
    return tree


def check(operation: str, raw: Parameters, *, former_version: bool = False) -> Parameters:
    """The typed parameters of an operation.

    Raises StripeError (400) with Stripe's code and message for the first thing wrong: unknown, ill-typed,
    missing.
    """
    shapes = TABLE[operation]
    if former_version:
        shapes = shapes | FORMER_PARAMETERS.get(operation, {})
    params = _object(shapes, raw, "")
    for name in params:
        if name in UNSERVED:
            raise refusal("not_served", param=name)
    return params


def _object(shapes: dict[str, Any], raw: Parameters, prefix: str) -> Parameters:
    known = {name.rstrip("!"): shape for name, shape in shapes.items()}
    unknown = [_named(prefix, name) for name in raw if name not in known]
    if unknown:
        plural = "s" if len(unknown) > 1 else ""
        raise refusal("parameter_unknown", param=unknown[0], plural=plural, names=", ".join(unknown))
    for name in shapes:
        if name.endswith("!") and name[:-1] not in raw:
            raise refusal("parameter_missing", param=_named(prefix, name[:-1]))
    return {name: _value(known[name], value, _named(prefix, name)) for name, value in raw.items()}


def _named(prefix: str, name: str) -> str:
    return f"{prefix}[{name}]" if prefix else name


def _value(shape: Any, raw: Any, param: str) -> Any:
    """One value against its shape; `""` becomes None where Stripe lets it unset the parameter."""
    if isinstance(shape, dict) and "any" in shape:
        return _alternative(shape["any"], raw, param)
    if param == "metadata" or param.endswith("[metadata]"):
        return _metadata(raw, param)
    [(kind, inner)] = shape.items() if isinstance(shape, dict) else [(shape, {})]
    if kind in ("object", "map", "array"):
        if kind == "array" and raw == "":
            return []
        if not isinstance(raw, dict):
            raise refusal("invalid_structure", param=param, kind="array" if kind == "array" else "object")
        if kind == "object":
            return _object(inner, raw, param)
        if kind == "map":
            return raw
        return [_value(inner, item, f"{param}[{index}]") for index, item in enumerate(raw.values())]
    if kind == "any":
        return raw
    if not isinstance(raw, str):
        raise refusal("invalid_value", param=param, kind=WORDS.get(kind, kind), raw=raw)
    if raw == "":
        raise refusal("parameter_empty", param=param)
    return _scalar(kind, inner, raw, param)


def _scalar(kind: str, values: Any, raw: str, param: str) -> Any:
    match kind:
        case "integer":
            if not re.fullmatch(r"-?[0-9]{1,18}", raw):
                raise refusal("invalid_integer", param=param, raw=raw)
            return int(raw)
        case "number":
            try:
                return float(raw)
            except ValueError:
                raise refusal("invalid_value", param=param, kind="decimal", raw=raw) from None
        case "boolean":
            if raw not in ("true", "false", "1", "0"):
                raise refusal("invalid_value", param=param, kind="boolean", raw=raw)
            return raw in ("true", "1")
        case "enum":
            if raw not in values:
                *most, last = values
                choices = ", ".join(most) + (", or " if len(most) > 1 else " or " if most else "") + last
                raise refusal("invalid_choice", param=param, choices=choices)
        case _:
            if len(raw) > LONGEST_STRING:
                shown = f"{raw[:8]}…{raw[-4:]}"
                raise refusal("string_too_long", param=param, shown=shown, most=LONGEST_STRING)
    return raw


def _alternative(shapes: list[Any], raw: Any, param: str) -> Any:
    """The first alternative that fits; the last one's complaint when none does."""
    if raw == "":
        if "empty" in shapes:
            return None
        if any(isinstance(shape, dict) and "array" in shape for shape in shapes):
            return []
        raise refusal("parameter_empty", param=param)
    complaint: StripeError = refusal("invalid_structure", param=param, kind="object")
    for shape in shapes:
        nests = shape in ("map", "any") or (isinstance(shape, dict) and "enum" not in shape)
        if shape == "empty" or isinstance(raw, dict) != nests:
            continue
        try:
            return _value(shape, raw, param)
        except StripeError as error:
            complaint = error
    raise complaint


def _metadata(raw: Any, param: str) -> dict[str, str]:
    """Metadata within Stripe's limits; empty values stay, since they unset their key."""
    if not isinstance(raw, dict) or not all(isinstance(value, str) for value in raw.values()):
        raise refusal("invalid_structure", param=param, kind="object")
    for key, value in raw.items():
        if (length := len(key)) > (most := METADATA_KEY_LENGTH):
            raise refusal("metadata_key_too_long", param=param, most=most, length=length, key=key)
        if (length := len(value)) > (most := METADATA_VALUE_LENGTH):
            where = f"{param}[{key}]"
            raise refusal("metadata_value_too_long", param=where, most=most, length=length, value=value)
    return raw


def merged_metadata(old: dict[str, str], new: dict[str, str] | None) -> dict[str, str]:
    """Keys merge, `""` unsets one, and `metadata=""` (None here) unsets all: https://docs.stripe.com/metadata."""
    if new is None:
        return {}
    merged = {key: value for key, value in {**old, **new}.items() if value != ""}
    if len(merged) > METADATA_KEYS:
        raise refusal("too_much_metadata", param="metadata", most=METADATA_KEYS, count=len(merged))
    return merged


def changes_of(body: StripeObject, params: Parameters, copied: tuple[str, ...]) -> StripeObject:
    """What the parameters change in an object: those copied as they are, and the metadata merged."""
    changes = {name: params[name] for name in copied if name in params}
    if "metadata" in params:
        changes["metadata"] = merged_metadata(body["metadata"], params["metadata"])
    return changes
