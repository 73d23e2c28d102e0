"""The full shapes of the objects, as API version 2026-10-28.endive has them.

Each function builds a new object; what a flow does not know yet stays null, as it does at Stripe.
https://docs.stripe.com/api
"""

from __future__ import annotations

import secrets
import string
from typing import Any

from lumira.sandbox.cards import BankAccount, Card
from lumira.sandbox.errors import StripeObject, words

ALPHABET = string.ascii_letters + string.digits


def nulls(names: str) -> StripeObject:
    """Fields that are there and null."""
    return dict.fromkeys(names.split())


NO_ADDRESS = nulls("city country line1 line2 postal_code state")
EVIDENCE = (
    "access_activity_log billing_address cancellation_policy cancellation_policy_disclosure "
    "cancellation_rebuttal customer_communication customer_email_address customer_name customer_purchase_ip "
    "customer_signature duplicate_charge_documentation duplicate_charge_explanation duplicate_charge_id "
    "product_description receipt refund_policy refund_policy_disclosure refund_refusal_explanation "
    "service_date service_documentation shipping_address shipping_carrier shipping_date "
    "shipping_documentation shipping_tracking_number uncategorized_file uncategorized_text"
)


def new_id(prefix: str, length: int = 24) -> str:
    """A fresh id in Stripe's manner: prefix_ and letters and digits."""
    return f"{prefix}_{''.join(secrets.choice(ALPHABET) for _ in range(length))}"


def payment_intent(now: int, amount: int, currency: str, payment_method_types: list[str]) -> StripeObject:
    """https://docs.stripe.com/api/payment_intents/object."""
    identifier = new_id("pi")
    return {
        "id": identifier,
        "object": "payment_intent",
        "amount": amount,
        "amount_capturable": 0,
        "amount_details": {"tip": {}},
        "amount_received": 0,
        "capture_method": "automatic_async",
        "client_secret": f"{identifier}_{new_id('secret', 25)}",
        "confirmation_method": "automatic",
        "created": now,
        "currency": currency,
        "livemode": False,
        "metadata": {},
        "payment_method_options": {},
        "payment_method_types": payment_method_types,
        "status": "requires_payment_method",
        **nulls(
            "allowed_payment_method_types application application_fee_amount automatic_payment_methods "
            "canceled_at cancellation_reason customer customer_account description "
            "excluded_payment_method_types last_payment_error latest_charge next_action on_behalf_of "
            "payment_method payment_method_configuration_details processing receipt_email review "
            "setup_future_usage shipping source statement_descriptor statement_descriptor_suffix "
            "transfer_data transfer_group"
        ),
    }


def charge(now: int, intent: StripeObject, method: StripeObject, descriptor: str) -> StripeObject:
    """The charge of one attempt to pay a PaymentIntent. https://docs.stripe.com/api/charges/object."""
    return {
        "id": new_id("ch"),
        "object": "charge",
        "amount": intent["amount"],
        "amount_captured": 0,
        "amount_refunded": 0,
        "billing_details": method["billing_details"],
        "calculated_statement_descriptor": descriptor,
        "captured": False,
        "created": now,
        "currency": intent["currency"],
        "customer": intent["customer"],
        "description": intent["description"],
        "disputed": False,
        "fraud_details": {},
        "livemode": False,
        "metadata": dict(intent["metadata"]),
        "paid": False,
        "payment_intent": intent["id"],
        "payment_method": method["id"],
        "radar_options": {},
        "receipt_email": intent["receipt_email"],
        "refunded": False,
        "shipping": intent["shipping"],
        "statement_descriptor_suffix": intent["statement_descriptor_suffix"],
        "status": "pending",
        "transfer_group": intent["transfer_group"],
        **nulls(
            "application application_fee application_fee_amount balance_transaction "
            "failure_balance_transaction failure_code failure_message on_behalf_of outcome "
            "payment_method_details receipt_number receipt_url review source source_transfer "
            "statement_descriptor transfer_data"
        ),
    }


