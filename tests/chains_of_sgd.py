"""Direct simulation of training, step by step, that exact laws are held against: nothing here knows a law."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

SIGMAS = 4.0
ROUNDING = 1e-13
"""Standard errors below that, of numbers of order 1, are rounding: a quantity without spread."""


def run(
    gradient: Callable[[np.ndarray], np.ndarray],
    start: np.ndarray,
    step_size: float,
    steps: int,
    momentum: float = 0.0,
    look: Callable[[np.ndarray], np.ndarray] | None = None,
    burn_in: int = 0,
) -> np.ndarray:
    """Return w (chain, d) after v ← μv − ηg, w ← w + v; or, with ``look``, its mean over the steps after burn-in."""
    w, v, total = start.copy(), np.zeros_like(start), 0.0
    for step in range(steps):
        v = momentum * v - step_size * gradient(w)
        w = w + v
        if look is not None and step >= burn_in:
            total = total + look(w)
    return w if look is None else total / (steps - burn_in)


def scores(values: np.ndarray, exact: np.ndarray | float) -> np.ndarray:
    """Return how many standard errors the mean over chains, the first axis, is from the exact value."""
    error = values.std(axis=0, ddof=1) / np.sqrt(len(values))
    return (values.mean(axis=0) - exact) / np.maximum(error, ROUNDING)


def assert_agrees(values: np.ndarray, exact: np.ndarray | float, within: float | None = None) -> None:
    """Hold a mean over chains against an exact value: right by 4 standard errors, and not by being vague.

    The standard error may be up to ``within`` of the largest exact value, if given.
    """
    error = values.std(axis=0, ddof=1) / np.sqrt(len(values))
    if within is not None:
        assert np.all(error <= within * np.max(np.abs(exact))), f"too vague: {error} for {exact}"
    z = scores(values, exact)
    assert np.all(np.abs(z) < SIGMAS), f"z = {z}"


def second_moments(w: np.ndarray) -> np.ndarray:
    """Return w wᵀ of each chain, (chain, d, d)."""
    return w[:, :, None] * w[:, None, :]


def weighted(values: np.ndarray, weights: np.ndarray) -> tuple[float, float]:
    """Return a self-normalised weighted mean and its standard error by the delta method."""
    share = weights / weights.sum()
    mean = float(share @ values)
    return mean, float(np.sqrt(np.sum(share**2 * (values - mean) ** 2)))
