"""Who may do what: roles, permissions, and `require`.

Every function that reads or changes something for a person or a token calls it before it does anything else.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum, auto
from typing import Final

from lumira.errors import Forbidden


class Permission(StrEnum):
    """One thing a person or token may be allowed to do; what a role may do stands in PERMISSIONS."""

    # Orders and their customers, notes, saved views, and which webhooks came; nothing is changed by it.
    BROWSE = auto()
    # Asking Stripe how an order stands now, which may move the order.
    REFRESH = auto()
    # Writing a note on an order, for colleagues.
    ADD_NOTE = auto()
    # The report of what differs between Stripe and the orders.
    RECONCILE = auto()
    # Creating an order and its PaymentIntent, and reading the client secret that pays it.
    CREATE_INTENT = auto()
    # Reading and replacing the link with which whoever holds it pays an order.
    SHARE_PAYMENT_LINK = auto()
    # Paying a test order with one of Stripe's test cards.
    CONFIRM_TEST = auto()
    # Calling off a payment that was not made yet.
    CANCEL = auto()
    # Correcting name, address and phone of an order's customer.
    EDIT_CUSTOMER = auto()
    # What was delivered with a webhook, word for word: more of customer, card and house than an order holds.
    READ_PAYLOAD = auto()
    # Naming a filter for everyone; one for oneself only needs BROWSE.
    SHARE_VIEW = auto()
    # What the house earned, by day and level.
    VIEW_REVENUE = auto()
    # Signing a month beside Stripe's balance; it can't be taken back.
    CLOSE_MONTH = auto()
    # Giving money back.
    REFUND = auto()
    # Taking orders, with the names and addresses of many customers at once, or revenue away in a file.
    EXPORT = auto()
    # Having failed webhooks handled again.
    RETRY_WEBHOOK = auto()
    # Bringing orders to what Stripe says, many at once and without asking for each.
    REPAIR = auto()
    # Who may sign in, and as what.
    MANAGE_STAFF = auto()
    # Tokens with which programs call the API.
    MANAGE_TOKENS = auto()
    # Handing a customer all that is held about them, and removing them for good.
    MANAGE_PERSONAL_DATA = auto()
    # Who did what on this desk.
    READ_AUDIT = auto()
    # How this desk is set up and whether it is well, and having that mended.
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
        Permission.SHARE_PAYMENT_LINK,
        Permission.CONFIRM_TEST,
        Permission.CANCEL,
        Permission.EDIT_CUSTOMER,
        Permission.READ_PAYLOAD,
        Permission.SHARE_VIEW,
    },
    Role.FINANCE: _STAFF
    | {
        Permission.VIEW_REVENUE,
        Permission.CLOSE_MONTH,
        Permission.REFUND,
        Permission.EXPORT,
        Permission.READ_PAYLOAD,
        Permission.SHARE_VIEW,
    },
    Role.ADMIN: frozenset(Permission),
}


@dataclass(frozen=True)
class Actor:
    """Who acts: a member of staff, an API token, or Lumira itself. `name` stands in timelines."""

    name: str
    role: Role


def may(actor: Actor, permission: Permission) -> bool:
    """Whether the actor's role holds the permission."""
    return permission in PERMISSIONS[actor.role]


def require(actor: Actor, permission: Permission) -> None:
    """Raises Forbidden unless the actor's role holds the permission."""
    if not may(actor, permission):
        raise Forbidden(f"The role {actor.role} does not allow {permission}. Ask an administrator.")
