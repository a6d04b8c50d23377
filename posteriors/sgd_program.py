"""The compiled program of an ensemble: many runs side by side, the steps between records in one loop."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from singular.models.density import compiled
from singular.models.minibatch import row_nll
from singular.models.problem import Problem
from singular.posteriors.sgd_setting import Setting, transformation


class Runs(NamedTuple):
    """Where all runs stand: z (run, d), the optimiser's state of each, and the steps made, ()."""

    z: Any
    state: Any
    made: Any


class Record(NamedTuple):
    """What is recorded of all runs, (run, …) each, all of it of the whole data but for ``noise``.

    ``noise`` is the deviation of the next step's gradient from that of the mean loss of all data, (run, d).
    """

    z: Any
    nll: Any
    log_prior: Any
    gradient_norm: Any
    noise: Any


def programs(problem: Problem, setting: Setting) -> tuple[Callable, Callable]:
    """Return begin(z, numbers) -> Runs, and advance(keys, runs, lengths, numbers) -> (Runs, Record).

    ``keys`` has one key a run, ``lengths`` the steps before each record; records are stacked in front. Step s of a run
    draws from its key folded with s, so that a trajectory does not depend on what is recorded of it.
    """
    n, size, make_optimiser = problem.n, setting.batch_size or 0, transformation(setting)

    def batch_of(key):
        if setting.replacement:
            return jax.random.randint(key, (size,), 0, n, dtype=int)
        return jax.lax.top_k(jax.random.uniform(key, (n,)), size)[1].astype(int)

    def make_begin(split):
        def begin(z, numbers):
            return Runs(z, jax.vmap(make_optimiser(numbers).init)(z), jnp.zeros((), int))

        return begin

    def make_advance(split, rows):
        def loss(z, batch):
            return split(z)[1] / n if batch is None else rows(z, batch) / size

        def noisy_gradient(key, z, numbers):
            chosen, own = jax.random.split(key)
            gradient = jax.grad(loss)(z, batch_of(chosen) if setting.minibatch else None)
            if setting.added:
                gradient += numbers["root"] @ jax.random.normal(own, z.shape, z.dtype)
            return gradient

        def pull(z, numbers):
            if setting.weight_decay == "prior":
                return -numbers["decay"] * jax.grad(lambda v: split(v)[0])(z)
            return numbers["decay"] * z

        def advance(keys, runs, lengths, numbers):
            optimiser = make_optimiser(numbers)

            def step(key, z, state, made):
                gradient = noisy_gradient(jax.random.fold_in(key, made), z, numbers) + pull(z, numbers)
                change, state = optimiser.update(gradient, state, z)
                return optax.apply_updates(z, change), state

            def look(key, z, made):
                (nll, log_prior), gradient = jax.value_and_grad(lambda v: split(v)[::-1], has_aux=True)(z)
                gradient = gradient / n
                noise = jnp.zeros_like(z)
                if setting.noise != "none":
                    noise = noisy_gradient(jax.random.fold_in(key, made), z, numbers) - gradient
                return Record(z, nll, log_prior, jnp.linalg.norm(gradient), noise)

            def block(runs, length):
                def one(_, runs):
                    z, state = jax.vmap(step, (0, 0, 0, None))(keys, runs.z, runs.state, runs.made)
                    return Runs(z, state, runs.made + 1)

                runs = jax.lax.fori_loop(0, length, one, runs)
                return runs, jax.vmap(look, (0, 0, None))(keys, runs.z, runs.made)

            return jax.lax.scan(block, runs, lengths)

        return advance

    rows = row_nll(problem, size) if setting.minibatch else problem.parts.split
    name = f"sgd {setting.structure} of {n}"
    begin = compiled(f"{name} begin", make_begin, problem.parts.split)
    return begin, compiled(f"{name} advance", make_advance, problem.parts.split, rows)
