"""Replica exchange: rounds of one kernel on every rung and swaps between neighbours, compiled once per model.

The number of rungs, the inverse temperatures, the tuning, the plan and the data are all arguments: the
pilot, the warm-up, the sampling, another ladder and another data set of the same shape run one program.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from singular.models.density import ROWS, Density, Traced, map_block
from singular.posteriors.kernels import Kernel
from singular.posteriors.nuts import Array, Plan, Point, StepInfo, Tuning, adapt, evaluate

CHUNK = ROWS
"""Rounds in one call of the compiled program, at most."""
BLOCK = 16
"""Rungs gone through in one inner loop: XLA's CPU compiler keeps a loop whole only while its arrays are small."""
MAPPINGS = ("map", "vmap")
PROGRAMS_KEPT = 64
PRIOR_STREAM = 2**31 - 1


class Rungs(NamedTuple):
    """One chain of the ladder: arrays with one row per rung, padded to the program's capacity."""

    points: Point
    tuning: Tuning
    replica: Array


class Record(NamedTuple):
    """What one round leaves behind, one row per rung, after the swaps.

    The virials are (z − c)·∇ of the two parts of the log density, c the centre of the rung. Gradients are left by the
    first rung alone: nobody reads the others', and a padded program would write them out at every round.
    """

    points: Point
    nll_virial: Array
    log_prior_virial: Array
    steps: StepInfo
    swap_probability: Array
    swap_accepted: Array
    replica: Array


@dataclass
class Program:
    """The compiled functions of one model.

    Attributes
    ----------
    advance : (constants, key, fresh, rungs, betas, centre, count, first_round, rounds, plan) -> (rungs, Record)
        ``constants`` are the arrays of the density's split and of the kernel.
        Runs ``rounds`` (at most `CHUNK`) rounds of one chain, or of all chains where the mapping is ``vmap``.
        ``fresh`` holds a prior draw for each round, from `prior_draws`; ``centre`` a point for each rung.
    points : (constants, z) -> Point
        The given positions, evaluated; one per row.
    traces : int
        How often ``advance`` was traced, and so compiled or looked up on disk.
    """

    advance: Any
    points: Any
    traces: int = 0


_programs: OrderedDict[tuple, Program] = OrderedDict()


def program(density: Density, kernel: Kernel, capacity: int, mapping: str, max_tree_depth: int) -> Program:
    """Return the program for a density and a kernel, made once per structure: data are not part of it."""
    split = density.split
    key = (split.text, kernel.text, capacity, mapping, max_tree_depth)
    if key not in _programs:
        _programs[key] = _build(split, kernel, mapping, max_tree_depth)
        while len(_programs) > PROGRAMS_KEPT:
            _programs.popitem(last=False)
    _programs.move_to_end(key)
    return _programs[key]


def prior_draws(density: Density, key, first_round: int) -> Array:
    """Return one exact prior draw for each of `CHUNK` rounds of the chain with this key, (round, d).

    Compiled apart from `Program.advance`: samplers of priors are slow to compile, and others need them too.
    """
    return map_block(density.prior_draw)(_round_keys(key, first_round))


@jax.jit
def _round_keys(key, first_round):
    stream = jax.random.fold_in(key, PRIOR_STREAM)
    return jax.vmap(partial(jax.random.fold_in, stream))(first_round + jnp.arange(CHUNK))


def _build(split: Traced, kernel: Kernel, mapping: str, max_tree_depth: int) -> Program:
    def points(constants, z):
        return jax.lax.map(partial(evaluate, partial(split.call, constants)), z)

    def advance(constants, key, fresh, rungs, betas, centre, count, first_round, rounds, plan):
        built.traces += 1
        split_z = partial(split.call, constants[0])
        move = partial(kernel.step, kernel.bound(constants[1]), split_z)
        one_round = partial(_round, split_z, move, mapping, max_tree_depth, betas, centre, count)

        def row(rows, index):
            return jax.tree.map(lambda a: a[index], rows)

        def body(index, carry):
            rungs, records = carry
            number = first_round + index
            keyed = jax.random.fold_in(key, number)
            rungs, record = one_round(keyed, fresh[index], rungs, number, row(plan, index))
            return rungs, jax.tree.map(lambda rows, one: rows.at[index].set(one), records, record)

        shape = jax.eval_shape(one_round, key, fresh[0], rungs, first_round, row(plan, 0))[1]
        blank = jax.tree.map(lambda s: jnp.zeros((CHUNK, *s.shape), s.dtype), shape)
        return jax.lax.fori_loop(0, rounds, body, (rungs, blank))  # what is beyond the rounds wanted costs nothing

    mapped = advance
    if mapping == "vmap":
        mapped = jax.vmap(advance, in_axes=(None, 0, 0, 0, None, None, None, None, None, None))
    built = Program(jax.jit(mapped), jax.jit(points))
    return built


