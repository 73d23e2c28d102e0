"""Believable test orders, the same for the same seed and day, to try the desk with."""

from __future__ import annotations

import random
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING, Any, Final
from zoneinfo import ZoneInfo

from rich.progress import Progress

from lumira.access import Actor, Role
from lumira.audit import Action, AuditEntry
from lumira.batches import batched
from lumira.catalog import CATALOG, Level
from lumira.embedded import sandbox_state
from lumira.errors import SettingsError
from lumira.events import ACTED_ON, APPLIED
from lumira.orders import FREE_PREFIX, Order, OrderStatus, TimelineEntry
from lumira.refunds import Dispute, Refund
from lumira.sandbox.disputes import DAYS_TO_RESPOND
from lumira.sandbox.history import PastDispute, PastIds, PastPayment, PastRefund, write_history

if TYPE_CHECKING:
    from lumira.desk import Desk
    from lumira.storage import Events

SEED: Final = Actor("seed", Role.ADMIN)
DEMO_ORDERS: Final = 1_200
DEMO_DAYS: Final = 180
DEMO_SEED: Final = 7
# The whole demo at once: its orders are either all there or none, and then the next start begins anew.
_BATCH: Final = 2_000

# What each level cost, minor units EUR, up to how many days ago; since then it costs what the catalog says.
_FORMER_PRICES: Final = {
    Level.INITIE: ((240, 4900), (120, 2700)),
    Level.MYSTIQUE: ((120, 9900),),
    Level.PROFOND: ((120, 19900),),
    # Sold to a few in its first form; today it is announced anew and can't be bought yet.
    Level.INTEGRALE: ((120, 9700),),
}
_LEVELS: Final = {Level.INITIE: 38, Level.MYSTIQUE: 36, Level.PROFOND: 23, Level.INTEGRALE: 3}
# People buy readings in the evening, and on Sundays.
_HOURS: Final = (3, 1, 1, 0, 0, 1, 2, 4, 6, 8, 9, 9, 12, 11, 9, 9, 10, 12, 15, 20, 27, 30, 22, 10)
_WEEKDAYS: Final = (9, 9, 10, 10, 11, 13, 17)
_FAILURES: Final = (
    ("insufficient_funds", "Your card has insufficient funds.", 40),
    ("generic_decline", "Your card was declined.", 30),
    ("expired_card", "Your card has expired.", 12),
    ("incorrect_cvc", "Your card's security code is incorrect.", 10),
    ("processing_error", "An error occurred while processing your card. Try again in a little bit.", 8),
)
_REFUND_REASONS: Final = (("requested_by_customer", 8), ("duplicate", 1), ("fraudulent", 1))
_DISPUTE_REASONS: Final = {
    "fraudulent": 5,
    "product_not_received": 2,
    "product_unacceptable": 2,
    "duplicate": 1,
}
# A dispute is answered within so many days, and has been decided after so many, counted from its opening.
_ANSWERED_WITHIN: Final = 3
_DECIDED_WITHIN: Final = 45
# How many days ago the first disputes were opened, at least and at most: every state is there to be seen.
_OPENED: Final = ((1, 3), (8, 20), (45, 60), (45, 60))
_FIRST_NAMES: Final = (
    *("Camille", "Léa", "Manon", "Chloé", "Inès", "Zoé", "Éloïse", "Anaïs", "Margaux", "Solène", "Clémence"),
    *("Aurélie", "Océane", "Maëlys", "Noémie", "Jeanne", "Louise", "Agathe", "Hélène", "Françoise", "Sylvie"),
    *("Hugo", "Théo", "Jules", "Raphaël", "Gaël", "Loïc", "Benoît", "François", "Mathéo", "Étienne", "Rémi"),
)
_LAST_NAMES: Final = (
    *("Martin", "Bernard", "Thomas", "Petit", "Robert", "Richard", "Durand", "Dubois", "Moreau", "Laurent"),
    *(
        "Lefèvre",
        "Garçon",
        "Hébert",
        "Guérin",
        "Béranger",
        "Noël",
        "Lemaître",
        "Chevalier",
        "Faure",
        "Mercier",
    ),
    *("Le Goff", "d'Aubigné", "Saint-Martin", "Müller", "Nguyên", "Kovač", "El Amrani", "Diallo", "Rossi"),
)
_DOMAINS: Final = ("example.com", "example.fr", "example.org", "example.net")


def seed_demo(desk: Desk) -> None:
    """Fills an empty store with the demo orders; leaves any other alone. Test mode only."""
    if not desk.gateway.livemode and desk.orders.is_empty():
        insert_orders(desk, orders=DEMO_ORDERS, days=DEMO_DAYS, seed=DEMO_SEED)


