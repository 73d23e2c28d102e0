"""How commands say what they have counted."""

from __future__ import annotations


def counted(number: int, one: str, several: str | None = None) -> str:
    """A number and what it counts: `1 order`, `2 orders`; `several` where that is not `one` with an s."""
    return f"{number} {one if number == 1 else several or f'{one}s'}"
