"""Sign-in by an OpenID Connect provider.

What comes of it is a session like any other, so it ends when the account is disabled, whatever the provider
still says.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

from authlib.common.errors import AuthlibBaseError
from authlib.integrations.starlette_client import OAuth
from itsdangerous import BadData, URLSafeTimedSerializer
from joserfc.errors import JoseError
from starlette.requests import Request
from starlette.responses import Response

from lumira import desk as desks
from lumira.errors import SignInRefused, SignInUnavailable
from lumira.openid_providers import CLIENT_OPTIONS, providers

logger: Final = logging.getLogger("lumira.sign_in")

# What is under way at the provider: its state and nonce, and where to go afterwards.
STATE_COOKIE: Final = "lumira_openid"
# Who signs in there may have to look for a telephone first.
STATE_SECONDS: Final = 600
# What stands in an address for the provider without a name.
UNNAMED: Final = "openid"
# What no visitor can do anything about: https://www.rfc-editor.org/rfc/rfc6749#section-5.2, #section-4.1.2.1
_NOT_THE_VISITORS: Final = frozenset(
    {
        "invalid_client",
        "invalid_request",
        "invalid_scope",
        "server_error",
        "temporarily_unavailable",
        "unauthorized_client",
        "unsupported_grant_type",
        "unsupported_response_type",
    }
)


async def begin(request: Request, provider: str, wanted: str) -> Response:
    """Leads to the provider's page. Raises SignInUnavailable where it can't be asked, or is none of ours."""
    found = _provider(provider)
    redirect_uri = str(found["redirect_uri"])
    session: dict[str, Any] = {"provider": provider, "next": wanted}
    try:
        response: Response = await _client(found).authorize_redirect(
            _with_session(request, session), redirect_uri
        )
    except Exception as error:
        # Whatever there is between us and a provider raises errors of its own.
        raise SignInUnavailable(f"The OpenID provider {provider} can't be asked: {error}") from error
    response.set_cookie(
        STATE_COOKIE,
        _serializer().dumps(session),
        max_age=STATE_SECONDS,
        secure=urlsplit(redirect_uri).scheme == "https",
        httponly=True,
        samesite="lax",
    )
    response.headers["Cache-Control"] = "no-store"
    return response


def begun(request: Request) -> dict[str, Any]:
    """What is under way at the provider for this browser, its `next` the page that was wanted.

    Nothing for what is not ours, or too old.
    """
    try:
        found: dict[str, Any] = _serializer().loads(
            request.cookies.get(STATE_COOKIE, ""), max_age=STATE_SECONDS
        )
    except BadData:
        return {}
    return found


async def finish(request: Request, session: dict[str, Any]) -> str:
    """The e-mail address that the provider has proved, in answer to what was `begun`.

    Raises SignInRefused for an answer that is not one to our question, or an address that is not verified;
    SignInUnavailable where the provider can't be asked.
    """
    if not session:
        raise SignInRefused("This sign-in was not begun here, or too long ago. Begin again.")
    provider = _provider(str(session.get("provider", "")))
    client = _client(provider)
    try:
        token = await client.authorize_access_token(_with_session(request, session))
        return await _proved_address(client, token, provider)
    except SignInRefused:
        raise
    except (AuthlibBaseError, JoseError) as error:
        if getattr(error, "error", "") in _NOT_THE_VISITORS:
            raise SignInUnavailable(f"The OpenID provider refuses us: {error}") from error
        raise SignInRefused(f"The OpenID provider's answer is not valid: {error}") from error
    except Exception as error:
        raise SignInUnavailable(f"The OpenID provider can't be asked: {error}") from error


def forget(response: Response) -> Response:
    """Has the browser forget a sign-in that is done."""
    response.delete_cookie(STATE_COOKIE, httponly=True, samesite="lax")
    return response


def begin_address(provider: str, wanted: str) -> str:
    """The path of ours that leads to the provider."""
    path = f"/sign-in/with/{provider or UNNAMED}"
    return f"{path}?{urlencode({'next': wanted})}" if wanted else path


async def _proved_address(client: Any, token: Mapping[str, Any], provider: Mapping[str, Any]) -> str:
    """The address in the ID token, or at the userinfo endpoint: many providers tell it only there."""
    claims = token.get("userinfo")
    if not claims:
        raise SignInRefused("The OpenID provider gave no ID token.")
    email = _verified(claims, provider)
    if email is None and (await client.load_server_metadata()).get("userinfo_endpoint"):
        told = await client.userinfo(token=token)
        # https://openid.net/specs/openid-connect-core-1_0.html#UserInfoResponse
        if told.get("sub") != claims.get("sub"):
            raise SignInRefused("The OpenID provider told of somebody else than who signed in.")
        email = _verified({**claims, **told}, provider)
    if email is None:
        raise SignInRefused("The OpenID provider names no verified e-mail address.")
    return email


def _verified(claims: Mapping[str, Any], provider: Mapping[str, Any]) -> str | None:
    email = claims.get("email")
    # Some providers let an account claim any address. Where all of them are the house's own, say so.
    verified = claims.get("email_verified") is True or provider.get("trust_email") is True
    return email if isinstance(email, str) and verified else None


def _provider(name: str) -> Mapping[str, Any]:
    known = providers()
    found = known.get(name) or (known.get("") if name == UNNAMED else None)
    if found is None:
        raise SignInUnavailable(f"There is no OpenID provider {name!r} in [auth].")
    if not found.get("redirect_uri"):
        raise SignInUnavailable("[auth] lacks redirect_uri, such as https://desk.example.com/oauth2callback.")
    return found


def _client(provider: Mapping[str, Any]) -> Any:
    return OAuth().register(
        "openid",
        client_id=provider["client_id"],
        client_secret=provider["client_secret"],
        server_metadata_url=provider["server_metadata_url"],
        client_kwargs={
            "scope": "openid email profile",
            "code_challenge_method": "S256",
            "timeout": 10,
            # The access token is used at once; otherwise one that lives a minute would count as over.
            "leeway": 0,
            **provider.get(CLIENT_OPTIONS, {}),
        },
    )


def _with_session(request: Request, session: dict[str, Any]) -> Request:
    """The request with a place for what must be known again; Streamlit keeps one of its own in the scope."""
    return Request({**request.scope, "session": session}, request.receive)


def _serializer() -> URLSafeTimedSerializer:
    return URLSafeTimedSerializer(desks.current().signing_key(), salt="lumira.openid")
