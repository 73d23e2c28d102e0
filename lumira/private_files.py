"""Files that their user alone can read, put in their place whole or not at all."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO


@contextmanager
def written_beside(file: Path) -> Iterator[tuple[Path, BinaryIO]]:
    """A new file beside `file`, opened for bytes, to be flushed to the disk and then renamed or linked to it.

    It has a name of its own, so that whoever else writes the same file is not disturbed, and is removed where
    it was not renamed. Raises OSError where it can't be made.
    """
    written = file.with_name(f".{file.name}.{secrets.token_hex(4)}")
    descriptor = os.open(written, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with open(descriptor, "wb") as stream:
            yield written, stream
    finally:
        written.unlink(missing_ok=True)


def flush_to_disk(stream: BinaryIO) -> None:
    """Returns once what was written is on the disk: after a power cut a file is whole, or not there."""
    stream.flush()
    os.fsync(stream.fileno())


def write(file: Path, text: str) -> None:
    """Puts `text` into `file`, readable by this user alone; a reader sees the old text or the new one,
    never a part, and so does the next start after a crash in the middle.
    """
    with written_beside(file) as (written, stream):
        stream.write(text.encode())
        flush_to_disk(stream)
        written.replace(file)
