"""Bearer tokens of the API: who a request speaks for."""

from __future__ import annotations

import hmac
from typing import Annotated

from fastapi import Depends, Header

from lumira import desk as desks
from lumira.access import Actor, Role
from lumira.errors import Unauthorized


def _caller(authorization: Annotated[str | None, Header()] = None) -> Actor:
    """The actor of a request with `Authorization: Bearer <token>`. Raises Unauthorized otherwise."""
    expected = desks.current().settings.api_token
    scheme, _, token = (authorization or "").partition(" ")
    known = (
        expected is not None
        and scheme.lower() == "bearer"
        and hmac.compare_digest(token.strip().encode(), expected.get_secret_value().encode())
    )
    if not known:
        raise Unauthorized("Send Authorization: Bearer <token> with a token of this desk.")
    return Actor("api", Role.SUPPORT)


Caller = Annotated[Actor, Depends(_caller)]
