"""The named failures of the package: every one says which argument, what it was and what is allowed."""

from __future__ import annotations

import difflib
import numbers
import operator
from collections.abc import Iterable

MOST_LISTED = 60
"""An error lists no more allowed names than that."""


class SingularError(Exception):
    """Base of every error that ``singular`` raises on purpose."""


class InputError(SingularError, ValueError):
    """An argument, a model or data that cannot be used."""


class StoreError(SingularError, OSError):
    """A file that is missing, foreign, cut short, or that could not be written."""


class SamplingError(SingularError, RuntimeError):
    """A run that could not go on; says at which rung and why."""


def unknown_name(argument: str, value: object, allowed: Iterable[str]) -> InputError:
    """Return the error for a name that is not one of ``allowed``, with the nearest one; a long list is cut short."""
    names = sorted(allowed)
    near = difflib.get_close_matches(str(value), names, n=8, cutoff=0.4)
    hint = f"; did you mean {near[0]!r}?" if near else "."
    listed = ", ".join(names)
    if len(names) > MOST_LISTED:
        listed = f"one of {len(names)} names, such as {', '.join(near or names[:8])}"
    return InputError(f"{argument}={value!r} is not known{hint} Allowed: {listed}")


def whole(argument: str, value: object, least: int, most: int | None = None) -> int:
    """Return ``value`` if it is a whole number from ``least`` to ``most`` (no upper end if None), else raise.

    Raises
    ------
    InputError
        Naming the argument, the value and what is allowed.
    """
    number = None if isinstance(value, bool) else operator.index(value) if isinstance(value, numbers.Integral) else None
    if number is None or number < least or (most is not None and number > most):
        allowed = f"of at least {least}" if most is None else f"from {least} to {most}"
        raise InputError(f"{argument}={value!r}: allowed is a whole number {allowed}")
    return number
