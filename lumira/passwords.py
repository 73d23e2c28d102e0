"""Passwords of staff: what makes a good one, and how they are kept."""

from __future__ import annotations

import re
import secrets
import threading
import unicodedata
from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from zxcvbn import zxcvbn

from lumira.catalog import Level
from lumira.errors import WeakPassword

# Length counts more than signs of several kinds: https://pages.nist.gov/800-63-4/sp800-63b.html#passwordver
MIN_LENGTH: Final = 12
MAX_LENGTH: Final = 128
# What zxcvbn looks at; a password that is good so far is good.
_JUDGED_LENGTH: Final = 72
# "Safely unguessable: moderate protection from an offline attack", of 0 to 4.
_GOOD: Final = 3
_HOUSE: Final = ("lumira", "oracle", *(level.label.lower() for level in Level))
# No letter or digit that looks like another.
_READABLE: Final = "abcdefghjkmnpqrstuvwxyz23456789"  # pragma: allowlist secret
# Each hash takes 64 MiB: a crowd at the door must not take the machine's memory.
_AT_ONCE: Final = 2


def check_password(password: str, *, about: tuple[str, ...] = ()) -> None:
    """Raises WeakPassword for one that is too short, too long, or among the first that anybody would try.

    `about` is what belongs to its owner, such as the name and the e-mail address. Words of it, and of the
    house, add nothing to a password: what is left without them is judged.
    """
    if len(password) < MIN_LENGTH:
        raise WeakPassword(f"A password has at least {MIN_LENGTH} characters: three or four words do.")
    if len(password) > MAX_LENGTH:
        raise WeakPassword(f"A password has at most {MAX_LENGTH} characters.")
    known = [word for text in (*_HOUSE, *about) for word in re.findall(r"\w{3,}", text)]
    left = re.sub("|".join(map(re.escape, sorted(known, key=len, reverse=True))), "", password, flags=re.I)
    if not left or zxcvbn(left[:_JUDGED_LENGTH])["score"] < _GOOD:
        raise WeakPassword("This password is too easy to guess. Take three or four unrelated words.")


def one_time_password() -> str:
    """A password to be given to its owner and changed at once: 99 random bits, easy to read out."""
    return "-".join("".join(secrets.choice(_READABLE) for _ in range(4)) for _ in range(5))


class Passwords:
    """Hashes and compares by argon2id, in the parameters that RFC 9106 recommends (argon2-cffi's own)."""

    def __init__(self, hasher: PasswordHasher | None = None) -> None:
        self._hasher = hasher or PasswordHasher()
        self._slots = threading.BoundedSemaphore(_AT_ONCE)
        self._nobodys: str | None = None

    def hash(self, password: str) -> str:
        """The hash to be stored."""
        with self._slots:
            return self._hasher.hash(_plain(password))

    def matches(self, password: str, stored: str | None) -> bool:
        """Whether the password is the stored one.

        Without a stored one the answer is no, and takes as long: nobody learns by waiting whether an account
        exists.
        """
        if self._nobodys is None:
            self._nobodys = self.hash(secrets.token_urlsafe())
        with self._slots:
            try:
                self._hasher.verify(stored or self._nobodys, _plain(password))
            except (VerificationError, InvalidHashError):
                return False
        return stored is not None

    def is_outdated(self, stored: str) -> bool:
        """Whether a hash was made with other parameters than those of today."""
        return self._hasher.check_needs_rehash(stored)


def _plain(password: str) -> str:
    """The password as every keyboard writes it, cut to what may be one: hashing must stay cheap."""
    text = password[: 2 * MAX_LENGTH].encode("utf-8", "replace").decode()
    return unicodedata.normalize("NFKC", text)
