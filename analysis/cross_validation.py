"""Leave-one-out cross-validation from the draws of one rung, by importance sampling."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from singular.analysis.criterion import Criterion
from singular.analysis.rung_likelihoods import Rung, check_scale, observation_blocks, read_rung, scaled
from singular.analysis.thresholds import HEAVY_TAIL

if TYPE_CHECKING:
    import xarray as xr

    from singular.models.problem import Problem


def loo(ladder: xr.DataTree, problem: Problem, scale: str = "log") -> Criterion:
    """Estimate leave-one-out cross-validation of the posterior by Pareto smoothed importance sampling.

    ArviZ smooths the weights; the relative efficiency it is given is that of nll and not, as by default in
    ``arviz.loo``, the mean over all parameters: raw weights of a symmetric model never mix.

    Parameters
    ----------
    ladder : DataTree
        With a rung at β = 1.
    problem : Problem
        The problem it was sampled from, with a log-likelihood for each observation.
    scale : {"log", "deviance", "loss"}
        As for `waic`; ``"log"`` is ArviZ's elpd.

    Returns
    -------
    Criterion
        Flagged where a Pareto k̂ is above ArviZ's limit min(1 − 1/log10(S), 0.7), S draws.

    Raises
    ------
    InputError
        As for `waic`.

    References
    ----------
    Vehtari, Gelman and Gabry (2017), Stat. Comput. 27, 1413: PSIS-LOO.
    Vehtari, Simpson, Gelman, Yao and Gabry (2024), J. Mach. Learn. Res. 25(72): the smoothing and its limits.
    """
    return cross_validation(ladder, problem, 1.0, scale)


def cross_validation(
    ladder: xr.DataTree, problem: Problem, beta: float = 1.0, scale: str = "log", smooth: bool = True
) -> Criterion:
    """Estimate leave-one-out cross-validation of the posterior at β.

    The posterior at β without observation i is the one with it, weighted by p(y_i | w)^−β, so that

        −log E⁽ⁱ⁾[p_i] = −log (E_β[p_i^(1−β)] / E_β[p_i^−β]),

    whose mean over i is the cross-validation loss. Its mean over data sets is that of the generalisation loss of
    n − 1 observations, at every n, whether the model is regular or not.

    Parameters
    ----------
    ladder, problem, beta, scale
        As for `waic`.
    smooth : bool
        Let ArviZ smooth the largest weights (Pareto smoothed importance sampling); False takes them as they are.

    Returns
    -------
    Criterion
        Its Monte Carlo error takes the weights' smoothing as given. Flagged where a Pareto k̂ of the weights is above
        min(1 − 1/log10(S), 0.7), S draws: there error and value may both be wrong.

    Raises
    ------
    InputError
        As for `waic`.

    References
    ----------
    Gelfand, Dey and Chang (1992): importance sampling leave-one-out.
    Watanabe (2010), J. Mach. Learn. Res. 11, 3571: the form at any β, and its equivalence with WAIC.
    Vehtari, Gelman and Gabry (2017), Stat. Comput. 27, 1413: with smoothed weights.
    """
    check_scale(scale)
    return cross_validation_of(read_rung(ladder, problem, beta), scale, smooth)


def relative_efficiency(values: np.ndarray) -> float:
    """Return ESS over draws of nll = −Σ_i log p_i, which sets how long a tail is smoothed; 1 for a single chain."""
    from arviz_stats.base.array import array_stats

    nll = values.sum(axis=-1)
    if nll.shape[0] == 1 or np.ptp(nll) == 0.0:
        return 1.0
    effective: Any = array_stats.ess(nll, chain_axis=0, draw_axis=1, method="mean")
    return float(effective) / nll.size


def largest_khat(draws: int) -> float:
    """Return the Pareto k̂ up to which that many draws suffice (Vehtari et al., 2024), as ArviZ has it."""
    return min(1 - 1 / np.log10(draws), HEAVY_TAIL)


def cross_validation_of(rung: Rung, scale: str, smooth: bool) -> Criterion:
    """Return the cross-validation of one rung."""
    from arviz_stats.base.array import array_stats

    shape, size = rung.values.shape[:2], rung.values[..., 0].size
    efficiency: Any = relative_efficiency(rung.values)
    influence = np.zeros(size)
    losses, khats = [], []
    for block in observation_blocks(rung.values):
        rows = np.ascontiguousarray(block.reshape(size, -1).T)
        log_weights, khat = array_stats.psislw(rung.beta * rows, r_eff=efficiency, axis=-1)
        if not smooth:
            log_weights = -rung.beta * rows
        weights = np.exp(log_weights - log_weights.max(axis=1, keepdims=True))
        weights /= weights.sum(axis=1, keepdims=True)
        top = rows.max(axis=1, keepdims=True)
        likelihood = np.exp(rows - top)
        mean = (weights * likelihood).sum(axis=1, keepdims=True)
        # the ratio of two means: each draw moves it by its weight times its distance from it
        influence -= size * (weights * (likelihood / mean - 1.0)).sum(axis=0)
        losses.append(-(np.log(mean) + top)[:, 0])
        khats.append(np.asarray(khat))
    khat = np.concatenate(khats)
    limit = largest_khat(size)
    far = int((khat > limit).sum())
    flags = (f"Pareto k > {limit:.2f} at {far} of {khat.size} observations (largest {khat.max():.2f})",) if far else ()
    return scaled(
        np.concatenate(losses),
        influence.reshape(shape),
        scale,
        name="leave-one-out cross-validation",
        method="psis-loo" if smooth else "importance-loo",
        beta=rung.beta,
        flags=(*rung.flags, *flags),
    )
