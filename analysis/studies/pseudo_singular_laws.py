"""What four learners see of a direction at a resolution, exactly, and a regular neighbour of the product model."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from scipy.optimize import brentq

from singular.analysis.resolution import Gaussian, additive_sgd, learned_directions, tempered_quadratic

SPECTRA = {
    "regular": (1.0, 1e-2, 1e-4),
    "rank 2": (1.0, 1e-2, 0.0),
    "rank 1": (1.0, 0.0, 0.0),
}
PRIOR = Gaussian(1.0)
"""Of the Gibbs law, and what weight decay T stands for: τ = 1."""
LEARNERS = ("Gibbs", "SGD, isotropic", "early-stopped descent", "SGD stopped early", "SGD, C = H")
RATE, MOMENTUM = 0.2, 0.9
"""Of SGD at equilibrium."""
STOPPED_RATE = 0.25
"""Of the two learners that stop early, and of SGD with C = H."""
HALF = 0.25
"""Where a direction counts half of the ½ that it adds to the coefficient in the end."""
NODES = np.arange(-40.0, 2.6, 0.01)


def coefficient(learner: str, curvatures: tuple[float, ...], resolution: float) -> float:
    """Return the coefficient that a learner reads at a resolution T.

    - ``Gibbs``: T⁻¹ (E[L] − L0) under exp(−L/T) φ, ½ Σ h/(h + Tτ);
    - ``SGD, isotropic``: the same under the stationary law of heavy-ball SGD at temperature T with weight decay Tτ,
      exact at its step size;
    - ``early-stopped descent``: half the learned directions ½ Σ 1 − (1 − ηh)^N after the N at which 1/(ηN) is nearest
      to T;
    - ``SGD stopped early``: (E[L_N] − L0)/T_noise of SGD with isotropic noise from the optimum without weight decay, at
      the N at which 1/(2ηN) is nearest to T;
    - ``SGD, C = H``: as the second, without momentum, with gradient noise proportional to the Hessian.
    """
    h = list(curvatures)
    if learner == "Gibbs":
        return tempered_quadratic(h, PRIOR, 1 / resolution).excess_coefficient
    if learner == "SGD, isotropic":
        noise = 2 * resolution * (1 - MOMENTUM) / RATE
        law = additive_sgd(h, noise, RATE, momentum=MOMENTUM, weight_decay=resolution, noise_level=noise)
        return law.excess_coefficient
    if learner == "SGD, C = H":
        noise = 2 * resolution / STOPPED_RATE
        level = np.diag([noise * value for value in h])
        law = additive_sgd(h, level, STOPPED_RATE, weight_decay=resolution, noise_level=noise)
        return law.excess_coefficient
    if learner == "early-stopped descent":
        return 0.5 * learned_directions(h, STOPPED_RATE, stop_at(resolution, 1.0), count="trace")
    law = additive_sgd(h, 1.0, STOPPED_RATE, noise_level=1.0, start=Gaussian(np.inf), steps=stop_at(resolution, 0.5))
    return law.excess_coefficient


def stop_at(resolution: float, factor: float) -> int:
    """Return the N at which factor/(ηN) is nearest to a resolution, at least 1."""
    return max(1, round(factor / (STOPPED_RATE * resolution)))


def parting(learner: str, curvature: float) -> float:
    """Return the T at which a direction of that curvature adds a quarter to the coefficient; NaN if it never does.

    Above, a model with the direction and one without it are hard to tell apart; below, easy.
    """
    grid = np.geomspace(1e-3 * curvature, min(1e3 * curvature, 1.0), 61)
    return crossing(lambda t: coefficient(learner, (curvature,), t), grid)


def crossing(adds: Callable[[float], float], grid: np.ndarray) -> float:
    """Return the greatest T of a grid's range at which a falling function of T passes `HALF`, NaN if it does not."""
    logs = np.log(grid)
    over = [adds(math.exp(log)) - HALF for log in logs]
    falls = [i for i in range(len(over) - 1) if over[i] >= 0 > over[i + 1]]
    if not falls:
        return math.nan
    found = brentq(lambda log: adds(math.exp(log)) - HALF, logs[falls[-1]], logs[falls[-1] + 1], xtol=1e-6)
    return math.exp(found)


def near_product_coefficient(scale: float, resolution: float) -> float:
    """Return T⁻¹ E[K] under exp(−K/T) φ for K = ½ (w1² w2² + ε² (w1² + w2²)), w ~ N(0, I); ε = 0 is the product.

    w2 is integrated in closed form, w1 by the trapezoidal rule in its log, to about 1e-10.
    """
    t, square = 1 / resolution, np.exp(2 * NODES)
    stiff = t * (square + scale**2)
    logs = NODES - 0.5 * square - 0.5 * t * scale**2 * square - 0.5 * np.log1p(stiff)
    mass = np.exp(logs - logs.max())
    energy = 0.5 * t * scale**2 * square + 0.5 * stiff / (1 + stiff)
    return float(mass @ energy / mass.sum())


def near_product_parting(scale: float) -> float:
    """Return the T at which the regular neighbour reads a quarter more than the product model."""
    grid = np.geomspace(1e-3 * scale**4, 10 * scale**2, 81)
    return crossing(lambda t: near_product_coefficient(scale, t) - near_product_coefficient(0.0, t), grid)
