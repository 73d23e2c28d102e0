"""What every command that ends has: a desk beside the running Lumira, and who acts."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from typing import TYPE_CHECKING, Final

from lumira.access import Actor, Role
from lumira.errors import SettingsError
from lumira.logs import configure
from lumira.settings import load_settings

if TYPE_CHECKING:
    from lumira.desk import Desk

# Whoever can run the command on this machine can read its secrets too.
COMMAND_LINE: Final = Actor("command line", Role.ADMIN)


@contextmanager
def attached_desk(*, may_begin: bool = True, may_be_partial: bool = False) -> Iterator[Desk]:
    """A prepared desk for a command that ends, beside a running Lumira or alone.

    Where there is no store yet, a new one begins; unless it `may_begin`, that raises SettingsError. So does a
    store that a restore has filled in part, unless it `may_be_partial`.
    """
    from lumira.desk import Desk
    from lumira.embedded import attached, has_store

    configured = load_settings()
    begins = not has_store(configured)
    if begins and not may_begin:
        raise SettingsError(
            f"There is no store under {configured.home.resolve()}. Set LUMIRA_HOME or MONGODB_URI to yours."
        )
    with attached(configured) as settings:
        if begins:
            # Whoever has forgotten LUMIRA_HOME would look for it on their desk in vain.
            print(f"A new store begins under {configured.home.resolve()}.", file=sys.stderr)
        # Whoever runs a command reads what it prints.
        quiet = settings.model_copy(update={"log_level": "warning"})
        configure(settings if "log_level" in settings.model_fields_set else quiet)
        desk = Desk.open(settings)
        try:
            if not may_be_partial:
                desk.store.check_whole()
            desk.store.prepare()
            yield desk
        finally:
            desk.store.close()


def parse_day(text: str | None) -> date | None:
    """The day of an option, None for none. Raises SettingsError for what is no day."""
    try:
        return date.fromisoformat(text) if text else None
    except ValueError:
        raise SettingsError(f"{text} is no day: say it as 2026-11-01.") from None