def insert_orders(desk: Desk, *, orders: int, days: int, seed: int) -> int:
    """Inserts that many orders in bulk, with a progress bar, and returns how many were not there before.

    With the sandbox that Lumira started, their payments, refunds and disputes are there too, and the ledger
    holds what webhooks told of them in the last 30 days. Raises SettingsError with a live key.
    """
    if desk.gateway.livemode:
        raise SettingsError(
            "STRIPE_SECRET_KEY is a live key: orders that nobody made would stand beside those of customers. "
            "Seed another store, with a test key or none."
        )
    zone = desk.settings.business_timezone
    made = generate(orders, days, seed, zone=zone, now=datetime.now(UTC))
    state = sandbox_state(desk.settings)
    inserted = 0
    with Progress(transient=True) as progress:
        bar = progress.add_task("Seeding orders", total=orders)
        for batch in batched(made, _BATCH):
            # Before the orders, whose being there says that all of it is.
            desk.audit.record_past(entry for order in batch for entry in _done_by_staff(order))
            if state is None:
                inserted += desk.orders.insert_many(batch)
            else:
                written = write_history(state, [_past_payment(order) for order in batch if not order.is_free])
                _record(desk.events, written.events)
                inserted += desk.orders.insert_many([_named(order, written.ids) for order in batch])
            progress.advance(bar, len(batch))
    # Orders of the past have dates of the past: neither revenue nor fees would look for them.
    desk.revenue.rebuild(actor=SEED)
    desk.fees.read_anew()
    return inserted


def _done_by_staff(order: Order) -> Iterator[AuditEntry]:
    """What the audit log holds of the order: what its timeline says of people."""
    roles = {str(role): role for role in (Role.SUPPORT, Role.FINANCE)}
    for entry in order.timeline:
        if entry.by not in roles:
            continue
        money = {"currency": order.currency}
        if entry.kind == "charge.refunded":
            action, before = Action.REFUND, {"amount_refunded": 0}
            after = {"amount_refunded": order.amount_refunded, **money}
        else:
            action, before, after = Action.CREATE_INTENT, {}, {"amount": order.amount, **money}
        yield AuditEntry.by(
            Actor(entry.by, roles[entry.by]),
            action,
            entry.at,
            order_id=order.id,
            before=before,
            after=after,
            note=entry.note,
            attempt_id=f"seed {order.id}",
        )


def _named(order: Order, ids: Mapping[str, PastIds]) -> Order:
    """The order, its charge, refunds and disputes under the ids that Stripe gave them."""
    named = ids.get(str(order.payment_intent_id))
    if named is None:
        return order
    # A payment that another day's seed has written stays as it is there, and so does its order in the store.
    refunds = zip(order.refunds, named.refunds, strict=False)
    disputes = zip(order.disputes, named.disputes, strict=False)
    return order.model_copy(
        update={
            "latest_charge": named.charge,
            "refunds": [refund.model_copy(update={"id": name}) for refund, name in refunds],
            "disputes": [dispute.model_copy(update={"id": name}) for dispute, name in disputes],
        }
    )


def _record(ledger: Events, events: Iterable[Mapping[str, Any]]) -> None:
    """The webhooks that brought the orders to where they are, each received as it happened."""
    for event in events:
        if event["type"] in ACTED_ON:
            ledger.record(event, APPLIED, datetime.fromtimestamp(event["created"], UTC))


def _past_payment(order: Order) -> PastPayment:
    return PastPayment(
        id=str(order.payment_intent_id),
        amount=order.amount,
        currency=order.currency,
        created=order.created_at,
        settled=order.completed_at or order.updated_at,
        status=str(order.stripe_status),
        description=f"Oracle Lumira - {order.product_name}",
        metadata={key: str(value) for key, value in order.metadata.items()},
        decline_code=order.failure_code,
        refunds=tuple(PastRefund(made.amount, made.created_at, made.reason) for made in order.refunds),
        disputes=tuple(_past_dispute(order, dispute) for dispute in order.disputes),
    )


def _past_dispute(order: Order, dispute: Dispute) -> PastDispute:
    reached = {entry.kind: entry.at for entry in order.timeline}
    return PastDispute(
        at=dispute.created_at,
        reason=str(dispute.reason),
        status=dispute.status,
        answered=reached.get("dispute.under_review"),
        closed=None if dispute.is_open else dispute.as_of,
    )


