"""One NUTS step on one rung, and the adaptation of its step size and mass matrix.

The trajectory is NumPyro's iterative no-U-turn tree. Log prior and nll are kept apart at every point, with
their gradients, so that a point can move to a neighbouring rung without being evaluated again.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, cast

import jax
import jax.numpy as jnp
import numpy as np
from numpyro.infer.hmc_util import (
    IntegratorState,
    build_adaptation_schedule,
    build_tree,
    dual_averaging,
    velocity_verlet,
    welford_covariance,
)

FIRST_STEP_SIZE = 0.1
EARLY_ROUNDS = 30
EARLY_TREE_DEPTH = 5

PAYS = 4.0
"""Ratio of condition numbers, diagonal over dense, from which a dense mass matrix is taken: half as many steps."""

_welford_diagonal, _welford_update, _welford_final = welford_covariance(diagonal=True)
_welford_dense, _, _welford_covariance = welford_covariance(diagonal=False)
_averaging_init, _averaging_update = dual_averaging()


Array = Any
"""A JAX array inside compiled code, a NumPy array outside."""


class Point(NamedTuple):
    """A position with all that tempering needs to know of it."""

    z: Array
    log_prior: Array
    nll: Array
    log_prior_gradient: Array
    nll_gradient: Array


class Tuning(NamedTuple):
    """Step size, inverse mass matrix ((d,) if diagonal, else (d, d)), and the running statistics that adapt them."""

    step_size: Array
    inverse_mass: Array
    averaging: Any
    moments: Any


class Plan(NamedTuple):
    """What one round of a run does, as data: the same compiled program warms up and samples."""

    adapt: np.ndarray
    collect: np.ndarray
    update_mass: np.ndarray
    final_step: np.ndarray
    tree_depth: np.ndarray
    target_acceptance: np.ndarray


class StepInfo(NamedTuple):
    """The record of one NUTS step."""

    diverging: Array
    n_steps: Array
    tree_depth: Array
    acceptance_rate: Array
    energy: Array


def evaluate(split: Callable, z: jax.Array) -> Point:
    """Return the `Point` at ``z``; ``split(z)`` gives (log prior, nll)."""
    (log_prior, nll), pullback = jax.vjp(split, z)
    one, zero = jnp.ones_like(log_prior), jnp.zeros_like(log_prior)
    return Point(z, log_prior, nll, pullback((one, zero))[0], pullback((zero, one))[0])


def initial_tuning(dim: int, step_size: Any = FIRST_STEP_SIZE, inverse_mass=None, dense: bool = False) -> Tuning:
    """Return a tuning that starts at ``step_size`` and ``inverse_mass`` (ones if None; the shape says if dense)."""
    unit = jnp.eye(dim) if dense else jnp.ones(dim)
    scale = unit if inverse_mass is None else jnp.asarray(inverse_mass)
    step_size = jnp.asarray(step_size, dtype=float)
    moments = (_welford_diagonal(dim),) if jnp.ndim(scale) == 1 else (_welford_dense(dim), _welford_dense(dim))
    return Tuning(step_size, scale, _averaging_init(cast(Any, jnp.log(10 * step_size))), moments)


def warmup_plan(rounds: int, tree_depth: int, target_acceptance: float, fresh: bool) -> Plan:
    """Plan ``rounds`` of adaptation: Stan's windows; a ``fresh`` start keeps its first trees short."""
    collect, update = np.zeros(rounds, bool), np.zeros(rounds, bool)
    if rounds:
        for window in build_adaptation_schedule(rounds)[1:-1]:
            collect[window.start : window.end + 1] = True
            update[window.end] = True
    final = np.zeros(rounds, bool)
    final[-1:] = True
    depth = np.full(rounds, tree_depth)
    if fresh:
        depth[:EARLY_ROUNDS] = min(EARLY_TREE_DEPTH, tree_depth)
    return Plan(np.ones(rounds, bool), collect, update, final, depth, np.full(rounds, target_acceptance))


def sampling_plan(rounds: int, tree_depth: int) -> Plan:
    """Plan ``rounds`` in which nothing adapts."""
    off = np.zeros(rounds, bool)
    return Plan(off, off, off, off, np.full(rounds, tree_depth), np.ones(rounds))


def step(split: Callable, key, point: Point, tuning: Tuning, beta, tree_depth, max_tree_depth: int):
    """Move ``point`` by one NUTS step that leaves φ(w) exp(−β nll(w)) invariant; β > 0.

    Hoffman & Gelman (2014), JMLR 15, 1593-1623, with the multinomial sampling of Betancourt (2017).

    Returns
    -------
    (Point, StepInfo)
    """

    def potential(z):
        log_prior, nll = split(z)
        return beta * nll - log_prior

    value = beta * point.nll - point.log_prior
    gradient = beta * point.nll_gradient - point.log_prior_gradient
    tree = trajectory(potential, key, point.z, value, gradient, tuning, tree_depth, max_tree_depth)
    log_prior, log_prior_gradient = jax.value_and_grad(lambda z: split(z)[0])(tree.z_proposal)
    moved = Point(
        tree.z_proposal,
        log_prior,
        (tree.z_proposal_pe + log_prior) / beta,
        log_prior_gradient,
        (tree.z_proposal_grad + log_prior_gradient) / beta,
    )
    return moved, told(tree)


