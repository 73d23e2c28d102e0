"""Stripe's search language, turned into SQL. https://docs.stripe.com/search.

    clause [AND|OR clause]…    clause: [-]field(: ~ > < >= <=)value
    status:'succeeded' AND metadata['orderId']:'42'        -currency:"eur"  amount>=1000

A token is compared as a whole, a text by whole words in a row, both in any case.

The sandbox finds an object at once, where Stripe may take a minute.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from typing import Any, Literal

from lumira.sandbox.call import Call
from lumira.sandbox.errors import StripeError, StripeObject, refusal
from lumira.sandbox.lists import page_size
from lumira.sandbox.parameters import Parameters
from lumira.sandbox.shapes import shown

Kind = Literal["number", "token", "text"]
Condition = tuple[str, list[Any]]

CARD = "payment_method_details.card"
# The fields each kind of object can be searched by:
# https://docs.stripe.com/search#query-fields-for-payment-intents
FIELDS: dict[str, dict[str, Kind]] = {
    "payment_intent": {
        "amount": "number",
        "created": "number",
        "currency": "token",
        "customer": "token",
        "status": "token",
    },
    "charge": {
        "amount": "number",
        "billing_details.address.postal_code": "token",
        "created": "number",
        "currency": "token",
        "customer": "token",
        "disputed": "token",
        f"{CARD}.brand": "token",
        f"{CARD}.exp_month": "token",
        f"{CARD}.exp_year": "token",
        f"{CARD}.fingerprint": "token",
        f"{CARD}.last4": "token",
        "refunded": "token",
        "status": "token",
    },
    "customer": {"created": "number", "email": "text", "name": "text", "phone": "text"},
}
# What there is to tell of a charge by its refunds: https://docs.stripe.com/search#query-fields-for-charges
REFUNDED = {
    "true": "(json_extract(body, '$.refunded'))",
    "false": "(json_extract(body, '$.amount_refunded') > 0 AND NOT json_extract(body, '$.refunded'))",
    None: "(json_extract(body, '$.amount_refunded') = 0)",
}
HAS_METADATA = (
    "EXISTS (SELECT 1 FROM metadata WHERE key = ? AND value = ? COLLATE NOCASE AND metadata.id = objects.id)"
)
AMONG_METADATA = "id IN (SELECT id FROM metadata WHERE key = ? AND value = ? COLLATE NOCASE)"
CONTAINS_METADATA = "(id IN (SELECT id FROM metadata WHERE key = ? AND instr(lower(value), lower(?)) > 0))"
ESCAPED = re.compile(r"\\(.)")
MOST_CLAUSES = 10
SHORTEST_SUBSTRING = 3
CLAUSE = re.compile(
    r"""\s*(?:(?P<joint>AND|OR)\s+)?
    (?P<negated>-?)(?P<field>[a-z_0-9.]+)(?:\[(?P<quote>["'])(?P<key>(?:\\.|(?!(?P=quote)).)*)(?P=quote)\])?
    \s*(?P<operator>>=|<=|[:~><])\s*
    (?:"(?P<double>(?:\\.|[^"\\])*)"|'(?P<single>(?:\\.|[^'\\])*)'|(?P<bare>[^\s"']+))(?=\s|$)""",
    re.VERBOSE | re.IGNORECASE,
)


def search(kind: str, path: str) -> Callable[[Call, Parameters], StripeObject]:
    """The search operation of a kind of object: GET /v1/{path}/search."""

    def operation(call: Call, params: Parameters) -> StripeObject:
        condition, needed = parse(params["query"], kind, path)
        # Rare metadata is looked up; common metadata is met soon enough on a walk from the newest object.
        rare = [list(pair) for pair in needed if call.store.is_rare(*pair)][:1]
        conditions = [condition, *((AMONG_METADATA, pair) for pair in rare)]
        limit = page_size(params)
        after = _position(params["page"]) if "page" in params else None
        bodies, more = call.store.page(kind, conditions, limit=limit, after=after, few=bool(rare))
        position = call.store.position(bodies[-1]["id"]) if more else None
        following = base64.urlsafe_b64encode("{}.{}".format(*position).encode()) if position else None
        total = "total_count" in (params.get("expand") or [])
        return {
            "object": "search_result",
            "data": [shown(body) for body in bodies],
            "has_more": more,
            "next_page": following.decode() if following else None,
            "url": f"/v1/{path}/search",
            **({"total_count": call.store.count(kind, conditions)} if total else {}),
        }

    return operation


def parse(query: str, kind: str, path: str) -> tuple[Condition, list[tuple[str, str]]]:
    """A query as one SQL condition with its values, and the metadata that every result must have.

    Raises StripeError (400) for what is no query.
    """
    clauses: list[Condition] = []
    needed: list[tuple[str, str]] = []
    joints: set[str] = set()
    position = 0
    while query[position:].strip():
        match = CLAUSE.match(query, position)
        if not match or (match["joint"] and not clauses):
            raise refusal("unparsable_query", param="query", rest=query[position:].strip())
        if clauses:
            joints.add((match["joint"] or "AND").upper())
        text, values = _clause(match, kind, path)
        clauses.append((f"NOT {text}" if match["negated"] else text, values))
        if not match["negated"] and text == HAS_METADATA:
            needed.append((values[0], values[1]))
        position = match.end()
    if not clauses:
        raise _invalid("The query is empty.")
    if len(joints) > 1:
        raise _invalid("AND and OR can't be combined in one query.")
    if len(clauses) > MOST_CLAUSES:
        raise _invalid(f"A query can have at most {MOST_CLAUSES} clauses.")
    joint = joints.pop() if joints else "AND"
    joined = "(" + f" {joint} ".join(text for text, _ in clauses) + ")"
    return (joined, [value for _, many in clauses for value in many]), needed if joint == "AND" else []


def _clause(match: re.Match[str], kind: str, path: str) -> Condition:
    field, key, operator = match["field"], match["key"], match["operator"]
    quoted = match["double"] if match["double"] is not None else match["single"]
    value = match["bare"] if quoted is None else ESCAPED.sub(r"\1", quoted)
    is_null = quoted is None and value.lower() == "null"
    if quoted is None and not is_null and not re.fullmatch(r"-?\d+", value):
        raise _invalid(f'A value that is no number stands in quotation marks: {field}:"{value}".')
    if operator == "~" and len(value) < SHORTEST_SUBSTRING:
        raise _invalid(f"A substring needs at least {SHORTEST_SUBSTRING} characters.")
    if field == "metadata" and key is not None:
        return _metadata(ESCAPED.sub(r"\1", key), operator, None if is_null else value)
    if field in FIELDS[kind] and key is None:
        return _field(field, FIELDS[kind][field], operator, None if is_null else value)
    raise refusal("unsearchable", param="query", field=field, path=path, page=path.replace("_", "-"))


def _metadata(key: str, operator: str, value: str | None) -> Condition:
    if operator not in ":~":
        raise _invalid("Metadata can only be compared with : or ~.")
    if value is None:
        return "(id NOT IN (SELECT id FROM metadata WHERE key = ?))", [key]
    if operator == "~":
        return CONTAINS_METADATA, [key, value]
    return HAS_METADATA, [key, value]


def _field(field: str, type_: Kind, operator: str, value: str | None) -> Condition:
    column = field if field in ("created", "customer", "email") else f"json_extract(body, '$.{field}')"
    if field == "refunded" and operator == ":" and value in REFUNDED:
        return REFUNDED[value], []
    if value is None:
        return f"({column} IS NULL)", []
    if type_ == "number":
        if operator == "~" or not re.fullmatch(r"-?\d+", value):
            raise _invalid(f"`{field}` is a number: compare it with :, >, <, >= or <= and an integer.")
        return f"(coalesce({column} {'=' if operator == ':' else operator} ?, 0))", [int(value)]
    if operator == "~" and type_ == "text":
        return f"(coalesce(instr(lower({column}), lower(?)) > 0, 0))", [value]
    if operator != ":":
        raise _invalid(f"The operator {operator} is not supported for the field `{field}`.")
    if field in ("disputed", "refunded"):
        if value not in ("true", "false"):
            raise _invalid(f'`{field}` is "true" or "false".')
        return f"({column} = ?)", [value == "true"]
    if field == "customer":  # an id, which has a column of its own
        return "(coalesce(customer = ?, 0))", [value]
    comparison = (
        "instr(' ' || lower({0}) || ' ', ' ' || lower(?) || ' ') > 0"
        if type_ == "text"
        else "lower({0}) = lower(?)"
    )
    return f"(coalesce({comparison.format(column)}, 0))", [value]


def _position(page: str) -> tuple[int, int]:
    try:
        created, sequence = base64.urlsafe_b64decode(page).decode().split(".")
        return int(created), int(sequence)
    except ValueError:
        raise refusal("invalid_page", param="page", page=page) from None


def _invalid(problem: str) -> StripeError:
    return refusal("query", param="query", problem=problem)
