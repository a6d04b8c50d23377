"""The volume about a minimum in which the loss stays low, along rays from the minimum.

In coordinates w = w* + A y the star-shaped part of {L(w) − L(w*) < ε, |w − w*| < r} that is seen from w* has the volume
|A| V_d E R(u)^d: V_d is that of the unit ball, u uniform on the sphere, and R(u) the length along u at which the loss
first reaches ε or the ball ends. Any A will do; the closer A makes the set to a ball, the smaller is the error.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np
from scipy.special import gammaln

from singular.analysis.estimate import Estimate, estimate
from singular.analysis.fisher import point_of
from singular.errors import InputError, whole
from singular.models.density import compiled
from singular.posteriors.precision import keep_compiled_programs, x64

if TYPE_CHECKING:
    from singular.models.problem import Problem

GROUPS = 4
"""Batches of rays, in the place of chains."""
SHORTEST, GROWTH, LOOKS = 0.2, 1.15, 36
"""Along a ray the loss is looked at from this multiple of the length that the curvature predicts, at lengths that grow
by this factor, so many of them: up to 27 times the predicted length; halved, so often, is the interval of the exit."""
HALVINGS = 12
MOST_UNENDED = 0.001
"""Share of the volume along rays that had not ended where the looks did, from which it is flagged."""
LOWER = 1e-3
"""Share of rays that meet a loss below that of the centre by more than this share of ε, from which it is flagged."""


def ball_volume(
    problem: Problem,
    centre: Mapping[str, Any] | np.ndarray,
    epsilons: Sequence[float],
    radius: float,
    rays: int = 2000,
    seed: int = 0,
) -> list[Estimate]:
    """Estimate the log of the share of a ball about a minimum in which the loss stays within ε of it.

    The set is {w : |w − w*| < r and L_n < L_n(w*) + ε all the way from w* straight to w}, L_n = nL_n/n, in the flat
    unconstrained coordinates. Other valleys in the ball, and what can only be reached round a bend, are not in it.

    Parameters
    ----------
    problem : Problem
    centre : mapping or (d,) float
        w*, a minimum.
    epsilons : sequence of float
        ε > 0, nats an observation.
    radius : float
        r > 0.
    rays : int
        Directions, of which each is taken both ways; a multiple of 4, at least 64.
    seed : int

    Returns
    -------
    list of Estimate
        One for each ε: log (volume of the set / volume of the ball), nats. ``mcse`` is over the rays. The share is
        an unbiased estimate and its log is low by half the square of the error. Flagged is a heavy tail of the
        weights R^d, a loss below that of the centre, and rays that were not followed to the end of the set. An exit
        narrower than the looks along a ray (15 % of its length) would be missed.

    Raises
    ------
    InputError
        If an argument is out of its range, the centre is no point of the problem or has no finite loss or Hessian.

    References
    ----------
    Scherlis and Belrose (2025), arXiv:2501.18812: rays and a preconditioner from the curvature, under a Gaussian.

    Examples
    --------
    >>> from singular import models
    >>> problem = models.problem("linear-2", n=50)
    >>> share, = ball_volume(problem, problem.reference.z, [0.01], radius=10.0, rays=64)
    >>> round(share.value, 1)
    -8.6
    """
    z = point_of(problem, centre)
    levels = np.asarray(epsilons, dtype=float)
    if levels.ndim != 1 or not levels.size or not (np.isfinite(levels) & (levels > 0)).all():
        raise InputError(f"epsilons={epsilons!r}: allowed are finite numbers above 0")
    if isinstance(radius, bool) or not isinstance(radius, int | float | np.number) or not 0 < radius < math.inf:
        raise InputError(f"radius={radius!r} must be a finite number above 0")
    if whole("rays", rays, least=64) % GROUPS:
        raise InputError(f"rays={rays!r}: allowed is a multiple of {GROUPS}")
    whole("seed", seed, least=0)
    keep_compiled_programs()
    d, split = problem.dim, problem.parts.split
    with x64():
        curvature = compiled("nll hessian", lambda split: jax.hessian(lambda v: split(v)[1]), split)
        matrix = np.asarray(curvature(jnp.asarray(z))) / problem.n
        if not np.isfinite(matrix).all() or not np.isfinite(float(split(jnp.asarray(z))[1])):
            raise InputError(f"centre={centre!r} has no finite loss or Hessian in {problem.name!r}")
        values, vectors = np.linalg.eigh((matrix + matrix.T) / 2)
        follow = compiled("rays", partial(_rays, problem.n), split)
        found = []
        for epsilon in levels:
            axes = 1 / np.sqrt(np.maximum(values, 0.0) / (2 * epsilon) + 1 / radius**2)
            u = np.random.default_rng(seed).normal(size=(rays, d))
            u /= np.linalg.norm(u, axis=1, keepdims=True)
            ways = np.stack([u, -u], axis=1) @ (vectors * axes).T
            ends, unended, below = (np.asarray(a) for a in follow(jnp.asarray(z), jnp.asarray(ways), epsilon, radius))
            found.append(_share(ends, unended, below, float(np.sum(np.log(axes / radius))), d, float(epsilon), radius))
    return found


def log_ball(dim: int, radius: float) -> float:
    """Return the log volume of a ball of ``dim`` dimensions.

    Examples
    --------
    >>> round(math.exp(log_ball(3, 1.0)) * 3 / 4, 6) == round(math.pi, 6)
    True
    """
    return dim * (0.5 * math.log(math.pi) + math.log(radius)) - float(gammaln(dim / 2 + 1))


def _rays(n: int, split):
    """Return (centre, ways (N, 2, d), ε, r) -> lengths R, whether a ray was not ended, whether it went below."""
    looks = SHORTEST * GROWTH ** jnp.arange(LOOKS)

    def follow(centre, ways, epsilon, radius):
        base = split(centre)[1]

        def one(way):
            def excess(t):
                return (split(centre + t * way)[1] - base) / n

            edge = radius / jnp.linalg.norm(way)
            at = jnp.minimum(looks, edge)
            over = jax.vmap(excess)(at)
            out = ~(over < epsilon)
            first = jnp.argmax(out)
            low = jnp.where(first == 0, 0.0, at[first - 1])

            def halve(_, ends):
                low, high = ends
                middle = 0.5 * (low + high)
                inside = excess(middle) < epsilon
                return jnp.where(inside, middle, low), jnp.where(inside, high, middle)

            low, high = jax.lax.fori_loop(0, HALVINGS, halve, (low, at[first]))
            inside = jnp.where(jnp.any(out), jnp.arange(LOOKS) < first, True)
            length = jnp.where(jnp.any(out), 0.5 * (low + high), at[-1])
            return length, ~jnp.any(out) & (at[-1] < edge), jnp.any(inside & (over < -LOWER * epsilon))

        return jax.lax.map(jax.vmap(one), ways, batch_size=16)

    return follow


def _share(
    lengths: np.ndarray, unended: np.ndarray, below: np.ndarray, offset: float, d: int, epsilon: float, radius: float
) -> Estimate:
    """Return the log of the mean of R^d over rays, both ways of each together, with its error and flags."""
    weights = (lengths**d).mean(axis=1)
    mean = float(weights.mean())
    influence = (weights / mean - 1).reshape(GROUPS, -1)
    flags = []
    missed = float((lengths**d * unended).sum() / (lengths**d).sum())
    if missed > MOST_UNENDED:
        flags.append(f"rays of {missed:.2g} of the volume were not followed to its end: it is a lower bound")
    if below.mean() > LOWER:
        flags.append(f"{below.mean():.2g} of the rays meet a loss below that of the centre: it is no minimum in there")
    return estimate(
        offset + math.log(mean),
        influence,
        target=f"log share of the ball of radius {radius:g} where the loss stays within {epsilon:.3g} of the centre's",
        method="rays",
        flags=flags,
    )
