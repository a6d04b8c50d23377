"""How a data set moves the odds of hexagon and pentagon: by its losses and slopes at the critical points.

The hexagon treats all features alike, so that its loss on data knows only the sizes u of the inputs. The pentagon
leaves one feature out and pays u² for each of its inputs: of six pentagons the one whose left-out feature the data show
least is the best, and this luck is always on the pentagon's side. Both gain by moving to where the data want them.
"""

from __future__ import annotations

import itertools
import math
from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
from scipy.special import logsumexp

from singular import models
from singular.analysis.studies.superposition_laws import FREE
from singular.analysis.studies.superposition_points import FEATURES, HEXAGON, PENTAGON, WEIGHTS, critical_point, loss
from singular.models.problem import Problem
from singular.posteriors.precision import x64

NAME = "superposition-2-6"
GRID = 40
"""Numbers of rows at which a growing data set is looked at."""


def row_losses(name: str, corner: int, sizes: np.ndarray) -> np.ndarray:
    """Return ½ |x − max(Wᵀ W x + b, 0)|² at a critical point for a feature at that corner and each size u."""
    with x64():
        return np.asarray(_row(name)[0](sizes, corner))


def shifts(n: int, seed: int, variance: float, at: np.ndarray) -> np.ndarray:
    """Return by how many nats the first rows of a data set move the log odds of the hexagon over the pentagon.

    Each way to put the features on the corners counts exp(−ΔS + ½ gᵀ (s H + I)⁻¹ g): ΔS is the loss of the rows at the
    critical point over σ², less what it is on average, g its slope there, H the Hessian without noise, s = n/σ². The
    log of the mean over ways, hexagon less pentagon: Laplace's method with the data's noise to second order.

    Parameters
    ----------
    n : int
        Rows that are drawn.
    seed : int
        Of the data.
    variance : float
        σ².
    at : (k,) int
        Numbers of first rows, at most n.

    Returns
    -------
    (k,) float
    """
    x = Problem.from_model(models.get(NAME), n=n, seed=seed).kwargs["x"]
    which, size = x.argmax(axis=1), x.max(axis=1)
    with x64():
        six, five = (_log_mean(name, which, size, at, variance) for name in (HEXAGON, PENTAGON))
    return six - five


def foretold_crossings(
    sizes: np.ndarray, odds: np.ndarray, variance: float, seeds: range, least: int = 50, most: int = 2500
) -> np.ndarray:
    """Return the n from which the hexagon leads for good on each of many data sets, NaN for none up to ``most``.

    The log odds without noise, log-linear between ``sizes`` n/σ² and straight beyond, moved by `shifts`.
    """
    at = np.unique(np.geomspace(least, most, GRID).round().astype(int))
    size = at / variance
    slope = (odds[-1] - odds[-2]) / (sizes[-1] - sizes[-2])
    inside = np.interp(np.log(size), np.log(sizes), odds)
    free = np.where(size > sizes[-1], odds[-1] + slope * (size - sizes[-1]), inside)
    found = []
    for seed in seeds:
        moved = free + shifts(most, seed, variance, at)
        behind = np.flatnonzero(moved < 0)
        if behind.size == 0 or behind[-1] + 1 == at.size:
            found.append(math.nan if behind.size else float(least))
            continue
        i = behind[-1]
        part = moved[i] / (moved[i] - moved[i + 1])
        found.append(float(at[i] ** (1 - part) * at[i + 1] ** part))
    return np.array(found)


@cache
def _row(name: str):
    """Return loss and slope of one row as functions of (sizes, corner), compiled."""
    point = critical_point(name)

    def one(z, size, corner):
        w, b = z[:WEIGHTS].reshape(2, FEATURES), z[WEIGHTS:]
        x = size * (jnp.arange(FEATURES) == corner)
        return 0.5 * jnp.sum((x - jnp.maximum(w.T @ (w @ x) + b, 0.0)) ** 2)

    value = jax.jit(jax.vmap(lambda size, corner: one(point, size, corner), in_axes=(0, None)))
    slope = jax.jit(jax.vmap(lambda size, corner: jax.grad(one)(point, size, corner), in_axes=(0, None)))
    return value, slope


@cache
def _hessian():
    return jax.jit(jax.hessian(loss))


@cache
def _ways(name: str) -> np.ndarray:
    """Return the corner of each feature, (way, feature): one of each set of ways that a rotation makes the same."""
    every = np.array(list(itertools.permutations(range(FEATURES))))
    if name == HEXAGON:
        return every[every[:, 0] == 0]
    first = np.where(every[:, 0] == FEATURES - 1, every[:, 1], every[:, 0])
    return every[first == 0]


def _log_mean(name: str, which: np.ndarray, size: np.ndarray, at: np.ndarray, variance: float) -> np.ndarray:
    """Return the log of the mean over ways of exp(−ΔS + half the squared slope), (k,)."""
    keep = FREE if name == PENTAGON else np.arange(3 * FEATURES)
    point = critical_point(name)
    mean = 0.5 * float(loss(point))
    hessian = 0.5 * np.asarray(_hessian()(point))[np.ix_(keep, keep)]
    value, slope = _row(name)
    own = which[:, None] == np.arange(FEATURES)  # (row, feature)
    cost = np.empty((FEATURES, FEATURES, at.size))  # (feature, corner, k)
    pull = np.empty((FEATURES, FEATURES, at.size, keep.size))
    for corner in range(FEATURES):
        each, slopes = np.asarray(value(size, corner)), np.asarray(slope(size, corner))[:, keep]
        for feature in range(FEATURES):
            here = own[:, feature]
            cost[feature, corner] = np.cumsum(each * here)[at - 1]
            pull[feature, corner] = np.cumsum(slopes * here[:, None], axis=0)[at - 1]
    ways = _ways(name)
    features = np.arange(FEATURES)
    total = sum(cost[f, ways[:, f]] for f in features) - at * mean  # (way, k)
    force = sum(pull[f, ways[:, f]] for f in features)  # (way, k, coordinate)
    precision = (at / variance)[:, None, None] * hessian + np.eye(keep.size)
    gain = np.einsum("wki,kij,wkj->wk", force, np.linalg.inv(precision), force, optimize=True) / (2 * variance**2)
    return np.asarray(logsumexp(-total / variance + gain, axis=0)) - math.log(len(ways))
