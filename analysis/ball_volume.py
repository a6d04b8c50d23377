"""The volume in a ball about a minimum where the loss stays within ε of the minimum's, by multilevel splitting.

Particles uniform in the ball are confined to {L(w) − L(w*) < ε} for a falling sequence of ε, each of which half of
them survive: those outside are replaced by copies of those inside, and all are then moved by Markov steps that keep the
uniform distribution on what is left. The product of the shares that survive is the volume over that of the ball.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np
from scipy.special import logsumexp

from singular.analysis.estimate import Estimate
from singular.analysis.fisher import point_of
from singular.analysis.moves import KINDS, SCALES, propose, table_of
from singular.analysis.thresholds import FEW_REPLICATES, MAXIMUM_SPREAD, MINIMUM_MOVED
from singular.errors import InputError, SamplingError, whole
from singular.models.density import compiled
from singular.posteriors.precision import keep_compiled_programs, x64

if TYPE_CHECKING:
    from singular.models.problem import Problem

MOST_LEVELS = 400
"""Each halves the volume: shares of the ball down to e^−277 can be measured."""
LOWER = 1e-3
"""A particle this share of ε below the centre has found a lower loss and not rounding."""
MOST_LOWER = 0.01
"""Share of the particles that have, from which the centre is told to be no minimum within the ball."""


def ball_volume(
    problem: Problem,
    centre: Mapping[str, Any] | np.ndarray,
    epsilons: Sequence[float],
    radius: float,
    particles: int = 160,
    replicates: int = FEW_REPLICATES,
    sweeps: int = 10,
    seed: int = 0,
) -> list[Estimate]:
    """Estimate the log of the share of a ball about a minimum in which the loss stays within ε of it.

    The set is {w : |w − w*| < r, L_n(w) < L_n(w*) + ε} with L_n the nll over n, in the flat unconstrained coordinates:
    other valleys in the ball are in it, as far as they are as low.

    Parameters
    ----------
    problem : Problem
    centre : mapping or (d,) float
        w*, a minimum.
    epsilons : sequence of float
        ε > 0, nats an observation.
    radius : float
        r > 0.
    particles : int
        Of a replicate, an even number of at least 64. Levels are set by the particles themselves, which biases the
        share by the order of one over their number.
    replicates : int
        Independent runs, at least 2: their spread is the error.
    sweeps : int
        Moves of each particle at each level.
    seed : int

    Returns
    -------
    list of Estimate
        One for each ε, in the order given: log (volume of the set / volume of the ball), nats, from one and the same
        runs. ``mcse`` is that of the log of the mean share over replicates. Flagged are few replicates or such that
        differ, moves that are hardly accepted, and particles that have found a lower loss than the centre's.

    Raises
    ------
    InputError
        If an argument is out of its range, or the centre is no point of the problem or has no finite loss.
    SamplingError
        If an ε is not reached within `MOST_LEVELS` levels.

    References
    ----------
    Cérou, Del Moral, Furon and Guyader (2012), Statistics and Computing 22, 795-808: splitting for rare events.

    Examples
    --------
    >>> from singular import models
    >>> problem = models.problem("linear-2", n=50)
    >>> share, = ball_volume(problem, problem.reference.z, [0.01], radius=10.0)
    >>> abs(share.value + 8.6) < 1.0
    True
    """
    z = point_of(problem, centre)
    levels = np.asarray(epsilons, dtype=float)
    if levels.ndim != 1 or not levels.size or not (np.isfinite(levels) & (levels > 0)).all():
        raise InputError(f"epsilons={epsilons!r}: allowed are finite numbers above 0")
    if isinstance(radius, bool) or not isinstance(radius, int | float | np.number) or not 0 < radius < math.inf:
        raise InputError(f"radius={radius!r} must be a finite number above 0")
    if whole("particles", particles, least=64) % 2:
        raise InputError(f"particles={particles!r}: allowed is an even number")
    whole("replicates", replicates, least=2)
    whole("sweeps", sweeps, least=1)
    whole("seed", seed, least=0)
    keep_compiled_programs()
    order = np.argsort(-levels, kind="stable")
    with x64():
        split = problem.parts.split
        if not np.isfinite(float(split(jnp.asarray(z))[1])):
            raise InputError(f"centre={centre!r} has no finite loss in {problem.name!r}")
        run = compiled(f"ball volume {particles} {sweeps}", partial(_splitting, problem.n, particles, sweeps), split)
        keys = jax.random.split(jax.random.PRNGKey(seed), replicates)
        curves, moved, lower = (
            np.asarray(a) for a in run(keys, jnp.asarray(z), jnp.asarray(levels[order]), float(radius))
        )
    if not np.isfinite(curves).all():
        raise SamplingError(f"epsilons={epsilons!r} were not all reached within {MOST_LEVELS} levels")
    found = [_share(curves[:, k], moved[:, k], lower[:, k], float(levels[at]), radius) for k, at in enumerate(order)]
    return [found[k] for k in np.argsort(order)]


def _splitting(n: int, particles: int, sweeps: int, split):
    """Return (keys, centre, ε falling, r) -> log shares, acceptance of the moves, shares below the centre; (R, ε)."""

    def run(keys, centre, epsilons, radius):
        d, base, goals = centre.shape[0], split(centre)[1], epsilons.shape[0]

        def target(v):
            excess = jax.vmap(lambda row: (split(centre + row)[1] - base) / n)(v)
            inside = jnp.sum(v**2, axis=1) < radius**2
            return jnp.where(jnp.isfinite(excess), excess, jnp.inf), jnp.where(inside, 0.0, -jnp.inf)

        def going(state):
            return (state["goal"] < goals) & (state["level"] < MOST_LEVELS)

        def step(state):
            v, excess, log_prior = state["swarm"]
            key, pick, move = jax.random.split(state["key"], 3)
            goal = epsilons[state["goal"]]
            epsilon = jnp.maximum(jnp.quantile(excess, 0.5), goal)
            alive = excess < epsilon
            count = jnp.sum(alive)
            chosen = jnp.argsort(~alive)[(jax.random.randint(pick, (), 0, count) + jnp.arange(particles)) % count]
            swarm = (v[chosen], excess[chosen], log_prior[chosen])
            spread = jnp.full(d, radius / jnp.sqrt(d + 2.0))
            swarm, counts = propose(target, swarm, epsilon, state["table"], spread, sweeps, move)
            log_share = state["log_share"] + jnp.log(count / particles)
            there = epsilon <= goal
            acceptance = jnp.sum(counts[0]) / jnp.sum(counts[1])
            below = jnp.mean(swarm[1] < -LOWER * goal)
            new = jnp.stack([log_share, jnp.minimum(state["least"], acceptance), below])
            return {
                "swarm": swarm,
                "key": key,
                "table": table_of(counts, state["table"]),
                "log_share": log_share,
                "least": new[1],
                "found": state["found"].at[:, state["goal"]].set(jnp.where(there, new, jnp.nan)),
                "goal": state["goal"] + there,
                "level": state["level"] + 1,
            }

        def one(key):
            key, direction, length = jax.random.split(key, 3)
            way = jax.random.normal(direction, (particles, d))
            way = way / jnp.linalg.norm(way, axis=1, keepdims=True)
            v = radius * way * jax.random.uniform(length, (particles, 1)) ** (1 / d)
            state = {
                "swarm": (v, *target(v)),
                "key": key,
                "table": jnp.full(KINDS * SCALES, 1.0 / (KINDS * SCALES)),
                "log_share": jnp.zeros(()),
                "least": jnp.ones(()),
                "found": jnp.full((3, goals), jnp.nan),
                "goal": jnp.array(0),
                "level": jnp.array(0),
            }
            return jax.lax.while_loop(going, step, state)["found"]

        found = jax.lax.map(one, keys)
        return found[:, 0], found[:, 1], found[:, 2]

    return run


def _share(curve: np.ndarray, moved: np.ndarray, lower: np.ndarray, epsilon: float, radius: float) -> Estimate:
    """Return the log of the mean share over replicates with its error."""
    replicates = len(curve)
    value = float(np.asarray(logsumexp(curve))) - math.log(replicates)
    relative = np.exp(curve - value)
    flags = []
    if replicates < FEW_REPLICATES:
        flags.append(f"{replicates} replicates < {FEW_REPLICATES}")
    if np.std(curve, ddof=1) > MAXIMUM_SPREAD:
        flags.append(f"replicates differ by {np.std(curve, ddof=1):.2g} nats")
    if moved.min() < MINIMUM_MOVED:
        flags.append(f"share of moves accepted {moved.min():.2g} < {MINIMUM_MOVED}")
    if lower.mean() > MOST_LOWER:
        flags.append(f"{lower.mean():.2g} of the set lies lower than its centre: no minimum within the ball")
    return Estimate(
        value=value,
        mcse=float(np.std(relative, ddof=1)) / math.sqrt(replicates),
        target=f"log share of the ball of radius {radius:g} where the loss is within {epsilon:.3g} of the centre's",
        method="splitting",
        flags=tuple(flags),
        influence=(relative - 1)[:, None],
    )
