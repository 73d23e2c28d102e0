"""The file that a command writes, or its output where none is named."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from lumira.errors import SettingsError


@contextmanager
def written(out: Path | None, *, private: bool = False) -> Iterator[BinaryIO]:
    """The file `out`, opened for bytes and emptied, or the output for None.

    A `private` file is readable by whoever writes it alone, also where it was there before. Raises
    SettingsError where it can't be written.
    """
    if out is None:
        yield sys.stdout.buffer
        return
    try:
        descriptor = os.open(out, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600 if private else 0o666)
        with open(descriptor, "wb") as file:
            if private and out.is_file():
                os.fchmod(descriptor, 0o600)
            yield file
    except OSError as error:
        raise SettingsError(f"--out {out} can't be written: {error.strerror}. Name another file.") from None
