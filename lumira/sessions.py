"""Sessions: who is signed in, where, and until when."""

from __future__ import annotations

import hashlib
import logging
import math
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from itsdangerous import BadData, URLSafeTimedSerializer
from pydantic import Field

from lumira.access import Actor, Permission, Role, require
from lumira.audit import UNKNOWN_ACCOUNT, Action, AuditEntry
from lumira.documents import StoredDocument
from lumira.encryption import decrypt, encrypt, is_encrypted
from lumira.errors import (
    AuthenticatorUnreadable,
    CodeNeeded,
    SessionNotFound,
    SignInRefused,
    StoreUnavailable,
)
from lumira.passwords import Passwords
from lumira.sign_in_attempts import Attempts
from lumira.staff import StaffMember, normalized, totp_step

if TYPE_CHECKING:
    from lumira.storage import AuditLog, StaffAccounts, StaffSessions

# A working day: whoever comes back in the morning signs in.
LIFETIME: Final = timedelta(hours=12)
SEEN_NOTED_EVERY: Final = timedelta(minutes=1)
# How long an answer is trusted, so that a page costs no look-up. The gate looks at an open page every five
# seconds: together, whoever is disabled is out within fifteen.
REMEMBERED_SECONDS: Final = 10
REMEMBERED_AT_MOST: Final = 1_000
TOKEN_BYTES: Final = 32
# Between password and code.
TICKET_SECONDS: Final = 300

# The same for every reason, so that nothing is learned from it.
_REFUSED: Final = "The address, the password or the code is not right."

logger: Final = logging.getLogger("lumira.sessions")


class StoredSession(StoredDocument):
    """A session as it is kept; `id` is the SHA-256 of its token, which is kept nowhere. Instants are UTC."""

    id: str = Field(alias="_id")
    email: str
    created_at: datetime
    expires_at: datetime
    last_seen_at: datetime
    address: str = ""
    device: str = ""


@dataclass(frozen=True)
class Session:
    """Somebody who is signed in, until when (UTC), and their account as it is now."""

    id: str
    expires_at: datetime
    email: str
    name: str
    role: Role
    must_change_password: bool
    language: str | None = None

    @property
    def actor(self) -> Actor:
        """On whose behalf the session acts."""
        return Actor(self.email, self.role)


@dataclass(frozen=True)
class SignedIn:
    """A new session and its token, which only the browser keeps."""

    token: str
    session: Session

    def __repr__(self) -> str:
        return f"SignedIn({self.session!r})"


