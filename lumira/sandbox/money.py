"""What Stripe allows as an amount, and what it keeps as its fee. All amounts are integers in minor units."""

from __future__ import annotations

from lumira.sandbox.errors import refusal, words

# https://docs.stripe.com/currencies#zero-decimal, #three-decimal
ZERO_DECIMAL = words("bif clp djf gnf jpy kmf krw mga pyg rwf vnd vuv xaf xof xpf")
THREE_DECIMAL = words("bhd jod kwd omr tnd")
# Counted with two decimals, which are always 00: https://docs.stripe.com/currencies#special-cases
WHOLE = words("isk ugx")
# https://docs.stripe.com/currencies#presentment-currencies
CURRENCIES = words(
    "usd aed afn all amd ang aoa ars aud awg azn bam bbd bdt bgn bhd bif bmd bnd bob brl bsd bwp byn bzd "
    "cad cdf chf clp cny cop crc cve czk djf dkk dop dzd egp etb eur fjd fkp gbp gel gip gmd gnf gtq gyd hkd "
    "hnl htg huf idr ils inr isk jmd jod jpy kes kgs khr kmf krw kwd kyd kzt lak lbp lkr lrd lsl mad mdl mga "
    "mkd mmk mnt mop mur mvr mwk mxn myr mzn nad ngn nio nok npr nzd omr pab pen pgk php pkr pln pyg qar ron "
    "rsd rub rwf sar sbd scr sek sgd shp sle sos srd std szl thb tjs tnd top try ttd twd tzs uah ugx uyu uzs "
    "vnd vuv wst xaf xcd xcg xof xpf yer zar zmw"
)
# https://docs.stripe.com/currencies#minimum-and-maximum-charge-amounts
MINIMUMS = {
    "usd": 50, "aed": 200, "aud": 50, "bgn": 100, "brl": 50, "cad": 50, "chf": 50, "czk": 1500, "dkk": 250,
    "eur": 50, "gbp": 30, "hkd": 400, "huf": 17500, "inr": 50, "jpy": 50, "mxn": 1000, "myr": 200, "nok": 300,
    "nzd": 50, "pln": 200, "ron": 200, "sek": 300, "sgd": 50, "thb": 1000,
}  # fmt: skip
MAXIMUM = 99_999_999
SYMBOLS = {"eur": "€", "usd": "$", "gbp": "£", "jpy": "¥"}


def formatted(amount: int, currency: str) -> str:
    """An amount as Stripe's messages write it: €12.34, ¥500, 12.34 chf."""
    decimals = 0 if currency in ZERO_DECIMAL else 3 if currency in THREE_DECIMAL else 2
    number = f"{amount / 10**decimals:,.{decimals}f}"
    symbol = SYMBOLS.get(currency)
    return f"{symbol}{number}" if symbol else f"{number} {currency}"


def check_currency(currency: str) -> str:
    """The currency in lower case. Raises StripeError (400) for one that Stripe does not present."""
    if currency.lower() not in CURRENCIES:
        supported = ", ".join(sorted(CURRENCIES))
        raise refusal("invalid_currency", param="currency", currency=currency, supported=supported)
    return currency.lower()


def check_amount(amount: int, currency: str) -> int:
    """The amount, if Stripe would charge it. Raises StripeError (400): amount_too_small, amount_too_large."""
    minimum = MINIMUMS.get(currency, 1)
    if amount < 1:
        raise refusal("below_minimum", param="amount", least=1)
    if amount < minimum:
        # Stripe names the currency beside its symbol.
        least = formatted(minimum, currency).removesuffix(f" {currency}")
        raise refusal("amount_too_small", param="amount", least=least, currency=currency)
    if amount > MAXIMUM:
        raise refusal("amount_too_large", param="amount", most=formatted(MAXIMUM, currency))
    return check_unit(amount, currency)


def check_unit(amount: int, currency: str, param: str = "amount") -> int:
    """The amount, if card networks move money in units so small: else raises StripeError (400)."""
    if currency in THREE_DECIMAL and amount % 10:
        raise refusal("three_decimals", param=param, currency=currency)
    if currency in WHOLE and amount % 100:
        raise refusal("no_decimals", param=param, currency=currency.upper())
    return amount


def processing_fee(amount: int) -> int:
    """Stripe's fee for European cards, 1.5 % + 0.25, half up: https://stripe.com/fr/pricing.

    The sandbox settles in the currency of the payment and takes every card for a European one.
    """
    return (amount * 15 + 500) // 1000 + 25
