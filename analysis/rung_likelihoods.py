"""The log-likelihoods of one rung, read once, and what the predictive criteria need of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from singular.analysis.criterion import SCALES, UNITS, Criterion, criterion, ess_flags
from singular.analysis.diagnostics import rung_flags
from singular.analysis.draws import Draws, read_draws
from singular.analysis.pointwise import pointwise_log_likelihood
from singular.analysis.thresholds import MINIMUM_SHARED
from singular.errors import InputError, unknown_name

if TYPE_CHECKING:
    import xarray as xr

    from singular.models.problem import Problem

ELEMENTS = 4_000_000
"""Log-likelihoods worked on at once: about 32 MB for each array of that size."""


class Rung(NamedTuple):
    """The log-likelihoods of one rung: ``values`` (chain, draw, n), nats, with the rung's flags."""

    values: np.ndarray
    beta: float
    flags: tuple[str, ...] = ()


class Moments(NamedTuple):
    """What the criteria need of each observation.

    Attributes
    ----------
    loss : (n,) float
        −log E[p(y_i | w)], nats.
    variance : (n,) float
        Var(log p(y_i | w)), nats².
    loss_influence, variance_influence : (chain, draw) float
        Of the two summed over the observations.
    shared : (n,) float
        How many draws the mean likelihood rests on, (Σ p)² / Σ p².
    """

    loss: np.ndarray
    variance: np.ndarray
    loss_influence: np.ndarray
    variance_influence: np.ndarray
    shared: np.ndarray


def check_scale(scale: str) -> None:
    """Raise if ``scale`` is not one of `SCALES`."""
    if scale not in SCALES:
        raise unknown_name("scale", scale, SCALES)


def read_rung(ladder: xr.DataTree, problem: Problem, beta: float) -> Rung:
    """Return the log-likelihoods of the rung at ``beta`` > 0, with its flags."""
    draws = read_draws(ladder)
    i = above_prior(draws, beta)
    values = pointwise_log_likelihood(ladder, problem, draws.betas[i])
    return Rung(values, float(draws.betas[i]), rung_flags(ladder, draws, [i]))


def above_prior(draws: Draws, beta: float) -> int:
    """Return the position of the rung at ``beta``, which must lie above 0."""
    i = draws.index(beta)
    if draws.betas[i] == 0.0:
        raise InputError(f"beta={beta!r} is the prior, which has seen no data: take a rung above it")
    return i


def moments(values: np.ndarray) -> Moments:
    """Return mean likelihoods and variances of log-likelihoods, (chain, draw, n), a block of observations at a time."""
    size = values[..., 0].size
    summed = [np.zeros(values.shape[:2]), np.zeros(values.shape[:2])]
    parts = []
    for block in observation_blocks(values):
        top = block.max(axis=(0, 1))
        likelihood = np.exp(block - top)
        mean = likelihood.mean(axis=(0, 1))
        square = (block - block.mean(axis=(0, 1))) ** 2
        total = square.sum(axis=(0, 1))
        summed[0] += (1.0 - likelihood / mean).sum(axis=-1)
        summed[1] += (square - total / size).sum(axis=-1)
        shared = size * mean**2 / np.mean(likelihood**2, axis=(0, 1))
        parts.append((-np.log(mean) - top, total / (size - 1), shared))
    loss, variance, shared = (np.concatenate(column) for column in zip(*parts, strict=True))
    return Moments(loss, variance, summed[0], summed[1], shared)


def observation_blocks(values: np.ndarray) -> Iterator[np.ndarray]:
    """Yield (chain, draw, some observations), of at most `ELEMENTS` values where one observation has not more."""
    step = max(1, ELEMENTS // values[..., 0].size)
    for start in range(0, values.shape[-1], step):
        yield values[..., start : start + step]


def scaled(
    losses: np.ndarray, influence: np.ndarray, scale: str, *, name: str, method: str, beta: float, flags: tuple
) -> Criterion:
    """Return the criterion that losses of single observations make on one of the `SCALES`.

    ``influence`` is that of the sum of ``losses``, nats.
    """
    how, factor = SCALES[scale]
    averaged = how == "mean"
    return finish(
        criterion(
            factor * losses,
            factor * influence / (losses.size if averaged else 1),
            averaged=averaged,
            target=f"{name} at beta={beta:.3g} ({UNITS[scale]})",
            method=method,
            beta=beta,
            flags=flags,
        )
    )


def shared_flags(shared: np.ndarray) -> tuple[str, ...]:
    """Return a flag if the mean likelihood of some observations rests on few draws."""
    few = int((shared < MINIMUM_SHARED).sum())
    if not few:
        return ()
    return (f"mean likelihood of {few} of {shared.size} observations rests on fewer than {MINIMUM_SHARED:.0f} draws",)


def finish(e: Criterion) -> Criterion:
    """Add the flag of an influence with too few effective draws."""
    return replace(e, flags=tuple(dict.fromkeys((*e.flags, *ess_flags(e)))))
