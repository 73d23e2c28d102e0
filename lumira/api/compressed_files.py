"""Streamlit's programs and styles, compressed: a first page is a third of what it would be on the way.

Streamlit sends its files as they are, because it would compress each anew for every reader. Their names
change with what is in them, so each is compressed once here, and kept.
"""

from __future__ import annotations

import gzip
from typing import Final

import anyio.to_thread
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_FOLDER: Final = "/static/"
_COMPRESSED: Final = (".js", ".css")
# Who asks for a part of a file, or whether it is still the same, is answered by Streamlit.
_PARTLY: Final = ("range", "if-none-match", "if-modified-since")


class CompressedFiles:
    """Answers Streamlit's files by gzip where the browser takes that."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._kept: dict[str, list[Message]] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes the request on, and sends the file compressed."""
        if not _is_wanted(scope):
            await self._app(scope, receive, send)
            return
        start, *body = self._kept.get(scope["path"]) or await self._read(scope, receive)
        # Whoever adds to the headers on their way adds to those of this answer alone.
        await send({**start, "headers": list(start["headers"])})
        for message in body:
            await send(message)

    async def _read(self, scope: Scope, receive: Receive) -> list[Message]:
        """Streamlit's answer: a whole file compressed, and kept; anything else as it is."""
        answer: list[Message] = []

        async def keep(message: Message) -> None:
            answer.append(message)

        # The file itself, where a server could have taken its path.
        await self._app({**scope, "extensions": {}}, receive, keep)
        if answer[0]["status"] != 200 or not _is_whole(answer):
            return answer
        self._kept[scope["path"]] = compressed = await anyio.to_thread.run_sync(_compressed, answer)
        return compressed


def _is_wanted(scope: Scope) -> bool:
    if scope["type"] != "http" or scope["method"] != "GET":
        return False
    if not scope["path"].startswith(_FOLDER) or not scope["path"].endswith(_COMPRESSED):
        return False
    headers = Headers(scope=scope)
    return "gzip" in headers.get("accept-encoding", "") and not any(name in headers for name in _PARTLY)


def _is_whole(answer: list[Message]) -> bool:
    """Whether all of the file is there: a reader who leaves has it broken off."""
    length = sum(len(message.get("body", b"")) for message in answer[1:])
    return Headers(raw=answer[0]["headers"]).get("content-length") == str(length)


def _compressed(answer: list[Message]) -> list[Message]:
    """The messages of a whole answer as one that is compressed."""
    start = dict(answer[0])
    body = gzip.compress(b"".join(message.get("body", b"") for message in answer[1:]))
    headers = MutableHeaders(raw=list(start["headers"]))
    headers["content-encoding"] = "gzip"
    headers["content-length"] = str(len(body))
    headers.add_vary_header("Accept-Encoding")
    del headers["accept-ranges"]
    if "etag" in headers:
        # The same file, not byte for byte. https://www.rfc-editor.org/rfc/rfc9110#section-8.8.1
        headers["etag"] = f"W/{headers['etag']}"
    start["headers"] = headers.raw
    return [start, {"type": "http.response.body", "body": body}]
