"""A visitor of the dashboard without a browser: Streamlit's websocket protocol, spoken from Python.

    with Visitor("http://127.0.0.1:8501") as visitor:
        seconds = visitor.open("orders", "status=failed")   # the page's first run of this visitor
        seconds = visitor.rerun()                           # the same page once more

Each call waits until the page's script has finished and says how long that took, sending and receiving
included. What the page showed is in `visitor.messages`.
"""

from __future__ import annotations

import secrets
import time
from types import TracebackType
from typing import Self

from starlette.responses import Response
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.sync.client import connect

from lumira.access import Actor, Role
from lumira.desk import Desk
from lumira.session_cookie import set_session


def cookie_of(desk: Desk) -> str:
    """The Cookie header of an administrator of its own, signed in at this desk's store."""
    email = f"{secrets.token_hex(4)}@example.com"
    desk.staff.add(email, Role.ADMIN, actor=Actor("benchmark", Role.ADMIN))
    token = desk.sessions.sign_in_by_identity(email, address="127.0.0.1", device="benchmark").token
    response = Response()
    set_session(response, token, desk.signing_key(), secure=False, seconds=3600)
    return response.headers["set-cookie"].partition(";")[0]


class PageFailed(Exception):
    """The page's script showed an exception or did not end."""


class Visitor:
    """One session of the dashboard. `language` is what its browser would ask for."""

    def __init__(self, url: str, *, language: str = "fr-FR", cookie: str | None = None) -> None:
        address = url.rstrip("/").replace("http", "ws", 1) + "/_stcore/stream"
        headers = {"Cookie": cookie} if cookie else {}
        self._connection = connect(
            address,
            subprotocols=["streamlit"],  # type: ignore[list-item]
            additional_headers=headers,
            max_size=None,
            compression=None,
        )
        self._language = language
        self._url = url.rstrip("/")
        self._page = ""
        self._query = ""
        self.messages: list[ForwardMsg] = []

    def __enter__(self) -> Self:
        self._socket = self._connection.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connection.__exit__(kind, error, trace)

    def open(self, page: str, query: str = "") -> float:
        """Opens a page by its address (`orders`) with a query string; the seconds until it was there."""
        self._page, self._query = page, query
        return self.rerun()

    def rerun(self) -> float:
        """Runs the open page's script once more; the seconds until it was there."""
        message = BackMsg()
        state = message.rerun_script
        state.query_string = self._query
        # The server knows a page by its name only as long as it has no hash of it.
        state.page_name = self._page
        state.context_info.locale = self._language
        state.context_info.timezone = "Europe/Paris"
        state.context_info.url = f"{self._url}/{self._page}"
        start = time.perf_counter()
        self._socket.send(message.SerializeToString())
        self._receive()
        return time.perf_counter() - start

    def _receive(self) -> None:
        """Collects what the page shows until its script has finished."""
        self.messages = []
        while True:
            message = ForwardMsg()
            message.ParseFromString(self._socket.recv(timeout=60))
            self.messages.append(message)
            if message.WhichOneof("type") == "delta" and message.delta.new_element.HasField("exception"):
                raise PageFailed(message.delta.new_element.exception.message)
            if message.WhichOneof("type") == "page_not_found":
                raise PageFailed(f"there is no page {self._page}")
            if (
                message.WhichOneof("type") == "script_finished"
                and message.script_finished != ForwardMsg.FINISHED_EARLY_FOR_RERUN
            ):
                return
