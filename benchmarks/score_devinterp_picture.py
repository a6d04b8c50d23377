"""The picture of the score of devinterp: every estimate less the exact value, by target, problem and method."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from score_devinterp_settings import FAR_OUT

from singular.analysis.score import grouped
from singular.analysis.targets import ASYMPTOTIC, LOCAL, TARGETS

MARKS = ("o", "s", "D", "^", "v", "<", ">", "P")
COLOURS = ("#2c5d8f", "#c0392b", "#e67e22", "#8e44ad", "#27ae60", "#16a085", "#555555", "#b8860b")
LINEAR = 0.1
"""The axis is linear up to here and logarithmic beyond: errors go from a hundredth to thousands."""
SPREAD = 0.6


def picture(rows: pd.DataFrame) -> Figure:
    """Draw the differences of all rows of a score, a panel a target, a line a method; hollow where w* is far out."""
    shown = [target for target in (ASYMPTOTIC, LOCAL) if target in set(rows["quantity"])]
    problems = list(dict.fromkeys(rows["problem"]))
    counts = [rows.loc[rows["quantity"] == target, ["method", "gamma"]].drop_duplicates().shape[0] for target in shown]
    figure = Figure(figsize=(11, 0.42 * sum(counts) + 2.2), dpi=90, layout="constrained")
    panels = figure.subplots(len(shown), 1, squeeze=False, height_ratios=counts).ravel()
    for panel, target in zip(panels, shown, strict=True):
        _draw(panel, rows[rows["quantity"] == target], problems)
        panel.set_title(f"estimate − {TARGETS[target].symbol} ({target.replace('_', ' ')})", fontsize=10)
    handles = [
        panels[0].plot([], [], MARKS[i % 8], color=COLOURS[i % 8], label=name)[0] for i, name in enumerate(problems)
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=4, fontsize=8, frameon=False)
    return figure


def _draw(panel, rows: pd.DataFrame, problems: list[str]) -> None:
    lanes = list(grouped(rows, ["method", "gamma"]))
    for height, (_, group) in enumerate(lanes):
        for name, own in group.groupby("problem", sort=False):
            i = problems.index(str(name))
            shift = SPREAD * ((i + 0.5) / len(problems) - 0.5)
            for far, part in own.groupby(own["family"].str.endswith(FAR_OUT)):
                at, face = np.full(len(part), -height - shift), "none" if far else "full"
                panel.plot(part["difference"], at, MARKS[i % 8], color=COLOURS[i % 8], markersize=4, fillstyle=face)
    several = rows.groupby("method")["gamma"].nunique()
    names = [f"{m}, γ = {g:g}" if several[m] > 1 else m for (m, g), _ in lanes]
    panel.set_yticks(-np.arange(len(lanes)), labels=names, fontsize=8)
    panel.axvline(0.0, color="0.4", linewidth=1, zorder=0)
    panel.set_xscale("symlog", linthresh=LINEAR)
    panel.set_xlim(1.5 * min(rows["difference"].min(), -LINEAR), 1.5 * max(rows["difference"].max(), LINEAR))
    panel.grid(axis="x", color="0.9", zorder=0)
    panel.set_ylim(-len(lanes) + 0.4, 0.6)
