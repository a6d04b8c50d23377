"""The score of a submission: bias, RMSE and coverage against exact values, by family, method and target."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

import numpy as np
import pandas as pd
from scipy.stats import binomtest, norm

from singular.analysis.targets import ASYMPTOTIC, TARGETS, ExactValue
from singular.models import catalogue, real
from singular.posteriors.ladder import wbic_beta

LEVELS = (50, 90, 95)
"""Nominal coverage, per cent."""
FAR_OFF = 4.0
"""Claimed errors from which an estimate is told to be off."""
EVERY = "all"
"""The family of the row that sums up all of them."""
ROWS = (
    "problem", "n", "seed", "beta", "quantity", "method", "value", "mcse", "exact", "flags", "exact_error",
    "exact_route", "difference", "z", "family", "gamma", "gradients", "source",
)  # fmt: skip

Asked = tuple[str, int, int, str, float | None]
"""What has an exact value: problem, n, seed, target, γ."""


def asked(row: Mapping[Any, Any]) -> Asked:
    """Return what a row of a submission estimates.

    Examples
    --------
    >>> asked({"problem": "product", "n": 50, "seed": 0, "target": "wbic", "gamma": math.nan})
    ('product', 50, 0, 'wbic', None)
    """
    gamma = row["gamma"]
    return row["problem"], int(row["n"]), int(row["seed"]), row["target"], None if pd.isna(gamma) else float(gamma)


def family(name: str) -> str:
    """Return the family of a problem.

    Examples
    --------
    >>> family("tanh-2"), family("galaxies-3")
    ('tanh network', 'normal mixture, real data')
    """
    if name in catalogue.MODELS:
        return catalogue.MODELS[name].family
    return f"{real.DATA_SETS[name.rsplit('-', 1)[0]].family}, real data"


def joined(estimates: pd.DataFrame, exact: Mapping[Asked, ExactValue]) -> pd.DataFrame:
    """Put the exact value beside every estimate.

    Parameters
    ----------
    estimates : DataFrame
        As `read_submissions` returns it; a column ``flags`` is kept.
    exact : mapping
        The exact value of everything `asked`.

    Returns
    -------
    DataFrame
        Tidy, columns `ROWS`: ``mcse`` is the claimed error, ``difference`` is value − exact and
        z = difference / √(mcse² + exact_error²), NaN where no error is claimed.
    """
    values = [exact[asked(row)] for row in estimates.to_dict("records")]
    difference = np.array([e - float(v.value) for e, v in zip(estimates["value"], values, strict=True)])
    exact_error = np.array([v.error for v in values])
    error = estimates["error"].to_numpy(dtype=float)
    z = _standardised(difference, np.hypot(error, exact_error))
    betas = {"free_energy": lambda n: 1.0, ASYMPTOTIC: lambda n: math.nan}
    flags = estimates["flags"] if "flags" in estimates else [""] * len(estimates)
    frame = estimates.rename(columns={"target": "quantity", "error": "mcse"}).assign(
        beta=[betas.get(t, wbic_beta)(n) for t, n in zip(estimates["target"], estimates["n"], strict=True)],
        exact=[float(v.value) for v in values],
        exact_error=exact_error,
        exact_route=[v.route for v in values],
        difference=difference,
        z=z,
        family=[family(name) for name in estimates["problem"]],
        flags=[_joined_flags(*row) for row in zip(flags, difference, error, z, strict=True)],
    )
    return frame.loc[:, list(ROWS)]


def by_family(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the score of each target, family and method, and of all families together.

    Returns
    -------
    DataFrame
        ``quantity, family, method`` and what `scores` gives; targets in the order of `TARGETS`, all families last.
    """
    several = [rows.loc[rows["quantity"] == quantity, "family"].nunique() > 1 for quantity in rows["quantity"]]
    return _table(pd.concat([rows, rows.loc[several].assign(family=EVERY)]), ["quantity", "family", "method"])


