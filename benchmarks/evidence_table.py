"""The arithmetic of the evidence benchmark: errors, the yardstick and how well it is known, who is best."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd
from evidence_runs import DONE, TOOLS
from scipy.stats import chi2, f

LEVEL = 0.9
GRADIENT = 3
"""Likelihoods that a gradient is counted as in the second yardstick: about what reverse mode costs."""
OURS = ("ladder", "mbar")
"""The reading judged, chosen beforehand: MBAR on one ladder at default settings."""
READ_HERE = "bridge at β = 1 alone"
"""NumPyro's draws read off by this package's bridge: shown, but not one of the peers of the goal."""


class Yardstick(NamedTuple):
    """Mean evaluations × mean squared error, nats²; ``low`` and ``high`` hold it with probability `LEVEL`."""

    value: float
    low: float
    high: float


def yardstick(evaluations: np.ndarray, errors: np.ndarray) -> Yardstick:
    """Return the yardstick of some runs.

    ``errors`` are taken for independent normals of mean 0: then their mean square times their number over its
    expectation is chi-square, with as many degrees of freedom as runs. The spread of the evaluations is left out.

    Parameters
    ----------
    evaluations, errors : (run,) float
        Evaluations, and estimate − exact in nats.
    """
    runs = len(errors)
    value = float(np.mean(evaluations) * np.mean(np.square(errors)))
    low, high = (value * runs / float(chi2.ppf(p, runs)) for p in ((1 + LEVEL) / 2, (1 - LEVEL) / 2))
    return Yardstick(value, low, high)


def ratio_interval(ratio: float, runs: int, runs_of_other: int) -> tuple[float, float]:
    """Return the interval that holds a ratio of two yardsticks with probability `LEVEL`, by Fisher's F."""
    low, high = (ratio / float(f.ppf(p, runs, runs_of_other)) for p in ((1 + LEVEL) / 2, (1 - LEVEL) / 2))
    return low, high


def standings(rows: pd.DataFrame) -> pd.DataFrame:
    """Return one row for each problem, tool and reading: errors, evaluations and yardsticks over the runs done."""
    out = []
    for (problem, tool, method), group in rows[rows["status"] == DONE].groupby(
        ["problem", "tool", "method"], sort=False
    ):
        errors = (group["value"] - group["exact"]).to_numpy()
        likelihoods, gradients = group["likelihoods"].to_numpy(float), group["gradients"].to_numpy(float)
        claimed = group["claimed"].to_numpy(float)
        measured = yardstick(likelihoods + gradients, errors)
        out.append({
            "problem": problem, "d": int(group["d"].iloc[0]), "tool": tool, "method": method, "runs": len(errors),
            "rms error": math.sqrt(np.mean(errors**2)), "mean error": errors.mean(), "claimed error": claimed.mean(),
            "rms / claimed": math.sqrt(np.mean(errors**2) / np.mean(claimed**2)), "likelihoods": likelihoods.mean(),
            "gradients": gradients.mean(), "evaluations": (likelihoods + gradients).mean(),
            "yardstick": measured.value, "low": measured.low, "high": measured.high,
            "yardstick, gradient = 3": yardstick(likelihoods + GRADIENT * gradients, errors).value,
            "claimed yardstick": np.mean(likelihoods + gradients) * np.mean(claimed**2),
            "flagged": int((group["flags"].fillna("") != "").sum()), "oracle error": group["oracle_error"].max(),
        })  # fmt: skip
    return pd.DataFrame(out)


def is_peer(table: pd.DataFrame) -> pd.Series:
    """Return which rows of `standings` the goal is measured against."""
    return table["tool"].map(lambda tool: TOOLS[tool].peer) & (table["method"] != READ_HERE)


def verdicts(table: pd.DataFrame, goals: Mapping[str, float | None]) -> pd.DataFrame:
    """Return for each problem our yardstick, the best peer's, their ratio and whether it meets the goal.

    The best peer is the one of the least yardstick as measured, which favours peers: the least of several noisy numbers
    is too small on average. ``known`` says whether the whole interval of the ratio lies on one side of the goal.
    """
    out = []
    for problem, group in table.groupby("problem", sort=False):
        ours = group[(group["tool"] == OURS[0]) & (group["method"] == OURS[1])]
        peers = group[is_peer(group)]
        if ours.empty or peers.empty:
            continue
        mine, goal = ours.iloc[0], goals.get(str(problem))
        row = {"problem": problem, "d": mine["d"], "ours": mine["yardstick"]}
        for column, suffix in (("yardstick", ""), ("yardstick, gradient = 3", ", gradient = 3")):
            best = peers.loc[peers[column].idxmin()]
            ratio = mine[column] / best[column]
            low, high = ratio_interval(ratio, mine["runs"], best["runs"])
            name = f"{TOOLS[best['tool']].label}: {best['method']}"
            row |= {f"best peer{suffix}": name, f"its yardstick{suffix}": best[column], f"ratio{suffix}": ratio,
                    f"low{suffix}": low, f"high{suffix}": high}  # fmt: skip
        met = goal is not None and row["ratio"] <= goal
        clear = goal is not None and (row["high"] <= goal or row["low"] > goal)
        row |= {"goal": goal, "met": "" if goal is None else "met" if met else "not met",
                "known": "" if goal is None else "yes" if clear else "no"}  # fmt: skip
        out.append(row)
    return pd.DataFrame(out)


def times(rows: pd.DataFrame) -> pd.DataFrame:
    """Return for each problem and tool the processor seconds of a run once compiled, and those of compiling.

    The first call of a process compiles, later ones do not: compiling is what the first one took beyond the later
    ones' mean, after both are divided by their evaluations. With a first call alone the two cannot be told apart.
    """
    done = rows[rows["status"] == DONE].copy()
    done["evaluations"] = done["likelihoods"] + done["gradients"]
    once = done.groupby(["problem", "tool", "seed"], sort=False)[["seconds", "evaluations", "call"]].max().reset_index()
    out = []
    for (problem, tool), group in once.groupby(["problem", "tool"], sort=False):
        first, later = group[group["call"] == 0], group[group["call"] > 0]
        row = {"problem": problem, "tool": TOOLS[tool].label, "first call": first["seconds"].mean()}
        if len(later) and len(first):
            per_evaluation = later["seconds"].sum() / later["evaluations"].sum()
            row |= {"compiling": max(0.0, float((first["seconds"] - per_evaluation * first["evaluations"]).mean())),
                    "a later run": later["seconds"].mean(), "evaluations a second": 1 / per_evaluation}  # fmt: skip
        out.append(row)
    return pd.DataFrame(out)


def unfinished(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the runs without an answer, and why."""
    left = rows[rows["status"] != DONE].groupby(["problem", "tool", "status"], sort=False)["seed"]
    return left.agg(lambda seeds: ", ".join(map(str, seeds))).reset_index().rename(columns={"seed": "seeds"})
