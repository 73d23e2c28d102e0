"""The key that signs what Lumira gives away and must know again: payment links, session cookies."""

from __future__ import annotations

import contextlib
import os
import secrets
from pathlib import Path
from typing import Final

from lumira.errors import SettingsError
from lumira.private_files import flush_to_disk, written_beside
from lumira.settings import Settings

FILE: Final = "secret.key"


def secret_key(settings: Settings) -> bytes:
    """LUMIRA_SECRET_KEY, or else one that is made once and kept under LUMIRA_HOME for this user alone.

    Processes that start at once agree on one. Raises SettingsError where it can't be kept, or is empty: a key
    of this process alone would break every link at the next start, and anybody can sign with an empty one.
    """
    if settings.secret_key:
        return settings.secret_key.get_secret_value().encode()
    file = settings.home / FILE
    try:
        if not file.exists():
            _make(file)
        key = file.read_text(encoding="utf-8").strip().encode()
    except OSError as error:
        raise SettingsError(
            f"The signing key can't be kept in {file}: {error.strerror}. Set LUMIRA_SECRET_KEY to a long "
            "random text."
        ) from error
    if not key:
        raise SettingsError(
            f"The signing key in {file} is empty. Put back the former one, or remove the file: with a new "
            "key payment links end and authenticators have to be set up anew."
        )
    return key


def _make(file: Path) -> None:
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with written_beside(file) as (written, stream):
        stream.write(secrets.token_urlsafe(32).encode())
        flush_to_disk(stream)
        # A link, not a rename: whoever is second finds the first one's key and leaves it.
        with contextlib.suppress(FileExistsError):
            os.link(written, file)