def trajectory(potential: Callable, key, z, value, gradient, tuning: Tuning, tree_depth, max_tree_depth: int):
    """Return the tree of one NUTS step from ``z``, where the potential has this value and gradient."""

    dense = tuning.inverse_mass.ndim == 2

    momentum_key, tree_key = jax.random.split(key)
    momentum = jax.random.normal(momentum_key, z.shape)
    if dense:
        root = jnp.linalg.cholesky(tuning.inverse_mass)
        momentum = jax.scipy.linalg.solve_triangular(root.T, momentum, lower=False)
    else:
        momentum = momentum / jnp.sqrt(tuning.inverse_mass)
    start = IntegratorState(z, momentum, value, gradient)
    _, update = velocity_verlet(potential, _kinetic)
    depths: Any = (tree_depth, max_tree_depth)
    return build_tree(
        update,
        _kinetic,
        start,
        tuning.inverse_mass,
        tuning.step_size,
        tree_key,
        max_tree_depth=depths,
    )


def _velocity(inverse_mass, momentum):
    return inverse_mass @ momentum if inverse_mass.ndim == 2 else inverse_mass * momentum


@jax.custom_jvp
def _kinetic(inverse_mass, momentum):
    return 0.5 * jnp.dot(_velocity(inverse_mass, momentum), momentum)


@_kinetic.defjvp
def _kinetic_derivative(primals, tangents):
    """The derivative in the momentum alone: the matrix is symmetric, which automatic differentiation cannot know."""
    velocity = _velocity(*primals)
    return 0.5 * jnp.dot(velocity, primals[1]), jnp.dot(velocity, tangents[1])


def told(tree) -> StepInfo:
    """Return the record of a tree."""
    leaves = jnp.maximum(tree.num_proposals, 1)
    return StepInfo(
        tree.diverging,
        tree.num_proposals,
        tree.depth,
        tree.sum_accept_probs / leaves,
        tree.z_proposal_energy,
    )


def adapt(tuning: Tuning, z, gradient, excess_acceptance, plan: Plan) -> Tuning:
    """Update step size (dual averaging) and mass matrix (windowed moments) as ``plan`` says.

    ``gradient`` is that of the potential at ``z``; ``excess_acceptance`` the acceptance of the step less the wanted
    one. A mass matrix that may be dense becomes so where that pays: see `inverse_mass_of`.
    """

    def learn(tuning):
        averaging = _averaging_update(-excess_acceptance, tuning.averaging)
        moments = jax.lax.cond(
            plan.collect,
            lambda old: tuple(_welford_update(row, one) for row, one in zip((z, gradient), old, strict=False)),
            lambda old: old,
            tuning.moments,
        )
        step_size = jnp.exp(jnp.where(plan.final_step, averaging[1], averaging[0]))
        return Tuning(step_size, tuning.inverse_mass, averaging, moments)

    def new_mass(tuning):
        return initial_tuning(z.shape[0], jnp.exp(tuning.averaging[1]), inverse_mass_of(*tuning.moments))

    tuning = jax.lax.cond(plan.adapt, learn, lambda t: t, tuning)
    return jax.lax.cond(plan.update_mass, new_mass, lambda t: t, tuning)


def inverse_mass_of(positions, gradients=None) -> Array:
    """Return the inverse mass matrix that a window's running (mean, sums of squares or of products, count) give.

    Without gradients the variances of the positions, (d,). With them a (d, d) matrix: the covariance Σ of the
    positions where that pays, else its diagonal D. The mean square G of the gradients is the mean Hessian of the
    potential, so that a trajectory takes about √cond(ΣG) steps with the one and √cond(DG) with the other, cond the
    largest over the smallest eigenvalue. For a normal distribution ΣG = 1; where there are several modes, or the
    posterior is curved, Σ is no inverse of G and the covariance may be the worse choice. Σ is taken if its number is
    `PAYS` times smaller. Shrinkage as in Stan, for Σ towards D.
    """
    if gradients is None:
        return _welford_final(positions, regularize=True)[0]
    count, size = positions[2], positions[1].shape[0]
    variances = jnp.diag(positions[1]) / (count - 1)
    diagonal: Any = _welford_final((positions[0], jnp.diag(positions[1]), count), regularize=True)[0]
    scale = jnp.sqrt(jnp.where(variances > 0, variances, 1.0))
    few = 5 / (count + 5)
    correlations = (1 - few) * positions[1] / (count - 1) / jnp.outer(scale, scale) + few * jnp.eye(size)
    curvature = gradients[1] / (count - 1) * jnp.outer(scale, scale)

    def condition(root):
        eigenvalues = jnp.linalg.eigvalsh(root.T @ curvature @ root)
        return eigenvalues[-1] / jnp.maximum(eigenvalues[0], 1e-12 * eigenvalues[-1])

    pays = condition(jnp.eye(size)) > PAYS * condition(jnp.linalg.cholesky(correlations))
    enough = (count > 2 * size) & (variances > 0).all() & jnp.isfinite(curvature).all()
    return jnp.where(pays & enough, correlations * jnp.outer(scale, scale), jnp.diag(diagonal))
