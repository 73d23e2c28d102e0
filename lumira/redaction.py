"""What must never be read in a log or kept in the store: secrets, as they look in what programs write.

A secret is known by its shape, wherever it stands: in an address, a header, a traceback, a library's words.
What tells which key or card it was stays, as far as it helps nobody else; PaymentIntent ids stay whole.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

HIDDEN: Final = "[hidden]"

# Between a name and its value in an address, a header, JSON, or Python's own notation. Atomic: what is hidden
# already must not be looked at again from its middle.
_IS: Final = r"(?>\\*[\"']?\s*[:=]\s*|\\*[\"'],\s*)(?>(?:b(?=[\"']))?\\*[\"']?)"
# A value, up to where its quotation marks, an address, JSON or Python's own notation end it.
_VALUE: Final = r"(?!\[hidden\])(?:(?<=\")[^\"\r\n]+|(?<=')[^'\r\n]+|[^\s\"'&,;<>(){}\[\]\\]+(?:\[hidden\])?)"

# Numbers of the schemes, written together or in groups; ids and other long numbers stand beside letters,
# begin otherwise or have no check digit: https://docs.stripe.com/testing#cards
_CARD: Final = re.compile(
    r"(?<![\w.-])(?:[2-6]\d{12,18}"
    r"|[2-6]\d{3}([ -])\d{4}\1\d{4}\1\d{1,4}(?:\1\d{1,3})?"
    r"|3\d{3}([ -])\d{6}\2\d{5})(?![\w-])"
)

# What is called a secret, and what may be one where it is long enough.
_NAMED: Final = rf"(?:password|passwd|secret|_session|_xsrf|csrf|_streamlit_user)\w*{_IS}"
_NAMED_TOKEN: Final = rf"(?:access_|id_|refresh_|api_)?(?:token|tokens|key|ticket){_IS}"

_PATTERNS: Final[tuple[tuple[re.Pattern[str], str], ...]] = tuple(
    (re.compile(pattern, re.IGNORECASE), rf"\g<1>{HIDDEN}")
    for pattern in (
        # Keys and secrets of Stripe, and tokens of our own: https://docs.stripe.com/keys
        r"((?:sk|rk)_(?:test|live)_)[\w*]+",
        r"(whsec_)[\w+/=-]+",
        r"((?:pi|seti|src)_[A-Za-z0-9]{1,64}_secret_)\w+",
        r"(\blum_)[\w-]{16,}",
        r"(\bv[01]=)[0-9a-f]{16,}",
        # Headers, to the end of their value.
        rf"(\b(?:set-)?cookie{_IS})(?!\[hidden\])[^\"'\r\n]+",
        rf"(\bauthorization{_IS}(?>(?:(?:bearer|basic|digest)\s+)?)){_VALUE}",
        rf"(\bstripe-signature{_IS})(?!\[hidden\])[^\"'\s]+",
        # The name of the secret behind it is no token: without its name that secret would be any word.
        rf"(\bbearer\s+)(?!{_NAMED}|{_NAMED_TOKEN})[\w.~+/=-]{{8,}}",
        # The password of an address: https://www.rfc-editor.org/rfc/rfc3986#section-3.2.1
        r"(://[^\s:/@\"']*:)[^\s/\"']+(?=@)",
        rf"({_NAMED}){_VALUE}",
        rf"(\b{_NAMED_TOKEN}(?=[^\s\"']{{12}})){_VALUE}",
        rf"([?&](?:code|state|token|ticket|nonce)=){_VALUE}",
        # Codes of an authenticator: https://www.rfc-editor.org/rfc/rfc6238
        rf"(\b(?:code|otp|totp){_IS})\d{{3}} ?\d{{3}}(?:\d\d)?\b",
    )
)

# Whatever a pattern finds holds one of these, in whatever case.
_WORDS: Final = (
    *("k_test_", "k_live_", "whsec_", "secret", "lum_", "v0=", "v1=", "cookie", "authorization"),
    *("stripe-signature", "bearer", "://", "passw", "_session", "_xsrf", "csrf", "_streamlit_user"),
    *("token", "key", "ticket", "code", "state=", "nonce=", "otp"),
)

# Members of Stripe's objects, which look like nothing in particular where they are short.
_SECRETS: Final = frozenset({"client_secret"})


def redacted(text: str) -> str:
    """The text without what is secret in it; once redacted it stays as it is.

    Hidden are keys and webhook secrets of Stripe, client secrets, tokens, signatures, cookies, passwords (in
    an address too), codes of an authenticator, the token of a payment link, and all but the last four digits
    of a card.
    """
    if _may_hold_secret(text):
        for pattern, hidden in _PATTERNS:
            text = pattern.sub(hidden, text)
    return _CARD.sub(_last_digits, text)


def _may_hold_secret(text: str) -> bool:
    """Whether any pattern is worth a try: each fact of each line of the log is looked at, few hold a secret.

    Beyond ASCII a letter may have other cases than `lower` knows.
    """
    if not text.isascii():
        return True
    folded = text.lower()
    for word in _WORDS:  # noqa: SIM110 - a generator takes twice as long
        if word in folded:
            return True
    return False


def redaction_of(secrets: Iterable[str]) -> Callable[[str], str]:
    """`redacted`, for texts in which these secrets may stand too, whatever they look like.

    A secret of fewer than eight characters would hide words that it is part of: it is left to its shape.
    """
    known = sorted({secret for secret in secrets if len(secret) >= 8}, key=len, reverse=True)
    if not known:
        return redacted
    pattern = re.compile("|".join(map(re.escape, known)))
    return lambda text: redacted(pattern.sub(HIDDEN, text))


def without_secrets(value: Any) -> Any:
    """The same JSON without what would let its reader act as the customer: client secrets, also in links."""
    # Texts first: they are most of what an event holds, and a Mapping is the slowest to be told apart.
    if isinstance(value, str):
        return "…" if "_secret_" in value else value
    if isinstance(value, list):
        return [without_secrets(member) for member in value]
    if isinstance(value, Mapping):
        return {key: without_secrets(member) for key, member in value.items() if key not in _SECRETS}
    return value


def _last_digits(found: re.Match[str]) -> str:
    digits = re.sub(r"\D", "", found[0])
    return f"[card ending {digits[-4:]}]" if _has_check_digit(digits) else found[0]


def _has_check_digit(digits: str) -> bool:
    """Luhn's check, which every card number passes: https://en.wikipedia.org/wiki/Luhn_algorithm."""
    doubled = (int(digit) * (2 if place % 2 else 1) for place, digit in enumerate(reversed(digits)))
    return sum(value - 9 if value > 9 else value for value in doubled) % 10 == 0
