"""An OpenID provider that answers whatever a test has it answer, right or wrong."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import anyio
from joserfc import jwt
from joserfc.jwk import RSAKey
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from lumira.api import openid
from tests.conftest import serving

KEY = RSAKey.generate_key(2048, {"kid": "one", "use": "sig", "alg": "RS256"})
DESK = "http://127.0.0.1:8501"


@dataclass
class Provider:
    """What it answers: `claims` in the token, `told` as userinfo, and `answer` in place of both."""

    url: str = ""
    claims: dict[str, Any] = field(default_factory=lambda: {"sub": "1"})
    told: dict[str, Any] | None = None
    answer: Response | None = None
    signed_with: RSAKey = field(default_factory=lambda: KEY)
    id_token: bool = True
    nonce: str = ""

    @property
    def settings(self) -> dict[str, Any]:
        """What `[auth]` says of it."""
        return {
            "client_id": "lumira",
            "client_secret": "of the tests",
            "redirect_uri": f"{DESK}/oauth2callback",
            "server_metadata_url": f"{self.url}/.well-known/openid-configuration",
        }

    def sign_in(self) -> str:
        """What `openid.finish` makes of a sign-in that was begun here."""
        # In a thread of its own: where tests of the browser run beside, theirs has an event loop already.
        with ThreadPoolExecutor(1) as thread:
            return thread.submit(anyio.run, self._sign_in).result()

    async def _sign_in(self) -> str:
        begun = await openid.begin(_request(), "", "/orders")
        asked = dict(parse_qsl(urlsplit(begun.headers["location"]).query))
        self.nonce = asked["nonce"]
        cookie = begun.headers["set-cookie"].partition(";")[0]
        answered = _request(f"code=x&state={asked['state']}", cookie)
        return await openid.finish(answered, openid.begun(answered))

    def metadata(self, _request: Request) -> Response:
        """Where everything is."""
        metadata = {
            "issuer": self.url,
            "authorization_endpoint": f"{self.url}/authorize",
            "token_endpoint": f"{self.url}/token",
            "jwks_uri": f"{self.url}/keys",
        }
        # It is optional: https://openid.net/specs/openid-connect-discovery-1_0.html#ProviderMetadata
        if self.told is not None:
            metadata["userinfo_endpoint"] = f"{self.url}/userinfo"
        return JSONResponse(metadata)

    def token(self, _request: Request) -> Response:
        """The ID token, and an access token."""
        if self.answer is not None:
            return self.answer
        now = int(time.time())
        usual = {"iss": self.url, "aud": "lumira", "iat": now, "exp": now + 60, "nonce": self.nonce}
        # Some providers' access tokens live no longer than a minute.
        answer = {"access_token": "an access token", "token_type": "Bearer", "expires_in": 60}
        if self.id_token:
            answer["id_token"] = jwt.encode(
                {"alg": "RS256", "kid": "one"}, usual | self.claims, self.signed_with
            )
        return JSONResponse(answer)

    def keys(self, _request: Request) -> Response:
        """What it says it signs with."""
        return JSONResponse({"keys": [KEY.as_dict(private=False)]})

    def userinfo(self, _request: Request) -> Response:
        """What it says of who holds an access token."""
        return JSONResponse(self.told)


@contextmanager
def served_provider() -> Iterator[Provider]:
    """A provider on loopback."""
    provider = Provider()
    routes = [
        Route("/.well-known/openid-configuration", provider.metadata),
        Route("/token", provider.token, methods=["POST"]),
        Route("/keys", provider.keys),
        Route("/userinfo", provider.userinfo),
    ]
    with serving(Starlette(routes=routes)) as provider.url:
        yield provider


def _request(query: str = "", cookie: str = "") -> Request:
    headers = [(b"cookie", cookie.encode())]
    return Request({"type": "http", "method": "GET", "query_string": query.encode(), "headers": headers})
