"""Whether the parts that Lumira depends on answer."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from lumira.errors import LumiraError

if TYPE_CHECKING:
    from lumira.storage import Store
    from lumira.stripe_gateway import StripeGateway


class Health:
    """Asks store and Stripe whether they answer, at once, and no sooner again than a second after the answer.

    Whoever asks meanwhile waits for that answer, so a part that hangs holds up no more than one question.
    How long that may take, `store` and `gateway` say by their time-outs.
    """

    def __init__(self, store: Store, gateway: StripeGateway) -> None:
        self._pings = {"store": store.ping, "stripe": gateway.ping}
        self._asking = threading.Lock()
        self._answer: Mapping[str, LumiraError | None] = {}
        self._answered_at = -math.inf

    def problems(self) -> Mapping[str, LumiraError | None]:
        """What is wrong with `store` and with `stripe`, None when it answers; never raises."""
        with self._asking:
            if time.monotonic() > self._answered_at + 1:
                with ThreadPoolExecutor(len(self._pings), thread_name_prefix="health") as pool:
                    found = pool.map(_problem, self._pings.values())
                    self._answer = dict(zip(self._pings, found, strict=True))
                self._answered_at = time.monotonic()
            return self._answer


def _problem(ping: Callable[[], object]) -> LumiraError | None:
    try:
        ping()
    except LumiraError as error:
        return error
    return None
