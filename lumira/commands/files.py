"""The file that a command writes, or its output where none is named."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from lumira.errors import SettingsError
from lumira.private_files import written_beside


@contextmanager
def written(out: Path | None, *, private: bool = False) -> Iterator[BinaryIO]:
    """The file `out`, opened for bytes, or the output for None.

    It takes the place of one that was there only once it is whole. A `private` file is readable by whoever
    writes it alone, also where it was there before. Raises SettingsError where it can't be written.
    """
    if out is None:
        try:
            yield sys.stdout.buffer
            sys.stdout.buffer.flush()
        except BrokenPipeError:
            # Whoever reads has enough, which is no error.
            raise
        except OSError as error:
            # What is still to be written would be tried, and told of, once more at the end.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise SettingsError(f"The output can't be written: {error.strerror}.") from None
        return
    try:
        if out.exists() and not out.is_file():
            # A pipe or a device, which takes what comes.
            with out.open("wb") as file:
                yield file
            return
        with written_beside(out.resolve()) as (part, file):
            yield file
            file.flush()
            part.chmod(0o600 if private else _mode(out))
            part.replace(out.resolve())
    except OSError as error:
        raise SettingsError(f"--out {out} can't be written: {error.strerror}. Name another file.") from None


def _mode(out: Path) -> int:
    """Who may read and write a file: as before, or as any new file of this user."""
    if out.exists():
        return stat.S_IMODE(out.stat().st_mode)
    umask = os.umask(0)
    os.umask(umask)
    return 0o666 & ~umask
