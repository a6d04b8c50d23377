"""The step size of a Langevin sampler, found by the acceptance of MALA on the same potential."""

from __future__ import annotations

import math
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from singular.errors import InputError, SamplingError
from singular.models.problem import Problem
from singular.posteriors.langevin import checked_beta, localised, programs
from singular.posteriors.precision import keep_compiled_programs, x64

FIRST = 1e-4
BLOCK = 20
"""Steps between two changes of the step size."""
SEARCH, SETTLE = 40, 60
"""Blocks in which the step may double or halve, and blocks of ever smaller changes after them."""
GAIN = 4.0
"""Change of the log of the step size for a unit of acceptance, in the first block of those."""


class StepSize(NamedTuple):
    """A step size that MALA accepts at the wanted rate.

    Attributes
    ----------
    step_size : float
        ε.
    acceptance : float
        Mean acceptance over the second half of the settling.
    travelled : float
        Root mean square distance of the chains from where they began: an acceptance near 1 of chains that have
        hardly moved says nothing.
    gradient_evaluations : int
        Of all data, spent on finding it.
    """

    step_size: float
    acceptance: float
    travelled: float
    gradient_evaluations: int


def langevin_step_size(
    problem: Problem,
    beta: float | None = None,
    *,
    gamma: float = 0.0,
    centre: Any = None,
    acceptance: float = 0.9,
    chains: int = 16,
    seed: int = 0,
) -> StepSize:
    """Find the step size that the Metropolis-adjusted Langevin algorithm accepts at a given rate.

    MALA proposes what SGLD takes unseen, on the same U: what it rejects measures how wrong the step is. On d equal
    curvatures a its rejections grow as (εa)³ and SGLD's relative bias as εa/4; at an acceptance of 0.9 that bias is a
    tenth or so in four dimensions, which extrapolation in the step takes off (``analysis.richardson``). A minibatch
    adds a bias that this does not see.

    Parameters
    ----------
    problem, beta, gamma, centre, chains, seed
        As for `langevin`.
    acceptance : float
        Wanted mean, in (0, 1).

    Raises
    ------
    InputError
        If an argument is not as above.
    SamplingError
        If no step size is accepted at that rate.

    References
    ----------
    Roberts and Rosenthal (1998), J. R. Stat. Soc. B 60, 255: 0.574 is the acceptance at which MALA moves fastest.
    """
    if isinstance(acceptance, bool) or not isinstance(acceptance, int | float) or not 0 < acceptance < 1:
        raise InputError(f"acceptance={acceptance!r} must be a number in (0, 1)")
    problem, z = localised(problem, gamma, centre)
    beta = checked_beta(problem, beta)
    keep_compiled_programs()
    with x64():
        begin, move = programs(problem, "mala", problem.n, True)
        keys = jax.vmap(partial(jax.random.fold_in, jax.random.PRNGKey(seed)))(jnp.arange(chains))
        start = np.broadcast_to(z, (chains, problem.dim))
        states = begin(keys, jnp.asarray(start), beta, FIRST, {})
        log_step, done, rates, direction, searching = math.log(FIRST), 0, [], 0.0, True
        for block in range(SEARCH + SETTLE):
            states, rate = move(keys, states, done, BLOCK, beta, math.exp(log_step), {})
            done += BLOCK
            gap = float(np.mean(rate)) - acceptance
            searching = searching and block < SEARCH and direction * gap >= 0
            if searching:
                direction = math.copysign(1.0, gap)
                log_step += direction * math.log(2.0)
                settled = block + 1
            else:
                rates.append(gap + acceptance)
                log_step += GAIN * gap / (1 + block - settled) ** 0.6
            if len(rates) == SETTLE:
                break
        reached = float(np.mean(rates[len(rates) // 2 :])) if rates else math.nan
        travelled = float(np.sqrt(np.mean(np.sum((np.asarray(states.position) - start) ** 2, axis=1))))
    if not abs(reached - acceptance) < 0.5 * (1 - acceptance) + 0.02:
        raise SamplingError(
            f"no step size of MALA is accepted at acceptance={acceptance}: {reached:.3f} at {math.exp(log_step):.3g}"
        )
    return StepSize(math.exp(log_step), reached, travelled, chains * (done + 1))
