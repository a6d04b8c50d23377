"""The reference point of a problem: the maximum-likelihood parameters, and whether there are any."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np
from scipy.optimize import minimize

from singular.models.density import Density, compiled, map_rows

BEST_STARTS = 6
RANDOM_STARTS = 6
SCREENED = 256
FAR = 12.0
STEADY_FALL = 0.5


@dataclass(frozen=True)
class Reference:
    """The best point found.

    Attributes
    ----------
    nll : float
        n L_n(w_ref), nats.
    z : (d,) float
        The point on the unconstrained space.
    parameters : dict
        The same on the constrained space, with deterministic sites.
    flags : tuple of str
        Empty, or ``unbounded likelihood``: somewhere the likelihood grows without limit, as when a mixture
        component closes on one observation. Then ``nll`` is the best of the interior local optima.
    """

    nll: float
    z: np.ndarray
    parameters: dict[str, Any]
    flags: tuple[str, ...]


def find_reference(density: Density, start: np.ndarray | None = None, unbounded: bool = False) -> Reference:
    """Minimise the nll by L-BFGS from prior draws, the best of many among them, and from ``start``.

    Local optima are all an optimiser can promise: the lowest of several is returned. A maximum at infinity
    (a ridge along which the nll falls to a limit) is a fair reference; an nll that falls without bound is not.
    It is told apart by its slope, which does not die out: a collapsing scale gains one nat per e-fold and
    observation. No run may happen to fall into such a spike: ``unbounded`` says what is known beforehand.
    """
    with jax.enable_x64(True):
        slope_of = compiled("nll gradient", lambda split: jax.value_and_grad(lambda z: split(z)[1]), density.split)
        z = map_rows(density.prior_draw, jax.random.split(jax.random.PRNGKey(20), SCREENED))
        _, nll = map_rows(density.split, z)
        objective = _objective(slope_of)
        inside, outside = [], []
        for point in _starts(z, nll, start):
            found = minimize(objective, point, jac=True, method="L-BFGS-B", options={"maxiter": 500})
            slope = objective(found.x)[1]
            runaway = bool(((np.abs(found.x) > FAR) & (np.abs(slope) > STEADY_FALL)).any())
            (outside if runaway or not np.isfinite(found.fun) else inside).append((float(found.fun), found.x))
        value, point = min(inside or outside, key=lambda pair: pair[0])
        unbounded = unbounded or bool(outside)
        parameters = {k: v[0] for k, v in map_rows(density.constrain, point[None]).items()}
    return Reference(value, np.asarray(point), parameters, ("unbounded likelihood",) if unbounded else ())


def _objective(value_and_gradient: Callable) -> Callable:
    def objective(point):
        value, gradient = value_and_gradient(point)
        if not np.isfinite(value):
            return 1e300, np.zeros_like(point)
        return float(value), np.nan_to_num(np.asarray(gradient, dtype=float))

    return objective


def _starts(z: np.ndarray, nll: np.ndarray, start) -> list[np.ndarray]:
    best = z[np.argsort(np.where(np.isfinite(nll), nll, np.inf))[:BEST_STARTS]]
    return [*best, *z[:RANDOM_STARTS], *([] if start is None else [np.asarray(start)])]
