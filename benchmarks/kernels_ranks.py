"""Simulation-based calibration of ladders, kernel by kernel, and samplers that are wrong on purpose.

Parameters from the prior, data at them, a short ladder with the kernel: the rank of the true value of every quantity
among independent draws is uniform (Talts et al. 2018), if kernel, adaptation and swaps together are right.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache, partial
from typing import NamedTuple

import jax
import numpy as np
import pandas as pd
from kernels_law import Joint, quantities
from validate_calibration import KEPT

from singular import posteriors
from singular.models import catalogue, scaling_move
from singular.models.linear_networks import layer_moves
from singular.models.problem import Problem
from singular.posteriors import kernels
from singular.posteriors.precision import x64

BETAS = (0.0, 0.004, 0.015, 0.05, 0.15, 0.4, 1.0)
DRAWS, WARMUP, DEPTH = 8 * KEPT, 200, 8
WRONG = ("Jacobian", "block")
"""A scaling whose Jacobian has one dimension too many; a block drawn at half its β."""


class Case(NamedTuple):
    """A kernel on a family, right or wrong."""

    model: str
    kernel: str
    wrong: str = ""


@contextmanager
def spoilt(wrong: str) -> Iterator[None]:
    """Spoil moves, in this process, while the context lasts; nothing if ``wrong`` is empty."""
    scalings, block = scaling_move.log_scalings, kernels.draw_block
    if wrong == "Jacobian":
        tilted = lambda key, inner, outer, surplus: scalings(key, inner, outer, surplus + 1)  # noqa: E731
        scaling_move.log_scalings = layer_moves.log_scalings = tilted
    if wrong == "block":
        kernels.draw_block = lambda b, rows, key, others, beta: block(b, rows, key, others, 0.5 * beta)
    try:
        yield
    finally:
        scaling_move.log_scalings = layer_moves.log_scalings = scalings
        kernels.draw_block = block


def ranks(case: Case, seed: int) -> pd.DataFrame:
    """Return a row for each quantity: the rank of its true value among `KEPT` draws at β = 1."""
    truth, problem = simulated(case.model, seed)
    with spoilt(case.wrong):
        tree = posteriors.ladder(
            problem, BETAS, 1, DRAWS, WARMUP, seed=seed, progress=False, cores=1, max_tree_depth=DEPTH,
            kernel=case.kernel,
        )  # fmt: skip
    rung, step = tree.isel(beta=-1), DRAWS // KEPT
    sites = {site: rung["posterior"][site].to_numpy()[0, step - 1 :: step] for site in problem.parts.sites.latent}
    nll = rung["sample_stats"]["nll"].to_numpy()[0, step - 1 :: step]
    drawn = quantities(problem.model, sites, nll)
    return pd.DataFrame(
        {"model": case.model, "kernel": case.kernel, "wrong": case.wrong, "beta": 1.0, "seed": seed, "quantity": name,
         "rank": int(np.sum(values < truth[name][0])), "draws": values.size}
        for name, values in drawn.items()
    )  # fmt: skip


def simulated(name: str, seed: int) -> tuple[dict[str, np.ndarray], Problem]:
    """Return the quantities at parameters from the prior, and the problem with data drawn at them."""
    model = catalogue.get(name)
    with x64():
        joint, draw = _joint(name)
        z, y = draw(jax.random.fold_in(jax.random.PRNGKey(3), seed))
        problem = joint.problem.replace(kwargs={**joint.problem.kwargs, "y": np.asarray(y)}, seed=None)
        values = problem.parts.constrain(z)
        nll = problem.parts.split(z)[1]
    sites = problem.parts.sites.latent
    return quantities(model, {site: np.asarray(values[site])[None] for site in sites}, np.asarray(nll)[None]), problem


@cache
def _joint(name: str):
    joint = Joint.of(catalogue.get(name))
    return joint, jax.jit(partial(Joint.draw, joint))
