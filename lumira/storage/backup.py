"""A whole store in one file, and back.

The file is a zip of one `.bson` for each collection, documents one after another as mongodump writes them, so
`mongorestore` reads them too, and of `backup.json`, which says what must be in it.
https://www.mongodb.com/docs/database-tools/mongodump/#output-format
"""

from __future__ import annotations

import hashlib
import json
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any, Final

import bson
import pymongo
from bson.codec_options import CodecOptions
from bson.raw_bson import RawBSONDocument
from pymongo import ReplaceOne
from pymongo.collection import Collection
from pymongo.database import Database
from pymongo.errors import BulkWriteError, OperationFailure

from lumira.batches import batched
from lumira.errors import BackupUnreadable, SettingsError, StoreNotEmpty
from lumira.private_files import flush_to_disk, written_beside
from lumira.storage.failures import (
    DUPLICATE_KEY,
    REFUSED_BY_VALIDATOR,
    UNAUTHORIZED,
    Document,
    store_errors,
)
from lumira.storage.indexes import (
    AUDIT,
    DOCTOR,
    ORDERS,
    REFUSED_SIGNATURES,
    RESTORES,
    REVENUE_DAILY,
    REVENUE_STATE,
    SESSIONS,
)

MANIFEST: Final = "backup.json"
FORMAT: Final = 1
# What is worked out from the orders, what is over within the hour, and who is signed in: an ended session
# must not live again.
LEFT_OUT: Final = frozenset({REVENUE_DAILY, REVENUE_STATE, DOCTOR, REFUSED_SIGNATURES, SESSIONS})
BATCH: Final = 1_000
# A million orders take minutes.
SECONDS: Final = 3_600
# What a damaged file makes its readers raise: a RuntimeError where it claims to be encrypted, say.
_DAMAGED: Final = (
    zipfile.BadZipFile,
    zlib.error,
    bson.errors.InvalidBSON,
    KeyError,
    ValueError,
    EOFError,
    RuntimeError,
)

_RAW: Final = CodecOptions(document_class=RawBSONDocument)


def back_up(database: Database[Document], out: Path) -> dict[str, int]:
    """Writes every document into a new file; how many of each collection.

    The desk may go on meanwhile. Orders are read after the ledger: a change that was made in between is then
    in the orders and not yet in the ledger, where its webhook would be applied once more, which changes
    nothing. The audit log comes last, so that it tells of all that people did to these orders.
    Raises StoreUnavailable, and OSError where the file can't be written; an unfinished file is removed.
    """
    counts: dict[str, int] = {}
    sums: dict[str, str] = {}
    _ping(database)
    with written_beside(out) as (part, stream):
        with store_errors(), _unhurried(), zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
            names = sorted({*database.list_collection_names()} - LEFT_OUT - {RESTORES})
            for name in sorted(names, key=lambda name: (name == AUDIT, name == ORDERS)):
                digest, counts[name] = hashlib.sha256(), 0
                with archive.open(f"{name}.bson", "w", force_zip64=True) as file:
                    collection: Collection[Any] = database.get_collection(name, _RAW)
                    for document in collection.find():
                        file.write(document.raw)
                        digest.update(document.raw)
                        counts[name] += 1
                sums[name] = digest.hexdigest()
            manifest = {
                "format": FORMAT,
                "database": database.name,
                "createdAt": datetime.now(UTC).isoformat(timespec="seconds"),
                "collections": {name: {"documents": counts[name], "sha256": sums[name]} for name in names},
            }
            archive.writestr(MANIFEST, json.dumps(manifest, indent=2))
        flush_to_disk(stream)
        part.rename(out)
    return counts


def restore(database: Database[Document], file: Path) -> dict[str, int]:
    """Puts every document of a backup into an empty store; how many of each collection.

    The file is read through before anything is written. Killed in the middle, the same restore can be begun
    again. Raises BackupUnreadable, StoreNotEmpty, also where something else wrote into the store meanwhile,
    StoreUnavailable, SettingsError where the store's user may not write what a validator refuses, and OSError
    where it can't be read.
    """
    try:
        with zipfile.ZipFile(file) as archive:
            manifest = _checked(archive)
            wanted = manifest["collections"]
            mark = hashlib.sha256(json.dumps(wanted, sort_keys=True).encode()).hexdigest()
            _ping(database)
            with store_errors(), _unhurried():
                _begin(database, list(wanted), mark)
                for name in wanted:
                    with archive.open(f"{name}.bson") as stream:
                        _write(database, name, stream)
                database.drop_collection(RESTORES)
    except _DAMAGED as error:
        raise BackupUnreadable(f"{file} is no backup that can be restored: {error}") from error
    return {name: found["documents"] for name, found in wanted.items()}