class Sessions:
    """Signs in and out. Every method raises StoreUnavailable when the store can't be reached."""

    def __init__(
        self,
        sessions: StaffSessions,
        accounts: StaffAccounts,
        audit: AuditLog,
        *,
        key: Callable[[], bytes],
        passwords: Passwords | None = None,
        attempts: Attempts | None = None,
        remembered_seconds: float = REMEMBERED_SECONDS,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._sessions = sessions
        self._accounts = accounts
        self._audit = audit
        self._key = key
        self._passwords = passwords or Passwords()
        self._remembered_seconds = remembered_seconds
        self._clock = clock
        self._attempts = attempts or Attempts()
        self._lock = threading.Lock()
        self._remembered: dict[str, tuple[float, Session]] = {}
        # Counts up as sessions end: an answer that was asked for before one ended may say that it goes on.
        self._ended = 0

    def sign_in(
        self,
        email: str,
        password: str,
        code: str | None = None,
        *,
        ticket: str | None = None,
        address: str,
        device: str,
    ) -> SignedIn:
        """Signs in by password, and by a code for those who have an authenticator.

        The code may come with the password, or later with the `ticket` that CodeNeeded carries in place of
        the password. Raises TooManyAttempts, CodeNeeded, AuthenticatorUnreadable once the signing key has
        changed, and SignInRefused for every other reason.
        """
        given = normalized(email)
        self._attempts.count(given, address)
        member = self._accounts.find(given)
        proved = self._proved_by_ticket(member, ticket) if ticket else self._proved(member, password)
        if member is None or not proved or member.disabled_at is not None:
            self._record(member, Action.SIGN_IN_REFUSED, address, device)
            raise SignInRefused(_REFUSED)
        if member.totp_secret:
            secret = decrypt(member.totp_secret, self._key(), owner=member.email)
            if secret is None:
                self._record(member, Action.SIGN_IN_REFUSED, address, device)
                raise AuthenticatorUnreadable(
                    "Your authenticator can't be checked, for the signing key has changed. Ask an "
                    f"administrator to reset your account: `lumira staff reset {member.email}`."
                )
            if code is None:
                raise CodeNeeded("Enter the code of your authenticator.", ticket=self._ticket(member))
            step = totp_step(secret, code, self._clock())
            # A code is good once: whoever saw it over a shoulder comes too late.
            if step is None or not self._accounts.use_totp_step(member.email, step):
                self._record(member, Action.SIGN_IN_REFUSED, address, device)
                raise SignInRefused(_REFUSED)
            if not is_encrypted(member.totp_secret):
                encrypted = encrypt(secret, self._key(), owner=member.email)
                self._accounts.replace(member.email, "totpSecret", member.totp_secret, encrypted)
        if not ticket and member.password_hash and self._passwords.is_outdated(member.password_hash):
            hashed = self._passwords.hash(password)
            self._accounts.replace(member.email, "passwordHash", member.password_hash, hashed)
        return self._begin(member, address, device)

    def sign_in_by_identity(self, email: str, *, address: str, device: str) -> SignedIn:
        """Signs in whom an OpenID provider has proved to own this address.

        Raises SignInRefused for an address without an account, or with one that is disabled.
        """
        member = self._accounts.find(normalized(email))
        if member is None or member.disabled_at is not None:
            self._record(member, Action.SIGN_IN_REFUSED, address, device)
            raise SignInRefused("The OpenID provider names an address that has no open account here.")
        return self._begin(member, address, device)

    def find(self, token: str) -> Session | None:
        """The session of this token; None once it has ended, is signed out, or its account is disabled.

        An answer is trusted for ten seconds.
        """
        id_ = _hash(token)
        with self._lock:
            asked, session = self._remembered.get(id_, (-math.inf, None))
            ended = self._ended
        if (
            session
            and time.monotonic() < asked + self._remembered_seconds
            and session.expires_at > self._clock()
        ):
            return session
        session = self._look_up(id_)
        with self._lock:
            self._remembered.pop(id_, None)
            if session and ended == self._ended:
                if len(self._remembered) >= REMEMBERED_AT_MOST:
                    self._remembered.clear()
                self._remembered[id_] = (time.monotonic(), session)
        return session

    def sign_out(self, token: str) -> None:
        """Ends the session of this token, at once; twice is the same as once."""
        session, id_ = self.find(token), _hash(token)
        deleted = self._sessions.delete(id_)
        self._forget(lambda one: one.id == id_)
        if deleted and session:
            self._audit.record(AuditEntry.by(session.actor, Action.SIGN_OUT, self._clock()))

    def of(self, email: str, *, actor: Actor) -> list[StoredSession]:
        """The sessions of an account that have not ended, newest first. Raises Forbidden for another's."""
        self._allow(email, actor)
        now = self._clock()
        found = [one for one in self._sessions.of(normalized(email)) if one.expires_at > now]
        return sorted(found, key=lambda one: one.created_at, reverse=True)

    def end(self, id_: str, email: str, *, actor: Actor) -> None:
        """Ends one session of an account. Raises SessionNotFound, and Forbidden for another's."""
        self._allow(email, actor)
        session = self._sessions.find(id_)
        if session is None or session.email != normalized(email):
            raise SessionNotFound("This session has ended already.")
        deleted = self._sessions.delete(id_)
        self._forget(lambda one: one.id == id_)
        if deleted:
            self._note(actor, Action.END_SESSION, session.email)

    def sign_out_everywhere(self, email: str, *, actor: Actor) -> int:
        """Ends every session of an account; says how many. Raises Forbidden for another's."""
        self._allow(email, actor)
        email = normalized(email)
        ended = self._sessions.delete_of(email)
        self.forget(email)
        self._note(actor, Action.SIGN_OUT_EVERYWHERE, email)
        return ended

    def forget(self, email: str) -> None:
        """Trusts no answer about this account any more: the next request looks at it anew."""
        self._forget(lambda one: one.email == email)

    def prune(self) -> int:
        """Removes what is kept of sessions that have ended by themselves; how many."""
        return self._sessions.delete_expired(self._clock())

    def _proved(self, member: StaffMember | None, password: str) -> bool:
        return self._passwords.matches(password, member.password_hash if member else None)

    def _ticket(self, member: StaffMember) -> str:
        """Says that the password of now was right; another password makes it worthless."""
        return self._serializer().dumps([member.email, _mark(member)])

    def _proved_by_ticket(self, member: StaffMember | None, ticket: str) -> bool:
        try:
            proved = self._serializer().loads(ticket, max_age=TICKET_SECONDS)
        except BadData:
            return False
        return member is not None and proved == [member.email, _mark(member)]

    def _serializer(self) -> URLSafeTimedSerializer:
        return URLSafeTimedSerializer(
            self._key(), salt="lumira.second-step", signer_kwargs={"digest_method": hashlib.sha256}
        )

    def _begin(self, member: StaffMember, address: str, device: str) -> SignedIn:
        token = secrets.token_urlsafe(TOKEN_BYTES)
        now = self._clock()
        stored = StoredSession(
            id=_hash(token),
            email=member.email,
            created_at=now,
            expires_at=now + LIFETIME,
            last_seen_at=now,
            address=address,
            device=device,
        )
        self._sessions.insert(stored)
        # Whoever sets another password does so before they end the sessions: one of the two sees the other.
        current = self._accounts.find(member.email)
        if current is None or current.password_changed_at != member.password_changed_at:
            self._sessions.delete(stored.id)
            self._record(member, Action.SIGN_IN_REFUSED, address, device)
            raise SignInRefused(_REFUSED)
        self._accounts.update(member.email, {"lastSignInAt": now})
        self._record(member, Action.SIGN_IN, address, device)
        self._attempts.forgive(member.email, address)
        return SignedIn(token, _joined(stored, member))

    def _look_up(self, id_: str) -> Session | None:
        stored = self._sessions.find(id_)
        now = self._clock()
        if stored is None or stored.expires_at <= now:
            return None
        member = self._accounts.find(stored.email)
        if member is None or member.disabled_at is not None:
            return None
        if now - stored.last_seen_at >= SEEN_NOTED_EVERY:
            try:
                self._sessions.note_seen(id_, now)
            except StoreUnavailable as error:
                # The page matters more than the note of it.
                logger.warning("session unnoted", extra={"code": error.code, "reason": error.message})
        return _joined(stored, member)

    def _forget(self, is_over: Callable[[Session], bool]) -> None:
        """Trusts no answer about such sessions any more. Called once the store says that they are over."""
        with self._lock:
            self._ended += 1
            self._remembered = {
                id_: (asked, one) for id_, (asked, one) in self._remembered.items() if not is_over(one)
            }

    def _allow(self, email: str, actor: Actor) -> None:
        if normalized(email) != actor.name:
            require(actor, Permission.MANAGE_STAFF)

    def _record(self, member: StaffMember | None, action: Action, address: str, device: str) -> None:
        """What was typed for an unknown account is not kept: it may be somebody's password."""
        self._audit.record(
            AuditEntry(
                at=self._clock(),
                actor=member.email if member else UNKNOWN_ACCOUNT,
                role=str(member.role) if member else "",
                action=str(action),
                note=f"{address} · {device}",
            )
        )

    def _note(self, actor: Actor, action: Action, note: str) -> None:
        self._audit.record(AuditEntry.by(actor, action, self._clock(), note=note))


def _joined(stored: StoredSession, member: StaffMember) -> Session:
    return Session(
        id=stored.id,
        expires_at=stored.expires_at,
        email=member.email,
        name=member.name,
        role=member.role,
        must_change_password=member.must_change_password,
        language=member.language,
    )


def _hash(token: str) -> str:
    """The SHA-256 of a token: 256 random bits need no slow hash."""
    return hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()


def _mark(member: StaffMember) -> str:
    """Something that changes with the password and tells nothing of it."""
    return hashlib.sha256((member.password_hash or "").encode()).hexdigest()[:16]