def card_details(
    card_of_method: StripeObject, card: Card, amount: int, three_d_secure: StripeObject | None
) -> Any:
    """A charge's `payment_method_details` for a card."""
    return {
        "card": {
            "amount_authorized": amount,
            "authorization_code": "".join(secrets.choice(string.digits) for _ in range(6)),
            "brand": card.brand,
            "checks": card_of_method["checks"],
            "country": card.country,
            "exp_month": card_of_method["exp_month"],
            "exp_year": card_of_method["exp_year"],
            "extended_authorization": {"status": "disabled"},
            "fingerprint": card.fingerprint,
            "funding": card.funding,
            "incremental_authorization": {"status": "unavailable"},
            "installments": None,
            "last4": card.last4,
            "mandate": None,
            "multicapture": {"status": "unavailable"},
            "network": card.brand,
            "network_token": {"used": False},
            "network_transaction_id": "".join(secrets.choice(string.digits) for _ in range(15)),
            "overcapture": {"maximum_amount_capturable": amount, "status": "unavailable"},
            "regulated_status": "unregulated",
            "three_d_secure": three_d_secure,
            "wallet": None,
        },
        "type": "card",
    }


def three_d_secure(result: str) -> StripeObject:
    """How the cardholder was authenticated, on a charge."""
    return {
        "authentication_flow": "challenge",
        "electronic_commerce_indicator": "05",
        "exemption_indicator": None,
        "result": result,
        "result_reason": None,
        "transaction_id": new_id("tds", 20),
        "version": "2.2.0",
    }


def outcome(card: Card, decline_code: str | None, advice_code: str | None, *, blocked: bool) -> StripeObject:
    """A charge's `outcome`. https://docs.stripe.com/api/charges/object#charge_object-outcome."""
    approved = decline_code is None
    if approved:
        network_status, kind, message = "approved_by_network", "authorized", "Payment complete."
    elif blocked:
        network_status, kind, message = (
            "not_sent_to_network",
            "blocked",
            "Stripe blocked this payment as too risky.",
        )
    else:
        network_status, kind = "declined_by_network", "issuer_declined"
        message = "The bank did not return any further details with this decline."
    return {
        "advice_code": advice_code,
        "network_advice_code": None,
        "network_decline_code": None if approved or blocked else "01",
        "network_status": network_status,
        "reason": None if approved else "highest_risk_level" if blocked else decline_code,
        "risk_level": card.risk_level,
        "risk_score": {"normal": 20, "elevated": 65, "highest": 90}[card.risk_level],
        "seller_message": message,
        "type": kind,
    }


def payment_method(
    now: int, kind: str, details: StripeObject, billing: StripeObject | None = None
) -> StripeObject:
    """https://docs.stripe.com/api/payment_methods/object."""
    return {
        "id": new_id("pm"),
        "object": "payment_method",
        "allow_redisplay": "unspecified",
        "billing_details": {
            "address": {**NO_ADDRESS, **((billing or {}).get("address") or {})},
            "email": (billing or {}).get("email"),
            "name": (billing or {}).get("name"),
            "phone": (billing or {}).get("phone"),
            "tax_id": (billing or {}).get("tax_id"),
        },
        kind: details,
        "created": now,
        "customer": None,
        "customer_account": None,
        "livemode": False,
        "metadata": {},
        "type": kind,
    }


def card_of_method(card: Card, exp_month: int, exp_year: int) -> StripeObject:
    """A PaymentMethod's `card`."""
    return {
        "brand": card.brand,
        "checks": {
            "address_line1_check": None,
            "address_postal_code_check": card.postal_code_check,
            "cvc_check": card.cvc_check,
        },
        "country": card.country,
        "display_brand": card.brand,
        "exp_month": exp_month,
        "exp_year": exp_year,
        "fingerprint": card.fingerprint,
        "funding": card.funding,
        "generated_from": None,
        "last4": card.last4,
        "networks": {"available": [card.brand], "preferred": None},
        "regulated_status": "unregulated",
        "three_d_secure_usage": {"supported": card.brand != "unionpay"},
        "wallet": None,
    }


def sepa_debit_of_method(account: BankAccount) -> StripeObject:
    """A PaymentMethod's `sepa_debit`."""
    return {
        "bank_code": account.iban[4:9],
        "branch_code": "",
        "country": account.iban[:2],
        "fingerprint": account.fingerprint,
        "generated_from": {"charge": None, "setup_attempt": None},
        "last4": account.iban[-4:],
    }


