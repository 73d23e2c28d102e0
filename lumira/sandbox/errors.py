"""The errors the sandbox answers with, in Stripe's shapes, codes and words.

    StripeError                    anything with a status and an `error` object
    ├── invalid_request(…)         400, type invalid_request_error
    ├── missing_resource(…)        404 (400 inside a parameter), code resource_missing
    ├── unexpected_state(…)        400, code payment_intent_unexpected_state
    └── card_error(…)              402, type card_error; what happened is kept, unlike with the others

https://docs.stripe.com/api/errors and https://docs.stripe.com/error-codes
"""

from __future__ import annotations

from typing import Any

StripeObject = dict[str, Any]


def words(text: str) -> frozenset[str]:
    """The words of a text."""
    return frozenset(text.split())


class StripeError(Exception):
    """An answer that is no success.

    `keeps_changes`: a declined card leaves a failed charge and an event behind, while every other error
    leaves the state as it was. `validation`: the request never began to execute, so that its idempotency key
    stays free.
    """

    def __init__(
        self,
        status: int,
        error: StripeObject,
        *,
        keeps_changes: bool = False,
        validation: bool = False,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(error.get("message"))
        self.status = status
        self.error = {name: value for name, value in error.items() if value is not None}
        if code := self.error.get("code"):
            self.error.setdefault("doc_url", f"https://stripe.com/docs/error-codes/{code.replace('_', '-')}")
        self.keeps_changes = keeps_changes
        self.validation = validation
        self.headers = headers or {}


def invalid_request(
    message: str,
    *,
    param: str | None = None,
    code: str | None = None,
    status: int = 400,
    validation: bool = False,
    **more: Any,
) -> StripeError:
    """The request can't be done as it stands."""
    error = {"code": code, "message": message, "param": param, "type": "invalid_request_error", **more}
    return StripeError(status, error, validation=validation)


def missing_resource(noun: str, identifier: str, *, param: str = "id", status: int = 404) -> StripeError:
    """No object of this kind has this id. 404 when the id stands in the URL, 400 when in a parameter."""
    message = f"No such {noun}: '{identifier}'"
    return invalid_request(message, param=param, code="resource_missing", status=status)


def unexpected_state(message: str, payment_intent: StripeObject) -> StripeError:
    """The PaymentIntent is not in a state that allows this."""
    return invalid_request(message, code="payment_intent_unexpected_state", payment_intent=payment_intent)


def unknown_url(method: str, path: str) -> StripeError:
    """Stripe's answer for a URL it does not serve."""
    return invalid_request(
        f"Unrecognized request URL ({method}: {path}). Please see https://stripe.com/docs or we can help at "
        "https://support.stripe.com/.",
        status=404,
    )


def unauthorized(message: str, code: str | None = None) -> StripeError:
    """401: no key, another key, or a key of the wrong kind."""
    return StripeError(
        401, {"code": code, "message": message, "type": "invalid_request_error"}, validation=True
    )


def idempotency_error(message: str) -> StripeError:
    """The key was used before with another request. https://docs.stripe.com/api/idempotent_requests."""
    return StripeError(400, {"message": message, "type": "idempotency_error"}, validation=True)


def idempotency_key_in_use(key: str) -> StripeError:
    """409: the first request with this key is still under way."""
    message = (
        "There is currently another in-progress request using this Idempotent Key (that probably means you "
        f"submitted twice, and the other request is still going through): {key}. Please try again later."
    )
    error = {"code": "idempotency_key_in_use", "message": message, "type": "idempotency_error"}
    return StripeError(409, error, validation=True, headers={"Stripe-Should-Retry": "true"})
