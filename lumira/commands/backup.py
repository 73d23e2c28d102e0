"""`lumira backup` and `lumira restore`: the whole store in one file, and back."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lumira.commands.attached import COMMAND_LINE, attached_desk
from lumira.commands.wording import counted
from lumira.errors import BackupUnreadable, SettingsError


def backup(
    file: Annotated[Path, typer.Argument(help="A new file, such as lumira-2026-11-23.zip.")],
) -> None:
    """Write the whole store into one file, beside a running desk or without one.

    LUMIRA_SECRET_KEY (or secret.key under LUMIRA_HOME) is not in it: keep that elsewhere.
    """
    from lumira.storage.backup import back_up

    if file.exists():
        raise SettingsError(f"{file} is there already: name a new file.")
    # A backup of a store that has just begun would look like one.
    with attached_desk(may_begin=False) as desk:
        try:
            counts = back_up(desk.store.database, file)
        except OSError as error:
            raise SettingsError(f"{file} can't be written: {error.strerror}.") from None
    print(f"{_sum(counts)} in {file}, {file.stat().st_size / 1e6:.1f} MB.")


def restore(
    file: Annotated[Path, typer.Argument(help="A file that `lumira backup` has written.")],
) -> None:
    """Put a backup into an empty store, then work revenue out anew; it can be begun again."""
    from lumira.storage.backup import restore as restore_file

    if not file.is_file():
        raise BackupUnreadable(f"There is no file {file}. Name one that `lumira backup` has written.")
    with attached_desk(may_be_partial=True) as desk:
        try:
            counts = restore_file(desk.store.database, file)
        except OSError as error:
            raise BackupUnreadable(f"{file} can't be read: {error.strerror}.") from None
        desk.store.prepare()
        days = desk.revenue.rebuild(actor=COMMAND_LINE)
    worked_out = f"{counted(days, 'day')} of revenue worked out"
    print(f"{_sum(counts)} restored, {worked_out}. Everybody signs in anew.")


def _sum(counts: dict[str, int]) -> str:
    orders = counts.get("productorders", 0)
    others = sum(counts.values()) - orders
    return f"{counted(orders, 'order')} and {counted(others, 'other document')}"
