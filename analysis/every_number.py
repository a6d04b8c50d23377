"""Every number that one ladder gives, in one tidy frame: what `singular estimate` prints."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from singular.analysis.bridge import bridge
from singular.analysis.coefficient_table import coefficient_table
from singular.analysis.criteria_table import criteria
from singular.analysis.draws import Draws, read_draws
from singular.analysis.estimate import Estimate
from singular.analysis.free_energy import METHODS, free_energy
from singular.analysis.moved_prior import Moved, moved_free_energies
from singular.analysis.penalised import bic, laplace
from singular.analysis.regression_coefficient import GRID, WIDTH
from singular.analysis.summary import COLUMNS as SUMMARY
from singular.analysis.summary import summary
from singular.analysis.wbic_offset import adjusted_wbic, wbic_offset
from singular.errors import InputError
from singular.posteriors.quadrature import Exact, quadrature
from singular.posteriors.recognised import problem_behind

if TYPE_CHECKING:
    import xarray as xr

    from singular.models.problem import Problem

COLUMNS = (*SUMMARY[:-1], "se_data", "factor", "beta_low", "beta_high", "target")
"""Of the tidy frame. ``se_data``: over the observations; ``factor``: what the prior scales are multiplied by;
``beta_low``, ``beta_high``: the window of β that a number reads, where it reads one."""
SAME_EQUATIONS = ("pymbar",)
"""Methods of `free_energy` left out: MBAR's equations solved by another program are no other number."""
NEEDS_PROBLEM = "bridge sampling, BIC, Laplace, adjusted WBIC, excess forms, predictive criteria, prior sensitivity"
FINE, LOWEST = 30, 1e-3
"""Points of an exact curve, and the β from which it is drawn, if no rung lies below."""


@dataclass(frozen=True)
class EveryNumber:
    """What one ladder gives.

    Attributes
    ----------
    rows : DataFrame
        One row per number, the columns `COLUMNS`.
    coefficients : DataFrame
        All learning coefficients as `coefficient_table` returns them, with dense curves: for the picture.
    exact : DataFrame or None
        The oracle's numbers over β; None for a problem without one.
    problem : Problem or None
        None if the ladder is of a user's model.
    about : mapping
        Root attributes of the ladder.
    left_out : tuple of str
        What could not be had, and why.
    """

    rows: pd.DataFrame
    coefficients: pd.DataFrame
    exact: pd.DataFrame | None
    problem: Problem | None
    about: dict[str, Any]
    left_out: tuple[str, ...]


def every_number(ladder: xr.DataTree, problem: Problem | None = None, *, fine: bool = False) -> EveryNumber:
    """Read every number off a ladder.

    Parameters
    ----------
    ladder : DataTree
        From β = 0 to 1, with a rung at 1/log n.
    problem : Problem, optional
        The problem it was sampled from. A catalogue member and a shipped data set are recognised from the ladder.
        Without a problem there are no bridge, BIC, Laplace, adjusted WBIC, excess forms, criteria and sensitivity.
    fine : bool
        Whether the exact curve is wanted between the rungs as well, for a picture.

    Returns
    -------
    EveryNumber

    Raises
    ------
    InputError
        If the ladder cannot be read, does not start at β = 0, or lacks a rung at 1/log n.
    """
    draws = read_draws(ladder)
    left_out = []
    if problem is None:
        problem, why = problem_behind(ladder)
        if problem is None:
            left_out.append(f"{NEEDS_PROBLEM}: these need the model, and {why}")
    between = np.geomspace(min(float(draws.betas[1]), LOWEST), 1.0, FINE) if fine else []
    exact = _exact(problem, np.unique([*draws.betas, *regression_points(draws), *between]))
    lookup = exact_at(None if exact is None else exact.frame)
    reference = None if problem is None else problem.reference.nll
    coefficients = coefficient_table(ladder, reference, lookup)
    base = summary(ladder, problem, exact or Exact(pd.DataFrame({"beta": []}), "", ""))
    doubts = () if problem is None else problem.reference.flags
    rows = [base, _coefficient_rows(coefficients, base, doubts), *_evidence(ladder, base, lookup)]
    if problem is not None:
        for name, read in _of_problem(ladder, problem, lookup).items():
            try:
                rows.append(pd.DataFrame(list(read())))
            except InputError as error:
                left_out.append(f"{name}: {error}")
    return EveryNumber(tidy(rows), coefficients, None if exact is None else exact.frame, problem,
                       dict(draws.attrs) | _shape(draws), tuple(left_out))  # fmt: skip


