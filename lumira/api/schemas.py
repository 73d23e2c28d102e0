"""The shapes on the wire, as the OpenAPI document describes them. Amounts are minor units, instants UTC."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from lumira.validation import METADATA_VALUE_LENGTH


class Shape(BaseModel):
    """A JSON object with camelCase members."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True)


class ErrorBody(Shape):
    """What every error answers; `code` is stable, `message` is for people."""

    error: str
    code: str = Field(examples=["INVALID_EMAIL"])
    message: str
    timestamp: str = Field(description="UTC, ISO 8601", examples=["2026-11-22T09:30:00.000Z"])
    request_id: str
    valid_product_ids: list[str] = Field(default=[], description="With errors about a product")
    order_id: str = Field(default="", description="With errors about an order")
    decline_code: str = Field(default="", description="With PAYMENT_FAILED, when the issuer gave one")


class OrderNotFoundBody(Shape):
    """What reading an unknown order answers."""

    error: Literal["Order not found"]
    order_id: str
    timestamp: str


class ProductMetadata(Shape):
    """What a product opens."""

    level: str
    access: list[str]
    bonus: list[str]
    coming_soon: bool = Field(description="Announced, and not yet for sale")


class ProductBody(Shape):
    """A product of the catalog."""

    id: str
    name: str
    description: str
    amount_cents: int
    currency: str
    level: str
    features: list[str]
    metadata: ProductMetadata


class CatalogBody(Shape):
    """The catalog."""

    products: list[ProductBody]


class CreateIntentRequest(Shape):
    """What a payment is for, and who pays."""

    product_id: str = Field(examples=["mystique"])
    customer_email: str | None = Field(default=None, examples=["camille@example.com"])
    customer_name: str | None = Field(default=None, max_length=METADATA_VALUE_LENGTH)
    customer_phone: str | None = Field(default=None, max_length=METADATA_VALUE_LENGTH)
    metadata: dict[str, str] | None = Field(default=None, description="Within Stripe's limits; ours win")


class CreatedIntentBody(Shape):
    """What a checkout needs to take the payment."""

    client_secret: str = Field(description='"" for a free product')
    order_id: str = Field(description="The PaymentIntent's id, or free_…")
    amount: int
    currency: str
    product_name: str


class OrderBody(Shape):
    """An order."""

    id: str
    product_id: str
    customer_email: str | None
    amount: int
    currency: str
    status: Literal["pending", "processing", "completed", "failed", "cancelled"]
    payment_intent_id: str | None
    created_at: str
    updated_at: str
    completed_at: str | None
    metadata: dict[str, Any]


class OrderProduct(Shape):
    """The product of an order."""

    id: str
    name: str
    level: str


class OrderAnswer(Shape):
    """An order and what it grants."""

    order: OrderBody
    product: OrderProduct
    access_granted: bool = Field(description="The order is completed")
    sanctuary_url: str = Field(default="", description="Only when access is granted")


class CustomerEditRequest(Shape):
    """The customer's new address and name; without a phone the stored one stays."""

    email: str = Field(examples=["camille@example.com"])
    first_name: str = Field(min_length=2, examples=["Camille"])
    last_name: str = Field(min_length=2, examples=["Durand"])
    phone: str | None = Field(default=None, examples=["+33612345678"])


class EditedOrder(Shape):
    """What an edit of the customer changed."""

    payment_intent_id: str | None
    customer_email: str | None
    metadata: dict[str, Any]
    updated_at: str


class CustomerEditBody(Shape):
    """The answer to an edit of the customer."""

    success: Literal[True]
    request_id: str
    order: EditedOrder


class StripeEvent(BaseModel):
    """A Stripe event, as Stripe sends and signs it."""

    model_config = ConfigDict(extra="allow")

    id: str
    type: str = Field(examples=["payment_intent.succeeded"])
    data: dict[str, Any]


class ReceivedBody(Shape):
    """A delivery was handled, now or before."""

    received: Literal[True]
    duplicate: bool = Field(default=False, description="Present and true for an event handled before")


class AliveBody(Shape):
    """The process answers."""

    status: Literal["ok"]


class DependencyState(Shape):
    """Whether a dependency answers; `code` and `message` when it does not."""

    status: Literal["ok", "down"]
    code: str = ""
    message: str = ""


class ReadyBody(Shape):
    """Whether the process can do its work."""

    status: Literal["ok", "unavailable"]
    dependencies: dict[str, DependencyState]
