"""Paths of requests, and where an application is mounted."""

from __future__ import annotations

from collections.abc import Iterable

from starlette.types import Scope


def path_below(scope: Scope) -> str:
    """The path of a request below where its application is mounted."""
    path: str = scope.get("path", "")
    return path.removeprefix(scope.get("root_path", ""))


def is_within(path: str, roots: Iterable[str]) -> bool:
    """Whether a path is one of these, or below one of them."""
    return any(path == root or path.startswith(f"{root}/") for root in roots)