def tidy(parts: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Join frames of rows of one ladder; the first is that of `summary`, and names problem, n and seed."""
    label = {name: parts[0][name].iloc[0] for name in ("problem", "n", "seed")}
    frame = pd.concat([part.assign(**label) for part in parts if len(part)], ignore_index=True)
    numeric = ("beta", "value", "mcse", "exact", "discretisation_error", "se_data", "factor", "beta_low", "beta_high")
    return frame.reindex(columns=list(COLUMNS)).astype(dict.fromkeys(numeric, np.float64))


def exact_at(frame: pd.DataFrame | None) -> Callable[[np.ndarray], pd.DataFrame]:
    """Return a function from inverse temperatures to rows of an oracle's frame, NaN where it holds no such β.

    Examples
    --------
    >>> held = pd.DataFrame({"beta": [0.0, 1.0], "free_energy": [0.0, 7.0], "mean_nll": [9.0, 6.0]})
    >>> exact_at(held)(np.array([0.5, 1.0]))["free_energy"].tolist()
    [nan, 7.0]
    """
    names = ["free_energy", "mean_nll", "effective_learning_coefficient"]
    held = pd.DataFrame({"beta": []}) if frame is None else frame
    betas = held["beta"].to_numpy(dtype=np.float64)

    def rows(points: np.ndarray) -> pd.DataFrame:
        close = np.isclose(np.asarray(points)[:, None], betas, rtol=1e-6, atol=1e-15)
        place = np.where(close.any(axis=1), close.argmax(axis=1) if betas.size else 0, -1)
        columns = {name: held[name].to_numpy() if name in held else np.full(betas.size, np.nan) for name in names}
        return pd.DataFrame({"beta": points} | {n: np.append(c, np.nan)[place] for n, c in columns.items()})

    return rows


def _exact(problem: Problem | None, betas: np.ndarray) -> Exact | None:
    if problem is None or problem.model is None or problem.model.integral is None:
        return None
    return quadrature(problem, betas)


def _shape(draws: Draws) -> dict[str, int]:
    return dict(zip(("chains", "draws", "rungs"), draws.nll.shape, strict=True))


def regression_points(draws: Draws) -> np.ndarray:
    """Return the β that `regression_learning_coefficient` reads, so that it can be held against the oracle."""
    middle = float(draws.betas[draws.wbic_index()])
    return np.geomspace(middle / WIDTH, min(1.0, middle * WIDTH), GRID)


def _coefficient_rows(table: pd.DataFrame, base: pd.DataFrame, doubts: Sequence[str]) -> pd.DataFrame:
    """Return the rows of a table of coefficients that a summary does not hold, without its dense curves.

    ``doubts`` are the flags of the reference point, which the excess forms rest on.
    """
    held = set(zip(base["quantity"], base["method"], strict=True))
    new = np.array([pair not in held for pair in zip(table["quantity"], table["method"], strict=True)])
    window = table["beta_low"] < table["beta_high"]
    wbic = base.loc[base["quantity"] == "wbic", "beta"].iloc[0]
    carried = table["method"] == "excess-mbar"
    kept = table.loc[new & (~carried | np.isclose(table["beta"], wbic, rtol=1e-9))]
    ends = {name: kept[name].where(window) for name in ("beta_low", "beta_high")}
    excess = kept["quantity"] == "excess_coefficient"
    flags = [
        "; ".join(filter(None, (*doubts, own))) if e else own for own, e in zip(kept["flags"], excess, strict=True)
    ]
    return kept.assign(discretisation_error=0.0, flags=flags, **ends)


def _evidence(ladder: xr.DataTree, base: pd.DataFrame, lookup: Callable) -> Iterator[pd.DataFrame]:
    held = set(base.loc[base["quantity"] == "free_energy", "method"])
    truth = _known(lookup, "free_energy", 1.0)
    methods = [method for method in METHODS if method not in held and method not in SAME_EQUATIONS]
    yield pd.DataFrame([_row("free_energy", free_energy(ladder, method), truth) for method in methods])
    offset = wbic_offset(ladder)
    wbic = base.loc[base["quantity"] == "wbic", "beta"].iloc[0]
    yield pd.DataFrame([_row("wbic_offset", offset, _known(lookup, "mean_nll", wbic) - truth)])


def _of_problem(ladder: xr.DataTree, problem: Problem, lookup: Callable) -> dict[str, Callable[[], Iterator[dict]]]:
    """Return, by name, what gives the rows that need the problem."""
    truth = _known(lookup, "free_energy", 1.0)

    return {
        "bridge sampling": lambda: iter([_row("free_energy", bridge(ladder, problem), truth)]),
        "BIC": lambda: iter([_row("free_energy", bic(problem), truth)]),
        "Laplace": lambda: iter([_row("free_energy", laplace(problem), truth)]),
        "adjusted WBIC": lambda: iter([_row("adjusted_wbic", adjusted_wbic(ladder, problem))]),
        "predictive criteria": lambda: iter(criteria(ladder, problem).to_dict("records")),
        "prior sensitivity": lambda: moved_rows(moved_free_energies(ladder, problem)),
    }


def moved_rows(moved: Sequence[Moved]) -> Iterator[dict]:
    """Yield the tidy rows of the free energy under other priors: its shift, and itself."""
    for one in moved:
        yield _row("free_energy_shift", one.shift) | {"factor": one.factor}
        yield _row("free_energy_other_prior", one.free_energy) | {"factor": one.factor}


def _known(lookup: Callable, column: str, beta: float) -> float:
    return float(lookup(np.array([beta]))[column].iloc[0])


def _row(quantity: str, e: Estimate, exact: float = math.nan) -> dict[str, Any]:
    return {
        "quantity": quantity,
        "beta": math.nan if e.beta is None else e.beta,
        "method": e.method,
        "value": e.value,
        "mcse": e.mcse,
        "exact": exact,
        "flags": "; ".join(e.flags),
        "discretisation_error": e.discretisation_error,
        "target": e.target,
    }
