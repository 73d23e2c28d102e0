"""Every text a person reads, in French and English, by name: `translate("fr", "orders.title")`.

The texts stand in locales/<language>/LC_MESSAGES/lumira.po, which gettext's tools and translators' editors
read. French is typed plainly there: no-break spaces are put in here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from functools import cache, lru_cache
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

from babel.dates import format_datetime
from babel.messages.pofile import read_po

from lumira.catalog import Level

LANGUAGES: Final = {"fr": "Français", "en": "English"}
_FOLDER: Final = Path(__file__).parent / "locales"


@cache
def texts(language: str) -> Mapping[str, str]:
    """All texts of `fr` or `en` by name."""
    with (_FOLDER / language / "LC_MESSAGES" / "lumira.po").open("rb") as file:
        catalog = read_po(file, locale=language, abort_invalid=True)
    found = {str(message.id): str(message.string) for message in catalog if message.id}
    if language == "fr":
        return {name: with_no_break_spaces(french) for name, french in found.items()}
    return found


def translate(language: str, name: str, **values: object) -> str:
    """The text of this name, `values` put in its places. Raises KeyError for a name that is not there."""
    return texts(language)[name].format(**values)


def counting_name(language: str, name: str, count: int) -> str:
    """`name.one` where the language has its singular for so many, which French has for none too, else `name`
    itself.
    """
    return f"{name}.one" if count == 1 or (count == 0 and language == "fr") else name


def translate_or(language: str, name: str, otherwise: str, **values: object) -> str:
    """The text of this name, or `otherwise` where the name comes from outside and may be new to us."""
    return translate(language, name, **values) if is_known(name) else otherwise


def level_name(language: str, level: str | None) -> str:
    """The name of a level, or the word for one we don't know."""
    return Level(level).label if level in set(Level) else translate(language, "level.unknown")


def actor_name(language: str, by: str) -> str:
    """Who did something: a role or program in words, a person by address, a token by name."""
    return translate_or(language, f"by.{by}", by)


@lru_cache(maxsize=4096)
def written_moment(instant: datetime, language: str, zone: ZoneInfo, *, seconds: bool = False) -> str:
    """An instant as the language writes it: 22 nov. 2026 à 18:05."""
    clock = "HH:mm:ss" if seconds else "HH:mm"
    pattern = {"fr": f"d MMM y 'à' {clock}", "en": f"d MMM y, {clock}"}[language]
    return counting_the_first(format_datetime(instant, pattern, tzinfo=zone, locale=language), language)


def counting_the_first(written: str, language: str) -> str:
    """A written day; in French the first of a month is counted, as no other day is: 1er nov. 2026."""
    return re.sub(r"\b1 ", "1er ", written, count=1) if language == "fr" else written


def is_known(name: str) -> bool:
    """Whether there is a text of this name."""
    return name in texts("fr")


def with_no_break_spaces(french: str) -> str:
    """French puts a space before ; : ! ?, inside « », between thousands and before a unit, at which no line
    may break.
    """
    narrow = re.sub(r" (?=[;!?])|(?<=\d) (?=\d{3}\b)", "\u202f", french)
    return re.sub(r" (?=[:»])|(?<=«) |(?<=[\d}]) (?=(?:s|ms|min|h|pt|Mo|Go)\b)", "\u00a0", narrow)
