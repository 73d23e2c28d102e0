"""Whose request it is, by address: the peer's, or the one a proxy we trust names; and how it came."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

from starlette.datastructures import Headers
from starlette.types import Scope

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network


def caller_address(scope: Scope, trusted_proxies: Sequence[Network]) -> Address | None:
    """The caller's address, or None for a peer without one (a Unix socket).

    Each proxy appends the address it was called from to X-Forwarded-For. So it is read from the right, for as
    long as the one who wrote it is trusted; whatever stands further left, a caller may have invented.
    """
    address = _address(scope["client"][0]) if scope.get("client") else None
    forwarded = ",".join(Headers(scope=scope).getlist("x-forwarded-for")).split(",")
    for entry in reversed(forwarded):
        if address is None or not any(address in network for network in trusted_proxies):
            break
        named = _address(entry.strip())
        if named is None:
            break
        address = named
    return address


def is_https(scope: Scope, trusted_proxies: Sequence[Network]) -> bool:
    """Whether the caller came over https: to us, or to a proxy we trust that says so."""
    peer = _address(scope["client"][0]) if scope.get("client") else None
    if peer is not None and any(peer in network for network in trusted_proxies):
        # The proxy next to us writes last.
        said = Headers(scope=scope).get("x-forwarded-proto", "").rpartition(",")[2].strip().lower()
        if said:
            return said in {"https", "wss"}
    return scope.get("scheme") in {"https", "wss"}


@functools.lru_cache(1024)
def _address(text: str) -> Address | None:
    """The address that `text` is, with or without a port; None for text that is none."""
    host = text
    if text.startswith("["):
        host = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        host = text.partition(":")[0]
    try:
        address = ip_address(host)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address
