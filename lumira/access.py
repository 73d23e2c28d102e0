"""Who may do what: roles, permissions, and `require`, which every function that changes something calls."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum, auto
from typing import Final

from lumira.errors import Forbidden


class Permission(StrEnum):
    """One thing a person or token may be allowed to do."""

    BROWSE = auto()
    REFRESH = auto()
    ADD_NOTE = auto()
    CREATE_INTENT = auto()
    CONFIRM_TEST = auto()
    CANCEL = auto()
    EDIT_CUSTOMER = auto()
    REFUND = auto()
    RETRY_WEBHOOK = auto()
    RECONCILE = auto()
    REPAIR = auto()
    VIEW_REVENUE = auto()
    CLOSE_MONTH = auto()
    EXPORT = auto()
    SHARE_VIEW = auto()
    MANAGE_STAFF = auto()
    MANAGE_TOKENS = auto()
    MANAGE_PERSONAL_DATA = auto()
    VIEW_SYSTEM = auto()


class Role(StrEnum):
    """What a member of staff is; API tokens have a role too."""

    STAFF = auto()
    SUPPORT = auto()
    FINANCE = auto()
    ADMIN = auto()


_STAFF: Final = frozenset({Permission.BROWSE, Permission.REFRESH, Permission.ADD_NOTE, Permission.RECONCILE})

PERMISSIONS: Final[Mapping[Role, frozenset[Permission]]] = {
    Role.STAFF: _STAFF,
    Role.SUPPORT: _STAFF
    | {
        Permission.CREATE_INTENT,
        Permission.CONFIRM_TEST,
        Permission.CANCEL,
        Permission.EDIT_CUSTOMER,
        Permission.SHARE_VIEW,
    },
    Role.FINANCE: _STAFF
    | {
        Permission.VIEW_REVENUE,
        Permission.CLOSE_MONTH,
        Permission.REFUND,
        Permission.EXPORT,
        Permission.SHARE_VIEW,
    },
    Role.ADMIN: frozenset(Permission),
}


@dataclass(frozen=True)
class Actor:
    """Who acts: a member of staff, an API token, or Lumira itself. `name` stands in timelines."""

    name: str
    role: Role


def require(actor: Actor, permission: Permission) -> None:
    """Raises Forbidden unless the actor's role holds the permission."""
    if permission not in PERMISSIONS[actor.role]:
        raise Forbidden(f"The role {actor.role} does not allow {permission}. Ask an administrator.")
