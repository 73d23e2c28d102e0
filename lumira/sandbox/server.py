"""The server of the sandbox, which says when it is there."""

from __future__ import annotations

import socket

import uvicorn


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
