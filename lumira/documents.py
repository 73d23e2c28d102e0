"""The form of what is stored: camelCase in MongoDB, snake_case here, and tolerant of what others wrote."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict
from pydantic.alias_generators import to_camel


def text_or_none(value: object) -> str | None:
    """Text for anything but nothing: an empty string is nothing."""
    return None if value is None or value == "" else str(value)


def mapping_or_empty(value: object) -> Mapping[str, Any]:
    """The mapping, or an empty one where a document holds null or something else."""
    return value if isinstance(value, Mapping) else {}


Text = Annotated[str | None, BeforeValidator(text_or_none)]


class Document(BaseModel):
    """A stored document or a part of one; unknown fields are ignored."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        populate_by_name=True,
        extra="ignore",
        frozen=True,
        coerce_numbers_to_str=True,
    )
