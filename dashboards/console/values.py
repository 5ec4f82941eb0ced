# SPDX-License-Identifier: Apache-2.0
"""Values of readings as people read them, in the language that speaks: some write a decimal comma.

Values are thousandths of the quantity's unit.
"""

from __future__ import annotations

from coldchain.kernel.words import NO_VALUE, Quantity
from dashboards.console.english import ENGLISH
from dashboards.console.words import Figure, local, t, word

NBSP = "\N{NO-BREAK SPACE}"
MINUS = "\N{MINUS SIGN}"
CELSIUS = (Quantity.TEMPERATURE, Quantity.AMBIENT, Quantity.SET_POINT)
PERCENT = (Quantity.BATTERY, Quantity.HUMIDITY)


def decimal(value: int, places: int) -> str:
    """Thousandths to a decimal number, halves away from zero, with a real minus sign.

    >>> decimal(9_149, 1), decimal(-25_050, 1), decimal(-49, 1), decimal(6_000, 1)
    ('9.1', '−25.1', '0.0', '6.0')
    """
    return local(_plain(value, places))


def _plain(value: int, places: int) -> str:
    unit = 10 ** (3 - places)
    steps = (abs(value) + unit // 2) // unit
    text = f"{steps / 10**places:.{places}f}"
    return MINUS + text if value < 0 and steps else text


def number_c(value: int, low: int | None = None, high: int | None = None) -> str:
    """A temperature without its unit, to 0.1 °C; finer where rounding would move it across a limit.

    >>> number_c(6_040, high=6_000), number_c(6_060, high=6_000), number_c(6_004, high=6_000)
    ('6.04', '6.1', '6.004')
    """
    return local(_plain_c(value, low, high))


def _plain_c(value: int, low: int | None, high: int | None) -> str:
    for places in (1, 2, 3):
        unit = 10 ** (3 - places)
        shown = (abs(value) + unit // 2) // unit * unit * (-1 if value < 0 else 1)
        crosses_high = high is not None and (value > high) != (shown > high)
        crosses_low = low is not None and (value < low) != (shown < low)
        if not (crosses_high or crosses_low):
            return _plain(value, places)
    return _plain(value, 3)


def celsius(value: int, low: int | None = None, high: int | None = None) -> str:
    """A temperature with its unit; digits as `number_c` has them."""
    return str(later_c(value, low, high))


def later_c(value: int, low: int | None = None, high: int | None = None) -> Figure:
    """As `celsius`, for whoever reads it later."""
    return Figure(f"{_plain_c(value, low, high)}{NBSP}°C")


def figure(value: float | None, form: str = ".1f") -> str:
    """Any number by Python's format, with a real minus sign; a dash where there is none.

    >>> figure(-0.25, "+.2f"), figure(None)
    ('−0.25', '–')
    """
    return "–" if value is None else local(format(value, form).replace("-", MINUS))


def limits_text(low: int | None, high: int | None) -> str:
    """The range in words.

    >>> limits_text(2_000, 6_000), limits_text(None, -25_000)
    ('2.0 to 6.0 °C', 'at most −25.0 °C')
    """
    if low is not None and high is not None:
        return t("limits.both", low=decimal(low, 1), high=decimal(high, 1))
    if high is not None:
        return t("limits.high", high=decimal(high, 1))
    if low is not None:
        return t("limits.low", low=decimal(low, 1))
    return t("limits.none")


def reading_text(quantity: str, value: int, status: int) -> str:
    """One reading in words: `4.1 °C`, `open`, `failed: short circuit`."""
    if status != 0 or value == NO_VALUE:
        return f"{t('value.failed')}: {word('status', status)}"
    if quantity == "temperature" and value == -127_000:
        return f"{t('value.failed')}: {word('status', 0)}"
    code = Quantity[quantity.upper().replace("-", "_")]
    if code in CELSIUS:
        return celsius(value)
    if code in PERCENT:
        return f"{decimal(value, 0)}{NBSP}%"
    for name in (str(value // 1000), "other"):
        if (key := f"value.{quantity}.{name}") in ENGLISH:
            return t(key, code=value // 1000)
    return decimal(value, 0)
