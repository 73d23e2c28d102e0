"""A gate on the way to the tests' own store, which does to single commands what a replica set can do to them.

Speaks MongoDB's wire protocol as far as that: https://www.mongodb.com/docs/manual/reference/mongodb-wire-protocol/
"""

import socketserver
import struct
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from enum import Enum
from socket import create_connection, socket

import bson

_HEADER = struct.Struct("<iiii")
_OP_MSG = 2013
# Behind the header come the flags, and the kind of the first section.
_BEFORE_COMMAND = 5
_MORE_TO_COME = 2


class Fate(Enum):
    """What becomes of a command, with the code of the answer where the gate gives it.

    https://www.mongodb.com/docs/manual/reference/error-codes/
    """

    PASSES = None
    # The embedded store could not write, and does nothing more; its name is how it says so.
    WT_PANIC = 1
    # Whoever asks has no right to it.
    REFUSED = 13
    # Nobody of that name has this password.
    UNKNOWN = 18
    # Atlas has no more room for whoever asks.
    OVER_QUOTA = 8000
    # It is done, and the connection breaks before the answer.
    UNHEARD = 0
    # The primary has stepped down before it was done.
    NOT_PRIMARY = 10107
    # The primary steps down when it is done, and says no more than that.
    STEPPED_DOWN = 11602


@contextmanager
def gate(port: int, fate: Callable[[str], Fate]) -> Iterator[str]:
    """The URI of the store on this port, where `fate` is asked of each command by its name.

    The driver asks how the store is when it needs to know: of an election a replica set tells by itself.
    """

    class Gate(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            with create_connection(("127.0.0.1", port)) as store, suppress(OSError, EOFError):
                while _answered(self.request, store, fate):
                    pass

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Gate) as server:
        server.daemon_threads = True
        # Often: how long its end takes, too.
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield f"mongodb://127.0.0.1:{server.server_address[1]}/?directConnection=true&serverMonitoringMode=poll"
        server.shutdown()


def refusing(port: int, *commands: str) -> AbstractContextManager[str]:
    """As `gate`, for a user who lacks the right to these commands."""
    return fated(port, dict.fromkeys(commands, Fate.REFUSED))


def fated(port: int, fates: Mapping[str, Fate]) -> AbstractContextManager[str]:
    """As `gate`, with a fate for commands of these names; what is not named passes."""
    return gate(port, lambda command: fates.get(command, Fate.PASSES))


def once(name: str, fate: Fate) -> Callable[[str], Fate]:
    """What `gate` asks: this fate for the first command of this name, and for no other."""
    left = [name]

    def asked(command: str) -> Fate:
        if command not in left:
            return Fate.PASSES
        left.clear()
        return fate

    return asked


def _answered(client: socket, store: socket, fate: Callable[[str], Fate]) -> bool:
    """Takes one request and gives its answer; False when the connection is to end."""
    header = _read(client, _HEADER.size)
    length, number, _, operation = _HEADER.unpack(header)
    body = _read(client, length - _HEADER.size)
    meant = fate(_command(body)) if operation == _OP_MSG else Fate.PASSES
    if meant in (Fate.WT_PANIC, Fate.REFUSED, Fate.UNKNOWN, Fate.OVER_QUOTA, Fate.NOT_PRIMARY):
        client.sendall(_error(number, meant))
        return True
    store.sendall(header + body)
    more = True
    while more:
        header = _read(store, _HEADER.size)
        answer = _read(store, _HEADER.unpack(header)[0] - _HEADER.size)
        # A monitor is told again and again without asking.
        more = _HEADER.unpack(header)[3] == _OP_MSG and bool(answer[0] & _MORE_TO_COME)
        if meant is Fate.PASSES:
            client.sendall(header + answer)
    if meant is Fate.STEPPED_DOWN:
        client.sendall(_error(number, meant))
    return meant is not Fate.UNHEARD


def _command(body: bytes) -> str:
    size = struct.unpack_from("<i", body, _BEFORE_COMMAND)[0]
    return str(next(iter(bson.decode(body[_BEFORE_COMMAND : _BEFORE_COMMAND + size]))))


def _error(number: int, fate: Fate) -> bytes:
    # With this label a server says that the driver may repeat the very same write.
    labels = ["RetryableWriteError"] if fate in (Fate.NOT_PRIMARY, Fate.STEPPED_DOWN) else []
    said = {"ok": 0.0, "code": fate.value, "errmsg": f"the gate: {fate.name}", "errorLabels": labels}
    body = struct.pack("<iB", 0, 0) + bson.encode(said)
    return _HEADER.pack(_HEADER.size + len(body), 0, number, _OP_MSG) + body


def _read(connection: socket, size: int) -> bytes:
    found = b""
    while len(found) < size:
        if not (more := connection.recv(size - len(found))):
            raise EOFError
        found += more
    return found
