"""The one place where settings, store, Stripe and the rules are put together."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from lumira.audit_trail import AuditTrail
from lumira.checkout import Checkout
from lumira.customers import Customers
from lumira.doctor import Doctor, StoredData
from lumira.errors import SettingsError
from lumira.fees import Fees
from lumira.health import Health
from lumira.intents import Intents
from lumira.month_close import MonthClose
from lumira.notes import Notes
from lumira.order_list import OrderList
from lumira.passwords import Passwords
from lumira.payment_details import Payments
from lumira.payouts import Payouts
from lumira.privacy import Privacy
from lumira.reconcile import Reconciliation
from lumira.refund_requests import RefundRequests
from lumira.revenue import Revenue
from lumira.secret_key import secret_key
from lumira.sessions import Sessions
from lumira.settings import Settings, load_settings, revealed
from lumira.sign_in_attempts import Attempts
from lumira.staff import Staff
from lumira.storage import (
    ApiTokens,
    AuditLog,
    Events,
    FeesRead,
    MonthCloses,
    OrderNotes,
    OrderRows,
    Orders,
    PersonalData,
    Reconciliations,
    RefusedSignatures,
    RevenueRows,
    Rollups,
    SavedViews,
    StaffAccounts,
    StaffSessions,
    Store,
)
from lumira.stripe_gateway import TIMEOUT_SECONDS, TRIES, StripeGateway, signature, verified_event
from lumira.tokens import Tokens
from lumira.views import Views
from lumira.webhooks import Webhooks

# How long a page waits for each of two tries to ask Stripe; then it shows what it has.
PAGE_TIMEOUT_SECONDS: Final = 4
# The same for /api/ready: both tries together take no longer than the store may.
READY_TIMEOUT_SECONDS: Final = 2
_FEW_TRIES: Final = 2


@dataclass(frozen=True, eq=False)
class Desk:
    """Everything a page or a route asks: opened once in a process and shared by its threads."""

    settings: Settings
    gateway: StripeGateway
    store: Store
    orders: Orders
    events: Events
    audit: AuditLog
    audit_trail: AuditTrail
    intents: Intents
    refunds: RefundRequests
    checkout: Checkout
    order_list: OrderList
    customers: Customers
    notes: Notes
    payments: Payments
    views: Views
    privacy: Privacy
    webhooks: Webhooks
    revenue: Revenue
    fees: Fees
    month_close: MonthClose
    payouts: Payouts
    tokens: Tokens
    staff: Staff
    sessions: Sessions
    reconciliation: Reconciliation
    health: Health
    doctor: Doctor
    # Whether whoever reaches the pages is let in, as the role they choose: on this machine alone.
    is_demo: bool
    # The key that signs what we give away and must know again: payment links, sessions.
    signing_key: Callable[[], bytes]

    @classmethod
    def open(cls, settings: Settings, *, demo: bool = False) -> Desk:
        """Puts a desk together without any traffic, so it opens while store or Stripe are down.

        Raises SettingsError without a MONGODB_URI, or with one that is none.
        """
        if settings.mongodb_uri is None:
            raise SettingsError("MONGODB_URI is not set. `lumira run` starts a store of its own without it.")
        store = Store(settings.mongodb_uri.get_secret_value(), settings.mongodb_db)
        orders, events, audit = Orders(store.database), Events(store.database), AuditLog(store.database)
        gateway, page_gateway = _gateway(settings), _page_gateway(settings)
        signing_key = functools.cache(lambda: secret_key(settings))
        intents = Intents(orders, gateway, audit, return_url=f"{settings.local_url}/")
        rows = OrderRows(store.database, settings.business_timezone, livemode=gateway.livemode)
        order_list = OrderList(rows, intents, audit)
        rollups = Rollups(store.database, settings.business_timezone.key, livemode=gateway.livemode)
        revenue_rows = RevenueRows(store.database)
        revenue = Revenue(revenue_rows, rollups, audit, settings.business_timezone, livemode=gateway.livemode)
        accounts, kept_sessions = StaffAccounts(store.database), StaffSessions(store.database)
        passwords, attempts = Passwords(), Attempts()
        sessions = Sessions(
            kept_sessions, accounts, audit, key=signing_key, passwords=passwords, attempts=attempts
        )
        webhooks = Webhooks(
            events,
            orders,
            gateway,
            audit,
            RefusedSignatures(store.database, livemode=gateway.livemode),
            secret=revealed(settings.stripe_webhook_secret),
            verify=verified_event,
        )
        return cls(
            settings=settings,
            staff=Staff(
                accounts,
                kept_sessions,
                audit,
                key=signing_key,
                passwords=passwords,
                attempts=attempts,
                changed=sessions.forget,
            ),
            sessions=sessions,
            is_demo=demo,
            signing_key=signing_key,
            gateway=gateway,
            store=store,
            orders=orders,
            events=events,
            audit=audit,
            audit_trail=AuditTrail(audit, orders),
            intents=intents,
            refunds=RefundRequests(orders, intents, gateway, audit),
            checkout=Checkout(
                orders,
                page_gateway,
                audit,
                key=signing_key,
                publishable_key=settings.stripe_publishable_key,
            ),
            order_list=order_list,
            customers=Customers(orders, order_list, livemode=gateway.livemode),
            payments=Payments(orders, page_gateway),
            notes=Notes(orders, OrderNotes(store.database), audit),
            views=Views(SavedViews(store.database), audit),
            privacy=Privacy(PersonalData(store.database), audit, list_orders=order_list.list_all),
            webhooks=webhooks,
            reconciliation=Reconciliation(orders, gateway, audit, Reconciliations(store.database)),
            revenue=revenue,
            fees=Fees(
                orders,
                revenue_rows,
                FeesRead(store.database, livemode=gateway.livemode),
                gateway,
                changed=revenue.mark,
            ),
            month_close=MonthClose(
                revenue_rows,
                MonthCloses(store.database, livemode=gateway.livemode),
                revenue,
                gateway,
                audit,
                settings.business_timezone,
            ),
            payouts=Payouts(page_gateway, orders, audit, settings.business_timezone),
            health=Health(store, _gateway(settings, timeout=READY_TIMEOUT_SECONDS, tries=_FEW_TRIES)),
            doctor=Doctor(
                settings,
                page_gateway,
                StoredData(
                    store,
                    orders,
                    events,
                    rollups,
                    audit,
                    accounts=None if demo else accounts,
                    key=signing_key,
                    refuses_signatures=webhooks.refuses_signatures,
                ),
                sign=signature,
            ),
            tokens=Tokens(ApiTokens(store.database), audit, setting=revealed(settings.api_token)),
        )


def doctor_without_store(settings: Settings) -> Doctor:
    """The doctor of a desk that has no store: none is configured, and none runs."""
    return Doctor(settings, _page_gateway(settings), None, sign=signature)


def _page_gateway(settings: Settings) -> StripeGateway:
    """The Stripe of the settings, for a page that waits for the answer: it gives up early."""
    return _gateway(settings, timeout=PAGE_TIMEOUT_SECONDS, tries=_FEW_TRIES)


def _gateway(settings: Settings, *, timeout: float = TIMEOUT_SECONDS, tries: int = TRIES) -> StripeGateway:
    return StripeGateway(
        revealed(settings.stripe_secret_key), api_base=settings.stripe_api_base, timeout=timeout, tries=tries
    )


_current: Desk | None = None
_lock = threading.Lock()


def current() -> Desk:
    """The desk of this process, opened from the environment on first use."""
    global _current
    with _lock:
        if _current is None:
            _current = Desk.open(load_settings())
        return _current


def use(desk: Desk | None) -> None:
    """Makes `desk` the one `current` answers; None makes it open anew."""
    global _current
    with _lock:
        _current = desk


def is_open() -> bool:
    """Whether this process has a desk."""
    return _current is not None
