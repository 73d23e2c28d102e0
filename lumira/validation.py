"""What callers send, checked in the contract's order before anything is stored or asked. No I/O."""

from __future__ import annotations

import hashlib
import json
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from lumira.catalog import CATALOG, Product
from lumira.errors import (
    InvalidCustomer,
    InvalidEmail,
    InvalidFirstName,
    InvalidIdempotencyKey,
    InvalidLastName,
    InvalidMetadata,
    InvalidRequestBody,
    MissingProductId,
    ProductNotAvailable,
    ProductNotFound,
)

# https://docs.stripe.com/api/metadata
METADATA_KEYS: Final = 50
METADATA_KEY_LENGTH: Final = 40
METADATA_VALUE_LENGTH: Final = 500
# https://docs.stripe.com/api/idempotent_requests
IDEMPOTENCY_KEY_LENGTH: Final = 255

_IDEMPOTENCY_KEY: Final = re.compile(rf"(?! )[ -~]{{1,{IDEMPOTENCY_KEY_LENGTH}}}(?<! )")
# https://datatracker.ietf.org/doc/html/rfc5322#section-3.4.1, without quoted names and with any alphabet.
_LABEL: Final = r"[^\W_](?:[\w-]*[^\W_])?"
_ADDRESS: Final = re.compile(rf"[^\s@<>()\[\]\\,;:\"]+@{_LABEL}(?:\.{_LABEL})+")
# A first and a last name stand together in one metadata value, with a space between them.
_NAME_LENGTH: Final = METADATA_VALUE_LENGTH // 2 - 1
# What is said of such a value; of what arrives as text, NUL alone can't be stored.
_VALUE: Final = f"text of at most {METADATA_VALUE_LENGTH} characters, none of them NUL"
# Ours on every PaymentIntent; a caller's metadata can never replace them.
OWN_METADATA: Final = (
    "productId",
    "productName",
    "level",
    "customerEmail",
    "customerName",
    "customerPhone",
    "source",
    "timestamp",
    "requestId",
    "orderId",
)


@dataclass(frozen=True)
class IntentRequest:
    """A checked request for a PaymentIntent; the e-mail is lower case, absent values are None."""

    product: Product
    email: str | None
    name: str | None
    phone: str | None
    metadata: Mapping[str, str]

    @property
    def digest(self) -> str:
        """A fingerprint (SHA-256, hexadecimal): requests that ask for the same have the same."""
        asked = [self.product.id, self.email, self.name, self.phone, sorted(self.metadata.items())]
        return hashlib.sha256(json.dumps(asked).encode()).hexdigest()


@dataclass(frozen=True)
class CustomerEdit:
    """A checked edit of a customer; the e-mail is lower case, and what is None keeps what is stored."""

    email: str | None
    first_name: str | None
    last_name: str | None
    phone: str | None

    def metadata(self, names: tuple[str, str]) -> dict[str, str]:
        """The metadata fields the edit writes, by the contract; `names` are the first and last one stored."""
        fields = {"customerEmail": self.email, "customerPhone": self.phone}
        if self.first_name is not None or self.last_name is not None:
            first, last = self.first_name or names[0], self.last_name or names[1]
            whole = f"{first} {last}".strip()
            fields |= {"customerFirstName": first, "customerLastName": last, "customerName": whole}
        return {name: value for name, value in fields.items() if value is not None}


def parse_request(body: object) -> IntentRequest:
    """Checks the body of a create request in the contract's order and returns what it asks for.

    Raises InvalidRequestBody, MissingProductId, ProductNotFound, ProductNotAvailable, InvalidEmail,
    InvalidCustomer or InvalidMetadata.
    """
    if not isinstance(body, Mapping) or not body:
        raise InvalidRequestBody("Send a JSON object with at least a productId.")
    product_id = body.get("productId")
    if not product_id:
        raise MissingProductId(
            f"Name one of the products: {', '.join(CATALOG)}.", validProductIds=list(CATALOG)
        )
    product = CATALOG.get(product_id) if isinstance(product_id, str) else None
    if product is None:
        raise ProductNotFound(f"Product '{product_id}' does not exist", validProductIds=list(CATALOG))
    if product.coming_soon:
        raise ProductNotAvailable(f"{product.name} is announced and can't be sold yet.")
    email = _email(body.get("customerEmail"), "customerEmail")
    name = _customer_text(body.get("customerName"), "customerName")
    phone = _customer_text(body.get("customerPhone"), "customerPhone")
    return IntentRequest(product, email, name, phone, _metadata(body.get("metadata")))


