"""Gradients per second of the ladder beside those of a bare leapfrog loop on the same potential.

One core, one chain, in one process, in turn, several times over: the ratio is what counts. Compile time is
reported apart. Run it with ``make bench`` or ``python benchmarks/throughput.py [--repeats 5]``.
"""

from __future__ import annotations

import argparse
import os
import time

os.environ.setdefault("SINGULAR_CACHE_DIR", "")

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd

from singular import models, posteriors
from singular.posteriors import exchange

MODELS = ("linear-4", "tanh-2", "reduced-rank-3-3-2-1", "mixture-known")
RUNGS = (4, 16)
DRAWS = 1500


def bare_loop(problem):
    """Return ``run(steps) -> seconds`` for a jitted leapfrog loop at β = 1, and its compile time."""
    split = problem.parts.split
    constants = split.constants

    @jax.jit
    def loop(constants, z, momentum, steps):
        def potential(z):
            log_prior, nll = split.call(constants, z)
            return nll - log_prior

        gradient = jax.value_and_grad(potential)

        def leap(_, state):
            z, r, g = state
            r = r - 0.5 * 1e-3 * g
            z = z + 1e-3 * r
            _, g = gradient(z)
            return z, r - 0.5 * 1e-3 * g, g

        return jax.lax.fori_loop(0, steps, leap, (z, momentum, gradient(z)[1]))

    z = jnp.full(problem.dim, 0.1)
    momentum = jnp.full(problem.dim, 0.1)
    began = time.perf_counter()
    jax.block_until_ready(loop(constants, z, momentum, 1))
    compile_time = time.perf_counter() - began

    def run(steps):
        began = time.perf_counter()
        jax.block_until_ready(loop(constants, z, momentum, steps))
        return time.perf_counter() - began

    return run, compile_time


def ladder_rate(problem, rungs, seed):
    """Return gradients per second of the sampling phase of one chain on one core."""
    betas = np.concatenate([[0.0], np.geomspace(0.01, 1.0, rungs - 1)])
    tree = posteriors.ladder(
        problem, betas, chains=1, cores=1, draws=DRAWS, warmup=300, seed=seed, progress=False
    )
    seconds = tree.attrs["wall_time"] - tree.attrs["warmup_time"]
    gradients = int(tree.sample_stats.n_steps.sum()) + DRAWS
    return gradients / seconds, gradients


def compile_seconds(problem):
    """Return the time from an empty cache to the first rounds, less the rounds themselves."""
    exchange._programs.clear()
    jax.clear_caches()
    settings = dict(chains=1, cores=1, draws=4, warmup=0, progress=False)
    times = []
    for _ in range(2):
        began = time.perf_counter()
        posteriors.ladder(problem, [0.0, 0.5, 1.0], **settings)
        times.append(time.perf_counter() - began)
    return times[0] - times[1]


def measure(name: str, repeats: int) -> list[dict]:
    """Return one row per number of rungs."""
    problem = models.problem(name, n=500, seed=0)
    compile_ladder = compile_seconds(problem)
    rows = []
    with posteriors.x64():
        run, compile_bare = bare_loop(problem)
    for rungs in RUNGS:
        ratios, rates = [], []
        for repeat in range(repeats):
            rate, gradients = ladder_rate(problem, rungs, repeat)
            with posteriors.x64():
                bare = gradients / run(gradients)
            ratios.append(rate / bare)
            rates.append(rate)
        rows.append(
            {
                "model": name,
                "rungs": rungs,
                "ladder gradients/s": round(np.median(rates)),
                "ladder/bare": round(float(np.median(ratios)), 3),
                "min": round(min(ratios), 3),
                "max": round(max(ratios), 3),
                "compile ladder, s": round(compile_ladder, 2),
                "compile bare, s": round(compile_bare, 2),
            }
        )
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--models", nargs="*", default=list(MODELS))
    arguments = parser.parse_args()
    rows = [row for name in arguments.models for row in measure(name, arguments.repeats)]
    print(pd.DataFrame(rows).to_markdown(index=False) if _has_tabulate() else pd.DataFrame(rows).to_string(index=False))


def _has_tabulate() -> bool:
    try:
        import tabulate  # noqa: F401
    except ImportError:
        return False
    return True


if __name__ == "__main__":
    main()
