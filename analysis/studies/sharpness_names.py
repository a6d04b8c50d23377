"""The quantities of the study of sharpness, by name, and which estimates of λ̂ it uses."""

from __future__ import annotations

import numpy as np
import pandas as pd

EPSILONS = (10.0, 30.0, 100.0)
"""n ε, nats."""
LAMBDA, QUADRATIC = "local λ̂", "λ of the curvature"
TRACE, LOG_DET, RANK, LARGEST = "Hessian trace", "Hessian log det", "Hessian rank", "largest eigenvalue"
TEST, TRAIN, FOUND = "test loss", "train loss", "frequency"
VOLUMES = tuple(f"−log volume, nε = {e:g}" for e in EPSILONS)
PREDICTORS = (LAMBDA, QUADRATIC, TRACE, LOG_DET, *VOLUMES)
"""Each is larger at a sharper minimum."""
RESPONSES = (TEST, FOUND, TRAIN)
UNUSABLE = ("negative", "draws left", "error bar not trustworthy")
"""What the flags of a λ̂ begin with that is no number of its minimum."""
HELD = "the localiser holds"
"""What the flag of a λ̂ begins with that γ still moves."""
COLUMNS = (
    "problem", "minimum", "quantity", "response", "given", "method", "value", "mcse", "low", "high", "items", "flags",
)  # fmt: skip


def usable_rows(flags: pd.Series) -> np.ndarray:
    """Return which λ̂ are numbers of their minimum: the draws stayed, and the error can be believed."""
    return np.array([not any(one.startswith(UNUSABLE) for one in str(flag).split("; ")) for flag in flags])


def per_minimum(table: pd.DataFrame, name: str, key: str = "value") -> pd.DataFrame:
    """Return one network's minima as rows and its quantities as columns."""
    own = table[(table["problem"] == name) & (table["minimum"] >= 0)]
    return own.pivot(index="minimum", columns="quantity", values=key)


def related(table: pd.DataFrame, name: str, response: str, given: str = "", method: str = "spearman") -> pd.DataFrame:
    """Return the correlations of every predictor with one response on one network, indexed by predictor."""
    rows = table[
        (table["problem"] == name) & (table["response"] == response) & (table["given"] == given)
        & (table["method"] == method)
    ]  # fmt: skip
    return rows.set_index("quantity")
