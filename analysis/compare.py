"""Every method at hand on the same ladders, beside the oracle."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from singular.analysis.cases import make_problem
from singular.analysis.every_number import every_number
from singular.analysis.study import check_target
from singular.errors import InputError
from singular.posteriors import store
from singular.posteriors.ladder import ladder

if TYPE_CHECKING:
    from singular.models.problem import Problem

COLUMNS = ("problem", "n", "seed", "beta", "quantity", "method", "value", "mcse", "exact", "z", "flags")
STAND_INS = ("wbic", "bic", "laplace")
"""Numbers that are no estimate of F_n, and are taken for it."""
COMPARED = ("free_energy", "wbic", "learning_coefficient")


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
        Tidy, with ``z`` = (value − exact) / mcse. WBIC, BIC and Laplace's approximation are held against the free
        energy they stand in for: WBIC's z says how far that is from true, and the other two, numbers without draws,
        have no z. The learning coefficients at 1/log n, each against the exact value of what it estimates.

    Raises
    ------
    InputError
        If a name is unknown or n is below 3.
    """
    return over_problems(names, n, seed, out, lambda p: _answers(p, seed, chains, draws, warmup, progress))


def over_problems(
    names: Sequence[str], n: int, seed: int, out: Path | None, rows_of: Callable[[Problem], pd.DataFrame]
) -> pd.DataFrame:
    """Return the rows of every problem, one frame; kept as CSV in ``out``, which is looked at before any work.

    Raises
    ------
    InputError
        If a name is unknown or n is below 3.
    """
    if n < 3:
        raise InputError(f"n={n!r} must be at least 3: WBIC and learning coefficients are read at 1/log n < 1")
    if out is not None:
        check_target(out)
    problems = [make_problem(name, n, seed) for name in names]
    rows = pd.concat([rows_of(problem) for problem in problems], ignore_index=True)
    if out is not None:
        store.write(out, rows.to_csv(index=False))
    return rows


def _answers(problem: Problem, seed: int, chains: int, draws: int, warmup: int, progress: bool) -> pd.DataFrame:
    tree = ladder(problem, None, chains, draws, warmup, seed, progress)
    if not tree.attrs["complete"]:
        raise KeyboardInterrupt
    rows = every_number(tree, problem).rows
    truth = rows.loc[rows["quantity"] == "free_energy", "exact"].iloc[0]
    kept = rows.loc[rows["quantity"].isin(COMPARED)].copy()
    wbic = kept["quantity"] == "wbic"
    kept["exact"] = kept["exact"].where(~wbic, truth)
    kept["quantity"] = kept["quantity"].where(~wbic, "free_energy")
    kept["mcse"] = kept["mcse"].where(kept["mcse"] > 0)
    kept["z"] = (kept["value"] - kept["exact"]) / kept["mcse"]
    last = 2 * (kept["quantity"] == "learning_coefficient") + kept["method"].isin(STAND_INS)
    return kept.iloc[np.argsort(last, kind="stable")].loc[:, list(COLUMNS)]
