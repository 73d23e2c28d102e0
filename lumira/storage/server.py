"""What a database server is and whether it stands as Lumira needs it: read, and tried with one write."""

from __future__ import annotations

from dataclasses import dataclass, field

from bson import ObjectId
from pymongo.database import Database
from pymongo.errors import OperationFailure

from lumira.storage.failures import UNAUTHORIZED, Document, store_errors
from lumira.storage.indexes import DOCTOR, INDEXES, index_keys, indexes_in_place_of
from lumira.storage.validators import VALIDATORS


@dataclass(frozen=True)
class Server:
    """The server that answers: its name and version, and its replica set (None when it stands alone).

    `members` counts the members that hold data.
    """

    name: str
    version: str
    replica_set: str | None
    members: int

    @property
    def is_embedded(self) -> bool:
        """Whether it is the store that `lumira run` starts by itself."""
        return self.name == "SecantusDB"


@dataclass(frozen=True)
class Deviations:
    """How the database differs from what the desk needs; each entry is `collection.name`.

    `in_the_way`: unique indexes that are not ours, which may refuse what we write. `others`: further indexes
    of other programs, which only cost their keeping.
    """

    missing: list[str] = field(default_factory=list)
    different: list[str] = field(default_factory=list)
    in_the_way: list[str] = field(default_factory=list)
    others: list[str] = field(default_factory=list)

    @property
    def to_mend(self) -> list[str]:
        """What is missing and what is different."""
        return [*self.missing, *self.different]


def server(database: Database[Document]) -> Server:
    """Which server answers. Raises StoreUnavailable."""
    with store_errors():
        build, hello = database.command("buildInfo"), database.command("hello")
    embedded = build.get("secantusVersion")
    return Server(
        name="SecantusDB" if embedded else "MongoDB",
        version=str(embedded or build.get("version")),
        replica_set=None if embedded else hello.get("setName"),
        members=len(hello.get("hosts", [])) or 1,
    )


def refused_write(database: Database[Document]) -> str | None:
    """Writes one document of its own, reads it and removes it; why that was refused, None when it was not.

    `Unauthorized` where the user of MONGODB_URI lacks the right. Raises StoreUnavailable.
    """
    collection, document = database[DOCTOR], {"_id": ObjectId()}
    with store_errors():
        try:
            collection.insert_one(document)
            found = collection.find_one(document)
            removed = collection.delete_one(document).deleted_count
        except OperationFailure as error:
            if error.code == UNAUTHORIZED:
                return "Unauthorized"
            details = error.details or {}
            return str(details.get("codeName") or details.get("errmsg") or error.code)
    return None if found and removed else "NotReadBack"


def index_deviations(database: Database[Document]) -> Deviations:
    """The indexes beside INDEXES. Raises StoreUnavailable."""
    found = Deviations()
    for collection, models in INDEXES.items():
        with store_errors():
            existing = [index for index in database[collection].list_indexes() if index["name"] != "_id_"]
        wanted = [model.document for model in models]
        for model in wanted:
            in_its_place = indexes_in_place_of(model, existing)
            if in_its_place is not None:
                (found.different if in_its_place else found.missing).append(f"{collection}.{model['name']}")
        for index in existing:
            if all(
                index_keys(index) != index_keys(model) and index["name"] != model["name"] for model in wanted
            ):
                (found.in_the_way if index.get("unique") else found.others).append(
                    f"{collection}.{index['name']}"
                )
    return found


def validator_deviations(database: Database[Document]) -> Deviations:
    """The validators beside VALIDATORS. Raises StoreUnavailable."""
    with store_errors():
        existing = {entry["name"]: entry.get("options", {}) for entry in database.list_collections()}
    found = Deviations()
    for name, schema in VALIDATORS.items():
        validator = existing.get(name, {}).get("validator")
        if not validator:
            found.missing.append(name)
        elif validator != {"$jsonSchema": schema}:
            found.different.append(name)
    return found