def generate(orders: int, days: int, seed: int, *, zone: ZoneInfo, now: datetime) -> Iterator[Order]:
    """`orders` orders over the last `days` days of `zone` up to `now` (UTC), oldest day first.

    The same arguments on the same day give the same orders, up to the hour of `now`.
    """
    chance = random.Random(seed)  # noqa: S311 - believable, not secret
    today = now.astimezone(zone).date()
    customers = [_customer(chance, number) for number in range(max(1, orders * 2 // 3))]
    planned = _planned_disputes(seed, orders, days, today, zone)
    for day in sorted(_days(chance, orders, days, today)):
        instant = _instant(chance, day, zone)
        # Today's later hours have not come yet: those orders belong to the same hour of the day before.
        if instant > now:
            instant -= timedelta(days=1)
        order = _order(chance, instant, now, (today - day).days, *chance.choice(customers))
        keeps_money = order.status is OrderStatus.COMPLETED and order.net == order.amount > 0
        if keeps_money and planned and planned[0][0] <= day:
            order = _disputed(order, planned.pop(0)[1])
        yield order


def _planned_disputes(
    seed: int, orders: int, days: int, today: date, zone: ZoneInfo
) -> list[tuple[date, PastDispute]]:
    """Disputes, each with the day from which on the first payment found is the disputed one; by that day.

    One in 400 orders, which is one in 250 of those that are paid, but of 1,000 orders one in each state.
    """
    # A source of its own: whatever is drawn from it, the orders stay as they are.
    chance = random.Random(f"disputes {seed}")  # noqa: S311 - believable, not secret
    planned = []
    for number in range(max(min(orders // 250, len(_OPENED)), orders // 400)):
        least, most = _OPENED[number] if number < len(_OPENED) else (1, max(1, days - 5))
        days_ago = chance.randint(least, most)
        opened = today - timedelta(days=days_ago)
        paid = opened - timedelta(days=chance.randint(4, 25))
        planned.append((paid, _dispute(chance, number, days_ago, _instant(chance, opened, zone))))
    return sorted(planned, key=lambda one: one[0])


def _dispute(chance: random.Random, number: int, days_ago: int, opened: datetime) -> PastDispute:
    """A dispute opened at an instant, as it stands `days_ago` days later; every third is won, else lost."""
    [reason] = chance.choices(list(_DISPUTE_REASONS), list(_DISPUTE_REASONS.values()))
    # Stripe counts in whole seconds.
    opened = opened.replace(microsecond=0)
    if days_ago <= _ANSWERED_WITHIN:
        return PastDispute(opened, reason)
    answered = opened + timedelta(hours=chance.randint(20, 24 * _ANSWERED_WITHIN))
    if days_ago < _DECIDED_WITHIN:
        return PastDispute(opened, reason, "under_review", answered)
    closed = answered + timedelta(
        hours=chance.randint(24 * 20, 24 * (_DECIDED_WITHIN - _ANSWERED_WITHIN - 1))
    )
    return PastDispute(opened, reason, "won" if number % 3 == 2 else "lost", answered, closed)


def _disputed(order: Order, past: PastDispute) -> Order:
    """The order as Stripe's events of the dispute left it; where it was paid too late for it, as it was."""
    if past.at < order.updated_at + timedelta(days=1):
        return order
    steps = (("needs_response", past.at), ("under_review", past.answered), (past.status, past.closed))
    entries = [
        TimelineEntry(at=at, kind=f"dispute.{status}", by="stripe", amount=order.amount, note=past.reason)
        for status, at in steps
        if at
    ]
    dispute = Dispute(
        id=f"du_demo{order.id}",
        amount=order.amount,
        status=past.status,
        reason=past.reason,
        created_at=past.at,
        as_of=entries[-1].at,
        due_by=past.at + timedelta(days=DAYS_TO_RESPOND),
    )
    return order.model_copy(
        update={
            "disputes": [dispute],
            "updated_at": entries[-1].at,
            "timeline": [*order.timeline, *entries],
        }
    )


def _days(chance: random.Random, orders: int, days: int, today: date) -> list[date]:
    """Days for the orders: a business that grows, busier at the end of the week."""
    choices = [today - timedelta(days=back) for back in range(days)]
    weights = [_WEEKDAYS[day.weekday()] * (1.6 - (today - day).days / days) for day in choices]
    return chance.choices(choices, weights, k=orders)


def _instant(chance: random.Random, day: date, zone: ZoneInfo) -> datetime:
    hour = chance.choices(range(24), _HOURS)[0]
    wall = time(hour, chance.randrange(60), chance.randrange(60), chance.randrange(1000) * 1000)
    return datetime.combine(day, wall, zone).astimezone(UTC)


def _customer(chance: random.Random, number: int) -> tuple[str, str]:
    name = f"{chance.choice(_FIRST_NAMES)} {chance.choice(_LAST_NAMES)}"
    folded = unicodedata.normalize("NFKD", name.lower()).encode("ascii", "ignore").decode()
    local = "".join(letter if letter.isalnum() else "." for letter in folded)
    return name, f"{local}.{number}@{chance.choice(_DOMAINS)}"


def _price(level: Level, days_ago: int) -> int | None:
    """What a level cost that many days ago, minor units EUR; None while it could not be bought."""
    former = next((price for until, price in _FORMER_PRICES.get(level, ()) if days_ago >= until), None)
    product = CATALOG[level]
    return product.amount if former is None and not product.coming_soon else former


def _order(
    chance: random.Random, created: datetime, now: datetime, days_ago: int, name: str, email: str
) -> Order:
    prices = {level: price for level in Level if (price := _price(level, days_ago)) is not None}
    level = chance.choices(list(prices), [_LEVELS[level] for level in prices])[0]
    amount, product = prices[level], CATALOG[level]
    status = OrderStatus.COMPLETED if amount == 0 else _status(chance, days_ago)
    identifier = f"{chance.getrandbits(96):024x}"
    source = chance.choices(("api", "desk", "stripe"), (90, 6, 4))[0]
    by = {"api": "api", "desk": "support", "stripe": "stripe"}[source]
    timeline = [TimelineEntry(at=created, kind="order.created", by=by)]
    settled = min(created + timedelta(seconds=chance.randint(20, 400)), now)
    order_id = f"{int(created.timestamp()):08x}{identifier[:16]}"
    order = Order(
        id=order_id,
        product_id=product.id,
        customer_email=email,
        customer_name=name,
        amount=amount,
        currency=product.currency,
        status=status,
        # As long as Stripe's.
        payment_intent_id=f"{FREE_PREFIX}{identifier}" if amount == 0 else f"pi_demo{identifier[:20]}",
        created_at=created,
        updated_at=created if status is OrderStatus.PENDING else settled,
        metadata={
            "productId": product.id,
            "productName": product.name,
            "level": str(level),
            "customerEmail": email,
            "customerName": name,
            "customerPhone": "",
            "source": source,
            "orderId": order_id,
            **({"freeProduct": True} if amount == 0 else {}),
        },
        livemode=False,
        source=source,
        created_by=by,
        timeline=timeline,
    )
    if amount == 0:
        return order.model_copy(update={"completed_at": created})
    return _settled(chance, order, settled, now)


def _status(chance: random.Random, days_ago: int) -> OrderStatus:
    # A payment left open is cancelled by the house after two days; only recent ones still wait.
    waiting = (16, 5) if days_ago < 2 else (0, 0)
    weights = dict(zip(OrderStatus, (waiting[0], waiting[1], 84, 8, 5), strict=True))
    return chance.choices(list(weights), list(weights.values()))[0]


def _settled(chance: random.Random, order: Order, at: datetime, now: datetime) -> Order:
    """The order as Stripe left it: paid and perhaps refunded, declined, cancelled, or still waiting."""
    before = OrderStatus.PENDING
    stripe_status = "requires_payment_method"
    update: dict[str, Any] = {}
    match order.status:
        case OrderStatus.COMPLETED:
            stripe_status, update = "succeeded", {"completed_at": at}
        case OrderStatus.PROCESSING:
            stripe_status = "processing"
        case OrderStatus.CANCELLED:
            stripe_status = "canceled"
        case OrderStatus.FAILED:
            code, message, _ = chance.choices(_FAILURES, [weight for *_, weight in _FAILURES])[0]
            update = {"failure_code": code, "failure_message": message}
    timeline = list(order.timeline)
    if order.status is not before:
        note = update.get("failure_message")
        timeline.append(
            TimelineEntry(
                at=at,
                kind=f"payment_intent.{stripe_status}",
                by="stripe",
                before=before,
                after=order.status,
                code=update.get("failure_code"),
                note=note,
            )
        )
    order = order.model_copy(
        update={
            **update,
            "stripe_status": stripe_status,
            "stripe_synced_at": order.updated_at,
            "timeline": timeline,
        }
    )
    if order.status is OrderStatus.COMPLETED and chance.random() < 0.045:
        order = _refunded(chance, order, now)
    return order


def _refunded(chance: random.Random, order: Order, now: datetime) -> Order:
    completed = order.completed_at or order.created_at
    at = completed + timedelta(hours=chance.randint(2, 240))
    if at > now:
        at = completed + (now - completed) / 2
    amount = order.amount if chance.random() < 0.7 else order.amount // 2
    reason = chance.choices([name for name, _ in _REFUND_REASONS], [weight for _, weight in _REFUND_REASONS])[
        0
    ]
    refund = Refund(id=f"re_demo{order.id}", amount=amount, reason=reason, created_at=at)
    entry = TimelineEntry(at=at, kind="charge.refunded", by="finance", note=reason)
    return order.model_copy(
        update={
            "refunds": [refund],
            "amount_refunded": amount,
            "last_refund_at": at,
            "updated_at": at,
            "timeline": [*order.timeline, entry],
        }
    )
