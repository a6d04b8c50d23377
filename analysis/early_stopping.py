"""How many directions early stopping has learnt, and the Bayesian posterior that it corresponds to.

Gradient descent from the prior mean multiplies what least squares would find by S_i = 1 − (1 − η h_i)^N, direction by
direction; ridge regression and the mean of a tempered posterior multiply it by h_i/(h_i + q).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.optimize import minimize_scalar

from singular.analysis.law_inputs import number, spectrum_of
from singular.errors import InputError, unknown_name, whole

COUNTS = ("trace", "squared", "residual")


def learned_directions(
    curvatures: Sequence[float] | np.ndarray, step_size: float, steps: int, count: str = "trace"
) -> float:
    """Return the effective number of parameters that N steps of gradient descent have learnt; it grows from 0 to r.

    Half of it is on the scale of a learning coefficient; at penalty 1/(ηN) half of the ridge count *is* the excess
    coefficient of a Gaussian prior of precision τ at nβ/τ = ηN. `DescentLaw.pushforward_coefficient` has the opposite
    meaning of effective parameters: what is left to learn.

    Parameters
    ----------
    curvatures : (d,) float
        h_i ≥ 0.
    step_size : float
        η > 0.
    steps : int
        N ≥ 0.
    count : str
        Of the three counts of a linear smoother S: ``trace`` tr S; ``squared`` tr SSᵀ; ``residual`` tr(2S − SSᵀ), which
        is Σ (1 − a_i) with a_i = (1 − η h_i)^(2N), the share of the starts' variance that is gone.

    Raises
    ------
    InputError
        If an argument is not as above.

    References
    ----------
    Hastie and Tibshirani (1990), Generalized Additive Models, section 3.5: the three counts.

    Examples
    --------
    >>> h = [10.0, 1.0, 0.1, 0.01, 0.0]
    >>> [round(learned_directions(h, 0.05, 100, count), 4) for count in COUNTS]
    [2.4371, 2.146, 2.7282]
    """
    s = learned_shares(curvatures, step_size, steps)
    if count not in COUNTS:
        raise unknown_name("count", count, COUNTS)
    return float({"trace": s, "squared": s**2, "residual": s * (2 - s)}[count].sum())


def learned_shares(curvatures: Sequence[float] | np.ndarray, step_size: float, steps: int) -> np.ndarray:
    """Return (d,) S_i = 1 − (1 − η h_i)^N, what gradient descent from the prior mean has learnt of each direction."""
    h, steps = spectrum_of(curvatures), whole("steps", steps, 0)
    rate = number("step_size", step_size) * h
    small = np.minimum(rate, 0.5)
    return np.where(rate <= small, -np.expm1(steps * np.log1p(-small)), 1 - (1 - rate) ** steps)


def flow_shares(curvatures: Sequence[float] | np.ndarray, time: float) -> np.ndarray:
    """Return (d,) S_i = 1 − e^(−h_i s), what gradient flow has learnt of each direction at time s."""
    return -np.expm1(-number("time", time, zero=True) * spectrum_of(curvatures))


def ridge_shares(curvatures: Sequence[float] | np.ndarray, penalty: float | Sequence[float] | np.ndarray) -> np.ndarray:
    """Return (d,) h_i/(h_i + q_i), what ridge of penalty q learns; q = 1/(ηN) is the match of early stopping.

    A Gaussian prior of precision τ_i at resolution t is the penalty q_i = τ_i/t. 0 where h_i and q_i both are.
    """
    h = spectrum_of(curvatures)
    q = np.broadcast_to(np.asarray(penalty, dtype=np.float64), h.shape)
    if np.isnan(q).any() or (q < 0).any():
        raise InputError(f"penalty={penalty!r} must be numbers of at least 0")
    return np.where(h > 0, h / np.where(h > 0, h + q, 1.0), 0.0)


def matching_penalties(curvatures: Sequence[float] | np.ndarray, step_size: float, steps: int) -> np.ndarray:
    """Return (d,) q_i = h_i/((1 − η h_i)^(−N) − 1), of the generalised ridge regression that *is* early stopping.

    With prior precisions τ_i = t q_i half of `learned_directions` is exactly the excess coefficient at t. q_i tends to
    1/(ηN) where ηN h_i ≪ 1 (which is what stands at h_i = 0) and to 0 exponentially where it is ≫ 1.

    Raises
    ------
    InputError
        If η h_i > 1, from where a penalty may be negative, or N = 0, whose penalty is infinite.

    References
    ----------
    Ali, Kolter and Tibshirani (2019), arXiv:1810.10082, Lemma 3.
    """
    h, steps = spectrum_of(curvatures), whole("steps", steps, 1)
    rate = number("step_size", step_size) * h
    if rate.max() > 1:
        raise InputError(f"step_size={step_size!r}: a matching penalty needs step_size times every curvature up to 1")
    with np.errstate(divide="ignore", over="ignore"):
        growth = np.expm1(-steps * np.log1p(-rate))
    return np.where(h > 0, h / np.where(h > 0, growth, 1.0), 1 / (step_size * steps))


def largest_ridge_ratio(steps: int | None = None) -> tuple[float, float]:
    """Return the most that early stopping can learn over what ridge of penalty 1/(ηN) learns, and at which ηN h.

    The least is 1. None is gradient flow, (1 − e^(−x))(1 + x)/x with its greatest value 1.29843 at x = 1.79328; its
    square 1.6859 is the ratio of risks of Ali, Kolter and Tibshirani (2019), arXiv:1810.10082. Few steps of discrete
    descent exceed it: 2 for one, 25/16 for two. 0 ≤ η h ≤ 1.

    Raises
    ------
    InputError
        If ``steps`` is not a whole number of at least 1.

    Examples
    --------
    >>> [round(largest_ridge_ratio(steps)[0], 5) for steps in (1, 2, 10, None)]
    [2.0, 1.5625, 1.3419, 1.29843]
    """
    end = np.inf if steps is None else float(whole("steps", steps, 1))

    def ratio(x: float) -> float:
        learned = -np.expm1(-x) if steps is None else 1 - (1 - x / steps) ** steps
        return learned * (1 + x) / x

    inner: Any = minimize_scalar(
        lambda x: -ratio(x), bounds=(1e-3, min(end, 10.0)), method="bounded", options={"xatol": 1e-10}
    )
    best = float(inner.x)
    if end <= 10 and ratio(end) > ratio(best):
        best = end
    return float(ratio(best)), best
