"""Whether the parts that Lumira depends on answer."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeAlias

from lumira.errors import LumiraError

if TYPE_CHECKING:
    from lumira.storage import Store
    from lumira.stripe_gateway import StripeGateway


# What is wrong with each part, None where it answers.
Problems: TypeAlias = Mapping[str, LumiraError | None]


class Health:
    """Asks store and Stripe whether they answer, at once, and no sooner again than a second after the answer.

    Whoever asks meanwhile waits for that answer, so a part that hangs holds up no more than one question.
    How long that may take, `store` and `gateway` say by their time-outs.
    """

    def __init__(self, store: Store, gateway: StripeGateway) -> None:
        self._pings = {"store": store.ping, "stripe": gateway.ping}
        self._lock = threading.Lock()
        self._question: Future[Problems] | None = None
        self._answer: Problems | None = None
        self._answered_at = -math.inf

    def problems(self, patience: float | None = None) -> Problems:
        """What is wrong with `store` and with `stripe`, None when it answers.

        Whoever has `patience`, in seconds, is then told what was known before, where anything was.
        """
        with self._lock:
            if self._question is None and time.monotonic() > self._answered_at + 1:
                self._question = Future()
                # Not to be waited for by a desk that ends.
                threading.Thread(target=self._ask, args=(self._question,), name="health", daemon=True).start()
            question, known = self._question, self._answer
        if question is None:
            # Only an answer ends a question.
            return known or {}
        try:
            return question.result(patience if known else None)
        except TimeoutError:
            return known or {}

    def _ask(self, question: Future[Problems]) -> None:
        try:
            with ThreadPoolExecutor(len(self._pings), thread_name_prefix="health") as pool:
                found = dict(zip(self._pings, pool.map(_problem, self._pings.values()), strict=True))
        except Exception as error:
            # Nobody foresaw it: whoever asked hears of it, and who asks next asks anew.
            with self._lock:
                self._question = None
            question.set_exception(error)
            return
        with self._lock:
            self._answer, self._answered_at, self._question = found, time.monotonic(), None
        question.set_result(found)


def _problem(ping: Callable[[], object]) -> LumiraError | None:
    try:
        ping()
    except LumiraError as error:
        return error
    return None
