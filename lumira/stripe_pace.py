"""How much is asked of Stripe: its lists page by page, no faster than it allows, later when it asks for that.

https://docs.stripe.com/rate-limits
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, TypeVar

from lumira.errors import StripeRateLimited

# Stripe allows 100 a second in live mode and 25 in a sandbox: the rest is for customers.
_REQUESTS_PER_SECOND: Final = 20
# Half a minute, in seconds: for what nobody sits in front of.
_PAUSES: Final = (1, 2, 4, 8, 16)
# Seconds, where somebody looks on.
SHORT_PAUSES: Final = (0.5, 1.0, 2.0)

Answer = TypeVar("Answer")


class Pace:
    """Keeps apart the requests of one piece of work that asks Stripe for much, by however many threads.

    `pauses`, in seconds, are what it waits each time that Stripe says to slow down.
    """

    def __init__(
        self, sleep: Callable[[float], None] = time.sleep, pauses: Sequence[float] = _PAUSES
    ) -> None:
        self._sleep = sleep
        self._pauses = pauses
        self._turn = threading.Lock()
        self._asked_at = 0.0

    def ask(self, question: Callable[..., Answer], *arguments: Any, **named: Any) -> Answer:
        """What the question answers, asked again, later and later, while Stripe says to slow down.

        Raises what the question raises; StripeRateLimited only after the last pause.
        """
        for pause in self._pauses:
            self._wait_for_turn()
            try:
                return question(*arguments, **named)
            except StripeRateLimited:
                self._sleep(pause)
        self._wait_for_turn()
        return question(*arguments, **named)

    def _wait_for_turn(self) -> None:
        with self._turn:
            wait = self._asked_at + 1 / _REQUESTS_PER_SECOND - time.monotonic()
            if wait > 0:
                self._sleep(wait)
            self._asked_at = time.monotonic()


def every_page(
    page_behind: Callable[[str | None], tuple[list[dict[str, Any]], bool]],
) -> Iterator[list[dict[str, Any]]]:
    """Every page of one of Stripe's lists, each asked for when it is wanted.

    `page_behind` answers the page behind the object of an id, the first one for None, and whether there are
    more. https://docs.stripe.com/api/pagination
    """
    page, more = page_behind(None)
    yield page
    while more:
        page, more = page_behind(page[-1]["id"])
        yield page