def _ping(database: Database[Document]) -> None:
    """Raises StoreUnavailable within seconds; what follows has a long time-out, and would wait it out."""
    with store_errors():
        database.command("ping")


def _unhurried() -> AbstractContextManager[None]:
    return pymongo.timeout(SECONDS)


def _checked(archive: zipfile.ZipFile) -> dict[str, Any]:
    """What the file says of itself, once every document in it has been counted and summed."""
    manifest: dict[str, Any] = json.loads(archive.read(MANIFEST))
    if manifest.get("format") != FORMAT:
        raise ValueError(f"its format is {manifest.get('format')}, ours {FORMAT}")
    for name, said in manifest["collections"].items():
        digest, documents = hashlib.sha256(), 0
        with archive.open(f"{name}.bson") as stream:
            for document in _documents(stream):
                digest.update(document.raw)
                documents += 1
        if (documents, digest.hexdigest()) != (said["documents"], said["sha256"]):
            raise ValueError(f"{name} is not as it was written")
    return manifest


def _begin(database: Database[Document], names: list[str], mark: str) -> None:
    if database[RESTORES].find_one({"_id": {"$eq": mark}}):
        return
    for name in names:
        if database[name].find_one({}, {"_id": 1}) is not None:
            raise StoreNotEmpty(
                f"The store holds {name} already: a restore needs an empty one. Set LUMIRA_HOME "
                "or MONGODB_DB to a new place."
            )
    database[RESTORES].insert_one({"_id": mark})


def _write(database: Database[Document], name: str, stream: IO[bytes]) -> None:
    collection = database.get_collection(name, codec_options=_RAW)
    for batch in batched(_documents(stream), BATCH):
        writes: list[ReplaceOne[Any]] = [
            ReplaceOne({"_id": document["_id"]}, document, upsert=True) for document in batch
        ]
        try:
            _write_batch(collection, writes)
        except BulkWriteError as error:
            if any(problem["code"] != DUPLICATE_KEY for problem in error.details["writeErrors"]):
                raise
            # A webhook that came meanwhile, say: which of the two is right nobody can say, and the same
            # restore would meet it each time.
            raise StoreNotEmpty(
                f"Something else has written {name} into the store meanwhile: the backup is not whole in it. "
                "Stop every Lumira on it, set LUMIRA_HOME or MONGODB_DB to a new place, and restore there."
            ) from None


def _write_batch(collection: Collection[Any], writes: list[ReplaceOne[Any]]) -> None:
    """Writes past the validator what it refuses: a document that was there before the validator was."""
    try:
        collection.bulk_write(writes, ordered=False)
    except BulkWriteError as error:
        problems = error.details["writeErrors"]
        if any(problem["code"] != REFUSED_BY_VALIDATOR for problem in problems):
            raise
        refused = [writes[problem["index"]] for problem in problems]
        try:
            collection.bulk_write(refused, ordered=False, bypass_document_validation=True)
        except OperationFailure as denied:
            if denied.code != UNAUTHORIZED:
                raise
            raise SettingsError(
                f"{collection.name} holds documents that its validator refuses, written before there was "
                "one. Give the user of MONGODB_URI the right bypassDocumentValidation, as the role restore "
                "has it, and run the same again."
            ) from None


def _documents(stream: IO[bytes]) -> Iterator[RawBSONDocument]:
    # The stream of a zip hands out less than it is asked for; decode_file_iter would take that for the end.
    while head := _exactly(stream, 4, at_end=True):
        yield RawBSONDocument(head + _exactly(stream, int.from_bytes(head, "little") - 4))


def _exactly(stream: IO[bytes], size: int, *, at_end: bool = False) -> bytes:
    read = b""
    while len(read) < size:
        more = stream.read(size - len(read))
        if not more:
            if at_end and not read:
                return b""
            raise ValueError("it ends too early")
        read += more
    return read
