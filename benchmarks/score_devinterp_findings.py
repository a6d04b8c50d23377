"""What the numbers of the score of devinterp say, in sentences made of them."""

from __future__ import annotations

import pandas as pd
from score_devinterp_settings import DEVINTERP, LAMBDA_HAT

from singular.analysis.score import EVERY
from singular.analysis.submission import OURS
from singular.analysis.targets import ASYMPTOTIC, LOCAL

SWEPT = f"{DEVINTERP}: step "
NAMES = {ASYMPTOTIC: "λ", LOCAL: "the local coefficient"}


def findings(runs: pd.DataFrame, rows: pd.DataFrame, families: pd.DataFrame) -> list[str]:
    """Return the sentences.

    Parameters
    ----------
    runs : DataFrame
        Of `every_run`.
    rows, families : DataFrame
        Of a `Score`.
    """
    every = families[families["family"] == EVERY]
    parts = [
        unanswered(runs), negative(runs), *(best(every, target) for target in NAMES),
        *(covered(every, target) for target in NAMES), localised(rows), steps(every), agreement(rows),
    ]  # fmt: skip
    return [part for part in parts if part]


def unanswered(runs: pd.DataFrame) -> str:
    """Say which methods gave no answer, on how many data sets."""
    lost = runs[runs["status"] != ""]
    if lost.empty:
        return f"Each of {len(runs)} runs gave an answer."
    of = runs["method"].value_counts()
    told = "; ".join(
        f"{method}: {len(part)} of {of[method]} ({', '.join(dict.fromkeys(part['problem']))})"
        for method, part in lost.groupby("method", sort=False)
    )
    return f"No answer, or none that is finite, in {len(lost)} of {len(runs)} runs: {told}."


def negative(runs: pd.DataFrame) -> str:
    """Say how many estimates are below 0, which no learning coefficient is."""
    found = runs[(runs["status"] == "") & (runs["value"] < 0)]
    if found.empty:
        return "No estimate is negative."
    told = "; ".join(f"{method}: {len(part)}" for method, part in found.groupby("method", sort=False))
    return f"{len(found)} estimates are negative, which no learning coefficient is: {told}."


def best(every: pd.DataFrame, target: str) -> str:
    """Say which method of each tool has the least RMSE over all families, and what ours has."""
    own = every[every["quantity"] == target]
    told = []
    for tool in (DEVINTERP, LAMBDA_HAT, OURS):
        part = own[own["method"].str.startswith(tool)]
        if not part.empty:
            row = part.loc[part["rmse"].idxmin()]
            told.append(f"{row['method']}, {row['rmse']:.2g} with {row['gradients_per_row']:,.0f} gradients a row")
    return f"Least RMSE against {NAMES[target]}, over all families: {'; '.join(told)}." if told else ""


def covered(every: pd.DataFrame, target: str) -> str:
    """Say how often claimed 95 % intervals hold the exact value, and by how much the claimed errors are too small."""
    own = every[(every["quantity"] == target) & (every["claimed"] > 0)]
    told = []
    for tool, name in ((DEVINTERP, "the spread over devinterp's chains"), (LAMBDA_HAT, "lambda_hat's sd/√ESS"),
                       (OURS, "our ladder's error")):  # fmt: skip
        part = own[own["method"].str.startswith(tool)]
        if not part.empty:
            told.append(
                f"{name} {_range(part['coverage_95'], '.0%')} of the rows of a method, errors off by "
                f"{_range(part['rms_z'], '.2g')} times what is claimed (rms z)"
            )
    return f"As a 95 % interval for {NAMES[target]}, {'; '.join(told)}." if told else ""


def localised(rows: pd.DataFrame) -> str:
    """Say how far the exact local coefficient is from λ: no sampler can take that away."""
    exact = rows.drop_duplicates(["problem", "seed", "quantity", "gamma"])
    limits = exact[exact["quantity"] == ASYMPTOTIC].set_index(["problem", "seed"])["exact"]
    told = []
    for gamma, part in exact[exact["quantity"] == LOCAL].groupby("gamma"):
        keys = pd.MultiIndex.from_frame(part[["problem", "seed"]])
        off = part["exact"].to_numpy() - limits.reindex(keys).to_numpy()
        told.append(f"at γ = {gamma:g} from {off.min():+.2g} to {off.max():+.2g}, mean {off.mean():+.2g}")
    return f"The exact local coefficient less λ: {'; '.join(told)}. That much is the target's, not the sampler's." if (
        told
    ) else ""  # fmt: skip


def steps(every: pd.DataFrame) -> str:
    """Say how the bias goes with the step, against both targets."""
    own = every[every["method"].str.startswith(SWEPT)]
    told = [
        f"against {NAMES[target]} " + ", ".join(f"{bias:+.2g} at {step}" for step, bias in _by_step(part))
        for target, part in own.groupby("quantity")
        if target in NAMES
    ]
    return f"Bias by step, full batch, γ = 1: {'; '.join(told)}." if told else ""


def agreement(rows: pd.DataFrame) -> str:
    """Say how often the step that comes nearest λ is not the one that comes nearest what the chains sample."""
    swept = rows[rows["method"].str.startswith(SWEPT)]
    nearest = {
        target: part.loc[part.groupby(["problem", "seed"])["difference"].apply(lambda d: d.abs().idxmin())]
        .set_index(["problem", "seed"])["method"]
        for target, part in swept.groupby("quantity")
    }  # fmt: skip
    if set(nearest) != set(NAMES):
        return ""
    local = nearest[LOCAL]
    other = int((nearest[ASYMPTOTIC].reindex(local.index) != local).sum())
    return (
        f"On {other} of {len(local)} data sets the step that comes nearest λ is not the one that comes nearest the "
        "coefficient its chains are meant to sample: agreement with λ is no sign of right sampling there."
        if other
        else f"On all {len(local)} data sets the step that comes nearest λ is the one that samples best, too."
    )


def _by_step(part: pd.DataFrame) -> list[tuple[str, float]]:
    found = [(row["method"].removeprefix(SWEPT), row["bias"]) for row in part.to_dict("records")]
    return sorted(found, key=lambda pair: float(pair[0]))


def _range(values: pd.Series, form: str) -> str:
    low, high = format(values.min(), form), format(values.max(), form)
    return low if low == high else f"{low} to {high}"
