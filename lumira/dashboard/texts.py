"""Texts, numbers, money and dates in the language of whoever reads the page: `text("orders.title")`."""

from __future__ import annotations

from datetime import date, datetime
from functools import lru_cache

from babel import Locale
from babel.dates import format_date, format_datetime
from babel.numbers import format_decimal, format_percent

from lumira import texts
from lumira.dashboard import session
from lumira.money import format_money
from lumira.revenue_sums import Period
from lumira.texts import counting_name, counting_the_first, translate, translate_or, written_moment


def text(name: str, **values: object) -> str:
    """The text of this name in the reader's language, `values` put in its places."""
    return translate(session.language(), name, **values)


def counted(name: str, count: int, /, **values: object) -> str:
    """The text of this name for so many, who stand in it as `count` unless `values` writes it otherwise:
    `name.one` where the language has its singular for them, which French has for none too.
    """
    return text(counting_name(session.language(), name, count), **{"count": number(count), **values})


def text_or(name: str, otherwise: str, **values: object) -> str:
    """The text of this name, or `otherwise` where the name comes from outside and may be new to us."""
    return translate_or(session.language(), name, otherwise, **values)


def capitalized(words: str) -> str:
    """Words that begin with a capital, the rest as it is: names keep theirs."""
    return words[:1].upper() + words[1:]


def money(amount: int, currency: str) -> str:
    """An amount in minor units as the reader writes it."""
    return written_money(amount, currency, session.language())


# A table writes the same few prices hundreds of times, and Babel takes its time over each.
written_money = lru_cache(maxsize=4096)(format_money)


def number(value: int) -> str:
    """A whole number as the reader writes it."""
    return _written_number(value, session.language())


# A year of days is written in each of several charts and tables, and Babel takes its time over each.
@lru_cache(maxsize=4096)
def _written_number(value: int, language: str) -> str:
    return format_decimal(value, locale=language)


def percentage(ratio: float) -> str:
    """A change as the reader writes it: +12 % in French, +12% in English."""
    # Streamlit's metric knows a fall by the hyphen in front.
    rounded = round(ratio * 100)
    sign = "+" if rounded >= 0 else "-"
    return f"{sign}{number(abs(rounded))}" + ("\u202f%" if session.language() == "fr" else "%")


def share(ratio: float) -> str:
    """A part of a whole as the reader writes it: 4,5 % in French, 4.5% in English."""
    pattern = {"fr": "#,##0.#\u202f%", "en": "#,##0.#%"}[session.language()]
    return format_percent(ratio, pattern, locale=session.language())


def moment(instant: datetime, *, seconds: bool = False) -> str:
    """An instant in the business time zone: 22 nov. 2026 à 18:05."""
    return written_moment(instant, session.language(), session.timezone(), seconds=seconds)


def short_moment(instant: datetime) -> str:
    """An instant of these days in the business time zone, without the year: 22 nov. 18:05."""
    language = session.language()
    written = format_datetime(instant, "d MMM HH:mm", tzinfo=session.timezone(), locale=language)
    return counting_the_first(written, language)


def short_day(instant: datetime) -> str:
    """The day of an instant in the business time zone, without the year: 22 nov."""
    return period(instant.astimezone(session.timezone()).date(), Period.DAY, short=True)


def day(value: date) -> str:
    """A day: 22 nov. 2026."""
    return _written_day(value, "d MMM y", session.language())


def long_day(value: date) -> str:
    """A day in full: lundi 23 novembre 2026, Monday 23 November 2026."""
    return _written_day(value, "EEEE d MMMM y", session.language())


@lru_cache(maxsize=4096)
def _written_day(value: date, pattern: str, language: str) -> str:
    return counting_the_first(format_date(value, pattern, locale=language), language)


def period(start: date, width: Period, *, short: bool = False) -> str:
    """The name of a bar: a day, the week of a day, or a month; `short` fits under an axis."""
    patterns = {
        Period.DAY: ("EEEE d MMMM y", "d MMM"),
        Period.WEEK: ("d MMMM y", "d MMM"),
        Period.MONTH: ("MMMM y", "MMM y"),
        Period.QUARTER: ("QQQQ y", "QQQ y"),
    }
    name = _written_day(start, patterns[width][short], session.language())
    if width is Period.WEEK and not short:
        return f"{text('revenue.period.week').lower()} {name}"
    return name


def level_name(level: str | None) -> str:
    """The name of a level, or the word for one we don't know."""
    return texts.level_name(session.language(), level)


def country_name(code: str) -> str:
    """The name of a country in the reader's language, its code where it has none."""
    return str(Locale.parse(session.language()).territories.get(code.upper(), code))


def failure_reason(code: str | None) -> str:
    """Why a payment failed, in words, from Stripe's decline or error code."""
    code = code or "generic_decline"
    return text_or(f"failure.{code}", text("failure.other", code=code))


def stripe_status_name(status: str) -> str:
    """A PaymentIntent's state in words."""
    return text_or(f"stripe_status.{status}", status)


def actor_name(by: str) -> str:
    """Who did something: a role or program in words, a person by name."""
    return texts.actor_name(session.language(), by)
