"""Sessions of staff, `sessions`: found by their `_id`, the SHA-256 of a token that is kept nowhere."""

from __future__ import annotations

from datetime import datetime

from pymongo import WriteConcern
from pymongo.database import Database

from lumira.sessions import StoredSession
from lumira.storage.failures import Document, insert_new, store_errors
from lumira.storage.indexes import SESSIONS


class StaffSessions:
    """Keeps sessions. Every method raises StoreUnavailable when the store can't be reached."""

    def __init__(self, database: Database[Document]) -> None:
        self._collection = database[SESSIONS]
        # When a session was last seen is worth knowing, and not worth a page's wait for a majority.
        self._unhurried = self._collection.with_options(write_concern=WriteConcern(w=1))

    def insert(self, session: StoredSession) -> None:
        """Stores a new session."""
        insert_new(self._collection, session.model_dump(by_alias=True))

    def find(self, id_: str) -> StoredSession | None:
        """The session of this id, ended or not."""
        with store_errors():
            document = self._collection.find_one({"_id": {"$eq": id_}})
        return StoredSession.model_validate(document) if document else None

    def of(self, email: str) -> list[StoredSession]:
        """The sessions of an account, in no order."""
        with store_errors():
            documents = list(self._collection.find({"email": {"$eq": email}}))
        return [StoredSession.model_validate(document) for document in documents]

    def note_seen(self, id_: str, at: datetime) -> None:
        """Writes when the session was last seen."""
        with store_errors():
            self._unhurried.update_one({"_id": {"$eq": id_}}, {"$max": {"lastSeenAt": at}})

    def delete(self, id_: str) -> bool:
        """Removes a session; False when it is gone."""
        with store_errors():
            return self._collection.delete_one({"_id": {"$eq": id_}}).deleted_count == 1

    def delete_of(self, email: str, *, but: str | None = None) -> int:
        """Removes the sessions of an account, but the one of that id; how many."""
        ended = [session.id for session in self.of(email) if session.id != but]
        return sum(self.delete(id_) for id_ in ended)

    def delete_expired(self, now: datetime) -> int:
        """Removes the sessions that ended before `now`; how many."""
        with store_errors():
            return self._collection.delete_many({"expiresAt": {"$lt": now}}).deleted_count
