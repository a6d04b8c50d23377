"""How a rung moves: NUTS or MCLMC, NUTS with a normal block integrated out, moves that a family declares, or in turn.

Every kernel keeps φ(w) exp(−β nL_n(w)) and leaves a whole point behind, so that swaps, virials and all that is read off
the draws stay what they are. A name of two kernels, joined by +, is the first and then the second in every round.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from singular.errors import InputError, unknown_name
from singular.models.base import Model
from singular.models.density import Traced, hoist
from singular.models.problem import Problem
from singular.models.structure import block_rows, draw_block, log_collapsed
from singular.posteriors import nuts
from singular.posteriors.microcanonical import LEAST_DIM, LENGTH, stepper
from singular.posteriors.nuts import Point, StepInfo

NAMES = ("nuts", "mclmc", "collapsed", "moves", "moves+nuts", "moves+mclmc", "moves+collapsed")
MASSES = ("diagonal", "chosen")
DENSE = ("nuts", "collapsed")
"""Kernels whose mass matrix may be dense."""
FROM = 8
"""Parameters from which a family's structure is used: below, it gains little (docs/validation/FIRST_USE.md)."""
DENSE_UP_TO = 100
"""Parameters up to which a mass matrix may become dense by itself: every rung of every chain holds three of them."""


@dataclass(frozen=True)
class Kernel:
    """One step of a rung.

    Attributes
    ----------
    name : str
        Tells compiled programs apart: two kernels of one name and the same traced functions must do the same.
    traced : tuple of Traced
        The functions of the model it calls; their arrays are arguments of the compiled program.
    dim : int
        Length of the vector whose mass matrix is adapted.
    overhead : int
        Gradients in a step besides those of its leapfrog steps.
    step : (functions, split, key, point, tuning, β, tree depth, most depth) -> (Point, StepInfo, (vector, gradient))
        ``functions`` are the traced ones with their arrays bound; warm-up learns from the vector (dim,) whose mass
        matrix is adapted, and from the gradient of its potential.
    dense : bool
        Whether its mass matrix may become dense (`nuts.inverse_mass_of`).
    trajectories : bool
        Whether it follows any, so that it has a step size.
    """

    name: str
    traced: tuple[Traced, ...]
    dim: int
    overhead: int
    step: Callable[..., tuple[Point, StepInfo, Any]]
    dense: bool = False
    trajectories: bool = True

    @property
    def text(self) -> str:
        """What tells programs apart, data left out."""
        return "\n".join([self.name, str(self.dense), *(part.text for part in self.traced)])

    @property
    def constants(self) -> tuple[tuple[np.ndarray, ...], ...]:
        """The arrays of the traced functions."""
        return tuple(part.constants for part in self.traced)

    def bound(self, constants) -> list[Callable[..., Any]]:
        """Return the traced functions with these arrays."""
        return [partial(part.call, own) for part, own in zip(self.traced, constants, strict=True)]


def automatic(problem: Problem) -> str:
    """Return the kernel that a problem gets if none is named.

    Below `FROM` parameters NUTS, which is as good there. From there on moves alone if those that the family declares
    renew every site; else NUTS with the block integrated out if one is declared; else NUTS. Moves that renew some sites
    go before.
    """
    model = _structure(problem)
    if model is None or problem.dim < FROM:
        return "nuts"
    if renewed_by_moves(problem):
        return "moves"
    rest = "nuts" if model.block is None else "collapsed"
    return f"moves+{rest}" if model.moves else rest


def renewed_by_moves(problem: Problem) -> bool:
    """Return whether the moves that hold for the problem renew every site, so that they can do without NUTS."""
    model = _structure(problem)
    return model is not None and set(problem.parts.sites.latent) <= {s for m in model.moves.values() for s in m.sites}


