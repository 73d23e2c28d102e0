"""The body of a request: read no further than it may be long, and as JSON."""

from __future__ import annotations

import json
from typing import Final, Never

from starlette.requests import Request

from lumira.errors import InvalidRequestBody, RequestTooLarge

# A create request of the contract is at most some 30 KB of metadata; nothing larger is one.
_JSON_BYTES: Final = 128 * 1024


async def limited_body(request: Request, limit: int) -> bytes:
    """The raw body, read no further than `limit` bytes. Raises RequestTooLarge."""
    refusal = RequestTooLarge(f"A request body has at most {limit} bytes.")
    # The server has seen to it that it is a number. A body that comes in chunks declares none.
    if int(request.headers.get("content-length", 0)) > limit:
        raise refusal
    chunks, size = [], 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > limit:
            raise refusal
        chunks.append(chunk)
    return b"".join(chunks)


async def json_body(request: Request) -> object:
    """The parsed body, of at most 128 KiB. Raises InvalidRequestBody and RequestTooLarge."""
    raw = await limited_body(request, _JSON_BYTES)
    try:
        # Some senders begin with a byte order mark: https://datatracker.ietf.org/doc/html/rfc8259#section-8.1
        body = json.loads(raw.decode("utf-8-sig"), parse_constant=_no_number)
        # Half a surrogate pair is valid JSON and can't be stored.
        json.dumps(body, ensure_ascii=False).encode("utf-8")
    except (ValueError, RecursionError):
        raise InvalidRequestBody("The body is not JSON.") from None
    return body


def _no_number(name: str) -> Never:
    raise ValueError(f"{name} is no JSON")
