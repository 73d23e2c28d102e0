"""What every rate limit counts with: who one caller is, and the calls of the last while, kept in memory."""

from __future__ import annotations

import bisect
import functools
import time
from ipaddress import IPv4Address, IPv6Address, ip_network
from typing import ClassVar

from limits.storage import MemoryStorage


class RecentCalls(MemoryStorage):
    """The library's storage in memory, changed so that every few seconds a call to it forgets what expired.

    The library itself starts a thread for that with almost every call, which can keep an event loop waiting
    for milliseconds, and it keeps the names of all callers for ever. Not made for several threads.
    """

    seconds_between: ClassVar = 5.0
    _tidied = 0.0

    def _MemoryStorage__schedule_expiry(self) -> None:  # noqa: N802 - the library's own name
        now = time.time()
        if now < self._tidied + self.seconds_between:
            return
        self._tidied = now
        for key, entries in list(self.events.items()):
            # The newest stands first.
            del entries[bisect.bisect_left(entries, -now, key=lambda entry: -entry.expiry) :]
            if not entries:
                del self.events[key]
                self.locks.pop(key, None)


@functools.lru_cache(1024)
def limited_network(address: IPv4Address | IPv6Address) -> str:
    """What counts as one caller: an IPv4 address, or the /64 that one IPv6 customer has to choose from."""
    return str(ip_network((address, 64 if address.version == 6 else 32), strict=False))