def sepa_debit_details(sepa_debit: StripeObject) -> StripeObject:
    """A charge's `payment_method_details` for a SEPA direct debit."""
    kept = ("bank_code", "branch_code", "country", "fingerprint", "last4")
    details = {name: sepa_debit[name] for name in kept}
    return {"sepa_debit": {**details, "mandate": new_id("mandate")}, "type": "sepa_debit"}


def refund(now: int, charge_: StripeObject, amount: int, status: str) -> StripeObject:
    """https://docs.stripe.com/api/refunds/object."""
    return {
        "id": new_id("re"),
        "object": "refund",
        "amount": amount,
        "charge": charge_["id"],
        "created": now,
        "currency": charge_["currency"],
        "customer": charge_["customer"],
        "metadata": {},
        "payment_intent": charge_["payment_intent"],
        "payment_method": charge_["payment_method"],
        "status": status,
        **nulls(
            "balance_transaction customer_account reason receipt_number source_transfer_reversal "
            "transfer_reversal"
        ),
    }


def balance_transaction(
    now: int,
    source: str,
    kind: str,
    amount: int,
    currency: str,
    *,
    fee: int = 0,
    fee_description: str = "Stripe processing fees",
    available_on: int,
    description: str | None = None,
    reporting_category: str,
) -> StripeObject:
    """https://docs.stripe.com/api/balance_transactions/object."""
    details = {
        "amount": fee,
        "application": None,
        "currency": currency,
        "description": fee_description,
        "type": "stripe_fee",
    }
    return {
        "id": new_id("txn"),
        "object": "balance_transaction",
        "amount": amount,
        "available_on": available_on,
        "balance_type": "payments",
        "created": now,
        "currency": currency,
        "description": description,
        "exchange_rate": None,
        "fee": fee,
        "fee_details": [details] if fee else [],
        "net": amount - fee,
        "reporting_category": reporting_category,
        "source": source,
        "status": "available" if available_on <= now else "pending",
        "type": kind,
    }


def customer(now: int) -> StripeObject:
    """https://docs.stripe.com/api/customers/object."""
    return {
        "id": new_id("cus", 14),
        "object": "customer",
        "balance": 0,
        "created": now,
        "delinquent": False,
        "invoice_prefix": new_id("", 8)[1:].upper(),
        "invoice_settings": {
            "custom_fields": None,
            "default_payment_method": None,
            "footer": None,
            "rendering_options": None,
        },
        "livemode": False,
        "metadata": {},
        "next_invoice_sequence": 1,
        "preferred_locales": [],
        "tax_exempt": "none",
        **nulls(
            "address currency customer_account default_source description discount email name phone "
            "shipping test_clock"
        ),
    }


def dispute(now: int, charge_: StripeObject, reason: str, status: str, due_by: int) -> StripeObject:
    """https://docs.stripe.com/api/disputes/object."""
    inquiry = status.startswith("warning")
    card = charge_["payment_method_details"]["card"]
    return {
        "id": new_id("du"),
        "object": "dispute",
        "amount": charge_["amount_captured"],
        "balance_transactions": [],
        "charge": charge_["id"],
        "created": now,
        "currency": charge_["currency"],
        "enhanced_eligibility_types": [],
        "evidence": {**nulls(EVIDENCE), "enhanced_evidence": {}},
        "evidence_details": {
            "due_by": due_by,
            "enhanced_eligibility": {},
            "has_evidence": False,
            "past_due": False,
            "submission_count": 0,
        },
        "is_charge_refundable": inquiry,
        "livemode": False,
        "metadata": {},
        "payment_intent": charge_["payment_intent"],
        "payment_method_details": {
            "card": {
                "brand": card["brand"],
                "case_type": "inquiry" if inquiry else "chargeback",
                "network_reason_code": {"fraudulent": "10.4", "product_not_received": "13.1"}.get(
                    reason, "10.4"
                ),
            },
            "type": "card",
        },
        "reason": reason,
        "status": status,
    }


