"""`lumira token`: the tokens of API callers."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from lumira.access import Role
from lumira.commands.attached import COMMAND_LINE, attached_desk

token = typer.Typer(name="token", help="The tokens of API callers.", no_args_is_help=True)


@token.command()
def create(
    name: Annotated[str, typer.Argument(help="Who will use it; stands in timelines.")],
    role: Annotated[Role, typer.Option(help="What it may do.")] = Role.SUPPORT,
) -> None:
    """Create a token and print it, this once."""
    with attached_desk() as desk:
        text = desk.tokens.create(name, role, actor=COMMAND_LINE)
    print("Keep it: only its hash is stored.", file=sys.stderr)
    print(text)


@token.command("list")
def list_tokens() -> None:
    """List every token, revoked ones too; times are UTC."""
    from rich.console import Console
    from rich.table import Table

    table = Table("name", "role", "created", "by", "last used", "revoked")
    with attached_desk() as desk:
        for known in desk.tokens.all(actor=COMMAND_LINE):
            created, used, revoked = (
                f"{instant:%Y-%m-%d %H:%M}" if instant else "–"
                for instant in (known.created_at, known.last_used_at, known.revoked_at)
            )
            table.add_row(known.name, str(known.role), created, known.created_by, used, revoked)
    Console().print(table)


@token.command()
def revoke(name: Annotated[str, typer.Argument(help="The token's name.")]) -> None:
    """Revoke a token; its next request is refused."""
    with attached_desk() as desk:
        desk.tokens.revoke(name, actor=COMMAND_LINE)
    print(f"{name} is revoked.")
