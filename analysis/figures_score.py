"""The score of a submission in one picture: errors, RMSE, coverage and gradients, one row of panels for each target."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from singular.analysis.figures import (
    BLACK,
    BLUE,
    GREEN,
    GREY,
    LIGHT,
    ORANGE,
    PURPLE,
    SKY,
    VERMILION,
    finish,
    new_figure,
)
from singular.analysis.score import EVERY, LEVELS, grouped
from singular.analysis.submission import OURS
from singular.analysis.targets import TARGETS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS = (BLUE, VERMILION, GREEN, ORANGE, PURPLE, SKY)
MARKERS = ("s", "D", "^", "v", "P", "X")
SPREAD = 0.6
"""Share of the room of a family that its methods take."""


def score_figure(rows: pd.DataFrame, families: pd.DataFrame) -> Figure:
    """Draw every estimate's error with bias, RMSE, coverage against nominal, and RMSE against gradients.

    Parameters
    ----------
    rows : DataFrame
        From `joined`; our own estimates, black, have the method ``singular``.
    families : DataFrame
        From `by_family`.

    Returns
    -------
    matplotlib.figure.Figure
    """
    targets = [target for target in TARGETS if target in set(rows["quantity"])]
    methods = [*sorted(set(rows["method"]) - {OURS}), *([OURS] if OURS in set(rows["method"]) else [])]
    lanes = [rows.loc[rows["quantity"] == target, "family"].nunique() for target in targets]
    heights = [max(2.6, 0.32 * count * (len(methods) + 1)) for count in lanes]
    figure = new_figure(17.0, sum(heights) + 1.0)
    cells = figure.subplots(len(targets), 4, squeeze=False, height_ratios=heights)
    for place, target in enumerate(targets):
        own, sums = (frame.loc[frame["quantity"] == target] for frame in (rows, families))
        symbol, unit, _ = TARGETS[target]
        units = f" ({unit})" if unit else ""
        _draw_errors(cells[place, 0], own, sums, methods)
        finish(cells[place, 0], f"{symbol}: errors, and bias ± its error", f"estimate − exact{units}")
        _draw_rmse(cells[place, 1], own, sums, methods)
        finish(cells[place, 1], "RMSE", f"RMSE{units}")
        _draw_coverage(cells[place, 2], sums, methods)
        finish(cells[place, 2], "Coverage of claimed errors, all families", "nominal", "share that holds the exact")
        _draw_cost(cells[place, 3], sums, methods)
        finish(cells[place, 3], "RMSE against cost", "gradients of the whole loss, per estimate", f"RMSE{units}")
    handles = [cells[0, 2].plot([], [], ls="", label=m, **_style(m, methods))[0] for m in methods]
    figure.legend(handles=handles, loc="outside lower center", ncols=min(6, len(methods)), frameon=False, fontsize=9)
    figure.suptitle(f"Score: {', '.join(methods)} held against exact finite-n values", fontsize=12)
    return figure


def _style(method: str, methods: list[str]) -> dict[str, Any]:
    if method == OURS:
        return {"color": BLACK, "marker": "o"}
    place = methods.index(method)
    return {"color": COLOURS[place % len(COLOURS)], "marker": MARKERS[place % len(MARKERS)]}


def _lanes(own: pd.DataFrame, methods: list[str]) -> tuple[list[str], dict[tuple[str, str], float]]:
    """Return the families, and the height at which each method of each is drawn, first family on top."""
    names = list(dict.fromkeys(own["family"]))
    steps = SPREAD * (np.arange(len(methods)) - (len(methods) - 1) / 2) / max(1, len(methods))
    return names, {(f, m): -i - steps[j] for i, f in enumerate(names) for j, m in enumerate(methods)}


def _draw_errors(axes: Axes, own: pd.DataFrame, sums: pd.DataFrame, methods: list[str]) -> None:
    names, heights = _lanes(own, methods)
    axes.axvline(0.0, color=GREY, lw=1.0, zorder=1)
    for (family, method), group in grouped(own, ["family", "method"]):
        at = heights[family, method]
        colour = _style(method, methods)["color"]
        axes.plot(group["difference"], np.full(len(group), at), ".", color=colour, alpha=0.25, ms=5, zorder=2)
    for row in sums.loc[sums["family"] != EVERY].to_dict("records"):
        error = np.nan_to_num(row["bias_mcse"])
        at = heights[row["family"], row["method"]]
        axes.errorbar(row["bias"], at, xerr=error, ms=5, capsize=3, zorder=3, **_style(row["method"], methods))
    _name_lanes(axes, names, tell=True)


def _draw_rmse(axes: Axes, own: pd.DataFrame, sums: pd.DataFrame, methods: list[str]) -> None:
    names, heights = _lanes(own, methods)
    for row in sums.loc[sums["family"] != EVERY].to_dict("records"):
        error = np.nan_to_num(row["rmse_mcse"])
        at = heights[row["family"], row["method"]]
        axes.errorbar(row["rmse"], at, xerr=error, ms=5, capsize=3, **_style(row["method"], methods))
    axes.set_xlim(left=0.0)
    _name_lanes(axes, names, tell=False)


def _draw_coverage(axes: Axes, sums: pd.DataFrame, methods: list[str]) -> None:
    """Draw coverage over all families: the row of all, or the only one."""
    axes.plot([0, 1], [0, 1], color=LIGHT, ls="--", lw=1.2)
    for method, group in sums.groupby("method", sort=False):
        row = group.loc[group["family"] == EVERY].iloc[0] if EVERY in set(group["family"]) else group.iloc[0]
        if row["claimed"] == 0:
            continue
        shift = 0.008 * (methods.index(str(method)) - (len(methods) - 1) / 2)
        values = np.array([[row[f"coverage_{level}{end}"] for end in ("", "_low", "_high")] for level in LEVELS])
        bars = np.maximum(0.0, [values[:, 0] - values[:, 1], values[:, 2] - values[:, 0]])
        at = np.array(LEVELS) / 100 + shift
        axes.errorbar(at, values[:, 0], yerr=bars, ms=5, capsize=3, lw=1, **_style(str(method), methods))
    axes.set_xlim(0.4, 1.02)
    axes.set_ylim(-0.03, 1.03)


def _draw_cost(axes: Axes, sums: pd.DataFrame, methods: list[str]) -> None:
    shown = sums.loc[(sums["family"] != EVERY) & (sums["gradients_per_row"] > 0) & (sums["rmse"] > 0)]
    if shown.empty:
        axes.text(
            0.5,
            0.5,
            "no gradients told, or no error at all",
            ha="center",
            va="center",
            color=GREY,
            transform=axes.transAxes,
        )
        axes.set_xticks([])
        axes.set_yticks([])
        return
    for row in shown.to_dict("records"):
        axes.plot(row["gradients_per_row"], row["rmse"], ls="", ms=6, **_style(row["method"], methods))
    for axis, values, scale, limits in (
        (axes.xaxis, shown["gradients_per_row"], axes.set_xscale, axes.set_xlim),
        (axes.yaxis, shown["rmse"], axes.set_yscale, axes.set_ylim),
    ):
        scale("log")
        limits(10 ** np.floor(np.log10(values.min() * 0.99)), 10 ** np.ceil(np.log10(values.max() * 1.01)))
        axis.set_minor_formatter("")


def _name_lanes(axes: Axes, names: list[str], tell: bool) -> None:
    axes.set_yticks(-np.arange(len(names)), labels=names if tell else [""] * len(names))
    axes.set_ylim(-len(names) + 0.5, 0.5)
