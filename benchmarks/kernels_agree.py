"""Free energy, mean nll and shares of phases by every kernel that a model allows, and what they are held against.

One ladder for each model and kernel, each with a seed of its own: kernels that share a seed share the draws of the
prior, and their errors would not be apart. Where there is an oracle it is the reference; else collapsed SMC where the
family allows it, else the ladder of plain NUTS.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from singular import analysis, models, posteriors
from singular.analysis import phases
from singular.analysis.diagnostics import rung_flags
from singular.analysis.draws import read_draws
from singular.analysis.estimate import Estimate
from singular.analysis.wbic import mean_nll
from singular.errors import InputError
from singular.models import catalogue
from singular.models.base import Model
from singular.models.problem import Problem
from singular.posteriors.collapsed_smc import collapsed_smc
from singular.posteriors.kernels import NAMES, kernel_of, renewed_by_moves
from singular.posteriors.ladder import wbic_beta
from singular.posteriors.precision import x64
from singular.posteriors.store import write

N, STIFF_N = 200, 500
CHOSEN = (
    "mixture-2", "product", "tanh-1", "tanh-2-1", "tanh-4", "exponential-1", "relu-2", "hadamard-2-1",
    "matrix-factor-2-2-1-r0", "factor-analysis-4-2-1", "reduced-rank-2-2-1-0", "deep-linear-1-2-2-1-r0",
)  # fmt: skip
"""Members with phases, with and without an oracle; a family that declares a block or moves and has none here adds its
first."""
STIFF: Mapping[str, Callable[[], Model]] = {
    "reduced rank, Watanabe": lambda: models.reduced_rank(6, 6, 4, 3, 3.0, 0.1, 10.0),
    "deep linear, 4 layers of 4": lambda: models.deep_linear([4, 4, 4, 4, 4], 2),
    "factor analysis, p = 10, k = 3": lambda: models.factor_analysis(10, 3, 3),
}
"""Of the size of Watanabe (2013), section 6; the first has his inputs, noise and prior."""
SHORT_TREES: Mapping[str, Mapping[str, Any]] = {
    "reduced rank, Watanabe": {"max_tree_depth": 4, "draws": 250, "warmup": 150},
    "deep linear, 4 layers of 4": {"max_tree_depth": 5, "draws": 250, "warmup": 150},
}
"""Kernels with NUTS in them, where trees of any length would take hours: the moves carry them, NUTS must do no harm."""
UNAFFORDABLE = {("reduced rank, Watanabe", kernel) for kernel in ("nuts", "mclmc", "collapsed")}
"""Without moves trajectories take days to arrive here: see STIFF.md."""
SETTINGS = {"chains": 4, "draws": 800, "warmup": 400}
SMC = "collapsed SMC"


class Route(NamedTuple):
    """A model and a way to its numbers: a kernel, or collapsed SMC."""

    model: str
    way: str


def names() -> list[str]:
    """Return the models: those chosen, and one of each other family that declares a block or moves."""
    return [*every_family(CHOSEN), *STIFF]


def every_family(chosen: Sequence[str], moves: bool = False) -> list[str]:
    """Return these members, and the first of each other family that declares a block or moves, or moves alone."""
    seen = {catalogue.get(name).family for name in chosen}
    more: dict[str, str] = {}
    for name, model in catalogue.MODELS.items():
        if (model.moves or (model.block is not None and not moves)) and model.family not in seen:
            more.setdefault(model.family, name)
    return [*chosen, *more.values()]


@cache
def problem_of(name: str) -> Problem:
    """Return the problem of a name of `names`."""
    if name in STIFF:
        return Problem.from_model(STIFF[name](), n=STIFF_N, seed=0)
    return models.problem(name, n=N, seed=0)


def ways(name: str) -> list[str]:
    """Return the kernels that a model allows, and collapsed SMC if it does."""
    problem, found = problem_of(name), []
    with x64():
        for kernel in NAMES:
            try:
                kernel_of(problem, kernel)
            except InputError:
                continue
            if (name, kernel) not in UNAFFORDABLE:
                found.append(kernel)
    assert problem.model is not None
    if problem.model.block is not None and renewed_by_moves(problem):
        found.append(SMC)
    return found


def numbers(route: Route, folder: Path) -> pd.DataFrame:
    """Return the numbers of a route, one a row, kept on disk; ``exact`` where there is an oracle."""
    path = kept_in(route, folder)
    if not path.exists():
        write(path, _numbers(route).to_csv(index=False))
    return pd.read_csv(path, dtype={"flags": str}).fillna({"flags": ""})


def kept_in(route: Route, folder: Path) -> Path:
    """Return the file of a route."""
    return folder / f"{route.model} by {route.way}.csv".replace(" ", "-").replace(",", "")


def _numbers(route: Route) -> pd.DataFrame:
    problem = problem_of(route.model)
    betas = [wbic_beta(problem.n), 1.0]
    rows = _by_smc(problem, betas) if route.way == SMC else _by_ladder(route, problem, betas)
    known = None
    if problem.model is not None and problem.model.integral is not None:
        known = posteriors.quadrature(problem, betas)
    for row in rows:
        row["exact"], row["exact error"] = _exact(known, row["quantity"], row["beta"])
    return pd.DataFrame(rows).assign(model=route.model, way=route.way, d=problem.dim, n=problem.n)


def _exact(known, quantity: str, beta: float) -> tuple[float, float]:
    """Return the exact value and its stated error; for shares, which state none, that of the free energy."""
    column = quantity if quantity in ("free_energy", "mean_nll") else f"phase:{quantity}"
    if known is None or column not in known.frame:
        return math.nan, math.nan
    row = known.at(beta)
    return float(row[column]), float(row[f"error_{column}"] if quantity == column else row["error_free_energy"])


def _by_smc(problem: Problem, betas: list[float]) -> list[dict[str, Any]]:
    began = time.perf_counter()
    found = collapsed_smc(problem, betas, seed=1).set_index("beta")
    seconds = time.perf_counter() - began
    return [
        {"quantity": quantity, "beta": beta, "value": found[quantity][beta], "mcse": found[error][beta],
         "flags": found["flags"][beta], "seconds": seconds}
        for quantity, error, at in (("free_energy", "mcse", betas[-1:]), ("mean_nll", "mean_nll_mcse", betas))
        for beta in at
    ]  # fmt: skip


def _by_ladder(route: Route, problem: Problem, betas: list[float]) -> list[dict[str, Any]]:
    settings = dict(SETTINGS)
    if route.way != "moves":
        settings |= SHORT_TREES.get(route.model, {})
    seed = NAMES.index(route.way)
    tree = posteriors.ladder(problem, kernel=route.way, seed=seed, progress=False, cores=1, **settings)
    draws = read_draws(tree)
    rows = [_row("free_energy", analysis.free_energy(tree))]
    for beta in betas:
        place = draws.index(beta)
        rows.append(_row("mean_nll", mean_nll(draws, place, rung_flags(tree, draws, [place]))))
    assert problem.model is not None
    if problem.model.phases:
        division = phases.divide(tree, problem.model.phases)
        rows += [
            _row(name, phases.phase_share(division, {}, name, beta)) for name in problem.model.phases for beta in betas
        ]
    seconds = {"seconds": tree.attrs["wall_time"], "rungs": draws.betas.size}
    return [row | seconds for row in rows]


def _row(quantity: str, found: Estimate) -> dict[str, Any]:
    return {"quantity": quantity, "beta": found.beta, "value": found.value, "mcse": found.mcse,
            "flags": "; ".join(found.flags)}  # fmt: skip


def held_against(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the rows with ``reference``, its value and error, and z in joint errors: NaN where nothing is known.

    A share of exactly 0 or 1 has no error of its own, and no z.
    """
    out = []
    for _, part in rows.groupby("model", sort=False):
        present = set(part["way"])
        instead = next((way for way in (SMC, "nuts") if way in present), "")
        held = part[part["way"] == instead].set_index(["quantity", "beta"])
        for row in part.to_dict("records"):
            key = (row["quantity"], row["beta"])
            if not math.isnan(row["exact"]):
                known = ("quadrature", row["exact"], row["exact error"])
            elif row["way"] != instead and key in held.index:
                known = (instead, held.loc[key, "value"], held.loc[key, "mcse"])
            else:
                known = ("", math.nan, math.nan)
            error = math.hypot(row["mcse"], known[2])
            z = (row["value"] - known[1]) / error if row["mcse"] > 0 and error > 0 else math.nan
            out.append({**row, "reference": known[0], "known": known[1], "error": error, "z": z})
    return pd.DataFrame(out).astype({"z": np.float64})
