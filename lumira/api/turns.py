"""Work two at a time, for as long as that is quicker than all at once."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

# While one of two waits for the store the other one runs Python.
AT_ONCE: Final = 2
# Nobody waits longer for those before, in seconds: about what twenty quick deliveries take.
PATIENCE: Final = 0.02
# The share of its time for which work runs Python, from which on it is quicker two at a time.
BUSY: Final = 1 / 4
# After so many turns in a row that were mostly waiting nobody waits for a turn any more.
_REMEMBERED: Final = 8


class Turns:
    """Turns of threads that each run a little Python between answers of a store.

    Python runs in one thread at a time. Where the store is near, its answers wake threads that wait for the
    one that runs more often than they would wait for the store. Where it is far, most of the time is waiting
    for it, in which others get on; how it is here is measured turn by turn.
    https://docs.python.org/3.11/glossary.html#term-global-interpreter-lock
    """

    def __init__(self, patience: float = PATIENCE) -> None:
        self._patience = patience
        self._turns = threading.Semaphore(AT_ONCE)
        self._shares = deque([1.0], maxlen=_REMEMBERED)

    @contextmanager
    def take(self) -> Iterator[None]:
        """Waits for the work before it, a moment at most: what takes its time keeps nobody waiting."""
        waits = max(self._shares) >= BUSY
        mine = self._turns.acquire(timeout=self._patience if waits else 0)
        began, ran = time.perf_counter(), time.thread_time()
        try:
            yield
        finally:
            if mine:
                self._shares.append((time.thread_time() - ran) / (time.perf_counter() - began))
                self._turns.release()
