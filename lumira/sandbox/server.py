"""The server of the sandbox, which says when it is there."""

from __future__ import annotations

import socket
from typing import Any, Final

import uvicorn

# How uvicorn serves a sandbox, wherever it runs.
OPTIONS: Final[dict[str, Any]] = {
    "access_log": False,
    # The API says the date itself, by the sandbox's own clock.
    "date_header": False,
    "timeout_graceful_shutdown": 1,
    "timeout_keep_alive": 75,
}


class Server(uvicorn.Server):
    """Says where it listens once it does, and the secret of its endpoint if nobody gave one."""

    address = ""
    secret: str | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, then print the line that callers wait for."""
        await super().startup(sockets)
        if self.started:
            print(f"Lumira sandbox on {self.address}", flush=True)
            if self.secret:
                print(f"Deliveries are signed with {self.secret}", flush=True)
