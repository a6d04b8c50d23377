"""One adjusted microcanonical step on one rung: a trajectory of random length on the energy shell, taken or not.

Fewer gradients than NUTS for as many effective draws, at the price of a length that has to be set: how many fewer,
and on what, is in docs/validation/TRAJECTORIES.md.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from singular.posteriors import nuts
from singular.posteriors.nuts import Point, StepInfo, Tuning

LENGTH = 1.0
"""Mean length of a trajectory over √d, in units of the draws' own scales: where blackjax begins its search."""
LEAST_DIM = 2
"""Parameters: the direction of one alone cannot turn, and the integrator divides by d − 1."""
GRADIENTS = 2
"""Gradients in a step of McLachlan's integrator."""


def stepper(dim: int, length: float = LENGTH) -> Callable[..., tuple[Point, StepInfo]]:
    """Return the step (split, key, point, tuning, β, tree depth) -> (Point, StepInfo) for ``dim`` parameters.

    It leaves φ(w) exp(−β nll(w)) invariant, β > 0: Robnik, De Luca, Silverstein & Seljak (2023), JMLR 24, 311, with
    the acceptance of Robnik, Cohn-Gordon & Seljak (2025), by blackjax. The number of steps is uniform with mean
    ``length`` √d over the step size, and takes no more gradients than a tree of that depth could; one cut short by that
    is told as a tree of that depth.
    """
    from blackjax.mcmc import adjusted_mclmc_dynamic as blackjax_kernel  # starts JAX's backend, so not at the top
    from blackjax.mcmc.dynamic_hmc import DynamicHMCState

    steps = blackjax_kernel.make_random_trajectory_length_fn(True)

    def number(key, mean, most):
        return jnp.clip(steps(key, jnp.maximum(mean, 1.001)), 1, most)

    kernel = blackjax_kernel.build_kernel(integration_steps_fn=number)

    def step(split, key, point: Point, tuning: Tuning, beta, depth) -> tuple[Point, StepInfo]:
        def log_density(z):
            log_prior, nll = split(z)
            return log_prior - beta * nll

        length_key, key = jax.random.split(key)
        gradient = point.log_prior_gradient - beta * point.nll_gradient
        state = DynamicHMCState(point.z, point.log_prior - beta * point.nll, gradient, length_key)
        mean = length * jnp.sqrt(dim) / tuning.step_size
        most = jnp.maximum(2 ** jnp.asarray(depth) // GRADIENTS, 1)
        end, info = kernel(
            key, state, log_density, tuning.step_size,
            inverse_mass_matrix=tuning.inverse_mass, integration_steps_params=(mean, most),
        )  # fmt: skip
        position: Any = end.position
        finite = jnp.isfinite(position).all()
        moved = nuts.evaluate(split, jnp.where(finite, position, point.z))
        moved = jax.tree.map(lambda new, old: jnp.where(depth == 0, old, new), moved, point)
        rate = jnp.where(jnp.isfinite(info.acceptance_rate), info.acceptance_rate, 0.0)
        gradients = jnp.where(depth == 0, 0, GRADIENTS * jnp.asarray(info.num_integration_steps, int))
        cut = jnp.where(jnp.asarray(info.num_integration_steps, int) >= most, jnp.asarray(depth, int), 0)
        return moved, StepInfo(info.is_divergent | ~finite, gradients, cut, rate, jnp.full((), jnp.nan))

    return step
