"""Imports run one way, stripe and pymongo each have one door, and pages only lay out."""

import subprocess
import sys


def test_the_import_contracts_hold() -> None:
    # In a process of its own: it takes the log of the one it runs in from every logger there is.
    command = [
        sys.executable,
        "-c",
        "from importlinter.cli import lint_imports; raise SystemExit(lint_imports())",
    ]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
