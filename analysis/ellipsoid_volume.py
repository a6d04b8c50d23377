"""The volume of {K < ε} that a Hessian would give: the prior density at an optimum times an ellipsoid's volume.

It is right for small ε where one point is the only optimum and the Hessian there has no zero eigenvalue; then the
slope of log V in log ε is d/2. Elsewhere it is infinite, or, with the flat directions left to the prior, has the slope
rank/2, which is not λ. How wrong is for `volume` to tell.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np
import pandas as pd
from scipy.special import gammaln

from singular.analysis.fisher import hessian, point_of
from singular.analysis.thresholds import NEARLY_SINGULAR
from singular.errors import InputError, unknown_name
from singular.models.base import Model
from singular.models.density import compiled
from singular.models.problem import Problem
from singular.posteriors.precision import x64

DIRECTIONS = ("all", "positive")
DRAWS = 2**16
"""Prior draws from which the normal of the flat directions is fitted."""


@dataclass(frozen=True)
class Ellipsoid:
    """The volume of an ellipsoid about an optimum.

    Attributes
    ----------
    frame : DataFrame
        ``epsilon``, nats an observation, and ``log_volume``, nats; it may exceed 0, which no prior mass does.
    eigenvalues : (d,) float
        Of the Hessian of K, or of L_n, in the unconstrained coordinates; falling.
    rank : int
        How many of them are above `NEARLY_SINGULAR` times the largest.
    slope : float
        d log V / d log ε: half the number of directions that the ellipsoid has.
    flags : tuple of str
    """

    frame: pd.DataFrame
    eigenvalues: np.ndarray
    rank: int
    slope: float
    flags: tuple[str, ...] = ()


def ellipsoid_volume(
    model: Model | Problem,
    epsilons: Sequence[float] | np.ndarray,
    at: Mapping[str, Any] | np.ndarray | None = None,
    directions: str = "all",
) -> Ellipsoid:
    """Return log of the prior density at an optimum times the volume of {δ: ½ δᵀ H δ < ε}.

    log V = log φ + (r/2) log(2 π ε) − log Γ(r/2 + 1) − ½ Σ_i log h_i,

    over the r eigenvalues h_i of H that are counted. With ``directions="all"`` these are all d, and one that is zero
    or negative makes the volume infinite. With ``"positive"`` they are the positive ones, as where the loss volume is
    told by the top eigenvalues; in the other directions the prior has its whole mass, and φ is the marginal prior
    density of the r directions, of a normal with the mean and covariance of prior draws on the unconstrained space:
    right for normal priors, to about 1 %.

    Parameters
    ----------
    model : Model or Problem
        A model with ``excess_loss``, or a problem, whose L_n is taken.
    epsilons : (N,) float
        ε, nats an observation, positive.
    at : mapping or (d,) float, optional
        The optimum, by site or on the unconstrained space: the model's ``optimum`` or the problem's reference if not
        given.
    directions : {"all", "positive"}

    Returns
    -------
    Ellipsoid

    Raises
    ------
    InputError
        If the model has no excess loss or no optimum, the point is none of the model's or lies on the edge of a
        support, an ε is not positive, or the name is unknown.

    References
    ----------
    Wu, Zhu and E (2017), arXiv:1706.10239: the volume of a basin by the top eigenvalues of a Hessian.

    Examples
    --------
    >>> from singular import models
    >>> found = ellipsoid_volume(models.get("linear-2"), [1e-3])
    >>> round(found.slope, 1), found.rank
    (1.0, 2)
    """
    epsilon = np.atleast_1d(np.asarray(epsilons, dtype=float))
    if epsilon.ndim != 1 or not (np.isfinite(epsilon).all() and (epsilon > 0).all()):
        raise InputError(f"epsilons={epsilons!r}: allowed are positive, finite numbers")
    if directions not in DIRECTIONS:
        raise unknown_name("directions", directions, DIRECTIONS)
    problem, z, curvature = _curved(model, at)
    values, axes = np.linalg.eigh(curvature)
    values, axes = values[::-1], axes[:, ::-1]
    rank = int((values > NEARLY_SINGULAR * max(values[0], 0.0)).sum()) if values[0] > 0 else 0
    negative = int((values < -NEARLY_SINGULAR * np.abs(values).max()).sum())
    flags = [f"{negative} eigenvalues are negative: no minimum"] if negative else []
    if directions == "all":
        if rank < values.size:
            flags.append(f"{values.size - rank} of {values.size} eigenvalues are zero or negative: infinite")
            return Ellipsoid(_frame(epsilon, np.full(epsilon.shape, math.inf)), values, rank, math.nan, tuple(flags))
        with x64():
            log_density = float(problem.parts.split(z)[0])
    else:
        if rank < values.size:
            flags.append(f"{values.size - rank} of {values.size} directions are flat: left to the whole prior")
        log_density = _marginal(problem, axes[:, :rank], z)
    half = rank / 2
    log_volume = (
        log_density + half * np.log(2 * np.pi * epsilon) - gammaln(half + 1) - 0.5 * np.log(values[:rank]).sum()
    )
    if (log_volume > 0).any():
        flags.append(f"above the prior's whole mass from ε = {epsilon[log_volume > 0].min():.1e} on")
    return Ellipsoid(_frame(epsilon, log_volume), values, rank, half, tuple(flags))


def _frame(epsilon: np.ndarray, log_volume: np.ndarray) -> pd.DataFrame:
    return pd.DataFrame({"epsilon": epsilon, "log_volume": log_volume})


def _curved(model: Model | Problem, at: Any) -> tuple[Problem, np.ndarray, np.ndarray]:
    """Return a problem with the prior, the point and the Hessian of K or L_n there."""
    if isinstance(model, Problem):
        z = point_of(model, model.reference.z if at is None else at)
        return model, z, hessian(model, z)
    loss = model.excess_loss
    if loss is None:
        raise InputError(f"model={model.name!r} has no excess loss, whose Hessian could be taken")
    at = model.optimum if at is None else at
    if at is None:
        raise InputError(f"at=None: model={model.name!r} names no optimum; allowed is a point")
    if at is model.optimum and model.boundary:
        raise InputError(f"model={model.name!r} has its optimum on the edge of the prior's support: no Hessian there")
    problem = Problem.from_model(model, n=2, seed=0)
    z = point_of(problem, at)
    with x64():
        second = jax.jit(jax.hessian(lambda v: loss(problem.parts.constrain(v))))
        return problem, z, np.asarray(second(z))


def _marginal(problem: Problem, axes: np.ndarray, z: np.ndarray) -> float:
    """Return the log density at z of the prior's coordinates along some axes, by a normal of draws."""
    if axes.shape[1] == 0:
        return 0.0
    with x64():
        draw = compiled("prior draws", jax.vmap, problem.parts.prior_draw)
        along = np.asarray(draw(jax.random.split(jax.random.PRNGKey(23), DRAWS))) @ axes
    mean, covariance = along.mean(axis=0), np.atleast_2d(np.cov(along, rowvar=False))
    gap = z @ axes - mean
    _, log_det = np.linalg.slogdet(2 * np.pi * covariance)
    return float(-0.5 * gap @ np.linalg.solve(covariance, gap) - 0.5 * log_det)
