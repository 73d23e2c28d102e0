"""`lumira staff`: who may sign in, and as what."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from lumira.access import Role
from lumira.commands.attached import COMMAND_LINE, attached_desk
from lumira.commands.wording import counted
from lumira.errors import SettingsError

staff = typer.Typer(name="staff", help="The accounts of staff.", no_args_is_help=True)

_Email = Annotated[str, typer.Argument(help="The member's e-mail address.")]


@staff.command()
def add(
    email: _Email,
    role: Annotated[Role, typer.Option(help="What they may do.")] = Role.STAFF,
    name: Annotated[str, typer.Option(help="What they are called.")] = "",
    password_stdin: Annotated[
        bool, typer.Option("--password-stdin", help="Read the password from the input, not by asking.")
    ] = False,
    one_time: Annotated[
        bool, typer.Option("--one-time", help="Print a password that they change when they sign in.")
    ] = False,
    openid: Annotated[bool, typer.Option("--openid", help="No password: they sign in by OpenID.")] = False,
) -> None:
    """Make an account; the first one should be an administrator's."""
    if password_stdin + one_time + openid > 1:
        raise SettingsError("Take one of --password-stdin, --one-time and --openid.")
    password = None
    if password_stdin:
        password = sys.stdin.readline().rstrip("\r\n")
    elif not one_time and not openid:
        password = typer.prompt("Password", hide_input=True, confirmation_prompt=True)
    with attached_desk() as desk:
        if one_time:
            _, shown = desk.staff.add_with_one_time_password(email, role, name=name, actor=COMMAND_LINE)
            print(
                "Give it to its owner: it is stored nowhere, and changed at the first sign-in.",
                file=sys.stderr,
            )
            print(shown)
            return
        member = desk.staff.add(email, role, name=name, password=password, actor=COMMAND_LINE)
    print(f"{member.email} may sign in as {member.role}.")


@staff.command("list")
def list_staff() -> None:
    """List every account, disabled ones too; times are UTC."""
    from rich.console import Console
    from rich.table import Column, Table

    # What is cut off can't be copied.
    whole = [
        Column(header, no_wrap=True)
        for header in ("e-mail", "role", "code", "last sign-in", "sessions", "disabled")
    ]
    table = Table(*whole, "name", box=None, padding=(0, 2, 0, 0))
    with attached_desk() as desk:
        for member in desk.staff.all(actor=COMMAND_LINE):
            signed_in, disabled = (
                f"{instant:%Y-%m-%d}" if instant else "–"
                for instant in (member.last_sign_in_at, member.disabled_at)
            )
            sessions = len(desk.sessions.of(member.email, actor=COMMAND_LINE))
            code = "yes" if member.has_totp else "no"
            table.add_row(
                member.email, str(member.role), code, signed_in, str(sessions), disabled, member.name
            )
    Console().print(table)


@staff.command()
def role(email: _Email, role: Annotated[Role, typer.Argument(help="What they may do.")]) -> None:
    """Give a member another role, within fifteen seconds everywhere."""
    with attached_desk() as desk:
        desk.staff.set_role(email, role, actor=COMMAND_LINE)
    print(f"{email} is {role}: within fifteen seconds everywhere.")


@staff.command()
def disable(email: _Email) -> None:
    """Shut an account; its sessions end within fifteen seconds."""
    with attached_desk() as desk:
        desk.staff.disable(email, actor=COMMAND_LINE)
    print(f"{email} can't sign in any more.")


@staff.command()
def enable(email: _Email) -> None:
    """Open a shut account again."""
    with attached_desk() as desk:
        desk.staff.enable(email, actor=COMMAND_LINE)
    print(f"{email} may sign in again.")


@staff.command()
def reset(email: _Email) -> None:
    """Print a new password that its owner changes at the next sign-in; forget their authenticator."""
    with attached_desk() as desk:
        password = desk.staff.reset(email, actor=COMMAND_LINE)
    print("Give it to its owner: it is kept nowhere. Sessions end within fifteen seconds.", file=sys.stderr)
    print(password)


@staff.command()
def sessions(email: _Email) -> None:
    """List where a member is signed in; times are UTC."""
    from rich.console import Console
    from rich.table import Table

    table = Table("since", "last seen", "until", "address", "browser")
    with attached_desk() as desk:
        for session in desk.sessions.of(email, actor=COMMAND_LINE):
            instants = (session.created_at, session.last_seen_at, session.expires_at)
            table.add_row(
                *(f"{instant:%Y-%m-%d %H:%M}" for instant in instants), session.address, session.device[:60]
            )
    Console().print(table)


@staff.command("sign-out")
def sign_out(email: _Email) -> None:
    """End every session of a member, within fifteen seconds."""
    with attached_desk() as desk:
        ended = desk.sessions.sign_out_everywhere(email, actor=COMMAND_LINE)
    print(f"{counted(ended, 'session')} ended: within fifteen seconds everywhere.")
