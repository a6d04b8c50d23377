"""Tables of what `validate_kernels.py` found: by kernel, by model, of the joint law and of ranks."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
from kernels_agree import SMC
from validate_calibration import judged

from singular.posteriors.kernels import NAMES

FAR = 4.0
"""Distance in joint errors from which a number is said to disagree."""
SIGNIFICANT = 0.01
"""Of the smallest p of a test of many, times their number."""


def by_kernel(rows: pd.DataFrame) -> pd.DataFrame:
    """Return a row for each kernel: how many numbers, how far off, how many beyond `FAR` and how many flagged."""
    parts = [rows[rows["way"] == way] for way in (*NAMES, SMC)]
    return pd.DataFrame(_tally(part) for part in parts if len(part))


def _tally(part: pd.DataFrame) -> dict[str, object]:
    z = part["z"].dropna()
    oracle = part.loc[part["reference"] == "quadrature", "z"].dropna()
    far = part["z"].abs() > FAR
    return {
        "kernel": part["way"].iloc[0], "models": str(part["model"].nunique()), "numbers held": str(len(z)),
        "against quadrature": str(len(oracle)), "rms z": f"{rms(z):.2f}",
        "largest |z|": f"{z.abs().max():.2f}", f"beyond {FAR:g}": str(int(far.sum())),
        "of these not flagged": str(int((far & (part["flags"] == "")).sum())),
        "flagged": str(int((part["flags"] != "").sum())),
    }  # fmt: skip


def by_model(rows: pd.DataFrame) -> pd.DataFrame:
    """Return a row for each model and kernel: F, the mean nll at both β, z of each and of the shares."""
    out = []
    for (model, way), part in rows.groupby(["model", "way"], sort=False):
        low = part["beta"].min()
        row: dict[str, object] = {"model": model, "d": str(part["d"].iloc[0]), "kernel": way}
        for heading, quantity, beta in (
            ("F", "free_energy", 1.0), ("E at 1/log n", "mean_nll", low), ("E at 1", "mean_nll", 1.0)
        ):  # fmt: skip
            one = part[(part["quantity"] == quantity) & (part["beta"] == beta)].iloc[0]
            row[heading] = f"{one['value']:.3f} ± {one['mcse']:.3f}"
            row[f"z of {heading}"] = "" if math.isnan(one["z"]) else f"{one['z']:+.1f}"
        shares = part[~part["quantity"].isin(["free_energy", "mean_nll"])]["z"].dropna()
        row["shares"] = str(len(shares)) if len(shares) else ""
        row["largest |z| of shares"] = f"{shares.abs().max():.1f}" if len(shares) else ""
        row["held against"] = next((r for r in part["reference"] if r), "")
        row["s"] = f"{part['seconds'].iloc[0]:.0f}"
        row["flagged"] = str(int((part["flags"] != "").sum()))
        out.append(row)
    return pd.DataFrame(out)


def rank_table(ranking: pd.DataFrame) -> pd.DataFrame:
    """Return for each model, kernel and quantity the p of uniform ranks (`validate_calibration.judged`)."""
    if ranking.empty:
        return pd.DataFrame(columns=["model", "kernel", "quantity", "replicates", "mean rank", "p"])
    parts = []
    for (model, kernel), part in ranking.groupby(["model", "kernel"], sort=False):
        parts.append(judged(part).assign(model=model, kernel=kernel))
    return pd.concat(parts, ignore_index=True)


def verdict(p: pd.Series) -> tuple[float, bool]:
    """Return the smallest p times their number, at most 1, and whether that is a departure."""
    least = min(1.0, float(p.min()) * len(p))
    return least, least <= SIGNIFICANT


def rms(z: pd.Series) -> float:
    return float(np.sqrt(np.mean(z**2))) if len(z) else math.nan


def checks_table(joint: pd.DataFrame) -> pd.DataFrame:
    rows = []
    for (model, what, beta), part in joint.groupby(["model", "what", "beta"], sort=False):
        worst = part.loc[part["p"].idxmin()]
        rows.append(
            {"model": model, "move or kernel": what, "β": f"{beta:g}", "wrong": worst["wrong"],
             "quantities": str(len(part)), "smallest p": worst["p"], "of": worst["quantity"],
             "its shift, in deviations": f"{worst['shift']:+.3f}"}
        )  # fmt: skip
    table = pd.DataFrame(rows)
    return table if (table["wrong"] != "").any() else table.drop(columns="wrong")


def cases_table(table: pd.DataFrame) -> pd.DataFrame:
    rows = []
    for (model, kernel), part in table.groupby(["model", "kernel"], sort=False):
        worst = part.loc[part["p"].idxmin()]
        rows.append(
            {"model": model, "kernel": kernel, "quantities": str(len(part)), "replicates": str(worst["replicates"]),
             "smallest p": worst["p"], "of": worst["quantity"], "its mean rank": f"{worst['mean rank']:.3f}"}
        )  # fmt: skip
    return pd.DataFrame(rows)
