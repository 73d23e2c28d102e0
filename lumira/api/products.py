"""Catalog, PaymentIntents and orders on the wire, as the contract has them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Header, Request
from fastapi.responses import JSONResponse

from lumira import desk as desks
from lumira.access import Actor
from lumira.api.authentication import Caller
from lumira.api.bodies import json_body
from lumira.api.openapi import errors, json_request
from lumira.api.schemas import (
    CatalogBody,
    CreatedIntentBody,
    CreateIntentRequest,
    CustomerEditBody,
    CustomerEditRequest,
    OrderAnswer,
    OrderNotFoundBody,
)
from lumira.catalog import CATALOG, Product
from lumira.documents import as_json, iso
from lumira.errors import LumiraError, StripeError
from lumira.orders import Order, OrderStatus

router = APIRouter(prefix="/products", tags=["Products"])


@router.head("", include_in_schema=False)
@router.get("", response_model=CatalogBody)
async def list_products() -> dict[str, Any]:
    """The catalog; open to everyone."""
    return {"products": [_product(product) for product in CATALOG.values()]}


@router.post(
    "/create-payment-intent",
    response_model=CreatedIntentBody,
    responses=errors(400, 401, 402, 403, 404, 409, 413, 500, 502, 503),
    openapi_extra=json_request(CreateIntentRequest),
)
def create_payment_intent(
    request: Request,
    caller: Caller,
    body: Annotated[Any, Depends(json_body)],
    idempotency_key: Annotated[str | None, Header()] = None,
) -> dict[str, Any]:
    """Creates the order and its PaymentIntent; a repeat with the same Idempotency-Key answers the same."""
    created = desks.current().intents.create(
        body,
        actor=caller,
        source="api",
        idempotency_key=idempotency_key,
        request_id=request.state.request_id,
    )
    return {
        "clientSecret": created.client_secret,
        "orderId": created.order_id,
        "amount": created.amount,
        "currency": created.currency,
        "productName": created.product_name,
    }


_READ_ORDER: Final[dict[str, Any]] = {
    "response_model": OrderAnswer,
    "responses": errors(401, 403, 500, 503)
    | {404: {"model": OrderNotFoundBody, "description": "There is no such order."}},
}


@router.head("/order/{order_id}", include_in_schema=False)
@router.head("/orders/{order_id}", include_in_schema=False)
@router.get("/order/{order_id}", operation_id="read_order_at_the_old_address", **_READ_ORDER)
@router.get("/orders/{order_id}", operation_id="read_order", **_READ_ORDER)
def read_order(order_id: str, caller: Caller) -> JSONResponse:
    """An order by PaymentIntent id or `free_…`, with Stripe's live status while it is not final."""
    try:
        order = _live_order(order_id, caller)
    except LumiraError as error:
        if error.status != 404:
            raise
        timestamp = iso(datetime.now(UTC))
        return JSONResponse(
            {"error": "Order not found", "orderId": order_id, "timestamp": timestamp}, status_code=404
        )
    granted = order.status is OrderStatus.COMPLETED
    return JSONResponse(
        {
            "order": _order(order),
            "product": {
                "id": order.product_id,
                "name": order.product_name,
                "level": str(order.level) if order.level else order.product_id,
            },
            "accessGranted": granted,
            **({"sanctuaryUrl": "/sanctuaire"} if granted else {}),
        }
    )


@router.patch(
    "/orders/{order_id}/customer",
    response_model=CustomerEditBody,
    responses=errors(400, 401, 403, 404, 409, 413, 500, 503),
    openapi_extra=json_request(CustomerEditRequest),
)
def edit_customer(
    order_id: str, request: Request, caller: Caller, body: Annotated[Any, Depends(json_body)]
) -> JSONResponse:
    """Changes the customer's address, name and phone on the order and on its PaymentIntent."""
    request_id = request.state.request_id
    order = desks.current().intents.edit_customer(order_id, body, actor=caller, request_id=request_id)
    return JSONResponse(
        {
            "success": True,
            "requestId": request_id,
            "order": {
                "paymentIntentId": order.payment_intent_id,
                "customerEmail": order.customer_email,
                "metadata": as_json(order.metadata),
                "updatedAt": iso(order.updated_at),
            },
        }
    )


def _live_order(order_id: str, caller: Actor) -> Order:
    intents = desks.current().intents
    order = intents.find(order_id, actor=caller)
    if order.status.is_final:
        return order
    try:
        return intents.refresh(order_id, actor=caller)
    except StripeError:
        # Stripe may have told us something before it failed.
        return intents.find(order_id, actor=caller)


def _product(product: Product) -> dict[str, Any]:
    return {
        "id": product.id,
        "name": product.name,
        "description": product.description,
        "amountCents": product.amount,
        "currency": product.currency,
        "level": str(product.level),
        "features": [*product.access, *product.bonus],
        "metadata": {
            "level": str(product.level),
            "access": list(product.access),
            "bonus": list(product.bonus),
            "comingSoon": product.coming_soon,
        },
    }


def _order(order: Order) -> dict[str, Any]:
    return {
        "id": order.id,
        "productId": order.product_id,
        "customerEmail": order.customer_email,
        "amount": order.amount,
        "currency": order.currency,
        "status": str(order.status),
        "paymentIntentId": order.payment_intent_id,
        "createdAt": iso(order.created_at),
        "updatedAt": iso(order.updated_at),
        "completedAt": iso(order.completed_at) if order.completed_at else None,
        "metadata": as_json(order.metadata),
    }
