"""Which orders a list, an export or a saved view selects, and in which order. No I/O.

A filter is written as a query string, the same in the address of the page, in a saved view and on the command
line: `status=failed,pending&level=mystique&from=2026-11-01&q=camille`.

| name | what it selects |
|---|---|
| `date` | what `from`, `to` and the sorting speak of: `created` (default), `completed`, `refunded` |
| `from`, `to` | first and last day, both included, `YYYY-MM-DD` in the business time zone |
| `level` | levels, by any name that `level_of` knows, and `unknown` |
| `status` | order statuses |
| `stripe` | what Stripe said last; `none`: free, `unknown`: never asked; `differs`: not our status |
| `min`, `max` | bounds of the amount, both included, in minor units |
| `refunded` | `yes` or `no` |
| `disputed` | `yes` or `no`; `needs_response`: one of its disputes waits for our answer |
| `source` | where orders came from: `desk`, `api`, `stripe`; `former`: the program we replaced |
| `q` | words; each begins a word of the name, of the e-mail address before its @, the address or an id |
| `sort` | `-date` (default, newest first), `date`, `-amount`, `amount`; `due` with `needs_response` |

Lists are separated by commas.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from typing import Final, TypeVar
from zoneinfo import ZoneInfo

from lumira.catalog import Level, level_of
from lumira.days import midnight
from lumira.errors import InvalidFilter
from lumira.orders import NEVER_REACHED, REFUSED, Order, OrderStatus, agree

UNKNOWN: Final = "unknown"
# Values of `stripe` that Stripe itself does not know.
NOT_AT_STRIPE: Final = "none"
DIFFERS: Final = "differs"
FORMER: Final = "former"
STRIPE_STATUSES: Final = (
    "requires_payment_method",
    "requires_confirmation",
    "requires_action",
    "processing",
    "requires_capture",
    "succeeded",
    "canceled",
    REFUSED,
    NEVER_REACHED,
    NOT_AT_STRIPE,
    UNKNOWN,
)
SOURCES: Final = ("desk", "api", "stripe", FORMER)
LEVELS: Final = (*map(str, Level), UNKNOWN)
# Names of the filter in a query string; a page has others beside them.
NAMES: Final = (
    *("date", "from", "to", "level", "status", "stripe", "min", "max"),
    *("refunded", "disputed", "source", "q", "sort"),
)
# Far enough from the ends of time that any zone's midnight can be counted with.
_FIRST_DAY: Final = date(1971, 1, 1)
_LAST_DAY: Final = date(2999, 12, 31)
_GREATEST_AMOUNT: Final = 2**53
SEARCH_LENGTH: Final = 200
WORD_JOINER: Final = "\u2060"


class DateField(StrEnum):
    """The date of an order that a period and the sorting speak of.

    A completed order of another program may have no date of its own for that: it counts when it was created.
    """

    CREATED = "created"
    COMPLETED = "completed"
    REFUNDED = "refunded"


class Sort(StrEnum):
    """The order of a list; ties go by creation, then by `_id`, in the same direction."""

    NEWEST = "-date"
    OLDEST = "date"
    HIGHEST = "-amount"
    LOWEST = "amount"
    # Until when evidence is taken, soonest first; only disputes that wait for our answer have that.
    DUE = "due"

    @property
    def by_amount(self) -> bool:
        """Whether it is the amount that is sorted by."""
        return self in {Sort.HIGHEST, Sort.LOWEST}

    @property
    def by_date(self) -> bool:
        """Whether it is the date of the filter that is sorted by."""
        return self in {Sort.NEWEST, Sort.OLDEST}

    @property
    def descending(self) -> bool:
        """Whether the greatest comes first."""
        return self in {Sort.NEWEST, Sort.HIGHEST}


class Disputed(StrEnum):
    """What is wanted of an order's disputes; Stripe's word for one that waits for our answer."""

    NEEDS_RESPONSE = "needs_response"
    YES = "yes"
    NO = "no"


@dataclass(frozen=True)
class OrderFilter:
    """What is selected; an empty set or None does not narrow.

    `first` and `last` are days of the business time zone, both included; `minimum` and `maximum` minor units.
    `refunded` and `differs` want it so or not so. Raises InvalidFilter where what is selected has not what it
    is to be sorted by.
    """

    dated: DateField = DateField.CREATED
    first: date | None = None
    last: date | None = None
    levels: frozenset[str] = field(default_factory=frozenset)
    statuses: frozenset[OrderStatus] = field(default_factory=frozenset)
    stripe_statuses: frozenset[str] = field(default_factory=frozenset)
    differs: bool = False
    minimum: int | None = None
    maximum: int | None = None
    refunded: bool | None = None
    disputed: Disputed | None = None
    sources: frozenset[str] = field(default_factory=frozenset)
    search: str = ""
    sort: Sort = Sort.NEWEST

    def __post_init__(self) -> None:
        if self.sort is Sort.DUE and self.disputed is not Disputed.NEEDS_RESPONSE:
            raise _invalid("sort", self.sort)

    @property
    def words(self) -> list[str]:
        """The words searched for, folded, each once."""
        return search_words(self.search)

    @property
    def narrows(self) -> bool:
        """Whether it leaves anything out."""
        return replace(self, sort=Sort.NEWEST) != OrderFilter()

    def with_disputes(self, disputed: Disputed | None) -> OrderFilter:
        """The same filter with other disputes: what waits for an answer by its deadline, unless another
        sorting was chosen.
        """
        sort: Sort = Sort.NEWEST if self.sort is Sort.DUE else self.sort
        if disputed is Disputed.NEEDS_RESPONSE and sort is Sort.NEWEST:
            sort = Sort.DUE
        return replace(self, disputed=disputed, sort=sort)

    def bounds(self, zone: ZoneInfo) -> tuple[datetime | None, datetime | None]:
        """The first instant (UTC) of the period and the first after it; None where it is open."""
        start = None if self.first is None else midnight(self.first, zone)
        return start, None if self.last is None else midnight(self.last + timedelta(days=1), zone)


def parse_filter(query: Mapping[str, str]) -> OrderFilter:
    """The filter a query string means; names that are not the filter's are left alone.

    Raises InvalidFilter for a value that means nothing: a list that leaves it out would show other orders
    than the link was made for.
    """
    stripe = _list("stripe", query)
    for name in stripe - {*STRIPE_STATUSES, DIFFERS}:
        raise _invalid("stripe", name)
    for name in (sources := _list("source", query)) - set(SOURCES):
        raise _invalid("source", name)
    parsed = OrderFilter(
        dated=_choice("date", query, DateField, DateField.CREATED),
        first=_day("from", query),
        last=_day("to", query),
        levels=frozenset(_level(name) for name in _list("level", query)),
        statuses=frozenset(_member("status", name, OrderStatus) for name in _list("status", query)),
        stripe_statuses=frozenset(stripe - {DIFFERS}),
        differs=DIFFERS in stripe,
        minimum=_amount("min", query),
        maximum=_amount("max", query),
        refunded=_yes_or_no("refunded", query),
        disputed=_choice("disputed", query, Disputed, None),
        sources=frozenset(sources),
        search=_search(query),
        sort=_choice("sort", query, Sort, Sort.NEWEST),
    )
    if parsed.first and parsed.last and parsed.first > parsed.last:
        raise _invalid("to", query["to"])
    if parsed.minimum is not None and parsed.maximum is not None and parsed.minimum > parsed.maximum:
        raise _invalid("max", query["max"])
    return parsed


def filter_query(wanted: OrderFilter) -> dict[str, str]:
    """The filter as a query string's names and values, without defaults; `parse_filter` reads it back."""
    stripe = [name for name in STRIPE_STATUSES if name in wanted.stripe_statuses]
    query = {
        "date": str(wanted.dated) if wanted.dated is not DateField.CREATED else "",
        "from": wanted.first.isoformat() if wanted.first else "",
        "to": wanted.last.isoformat() if wanted.last else "",
        "level": ",".join(name for name in LEVELS if name in wanted.levels),
        "status": ",".join(status for status in OrderStatus if status in wanted.statuses),
        "stripe": ",".join([*stripe, DIFFERS] if wanted.differs else stripe),
        "min": "" if wanted.minimum is None else str(wanted.minimum),
        "max": "" if wanted.maximum is None else str(wanted.maximum),
        "refunded": _written(wanted.refunded),
        "disputed": str(wanted.disputed or ""),
        "source": ",".join(name for name in SOURCES if name in wanted.sources),
        "q": wanted.search,
        "sort": str(wanted.sort) if wanted.sort is not Sort.NEWEST else "",
    }
    return {name: value for name, value in query.items() if value}


