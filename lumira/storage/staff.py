"""Accounts of staff, `staff`: one document each, found by its `_id`, the e-mail address."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pymongo.database import Database

from lumira.staff import StaffMember
from lumira.storage.conditions import is_value, only_if
from lumira.storage.failures import Document, insert_new, store_errors
from lumira.storage.indexes import STAFF


class StaffAccounts:
    """Keeps accounts. Every method raises StoreUnavailable when the store can't be reached."""

    def __init__(self, database: Database[Document]) -> None:
        self._collection = database[STAFF]

    def insert(self, member: StaffMember) -> bool:
        """Stores a new account; False when the address has one, disabled or not."""
        document = member.model_dump(by_alias=True) | {"role": str(member.role)}
        return insert_new(self._collection, document)

    def find(self, email: str) -> StaffMember | None:
        """The account of this address."""
        with store_errors():
            document = self._collection.find_one({"_id": {"$eq": email}})
        return StaffMember.model_validate(document) if document else None

    def all(self) -> list[StaffMember]:
        """Every account, by address; a house has dozens."""
        with store_errors():
            documents = list(self._collection.find())
        return sorted(map(StaffMember.model_validate, documents), key=lambda member: member.email)

    def any(self) -> bool:
        """Whether there is an account at all."""
        with store_errors():
            return self._collection.find_one({}, {"_id": 1}) is not None

    def update(self, email: str, fields: Mapping[str, Any]) -> None:
        """Sets fields, by their stored names."""
        with store_errors():
            self._collection.update_one({"_id": {"$eq": email}}, {"$set": dict(fields)})

    def replace(self, email: str, field: str, stored: str, better: str) -> None:
        """Writes a field, by its stored name, in a better form, unless it has changed since it was read."""
        with store_errors():
            self._collection.update_one(
                {"_id": {"$eq": email}}, only_if(is_value(field, stored), {"$set": {field: better}})
            )

    def use_totp_step(self, email: str, step: int) -> bool:
        """Takes the code of this step of time; False when it, or a later one, was taken before."""
        later = {"$lt": [{"$ifNull": ["$totpUsed", 0]}, step]}
        with store_errors():
            result = self._collection.update_one(
                {"_id": {"$eq": email}}, only_if(later, {"$set": {"totpUsed": step}})
            )
        return result.modified_count == 1
