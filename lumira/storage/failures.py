"""What the driver's failures mean to the rest of the program."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import bson
from bson.errors import InvalidDocument
from pymongo.collection import Collection
from pymongo.errors import (
    BulkWriteError,
    ConnectionFailure,
    DuplicateKeyError,
    ExecutionTimeout,
    OperationFailure,
    PyMongoError,
)

from lumira.errors import (
    InvalidText,
    InvalidValue,
    StoreRefused,
    StoreSignInRefused,
    StoreStopped,
    StoreUnavailable,
)

Document = dict[str, Any]

# https://www.mongodb.com/docs/manual/reference/error-codes/
UNAUTHORIZED: Final = 13
INDEX_NOT_FOUND: Final = 27
DUPLICATE_KEY: Final = 11000
REFUSED_BY_VALIDATOR: Final = 121
_AUTHENTICATION_FAILED: Final = 18
# A user without the right, a disk that is full, and what Atlas answers whoever is over their quota.
# https://www.mongodb.com/docs/atlas/reference/faq/storage/
_REFUSED: Final = frozenset({UNAUTHORIZED, 8000, 14031})
# What the embedded store answers to everything once it could not write, to a full disk say, until it begins
# anew. https://source.wiredtiger.com/develop/error_handling.html
_PANIC: Final = "WT_PANIC"


@contextmanager
def store_errors() -> Iterator[None]:
    """Raises StoreUnavailable where the driver could not reach the store or ran out of time, and where the
    store has given up, does not let us in or does not let us do it.

    And InvalidText for half a surrogate pair, which JSON, file names and arguments may hold and BSON can't,
    InvalidValue for the rest of what JSON can hold and BSON can't.
    """
    try:
        yield
    except (ConnectionFailure, ExecutionTimeout) as error:
        raise StoreUnavailable(
            "The order store does not answer. Nothing was lost: try again in a moment."
        ) from error
    except PyMongoError as error:
        if isinstance(error, OperationFailure) and _PANIC in str(error):
            raise StoreStopped(
                "The order store has stopped working, as it does on a full disk. Nothing was lost: try again "
                "in a moment."
            ) from error
        if isinstance(error, OperationFailure) and error.code == _AUTHENTICATION_FAILED:
            raise StoreSignInRefused(
                "The order store does not accept the user and password of MONGODB_URI. Correct them and "
                "start again."
            ) from error
        if _REFUSED & _codes(error):
            raise StoreRefused(
                "The order store refuses that: its user lacks a right, or it has no room. `lumira doctor` "
                "says which."
            ) from error
        if error.timeout:
            raise StoreUnavailable(
                "The order store did not answer in time. Nothing was lost: try again in a moment."
            ) from error
        raise
    except UnicodeEncodeError as error:
        raise InvalidText("The text holds half a character. Type it anew.") from error
    except (InvalidDocument, OverflowError) as error:
        raise InvalidValue("A number is longer than 64 bits, or a name holds a zero byte.") from error


def _codes(error: PyMongoError) -> set[Any]:
    """The codes of what the server refused: of a bulk write those of each of its writes."""
    details = error.details if isinstance(error, BulkWriteError) else None
    writes = [problem["code"] for problem in (details or {}).get("writeErrors", ())]
    return {*writes, getattr(error, "code", None)}


@contextmanager
def refusal_noted(refused: list[str], name: str) -> Iterator[None]:
    """Adds `name` to `refused` where the user of MONGODB_URI has no right to what is done inside."""
    try:
        yield
    except OperationFailure as error:
        if error.code != UNAUTHORIZED:
            raise
        refused.append(name)


def insert_new(collection: Collection[Document], document: Document) -> bool:
    """Stores a document; False when a unique key of it is taken, and what is there stays as it is.

    The driver repeats a write whose answer was lost, and a store that was killed in between no longer knows
    that it did it: where the very same document is there, this call has stored it. Raises StoreUnavailable.
    """
    with store_errors():
        try:
            collection.insert_one(document)
        except DuplicateKeyError:
            # The driver has given it an _id where it had none.
            stored = collection.find_one({"_id": {"$eq": document["_id"]}})
            return bool(stored == bson.decode(bson.encode(document), collection.codec_options))
    return True


def insert_all_new(collection: Collection[Document], documents: list[Document]) -> int:
    """Stores documents in bulk, leaves what is there already, and returns how many were new.

    Raises StoreUnavailable.
    """
    if not documents:
        return 0
    with store_errors():
        try:
            return len(collection.insert_many(documents, ordered=False).inserted_ids)
        except BulkWriteError as error:
            if any(problem["code"] != DUPLICATE_KEY for problem in error.details["writeErrors"]):
                raise
            return int(error.details["nInserted"])
