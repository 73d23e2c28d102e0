"""The form of what is stored: camelCase in MongoDB, snake_case here, and tolerant of what others wrote."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import MAXYEAR, MINYEAR, UTC, datetime
from typing import Annotated, Any, Final

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
    model_validator,
)
from pydantic.alias_generators import to_camel

# What is dated before or after them no list shows, and no day of revenue counts.
LISTED_YEARS: Final = range(1970, 3000)
BEGINNING: Final = datetime(LISTED_YEARS.start, 1, 1, tzinfo=UTC)
# The first and the last days that Python knows, some time zone can't write.
_WRITABLE_YEARS: Final = range(MINYEAR + 1, MAXYEAR)


def text_or_none(value: object) -> str | None:
    """Text for anything but nothing: an empty string is nothing."""
    return None if value is None or value == "" else str(value)


def mapping_or_empty(value: object) -> Mapping[str, Any]:
    """The mapping, or an empty one where a document holds null or something else."""
    if hasattr(value, "as_doc"):
        # The driver makes a reference of every mapping that has a `$ref`.
        value = value.as_doc()
    return value if isinstance(value, Mapping) else {}


def mappings_in(value: object) -> list[Mapping[str, Any]]:
    """The mappings that a list holds; none where a document holds null or something else."""
    return [member for member in value if isinstance(member, Mapping)] if isinstance(value, list) else []


def iso(instant: datetime) -> str:
    """An instant in UTC as JavaScript writes it: 2026-11-22T09:30:00.000Z."""
    return instant.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def as_json(value: Any) -> Any:
    """Stored values as JSON has them: instants as ISO 8601, ids and decimals as text, no number as null."""
    match value:
        case Mapping():
            return {str(key): as_json(member) for key, member in value.items()}
        case list():
            return [as_json(member) for member in value]
        case datetime():
            return iso(value)
        case float() if not math.isfinite(value):
            return None
        case None | bool() | int() | float() | str():
            return value
        case _:
            return as_json(mapping_or_empty(value)) if hasattr(value, "as_doc") else str(value)


def instant_of(created: object, otherwise: datetime) -> datetime:
    """The instant (UTC) of Stripe's whole seconds, or `otherwise` where an old sender gave none.

    Milliseconds, which JavaScript counts in, are no seconds of any year that lists know.
    """
    if not isinstance(created, int) or isinstance(created, bool):
        return otherwise
    try:
        instant = datetime.fromtimestamp(created, UTC)
    except (ValueError, OverflowError, OSError):
        return otherwise
    return instant if instant.year in LISTED_YEARS else otherwise


def whole_number(value: object) -> object:
    """JavaScript has one number type, so another program may have stored minor units as a double.

    With a fraction it is the nearest whole number, of two the even one: the store rounds likewise.
    """
    return round(value) if isinstance(value, float) and math.isfinite(value) else value


def bool_or_none(value: object) -> bool | None:
    """True and False as they are, everything else as nothing."""
    return value if isinstance(value, bool) else None


def _in_any_zone(instant: datetime) -> datetime:
    """An instant that every zone can write; one without a zone, as a text may be, is taken for UTC."""
    if instant.year not in _WRITABLE_YEARS:
        raise ValueError("a date that no calendar of ours has")
    return instant if instant.tzinfo else instant.replace(tzinfo=UTC)


def _or_nothing(value: object, read: ValidatorFunctionWrapHandler) -> Any:
    """What the value is read as; nothing where it can't be."""
    try:
        return read(value)
    except ValidationError:
        return None


Instant = Annotated[datetime, AfterValidator(_in_any_zone)]
# For what is worth reading without its date.
InstantOrNone = Annotated[Instant | None, WrapValidator(_or_nothing)]
MinorUnits = Annotated[int, BeforeValidator(whole_number)]
Text = Annotated[str | None, BeforeValidator(text_or_none)]


class StoredDocument(BaseModel):
    """A stored document or a part of one; unknown fields are ignored, and one of null is absent."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        populate_by_name=True,
        extra="ignore",
        frozen=True,
        coerce_numbers_to_str=True,
    )

    @model_validator(mode="before")
    @classmethod
    def _without_nothing(cls, fields: Any) -> Any:
        if not isinstance(fields, Mapping) or None not in fields.values():
            return fields
        return {name: value for name, value in fields.items() if value is not None}
