"""SGD on a stream of regression data x ~ N(0, H), y = xᵀw* + noise: exact moments with noise that depends on w.

The covariance of the gradient of one observation at w = w* + e is σ² H + H e eᵀ H + H (eᵀ H e): Gaussian fourth
moments. It grows with the loss, so that the step has a lower limit than the curvature alone sets.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import brentq

from singular.analysis.law_inputs import axes_of, batch_factor, number, semidefinite, spectrum_of
from singular.analysis.sgd_law import NO_NOISE, SGDLaw
from singular.analysis.starts import Start
from singular.errors import InputError, whole


def streaming_sgd(
    hessian: ArrayLike,
    noise_level: float,
    step_size: float,
    *,
    batch_size: int = 1,
    momentum: float = 0.0,
    start: Start | None = None,
    steps: int | None = None,
) -> SGDLaw:
    """Return the moments of SGD on streaming Gaussian regression with loss ½ (y − xᵀw)², stationary or after N steps.

    Without momentum Σ' = (I − ηH) Σ (I − ηH) + (η²/B) [HΣH + H tr(HΣ) + σ² H]. With y_i = k_i h_i²/B, k_i the factor
    of the additive law, (1+μ)η/[(1−μ) h_i (2(1+μ) − ηh_i)], and A = Σ y_i/(1 − y_i), the excess is ½ σ² A/(1 − A);
    without momentum A = (η/B) Σ h_i/(2 − ηh_i (1 + 1/B)).

    Parameters
    ----------
    hessian : (d,) or (d, d) float
        H, the covariance of x.
    noise_level : float
        σ² > 0, variance of y given x.
    step_size : float
        η > 0.
    batch_size : int
        B fresh observations a step.
    momentum : float
        0 ≤ μ < 1.
    start, steps
        As in `additive_sgd`.

    Returns
    -------
    SGDLaw
        ``temperature`` is ησ²/(2B(1−μ)); as η → 0 the coefficient is ½ tr H, not d/2. The law is not normal, and
        directions without curvature stay at their start, which the stationary law leaves out.

    Raises
    ------
    InputError
        If an argument is not as above, or the second moments grow without limit: `streaming_largest_step`.

    References
    ----------
    Second-moment recursion of least-mean-squares filters with Gaussian inputs: Feuer and Weinstein (1985), IEEE Trans.
    Acoust. Speech Signal Process. 33, 222-230, for B = 1 without momentum.

    Examples
    --------
    >>> law = streaming_sgd([1.0, 0.5, 0.25, 0.1], 0.49, 0.3, batch_size=4)
    >>> round(law.excess, 7), round(law.excess_coefficient, 4)
    (0.0214495, 1.1673)
    """
    matrix = semidefinite("hessian", hessian)
    h, axes = axes_of(matrix)
    level, eta = number("noise_level", noise_level), number("step_size", step_size)
    mu = number("momentum", momentum, zero=True, most=1.0)
    rho = batch_factor(batch_size)
    if steps is None:
        share, stable = _feedback(h, eta, rho, mu)
        if not stable:
            raise InputError(
                f"step_size={step_size!r}: the second moments grow without limit; the largest step is "
                f"{streaming_largest_step(h, batch_size, mu):.6g}"
            )
        twice_excess = level * share.sum() / (1 - share.sum())
        variance = np.where(h > 0, share * (twice_excess + level) / np.where(h > 0, h, 1.0), 0.0)
        mean, covariance = np.zeros(h.size), np.diag(variance)
    else:
        if start is None:
            raise InputError("start=None: the law after a number of steps needs a start, Gaussian or Box")
        first, second = start.moments(h.size)
        mean, covariance = _after(
            whole("steps", steps, 0), h, level, eta, rho, mu, axes.T @ first, axes.T * second @ axes
        )
    temperature = eta * level * rho / (2 * (1 - mu))
    return moments_law(matrix, axes @ mean, axes @ covariance @ axes.T, temperature)


def streaming_largest_step(curvatures: ArrayLike, batch_size: int = 1, momentum: float = 0.0) -> float:
    """Return the step size from which the second moments of streaming SGD grow without limit.

    Without momentum the root of (η/B) Σ h_i/(2 − ηh_i (1 + 1/B)) = 1, below 2/(h_max (1 + 1/B)).

    Examples
    --------
    >>> [round(streaming_largest_step([1.0, 0.5, 0.25, 0.1], batch), 6) for batch in (1, 4, 32)]
    [0.577093, 1.279784, 1.879962]
    """
    h = spectrum_of(curvatures)
    mu = number("momentum", momentum, zero=True, most=1.0)
    rho = batch_factor(batch_size)
    if h.max() == 0:
        return np.inf
    top = 2 * (1 + mu) / h.max()
    # y_i < 1 for the greatest curvature: ηh (ρ (1+μ)/(1−μ) + 1) < 2(1+μ)
    edge = top / (1 + rho * (1 + mu) / (1 - mu))
    found: Any = brentq(lambda eta: 1 - 1 / _feedback(h, eta, rho, mu)[0].sum(), 1e-9 * edge, edge * (1 - 1e-13))
    return float(found)


def moments_law(hessian: np.ndarray, mean: np.ndarray, covariance: np.ndarray, temperature: float) -> SGDLaw:
    """Return the `SGDLaw` of two moments; never Gibbs, its departure is that of the second moments."""
    h, axes = axes_of(hessian)
    curved = h > 0
    root = (axes * np.sqrt(h))[:, curved]
    energies = root.T @ covariance @ root
    shared = float(np.trace(energies)) / max(len(energies), 1)
    excess = float(0.5 * np.trace(energies) + 0.5 * mean @ hessian @ mean)
    return SGDLaw(
        mean=mean,
        covariance=covariance,
        excess=excess,
        temperature=temperature,
        excess_coefficient=excess / temperature if temperature > 0 else np.nan,
        gibbs_temperature=shared,
        gibbs_departure=float(np.abs(energies / shared - np.eye(len(energies))).max()) if shared > 0 else np.nan,
        is_gibbs=False,
        flags=() if temperature > 0 else (NO_NOISE,),
    )


def _feedback(h: np.ndarray, eta: float, rho: float, mu: float) -> tuple[np.ndarray, bool]:
    """Return the share of each direction in A, and whether the recursion is stable."""
    room = (1 - mu) * (2 * (1 + mu) - eta * h)
    y = rho * eta * (1 + mu) * h / np.where(room > 0, room, np.nan)
    share = y / (1 - y)
    return share, bool(np.all(room > 0) and np.all(y < 1) and share.sum() < 1)


def _after(steps, h, level, eta, rho, mu, mean, covariance) -> tuple[np.ndarray, np.ndarray]:
    """Step the mean and the second moments of (w, v) about w*, N times."""
    outer = np.outer(h, h)
    ww = covariance + np.outer(mean, mean)
    wv, vv = np.zeros_like(ww), np.zeros_like(ww)
    velocity = np.zeros_like(mean)
    for _ in range(steps):
        noise = rho * (outer * ww + np.diag(h) * (h @ np.diag(ww) + level))
        # v' = μ v − η H w − η ξ, w' = w + v'
        new_vv = mu**2 * vv - eta * mu * (h[:, None] * wv + (h[:, None] * wv).T) + eta**2 * (outer * ww + noise)
        w_new_v = mu * wv - eta * ww * h
        wv = w_new_v + new_vv
        ww = ww + w_new_v + w_new_v.T + 0.5 * (new_vv + new_vv.T)  # rounding that is not symmetric would grow
        vv = new_vv
        velocity = mu * velocity - eta * h * mean
        mean = mean + velocity
    return mean, ww - np.outer(mean, mean)