def by_problem(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the score of each problem of one size: ``quantity, problem, n, gamma, method`` and `scores` over seeds."""
    return _table(rows, ["quantity", "problem", "n", "gamma", "method"])


def scores(rows: pd.DataFrame) -> dict[str, float]:
    """Return the score of some rows of one target.

    Parameters
    ----------
    rows : DataFrame
        From `joined`.

    Returns
    -------
    dict
        ``count``; ``bias``, the mean difference, with ``bias_mcse``, from the spread of the differences and from the
        errors of the exact values, which rows of one data set share; ``rmse`` with ``rmse_mcse``, from the spread
        of the squares; ``claimed``, how many rows state an error, ``median_error`` of them; ``rms_z``, 1 if the
        errors are right, above if they are too small; ``coverage_50`` and so on, the share of rows whose
        central interval of that per cent, ± quantile × √(mcse² + exact_error²), holds the exact value, with
        Wilson's 95 % interval ``…_low``, ``…_high``; ``gradients`` in all, and ``gradients_per_row`` of those
        that tell. What is unknown is NaN: errors of one row, coverage without a claimed error.
    """
    off = rows["difference"].to_numpy(dtype=float)
    z = rows["z"].to_numpy(dtype=float)
    z = z[~np.isnan(z)]
    rmse = math.sqrt(np.mean(off**2))
    told = rows["gradients"].dropna().to_numpy(dtype=float)
    claimed = rows["mcse"].dropna().to_numpy(dtype=float)
    found = {
        "count": len(off),
        "bias": float(off.mean()),
        "bias_mcse": math.hypot(_standard_error(off), _shared_error(rows)),
        "rmse": rmse,
        "rmse_mcse": _standard_error(off**2) / (2 * rmse) if rmse > 0 else 0.0 * _standard_error(off),
        "claimed": len(z),
        "median_error": float(np.median(claimed)) if len(claimed) else math.nan,
        "rms_z": math.sqrt(np.mean(z**2)) if len(z) else math.nan,
    }
    for level in LEVELS:
        names = [f"coverage_{level}{end}" for end in ("", "_low", "_high")]
        found |= dict(zip(names, coverage(z, level), strict=True))
    many = len(told) > 0
    return {
        **found,
        "gradients": float(told.sum()) if many else math.nan,
        "gradients_per_row": float(told.mean()) if many else math.nan,
    }


def coverage(z: np.ndarray, level: float) -> tuple[float, float, float]:
    """Return the share of |z| within the central ``level`` per cent of a normal, and Wilson's 95 % interval for it.

    Examples
    --------
    >>> [round(x, 3) for x in coverage(np.array([0.1, -0.2, 3.0, 1.5]), 90)]
    [0.75, 0.301, 0.954]
    """
    if len(z) == 0:
        return math.nan, math.nan, math.nan
    inside = int(np.sum(np.abs(z) <= norm.ppf(0.5 + level / 200)))
    interval = binomtest(inside, len(z)).proportion_ci(0.95, method="wilson")
    return inside / len(z), float(interval.low), float(interval.high)


def _standardised(difference: np.ndarray, error: np.ndarray) -> np.ndarray:
    """Return difference / error; where the error is 0 it is 0 for no difference at all, else infinite."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where((difference == 0) & ~np.isnan(error), 0.0, difference / error)


def _standard_error(values: np.ndarray) -> float:
    return float(values.std(ddof=1) / math.sqrt(len(values))) if len(values) > 1 else math.nan


def _shared_error(rows: pd.DataFrame) -> float:
    """Return the error of the mean difference that the exact values bring in."""
    same = ["problem", "n", "seed", "gamma"]
    parts = rows.groupby(same, dropna=False)["exact_error"].agg(lambda e: float(e.iloc[0]) * len(e) / len(rows))
    return float(np.sqrt(np.sum(parts.to_numpy(dtype=float) ** 2)))


def _joined_flags(flags: str, difference: float, error: float, z: float) -> str:
    far = f"claimed {error:.2g}, off by {difference:+.2g}" if abs(z) > FAR_OFF else ""
    return "; ".join(part for part in (flags, far) if part)


def grouped(rows: pd.DataFrame, keys: Sequence[str]) -> Iterator[tuple[tuple[Any, ...], pd.DataFrame]]:
    """Yield the values of the key columns and the rows that share them, in order of appearance."""
    for key, group in rows.groupby(list(keys), sort=False, dropna=False):
        yield cast("tuple[Any, ...]", key), group


def _table(rows: pd.DataFrame, keys: Sequence[str]) -> pd.DataFrame:
    found = [{**dict(zip(keys, key, strict=True)), **scores(group)} for key, group in grouped(rows, keys)]
    frame = pd.DataFrame(found)
    orders = {"quantity": list(TARGETS), "family": [*dict.fromkeys(f for f in rows["family"] if f != EVERY), EVERY]}
    return frame.sort_values(
        by=list(keys)[:2],
        key=lambda c: c.map(orders[str(c.name)].index) if str(c.name) in orders else c,
        kind="stable",
    ).reset_index(drop=True)
