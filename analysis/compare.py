"""Every method at hand on the same ladders, beside the oracle."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from singular.analysis.cases import exact_numbers, make_problem
from singular.analysis.draws import rung_betas
from singular.analysis.free_energy import free_energy
from singular.analysis.learning_coefficient import learning_coefficient
from singular.analysis.study import check_target
from singular.analysis.wbic import wbic
from singular.errors import InputError
from singular.models import real
from singular.posteriors import store
from singular.posteriors.ladder import ladder

if TYPE_CHECKING:
    from singular.models.problem import Problem

FREE_ENERGY = ("mbar", "ti", "stepping-stone")
LEARNING_COEFFICIENT = ("mbar", "variance", "two-temperature")
COLUMNS = ("problem", "n", "seed", "beta", "quantity", "method", "value", "mcse", "exact", "z", "flags")


def compare(
    names: Sequence[str],
    n: int = 500,
    seed: int = 0,
    chains: int = 4,
    draws: int = 1000,
    warmup: int = 500,
    out: Path | None = None,
    progress: bool = True,
) -> pd.DataFrame:
    """Sample each problem once and answer with every method.

    Parameters
    ----------
    names : sequence of str
        Catalogue models and real problems.
    n, seed : int
        Of the simulated data; ``seed`` is the sampler's too.
    chains, draws, warmup : int
        As for ``posteriors.ladder``.
    out : path, optional
        CSV file for the rows.
    progress : bool

    Returns
    -------
    DataFrame
        Tidy, with ``z`` = (value − exact) / mcse. WBIC and BIC are held against the free energy they stand in
        for: their z says how far that is from true, and BIC, a number without draws, has neither mcse nor z.

    Raises
    ------
    InputError
        If a name is unknown or n is below 3.
    """
    if n < 3:
        raise InputError(f"n={n!r} must be at least 3: WBIC is read at 1/log n < 1")
    if out is not None:
        check_target(out)
    problems = [make_problem(name, n, seed) for name in names]
    rows = pd.concat([_answers(p, seed, chains, draws, warmup, progress) for p in problems], ignore_index=True)
    if out is not None:
        store.write(out, rows.to_csv(index=False))
    return rows


def _answers(problem: Problem, seed: int, chains: int, draws: int, warmup: int, progress: bool) -> pd.DataFrame:
    tree = ladder(problem, None, chains, draws, warmup, seed, progress)
    if not tree.attrs["complete"]:
        raise KeyboardInterrupt
    betas = rung_betas(tree)
    exact = exact_numbers(problem, betas)
    truth = math.nan if exact is None else _number(exact.at(1.0), "free_energy")
    rows = []

    def add(quantity: str, method: str, beta: float, value: float, mcse: float, right: float, flags) -> None:
        z = (value - right) / mcse if mcse > 0 else math.nan
        about = (problem.name, problem.n, problem.seed)
        rows.append((*about, beta, quantity, method, value, mcse, right, z, "; ".join(flags)))

    for method in FREE_ENERGY:
        e = free_energy(tree, method)
        add("free_energy", method, 1.0, e.value, e.mcse, truth, e.flags)
    e = wbic(tree)
    add("free_energy", "wbic", e.beta or math.nan, e.value, e.mcse, truth, e.flags)
    flags = problem.reference.flags or (("unbounded likelihood",) if real.unbounded(problem.name) else ())
    bic = problem.reference.nll + problem.dim / 2 * math.log(problem.n)
    add("free_energy", "bic", 1.0, bic, math.nan, truth, flags)
    for method in LEARNING_COEFFICIENT:
        e = learning_coefficient(tree, method)
        add("learning_coefficient", method, e.beta or math.nan, e.value, e.mcse, _seen(exact, betas, e), e.flags)
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _seen(exact, betas: np.ndarray, estimate) -> float:
    """Return the exact value of what the estimate aims at: λ_eff at its β, or the secant to the next rung."""
    if exact is None:
        return math.nan
    here = exact.at(estimate.beta)
    if estimate.method != "two-temperature":
        return _number(here, "effective_learning_coefficient")
    above = exact.at(float(betas[np.searchsorted(betas, estimate.beta * (1 + 1e-9))]))
    gap = _number(here, "mean_nll") - _number(above, "mean_nll")
    return gap / (1 / _number(here, "beta") - 1 / _number(above, "beta"))


def _number(row: pd.Series, name: str) -> float:
    return np.asarray(row[name], dtype=np.float64).item()
