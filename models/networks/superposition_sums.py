"""The toy model of superposition on sums of its data, a gradient costing much the same at any n, and without noise.

An input has one feature on, x = u e_i, so that output j is max(b_j + u g_ji, 0) with g = Wᵀ W: on for the u on one side
of −b_j/g_ji. With the u of each feature sorted, and running sums of 1, u and u², the squared errors of all rows are
read off at these thresholds, exactly. The nll has a continuous slope there, so its gradient is that of the sums.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist

from singular.errors import InputError
from singular.models.networks.superposition_loss import mean_squared_error
from singular.models.problem import Problem

if TYPE_CHECKING:
    from singular.models.base import Data

HIDDEN = 2
LEAST = 512
"""Columns of the tables of sums, at least: problems of different n then share one program."""


def on_sums(problem: Problem, variance: float = 1.0) -> Problem:
    """Return a problem of the same model and data whose nll and its gradient cost O(c² log n) instead of O(c n).

    Parameters
    ----------
    problem : Problem
        Of the family ``superposition``.
    variance : float
        Of the noise that the likelihood supposes, above 0; the catalogue's is 1. The nll, with its constants, is that
        of y ~ N(max(Wᵀ W x + b, 0), variance I), in nats.

    Returns
    -------
    Problem
        ``n``, the name and the seed are kept.

    Raises
    ------
    InputError
        If the problem is of another family, or the variance is not above 0.
    """
    if problem.model is None or problem.model.builder != "superposition":
        raise InputError(f"problem={problem.name!r}: allowed is a member of the family superposition")
    if not 0.0 < variance < np.inf:
        raise InputError(f"variance={variance!r}: allowed is a finite number above 0")
    tables = _tables(problem.kwargs)
    n, features = problem.kwargs["x"].shape
    constant = 0.5 * n * features * np.log(2 * np.pi * variance)
    kwargs = {**tables, "precision": np.array(1 / variance), "constant": np.array(constant)}
    return replace(problem, density=_density, kwargs=kwargs, sample_size=problem.n)


def noise_free(features: int, size: float) -> Problem:
    """Return the problem whose nll is ``size`` times half the mean squared error over all inputs.

    What data of n rows and noise variance σ² give on average, at size n/σ², but for a constant. Since y = x without
    noise, the posterior at β is the one of size β ``size``: one ladder holds all sizes up to its own.

    Parameters
    ----------
    features : int
        c, at least 1.
    size : float
        n/σ², above 0.
    """
    if not 0.0 < size < np.inf:
        raise InputError(f"size={size!r}: allowed is a finite number above 0")

    def density(size):
        w, b = _weights(features)
        numpyro.factor("nll", -0.5 * size * mean_squared_error(w, b))

    made = Problem.from_numpyro(density, np.array(float(size)))
    return made.replace(name=f"superposition-{HIDDEN}-{features} without noise", n=max(1, round(size)))


def _weights(features: int):
    w = numpyro.sample("W", dist.Normal(0.0, 1.0).expand([HIDDEN, features]).to_event(2))
    b = numpyro.sample("b", dist.Normal(0.0, 1.0).expand([features]).to_event(1))
    return jnp.asarray(w), jnp.asarray(b)


def _density(inputs, sums, precision, constant):
    w, b = _weights(inputs.shape[0])
    errors = _squared_errors(w, b, jnp.asarray(inputs), jnp.asarray(sums))
    numpyro.factor("nll", -0.5 * precision * errors - constant)


def _squared_errors(w, b, inputs, sums):
    """Return Σ |x − max(Wᵀ W x + b, 0)|² over rows; ``inputs`` (c, m) sorted, ``sums`` (3, c, m + 1) of u⁰, u, u²."""
    slope = w.T @ w  # output j, feature i
    start = jnp.broadcast_to(b[:, None], slope.shape)
    flat = slope == 0
    threshold = -start / jnp.where(flat, 1.0, slope)
    places = jax.vmap(jnp.searchsorted, in_axes=(0, 1), out_axes=1)(inputs, jax.lax.stop_gradient(threshold))
    below, total = sums[:, jnp.arange(inputs.shape[0])[None, :], places], sums[:, :, -1][:, None, :]
    on = jnp.where(slope > 0, total - below, below)
    on = jnp.where(flat, jnp.where(start > 0, total, 0.0), on)
    squares = start**2 * on[0] + 2 * start * slope * on[1] + slope**2 * on[2]
    own = jnp.diagonal(start * on[1] + slope * on[2]).sum()
    return squares.sum() - 2 * own + sums[2, :, -1].sum()


def _tables(data: Data) -> Data:
    """Return each feature's inputs, sorted and filled up with infinity, and the running sums of their powers."""
    x = np.asarray(data["x"])
    which, size = x.argmax(axis=1), x.max(axis=1)
    groups = [np.sort(size[which == feature]) for feature in range(x.shape[1])]
    columns = max(LEAST, 1 << max(len(group) for group in groups).bit_length())
    inputs = np.full((x.shape[1], columns), np.inf)
    sums = np.zeros((3, x.shape[1], columns + 1))
    for feature, group in enumerate(groups):
        inputs[feature, : len(group)] = group
        powers = np.zeros((3, columns))
        powers[:, : len(group)] = group ** np.arange(3)[:, None]
        sums[:, feature, 1:] = np.cumsum(powers, axis=1)
    return {"inputs": inputs, "sums": sums}
