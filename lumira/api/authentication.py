"""Bearer tokens of the API: who a request speaks for."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import Depends
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from lumira import desk as desks
from lumira.access import Actor

_BEARER: Final = HTTPBearer(
    auto_error=False,
    scheme_name="bearer",
    description="A token of `lumira token create NAME`, or the one in LUMIRA_API_TOKEN.",
)


def _caller(credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_BEARER)]) -> Actor:
    """The actor of a request with `Authorization: Bearer <token>`. Raises Unauthorized otherwise."""
    text = credentials.credentials.strip() if credentials else ""
    return desks.current().tokens.authenticate(text)


Caller = Annotated[Actor, Depends(_caller)]
