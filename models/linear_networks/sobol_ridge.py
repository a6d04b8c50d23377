"""Randomised quasi-Monte Carlo for reduced-rank regression with 2 hidden units and 3 inputs."""

from __future__ import annotations

import math

import numpy as np
from scipy.stats import qmc

from singular.models.base import Nodes
from singular.models.integrals import rules

REPLICATES = 16
LOG2_POINTS = 15
"""Each of the independently scrambled Sobol' sequences has 2 ** LOG2_POINTS points."""
REACH = 6.5
"""Largest coordinate, in prior standard deviations."""
ROUTE = f"B in closed form, 5-D scrambled Sobol', {REPLICATES} replicates of 2^{LOG2_POINTS}"


def ridge_nodes(x: np.ndarray, y: np.ndarray, log2_points: int) -> Nodes:
    """Draw A up to rotation of its two rows, in a basis whose first axis the data single out.

    In that basis A is (r, p; 0, q) with r and s = |q| Rayleigh and the angle of q uniform; p has a part
    along q and one across it, standard normal. The data hold the part across q to O((β n)^(−1/2)), and
    s, when it is small, the part along it. Each coordinate is scale · sinh of a uniform, so every scale
    between the two ends is met about equally often, at every β.
    """
    fitted, *_ = np.linalg.lstsq(x, y)
    basis = np.linalg.svd(fitted)[0]
    narrow = 1.0 / math.sqrt(rules.observations(x) + 1.0)
    blocks, weights = [], []
    for replicate in range(REPLICATES):
        u = qmc.Sobol(5, scramble=True, rng=np.random.default_rng([20050901, replicate])).random_base2(log2_points)
        r, log_r = _stretched(u[:, 0], 0.7, linear=1.0)
        s, log_s = _stretched(u[:, 1], narrow)
        along, log_along = _stretched(u[:, 2], 3 * narrow, signed=True)
        across, log_across = _stretched(u[:, 3], narrow, signed=True)
        angle = math.pi * u[:, 4]
        cosine, sine, zero = np.cos(angle), np.sin(angle), np.zeros_like(angle)
        top = np.stack([r, along * cosine - across * sine, along * sine + across * cosine], axis=1)
        bottom = np.stack([zero, s * cosine, s * sine], axis=1)
        blocks.append(np.concatenate([top @ basis.T, bottom @ basis.T], axis=1))
        log_prior = np.log(r) + np.log(s) - 0.5 * (r**2 + s**2 + along**2 + across**2) - math.log(2 * math.pi)
        weights.append(log_prior + log_r + log_s + log_along + log_across)
    log_weights = np.concatenate(weights) - math.log(REPLICATES) - log2_points * math.log(2.0)
    return Nodes(np.concatenate(blocks), log_weights, REPLICATES)


def _stretched(u: np.ndarray, scale: float, signed: bool = False, linear: float = 0.6) -> tuple[np.ndarray, np.ndarray]:
    """Return scale · sinh(t) out to ``REACH``, and log |d/du|, for u uniform on (0, 1).

    t is a cubic in u with the given share of its linear term: below 1, small values, where the
    posterior is, are met more often.
    """
    v = 2 * u - 1 if signed else u
    extent = math.asinh(REACH / scale)
    t = extent * (linear * v + (1 - linear) * v**3)
    slope = extent * (linear + 3 * (1 - linear) * v**2) * (2.0 if signed else 1.0)
    return scale * np.sinh(t), np.log(scale * np.cosh(t) * slope)