def kernel_of(problem: Problem, name: str | None = None, mass: str | None = None) -> Kernel:
    """Return a kernel by its name, the `automatic` one if None. Call inside a 64-bit scope.

    Parameters
    ----------
    problem : Problem
    name : str, optional
        One of `NAMES`.
    mass : {"diagonal", "chosen"}, optional
        The mass matrix of NUTS: diagonal, or dense on the rungs where `nuts.inverse_mass_of` finds that this pays. By
        default chosen where NUTS moves `FROM` to `DENSE_UP_TO` parameters of a problem without a block and moves,
        which are the better remedy where there are any.

    Raises
    ------
    InputError
        If a name is none, the problem's family declares no moves or no block, a mass matrix is to be chosen for a
        kernel whose last part is not NUTS, or MCLMC is to move one parameter.
    """
    if mass is not None and mass not in MASSES:
        raise unknown_name("mass", mass, MASSES)
    name = automatic(problem) if name is None else name
    if name not in NAMES:
        raise unknown_name("kernel", name, NAMES)
    names = name.split("+")
    for stage, what in (("moves", "moves"), ("collapsed", "block")):
        if stage in names and not getattr(_structure(problem), what, None):
            raise InputError(f"kernel={name!r}: the model {problem.name!r} declares no {what}; nuts is allowed")
    if name == "moves" and not renewed_by_moves(problem):
        raise InputError(f"kernel='moves': those of {problem.name!r} do not renew every site; moves+nuts does")
    if mass == "chosen" and names[-1] not in DENSE:
        raise InputError(f"mass='chosen': the kernel {name!r} has no dense mass matrix; kernel='nuts' may have one")
    made = {"nuts": _nuts, "mclmc": microcanonical, "moves": _moves, "collapsed": _collapsed}
    stages = [made[stage](problem) for stage in names]
    kernel = stages[0] if len(stages) == 1 else _in_turn(name, stages)
    model = _structure(problem)
    plain = model is None or not (model.block or model.moves)
    chosen = mass == "chosen" or (mass is None and plain and FROM <= kernel.dim <= DENSE_UP_TO)
    return replace(kernel, dense=chosen and names[-1] in DENSE)


def _structure(problem: Problem) -> Model | None:
    """Return the model whose block and moves hold for the problem: with its own likelihood and its own prior."""
    return problem.declared if problem.own_prior else None


def _nuts(problem: Problem) -> Kernel:
    def step(functions, split, key, point, tuning, beta, depth, most):
        moved, info = nuts.step(split, key, point, tuning, beta, depth, most)
        return moved, info, (moved.z, beta * moved.nll_gradient - moved.log_prior_gradient)

    return Kernel("nuts", (), problem.dim, 0, step)


def microcanonical(problem: Problem, length: float = LENGTH) -> Kernel:
    """Return adjusted MCLMC with trajectories of a mean length of ``length`` √d, for `ladder` to run as it is.

    Raises
    ------
    InputError
        If the problem has one parameter.
    """
    if problem.dim < LEAST_DIM:
        raise InputError(f"kernel='mclmc': {problem.name!r} has one parameter, no direction turns; nuts is allowed")
    move = stepper(problem.dim, length)

    def step(functions, split, key, point, tuning, beta, depth, most):
        moved, info = move(split, key, point, tuning, beta, depth)
        return moved, info, (moved.z, beta * moved.nll_gradient - moved.log_prior_gradient)

    name = "mclmc" if length == LENGTH else f"mclmc, {length!r} √d"
    return Kernel(name, (), problem.dim, 1, step)


def _moves(problem: Problem) -> Kernel:
    """All moves of the family, in their order, and one evaluation of the point they lead to."""

    def step(functions, split, key, point, tuning, beta, depth, most):
        z = functions[0](key, point.z, beta)
        finite = jnp.isfinite(z).all()
        moved = nuts.evaluate(split, jnp.where(finite, z, point.z))
        moved = jax.tree.map(lambda new, old: jnp.where(depth == 0, old, new), moved, point)
        none = jnp.zeros((), int)
        info = StepInfo(~finite, none, none, jnp.ones(()), jnp.full((), jnp.nan))
        return moved, info, (jnp.zeros(1), jnp.zeros(1))

    return Kernel("moves", (sweep_of(problem),), 1, 1, step, trajectories=False)


