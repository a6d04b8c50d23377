"""Bayes, SGLD, SGD and early stopping of one model on one data set, laid on one axis of temperature.

T = 1/(nβ) in the unit of the mean loss, for all of them: of a tempered posterior and of SGLD by definition, of SGD
ησ²ρ/(2(1 − μ)), of gradient descent stopped after N steps 1/(τηN), τ the precision of the prior. What each reads there
is held against what the tempered posterior has there: it is the same only where the law is Gibbs.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from singular.analysis.axis_sources import (
    EXCESS,
    HALF_PARAMETERS,
    Gibbs,
    curvatures_of,
    descent_rows,
    sgd_row,
    sgld_row,
)
from singular.analysis.law_inputs import number
from singular.errors import InputError, whole

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from singular.models.problem import Problem

COLUMNS = (
    "kind", "setting", "temperature", "quantity", "value", "mcse", "gibbs", "gibbs_error", "ratio", "ratio_error",
    "flags",
)  # fmt: skip
TEMPERED, SGLD = "tempered posterior", "SGLD"
ISOTROPIC, OWN = "SGD, isotropic noise", "SGD, the model's own noise"
STOPPED = "gradient descent, stopped"


@dataclass(frozen=True)
class Axis:
    """What was read at each temperature.

    Attributes
    ----------
    problem : str
    table : DataFrame
        One row for each kind and temperature: ``kind``, ``setting`` (in words), ``temperature`` (of the mean loss),
        ``quantity`` (``excess coefficient``, (E[L_n] − L_n(reference))/T, or ``half the effective parameters``),
        ``value`` and its Monte Carlo error ``mcse``; ``gibbs``, the same quantity of the tempered posterior there, and
        ``gibbs_error``; ``ratio`` = value/gibbs and ``ratio_error``, of both errors; ``flags``. All dimensionless but
        the temperature. Rows of the tempered posterior itself have no ratio.
    route : str
        Where the tempered posterior's numbers are from.
    """

    problem: str
    table: pd.DataFrame
    route: str

    def figure(self) -> Figure:
        """Draw what each reads over temperature, and the ratios to the tempered posterior below."""
        from singular.analysis.figures_axis import draw

        return draw({self.problem: (self.table, self.route)})


def axis(
    problem: Problem,
    temperatures: Sequence[float] | np.ndarray,
    *,
    settings: Sequence[Mapping[str, Any]] = (),
    sgld: bool = True,
    step_size: float | None = None,
    steps: Sequence[int] = (),
    prior_precision: float = 1.0,
    relaxations: float = 10.0,
    runs: int = 200,
    chains: int = 64,
    draws: int = 200,
    seed: int = 0,
) -> Axis:
    """Lay tempered posterior, SGLD, SGD and stopped gradient descent of one problem on one axis of temperature.

    Parameters
    ----------
    problem : Problem
    temperatures : sequence of float
        T = 1/(nβ), from 1/n (β = 1) up, at which the tempered posterior and SGLD are taken. The tempered posterior is
        exact where the problem has an oracle; else it is read off one NUTS ladder, all rungs together.
    settings : sequence of mapping
        Each the arguments of one `posteriors.sgd`: ``learning_rate``, ``batch_size``, ``momentum``, ``sigma``,
        ``noise``. With ``noise="isotropic"`` the prior comes as its weight decay and the law should be Gibbs. Without
        ``noise`` the minibatch's own is declared to have a variance of ``sigma``² a coordinate, 1 if not given, as
        people do who read off a temperature: T = ησ²ρ/(2(1 − μ)), with a weight decay of Tτ. Such rows are departures,
        to be judged by their ratio. T must be at least 1/n.
    sgld : bool
        Whether SGLD is run: all data, ε by MALA's acceptance.
    step_size, steps
        η and the N of stopped gradient descent, T = 1/(τηN) ≥ 1/n. Half its effective parameters
        (`effective_parameters.descent_parameters`) are held against half of the tempered posterior's: exact on a
        quadratic, elsewhere by tangents of the trajectories and by a ladder.
    prior_precision : float
        τ, of a normal prior N(0, I/τ).
    relaxations : float
        How many of its slowest relaxations, 1/(ηTτ/(1 − μ)) steps, SGD is run for; the second half is read. SGLD has as
        many, and half as many before them.
    runs, chains, draws : int
        Of SGD and of the starts of descent; of SGLD; draws of each chain of SGLD.
    seed : int

    Returns
    -------
    Axis

    Raises
    ------
    InputError
        If an argument is not as above: a temperature below 1/n, say.

    References
    ----------
    Mandt, Hoffman and Blei (2017), J. Mach. Learn. Res. 18(134): SGD's temperature. Ali, Kolter and Tibshirani (2019),
    arXiv:1810.10082: early stopping and ridge.

    Examples
    --------
    >>> from singular import models
    >>> found = axis(models.problem("linear-2", n=50), [0.02, 0.1], sgld=False, step_size=0.1, steps=[100])
    >>> found.table[["kind", "temperature"]].values.tolist()
    [['tempered posterior', 0.02], ['tempered posterior', 0.1], ['gradient descent, stopped', 0.1]]
    """
    grid = _temperatures(problem, temperatures)
    tau, times = number("prior_precision", prior_precision), number("relaxations", relaxations)
    for name, value in (("runs", runs), ("chains", chains), ("draws", draws)):
        whole(name, value, 2)
    whole("seed", seed, 0)
    told = [_setting(problem, i, one) for i, one in enumerate(settings)]
    stops = _stops(problem, step_size, steps, tau)
    known = np.concatenate([grid, [t for _, t in told], stops])
    curvatures = curvatures_of(problem)
    gibbs = Gibbs.of(problem, known, tau, curvatures, effective=stops.size > 0, seed=seed)
    rows = []
    for t in grid:
        value, error, flags = gibbs.excess(t)
        rows.append((TEMPERED, gibbs.route, t, EXCESS, value, error, value, error, math.nan, math.nan, flags))
    if sgld:
        for i, t in enumerate(grid):
            setting, value, error, flags = sgld_row(problem, t, times / tau, chains, draws, seed + i)
            rows.append(_against(SGLD, setting, t, EXCESS, value, error, *gibbs.excess(t), flags=flags))
    for i, (one, t) in enumerate(told):
        setting, value, error, flags = sgd_row(problem, one, t, tau, times, runs, seed + i)
        kind = ISOTROPIC if one.get("noise") == "isotropic" else OWN
        rows.append(_against(kind, setting, t, EXCESS, value, error, *gibbs.excess(t), flags=flags))
    if stops.size:
        found = descent_rows(problem, float(step_size or 0.0), [int(n) for n in steps], curvatures, runs, seed)
        for (setting, value, error, flags), t in zip(found, stops, strict=True):
            rows.append(_against(STOPPED, setting, t, HALF_PARAMETERS, value, error, *gibbs.half(t), flags=flags))
    return Axis(problem.name, pd.DataFrame(rows, columns=list(COLUMNS)), gibbs.route)


def _against(
    kind: str, setting: str, t: float, quantity: str, value: float, error: float, gibbs: float, gibbs_error: float,
    gibbs_flags: str, flags: str,
) -> tuple:  # fmt: skip
    ratio = value / gibbs
    ratio_error = float(np.hypot(error, ratio * gibbs_error) / abs(gibbs))
    both = "; ".join(dict.fromkeys(part for part in (flags, gibbs_flags) if part))
    return kind, setting, t, quantity, value, error, gibbs, gibbs_error, ratio, ratio_error, both


def _temperatures(problem: Problem, temperatures: Sequence[float] | np.ndarray) -> np.ndarray:
    grid = np.asarray(temperatures, dtype=np.float64)
    if grid.ndim != 1 or grid.size == 0 or not np.all(np.isfinite(grid)) or grid.min() < (1 - 1e-9) / problem.n:
        raise InputError(f"temperatures={temperatures!r}: allowed are numbers of at least 1/n = {1 / problem.n:g}")
    return np.sort(grid)


def _setting(problem: Problem, place: int, given: Mapping[str, Any]) -> tuple[dict[str, Any], float]:
    """Return a setting of SGD with its weight decay, and the temperature it is declared to have."""
    from singular.posteriors.sgd_setting import checked_setting

    allowed = {"learning_rate", "batch_size", "momentum", "sigma", "noise", "replacement", "weight_decay"}
    if not isinstance(given, Mapping) or set(given) - allowed or given.get("noise") not in (None, "isotropic"):
        raise InputError(
            f"settings[{place}]={given!r}: allowed are {', '.join(sorted(allowed))}, noise 'isotropic' or None"
        )
    one = dict(given)
    if one.get("momentum") is not None:
        one["optimiser"] = "momentum"
    if one.get("noise") is None and one.get("batch_size") is None:
        raise InputError(f"settings[{place}]={given!r} has no noise: allowed is noise='isotropic' or a batch_size")
    checked = checked_setting(problem.n, problem.dim, **one)
    t = checked.sigma**2 * checked.temperature_scale
    if t < (1 - 1e-9) / problem.n:
        raise InputError(f"settings[{place}] has T = {t:.3g}: allowed is 1/n = {1 / problem.n:g} or more")
    return one, t


def _stops(problem: Problem, step_size: float | None, steps: Sequence[int], tau: float) -> np.ndarray:
    if (step_size is None) != (len(steps) == 0):
        raise InputError(f"step_size={step_size!r}, steps={steps!r}: stopped gradient descent needs both")
    if step_size is None:
        return np.zeros(0)
    counts = np.array([whole("steps", n, 1) for n in steps], dtype=np.float64)
    t = 1 / (tau * number("step_size", step_size) * counts)
    if np.any(np.diff(counts) <= 0) or t.min() < (1 - 1e-9) / problem.n:
        raise InputError(
            f"steps={steps!r}: allowed are ascending numbers with step_size × steps × prior_precision up to n"
        )
    return t
