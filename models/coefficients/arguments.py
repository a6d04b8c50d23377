"""Arguments of coefficients that need not be whole numbers."""

from __future__ import annotations

from fractions import Fraction

from singular.errors import InputError


def rational(argument: str, value: float | str | Fraction) -> Fraction:
    """Return a positive number as a fraction: one already, a float (exactly as it is stored), or text like ``"1/3"``.

    Raises
    ------
    InputError
        If it is not a positive finite number.
    """
    try:
        number = None if isinstance(value, bool) else Fraction(value)
    except (ValueError, TypeError, OverflowError, ZeroDivisionError):
        number = None
    if number is None or number <= 0:
        raise InputError(f"{argument}={value!r}: allowed is a positive number, or a fraction as a string")
    return number
