"""The choice among models of growing size: evidence, penalised likelihoods, prediction, and what the prior does."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from singular.analysis.criterion import paired_difference
from singular.analysis.tables import probabilities

if TYPE_CHECKING:
    from singular.analysis.cases import Outcome

PRIORS = {0.5: "half", 2.0: "double"}
"""What all prior scales are multiplied by -> how the columns are named."""
PREDICTIVE = {"waic": "waic", "loo": "cross_validation"}
CHOICE = (
    *("data_set", "size", "d", "n", "free_energy", "free_energy_mcse", "wbic", "wbic_mcse", "bic", "waic", "waic_mcse"),
    *("loo", "loo_mcse", "probability", "probability_mcse", "probability_bic", "bic_flags", "flags"),
)
PRIOR = (
    *("data_set", "size", "free_energy_half", "free_energy_half_mcse", "free_energy", "free_energy_mcse"),
    *("free_energy_double", "free_energy_double_mcse", "probability_half", "probability_half_mcse"),
    *("probability", "probability_mcse", "probability_double", "probability_double_mcse", "prior_flags"),
)
PREDICTION = (
    *("data_set", "size", "loo", "loo_mcse", "loo_se_data", "loo_behind", "loo_behind_mcse", "loo_behind_se_data"),
    "predictive_flags",
)


def size_table(outcomes: Sequence[Outcome]) -> pd.DataFrame:
    """Return one row for each real problem: every criterion by size, and the probability of each size.

    Nats; lower is better throughout: ``waic`` and ``loo`` estimate minus the log predictive density of n fresh
    observations. ``loo_behind`` is by how much ``loo`` exceeds that of the best size of the data set, and its
    ``se_data`` is the standard error of that difference over the observations, paired. ``free_energy_half`` and
    ``free_energy_double`` are F_n(1) with all prior scales halved and doubled, by reweighting; ``prior_flags`` tells
    where that fails. The probabilities are exp(−F) and exp(−BIC/2) over the sizes of one data set, equal before the
    data; the latter are NaN for a data set with a flagged BIC.
    """
    rows = []
    for o in outcomes:
        data_set, size = o.job.name.rsplit("-", 1)
        row: dict[str, Any] = {"data_set": data_set, "size": int(size), "d": o.dim, "n": o.n}
        for name, number in (("free_energy", o.free_energy), ("wbic", o.wbic)):
            row |= {name: number["value"], f"{name}_mcse": number["mcse"]}
        rows.append({**row, "bic": o.bic, **_predictive(o), **_moved(o), "bic_flags": o.bic_flags, "flags": o.flags})
    frame = pd.DataFrame(rows)
    parts = [_compared(group, outcomes) for _, group in frame.groupby("data_set", sort=False)]
    frame = pd.concat(parts).sort_index()
    return frame.reindex(columns=[c for c in frame if c != "flags"] + ["flags"])


def _predictive(o: Outcome) -> dict[str, Any]:
    row: dict[str, Any] = {}
    flags: list[str] = []
    for name, quantity in PREDICTIVE.items():
        e = o.further.criteria.get(quantity)
        row[name] = math.nan if e is None else -e.value
        row[f"{name}_mcse"] = math.nan if e is None else e.mcse
        row[f"{name}_se_data"] = math.nan if e is None else e.se_data
        flags += [] if e is None else e.flags
    return {**row, "predictive_flags": "; ".join(dict.fromkeys(flags))}


def _moved(o: Outcome) -> dict[str, Any]:
    row: dict[str, Any] = {}
    flags: list[str] = []
    for moved in o.further.moved:
        name = f"free_energy_{PRIORS[moved.factor]}"
        row |= {name: moved.free_energy.value, f"{name}_mcse": moved.free_energy.mcse}
        flags += [f"{PRIORS[moved.factor]}: {flag}" for flag in moved.failed]
    return {**row, "prior_flags": "; ".join(flags)}


def _compared(group: pd.DataFrame, outcomes: Sequence[Outcome]) -> pd.DataFrame:
    """Add what compares the sizes of one data set."""
    added: dict[str, Any] = {}
    for suffix in ("", *(f"_{name}" for name in PRIORS.values())):
        value, error = (group[f"free_energy{suffix}{end}"].to_numpy() for end in ("", "_mcse"))
        added[f"probability{suffix}"], added[f"probability{suffix}_mcse"] = probabilities(value, error)
    by_bic, _ = probabilities(group["bic"].to_numpy(), np.zeros(len(group)))
    added["probability_bic"] = np.full(len(group), np.nan) if any(group["bic_flags"]) else by_bic
    behind = np.full((len(group), 3), np.nan)
    criteria = [outcomes[i].further.criteria.get("cross_validation") for i in group.index]
    held = [(i, e) for i, e in enumerate(criteria) if e is not None]
    if held:
        _, best = max(held, key=lambda pair: pair[1].value)
        for i, e in held:
            gap = paired_difference(best, e)
            behind[i] = (0.0, math.nan, math.nan) if e is best else (gap.value, gap.mcse, gap.se_data)
    names = ("loo_behind", "loo_behind_mcse", "loo_behind_se_data")
    return group.assign(**added, **dict(zip(names, behind.T, strict=True)))


def findings(sizes: pd.DataFrame) -> list[str]:
    """Return what the table of sizes says of prior and prediction, a sentence each."""
    said = []
    for data_set, group in sizes.groupby("data_set", sort=False) if len(sizes) else ():
        said += _on_the_prior(str(data_set), group)
        if np.isfinite(group["loo"].to_numpy()).any():
            best = group.loc[group["loo"].idxmin(), "size"]
            near = (group["loo_behind"] <= 2 * group["loo_behind_se_data"]) & (group["size"] != best)
            close = group.loc[near, "size"].tolist()
            told = f"; within two standard errors over data of it: {_listed(close)}" if close else ""
            said.append(f"{data_set}: leave-one-out prediction is best at {best}{told}.")
    return said


def _on_the_prior(data_set: str, group: pd.DataFrame) -> list[str]:
    picks = {name: group.loc[group[f"free_energy_{name}"].idxmin(), "size"]
             for name in PRIORS.values() if np.isfinite(group[f"free_energy_{name}"].to_numpy()).all()}  # fmt: skip
    if len(picks) < len(PRIORS):
        return []
    here = group.loc[group["free_energy"].idxmin(), "size"]
    told = " and ".join(f"{size} with all prior scales {PARTICIPLES[name]}" for name, size in picks.items())
    failed = group.loc[group["prior_flags"] != "", "size"]
    but = f"; reweighting to these priors is flagged at {_listed(failed.tolist())}" if len(failed) else ""
    return [f"{data_set}: the free energy favours {here}, {told}{but}."]


PARTICIPLES = {"half": "halved", "double": "doubled"}


def _listed(items: Sequence[object]) -> str:
    *most, last = map(str, items)
    return f"{', '.join(most)} and {last}" if most else last
