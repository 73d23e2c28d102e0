"""What the store keeps but must not tell whoever reads it, such as the secrets of authenticators.

AES-256 in Galois/Counter Mode, by a key of its own that HKDF derives from the signing key; bound to what it
belongs to, so that it is good nowhere else: https://www.rfc-editor.org/rfc/rfc5116,
https://www.rfc-editor.org/rfc/rfc5869.
"""

from __future__ import annotations

import base64
import secrets
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

# Names how it was encrypted; a secret of base 32, as earlier versions stored it, holds no colon.
_PREFIX: Final = "aes256gcm:"
_NONCE_BYTES: Final = 12
_PURPOSE: Final = b"lumira.authenticator"


def encrypt(secret: str, signing_key: bytes, *, owner: str) -> str:
    """The secret as the store keeps it, readable with this signing key and for this owner alone."""
    nonce = secrets.token_bytes(_NONCE_BYTES)
    sealed = _cipher(signing_key).encrypt(nonce, secret.encode(), owner.encode())
    return _PREFIX + base64.b64encode(nonce + sealed).decode()


def decrypt(stored: str, signing_key: bytes, *, owner: str) -> str | None:
    """The secret; None where it was encrypted with another signing key, for another owner, or changed since.

    One that is not encrypted is answered as it is.
    """
    if not is_encrypted(stored):
        return stored
    try:
        raw = base64.b64decode(stored.removeprefix(_PREFIX), validate=True)
        opened = _cipher(signing_key).decrypt(raw[:_NONCE_BYTES], raw[_NONCE_BYTES:], owner.encode())
    except (ValueError, InvalidTag):
        return None
    return opened.decode()


def is_encrypted(stored: str) -> bool:
    """Whether it was written by `encrypt`."""
    return stored.startswith(_PREFIX)


def _cipher(signing_key: bytes) -> AESGCM:
    return AESGCM(HKDF(SHA256(), length=32, salt=None, info=_PURPOSE).derive(signing_key))
