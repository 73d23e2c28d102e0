"""Whether the parts that Lumira depends on answer."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from lumira.errors import LumiraError

if TYPE_CHECKING:
    from lumira.storage import Store
    from lumira.stripe_gateway import StripeGateway


class Health:
    """Asks store and Stripe whether they answer, each at most once a second however often it is asked."""

    def __init__(self, store: Store, gateway: StripeGateway) -> None:
        self._pings = {"store": store.ping, "stripe": gateway.ping}
        self._within_a_second = functools.lru_cache(maxsize=1)(self._ask)

    def problems(self) -> Mapping[str, LumiraError | None]:
        """What is wrong with `store` and with `stripe`, None when it answers; never raises."""
        return self._within_a_second(int(time.monotonic()))

    def _ask(self, _second: int) -> Mapping[str, LumiraError | None]:
        return {name: _problem(ping) for name, ping in self._pings.items()}


def _problem(ping: Callable[[], object]) -> LumiraError | None:
    try:
        ping()
    except LumiraError as error:
        return error
    return None
