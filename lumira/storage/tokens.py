"""API tokens, `api_tokens`: what is known of each, and the SHA-256 of its text, never the text itself."""

from __future__ import annotations

from datetime import datetime

from pymongo import WriteConcern
from pymongo.database import Database

from lumira.storage.conditions import is_value, only_if
from lumira.storage.failures import Document, insert_new, store_errors
from lumira.storage.indexes import TOKENS
from lumira.tokens import Token


class ApiTokens:
    """Keeps and finds tokens. Every method raises StoreUnavailable when the store can't be reached."""

    def __init__(self, database: Database[Document]) -> None:
        self._collection = database[TOKENS]
        # When a token was last used is worth knowing, and not worth a request's wait for a majority.
        self._unhurried = self._collection.with_options(write_concern=WriteConcern(w=1))

    def insert(self, token: Token) -> bool:
        """Stores a new token; False when its name is taken, by a revoked one too."""
        document = token.model_dump(by_alias=True, exclude_none=True) | {"role": str(token.role)}
        return insert_new(self._collection, document)

    def find_by_hash(self, hash_: str) -> Token | None:
        """The token whose text has this SHA-256, in one look-up by a unique index."""
        with store_errors():
            document = self._collection.find_one({"hash": {"$eq": hash_}})
        return Token.model_validate(document) if document else None

    def all(self) -> list[Token]:
        """Every token, revoked ones too, oldest first."""
        with store_errors():
            documents = list(self._collection.find())
        return sorted(map(Token.model_validate, documents), key=lambda token: token.created_at)

    def revoke(self, name: str, at: datetime) -> bool:
        """Revokes the token of this name, keeping the first time it was; False when there is none."""
        with store_errors():
            once = only_if(is_value("revokedAt", None), {"$set": {"revokedAt": at}})
            return self._collection.update_one({"name": {"$eq": name}}, once).matched_count == 1

    def note_use(self, name: str, at: datetime) -> None:
        """Writes when the token was last used."""
        with store_errors():
            self._unhurried.update_one({"name": {"$eq": name}}, {"$max": {"lastUsedAt": at}})
