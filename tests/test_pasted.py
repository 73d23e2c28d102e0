"""What somebody pastes into a search: ids in whatever stands around them, and amounts."""

import pytest

from lumira.pasted import id_in, last4_in, money_in


@pytest.mark.parametrize(
    ("pasted", "named"),
    [
        ("pi_3Abc", "pi_3Abc"),
        (" pi_3A bc\n", "pi_3Abc"),
        ("https://dashboard.stripe.com/acct_1a/test/payments/pi_3Abc?x=1", "pi_3Abc"),
        ("https://dashboard.stripe.com/disputes/du_3Abc", "du_3Abc"),
        ("Reçu no ch_3Abc, du 3 mai", "ch_3Abc"),
        ("pi_3Abc_secret_xyz", "pi_3Abc"),
        ("http://desk/order?id=6b0ce0b134ac44b98027f8fe&language=fr", "6b0ce0b134ac44b98027f8fe"),
        ("pyr_1", "pyr_1"),
        ("6b0ce0b1", None),
        ("Camille Ménard", None),
        ("camille_re_1@example.com", None),
        ("06 12 34 56 78", None),
    ],
)
def test_the_id_is_found(pasted, named):
    assert id_in(pasted) == named


@pytest.mark.parametrize(
    ("typed", "figures"),
    [
        *((typed, "47") for typed in ("47 €", "€47", "47€", "47 euros", "EUR 47")),
        *((typed, "47,00") for typed in ("47,00", "47,00 €")),
        ("47.50 EUR", "47.50"),
        *((typed, None) for typed in ("47", "4242", "06.12.34.56.78", "47 rue de Rome", "zoé47", "1.5")),
    ],
)
def test_an_amount_has_a_sign_or_cents(typed, figures):
    assert money_in(typed) == figures


@pytest.mark.parametrize(
    ("typed", "digits"),
    [
        *((typed, "4242") for typed in ("4242", " •••• 4242", "**** **** **** 4242", "xxxx-4242", "···4242")),
        *((typed, None) for typed in ("42424", "424", "4242424242424242", "rue 4242", "zoé", "")),
    ],
)
def test_a_card_is_known_by_its_last_four_digits(typed, digits):
    assert last4_in(typed) == digits
