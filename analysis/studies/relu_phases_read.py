"""What the study of two ReLU units reads off its table: crossings of shares in the angle, laws, chains that stayed."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
from scipy.special import logit

from singular.analysis.studies.cells import FREE_ENERGY, NO_NOISE
from singular.analysis.studies.relu_phases_regions import DEGENERATE, LOSS, OFF, ONE, TWO, laws

CHAIN, EXACT, HISTOGRAM, LADDER, PLAIN = "share of one chain", "exact draws", "smaller norm", "mbar", "plain NUTS"
PRESENT = 0.05
"""Exact share from which on a chain that never saw a region is called stuck."""


def exact_curve(table: pd.DataFrame, n: int, seed: int, phase: str, quantity: str = "share") -> pd.Series:
    """Return an exact number over the angle."""
    own = table[
        (table["method"] == EXACT) & (table["quantity"] == quantity) & (table["n"] == n) & (table["seed"] == seed)
        & (table["phase"] == phase)
    ]  # fmt: skip
    return pd.Series(own.set_index("angle")["value"]).sort_index()


def crossing(table: pd.DataFrame, n: int, seed: int, level: float = 0.5, phase: str = DEGENERATE) -> float | None:
    """Return the largest angle at which an exact share rises through a level, its log odds linear between angles."""
    share = exact_curve(table, n, seed, phase).clip(1e-9, 1 - 1e-9)
    return _rise(share.index.to_numpy(), logit(share.to_numpy()) - logit(level))


def even_odds(table: pd.DataFrame, n: int, seed: int = NO_NOISE) -> float | None:
    """Return the largest angle at which `one unit` comes to hold as much as `two units` by Carroll's rule."""
    one, two = (exact_curve(table, n, seed, phase).clip(1e-9) for phase in (ONE, TWO))
    return _rise(one.index.to_numpy(), np.log(one / two).to_numpy())


def predicted(table: pd.DataFrame, n: int, fixed_at: int) -> float | None:
    """Return the angle of even odds by the laws, their constant from the exact crossing at another n, without noise.

    n L(θ) = (7/2 − 2) log n + constant, with L the loss of the best single unit, its log linear between angles; the
    constant, one number for all angles and n, is what makes this hold at the exact crossing at ``fixed_at``.
    """
    at = even_odds(table, fixed_at)
    if at is None:
        return None
    loss = table[table["quantity"] == LOSS].set_index("angle")["value"].sort_index().clip(1e-12)
    log_loss = np.log(loss.to_numpy())
    held = laws(math.exp(float(np.interp(at, loss.index, log_loss))))
    constant = held[ONE].free_energy(fixed_at) - held[TWO].free_energy(fixed_at)
    fine = np.linspace(loss.index[0], loss.index[-1], 2_001)
    both = [laws(math.exp(value), constant) for value in np.interp(fine, loss.index, log_loss)]
    return _rise(fine, np.array([law[TWO].free_energy(n) - law[ONE].free_energy(n) for law in both]))


def slopes(table: pd.DataFrame, small: int, large: int) -> pd.DataFrame:
    """Return d F_region/d log n less that of n times the region's loss, without noise, where it is best known.

    One row for two units (whose law is 7/2) and one for a unit that is off (2): ``phase, angle, value, mcse, law``.
    """
    loss = table[table["quantity"] == LOSS].set_index("angle")["value"]
    rows = []
    for phase, law in ((TWO, 3.5), (OFF, 2.0)):
        own = table[
            (table["method"] == EXACT) & (table["quantity"] == FREE_ENERGY) & (table["seed"] == NO_NOISE)
            & (table["phase"] == phase)
        ].set_index(["n", "angle"])  # fmt: skip
        both = own.loc[small].merge(own.loc[large], left_index=True, right_index=True, suffixes=("_small", "_large"))
        error = np.hypot(both["mcse_small"], both["mcse_large"])
        if error.empty:
            continue
        angle = error.idxmin()
        lost = 0.0 if phase == TWO else loss[angle] * (large - small)
        rise = both.loc[angle, "value_large"] - both.loc[angle, "value_small"] - lost
        span = math.log(large / small)
        rows.append({"phase": phase, "angle": angle, "value": rise / span, "mcse": error[angle] / span, "law": law})
    return pd.DataFrame(rows)


def dip(table: pd.DataFrame, n: int, seed: int, angle: float) -> tuple[float, float, float]:
    """Return the highest bin of the smaller norm from 0.5 on, the first bin, and the lowest one between them."""
    own = table[
        (table["quantity"] == HISTOGRAM) & (table["n"] == n) & (table["seed"] == seed) & (table["angle"] == angle)
    ]  # fmt: skip
    heights = own.assign(low=own["phase"].astype(float)).sort_values(by="low")["value"].to_numpy()
    peak = 5 + int(heights[5:].argmax())
    return float(heights[peak]), float(heights[0]), float(heights[: peak + 1].min())


def chains(table: pd.DataFrame, method: str) -> tuple[int, list[str]]:
    """Return how many chains ran by a method, and those that never saw a region with an exact share of 5 % or more."""
    own = table[(table["quantity"] == CHAIN) & table["method"].str.startswith(f"{method}, ")]
    share = table[(table["quantity"] == "share") & (table["method"] == method) & (table["beta"] == 1.0)]
    key = ["problem", "n", "seed", "phase"]
    joined = own.merge(share[[*key, "exact"]], on=key, suffixes=("", "_share"))
    stuck = joined[(joined["value"] == 0.0) & (joined["exact_share"] >= PRESENT)]
    told = [
        f"chain {row['method'].rsplit(' ', 1)[1]} at θ = {row['angle']:.3g}, n = {row['n']:,}, data set {row['seed']}: "
        f"never in `{row['phase']}`, whose exact share is {row['exact_share']:.3f}"
        for row in stuck.to_dict("records")
    ]
    return len(own.drop_duplicates(["problem", "n", "seed", "method"])), told


def _rise(angles: np.ndarray, values: np.ndarray) -> float | None:
    """Return the largest root at which values, linear between angles, go from below 0 to above."""
    rises = np.flatnonzero((values[:-1] < 0) & (values[1:] >= 0))
    if rises.size == 0:
        return None
    i = rises[-1]
    return float(angles[i] + (angles[i + 1] - angles[i]) * values[i] / (values[i] - values[i + 1]))
