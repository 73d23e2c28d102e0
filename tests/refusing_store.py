"""A store whose user may not do everything: the tests' own, with a gate before it that refuses commands.

Speaks MongoDB's wire protocol as far as that: https://www.mongodb.com/docs/manual/reference/mongodb-wire-protocol/
"""

import socketserver
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from socket import create_connection, socket

import bson

_HEADER = struct.Struct("<iiii")
_OP_MSG = 2013
# Behind the header come the flags, and the kind of the first section.
_BEFORE_COMMAND = 5


@contextmanager
def refusing(port: int, *commands: str) -> Iterator[str]:
    """The URI of the store on this port for a user who lacks the right to these commands."""

    class Gate(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            with create_connection(("127.0.0.1", port)) as store, suppress(OSError, EOFError):
                threading.Thread(target=_pass_on, args=(store, self.request), daemon=True).start()
                while True:
                    header = _read(self.request, _HEADER.size)
                    length, number, _, operation = _HEADER.unpack(header)
                    body = _read(self.request, length - _HEADER.size)
                    command = _command(body) if operation == _OP_MSG else ""
                    if command in commands:
                        self.request.sendall(_refusal(number, command))
                    else:
                        store.sendall(header + body)

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Gate) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"mongodb://127.0.0.1:{server.server_address[1]}/?directConnection=true"
        server.shutdown()


def _command(body: bytes) -> str:
    size = struct.unpack_from("<i", body, _BEFORE_COMMAND)[0]
    return str(next(iter(bson.decode(body[_BEFORE_COMMAND : _BEFORE_COMMAND + size]))))


def _refusal(number: int, command: str) -> bytes:
    said = {"ok": 0.0, "code": 13, "codeName": "Unauthorized", "errmsg": f"not authorized to {command}"}
    body = struct.pack("<iB", 0, 0) + bson.encode(said)
    return _HEADER.pack(_HEADER.size + len(body), 0, number, _OP_MSG) + body


def _read(connection: socket, size: int) -> bytes:
    found = b""
    while len(found) < size:
        if not (more := connection.recv(size - len(found))):
            raise EOFError
        found += more
    return found


def _pass_on(store: socket, client: socket) -> None:
    with suppress(OSError):
        while more := store.recv(65_536):
            client.sendall(more)
