"""What the numbers of the score of devinterp say, in sentences made of them."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd
from score_devinterp_settings import DEVINTERP, FAR, FAR_OUT, LAMBDA_HAT, NEAR

from singular.analysis.score import by_family
from singular.analysis.scoring import Score
from singular.analysis.submission import OURS
from singular.analysis.targets import ASYMPTOTIC, LOCAL, TARGETS

SWEPT = f"{DEVINTERP}: step "
NAMES = {ASYMPTOTIC: "λ", LOCAL: "the local coefficient"}


def apart(runs: pd.DataFrame, scored: Score) -> Score:
    """Return a score whose families tell data sets with an optimum far out apart, and with a sum over all others."""
    labels = runs.drop_duplicates(["problem", "seed"]).set_index(["problem", "seed"])["family"]
    keys = pd.MultiIndex.from_frame(scored.rows[["problem", "seed"]])
    rows = scored.rows.assign(family=labels.reindex(keys).to_numpy())
    near = rows[~rows["family"].str.endswith(FAR_OUT)].assign(family=NEAR)
    families = pd.concat([by_family(rows), by_family(near)], ignore_index=True)
    order = list(TARGETS)
    families = families.sort_values("quantity", key=lambda c: c.map(order.index), kind="stable", ignore_index=True)
    return replace(scored, rows=rows, families=families)


def findings(runs: pd.DataFrame, rows: pd.DataFrame, families: pd.DataFrame) -> list[str]:
    """Return the sentences.

    Parameters
    ----------
    runs : DataFrame
        Of `every_run`.
    rows, families : DataFrame
        Of a `Score` made by `apart`.
    """
    every, near = families[families["family"] == NEAR], rows[~rows["family"].str.endswith(FAR_OUT)]
    parts = [
        unanswered(runs), negative(runs), far_out(runs), *(best(every, target) for target in NAMES),
        *(covered(every, target) for target in NAMES), localised(near), steps(every), agreement(near),
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


def far_out(runs: pd.DataFrame) -> str:
    """Say on which data sets w* lies far out, and how large estimates become there."""
    far = runs["family"].str.endswith(FAR_OUT)
    if not far.any():
        return ""
    sets = runs.drop_duplicates(["problem", "seed"])
    own = sets[sets["family"].str.endswith(FAR_OUT)].groupby("problem", sort=False)["seed"]
    told = "; ".join(f"{name}, seed {', '.join(map(str, seeds))}" for name, seeds in own)
    return (
        f"On {own.size().sum()} of {len(sets)} data sets w* lies far out, a weight beyond {FAR:g} standard deviations "
        f"of its prior: {told}. Estimates there go up to {runs.loc[far, 'value'].max():.2g}, elsewhere up to "
        f"{runs.loc[~far, 'value'].max():.2g}. A user who stops training earlier does not start there: what follows "
        "leaves these data sets out, and the tables have them apart."
    )


def best(every: pd.DataFrame, target: str) -> str:
    """Say which method of each tool has the least RMSE, and what ours has."""
    own = every[every["quantity"] == target]
    told = []
    for tool in (DEVINTERP, LAMBDA_HAT, OURS):
        part = own[own["method"].str.startswith(tool)]
        if not part.empty:
            row = part.loc[part["rmse"].idxmin()]
            cost = row["gradients_per_row"]
            told.append(
                f"{row['method']}, {row['rmse']:.3g} with {cost:,.0f} gradients a row ({cost * row['rmse'] ** 2:.3g})"
            )
    return f"Least RMSE against {NAMES[target]} (gradients × RMSE²): {'; '.join(told)}." if told else ""


def covered(every: pd.DataFrame, target: str) -> str:
    """Say how often claimed 95 % intervals hold the exact value, and by how much the claimed errors are too small."""
    own = every[(every["quantity"] == target) & (every["claimed"] > 0)]
    told = []
    for tool, name in ((DEVINTERP, "the spread over devinterp's chains"), (LAMBDA_HAT, "lambda_hat's sd/√ESS"),
                       (OURS, "our ladder's error")):  # fmt: skip
        part = own[own["method"].str.startswith(tool)]
        if not part.empty:
            told.append(
                f"{name} holds it in {_range(part['coverage_95'], '.0%')} of the rows of a method "
                f"(rms z {_range(part['rms_z'], '.2g')})"
            )
    return f"As a 95 % interval for {NAMES[target]}: {'; '.join(told)}." if told else ""


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
