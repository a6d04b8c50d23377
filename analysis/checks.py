"""Checks of a ladder that go beyond the table of its rungs: neighbours that disagree, trees cut short, trips."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from singular.analysis.agreement import slope_departures
from singular.analysis.draws import Draws, sample_stat
from singular.analysis.thresholds import (
    MAXIMUM_DISAGREEMENT,
    MAXIMUM_DIVERGING,
    MAXIMUM_SATURATED,
    MINIMUM_ROUND_TRIPS,
    SUSPECT_DISAGREEMENT,
    SUSPECT_DIVERGING,
)

if TYPE_CHECKING:
    import xarray as xr


def rung_checks(ladder: xr.DataTree, draws: Draws, used: Sequence[int]) -> dict[int, list[str]]:
    """Return the flags of each rung at the positions ``used``.

    A pair of neighbours that disagree is told on both. A rung with a few divergent steps is flagged if it
    also departs from a neighbour by more than chance easily explains.
    """
    found: dict[int, list[str]] = {position: [] for position in used}
    pairs = [i for i in range(draws.betas.size - 1) if i in found or i + 1 in found]
    errors = _disagreement(draws, pairs)
    saturated = saturated_trees(ladder)
    diverging = _shares(ladder, "diverging")
    for position, flags in found.items():
        at = f"at beta={draws.betas[position]:.3g}"
        if saturated is not None and saturated[position] > MAXIMUM_SATURATED:
            flags.append(f"{saturated[position]:.0%} of trees were cut off at max_tree_depth {at}")
        near = [i for i in (position - 1, position) if i in errors]
        for i in near:
            if errors[i] > MAXIMUM_DISAGREEMENT:
                pair = f"beta={draws.betas[i]:.3g} and {draws.betas[i + 1]:.3g}"
                flags.append(f"draws of {pair} do not fit each other ({errors[i]:.1f} errors)")
        worst = max((errors[i] for i in near), default=0.0)
        share = 0.0 if diverging is None else diverging[position]
        if SUSPECT_DIVERGING < share <= MAXIMUM_DIVERGING and worst > SUSPECT_DISAGREEMENT:
            why = f"and its draws do not fit a neighbour's ({worst:.1f} errors)"
            flags.append(f"{share:.1%} of steps diverged {at}, {why}")
    return found


def saturated_trees(ladder: xr.DataTree) -> np.ndarray | None:
    """Return the share of NUTS trees on each rung that ``max_tree_depth`` cut off, (beta,).

    None if the ladder holds no tree depths or does not say what their limit was.
    """
    depth = sample_stat(ladder, "tree_depth")
    try:
        limit = json.loads(str(ladder.attrs.get("settings", ""))).get("max_tree_depth")
    except (ValueError, AttributeError):
        return None
    if depth is None or not isinstance(limit, int):
        return None
    return (np.asarray(depth.values) >= limit).mean(axis=(0, 1))


def round_trip_flags(trips: np.ndarray) -> list[str]:
    """Return the flags of a ladder whose chains made so many round trips, (chain,)."""
    if (trips == 0).any():
        return [f"no round trip in {int((trips == 0).sum())} of {trips.size} chains"]
    if trips.sum() < MINIMUM_ROUND_TRIPS:
        return [f"{int(trips.sum())} round trips in all < {MINIMUM_ROUND_TRIPS}"]
    return []


def _shares(ladder: xr.DataTree, name: str) -> np.ndarray | None:
    variable = sample_stat(ladder, name)
    return None if variable is None else np.asarray(variable.values, dtype=np.float64).mean(axis=(0, 1))


def _disagreement(draws: Draws, pairs: Sequence[int]) -> dict[int, float]:
    """Return the departure of each pair (i, i + 1) in its own errors; 0 where there is no error to measure it by."""
    if not pairs:
        return {}
    low, high = pairs[0], pairs[-1] + 2
    departure, mcse = slope_departures(draws.nll[..., low:high], draws.betas[low:high])
    known = mcse > 0.0
    errors = np.divide(np.abs(departure), mcse, out=np.zeros_like(mcse), where=known)
    return {i: float(errors[i - low]) for i in pairs}
