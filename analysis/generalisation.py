"""The generalisation loss: how well the posterior at one rung predicts data that it has not seen."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from singular.analysis.criterion import Criterion, criterion
from singular.analysis.diagnostics import rung_flags
from singular.analysis.draws import read_draws
from singular.analysis.pointwise import held_out_blocks
from singular.analysis.rung_likelihoods import above_prior, finish, shared_flags
from singular.analysis.thresholds import MINIMUM_SHARED
from singular.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    import xarray as xr

    from singular.models.problem import Problem


def generalisation_loss(
    ladder: xr.DataTree, problem: Problem, held_out: Problem, beta: float = 1.0, baseline: np.ndarray | None = None
) -> Criterion:
    """Estimate the generalisation loss G_n = −E*[log E_w[p(y* | x*, w)]] over fresh data, w drawn at β.

    Parameters
    ----------
    ladder : DataTree
    problem : Problem
        The problem it was sampled from.
    held_out : Problem
        The same model with m fresh observations: ``models.problem`` with another seed, say. The fresh data must come
        from where the first came from.
    beta : float
        A rung above 0.
    baseline : (m,) float, optional
        Log-densities of the same observations under a reference, in nats: those of the truth, say, as
        ``log_likelihood_at(held_out, held_out.model.optimum)`` gives them. The result is then the excess G_n − S over
        the reference's loss, with a far smaller ``se_data``: what all predictions share cancels.

    Returns
    -------
    Criterion
        Nats an observation. ``mcse`` is Monte Carlo error, for these m observations; ``se_data`` is the error of
        having only m of them. The draws are gone through twice, a block at a time: memory does not grow with m times
        the draws.

    Raises
    ------
    InputError
        As for `held_out_log_likelihood`; if β is 0; or if ``baseline`` has another shape or is not finite.

    References
    ----------
    Watanabe (2010), J. Mach. Learn. Res. 11, 3571: the Bayes generalisation loss.
    """
    draws = read_draws(ladder)
    i = above_prior(draws, beta)
    found = rung_flags(ladder, draws, [i])
    shape = draws.nll.shape[:2]
    return generalisation_loss_of(
        lambda: held_out_blocks(ladder, problem, held_out, draws.betas[i]), shape, draws.betas[i], found, baseline
    )


def generalisation_loss_of(
    blocks: Callable[[], Iterable[np.ndarray]],
    shape: tuple[int, int],
    beta: float,
    found: tuple[str, ...] = (),
    baseline: np.ndarray | None = None,
) -> Criterion:
    """Return the loss whose log-likelihoods ``blocks()`` gives, (draws, m) each; ``shape`` is (chain, draw)."""
    log_mean, shared = predictive(blocks())
    count = log_mean.size
    reference = np.zeros(count) if baseline is None else np.asarray(baseline, dtype=np.float64)
    if reference.shape != (count,) or not np.isfinite(reference).all():
        raise InputError(f"baseline of shape {reference.shape}: allowed are {count} finite log-densities, one a row")
    impossible = int(np.isneginf(log_mean).sum())
    if impossible:
        found = (*found, f"no draw can make {impossible} of {count} held-out observations")
        influence = np.full(shape, np.nan)
    else:
        rows = [1.0 - np.exp(block - log_mean).mean(axis=1) for block in blocks()]
        influence = np.concatenate(rows).reshape(shape)
    name = "generalisation loss G_n" if baseline is None else "generalisation loss G_n, less that of the baseline,"
    answer = criterion(
        reference - log_mean,
        influence,
        averaged=True,
        target=f"{name} at beta={beta:.3g} (nats an observation)",
        method="held-out",
        beta=beta,
        flags=(*found, *shared_flags(shared)),
    )
    return finish(answer)


def predictive(blocks: Iterable[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Return log E_w[p(y* | w)] of each observation, and how many draws it rests on, (Σ p)² / Σ p²."""
    top, first, second, count = np.array(-np.inf), np.array(0.0), np.array(0.0), 0
    for block in blocks:
        count += len(block)
        highest = np.maximum(top, block.max(axis=0))
        shift = np.where(np.isneginf(highest), 0.0, highest)
        carried, likelihood = np.exp(top - shift), np.exp(block - shift)
        first = first * carried + likelihood.sum(axis=0)
        second = second * carried**2 + (likelihood**2).sum(axis=0)
        top = highest
    possible = first > 0
    log_mean = np.full(first.shape, -np.inf)
    log_mean[possible] = top[possible] + np.log(first[possible] / count)
    # where no draw can make an observation there is nothing to share
    shared = np.where(possible, first**2 / np.where(possible, second, 1.0), MINIMUM_SHARED)
    return log_mean, shared
