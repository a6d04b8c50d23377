"""A product rule for likelihoods with one peak: fine at the peak, even in the log far from it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.optimize import minimize

from singular.models.base import Nodes
from singular.models.integrals import rules

STEPS = (0.11, 0.15)
"""Spacing of the rule at level 0 and at level −1, in units of the peak's width at the peak."""


def sinh_nodes(
    centre: np.ndarray, axes: np.ndarray, level: int, reach: float, log_density: Callable[[np.ndarray], np.ndarray]
) -> Nodes:
    """Return a product rule around a peak that serves every width from the peak's to the prior's.

    Along each axis the nodes are as dense as the peak needs at the centre and spaced evenly in the log far from
    it, so that one rule serves the prior, the posterior and all between.

    Parameters
    ----------
    centre : (d,) float
        Where the peak is.
    axes : (d, d) float
        Its principal axes as columns, as long as its standard deviations.
    level : int
        0, or −1 for the coarser rule.
    reach : float
        How far the prior reaches from the origin.
    log_density : (N, d) -> (N,)
        Log prior density, nats.
    """
    lengths = np.linalg.norm(axes, axis=0)
    turn = axes / lengths
    far = reach + float(np.linalg.norm(centre))
    lines = [rules.whole_line(STEPS[-level], centre=0.0, scale=length, reach=far) for length in lengths]

    def along_axes(*along):
        return log_density(centre + np.stack(along, axis=-1) @ turn.T)

    points, log_weights = rules.tensor(*lines, log_density=along_axes)
    keep = log_weights > log_weights.max() - 60.0
    return Nodes(centre + points[keep] @ turn.T, log_weights[keep])


def mode_and_axes(
    objective: Callable[[np.ndarray], tuple[float, np.ndarray]], hessian: Callable[[np.ndarray], np.ndarray], size: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return the minimum of a convex function, and the axes of its curvature as columns of length 1/√eigenvalue.

    Parameters
    ----------
    objective : (d,) -> (value, gradient)
        Negative log posterior, nats.
    hessian : (d,) -> (d, d)
        Its second derivatives.
    size : int
        d.
    """
    mode = minimize(objective, np.zeros(size), jac=True, method="BFGS").x
    values, vectors = np.linalg.eigh(hessian(mode))
    return mode, vectors / np.sqrt(values)


def normal_log_density(precision: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """Return the log density of N(0, precision⁻¹) as a function of (N, d) points."""
    constant = 0.5 * (np.linalg.slogdet(precision)[1] - len(precision) * np.log(2 * np.pi))

    def log_density(points):
        return constant - 0.5 * np.einsum("Ni,ij,Nj->N", points, precision, points)

    return log_density
