"""Customers as their orders tell of them: found by what staff remember, and what they ordered before."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from lumira.access import Actor, Permission, require
from lumira.catalog import Level
from lumira.order_filter import OrderFilter
from lumira.orders import Order, OrderStatus

if TYPE_CHECKING:
    from lumira.order_list import OrderList
    from lumira.storage import Orders

# A list to choose from, not to read.
_FOUND: Final = 6
# Regular customers have a handful of orders: enough to find several customers among the newest.
_LOOKED_AT: Final = 40
# How many orders of a customer are read at most.
HISTORY: Final = 50
# A word of fewer characters begins too many names to be looked for.
SHORTEST: Final = 2


@dataclass(frozen=True)
class Customer:
    """A customer as their newest order has them; the e-mail is lower case."""

    email: str
    name: str | None
    phone: str | None


class Customers:
    """Looks customers up. Every method raises Forbidden, and StoreUnavailable."""

    def __init__(self, orders: Orders, order_list: OrderList, *, livemode: bool) -> None:
        self._orders = orders
        self._order_list = order_list
        self._livemode = livemode

    def search(self, typed: str, *, actor: Actor) -> list[Customer]:
        """At most six customers whose e-mail or name begins as typed, latest first.

        A word of fewer than two characters alone finds nobody.
        """
        require(actor, Permission.BROWSE)
        wanted = OrderFilter(search=typed.strip())
        if max(map(len, wanted.words), default=0) < SHORTEST:
            return []
        page = self._order_list.page(wanted, _LOOKED_AT, actor=actor)
        return customers_of(page.orders)[:_FOUND]

    def history(self, email: str, *, actor: Actor) -> list[Order]:
        """The newest orders of this address, at most 50, newest first, without their timelines; like the list
        of orders of the desk's own mode.
        """
        require(actor, Permission.BROWSE)
        return self._orders.of_customer(email.strip().lower(), HISTORY, livemode=self._livemode)


def customers_of(orders: Iterable[Order]) -> list[Customer]:
    """The customers of these orders, each once, as their first one here has them."""
    found: dict[str, Customer] = {}
    for order in orders:
        if order.address and order.address not in found:
            found[order.address] = Customer(order.address, order.name, order.phone)
    return list(found.values())


def highest_level(orders: Iterable[Order]) -> Level | None:
    """The highest level that is open to the customer of these orders: paid or given, not given back whole."""
    open_levels = [
        order.level
        for order in orders
        if order.status is OrderStatus.COMPLETED and order.level and (order.is_free or order.net > 0)
    ]
    return max(open_levels, key=lambda level: level.rank, default=None)
