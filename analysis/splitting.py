"""Multilevel splitting of {K < ε} as compiled programs: a pilot that sets the levels, and runs that follow it.

Particles drawn from the prior are confined to {K < ε} for a falling sequence of ε: those outside are replaced by
copies of those inside, and all are then moved by Markov steps that keep the prior conditioned on K < ε. Outside a
region K is infinite, so that a region is part of every level set.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from singular.analysis.moves import KINDS, SCALES, propose, table_of
from singular.analysis.volume import MOST_LEVELS
from singular.errors import InputError
from singular.models.base import Model
from singular.models.problem import Problem
from singular.posteriors.precision import keep_compiled_programs, x64

SURVIVE = 0.5
"""Share of particles that a level keeps, in the pilot run that sets the levels."""
ROUNDING = 0.01
"""The curve ends where a change of a few units in the last place moves K by this share of ε, on average, or this share
of the particles has K ≤ 0."""

Record = dict[str, Any]
"""Of one run: ``epsilon``, ``share`` that survived, ``acceptance`` of the moves, each (MOST_LEVELS,); the ``table`` of
proposals; the ``count`` of levels; and ``least``, the smallest K that a particle has had after a level's moves."""


def descend(
    target: Target, lowest: float, particles: int, replicates: int, sweeps: int, levels: int, seed: int
) -> tuple[Record, list[Record]]:
    """Return the pilot run and the replicates, whose levels and proposals are the pilot's.

    The other arguments are those of `singular.analysis.volume.volume`, checked.
    """
    keep_compiled_programs()
    with x64():
        begin, run = jax.jit(partial(_begin, target, particles)), jax.jit(partial(_descend, target, sweeps, levels))
        keys = jax.random.split(jax.random.PRNGKey(seed), (replicates + 1, 2))
        pilot = run(keys[0, 1], begin(keys[0, 0]), lowest, True, _nothing())
        runs = [jax.tree.map(np.asarray, run(one[1], begin(one[0]), lowest, False, pilot)) for one in keys[1:]]
        return jax.tree.map(np.asarray, pilot), runs


class Target:
    """K, or L_n − L_n(w0), and the log prior density as functions of flat unconstrained vectors; draws of the prior.

    Parameters
    ----------
    subject : Model or Problem
        Whose ``excess_loss`` is taken, or whose nll.
    reference_nll : float
        nL_n(w0) of a problem, nats.
    region : callable or None
        Constrained parameters -> booleans, in JAX.

    Raises
    ------
    InputError
        If the region fails under JAX or does not return one boolean a point.
    """

    def __init__(self, subject: Model | Problem, reference_nll: float, region: Callable[[Any], Any] | None) -> None:
        self.parts = (subject if isinstance(subject, Problem) else Problem.from_model(subject, n=2, seed=0)).parts
        self.loss: Any = subject.excess_loss if isinstance(subject, Model) else None
        self.reference, self.size = reference_nll, subject.n if isinstance(subject, Problem) else 1
        self.region = region
        if region is not None:
            with x64():
                _check_region(region, self.parts)

    def __call__(self, z):
        """Return (K, log prior) of rows of z; where either is not a number the point counts as outside."""
        log_prior, nll = jax.vmap(self.parts.split)(z)
        needed = self.loss is not None or self.region is not None
        parameters = jax.vmap(self.parts.constrain)(z) if needed else {}
        excess = (nll - self.reference) / self.size if self.loss is None else self.loss(parameters)
        fine = jnp.isfinite(excess) & jnp.isfinite(log_prior)
        inside = fine if self.region is None else fine & jnp.asarray(self.region(parameters))
        return jnp.where(inside, excess, jnp.inf), jnp.where(fine, log_prior, -jnp.inf)


def _check_region(region: Callable[[Any], Any], parts: Any) -> None:
    points = 3

    def booleans(z):
        return jnp.asarray(region(jax.vmap(parts.constrain)(z)))

    try:
        found = jax.eval_shape(booleans, jnp.zeros((points, parts.dim)))
    except Exception as error:
        raise InputError(
            f"region failed: {type(error).__name__}: {error}; it is called with arrays of JAX, sites "
            f"{list(parts.sites.latent)}, any number of points at once"
        ) from error
    if found.dtype != bool or found.shape != (points,):
        raise InputError(
            f"region returned {found.dtype} of shape {found.shape} for {points} points; allowed is one boolean a point"
        )


def _nothing() -> dict[str, Any]:
    """Return an empty record of a run."""
    return {
        "epsilon": jnp.zeros(MOST_LEVELS),
        "share": jnp.zeros(MOST_LEVELS),
        "acceptance": jnp.zeros(MOST_LEVELS),
        "table": jnp.full((MOST_LEVELS + 1, KINDS * SCALES), 1.0 / (KINDS * SCALES)),
        "count": jnp.array(0),
        "least": jnp.array(jnp.inf),
    }


def _begin(target: Target, particles: int, key):
    """Return a swarm drawn from the prior, and the standard deviation of its coordinates."""
    z = jax.vmap(target.parts.prior_draw)(jax.random.split(key, particles))
    return (z, *target(z)), jnp.std(z, axis=0)


def _descend(target: Target, sweeps: int, levels: int, key, begun, lowest, free, plan):
    """Confine a swarm to smaller and smaller ε; return the record of it.

    ``free`` is the pilot, which sets its levels and learns its proposals; else both are those of ``plan``.
    """
    swarm, spread = begun
    particles = swarm[1].size

    def going(state):
        level, _, _, held, noise = state
        above = (level == 0) | ((held["epsilon"][level - 1] > lowest) & (held["share"][level - 1] > 0))
        return jnp.where(free, above & (level < levels) & (noise < ROUNDING), level < plan["count"])

    def step(state):
        level, (z, excess, log_prior), key, held, _ = state
        key, pick, move = jax.random.split(key, 3)
        own = jnp.maximum(jnp.quantile(excess, SURVIVE), lowest)
        epsilon = jnp.where(free, own, plan["epsilon"][level])
        table = jnp.where(free, held["table"][level], plan["table"][level])
        alive = excess < epsilon
        count = jnp.sum(alive)
        first = jax.random.randint(pick, (), 0, jnp.maximum(count, 1))
        chosen = jnp.argsort(~alive)[(first + jnp.arange(particles)) % jnp.maximum(count, 1)]
        swarm = (z[chosen], excess[chosen], log_prior[chosen])
        swarm, counts = propose(target, swarm, epsilon, table, spread, sweeps, move)
        nudged, _ = target(swarm[0] * (1 + 2.0**-50))
        moved = jnp.where(nudged == swarm[1], 0.0, jnp.abs(nudged - swarm[1]))
        below = swarm[1] <= 0 if target.loss is not None else jnp.zeros(particles)  # L_n may well be below L_n(w0)
        noise = jnp.mean(jnp.where(jnp.isfinite(epsilon), jnp.minimum(moved / epsilon, 1.0), 0.0) + below)
        held = {
            "epsilon": held["epsilon"].at[level].set(epsilon),
            "share": held["share"].at[level].set(count / particles),
            "acceptance": held["acceptance"].at[level].set(jnp.sum(counts[0]) / jnp.sum(counts[1])),
            "table": held["table"].at[level + 1].set(table_of(counts, table)),
            "count": level + 1,
            "least": jnp.minimum(held["least"], jnp.min(swarm[1])),
        }
        return level + 1, swarm, key, held, noise

    state = (jnp.array(0), swarm, key, _nothing(), jnp.array(0.0))
    return jax.lax.while_loop(going, step, state)[3]
