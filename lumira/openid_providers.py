"""The OpenID Connect providers people may sign in by: `[auth]` in .streamlit/secrets.toml, read by Streamlit.

https://docs.streamlit.io/develop/concepts/connections/authentication
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from lumira.errors import SettingsError

# Where a provider sends people back to.
CALLBACK: Final = "/oauth2callback"
# What a provider says of itself, and is asked at: https://openid.net/specs/openid-connect-discovery-1_0.html
ENDPOINTS: Final = ("authorization_endpoint", "token_endpoint", "jwks_uri")
# What leads nowhere without it.
NEEDED: Final = ("client_id", "client_secret", "server_metadata_url")
# A table of `[auth]` that is no provider's: options for the client that asks one.
CLIENT_OPTIONS: Final = "client_kwargs"

# Streamlit's name for an error that is none of ours: there is no secrets.toml at all.
NO_FILE: Final = "no-secrets-found"


def announced() -> Mapping[str, Mapping[str, Any]]:
    """Each provider that `[auth]` tells of, complete or not, by name: `""` for the one without a name.

    Empty where there is no `[auth]`. Raises SettingsError where it can't be read.
    """
    auth = auth_settings()
    tables = {name for name, value in auth.items() if isinstance(value, Mapping) and name != CLIENT_OPTIONS}
    shared = {name: value for name, value in auth.items() if name not in tables}
    named = {name: {**shared, **auth[name]} for name in auth if name in tables}
    return named or ({"": shared} if shared else {})


def providers() -> Mapping[str, Mapping[str, Any]]:
    """Those of the announced providers that people can be sent to. Raises SettingsError."""
    found = announced()
    return {name: found[name] for name in found if all(found[name].get(key) for key in NEEDED)}


def leads_back(redirect_uri: str) -> bool:
    """Whether a redirect address is a whole one, and of the path at which people are taken back."""
    try:
        url = urlsplit(redirect_uri)
    except ValueError:
        return False
    return url.scheme in {"http", "https"} and bool(url.hostname) and url.path == CALLBACK


def auth_settings() -> Mapping[str, Any]:
    """What stands under `[auth]`; nothing where there is no such file. Raises SettingsError."""
    import streamlit as st
    from streamlit.errors import StreamlitSecretNotFoundError

    try:
        return dict(st.secrets.get("auth", {}))
    except Exception as error:
        # Streamlit raises the same for a file that is not there and for one that it can't read.
        if isinstance(error, StreamlitSecretNotFoundError) and error.error_id == NO_FILE:
            return {}
        raise SettingsError(f"[auth] of .streamlit/secrets.toml can't be read: {error}") from error