def parse_customer_edit(body: object) -> CustomerEdit:
    """Checks the body of a customer edit in the contract's order.

    A name has at least 2 characters after it is trimmed. A phone keeps its leading +; an absent or empty one
    changes nothing. Raises InvalidRequestBody, InvalidEmail, InvalidFirstName, InvalidLastName,
    InvalidCustomer.
    """
    if not isinstance(body, Mapping) or not body:
        raise InvalidRequestBody("Send a JSON object with email, firstName and lastName.")
    return parse_customer_changes(
        {name: body.get(name) for name in ("email", "firstName", "lastName", "phone")}
    )


def parse_customer_changes(body: object) -> CustomerEdit:
    """Checks a customer edit that holds only what changes, each as `parse_customer_edit` does.

    Raises what that raises.
    """
    if not isinstance(body, Mapping) or not body:
        raise InvalidRequestBody("Name at least one of email, firstName, lastName and phone.")
    email = check_email(body["email"]) if "email" in body else None
    first_name = _name(body.get("firstName"))
    if first_name is None and "firstName" in body:
        raise InvalidFirstName(f"firstName must have 2 to {_NAME_LENGTH} characters.")
    last_name = _name(body.get("lastName"))
    if last_name is None and "lastName" in body:
        raise InvalidLastName(f"lastName must have 2 to {_NAME_LENGTH} characters.")
    return CustomerEdit(email, first_name, last_name, _customer_text(body.get("phone"), "phone"))


def is_address(text: str) -> bool:
    """Whether a text is written like an e-mail address, and shows all that it holds."""
    return text.isprintable() and _ADDRESS.fullmatch(text) is not None


def check_email(address: object) -> str:
    """The address as it is stored, trimmed and in lower case. Raises InvalidEmail for what is none."""
    email = _email(address, "email")
    if email is None:
        raise InvalidEmail("email must be an address such as name@example.com.")
    return email


def check_idempotency_key(key: str | None) -> None:
    """Raises InvalidIdempotencyKey for a key that does not travel to Stripe in a header as it is."""
    if key is not None and not _IDEMPOTENCY_KEY.fullmatch(key):
        raise InvalidIdempotencyKey(
            f"An idempotency key has 1 to {IDEMPOTENCY_KEY_LENGTH} characters of ASCII, without white space "
            "at its ends."
        )


def _name(value: object) -> str | None:
    """The trimmed name, or None for one that is too short, too long together with another, or no text."""
    name = value.strip() if isinstance(value, str) else ""
    return name if 2 <= len(name) <= _NAME_LENGTH and _is_storable(name) else None


def _email(value: object, field: str) -> str | None:
    if value is None or value == "":
        return None
    # One address, however the sender's system composes its accents.
    address = unicodedata.normalize("NFC", value).strip().lower() if isinstance(value, str) else ""
    if len(address) > 254 or not is_address(address):
        raise InvalidEmail(f"{field} must be an address such as name@example.com.")
    return address


def _customer_text(value: object, field: str) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str) or len(value.strip()) > METADATA_VALUE_LENGTH or not _is_storable(value):
        raise InvalidCustomer(f"{field} must be {_VALUE}.")
    return value.strip() or None


def _metadata(value: object) -> dict[str, str]:
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise InvalidMetadata("metadata must be an object of text to text.")
    for key, text in value.items():
        if not isinstance(key, str) or not isinstance(text, str):
            raise InvalidMetadata(f"metadata.{key} must be text.")
        if not 0 < len(key) <= METADATA_KEY_LENGTH or set(key) & set("[]") or not _is_storable(key):
            raise InvalidMetadata(
                f"A metadata key has 1 to {METADATA_KEY_LENGTH} characters, none of them [, ] or NUL."
            )
        if len(text) > METADATA_VALUE_LENGTH or not _is_storable(text):
            raise InvalidMetadata(f"metadata.{key} must be {_VALUE}.")
    if len(set(value) | set(OWN_METADATA)) > METADATA_KEYS:
        most = METADATA_KEYS - len(OWN_METADATA)
        raise InvalidMetadata(f"At most {most} metadata keys: Stripe takes {METADATA_KEYS}, ours included.")
    return dict(value)


def _is_storable(text: str) -> bool:
    """Neither a NUL, which BSON forbids in keys, nor half a surrogate pair, which UTF-8 forbids."""
    return "\x00" not in text and not any("\ud800" <= character <= "\udfff" for character in text)