def _round(split, move, mapping, max_tree_depth, betas, centre, count, key, fresh, rungs: Rungs, index, plan: Plan):
    """One round: a fresh prior draw at β = 0, a step of the kernel on every other rung, then the swaps."""
    capacity = betas.shape[0]
    keys = jax.vmap(partial(jax.random.fold_in, key))(jnp.arange(capacity + 1))
    points = jax.tree.map(lambda rows, row: rows.at[0].set(row), rungs.points, evaluate(split, fresh))

    def lane(k, point, tuning):
        depth = jnp.where(k < count, plan.tree_depth, 0)
        moved, info, (vector, gradient) = move(keys[k], point, tuning, betas[k], depth, max_tree_depth)
        excess = info.acceptance_rate - plan.target_acceptance
        return moved, adapt(tuning, vector, gradient, excess, plan), info

    points, tuning, info = _over_rungs(lane, mapping, points, rungs.tuning, count)
    probability, accepted = _swaps(points.nll, betas, count, index, keys[capacity])
    order = _permutation(accepted)
    points = jax.tree.map(lambda rows: rows[order], points)
    replica = rungs.replica[order]
    arm = points.z - centre
    nll_virial = jnp.sum(arm * points.nll_gradient, axis=1)
    log_prior_virial = jnp.sum(arm * points.log_prior_gradient, axis=1)
    first = points._replace(log_prior_gradient=points.log_prior_gradient[:1], nll_gradient=points.nll_gradient[:1])
    record = Record(first, nll_virial, log_prior_virial, info, probability, accepted, replica)
    return Rungs(points, tuning, replica), record


def _over_rungs(lane, mapping, points, tuning, count):
    """Run ``lane`` on rungs 1 … count − 1; rung 0 keeps its fresh prior draw."""
    capacity = points.nll.shape[0]
    empty = StepInfo(
        jnp.zeros(capacity, bool),
        jnp.zeros(capacity, int),
        jnp.zeros(capacity, int),
        jnp.ones(capacity),
        jnp.full(capacity, jnp.nan),
    )

    def put(rows, row, k):
        return jax.tree.map(lambda a, b: a.at[k].set(b), rows, row)

    def take(rows, k):
        return jax.tree.map(lambda a: a[k], rows)

    if mapping == "vmap":
        indices = jnp.arange(1, capacity)
        moved, tuned, info = jax.vmap(lane)(indices, take(points, indices), take(tuning, indices))
        live = indices < count

        def keep(new, old):
            return jnp.where(live.reshape(-1, *[1] * (new.ndim - 1)), new, old)

        moved = jax.tree.map(keep, moved, take(points, indices))
        return put(points, moved, indices), put(tuning, tuned, indices), put(empty, info, indices)

    size = math.gcd(BLOCK, capacity)

    def block(number, rows):
        first = number * size

        def one(row, rows):
            points, tuning, _ = rows
            done = lane(first + row, take(points, row), take(tuning, row))
            return tuple(put(old, new, row) for old, new in zip(rows, done, strict=True))

        some = jax.tree.map(lambda a: jax.lax.dynamic_slice_in_dim(a, first, size), rows)
        done = jax.lax.fori_loop(jnp.maximum(1 - first, 0), jnp.minimum(count - first, size), one, some)
        return jax.tree.map(lambda a, b: jax.lax.dynamic_update_slice_in_dim(a, b, first, 0), rows, done)

    return jax.lax.fori_loop(0, (count + size - 1) // size, block, (points, tuning, empty))


def _swaps(nll, betas, count, index, key):
    """Return probability and outcome of each neighbour swap; even pairs, then odd pairs, in turn.

    Syed, Bouchard-Côté, Deligiannidis & Doucet (2022), JRSS B 84, 321-350: the deterministic even-odd scheme.
    """
    capacity = nll.shape[0]
    k = jnp.arange(capacity)
    above = jnp.minimum(k + 1, capacity - 1)
    tried = (k % 2 == index % 2) & (k + 1 < count)
    log_ratio = (betas - betas[above]) * (nll - nll[above])
    probability = jnp.exp(jnp.minimum(jnp.where(jnp.isnan(log_ratio), -jnp.inf, log_ratio), 0.0))
    accepted = tried & (jax.random.uniform(key, (capacity,)) < probability)
    return jnp.where(tried, probability, jnp.nan), accepted


def _permutation(accepted):
    """Return the row order after the accepted swaps (of disjoint pairs)."""
    k = jnp.arange(accepted.shape[0])
    from_below = jnp.concatenate([jnp.zeros(1, bool), accepted[:-1]])
    return jnp.where(accepted, k + 1, jnp.where(from_below, k - 1, k))
