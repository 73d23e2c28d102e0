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
from lumira.errors import LumiraError
from lumira.validation import is_address, parse_customer_changes

# https://www.rfc-editor.org/rfc/rfc6531: any letters, and few signs.
_ADDRESS: Final = re.compile(r"[\w.!#$%&'*+/=?^`{|}~-]+@[\w.-]+")
# A form's fields under the names of the contract, where those differ.
_CONTRACT: Final = {"first_name": "firstName", "last_name": "lastName"}
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


def by_contract(typed: Mapping[str, str]) -> dict[str, str]:
    """The fields of a form under the names that a customer edit has in the contract."""
    return {_CONTRACT.get(field, field): value for field, value in typed.items()}


def refusal(field: str, typed: str) -> LumiraError | None:
    """Why the contract takes no such text for this field of a customer; None where it does."""
    try:
        parse_customer_changes(by_contract({field: typed}))
    except LumiraError as error:
        return error
    return None


def show_wrong(typed: Mapping[str, str], places: Mapping[str, DeltaGenerator]) -> bool:
    """Says beside each field by name what can't be right in it; whether anything was.

    The check of what is sent ends with the first thing wrong; here everything is said at once.
    """
    wrong = False
    for field, value in typed.items():
        refused = refusal(field, value)
        if refused or is_odd(field, value):
            wrong = True
            with places[field]:
                if refused:
                    problems.beside_field(refused, text("edit.email.next") if field == "email" else None)
                else:
                    problems.beside(text(f"contact.{field}"), text(f"contact.{field}.next"))
    return wrong
