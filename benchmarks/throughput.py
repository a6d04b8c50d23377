"""Gradients per second of the ladder beside those of a bare leapfrog loop on the same potential.

One core, one chain, in one process, in turn, several times over: the ratio is what counts. A Hamiltonian step needs
the energy as well as the gradient, so the reference loop carries both; the ratio to a loop that drops the energy, and
lets the compiler leave it out, stands beside. Compile time is reported apart. ``make bench`` writes docs/throughput.md.
"""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path

os.environ.setdefault("SINGULAR_CACHE_DIR", "")

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd

from singular import models, posteriors
from singular.analysis.markdown import markdown
from singular.posteriors import exchange
from singular.posteriors.store import write

MODELS = ("linear-4", "tanh-2", "reduced-rank-3-3-2-1", "mixture-known")
RUNGS = (4, 16)
DRAWS = 600


def bare_loop(problem, energy: bool):
    """Return ``run(steps) -> seconds`` for a jitted leapfrog loop at β = 1, and its compile time."""
    split = problem.parts.split

    @jax.jit
    def loop(constants, z, momentum, steps):
        def potential(z):
            log_prior, nll = split.call(constants, z)
            return nll - log_prior

        gradient = jax.value_and_grad(potential)

        def leap(_, state):
            z, r, g, total = state
            r = r - 0.5 * 1e-3 * g
            z = z + 1e-3 * r
            value, g = gradient(z)
            return z, r - 0.5 * 1e-3 * g, g, total + value if energy else total

        return jax.lax.fori_loop(0, steps, leap, (z, momentum, gradient(z)[1], 0.0))

    z = jnp.full(problem.dim, 0.1)
    momentum = jnp.full(problem.dim, 0.1)

    def run(steps):
        began = time.perf_counter()
        jax.block_until_ready(loop(split.constants, z, momentum, steps))
        return time.perf_counter() - began

    return run, run(1)


def ladder_rate(problem, rungs, seed):
    """Return gradients per second of the sampling phase of one chain on one core."""
    betas = np.concatenate([[0.0], np.geomspace(0.01, 1.0, rungs - 1)])
    tree = posteriors.ladder(problem, betas, chains=1, cores=1, draws=DRAWS, warmup=300, seed=seed, progress=False)
    seconds = tree.attrs["wall_time"] - tree.attrs["warmup_time"]
    gradients = int(tree.sample_stats.n_steps.sum()) + DRAWS
    return gradients / seconds, gradients


def compile_seconds(problem):
    """Return the time from an empty cache to the first rounds, less the rounds themselves."""
    exchange._programs.clear()
    jax.clear_caches()
    settings = {"chains": 1, "cores": 1, "draws": 4, "warmup": 0, "progress": False}
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
        run, compile_bare = bare_loop(problem, energy=True)
        run_gradient, _ = bare_loop(problem, energy=False)
    for rungs in RUNGS:
        ratios, gradient_ratios, rates = [], [], []
        for repeat in range(repeats):
            rate, gradients = ladder_rate(problem, rungs, repeat)
            with posteriors.x64():
                ratios.append(rate * run(gradients) / gradients)
                gradient_ratios.append(rate * run_gradient(gradients) / gradients)
            rates.append(rate)
        rows.append(
            {
                "model": name,
                "rungs": rungs,
                "ladder gradients/s": round(np.median(rates)),
                "ladder/bare": round(float(np.median(ratios)), 2),
                "min": round(min(ratios), 2),
                "max": round(max(ratios), 2),
                "ladder/gradient only": round(float(np.median(gradient_ratios)), 2),
                "compile ladder, s": round(compile_ladder, 2),
                "compile bare, s": round(compile_bare, 2),
            }
        )
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--models", nargs="*", default=list(MODELS))
    parser.add_argument("--out", type=Path, help="write the table to this Markdown file too")
    arguments = parser.parse_args()
    rows = [row for name in arguments.models for row in measure(name, arguments.repeats)]
    table = markdown(pd.DataFrame(rows))
    print(table)
    if arguments.out is not None:
        write(arguments.out, f"# Throughput\n\n{__doc__}\n{table}\n")


if __name__ == "__main__":
    main()
