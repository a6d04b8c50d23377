"""The local learning coefficient from losses that any sampler has recorded."""

from __future__ import annotations

import math

import numpy as np

from singular.analysis.estimate import Estimate, estimate
from singular.analysis.thresholds import MAXIMUM_RHAT
from singular.errors import InputError, whole
from singular.posteriors.ladder import wbic_beta


def local_coefficient_from_losses(
    losses: np.ndarray,
    baseline: float,
    n: int,
    beta: float | None = None,
    *,
    baseline_rows: int | None = None,
    noisy_baseline: bool = False,
) -> Estimate:
    """Estimate nβ (E[L_n] − L_n(w*)) from recorded mean losses.

    For draws made elsewhere: ``losses`` are what a sampler at inverse temperature nβ recorded after its burn-in,
    the *mean* loss over observations, in nats. The temperature stands in nβ alone.

    Parameters
    ----------
    losses : (chain, draw) float
        Mean losses, of all data or of a minibatch drawn apart from the step that made the draw: its noise is then in
        the Monte Carlo error.
    baseline : float
        L_n(w*), mean loss at the centre.
    n : int
        Observations.
    beta : float, optional
        1/log n if not given.
    baseline_rows : int, optional
        Observations behind the baseline; n if not given. Fewer are refused: the baseline's noise is one number, the
        same for every draw, so that no average takes it out and no spread shows it.
    noisy_baseline : bool
        Take such a baseline all the same; the estimate is flagged.

    Returns
    -------
    Estimate
        Dimensionless, with the Monte Carlo error of autocorrelated chains (not their spread). Whatever bias the
        sampler's step has is in the value and not in the error: the flags say so.

    Raises
    ------
    InputError
        If losses are not (chain, draw) finite numbers, or the baseline rests on fewer than n observations.

    References
    ----------
    Lau, Furman, Wang, Murfet and Wei (2023), arXiv:2308.12108.

    Examples
    --------
    >>> losses = 1.0 + np.random.default_rng(0).chisquare(4, (4, 500)) / 2 / 100
    >>> found = local_coefficient_from_losses(losses, 1.0, n=100, beta=1.0)
    >>> abs(found.value - 2) < 4 * found.mcse
    True
    """
    values = np.asarray(losses, dtype=np.float64)
    if values.ndim != 2 or values.shape[1] < 4 or not np.isfinite(values).all():
        raise InputError(
            f"losses has shape {values.shape}: finite numbers (chain, draw) with at least 4 draws are needed"
        )
    n = whole("n", n, 3)
    if not isinstance(baseline, int | float | np.number) or not math.isfinite(baseline):
        raise InputError(f"baseline={baseline!r} must be a finite mean loss in nats")
    short = baseline_rows is not None and whole("baseline_rows", baseline_rows, 1, n) < n
    if short and not noisy_baseline:
        raise InputError(
            f"baseline_rows={baseline_rows!r}: it must be the loss of all n={n} observations, as its noise "
            "goes into the estimate whole (negative estimates follow); noisy_baseline=True takes it all the same"
        )
    beta = wbic_beta(n) if beta is None else beta
    if not 0 < beta <= 1:
        raise InputError(f"beta={beta!r} must be a number in (0, 1]")
    from arviz_stats.base.array import array_stats

    scale = n * beta
    mean = float(values.mean())
    found = ["the bias of the sampler's step, if it rejects nothing, is not in the error"]
    if (
        values.shape[0] > 1
        and (rhat := np.asarray(array_stats.rhat(values, chain_axis=0, draw_axis=1)).item()) > MAXIMUM_RHAT
    ):
        found.append(f"rhat {rhat:.3f} > {MAXIMUM_RHAT}")
    if short:
        found.append(f"baseline of {baseline_rows} of {n} observations: its noise is not in the error")
    if mean < baseline:
        cause = (
            "a noisy baseline" if short else "a centre that is no minimum of the loss, or draws of lower loss elsewhere"
        )
        found.append(f"negative ({scale * (mean - baseline):.2g}): likely {cause}")
    return estimate(
        scale * (mean - baseline),
        scale * (values - mean),
        target=f"n beta (mean loss - loss at the centre) at beta={beta:.3g}",
        method="loss-trace",
        beta=beta,
        flags=found,
    )
