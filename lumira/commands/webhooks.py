"""`lumira webhooks`: the ledger of events."""

from __future__ import annotations

from typing import Annotated

import typer

from lumira.commands.attached import COMMAND_LINE, attached_desk
from lumira.commands.wording import counted

webhooks = typer.Typer(name="webhooks", help="The ledger of webhook events.", no_args_is_help=True)


@webhooks.command()
def retry(
    event_id: Annotated[str | None, typer.Argument(help="One event; without it, every failed one.")] = None,
) -> None:
    """Handle failed events again; exit code 1 when one still fails."""
    with attached_desk() as desk:
        if event_id is not None:
            print(f"{event_id}: {desk.webhooks.retry(event_id, actor=COMMAND_LINE)}")
            return
        for retried, outcome in desk.webhooks.retry_failed(actor=COMMAND_LINE):
            print(f"{retried}: {outcome}")
        left = len(desk.events.failed())
    print(f"{counted(left, 'failed event')} left.")
    if left:
        raise typer.Exit(1)


@webhooks.command()
def prune() -> None:
    """Remove events processed more than 90 days ago; failed ones stay. `lumira run` does it daily."""
    with attached_desk() as desk:
        print(f"{counted(desk.webhooks.prune(actor=COMMAND_LINE), 'event')} removed.")
