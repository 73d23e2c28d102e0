"""Updates that happen only where a condition holds, found by a unique key alone.

The embedded store finds a document by one unique key at once, but reads the whole collection when the filter
has a second condition, with a hint or without. So the condition stands in the update, which leaves the
document as it is where it does not hold; one document is still changed by one atomic write.
https://www.mongodb.com/docs/manual/tutorial/update-documents-with-aggregation-pipeline/
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from bson import ObjectId

from lumira.storage.failures import Document

# The amount of an order as it is read: another program may have stored a fraction of a minor unit, which is
# rounded as `documents.whole_number` does.
# https://www.mongodb.com/docs/manual/reference/operator/aggregation/round/
AMOUNT: Final[Document] = {"$round": ["$amount", 0]}
# A field of the document for as long as the pipeline runs.
_HOLDS: Final = "conditionHolds"


def stored_id(text: str) -> ObjectId | str:
    """The `_id` of the document that is named by this text: an import may have made text of the ids."""
    return ObjectId(text) if ObjectId.is_valid(text) else text


class Expression(dict[str, Any]):
    """A value that is worked out by the store, from the document as it was before the update."""


@dataclass(frozen=True)
class PushedIf:
    """A document that is pushed only where, as the store writes, its condition holds."""

    condition: Mapping[str, Any]
    document: Mapping[str, Any]


def only_if(condition: Mapping[str, Any], update: Mapping[str, Any]) -> list[Document]:
    """`update`, of $set, $unset, $inc and a bounded $push, as a pipeline that obeys the condition.

    `condition` is an expression (`{"$eq": ["$status", "pending"]}`). Where it does not hold nothing is
    modified, which is how the caller knows. What is set or pushed may be an Expression, what is pushed a
    PushedIf.
    """
    fields: Document = {name: _value(value) for name, value in update.get("$set", {}).items()}
    fields |= dict.fromkeys(update.get("$unset", {}), "$$REMOVE")
    for name, amount in update.get("$inc", {}).items():
        fields[name] = {"$add": [{"$ifNull": [f"${name}", 0]}, amount]}
    for name, push in update.get("$push", {}).items():
        grown = {"$concatArrays": [{"$ifNull": [f"${name}", []]}, *map(_pushed, push["$each"])]}
        fields[name] = {"$slice": [grown, push["$slice"]]}
    # Worked out once, not with each field.
    return [
        {"$set": {_HOLDS: condition}},
        {"$set": {name: {"$cond": [f"${_HOLDS}", value, f"${name}"]} for name, value in fields.items()}},
        {"$unset": _HOLDS},
    ]


def of_mode(livemode: bool) -> Document:
    """The query for orders of this mode, live or test."""
    # The program we replaced wrote no livemode: its orders belong to the desk that reads them.
    return {"livemode": {"$in": [livemode, None]}}


def is_value(field: str, value: object) -> Document:
    """The condition that the field has this value; None for no value too."""
    # To $eq of the embedded store a MinKey or MaxKey, and what holds one, is never the same as itself.
    return {"$eq": [{"$cmp": [{"$ifNull": [f"${field}", None]}, {"$literal": value}]}, 0]}


def list_of(field: str) -> Document:
    """The list that the field is, as an expression; an empty one where another program put something else."""
    return {"$cond": [{"$isArray": f"${field}"}, f"${field}", []]}


def _value(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Expression) else {"$literal": value}


def _pushed(pushed: object) -> object:
    """The list that a pushed document is, as an expression."""
    if isinstance(pushed, PushedIf):
        return {"$cond": [pushed.condition, [_value(pushed.document)], []]}
    return [_value(pushed)]
