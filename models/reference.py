"""The reference point of a problem: the maximum-likelihood parameters, and whether there are any."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from scipy.optimize import minimize

from singular.models.density import Density

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
        objective = _objective(density)
        starts = _starts(density, start)
        inside, outside = [], []
        for point in starts:
            found = minimize(objective, point, jac=True, method="L-BFGS-B", options={"maxiter": 500})
            slope = objective(found.x)[1]
            runaway = bool(((np.abs(found.x) > FAR) & (np.abs(slope) > STEADY_FALL)).any())
            (outside if runaway or not np.isfinite(found.fun) else inside).append((float(found.fun), found.x))
        value, point = min(inside or outside, key=lambda pair: pair[0])
        unbounded = unbounded or bool(outside)
        parameters = {k: np.asarray(v) for k, v in density.constrain(jnp.asarray(point)).items()}
    return Reference(value, np.asarray(point), parameters, ("unbounded likelihood",) if unbounded else ())


def _objective(density: Density) -> Callable:
    value_and_gradient = jax.jit(jax.value_and_grad(lambda z, c: density.split.call(c, z)[1]))

    def objective(point):
        value, gradient = value_and_gradient(jnp.asarray(point), density.split.constants)
        if not np.isfinite(value):
            return 1e300, np.zeros_like(point)
        return float(value), np.nan_to_num(np.asarray(gradient, dtype=float))

    return objective


def _starts(density: Density, start) -> list[np.ndarray]:
    keys = jax.random.split(jax.random.PRNGKey(20), SCREENED)
    z = np.asarray(jax.lax.map(density.prior_draw, keys))
    nll = np.asarray(jax.lax.map(lambda row: density.split(row)[1], jnp.asarray(z)))
    best = z[np.argsort(np.where(np.isfinite(nll), nll, np.inf))[:BEST_STARTS]]
    return [*best, *z[:RANDOM_STARTS], *([] if start is None else [np.asarray(start)])]
