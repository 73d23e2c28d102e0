"""Lumira as a process of its own: started as a user starts it, waited for, stopped."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from lumira.child_process import free_port
from tests import web
from tests.conftest import API_TOKEN, wait_until

ROOT = Path(__file__).parents[1]


@dataclass(frozen=True)
class Running:
    """A server that answers: its address, its process, and the file both its streams go to."""

    url: str
    process: subprocess.Popen[bytes]
    log: Path

    def stop(self) -> str:
        """Stops it with SIGTERM, waits until it is gone, and answers what it has said."""
        self.process.terminate()
        self.process.wait(timeout=40)
        return self.log.read_text()


@contextmanager
def running(
    home: Path,
    command: str = "-m lumira run",
    *,
    port: int = 0,
    answering: str = "/api/ready",
    environment: dict[str, str] | None = None,
) -> Iterator[Running]:
    """A server with this home, once it answers `answering` with 200; stopped in the end.

    `command` is what Python is told; `{port}` in it is the port, any free one for 0. `environment` comes
    on top of ours, the API token and LUMIRA_PORT.
    """
    port = port or free_port()
    log = home.with_name(f"{home.name}.log")
    with log.open("wb") as stream:
        process = subprocess.Popen(
            [sys.executable, *command.format(port=port).split()],
            cwd=ROOT,
            env=variables(LUMIRA_HOME=str(home), **{"LUMIRA_PORT": str(port), **(environment or {})}),
            stdout=stream,
            stderr=subprocess.STDOUT,
        )
    server = Running(f"http://127.0.0.1:{port}", process, log)
    try:
        wait_until(lambda: process.poll() is not None or answers(server.url + answering), 120, log.read_text)
        assert process.poll() is None, log.read_text()
        yield server
    finally:
        if process.poll() is None:
            server.stop()


def variables(**more: str) -> dict[str, str]:
    """Our environment with the API token, and `more`."""
    return {**os.environ, "LUMIRA_API_TOKEN": API_TOKEN, **more}


def answers(url: str) -> bool:
    """Whether the address is answered 200."""
    try:
        # As patient as a machine that has much to do.
        return web.get(url, timeout=60).status_code == 200
    except httpx.HTTPError:
        return False
