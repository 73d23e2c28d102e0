"""Every resource and every operation of the sandbox, as tables. What is not in them answers Stripe's 404.

https://docs.stripe.com/api
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from lumira.sandbox import payment_methods, payments
from lumira.sandbox.call import Call
from lumira.sandbox.errors import StripeError, StripeObject, unknown_url
from lumira.sandbox.lists import list_objects
from lumira.sandbox.parameters import Parameters

Operation = Callable[..., StripeObject]


@dataclass(frozen=True)
class Resource:
    """One kind of object: where it lives, what its list filters by, and what can be done to it."""

    kind: str
    path: str
    filters: tuple[str, ...] = ()
    operations: tuple[str, ...] = ()
    """Of create, retrieve, update, list, search, delete, and verbs of one object such as confirm."""
    functions: Any = None
    """The module holding a function for each operation that is not the plain reading of objects."""


RESOURCES = (
    Resource(
        "payment_intent",
        "payment_intents",
        ("customer",),
        ("create", "retrieve", "update", "list", "confirm", "capture", "cancel"),
        payments,
    ),
    Resource("charge", "charges", ("customer", "payment_intent"), ("retrieve", "list")),
    Resource(
        "payment_method",
        "payment_methods",
        ("customer", "type"),
        ("create", "retrieve", "list", "attach", "detach"),
        payment_methods,
    ),
    Resource("event", "events", ("type",), ("retrieve", "list")),
    Resource("balance_transaction", "balance_transactions", ("source", "type"), ("retrieve", "list")),
)


@dataclass(frozen=True)
class Route:
    """What a URL leads to: the name of its parameters' table, and the function."""

    name: str
    function: Operation
    takes_id: bool


def _plain(resource: Resource, operation: str) -> Operation:
    """Reading is the same for every kind."""
    if operation == "list":
        url = f"/v1/{resource.path}"
        return lambda call, params: list_objects(call, resource.kind, url, params, resource.filters)
    return lambda call, identifier, params: call.find(resource.kind, identifier)  # noqa: ARG005


def _routes() -> dict[tuple[str, str], Route]:
    """(method, URL with `*` for the id) → route."""
    routes = {}
    for resource in RESOURCES:
        for operation in resource.operations:
            collection, one = f"/v1/{resource.path}", f"/v1/{resource.path}/*"
            method, pattern = {
                "create": ("POST", collection),
                "list": ("GET", collection),
                "search": ("GET", f"{collection}/search"),
                "retrieve": ("GET", one),
                "update": ("POST", one),
                "delete": ("DELETE", one),
            }.get(operation, ("POST", f"{one}/{operation}"))
            function = getattr(resource.functions, operation, None) or _plain(resource, operation)
            name = f"{resource.kind}.{operation}"
            routes[method, pattern] = Route(name, function, "*" in pattern)
    return routes


ROUTES = _routes()


def find_route(method: str, path: str) -> tuple[Route, str | None]:
    """The route of a request and the id in its URL. Raises StripeError 404 for what the sandbox doesn't serve."""
    if route := ROUTES.get((method, path)):
        return route, None
    parts = path.split("/")  # "", "v1", collection, id, [verb]
    if (
        len(parts) >= 4
        and parts[3]
        and (route := ROUTES.get((method, "/".join([*parts[:3], "*", *parts[4:]]))))
    ):
        return route, parts[3]
    raise unknown_url(method, path)


def perform(call: Call, route: Route, identifier: str | None, params: Parameters) -> StripeObject:
    """Do what a route stands for."""
    return route.function(call, identifier, params) if route.takes_id else route.function(call, params)


EXTRAS: dict[str, Callable[[Call, StripeObject], Any]] = {}

__all__ = ["EXTRAS", "RESOURCES", "ROUTES", "Resource", "Route", "StripeError", "find_route", "perform"]
