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

from lumira.sandbox.errors import StripeError, invalid_request, words

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
    """`a[b][]=1&a[b][]=2` → {"a": {"b": ["1", "2"]}}: brackets nest, `[]` and `[0]` make lists."""
    tree: Parameters = {}
    for key, value in parse_qsl(text, keep_blank_values=True):
        name, _, rest = key.partition("[")
        path = [name, *(part.rstrip("]") for part in rest.split("["))] if rest else [name]
        node = tree
        for part, following in zip(path, [*path[1:], None], strict=True):
            step = part if part else str(len(node))
            if following is None:
                node[step] = value
            else:
                child = node.setdefault(step, {})
                if not isinstance(child, dict):
                    raise invalid_request(
                        "Invalid request: conflicting parameters", param=name, validation=True
                    )
                node = child
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
            message = f"The sandbox does not serve the parameter {name}."
            raise invalid_request(message, param=name, validation=True)
    return params


def _object(shapes: dict[str, Any], raw: Parameters, prefix: str) -> Parameters:
    known = {name.rstrip("!"): shape for name, shape in shapes.items()}
    unknown = [_named(prefix, name) for name in raw if name not in known]
    if unknown:
        plural = "s" if len(unknown) > 1 else ""
        message = f"Received unknown parameter{plural}: {', '.join(unknown)}"
        raise invalid_request(message, param=unknown[0], code="parameter_unknown", validation=True)
    for name in shapes:
        if name.endswith("!") and name[:-1] not in raw:
            param = _named(prefix, name[:-1])
            message = f"Missing required param: {param}."
            raise invalid_request(message, param=param, code="parameter_missing", validation=True)
    return {name: _value(known[name], value, _named(prefix, name)) for name, value in raw.items()}


def _named(prefix: str, name: str) -> str:
    return f"{prefix}[{name}]" if prefix else name


def _value(shape: Any, raw: Any, param: str) -> Any:
    """One value against its shape; `""` becomes None where Stripe lets it unset the parameter."""
    if isinstance(shape, dict) and "any" in shape:
        return _alternative(shape["any"], raw, param)
    if param == "metadata" or param.endswith("[metadata]"):
        return _metadata(raw, param)
    if isinstance(shape, dict):
        [(kind, inner)] = shape.items()
    else:
        kind, inner = shape, None
    if kind in ("object", "map", "array"):
        if not isinstance(raw, dict):
            if kind == "array" and raw == "":
                return []
            raise invalid_request(
                f"Invalid {'array' if kind == 'array' else 'object'}", param=param, validation=True
            )
        if kind == "object":
            return _object(inner, raw, param)
        if kind == "map":
            return raw
        return [_value(inner, item, f"{param}[{index}]") for index, item in enumerate(raw.values())]
    if kind == "any":
        return raw
    if not isinstance(raw, str):
        raise invalid_request(f"Invalid {_words(kind)}: {raw}", param=param, validation=True)
    if raw == "":
        raise _cannot_unset(param)
    return _scalar(kind, inner, raw, param)


def _scalar(kind: str, values: Any, raw: str, param: str) -> Any:
    match kind:
        case "integer":
            if not re.fullmatch(r"-?[0-9]{1,18}", raw):
                code = "parameter_invalid_integer"
                raise invalid_request(f"Invalid integer: {raw}", param=param, code=code, validation=True)
            return int(raw)
        case "number":
            try:
                return float(raw)
            except ValueError:
                raise invalid_request(f"Invalid decimal: {raw}", param=param, validation=True) from None
        case "boolean":
            if raw not in ("true", "false", "1", "0"):
                raise invalid_request(f"Invalid boolean: {raw}", param=param, validation=True)
            return raw in ("true", "1")
        case "enum":
            if raw not in values:
                choices = ", ".join(values[:-1]) + (", or " if len(values) > 2 else " or ") + values[-1]
                if len(values) == 1:
                    choices = values[0]
                message = f"Invalid {param}: must be one of {choices}"
                raise invalid_request(message, param=param, validation=True)
        case _:
            if len(raw) > LONGEST_STRING:
                message = f"Invalid string: {raw[:8]}…{raw[-4:]}; must be at most {LONGEST_STRING} characters"
                raise invalid_request(message, param=param, validation=True)
    return raw


def _alternative(shapes: list[Any], raw: Any, param: str) -> Any:
    """The first alternative that fits; the last one's complaint when none does."""
    if raw == "":
        if "empty" in shapes:
            return None
        if any(isinstance(shape, dict) and "array" in shape for shape in shapes):
            return []
        raise _cannot_unset(param)
    complaint: StripeError | None = None
    for shape in shapes:
        if shape == "empty":
            continue
        if isinstance(raw, dict) != (
            shape in ("map", "any") or (isinstance(shape, dict) and "enum" not in shape)
        ):
            continue
        try:
            return _value(shape, raw, param)
        except StripeError as error:
            complaint = error
    raise complaint or invalid_request(f"Invalid {_words('object')}", param=param, validation=True)


def _metadata(raw: Any, param: str) -> dict[str, str]:
    """Metadata within Stripe's limits; empty values stay, since they unset their key."""
    if not isinstance(raw, dict) or not all(isinstance(value, str) for value in raw.values()):
        raise invalid_request("Invalid object", param=param, validation=True)
    for key, value in raw.items():
        if len(key) > METADATA_KEY_LENGTH:
            message = (
                f"Metadata keys can have up to {METADATA_KEY_LENGTH} characters, but you passed in a key "
                f"that is {len(key)} characters. Invalid key: {key}"
            )
            raise invalid_request(message, param=param, validation=True)
        if len(value) > METADATA_VALUE_LENGTH:
            message = (
                f"Metadata values can have up to {METADATA_VALUE_LENGTH} characters, but you passed in a "
                f"value that is {len(value)} characters. Invalid value: {value}"
            )
            raise invalid_request(message, param=f"{param}[{key}]", validation=True)
    return raw


def merged_metadata(old: dict[str, str], new: dict[str, str] | None) -> dict[str, str]:
    """Keys merge, `""` unsets one, and `metadata=""` (None here) unsets all: https://docs.stripe.com/metadata."""
    if new is None:
        return {}
    merged = {key: value for key, value in {**old, **new}.items() if value != ""}
    if len(merged) > METADATA_KEYS:
        message = f"You can only have up to {METADATA_KEYS} metadata keys, but you would have {len(merged)}."
        raise invalid_request(message, param="metadata")
    return merged


def _cannot_unset(param: str) -> StripeError:
    message = (
        f"You passed an empty string for '{param}'. We assume empty values are an attempt to unset a "
        f"parameter; however '{param}' cannot be unset. You should remove '{param}' from your request or "
        "supply a non-empty value."
    )
    return invalid_request(message, param=param, code="parameter_invalid_empty", validation=True)


def _words(kind: str) -> str:
    return {"enum": "string", "number": "decimal"}.get(kind, kind)
