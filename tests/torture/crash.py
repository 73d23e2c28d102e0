"""One step of the desk in a process of its own that kills itself, by SIGKILL, at a chosen point.

The collaborators of the rules are handed in through their constructors, each behind a proxy that counts the
calls to store and Stripe: nothing is patched.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import ModuleType
from typing import Any, Final

# Read here, and not anew in each of the processes: it is what takes a first gateway a tenth of a second.
from stripe import StripeClient  # noqa: F401

from lumira.access import Actor, Role
from lumira.desk import Desk
from lumira.intents import Intents
from lumira.reconcile import Reconciliation
from lumira.refund_requests import RefundRequests
from lumira.settings import Settings
from lumira.storage import AuditLog, Events, Orders, Reconciliations, RefusedSignatures
from lumira.stripe_gateway import verified_event
from lumira.webhooks import Webhooks
from tests.conftest import WEBHOOK_SECRET

ACTOR: Final = Actor("ada", Role.ADMIN)
# A process that imports us once, opens nothing, and forks the others.
_processes = multiprocessing.get_context("forkserver")
_processes.set_forkserver_preload(["tests.torture.crash"])


@dataclass
class Steps:
    """Counts the calls that leave the process and ends it before the chosen one, or after it."""

    at: int
    after: bool
    taken: int = 0

    def take(self, call: Any, *arguments: Any, **options: Any) -> Any:
        self.taken += 1
        here = self.taken == self.at
        if here and not self.after:
            os.kill(os.getpid(), signal.SIGKILL)
        answer = call(*arguments, **options)
        if here:
            os.kill(os.getpid(), signal.SIGKILL)
        return answer


class Watched:
    """A gateway, or a database with its collections: every call is a step."""

    def __init__(self, watched: Any, steps: Steps) -> None:
        self._watched = watched
        self._steps = steps

    def __getitem__(self, name: str) -> Watched:
        return Watched(self._watched[name], self._steps)

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._watched, name)
        if not callable(found):
            return found
        return lambda *arguments, **options: self._steps.take(found, *arguments, **options)


def _run(settings: Settings, step: str, arguments: dict[str, Any], at: int, after: bool) -> None:
    """The process: does the step with collaborators that watch for the point."""
    steps = Steps(at, after)
    desk = Desk.open(settings)
    database: Any = Watched(desk.store.database, steps)
    gateway: Any = Watched(desk.gateway, steps)
    orders, events, audit = Orders(database), Events(database), AuditLog(database)
    match step:
        case "deliver":
            refused = RefusedSignatures(database, livemode=False)
            webhooks = Webhooks(
                events, orders, gateway, audit, refused, secret=WEBHOOK_SECRET, verify=verified_event
            )
            webhooks.receive(**arguments)
        case "reconcile":
            reconciliation = Reconciliation(
                orders, gateway, audit, Reconciliations(database), sleep=lambda _seconds: None
            )
            reconciliation.run(**arguments, actor=ACTOR, apply=True)
        case _:
            return_url = f"http://{settings.host}:{settings.port}/"
            intents = Intents(orders, gateway, audit, return_url=return_url)
            refunds = RefundRequests(orders, intents, gateway, audit)
            asked = refunds.create if step == "refund" else getattr(intents, step)
            asked(**arguments, actor=ACTOR)


@contextmanager
def without_main() -> Iterator[None]:
    """A started process runs its parent's __main__ again, which after AppTest is the dashboard: for each of
    the hundred processes more than a second.
    """
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


def crashed(
    settings: Settings, step: str, arguments: dict[str, Any], at: int, *, after: bool = False
) -> bool:
    """Does the step until the call number `at`: True when it was killed there, False when it got through."""
    process = _processes.Process(target=_run, args=(settings, step, arguments, at, after))
    with without_main():
        process.start()
    process.join()
    code = process.exitcode
    process.close()
    assert code in (0, -signal.SIGKILL), f"{step} ended with {code}"
    return code != 0
