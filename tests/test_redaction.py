"""Redaction: secrets go, whatever is around them; what people look for in a log stays."""

from __future__ import annotations

import json
import string

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lumira.redaction import redacted, redaction_of

WORD = st.text(string.ascii_letters + string.digits, min_size=16, max_size=40)
AROUND = st.text(max_size=8)

# Each way in which a secret is written, with the secret in its place.
SHAPES = (
    "sk_{mode}_{secret}",
    "rk_{mode}_{secret}",
    "whsec_{secret}",
    "pi_3QabcDEF_secret_{secret}",
    "seti_1Qabc_secret_{secret}",
    "lum_{secret}",
    "Authorization: Bearer {secret}",
    "{{'authorization': 'Bearer {secret}'}}",
    "(b'authorization', b'Bearer {secret}')",
    "Authorization: Basic {secret}==",
    "-H 'Authorization: Bearer {secret}'",
    "Cookie: theme=dark; lumira_session={secret}; x=1",
    "(b'cookie', b'lumira_session={secret}')",
    "Set-Cookie: __Host-lumira_session={secret}; HttpOnly",
    "mongodb://lumira:{secret}@db-1.example:27017,db-2.example:27017/lumira",
    "mongodb+srv://lumira:p@ss{secret}@db.example/lumira",
    "https://user:{secret}@proxy.example:3128",
    "/checkout/66f0c0ffee?token={secret}",
    "/oauth2callback?code={secret}&state=x{secret}",
    "password={secret}",
    "password='{secret} and more {secret}'",
    '{{"new_password": "{secret}"}}',
    "client_secret={secret}",
    "otpauth://totp/Lumira:ada@example.com?secret={secret}&issuer=Lumira",
    "access_token: {secret}",
)
PLAIN = (
    "pi_3QabcDEF0123456789 is completed",
    "order 66f0c0ffee66f0c0ffee66f0 was created by claire",
    "evt_1QabcDEF, ch_3QabcDEF, re_3QabcDEF, free_01HZX2Y3",
    "STORE_UNAVAILABLE: The order store can't be reached.",
    "code=STORE_UNAVAILABLE status=503 milliseconds=12.5",
    "mongodb://127.0.0.1:27017/lumira did not answer",
    "at 1763871234567 ms; 2026-11-01 2026-11-30; 2026-11-23T05:30:38.123456Z",
    "request 4242d3a1-4242-4242-4242-424242424242",
    "There is no token named shop. `lumira token list` names them all.",
    "Send Authorization: Bearer <token> with a token of this desk.",
    "amount=4700 currency=eur gross 47.00, 1 234 567 890 123 orders",
    "idempotency_key=order_66f0",
    "SecretStr('**********')",
)


@pytest.mark.parametrize("shape", SHAPES)
@settings(max_examples=20)
@given(secret=WORD, mode=st.sampled_from(["test", "live"]), before=AROUND, after=AROUND)
def test_a_secret_is_hidden_whatever_stands_around_it(
    shape: str, secret: str, mode: str, before: str, after: str
) -> None:
    text = f"{before} {shape.format(secret=secret, mode=mode)} {after}"
    hidden = redacted(text)
    assert secret not in hidden
    assert redacted(hidden) == hidden
    assert secret not in redacted(json.dumps({"line": text}))
    assert secret not in redacted(repr({"line": text}))


@pytest.mark.parametrize("text", PLAIN)
def test_what_is_looked_for_in_a_log_stays(text: str) -> None:
    assert redacted(text) == text


@given(
    secret=WORD, shape=st.sampled_from(SHAPES), upper=st.booleans(), mode=st.sampled_from(["test", "live"])
)
def test_what_is_passed_over_in_haste_holds_no_secret(
    secret: str, shape: str, upper: bool, mode: str
) -> None:
    """Beside a letter beyond ASCII nothing is passed over."""
    text = shape.format(secret=secret, mode=mode)
    text = text.upper() if upper else text
    assert redacted(f"é {text}") == f"é {redacted(text)}"


@given(st.text(string.printable))
def test_nor_does_any_other_text(text: str) -> None:
    assert redacted(f"é {text}") == f"é {redacted(text)}"


@given(st.text())
def test_redacting_twice_is_redacting_once(text: str) -> None:
    assert redacted(redacted(text)) == redacted(text)


@given(st.from_regex(r"(pi|evt|ch|re|cus|free)_[A-Za-z0-9]{8,27}", fullmatch=True))
def test_ids_stay(identifier: str) -> None:
    assert redacted(f"{identifier} of {identifier}, and of '{identifier}'") == (
        f"{identifier} of {identifier}, and of '{identifier}'"
    )


@pytest.mark.parametrize(
    "number",
    [
        "4242424242424242",
        "4242 4242 4242 4242",
        "4242-4242-4242-4242",
        "378282246310005",
        "3782 822463 10005",
        "6011000990139424",
    ],
)
def test_of_a_card_the_last_four_digits_stay(number: str) -> None:
    ending = number.replace(" ", "").replace("-", "")[-4:]
    assert redacted(f"card {number}, please") == f"card [card ending {ending}], please"
    # One digit off, and it is no card.
    other = number[:-1] + str((int(number[-1]) + 1) % 10)
    assert redacted(other) == other


@pytest.mark.parametrize("code", ["code=123456", "otp: '123 456'", '{"code": "123456"}', "totp=12345678"])
def test_a_code_of_an_authenticator_is_hidden(code: str) -> None:
    assert not any(digit in redacted(code) for digit in "123456")


def test_the_secrets_of_the_settings_are_hidden_whatever_they_look_like() -> None:
    redact = redaction_of(["tok", "correct horse", "correct horse battery"])
    assert redact("correct horse battery; tok; correct horse") == "[hidden]; tok; [hidden]"


@pytest.mark.parametrize("name", ["password", "api_key"])
def test_a_bearer_before_a_named_secret_does_not_take_its_name(name: str) -> None:
    assert "0000 and" not in redacted(f"BEARER {name}='0000000000000000 and more'")
