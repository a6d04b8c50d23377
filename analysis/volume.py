"""The prior volume of {K < ε}, by multilevel splitting: what λ and m say how fast it vanishes.

V(ε) ~ C ε^λ (−log ε)^(m−1). Particles drawn from the prior are confined to {K < ε} for a falling sequence of ε:
those outside are replaced by copies of those inside, and all are then moved by Markov steps that keep the prior
conditioned on K < ε. The product of the shares that survive is an unbiased estimate of V, however slowly the
steps mix; what slow mixing costs is variance, and independent replicates show it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
from scipy.special import logsumexp

from singular.analysis.moves import KINDS, SCALES, propose, table_of
from singular.errors import InputError, whole
from singular.models.base import Model
from singular.models.problem import Problem
from singular.posteriors.precision import keep_compiled_programs, x64

SURVIVE = 0.5
"""Share of particles that a level keeps, in the pilot run that sets the levels."""
MOST_LEVELS = 600
ROUNDING = 0.01
"""The curve ends where a change of a few units in the last place moves K by this share of ε, on average, or this share
of the particles has K ≤ 0."""
DISAGREE = 0.5
"""Standard deviation of log V over replicates, in nats, from which it is flagged."""


@dataclass(frozen=True)
class Volume:
    """The prior mass of {K < ε} on falling ε.

    Attributes
    ----------
    frame : DataFrame
        One row for each level, ε falling: ``epsilon`` (nats an observation), ``log_volume`` (log of the mean over
        replicates of V, nats), ``mcse`` (its Monte Carlo standard error, from the replicates), ``acceptance`` (share
        of the moves accepted at this level).
    curves : (replicates, levels) float
        log V of each independent replicate at the same ε.
    model : str
        Name of the model.
    flags : tuple of str
        Reasons to distrust the curve, or why it ends early; empty if there is none.
    """

    frame: pd.DataFrame
    curves: np.ndarray
    model: str
    flags: tuple[str, ...] = ()


def volume(
    model: Model,
    lowest: float = 1e-12,
    particles: int = 4096,
    replicates: int = 8,
    sweeps: int = 10,
    levels: int = MOST_LEVELS,
    seed: int = 0,
) -> Volume:
    """Return the prior volume of {K < ε} from ε of the order of K at the prior down to ``lowest``.

    A pilot run sets the levels, each of which half the particles survive, and learns at which scales moves are
    accepted; the replicates then run with levels and proposals held fixed.

    Parameters
    ----------
    model : Model
        With ``excess_loss``.
    lowest : float
        Smallest ε, in nats an observation, 0 < ε < 1. The curve ends earlier, with a flag, where rounding in K
        would show.
    particles : int
        Particles of a replicate, an even number of at least 64.
    replicates : int
        Independent runs, at least 2: their spread is the error.
    sweeps : int
        Moves of each particle at each level.
    levels : int
        Most levels, from 1 to `MOST_LEVELS`, each of which halves the volume: the curve ends there if not before.
    seed : int

    Returns
    -------
    Volume

    Raises
    ------
    InputError
        If the model has no excess loss, or an argument is not allowed.

    References
    ----------
    Watanabe (2009), Algebraic Geometry and Statistical Learning Theory, chapter 4 (the volume's law);
    Cérou, Del Moral, Furon & Guyader (2012), Statistics and Computing 22, 795-808 (splitting for rare events);
    Ter Braak (2006), Statistics and Computing 16, 239-249 (moves along differences of particles).
    """
    if model.excess_loss is None:
        raise InputError(f"model={model.name!r} has no excess loss, whose volume could be measured")
    if not 0 < lowest < 1:
        raise InputError(f"lowest={lowest!r}: allowed is 0 < lowest < 1")
    whole("replicates", replicates, 2)
    whole("sweeps", sweeps, 1)
    whole("levels", levels, 1, MOST_LEVELS)
    whole("seed", seed, 0)
    if whole("particles", particles, 64) % 2:
        raise InputError(f"particles={particles!r}: allowed is an even number")
    keep_compiled_programs()
    with x64():
        target = _Target(model)
        begin, run = jax.jit(partial(_begin, target, particles)), jax.jit(partial(_descend, target, sweeps, levels))
        keys = jax.random.split(jax.random.PRNGKey(seed), (replicates + 1, 2))
        pilot = run(keys[0, 1], begin(keys[0, 0]), lowest, True, _nothing())
        runs = [jax.tree.map(np.asarray, run(one[1], begin(one[0]), lowest, False, pilot)) for one in keys[1:]]
        pilot = jax.tree.map(np.asarray, pilot)
        count = int(pilot["count"])
    epsilon = pilot["epsilon"][:count]
    shares = np.stack([r["share"][:count] for r in runs])
    alive = int(np.argmax(np.append((shares == 0).any(axis=0), True)))
    if alive == 0:
        raise InputError(f"particles={particles}: a replicate of {model.name!r} lost all of them; more are needed")
    epsilon, curves = epsilon[:alive], np.cumsum(np.log(shares[:, :alive]), axis=1)
    mean = logsumexp(curves, axis=0) - math.log(replicates)
    mcse = np.std(np.exp(curves - mean), axis=0, ddof=1) / math.sqrt(replicates)
    acceptance = np.mean([r["acceptance"][:alive] for r in runs], axis=0)
    frame = pd.DataFrame({"epsilon": epsilon, "log_volume": mean, "mcse": mcse, "acceptance": acceptance})
    flags = []
    if epsilon[-1] > lowest:
        why = "a replicate died out" if alive < count else "rounding in K" if count < levels else "no more levels"
        flags.append(f"ends at {epsilon[-1]:.1e}: {why}")
    if np.std(curves[:, -1], ddof=1) > DISAGREE:
        flags.append(f"replicates differ by {np.std(curves[:, -1], ddof=1):.1f} nats")
    return Volume(frame, curves, model.name, tuple(flags))


class _Target:
    """K and the log prior density as functions of flat unconstrained vectors, and draws from the prior."""

    def __init__(self, model: Model) -> None:
        self.parts = Problem.from_model(model, n=2, seed=0).parts
        self.loss: Any = model.excess_loss

    def __call__(self, z):
        """Return (K, log prior) of rows of z; where either is not a number the point counts as outside."""
        log_prior = jax.vmap(lambda row: self.parts.split(row)[0])(z)
        excess = self.loss(jax.vmap(self.parts.constrain)(z))
        fine = jnp.isfinite(excess) & jnp.isfinite(log_prior)
        return jnp.where(fine, excess, jnp.inf), jnp.where(fine, log_prior, -jnp.inf)


def _nothing() -> dict[str, Any]:
    """Return an empty record of a run."""
    return {
        "epsilon": jnp.zeros(MOST_LEVELS),
        "share": jnp.zeros(MOST_LEVELS),
        "acceptance": jnp.zeros(MOST_LEVELS),
        "table": jnp.full((MOST_LEVELS + 1, KINDS * SCALES), 1.0 / (KINDS * SCALES)),
        "count": jnp.array(0),
    }


def _begin(target: _Target, particles: int, key):
    """Return a swarm drawn from the prior, and the standard deviation of its coordinates."""
    z = jax.vmap(target.parts.prior_draw)(jax.random.split(key, particles))
    return (z, *target(z)), jnp.std(z, axis=0)


def _descend(target: _Target, sweeps: int, levels: int, key, begun, lowest, free, plan):
    """Confine a swarm to smaller and smaller ε; return the record of it.

    ``free`` is the pilot, which sets its levels and learns its proposals; else both are those of ``plan``.
    """
    swarm, spread = begun
    particles = swarm[1].size

    def going(state):
        level, _, _, held, noise = state
        above = (level == 0) | (held["epsilon"][level - 1] > lowest)
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
        noise = jnp.mean(jnp.minimum(jnp.abs(nudged - swarm[1]) / epsilon, 1.0) + (swarm[1] <= 0))
        held = {
            "epsilon": held["epsilon"].at[level].set(epsilon),
            "share": held["share"].at[level].set(count / particles),
            "acceptance": held["acceptance"].at[level].set(jnp.sum(counts[0]) / jnp.sum(counts[1])),
            "table": held["table"].at[level + 1].set(table_of(counts, table)),
            "count": level + 1,
        }
        return level + 1, swarm, key, held, noise

    state = (jnp.array(0), swarm, key, _nothing(), jnp.array(0.0))
    return jax.lax.while_loop(going, step, state)[3]
