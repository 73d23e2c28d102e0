"""A connection string of MongoDB: what of it is secret, and what may be shown.

Its driver is laxer than the grammar of addresses: it takes a password that holds # or [ as it stands, where
`urlsplit` ends the host or raises. https://www.mongodb.com/docs/manual/reference/connection-string/
"""

from __future__ import annotations

from typing import Final
from urllib.parse import unquote_plus

MASK: Final = "••••••••"


def passwords(text: str) -> tuple[str, str]:
    """The password in a connection string, or in any other address, as written and as meant; "" for none."""
    user = text.partition("://")[2].rpartition("@")[0]
    password = user.partition(":")[2]
    return password, unquote_plus(password)


def hosts_and_database(text: str) -> str:
    """The scheme, the hosts and the database of a connection string, without user, password and options."""
    scheme, _, rest = text.partition("://")
    named, _, options = rest.partition("?")
    # An @ behind the first ? may be an option's, or end a password with a ? in it.
    shown = MASK if "@" in options else named.rpartition("@")[2]
    return f"{scheme}://{shown}"
