"""How a customer is reached, as staff type it: an emoji or other slip is said beside its field.

The HTTP contract takes any text for a phone and nearly any for an address; who types here can correct it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from streamlit.delta_generator import DeltaGenerator

from lumira.dashboard import problems
from lumira.dashboard.texts import text
from lumira.validation import is_address

# https://www.rfc-editor.org/rfc/rfc6531: any letters, and few signs.
_ADDRESS: Final = re.compile(r"[\w.!#$%&'*+/=?^`{|}~-]+@[\w.-]+")
# A number copied from an address book comes with marks of its direction, which nobody sees.
_PHONE: Final = re.compile(
    r"(?=(\D*\d){3})[\d\s+().,/\u200e\u200f\u202a-\u202e-]+((poste|ext\.?|x|#)\s*\d+\s*)?", re.IGNORECASE
)


def is_odd(field: str, typed: str) -> bool:
    """Whether this can't be an `email` or a `phone`; nothing typed is nothing odd, nor is any other field.

    What is no address by the contract either is left to its own check, which says what is missing.
    """
    match field:
        case "email":
            return is_address(typed.strip()) and not _ADDRESS.fullmatch(typed.strip())
        case "phone":
            return bool(typed.strip()) and not _PHONE.fullmatch(typed.strip())
        case _:
            return False


def show_odd(typed: Mapping[str, str], places: Mapping[str, DeltaGenerator]) -> bool:
    """Says beside each field by name what can't be right in it; whether anything was."""
    odd = [field for field, value in typed.items() if is_odd(field, value)]
    for field in odd:
        with places[field]:
            problems.beside(text(f"contact.{field}"), text(f"contact.{field}.next"))
    return bool(odd)
