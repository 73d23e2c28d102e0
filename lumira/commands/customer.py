"""`lumira customer`: the personal data of one customer, for who asks for theirs or asks to be forgotten."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from lumira.commands.attached import COMMAND_LINE, attached_desk
from lumira.commands.files import written
from lumira.commands.wording import counted

customer = typer.Typer(name="customer", help="The personal data of one customer.", no_args_is_help=True)

Email = Annotated[str, typer.Argument(help="The address of the customer's orders.")]
_STRIPE: Final = "https://docs.stripe.com/privacy/deletion-requests"


@customer.command("export")
def export_customer(
    email: Email,
    out: Annotated[
        Path | None, typer.Option(help="The file, ending in .json; without it, on the output.")
    ] = None,
) -> None:
    """Write everything held about a customer as JSON, to be given to them."""
    with attached_desk() as desk:
        exported = desk.privacy.export(email, actor=COMMAND_LINE)
    text = json.dumps(exported, ensure_ascii=False, indent=2) + "\n"
    with written(out, private=True) as file:
        file.write(text.encode())
    print(_exported(exported), file=sys.stderr)
    _print_copies_at_stripe(exported["at_stripe"], "has copies of its own")


@customer.command()
def erase(
    email: Email,
    yes: Annotated[bool, typer.Option("--yes", help="Don't ask.")] = False,
) -> None:
    """Erase a customer for good; orders stay with their amounts. It can be repeated, and finishes itself."""
    with attached_desk() as desk:
        if not yes:
            print(
                f"{email} will be removed from orders, search, notes, audit entries, webhooks and saved "
                "views. Orders stay with their amounts, states and times. This can't be undone."
            )
            typer.confirm("Erase?", abort=True)
        erased = desk.privacy.erase(email, actor=COMMAND_LINE)
    if erased.is_nothing:
        print("Nothing is held about this address.")
        return
    print(
        f"{counted(erased.orders, 'order')} cleared, {counted(erased.notes, 'note')} and "
        f"{counted(erased.views, 'saved view')} removed, "
        f"{counted(erased.audit_entries, 'audit entry', 'audit entries')} and "
        f"{counted(erased.events, 'webhook')} cleared."
    )
    _print_copies_at_stripe(erased.payment_intents, "still holds the customer")


def _exported(exported: dict[str, Any]) -> str:
    counts = {name: len(rows) for name, rows in exported.items() if isinstance(rows, list)}
    return (
        f"{counted(counts['orders'], 'order')}, {counted(counts['notes'], 'note')}, "
        f"{counted(counts['audit_entries'], 'audit entry', 'audit entries')}, "
        f"{counted(counts['webhooks'], 'webhook')}, {counted(counts['saved_views'], 'saved view')} exported."
    )


def _print_copies_at_stripe(payment_intents: list[str], what: str) -> None:
    if payment_intents:
        print(f"Stripe {what} in {', '.join(payment_intents)}. Ask Stripe too: {_STRIPE}", file=sys.stderr)
