"""Every resource and every operation of the sandbox, as tables. What is not in them answers Stripe's 404.

https://docs.stripe.com/api
"""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import NamedTuple

from lumira.sandbox import (
    attempts,
    charges,
    customers,
    disputes,
    events,
    ledger,
    payment_methods,
    payments,
    refunds,
    webhook_endpoints,
)
from lumira.sandbox.call import Call
from lumira.sandbox.errors import StripeObject, refusal
from lumira.sandbox.lists import Extras, list_objects
from lumira.sandbox.search import search
from lumira.sandbox.shapes import shown


class Resource(NamedTuple):
    """One kind of object: where it lives, what can be done to it, and what its list filters by."""

    kind: str
    path: str
    operations: str
    """create, retrieve, update, list, search, delete, and verbs on one object such as confirm."""
    filters: str = ""
    functions: ModuleType | None = None
    """Where the functions of the operations are; reading needs none."""


RESOURCES = (
    Resource(
        "payment_intent",
        "payment_intents",
        "create retrieve update list search confirm capture cancel",
        "customer",
        payments,
    ),
    Resource(
        "charge", "charges", "retrieve update list search", "customer payment_intent transfer_group", charges
    ),
    Resource("refund", "refunds", "create retrieve update list cancel", "charge payment_intent", refunds),
    Resource("customer", "customers", "create retrieve update list search", "email", customers),
    Resource(
        "payment_method",
        "payment_methods",
        "create retrieve list attach detach",
        "customer type allow_redisplay",
        payment_methods,
    ),
    Resource("dispute", "disputes", "retrieve update list close", "charge payment_intent", disputes),
    Resource("balance_transaction", "balance_transactions", "retrieve list", "source type currency payout"),
    Resource("payout", "payouts", "retrieve list", "status destination arrival_date"),
    Resource("event", "events", "retrieve list", "", events),
    Resource(
        "webhook_endpoint",
        "webhook_endpoints",
        "create retrieve update list delete",
        "",
        webhook_endpoints,
    ),
)

# operation → (method, URL); every other word is a verb: POST /v1/{path}/*/{verb}.
URLS = {
    "create": ("POST", "/v1/{path}"),
    "list": ("GET", "/v1/{path}"),
    "search": ("GET", "/v1/{path}/search"),
    "retrieve": ("GET", "/v1/{path}/*"),
    "update": ("POST", "/v1/{path}/*"),
    "delete": ("DELETE", "/v1/{path}/*"),
}


class Route(NamedTuple):
    """What a URL leads to: the name of its parameters' table, and the function.

    The function takes the Call, the id if the URL has one, and the parameters.
    """

    name: str
    function: Callable[..., StripeObject]


def _function(resource: Resource, operation: str) -> Callable[..., StripeObject]:
    """The resource's own function, or the reading that is the same for every kind."""
    kind, path = resource.kind, resource.path
    if own := getattr(resource.functions, "list_all" if operation == "list" else operation, None):
        function: Callable[..., StripeObject] = own
        return function
    if operation == "search":
        return search(kind, path)
    if operation == "list":
        filters = tuple(resource.filters.split())
        return lambda call, params: list_objects(call, kind, f"/v1/{path}", params, filters)
    return lambda call, identifier, _: shown(call.find(kind, identifier))


def _routes() -> dict[tuple[str, str], Route]:
    routes = {
        ("GET", "/v1/account"): Route("account.retrieve", ledger.retrieve_account),
        ("GET", "/v1/balance"): Route("balance.retrieve", ledger.retrieve_balance),
    }
    for resource in RESOURCES:
        for operation in resource.operations.split():
            method, url = URLS.get(operation, ("POST", f"/v1/{{path}}/*/{operation}"))
            url, function = url.format(path=resource.path), _function(resource, operation)
            routes[method, url] = Route(f"{resource.kind}.{operation}", function)
    return routes


ROUTES = _routes()

# Fields that only expanding shows.
EXTRAS: Extras = {"charge.refunds": refunds.refunds_of}

TASKS: dict[str, Callable[[Call, str], None]] = {
    "settle_charge": attempts.settle_charge,
    "settle_debit": attempts.settle_debit,
    "settle_refund": refunds.settle,
    "decide_dispute": disputes.decide,
    "expire_dispute": disputes.expire,
    "make_available": ledger.make_available,
    "pay_out": ledger.pay_out,
    "payout_arrives": ledger.payout_arrives,
}
"""What happens later, by itself: the name that `Call.later` takes → what is done then."""


def find_route(method: str, path: str) -> tuple[Route, str | None]:
    """The route of a request and the id in its URL. Raises StripeError 404 for what is not served."""
    if route := ROUTES.get((method, path)):
        return route, None
    parts = path.split("/")  # "", "v1", collection, id, [verb]
    pattern = "/".join([*parts[:3], "*", *parts[4:]])
    if len(parts) >= 4 and parts[3] and (route := ROUTES.get((method, pattern))):
        return route, parts[3]
    raise refusal("unknown_url", method=method, path=path)
