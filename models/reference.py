"""The reference point of a problem: the maximum-likelihood parameters, and whether there is one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from scipy.optimize import minimize

from singular.models.density import Density

STARTS = 8
SCREENED = 256
FAR = 40.0


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
        Empty, or why the point may not be a maximum of the likelihood: ``unbounded likelihood`` when an
        optimiser ran off to infinity with the likelihood still growing; then ``nll`` is the best of the
        interior local optima.
    """

    nll: float
    z: np.ndarray
    parameters: dict[str, Any]
    flags: tuple[str, ...]


def find_reference(density: Density, start: np.ndarray | None = None) -> Reference:
    """Minimise the nll by L-BFGS from the best of many prior draws, and from ``start``.

    Local optima are all an optimiser can promise: the lowest of several is returned. A maximum at infinity
    (a ridge along which the nll falls to a limit) is a fair reference; an nll that falls without bound, as when
    a mixture component closes on one observation, is not: it is told apart by its slope, which does not die out.
    """
    constants = density.split.constants
    with jax.enable_x64(True):
        value_and_gradient = jax.jit(
            jax.value_and_grad(lambda z, c: density.split.call(c, z)[1]), donate_argnums=()
        )
        keys = jax.random.split(jax.random.PRNGKey(20), SCREENED)
        z = np.asarray(jax.vmap(density.prior_draw)(keys))
        nll = np.asarray(jax.vmap(density.split)(z)[1])
        best = z[np.argsort(np.where(np.isfinite(nll), nll, np.inf))[: STARTS - 1]]
        starts = [*best, *([] if start is None else [np.asarray(start)])]

        def objective(point):
            value, gradient = value_and_gradient(jnp.asarray(point), constants)
            if not np.isfinite(value):
                return np.inf, np.zeros_like(point)
            return float(value), np.nan_to_num(np.asarray(gradient, dtype=float))

        inside, outside = [], []
        for point in starts:
            found = minimize(objective, point, jac=True, method="L-BFGS-B", options={"maxiter": 1000})
            still_to_gain = float(np.abs(objective(found.x)[1] * found.x).max())
            runaway = np.abs(found.x).max() > FAR and still_to_gain > 1.0
            (outside if runaway or not np.isfinite(found.fun) else inside).append((float(found.fun), found.x))
        flags: tuple[str, ...] = ()
        if outside and (not inside or min(f for f, _ in outside) < min(f for f, _ in inside)):
            flags = ("unbounded likelihood",)
        value, point = min(inside or outside, key=lambda pair: pair[0])
        parameters = {k: np.asarray(v) for k, v in density.constrain(jnp.asarray(point)).items()}
    return Reference(value, np.asarray(point), parameters, flags)
