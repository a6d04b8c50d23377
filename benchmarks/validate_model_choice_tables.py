"""Pure functions from criteria to choices: what was picked, how often it was the truth, and how sure each pick is."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping

import numpy as np
import pandas as pd
from scipy.stats import binomtest

CRITERIA = ("F", "WBIC", "sBIC", "BIC", "WAIC", "LOO")
"""All in nats on the scale of −log likelihood, the lower the better."""
FACTORS = {"F, prior × ½": 0.5, "F, prior × 2": 2.0}
"""Column of the evidence under other scales of the priors -> the factor."""
SAME_SET = ["family", "n", "seed"]
TIE = 2.0
"""Joint errors within which two sizes count as tied."""
DECREASE = 0.01
"""Nats by which a larger model may fit worse than one that it contains before the search for its maximum is blamed."""


def wilson(successes: int, total: int) -> tuple[float, float]:
    """Return the Wilson score interval of a share at one standard error; it holds the share and has width at 0 and 1.

    With k of N and z = 1 its ends are (k + ½ ± √(k (N − k)/N + ¼)) / (N + 1).

    References
    ----------
    Wilson (1927), J. Am. Statist. Assoc. 22, 209-212.
    """
    half = math.sqrt(successes * (total - successes) / total + 0.25)
    return max(0.0, (successes + 0.5 - half) / (total + 1)), min(1.0, (successes + 0.5 + half) / (total + 1))


def share(successes: int, total: int) -> str:
    """Return a share with half the width of its Wilson interval."""
    low, high = wilson(successes, total)
    return f"{successes / total:.2f} ± {(high - low) / 2:.2f}"


def picks(rows: pd.DataFrame, truths: Mapping[str, int], criteria: tuple[str, ...] = CRITERIA) -> pd.DataFrame:
    """Return what each criterion picks on each data set.

    Parameters
    ----------
    rows : DataFrame
        One row for each size of each data set: ``family, n, seed, size``, each criterion, and ``mcse of …`` where it
        has a Monte Carlo error.
    truths : mapping
        Family -> true size.

    Returns
    -------
    DataFrame
        ``family, n, seed, criterion, picked, excess`` (picked less true), ``right``, ``margin`` (second best less
        best, nats) and ``error`` (its Monte Carlo error, of two independent ladders). Data sets on which a criterion
        has a missing value are left out for that criterion.
    """
    found = []
    for key, part in rows.groupby(SAME_SET, sort=False):
        for criterion in criteria:
            values = part[criterion].to_numpy(dtype=float)
            if not np.isfinite(values).all():
                continue
            errors = part.get(f"mcse of {criterion}", pd.Series(0.0, part.index)).to_numpy(dtype=float)
            best, second = np.argsort(values, kind="stable")[:2]
            picked, truth = int(part["size"].iloc[best]), truths[str(key[0])]
            margin, error = values[second] - values[best], math.hypot(errors[best], errors[second])
            found.append((*key, criterion, picked, picked - truth, picked == truth, margin, error))
    return pd.DataFrame(found, columns=[*SAME_SET, "criterion", "picked", "excess", "right", "margin", "error"])


def share_table(chosen: pd.DataFrame) -> pd.DataFrame:
    """Return the share of data sets on which the true size was picked, a row for each family and n."""
    return _by_criterion(chosen, lambda part: share(int(part["right"].sum()), len(part)))


def excess_table(chosen: pd.DataFrame) -> pd.DataFrame:
    """Return the mean of picked less true size, with its standard error over data sets."""

    def cell(part: pd.DataFrame) -> str:
        return f"{part['excess'].mean():+.2f} ± {part['excess'].std(ddof=1) / math.sqrt(len(part)):.2f}"

    return _by_criterion(chosen, cell)


def sizes_table(chosen: pd.DataFrame) -> pd.DataFrame:
    """Return how often each size was picked: smaller than the truth / the truth / larger."""

    def cell(part: pd.DataFrame) -> str:
        return " / ".join(str(int(s.sum())) for s in (part["excess"] < 0, part["right"], part["excess"] > 0))

    return _by_criterion(chosen, cell)


def tie_table(chosen: pd.DataFrame) -> pd.DataFrame:
    """Return the median margin and its median error, and on how many data sets it is within `TIE` errors of 0."""
    with_error = chosen[chosen.groupby("criterion")["error"].transform("max") > 0]

    def cell(part: pd.DataFrame) -> str:
        tied = int((part["margin"] <= TIE * part["error"]).sum())
        return f"{part['margin'].median():.2f}, {part['error'].median():.2f}, {tied} of {len(part)}"

    return _by_criterion(with_error, cell)


def prior_choices(rows: pd.DataFrame, truths: Mapping[str, int]) -> pd.DataFrame:
    """Return for each data set and each other prior what F picks then.

    Columns ``family, n, seed, criterion`` (one of `FACTORS`), ``changed`` (another size than under the prior as it
    is), ``close`` (the two best lie within `TIE` joint errors of a tie), ``flagged`` (the reweighting of any size is)
    and ``right``. A data set is left out where a reweighted evidence is missing.
    """
    chosen = picks(rows, truths, ("F", *FACTORS))
    own = chosen[chosen["criterion"] == "F"][[*SAME_SET, "picked"]].rename(columns={"picked": "before"})
    others = chosen[chosen["criterion"] != "F"].merge(own, on=SAME_SET)
    flags = rows[[*SAME_SET, *(f"flags of {name}" for name in FACTORS)]].melt(SAME_SET, var_name="criterion")
    flags["criterion"] = flags["criterion"].str.removeprefix("flags of ")
    flags["flagged"] = flags["value"].fillna("").astype(str) != ""
    flags = flags.groupby([*SAME_SET, "criterion"], as_index=False)["flagged"].any()
    others = others.merge(flags, on=[*SAME_SET, "criterion"])
    others["changed"] = others["picked"] != others["before"]
    others["close"] = others["margin"] <= TIE * others["error"]
    return others[[*SAME_SET, "criterion", "changed", "close", "flagged", "right"]]


def prior_table(moved: pd.DataFrame) -> pd.DataFrame:
    """Return the counts of `prior_choices`, a row for each family and n."""
    found = []
    for (family, n), part in moved.groupby(["family", "n"], sort=False):
        row: dict[str, object] = {"family": family, "n": n, "data sets": part["seed"].nunique()}
        for name, factor in FACTORS.items():
            own = part[part["criterion"] == name]
            row[f"× {factor:g}: changed, of these close"] = f"{own['changed'].sum()}, {changed(own, 'close')}"
            row[f"× {factor:g}: flagged"] = int(own["flagged"].sum())
            row[f"× {factor:g}: changed without a flag"] = int((own["changed"] & ~own["flagged"]).sum())
            row[f"× {factor:g}: right"] = int(own["right"].sum())
        found.append(row)
    return pd.DataFrame(found)


def changed(moved: pd.DataFrame, also: str) -> int:
    """Count the changed choices that are also something else."""
    return int((moved["changed"] & moved[also]).sum())


def paired_table(chosen: pd.DataFrame, first: str = "F") -> pd.DataFrame:
    """Return on how many data sets only one of two criteria is right, with the exact sign test of that.

    Columns ``family, n, other, only F, only the other, p`` (two-sided; 1 where the two are never apart).
    """
    wide = chosen.pivot_table(index=SAME_SET, columns="criterion", values="right", aggfunc="first", sort=False)
    found = []
    for (family, n), part in wide.groupby(level=["family", "n"], sort=False):
        for other in (c for c in CRITERIA if c != first and c in part):
            both = part[[first, other]].dropna().astype(bool)
            ahead, behind = int((both[first] & ~both[other]).sum()), int((~both[first] & both[other]).sum())
            p = binomtest(ahead, ahead + behind).pvalue if ahead + behind else 1.0
            found.append((family, n, other, ahead, behind, p))
    return pd.DataFrame(found, columns=["family", "n", "other", f"only {first}", "only the other", "p"])


def exact_table(rows: pd.DataFrame) -> pd.DataFrame:
    """Return F from the ladders against the exact evidence: largest and rms error, nats, and rms z."""
    known = rows[rows["exact F"].notna() & (rows["mcse of F"] > 0)]
    found = []
    for (family, n, size), part in known.groupby(["family", "n", "size"], sort=False):
        gap = part["F"] - part["exact F"]
        z = gap / part["mcse of F"]
        found.append((family, n, size, len(part), math.sqrt((gap**2).mean()), gap.abs().max(),
                      part["mcse of F"].median(), math.sqrt((z**2).mean()), z.abs().max()))  # fmt: skip
    columns = ["family", "n", "size", "ladders", "rms error", "largest error", "median mcse", "rms z", "largest |z|"]
    return pd.DataFrame(found, columns=columns)


def worse_fits(rows: pd.DataFrame) -> int:
    """Count the models whose maximal likelihood, as found, falls short of that of a smaller one."""
    ordered = rows.sort_values([*SAME_SET, "size"])
    least = ordered.groupby(SAME_SET)["nll"].cummin()
    return int((ordered["nll"] > least + DECREASE).sum())


def _by_criterion(chosen: pd.DataFrame, cell) -> pd.DataFrame:
    found = []
    names = [name for name in dict.fromkeys(itertools.chain(CRITERIA, chosen["criterion"])) if
             (chosen["criterion"] == name).any()]  # fmt: skip
    for (family, n), part in chosen.groupby(["family", "n"], sort=False):
        row: dict[str, object] = {"family": family, "n": n, "data sets": part["seed"].nunique()}
        for name in names:
            own = part[part["criterion"] == name]
            row[name] = cell(own) if len(own) else ""
        found.append(row)
    return pd.DataFrame(found)