def sweep_of(problem: Problem) -> Traced:
    """Return (key, z, β) -> z: all moves that the family declares, in their order."""
    model, density = problem.declared, problem.parts
    assert model is not None

    def sweep(key, z, beta):
        values = density.constrain(z)
        values = {site: values[site] for site in density.sites.latent}
        for number, move in enumerate(model.moves.values()):
            values = {**values, **move.step(jax.random.fold_in(key, number), values, beta, problem.sums)}
        return density.invert(values)

    return hoist(sweep, jax.random.PRNGKey(0), jnp.zeros(density.dim), jnp.ones(()))


class Collapsed(NamedTuple):
    """A problem whose block is integrated out.

    Attributes
    ----------
    rest : (d − k,) int
        Where the other sites are in the flat vector.
    log_likelihood : (u, β) -> scalar
        log ∫ φ(a) p(D | a, u)^β da, u the others, nats.
    potential : (u, β) -> scalar
        −log φ(u) less that, up to a constant.
    restore : (key, u, β) -> z
        The whole vector, the block drawn from its conditional.
    """

    rest: np.ndarray
    log_likelihood: Traced
    potential: Traced
    restore: Traced


def collapsed(problem: Problem) -> Collapsed:
    """Return the parts of a problem with its block integrated out. Call inside a 64-bit scope."""
    model, density = problem.declared, problem.parts
    assert model is not None and model.block is not None
    block, rows = model.block, block_rows(model.block, problem.kwargs)
    sites = density.sites.latent
    inside = np.concatenate([np.full(int(np.prod(sites[s], dtype=int)), s == block.site) for s in sorted(sites)])
    rest = np.flatnonzero(~inside)

    def filled(u):
        return jnp.zeros(density.dim).at[rest].set(u)

    def log_likelihood(u, beta):
        return log_collapsed(block, rows, density.constrain(filled(u)), beta)

    def potential(u, beta):
        return -density.split(filled(u))[0] - log_likelihood(u, beta)

    def restore(key, u, beta):
        values = density.constrain(filled(u))
        values = {site: values[site] for site in sites}
        return density.invert({**values, block.site: draw_block(block, rows, key, values, beta)})

    one, start, key = jnp.ones(()), jnp.zeros(rest.size), jax.random.PRNGKey(0)
    return Collapsed(
        rest, hoist(log_likelihood, start, one), hoist(potential, start, one), hoist(restore, key, start, one)
    )


def _collapsed(problem: Problem) -> Kernel:
    """NUTS on the other sites, the block integrated out at the rung's β, then the block from its conditional.

    A step of a partially collapsed Gibbs sampler: van Dyk & Park (2008), JASA 103, 790-796.
    """
    parts = collapsed(problem)
    rest = parts.rest

    def step(functions, split, key, point, tuning, beta, depth, most):
        potential, restore = functions
        tree_key, block_key = jax.random.split(key)
        u = point.z[rest]
        value, gradient = jax.value_and_grad(potential)(u, beta)
        tree = nuts.trajectory(lambda v: potential(v, beta), tree_key, u, value, gradient, tuning, depth, most)
        moved = nuts.evaluate(split, restore(block_key, tree.z_proposal, beta))
        moved = jax.tree.map(lambda new, old: jnp.where(depth == 0, old, new), moved, point)
        return moved, nuts.told(tree), (tree.z_proposal, tree.z_proposal_grad)

    return Kernel("collapsed", (parts.potential, parts.restore), int(rest.size), 2, step)


def _in_turn(name: str, stages: list[Kernel]) -> Kernel:
    """The stages one after the other; what is adapted and recorded is the last one's, and whether any diverged."""
    ends = np.cumsum([len(stage.traced) for stage in stages])

    def step(functions, split, key, point, tuning, beta, depth, most):
        keys = jax.random.split(key, len(stages))
        parts = [functions[end - len(s.traced) : end] for s, end in zip(stages, ends, strict=True)]
        info: Any = None
        learnt: Any = None
        diverging = jnp.zeros((), bool)
        for stage, own, part in zip(stages, keys, parts, strict=True):
            point, info, learnt = stage.step(part, split, own, point, tuning, beta, depth, most)
            diverging |= info.diverging
        return point, info._replace(diverging=diverging), learnt

    traced = tuple(part for stage in stages for part in stage.traced)
    overhead = sum(stage.overhead for stage in stages)
    return Kernel(name, traced, stages[-1].dim, overhead, step, trajectories=stages[-1].trajectories)
