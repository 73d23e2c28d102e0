"""What the store itself refuses: `$jsonSchema` validators that admit every document the contract allows.

They are a last line against a program's mistake, ours or another's: a field beside the listed ones is always
fine, and so is a document of the program we replaced. What is checked is what revenue and lifecycle rest on.
https://www.mongodb.com/docs/manual/core/schema-validation/
"""

from __future__ import annotations

import contextlib
from typing import Any, Final

from pymongo.database import Database
from pymongo.errors import CollectionInvalid

from lumira.orders import OrderStatus
from lumira.storage.failures import Document, refusal_noted, store_errors
from lumira.storage.indexes import EVENTS, ORDERS

# JavaScript has one number type: the driver of the other program may store whole amounts as doubles.
_MINOR_UNITS: Final = {"bsonType": ["int", "long", "double"], "minimum": 0}
_INSTANT: Final = {"bsonType": "date"}
_TEXT_OR_NOTHING: Final = {"bsonType": ["string", "null"]}

VALIDATORS: Final[dict[str, dict[str, Any]]] = {
    ORDERS: {
        "bsonType": "object",
        "required": ["productId", "amount", "currency", "status", "createdAt", "updatedAt"],
        "properties": {
            "productId": {"bsonType": "string"},
            "amount": _MINOR_UNITS,
            "amountRefunded": _MINOR_UNITS,
            "currency": {"bsonType": "string"},
            "status": {"enum": [str(status) for status in OrderStatus]},
            "paymentIntentId": _TEXT_OR_NOTHING,
            "customerEmail": _TEXT_OR_NOTHING,
            "createdAt": _INSTANT,
            "updatedAt": _INSTANT,
            "completedAt": {"bsonType": ["date", "null"]},
            "metadata": {"bsonType": ["object", "null"]},
            "refunds": {"bsonType": ["array", "null"]},
            "timeline": {"bsonType": ["array", "null"]},
        },
    },
    EVENTS: {
        "bsonType": "object",
        "required": ["eventId"],
        "properties": {
            "eventId": {"bsonType": "string"},
            "eventType": {"bsonType": "string"},
            "state": {"enum": ["received", "processing", "processed", "failed", None]},
        },
    },
}


def create_validators(database: Database[Document]) -> list[str]:
    """Puts the validators on their collections, as far as the user of MONGODB_URI may.

    Moderate: a document that broke the rules before may still be changed. Answers those that were refused, as
    `collection.validator`. Raises StoreUnavailable when the store can't be reached.
    """
    refused: list[str] = []
    with store_errors():
        existing = {entry["name"]: entry for entry in database.list_collections()}
        for name, schema in VALIDATORS.items():
            validator = {"$jsonSchema": schema}
            # The role readWrite may write, and not say what may be written.
            with refusal_noted(refused, f"{name}.validator"):
                if name not in existing:
                    # Where another process is faster, the collection has the same validator from it.
                    with contextlib.suppress(CollectionInvalid):
                        database.create_collection(name, validator=validator, validationLevel="moderate")
                elif existing[name].get("options", {}).get("validator") != validator:
                    database.command("collMod", name, validator=validator, validationLevel="moderate")
    return refused