# What an order is found by

# A word is looked up in the index by its first 8, 5 or 3 letters, as many as it has; the rest is compared.
_KEY_LENGTHS: Final = (3, 5, 8)
# The ids of PaymentIntents all begin alike, so their key is longer.
_ID_KEY_LENGTH: Final = 14
_IDS: Final = ("pi_", "free_")
_ORDER_ID: Final = re.compile("[0-9a-f]{8,24}")
# With the country code or without it, the last digits of a number are the same.
_PHONE: Final = re.compile(r"(?=[+(0]|\d+[ .\-/])[\d ().+\-/]{9,30}")
_PHONE_DIGITS: Final = 9
_LIGATURES: Final = str.maketrans({"œ": "oe", "æ": "ae"})
_PHONE_PREFIX: Final = "phone:"
REFUNDED_KEY: Final = ":refunded"
DISPUTED_KEY: Final = ":disputed"
NEEDS_RESPONSE_KEY: Final = ":needs_response"
FREE_KEY: Final = ":free"
# A dispute of which Stripe did not say until when it can be answered comes after those that have a deadline.
NO_DEADLINE: Final = datetime(3000, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Listing:
    """What an order is found by: `keys` for an index, `text` to compare words with.

    Every word of `text` stands behind a space. `due` (UTC) is until when the first of the disputes that wait
    for our answer is to be answered, NO_DEADLINE where Stripe did not say; None where none waits.
    """

    keys: tuple[str, ...]
    text: str
    due: datetime | None = None


def listing(order: Order) -> Listing:
    """What this order is found by."""
    words = {*_split(fold(order.name or "")), *_split(_local_part(order))}
    ids = {fold(name).replace(" ", "") for name in (order.id, order.payment_intent_id) if name}
    written = (order.phone or "", _local_part(order))
    phones = {phone for one in written if (phone := phone_word(one))}
    keys = {word[:length] for word in words for length in _KEY_LENGTHS if len(word) >= length}
    keys |= {name[:_ID_KEY_LENGTH] for name in ids if name.startswith(_IDS)} | phones
    keys |= {level_key(str(order.level or UNKNOWN)), source_key(order.source or FORMER)}
    if order.address:
        keys.add(local_part_key(order.address))
    if order.amount_refunded:
        keys.add(REFUNDED_KEY)
    if order.disputes:
        keys.add(DISPUTED_KEY)
    due = None
    if any(dispute.needs_response for dispute in order.disputes):
        keys.add(NEEDS_RESPONSE_KEY)
        due = order.evidence_due_by or NO_DEADLINE
    if order.is_free:
        keys.add(FREE_KEY)
    terms = sorted(words | ids | phones | {fold(order.address or "").replace(" ", "")} - {""})
    return Listing(tuple(sorted(keys)), "".join(f" {term}" for term in terms), due)


def said_by_stripe(order: Order) -> str:
    """What Stripe said last of an order: one of STRIPE_STATUSES, or a status that Stripe has added since."""
    return NOT_AT_STRIPE if order.is_free else order.stripe_status or UNKNOWN


def disagreements() -> list[tuple[str, OrderStatus]]:
    """Every (Stripe status, order status) that do not mean the same."""
    return [
        (stripe_status, status)
        for stripe_status in STRIPE_STATUSES
        if stripe_status not in {NOT_AT_STRIPE, UNKNOWN}
        for status in OrderStatus
        if not agree(status, stripe_status)
    ]


def level_key(level: str) -> str:
    """The key of the orders of a level; no word has a colon."""
    return f"level:{level}"


def source_key(source: str) -> str:
    """The key of the orders from a source."""
    return f"source:{source}"


def local_part_key(email: str) -> str:
    """The key of the orders of an e-mail address, in whatever case another program wrote it: `zoe.martin@`.

    At other domains there may be others of that name.
    """
    return fold(email).replace(" ", "").partition("@")[0] + "@"


def search_key(words: list[str]) -> str | None:
    """The longest key of these words, which fewest orders have; None when no word is long enough for one."""
    keys: list[str] = []
    for word in words:
        if word.startswith(_IDS):
            keys += [word[:_ID_KEY_LENGTH]] if len(word) >= _ID_KEY_LENGTH else []
        elif word.startswith(_PHONE_PREFIX):
            keys.append(word)
        elif "@" in word:
            keys.append(local_part_key(word))
        elif not _ORDER_ID.fullmatch(word):
            lengths = [length for length in _KEY_LENGTHS if length <= len(word)]
            keys += [word[: lengths[-1]]] if lengths else []
    return max(keys, key=len, default=None)


def is_rare(key: str) -> bool:
    """Whether few orders have such a key: that of an id, of an e-mail address or of a telephone number."""
    return key.startswith((*_IDS, _PHONE_PREFIX)) or "@" in key


def order_id_prefix(words: list[str]) -> str | None:
    """The word that may be the beginning of an order's id (24 hexadecimal digits), if there is one."""
    return next((word for word in words if _ORDER_ID.fullmatch(word)), None)


def search_words(search: str) -> list[str]:
    """What is searched for, in words as `listing` has them: folded, ids, addresses and numbers whole, each
    once.
    """
    # Pages part addresses with a mark nobody sees, and it is copied along.
    search = search.replace(WORD_JOINER, "")
    if phone := phone_word(search.strip()):
        return [phone]
    words: list[str] = []
    for typed in fold(search).split():
        if phone := phone_word(typed):
            words.append(phone)
            continue
        words += [typed] if "@" in typed.strip("@") or typed.startswith(_IDS) else _split(typed)
    return list(dict.fromkeys(words))


def phone_word(text: str) -> str | None:
    """The word of a telephone number, however it is written; None for what is none.

    `+33 6 12 34 56 78`, `06.12.34.56.78` and `(0)612345678` are one. Digits without a sign of it may be an
    order's id.
    """
    digits = "".join(filter(str.isdecimal, text)) if _PHONE.fullmatch(text) else ""
    return f"{_PHONE_PREFIX}{digits[-_PHONE_DIGITS:]}" if len(digits) >= _PHONE_DIGITS else None


def fold(text: str) -> str:
    """Text without regard to case and accents: `Éloïse Lœuvre` → `eloise loeuvre`."""
    plain = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold())
    return "".join(letter for letter in plain if not unicodedata.combining(letter)).translate(_LIGATURES)


