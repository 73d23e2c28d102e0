"""Accounts of staff: who may sign in, as what, and how they prove who they are."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

import pyotp
from pydantic import Field

from lumira.access import Actor, Permission, Role, require
from lumira.audit import Action, AuditEntry
from lumira.documents import StoredDocument
from lumira.encryption import encrypt
from lumira.errors import (
    AccountExists,
    AccountNotFound,
    Forbidden,
    InvalidEmail,
    InvalidRequest,
    LastAdministrator,
    WeakPassword,
    WrongCode,
    WrongPassword,
)
from lumira.passwords import Passwords, check_password, one_time_password
from lumira.sign_in_attempts import Attempts
from lumira.texts import LANGUAGES
from lumira.validation import is_address

if TYPE_CHECKING:
    from lumira.storage import AuditLog, StaffAccounts, StaffSessions

ISSUER: Final = "Oracle Lumira"
# A clock may be half a minute off, one way or the other: https://www.rfc-editor.org/rfc/rfc6238#section-5.2
_STEPS: Final = (-1, 0, 1)
# How long a new password that is given again is the same change, whose answer was lost.
_CUT_SHORT: Final = timedelta(hours=1)
# In place of an address: whoever asks has a session.
_SIGNED_IN: Final = "signed in"


class StaffMember(StoredDocument):
    """One account. The e-mail address, in lower case, is who it is. Instants are UTC.

    Without a password its owner signs in by OpenID alone. `totp_secret` is encrypted with the signing key, or
    plain where an earlier version stored it and its owner has not signed in since. `totp_used` is the step of
    the last code that was taken, which is taken no second time. `language` is the one its owner chose.
    """

    email: str = Field(alias="_id")
    name: str = ""
    role: Role
    password_hash: str | None = Field(default=None, repr=False)
    must_change_password: bool = False
    password_changed_at: datetime | None = None
    totp_secret: str | None = Field(default=None, repr=False)
    totp_used: int = 0
    created_at: datetime
    created_by: str
    last_sign_in_at: datetime | None = None
    language: str | None = None
    disabled_at: datetime | None = None

    @property
    def has_totp(self) -> bool:
        """Whether signing in takes a code beside the password."""
        return self.totp_secret is not None


@dataclass(frozen=True)
class Enrolment:
    """An authenticator that is being set up: the secret, and the address its QR code holds."""

    secret: str
    uri: str

    def __repr__(self) -> str:
        return "Enrolment()"


class Staff:
    """Keeps accounts. Every method raises StoreUnavailable when the store can't be reached.

    `key` gives the signing key, with which secrets of authenticators are encrypted.
    What ends an account's right to be here ends its sessions too: disabling, a reset, a new password.
    `changed` is told which account's sessions are no longer what they were.
    """

    def __init__(
        self,
        accounts: StaffAccounts,
        sessions: StaffSessions,
        audit: AuditLog,
        *,
        key: Callable[[], bytes],
        passwords: Passwords | None = None,
        attempts: Attempts | None = None,
        changed: Callable[[str], None] = lambda _email: None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._accounts = accounts
        self._sessions = sessions
        self._audit = audit
        self._key = key
        self._passwords = passwords or Passwords()
        self._attempts = attempts or Attempts()
        self._changed = changed
        self._clock = clock

    def add(
        self,
        email: str,
        role: Role,
        *,
        name: str = "",
        password: str | None = None,
        must_change: bool = False,
        actor: Actor,
    ) -> StaffMember:
        """Makes an account; without a password it can be entered by OpenID only.

        Raises Forbidden, InvalidEmail, WeakPassword, and AccountExists for a disabled account's address too.
        """
        require(actor, Permission.MANAGE_STAFF)
        address = normalized(email)
        if not is_address(address) or len(address) > 254:
            raise InvalidEmail(f"{email[:80]} is no e-mail address.")
        if password is not None:
            check_password(password, about=(address, name))
        now = self._clock()
        member = StaffMember(
            email=address,
            name=" ".join(name.split())[:100],
            role=role,
            password_hash=self._passwords.hash(password) if password is not None else None,
            must_change_password=must_change,
            password_changed_at=now if password is not None else None,
            created_at=now,
            created_by=actor.name,
        )
        if not self._accounts.insert(member):
            raise AccountExists(f"{address} has an account already. `lumira staff list` shows them all.")
        self._record(actor, Action.ADD_STAFF, f"{address} ({role})")
        return member

    def add_with_one_time_password(
        self, email: str, role: Role, *, name: str = "", actor: Actor
    ) -> tuple[StaffMember, str]:
        """Makes an account with a password that its owner has to change; it is shown this once."""
        password = one_time_password()
        member = self.add(email, role, name=name, password=password, must_change=True, actor=actor)
        return member, password

    def all(self, *, actor: Actor) -> list[StaffMember]:
        """Every account, disabled ones too, by address. Raises Forbidden."""
        require(actor, Permission.MANAGE_STAFF)
        return self._accounts.all()

    def is_empty(self) -> bool:
        """Whether nobody can sign in yet, because there is no account."""
        return not self._accounts.any()

    def set_role(self, email: str, role: Role, *, actor: Actor) -> None:
        """Gives a member another role, from their next click on.

        Raises Forbidden, AccountNotFound, and LastAdministrator for the only one there is.
        """
        member = self._managed(email, actor)
        if member.role == role:
            return
        self._check_not_the_last(member)
        self._accounts.update(member.email, {"role": str(role)})
        self._keep_an_administrator(member, {"role": str(member.role)})
        self._changed(member.email)
        self._record(actor, Action.SET_ROLE, f"{member.email}: {member.role} → {role}")

    def disable(self, email: str, *, actor: Actor) -> None:
        """Shuts an account and ends its sessions; twice is the same as once.

        Raises Forbidden, AccountNotFound, and LastAdministrator for the only one there is.
        """
        member = self._managed(email, actor)
        if member.disabled_at is None:
            self._check_not_the_last(member)
            self._accounts.update(member.email, {"disabledAt": self._clock()})
            self._keep_an_administrator(member, {"disabledAt": None})
            self._record(actor, Action.DISABLE_STAFF, member.email)
        self._sessions.delete_of(member.email)
        self._changed(member.email)

    def enable(self, email: str, *, actor: Actor) -> None:
        """Opens a shut account again. Raises Forbidden and AccountNotFound."""
        member = self._managed(email, actor)
        if member.disabled_at is not None:
            self._accounts.update(member.email, {"disabledAt": None})
            self._record(actor, Action.ENABLE_STAFF, member.email)

    def reset(self, email: str, *, actor: Actor) -> str:
        """A new password that its owner has to change, shown this once; their authenticator is forgotten.

        Raises Forbidden and AccountNotFound.
        """
        member = self._managed(email, actor)
        password = one_time_password()
        self._set_password(member.email, password, must_change=True, more={"totpSecret": None})
        self._record(actor, Action.RESET_STAFF, member.email)
        return password

    def drop_authenticator(self, email: str, *, actor: Actor) -> None:
        """Forgets a member's authenticator, who has lost it. Raises Forbidden and AccountNotFound."""
        member = self._managed(email, actor)
        self._accounts.update(member.email, {"totpSecret": None})
        self._record(actor, Action.DROP_AUTHENTICATOR, member.email)

    def of(self, actor: Actor) -> StaffMember:
        """One's own account. Raises AccountNotFound for an actor who has none."""
        return self._find(actor.name)

    def change_password(self, old: str, new: str, *, actor: Actor, keep_session: str | None = None) -> None:
        """Changes one's own password and ends one's other sessions.

        Once more within the hour finishes what the store cut short after it had taken the new password.
        Raises AccountNotFound, WrongPassword for another `old`, TooManyAttempts, and WeakPassword.
        """
        member = self._find(actor.name)
        try:
            self._prove(member, old)
        except WrongPassword:
            changed_at = member.password_changed_at
            lately = changed_at is not None and changed_at > self._clock() - _CUT_SHORT
            if not lately or not self._passwords.matches(new, member.password_hash):
                raise
            self._attempts.forgive(member.email, _SIGNED_IN)
        check_password(new, about=(member.email, member.name))
        if new == old:
            raise WeakPassword("The new password is the old one. Take another.")
        self._set_password(member.email, new, must_change=False, keep_session=keep_session)
        self._record(actor, Action.CHANGE_PASSWORD, member.email)

    def choose_language(self, language: str, *, actor: Actor) -> None:
        """Keeps the language one reads in, `fr` or `en`. Raises AccountNotFound and InvalidRequest."""
        if language not in LANGUAGES:
            raise InvalidRequest(f"{language[:20]} is none of our languages: {', '.join(LANGUAGES)}.")
        member = self._find(actor.name)
        self._accounts.update(member.email, {"language": language})
        self._changed(member.email)

    def begin_authenticator(self, *, actor: Actor) -> Enrolment:
        """A secret for one's authenticator; nothing is stored before a first code proves it is there."""
        member = self._find(actor.name)
        secret = pyotp.random_base32()
        return Enrolment(secret, pyotp.TOTP(secret).provisioning_uri(name=member.email, issuer_name=ISSUER))

    def confirm_authenticator(self, enrolment: Enrolment, code: str, *, actor: Actor) -> None:
        """Asks for codes of this authenticator from now on.

        Raises WrongCode, and Forbidden while there is another: taking that away needs the password.
        """
        member = self._find(actor.name)
        if member.has_totp:
            raise Forbidden("This account has an authenticator. Remove that one first.")
        step = totp_step(enrolment.secret, code, self._clock())
        if step is None:
            raise WrongCode("This is not the code of that authenticator. Is the telephone's clock right?")
        encrypted = encrypt(enrolment.secret, self._key(), owner=member.email)
        self._accounts.update(member.email, {"totpSecret": encrypted, "totpUsed": step})
        self._record(actor, Action.ADD_AUTHENTICATOR, member.email)

    def remove_authenticator(self, password: str, *, actor: Actor) -> None:
        """Asks for no codes any more. Raises WrongPassword and TooManyAttempts."""
        member = self._find(actor.name)
        self._prove(member, password)
        self._accounts.update(member.email, {"totpSecret": None})
        self._record(actor, Action.REMOVE_AUTHENTICATOR, member.email)

    def _managed(self, email: str, actor: Actor) -> StaffMember:
        require(actor, Permission.MANAGE_STAFF)
        return self._find(email)

    def _find(self, email: str) -> StaffMember:
        member = self._accounts.find(normalized(email))
        if member is None:
            raise AccountNotFound(f"There is no account {email[:80]}. `lumira staff list` names them all.")
        return member

    def _prove(self, member: StaffMember, password: str) -> None:
        # A session left open on somebody's desk is not a place to guess the password from.
        self._attempts.count(member.email, _SIGNED_IN)
        if not self._passwords.matches(password, member.password_hash):
            raise WrongPassword("This is not your present password.")
        self._attempts.forgive(member.email, _SIGNED_IN)

    def _set_password(
        self,
        email: str,
        password: str,
        *,
        must_change: bool,
        more: dict[str, object] | None = None,
        keep_session: str | None = None,
    ) -> None:
        changed = {
            "passwordHash": self._passwords.hash(password),
            "passwordChangedAt": self._clock(),
            "mustChangePassword": must_change,
        }
        self._accounts.update(email, changed | (more or {}))
        self._sessions.delete_of(email, but=keep_session)
        self._changed(email)

    def _check_not_the_last(self, member: StaffMember) -> None:
        """Raises LastAdministrator for a change that would leave nobody to manage accounts."""
        others = (other for other in self._accounts.all() if other.email != member.email)
        active = (other for other in others if other.disabled_at is None)
        is_administrator = member.role is Role.ADMIN and member.disabled_at is None
        if is_administrator and not any(other.role is Role.ADMIN for other in active):
            raise LastAdministrator(
                f"{member.email} is the only administrator. Make another one first: "
                "`lumira staff role EMAIL admin`."
            )

    def _keep_an_administrator(self, member: StaffMember, undo: dict[str, object]) -> None:
        """Takes a change back that has left nobody to manage accounts.

        Looked at before, since the store may stop once it is made, and afterwards: two administrators who
        shut each other out at once both find it undone.
        """
        try:
            self._check_not_the_last(member)
        except LastAdministrator:
            self._accounts.update(member.email, undo)
            raise

    def _record(self, actor: Actor, action: Action, note: str) -> None:
        self._audit.record(AuditEntry.by(actor, action, self._clock(), note=note))


def normalized(email: str) -> str:
    """An e-mail address as accounts have it."""
    return email.encode("utf-8", "replace").decode().strip().lower()


def totp_step(secret: str, code: str, now: datetime) -> int | None:
    """The step of time (of 30 seconds, since 1970) whose code this is; None for a wrong code."""
    totp = pyotp.TOTP(secret)
    present = totp.timecode(now)
    for step in _STEPS:
        if pyotp.utils.strings_equal(code, totp.generate_otp(present + step)):
            return present + step
    return None