def event(
    now: int,
    kind: str,
    body: StripeObject,
    previous_attributes: StripeObject | None,
    api_version: str,
    request: StripeObject,
    pending_webhooks: int,
) -> StripeObject:
    """https://docs.stripe.com/api/events/object."""
    data: StripeObject = {"object": body}
    if previous_attributes is not None:
        data["previous_attributes"] = previous_attributes
    return {
        "id": new_id("evt"),
        "object": "event",
        "api_version": api_version,
        "created": now,
        "data": data,
        "livemode": False,
        "pending_webhooks": pending_webhooks,
        "request": request,
        "type": kind,
    }


def webhook_endpoint(now: int, url: str, enabled_events: list[str]) -> StripeObject:
    """https://docs.stripe.com/api/webhook_endpoints/object. The secret is shown only when it is created."""
    return {
        "id": new_id("we"),
        "object": "webhook_endpoint",
        "api_version": None,
        "application": None,
        "created": now,
        "description": None,
        "enabled_events": enabled_events,
        "livemode": False,
        "metadata": {},
        "secret": new_id("whsec", 32),
        "status": "enabled",
        "url": url,
    }


def without_secret(body: StripeObject) -> StripeObject:
    """An object as lists, answers and events show it: an endpoint's secret is shown only at its creation."""
    return {name: value for name, value in body.items() if name != "secret"}


# https://docs.stripe.com/js/payment_intents/retrieve_payment_intent
SHOWN_TO_BROWSERS = words(
    "id object amount amount_details automatic_payment_methods canceled_at cancellation_reason "
    "capture_method client_secret confirmation_method created currency description last_payment_error "
    "livemode next_action payment_method payment_method_configuration_details payment_method_types "
    "processing receipt_email setup_future_usage shipping source status"
)


def for_browser(intent: StripeObject) -> StripeObject:
    """What Stripe shows of a PaymentIntent to a publishable key."""
    return {name: value for name, value in intent.items() if name in SHOWN_TO_BROWSERS}


def account(identifier: str, created: int, country: str, currency: str) -> StripeObject:
    """The one account of the sandbox. https://docs.stripe.com/api/accounts/object."""
    nothing_due: StripeObject = {
        "alternatives": [],
        "current_deadline": None,
        "currently_due": [],
        "disabled_reason": None,
        "errors": [],
        "eventually_due": [],
        "past_due": [],
        "pending_verification": [],
    }
    return {
        "id": identifier,
        "object": "account",
        "business_profile": {
            "mcc": "5734",
            "name": "Sandbox",
            **nulls(
                "annual_revenue estimated_worker_count minority_owned_business_designation "
                "product_description support_address support_email support_phone support_url url"
            ),
        },
        "business_type": "company",
        "capabilities": {"card_payments": "active", "sepa_debit_payments": "active", "transfers": "active"},
        "charges_enabled": True,
        "controller": {"type": "account"},
        "country": country,
        "created": created,
        "default_currency": currency,
        "details_submitted": True,
        "email": "sandbox@example.com",
        "external_accounts": {
            "data": [],
            "has_more": False,
            "object": "list",
            "url": f"/v1/accounts/{identifier}/external_accounts",
        },
        "future_requirements": nothing_due,
        "metadata": {},
        "payouts_enabled": True,
        "requirements": nothing_due,
        "settings": {
            "bacs_debit_payments": nulls("display_name service_user_number"),
            "branding": nulls("icon logo primary_color secondary_color"),
            "card_issuing": {"tos_acceptance": nulls("date ip")},
            "card_payments": {
                "decline_on": {"avs_failure": False, "cvc_failure": False},
                "statement_descriptor_prefix": "SANDBOX",
                **nulls("statement_descriptor_prefix_kana statement_descriptor_prefix_kanji"),
            },
            "dashboard": {"display_name": "Sandbox", "timezone": "Europe/Paris"},
            "invoices": {"default_account_tax_ids": None, "hosted_payment_method_save": "offer"},
            "payments": {
                "statement_descriptor": "SANDBOX",
                **nulls("statement_descriptor_kana statement_descriptor_kanji"),
            },
            "payouts": {
                "debit_negative_balances": True,
                "schedule": {"delay_days": 7, "interval": "daily"},
                "statement_descriptor": None,
            },
            "sepa_debit_payments": {},
        },
        "tos_acceptance": nulls("date ip user_agent"),
        "type": "standard",
    }
