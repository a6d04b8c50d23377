"""Does a move, or a kernel, keep the joint law of parameters and data?

Parameters from the prior and data at them are an exact draw of the joint law. Turn by turn data are drawn anew given
the parameters and the parameters are moved given the data: if the move keeps the posterior, the joint law is kept
however long this goes on, and a wrong one drifts away (Geweke 2004, J. Am. Stat. Assoc. 99, 799-804). Chains are
independent and start in the law, so that nothing has to converge, and what they end with is held against fresh draws of
the joint law by Kolmogorov and Smirnov's test of two samples. At β < 1 the data come from the tempered likelihood,
which for normal noise is normal with noise of variance σ²/β.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import jax
import pandas as pd
from kernels_law import Joint, quantities
from scipy.stats import ks_2samp

from singular.models.density import Traced
from singular.models.problem import Problem
from singular.posteriors.kernels import kernel_of, sweep_of
from singular.posteriors.nuts import evaluate, initial_tuning
from singular.posteriors.precision import x64

CHAINS, TURNS, FRESH = 1000, 20, 20_000
"""Chains, turns of each, and fresh draws of the joint law that their ends are held against."""
STEP_SIZE, DEPTH = 0.2, 4
"""Of NUTS, which keeps its law at any: nothing is adapted here."""

Step = Callable[[Any, Any, Any], Any]
"""(key, z, y) -> z."""


def move_step(joint: Joint, name: str) -> Step:
    """Return one move of the family, alone. Call inside a 64-bit scope."""

    def make(problem: Problem) -> Traced:
        assert problem.model is not None
        return sweep_of(problem.replace(model=replace(problem.model, moves={name: problem.model.moves[name]})))

    sweep = joint.following(make)
    return lambda key, z, y: sweep(y, key, z, joint.beta)


def kernel_step(joint: Joint, name: str) -> Step:
    """Return one step of a kernel at a fixed step size. Call inside a 64-bit scope."""
    kernel = kernel_of(joint.problem, name)
    functions = [
        joint.following(lambda problem, place=place: kernel_of(problem, name).traced[place])
        for place in range(len(kernel.traced))
    ]
    split = joint.following(lambda problem: problem.parts.split)
    tuning = initial_tuning(kernel.dim, STEP_SIZE)

    def step(key, z, y):
        at = [lambda *arguments, f=f: f(y, *arguments) for f in functions]
        here = lambda z: split(y, z)  # noqa: E731
        point = evaluate(here, z)
        return kernel.step(at, here, key, point, tuning, joint.beta, DEPTH, DEPTH)[0].z

    return step


def held(
    joint: Joint, make: Callable[[Joint], Step], chains: int = CHAINS, turns: int = TURNS, seed: int = 0
) -> pd.DataFrame:
    """Return a row for each quantity: its mean after all turns less that of the law, in deviations, and p.

    Parameters
    ----------
    joint : Joint
    make : Joint -> Step
        Called inside a 64-bit scope.
    chains, turns, seed : int
    """
    with x64():
        step, parts = make(joint), joint.problem.parts
        ours, others = jax.random.split(jax.random.PRNGKey(seed))
        split = joint.following(lambda problem: problem.parts.split)

        def ended(key):
            def turn(number, state):
                z, _ = state
                of_y, of_z = jax.random.split(jax.random.fold_in(key, number))
                y = joint.simulate(of_y, z)
                return step(of_z, z, y), y

            z, y = jax.lax.fori_loop(1, turns + 1, turn, joint.draw(jax.random.fold_in(key, 0)))
            return parts.constrain(z), split(y, z)[1]

        def fresh(key):
            z, y = joint.draw(key)
            return parts.constrain(z), split(y, z)[1]

        ends = jax.jit(lambda keys: jax.lax.map(ended, keys))(jax.random.split(ours, chains))
        law = jax.jit(lambda keys: jax.lax.map(fresh, keys, batch_size=500))(jax.random.split(others, FRESH))
    sites = parts.sites.latent
    found, known = (
        quantities(joint.problem.model, {site: values[site] for site in sites}, nll) for values, nll in (ends, law)
    )
    return pd.DataFrame(
        {
            "quantity": name, "shift": (found[name].mean() - known[name].mean()) / known[name].std(),
            "p": float(ks_2samp(found[name], known[name], method="asymp").pvalue), "chains": chains, "turns": turns,
        }
        for name in found
    )  # fmt: skip