def _split(folded: str) -> list[str]:
    """The words of a name, or of an e-mail address before its @: each run of letters and digits."""
    return "".join(letter if letter.isalnum() else " " for letter in folded).split()


def _local_part(order: Order) -> str:
    return fold(order.address or "").partition("@")[0]


# Reading a query string

Choice = TypeVar("Choice", bound=StrEnum)
Default = TypeVar("Default")


def _list(name: str, query: Mapping[str, str]) -> set[str]:
    return {value for part in query.get(name, "").split(",") if (value := part.strip())}


def _choice(name: str, query: Mapping[str, str], options: type[Choice], default: Default) -> Choice | Default:
    value = query.get(name, "").strip()
    return _member(name, value, options) if value else default


def _member(name: str, value: str, options: type[Choice]) -> Choice:
    try:
        return options(value)
    except ValueError:
        raise _invalid(name, value) from None


def _level(name: str) -> str:
    if name == UNKNOWN:
        return UNKNOWN
    level = level_of(name)
    if level is None:
        raise _invalid("level", name)
    return str(level)


def _day(name: str, query: Mapping[str, str]) -> date | None:
    value = query.get(name, "").strip()
    if not value:
        return None
    try:
        day = date.fromisoformat(value)
    except ValueError:
        raise _invalid(name, value) from None
    if not _FIRST_DAY <= day <= _LAST_DAY:
        raise _invalid(name, value)
    return day


def _amount(name: str, query: Mapping[str, str]) -> int | None:
    value = query.get(name, "").strip()
    if not value:
        return None
    if not (value.isascii() and value.isdigit()) or len(value) > 16 or int(value) > _GREATEST_AMOUNT:
        raise _invalid(name, value)
    return int(value)


def _yes_or_no(name: str, query: Mapping[str, str]) -> bool | None:
    match query.get(name, "").strip():
        case "":
            return None
        case "yes":
            return True
        case "no":
            return False
        case other:
            raise _invalid(name, other)


def _written(wanted: bool | None) -> str:
    return {None: "", True: "yes", False: "no"}[wanted]


def _search(query: Mapping[str, str]) -> str:
    search = " ".join(query.get("q", "").split())
    if len(search) > SEARCH_LENGTH or (search and not search_words(search)):
        raise _invalid("q", search[:SEARCH_LENGTH])
    return search


def _invalid(name: str, value: str) -> InvalidFilter:
    return InvalidFilter(
        f"The filter {name}={value} means nothing here. Correct it or leave it out.", filter=name
    )
