"""What a serving desk does by itself: indexes, lists, audit, revenue, fees, payouts, orders, ledger."""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable
from typing import Final

from lumira import logs, traces
from lumira.access import Actor, Role
from lumira.desk import Desk
from lumira.errors import LumiraError

logger: Final = logging.getLogger("lumira")

RETRY_SECONDS: Final = 2
# The longest that listing the orders of another program keeps everything else waiting, and so does completing
# the audit entries of an earlier version.
LISTING_SECONDS: Final = 5
SETTLE_SECONDS: Final = 300
PRUNE_SECONDS: Final = 86_400
# Pages bring revenue up to date themselves; this takes what they leave, and looks a little at all days.
REVENUE_SECONDS: Final = 10
RECHECK_SECONDS: Final = 0.2
FEES_SECONDS: Final = 2
# Who does what Lumira does on its own.
LUMIRA: Final = Actor("lumira", Role.ADMIN)


def look_after(desk: Desk, stopped: threading.Event) -> None:
    """Looks after store and orders until `stopped`.

    Indexes at once; listings, audit log, revenue and fees every ten seconds (fees rest for minutes once all
    are read); failed payouts, open orders, refunds and disputes every five minutes; the ledger and ended
    sessions daily. A store or a Stripe that is down is tried again: it is no reason not to start.
    """
    prepare(desk, stopped)

    def done(work: Callable[[], object]) -> bool:
        # A store that is down keeps each of them waiting; whoever stops us waits for one at most.
        return not stopped.is_set() and _done(work)

    settled, pruned = time.monotonic(), -math.inf
    while not stopped.is_set():
        done(lambda: desk.order_list.list_all(LISTING_SECONDS))
        done(lambda: desk.audit.complete(LISTING_SECONDS))
        if done(desk.revenue.refresh):
            done(lambda: desk.revenue.recheck(RECHECK_SECONDS))
        if desk.gateway.is_configured:
            done(lambda: desk.fees.follow(FEES_SECONDS))
            done(desk.payouts.follow)
        stopped.wait(REVENUE_SECONDS)
        if time.monotonic() < settled + SETTLE_SECONDS:
            continue
        settled = time.monotonic()
        if desk.gateway.is_configured:
            done(lambda: desk.reconciliation.settle_open_orders(actor=LUMIRA))
            done(lambda: desk.reconciliation.settle_money_back(actor=LUMIRA))
        if time.monotonic() > pruned + PRUNE_SECONDS and done(lambda: _prune(desk)):
            pruned = time.monotonic()


def _prune(desk: Desk) -> None:
    """Removes what is kept for a time only."""
    desk.webhooks.prune(actor=LUMIRA)
    desk.sessions.prune()


def prepare(desk: Desk, stopped: threading.Event) -> None:
    """Creates the indexes as soon as the store answers."""
    while not stopped.is_set() and not _done(desk.store.prepare):
        stopped.wait(RETRY_SECONDS)


def _done(work: Callable[[], object]) -> bool:
    """Whether the work could be done; what can't be done now is tried again later."""
    try:
        with logs.bound(work="background"), traces.work("background"):
            work()
    except LumiraError as error:
        logger.warning("background work postponed", extra={"code": error.code, "reason": error.message})
        return False
    except Exception:
        logger.exception("background work failed")
        return False
    return True
