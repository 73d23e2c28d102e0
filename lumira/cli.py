"""The `lumira` command: its parts, one module each in `commands`, and how an error ends it."""

from __future__ import annotations

import os
import signal
import sys
from typing import NoReturn

import typer

from lumira.commands.backup import backup, restore
from lumira.commands.customer import customer
from lumira.commands.doctor import doctor
from lumira.commands.export import export
from lumira.commands.order_import import import_orders
from lumira.commands.reconcile import reconcile
from lumira.commands.revenue import revenue
from lumira.commands.seed import seed
from lumira.commands.serve import api, end_once, run
from lumira.commands.staff import staff
from lumira.commands.token import token
from lumira.commands.webhooks import webhooks
from lumira.errors import LumiraError, StoreUnavailable
from lumira.sandbox.command import sandbox

app = typer.Typer(
    name="lumira",
    help="The payment desk of Oracle Lumira.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
app.command()(run)
app.command()(api)
app.command()(sandbox)
app.command()(seed)
app.command()(doctor)
app.command()(reconcile)
app.command()(backup)
app.command()(restore)
app.command("import")(import_orders)
app.add_typer(webhooks)
app.add_typer(revenue)
app.add_typer(export)
app.add_typer(customer)
app.add_typer(token)
app.add_typer(staff)


@app.callback()
def _commands() -> None:
    """The payment desk of Oracle Lumira."""


def main() -> None:
    """Runs the command; an error of ours is one line on stderr and exit code 1."""
    _end_with_what_we_started()
    try:
        app()
    except StoreUnavailable as error:
        print(f"lumira: {error.message} `lumira doctor` names the store that it asks.", file=sys.stderr)
        raise SystemExit(1) from None
    except LumiraError as error:
        print(f"lumira: {error.message}", file=sys.stderr)
        raise SystemExit(1) from None


def _end_with_what_we_started() -> None:
    """Has a signal that ends us end the embedded store too, and remove what is half written."""
    signal.signal(signal.SIGTERM, _stop)
    signal.signal(signal.SIGINT, _interrupt)
    # A terminal that is closed; nohup has set it to be ignored.
    if signal.getsignal(signal.SIGHUP) is signal.SIG_DFL:
        signal.signal(signal.SIGHUP, lambda *_: os.kill(os.getpid(), signal.SIGTERM))


def _stop(number: int, _frame: object) -> NoReturn:
    end_once()
    raise SystemExit(128 + number)


def _interrupt(_number: int, _frame: object) -> NoReturn:
    end_once()
    raise KeyboardInterrupt
