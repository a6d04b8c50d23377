"""The named failures of the package: every one says which argument, what it was and what is allowed."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class SingularError(Exception):
    """Base of every error that ``singular`` raises on purpose."""


class InputError(SingularError, ValueError):
    """An argument, a model or data that cannot be used."""


class StoreError(SingularError, OSError):
    """A file that is missing, foreign, cut short, or that could not be written."""


class SamplingError(SingularError, RuntimeError):
    """A run that could not go on; says at which rung and why."""


def unknown_name(argument: str, value: object, allowed: Iterable[str]) -> InputError:
    """Return the error for a name that is not one of ``allowed``, with the nearest one."""
    names = sorted(allowed)
    near = difflib.get_close_matches(str(value), names, n=1, cutoff=0.4)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    return InputError(f"{argument}={value!r} is not known{hint} Allowed: {', '.join(names)}")
