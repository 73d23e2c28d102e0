"""API tokens: named, with a role, stored as a hash, revocable at once.

A token's text is shown once, to whoever creates it. LUMIRA_API_TOKEN is one more, beside those in the store.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import re
import secrets
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from lumira.access import Actor, Permission, Role, require
from lumira.audit import Action, AuditEntry
from lumira.documents import StoredDocument
from lumira.errors import (
    InvalidTokenName,
    StoreUnavailable,
    TokenNameTaken,
    TokenNotFound,
    Unauthorized,
)

if TYPE_CHECKING:
    from lumira.storage import ApiTokens, AuditLog

PREFIX: Final = "lum_"
TOKEN_BYTES: Final = 32
# `lastUsedAt` is for people who ask which token can go: a minute is exact enough.
USE_NOTED_EVERY: Final = timedelta(minutes=1)
# What LUMIRA_API_TOKEN speaks for: it has no name and no role of its own.
SETTING_ACTOR: Final = Actor("api", Role.SUPPORT)

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


class Token(StoredDocument):
    """What is known of a token; `hash` is the SHA-256 of its text in hexadecimal. Instants are UTC."""

    name: str
    role: Role
    hash: str
    created_at: datetime
    created_by: str
    last_used_at: datetime | None = None
    revoked_at: datetime | None = None

    @property
    def actor(self) -> Actor:
        """Whom a request with this token speaks for."""
        return Actor(self.name, self.role)


class Tokens:
    """Creates, lists, revokes and recognizes tokens. `setting` is the text of LUMIRA_API_TOKEN.

    Every method raises StoreUnavailable when the store is needed and can't be reached.
    """

    def __init__(
        self,
        tokens: ApiTokens,
        audit: AuditLog,
        *,
        setting: str | None,
    ) -> None:
        self._tokens = tokens
        self._audit = audit
        self._setting = setting

    def create(self, name: str, role: Role = Role.SUPPORT, *, actor: Actor) -> str:
        """Creates a token and returns its text, which is kept nowhere.

        Raises Forbidden, InvalidTokenName, and TokenNameTaken for the name of a revoked token too.
        """
        require(actor, Permission.MANAGE_TOKENS)
        if not _NAME.fullmatch(name):
            raise InvalidTokenName(
                "A token's name has 1 to 64 letters, digits, dots, hyphens or underscores, such as checkout."
            )
        text = PREFIX + secrets.token_urlsafe(TOKEN_BYTES)
        now = datetime.now(UTC)
        token = Token(name=name, role=role, hash=_hash(text), created_at=now, created_by=actor.name)
        if not self._tokens.insert(token):
            raise TokenNameTaken(f"There is, or was, a token named {name}. Give this one another name.")
        self._record(actor, Action.CREATE_TOKEN, now, f"{name} ({role})")
        return text

    def all(self, *, actor: Actor) -> list[Token]:
        """Every token, revoked ones too, oldest first. Raises Forbidden."""
        require(actor, Permission.MANAGE_TOKENS)
        return self._tokens.all()

    def revoke(self, name: str, *, actor: Actor) -> None:
        """Makes the token useless from the next request on; twice is the same as once.

        Raises Forbidden and TokenNotFound.
        """
        require(actor, Permission.MANAGE_TOKENS)
        now = datetime.now(UTC)
        if not self._tokens.revoke(name, now):
            raise TokenNotFound(f"There is no token named {name}. `lumira token list` names them all.")
        self._record(actor, Action.REVOKE_TOKEN, now, name)

    def authenticate(self, text: str) -> Actor:
        """Whom the bearer of this text speaks for.

        Nothing is remembered between requests, so a revoked token is refused at once. Raises Unauthorized,
        the same for an unknown and a revoked token.
        """
        given = text.encode("utf-8", "surrogatepass")
        if self._setting and hmac.compare_digest(given, self._setting.encode()):
            return SETTING_ACTOR
        # Only what could be a token costs a look-up.
        token = self._tokens.find_by_hash(_hash(text)) if text.startswith(PREFIX) else None
        if token is None or token.revoked_at is not None or not hmac.compare_digest(token.hash, _hash(text)):
            raise Unauthorized("Send Authorization: Bearer <token> with a token of this desk.")
        self._note_use(token)
        return token.actor

    def _note_use(self, token: Token) -> None:
        now = datetime.now(UTC)
        if token.last_used_at is None or now - token.last_used_at >= USE_NOTED_EVERY:
            # The request matters more than the note of it.
            with contextlib.suppress(StoreUnavailable):
                self._tokens.note_use(token.name, now)

    def _record(self, actor: Actor, action: Action, at: datetime, note: str) -> None:
        self._audit.record(AuditEntry.by(actor, action, at, note=note))


def _hash(text: str) -> str:
    """The SHA-256 of a token's text.

    A slow hash makes guessing a password dear. These are 256 random bits: nobody guesses them at any speed,
    and the hash is computed on every request.
    """
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
