"""The picture of the study of symmetry: spectra with their null directions told apart, and dimensions side by side."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from singular.analysis.figures import BLACK, BLUE, GREEN, GREY, LIGHT, ORANGE, PURPLE, VERMILION, finish, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FLOOR = 1e-36
"""Where an eigenvalue of exactly 0 is drawn, over the largest."""
MARKS = {
    "range": ("|", BLUE, "positive"),
    "generator": ("o", GREEN, "null, spanned by the generators"),
    "left over": ("D", VERMILION, "null, left over: singular beyond symmetry"),
}
WAYS = {
    "d": ("s", GREY, "d, what BIC counts"),
    "median rank over posterior draws": ("v", LIGHT, "rank, median over posterior draws"),
    "rank": ("o", BLUE, "rank at the optimum"),
    "spectrum": ("^", GREEN, "spectrum against the prior"),
    "2 λ": ("D", ORANGE, "2λ, n → ∞"),
}


def draw(table: pd.DataFrame) -> Figure:
    """Return the figure."""
    points = table[table["point"] != "posterior"]
    labels = list(dict.fromkeys(zip(points["problem"], points["point"], strict=True)))
    figure = new_figure(15.0, 2.2 + 0.29 * len(labels))
    spectra, dimensions = figure.subplots(1, 2, width_ratios=(1.45, 1))
    _spectra(spectra, points, labels)
    _dimensions(dimensions, table[table["point"] == "posterior"])
    return figure


def _spectra(axes: Axes, points: pd.DataFrame, labels: list[tuple[str, str]]) -> None:
    eigenvalues = points[points["quantity"] == "eigenvalue"]
    for row, (name, point) in enumerate(labels):
        own = eigenvalues[(eigenvalues["problem"] == name) & (eigenvalues["point"] == point)]
        relative = own["value"].to_numpy() / max(float(own["value"].max()), FLOOR)
        if (own["method"] != "range").all():
            relative[:] = FLOOR  # nothing is positive: there is no largest to compare with
        relative = np.maximum(relative, FLOOR)
        null = (own["method"] != "range").to_numpy()
        heights = np.zeros(len(own))
        heights[null] = _apart(relative[null], 0.16)
        for kind, (marker, colour, _) in MARKS.items():
            here = (own["method"] == kind).to_numpy()
            size, edge = (8, 1.6) if kind == "range" else (5, 0.8)
            axes.plot(relative[here], row + heights[here], marker, color=colour, ms=size, mew=edge,
                      mfc="none" if kind == "left over" else colour, clip_on=False)  # fmt: skip
    over = points[points["quantity"] == "left over"]
    axes.axvline(1e-16, color=BLACK, ls=":", lw=1.1)
    axes.text(1e-16, -1.1, " counts as 0", fontsize=8, ha="right", va="center")
    axes.set_xscale("log")
    axes.set_xlim(FLOOR / 30, 30)
    axes.set_ylim(len(labels) - 0.4, -1.6)
    axes.set_yticks(range(len(labels)), [f"{name}: {point}" for name, point in labels])
    axes.set_xticks([FLOOR, 1e-32, 1e-24, 1e-16, 1e-8, 1], ["0", "1e-32", "1e-24", "1e-16", "1e-8", "1"])
    for marker, colour, told in MARKS.values():
        axes.plot([], [], marker, color=colour, mfc="none" if marker == "D" else colour, label=told)
    axes.legend(fontsize=8, frameon=False, loc="upper center", bbox_to_anchor=(0.36, -0.05), ncols=3)
    axes.grid(axis="y", lw=0.4, color=LIGHT)
    explained = int((over["value"] == 0).sum())
    finish(
        axes,
        f"Null directions at {len(labels)} exact optima: symmetry explains all of them at {explained}, "
        f"not at {len(over) - explained}",
        "eigenvalue of the Fisher information, over the largest (0: exactly zero)",
    )


def _apart(values: np.ndarray, by: float) -> np.ndarray:
    """Return vertical offsets that keep marks of about one value from hiding each other."""
    places = np.zeros(len(values))
    decades = np.round(np.log10(values) / 1.5)
    for decade in np.unique(decades):
        same = np.flatnonzero(decades == decade)
        places[same] = by * (np.arange(len(same)) - (len(same) - 1) / 2) * min(1.0, 3 / max(1, len(same) - 1))
    return places


def _dimensions(axes: Axes, rows: pd.DataFrame) -> None:
    names = list(dict.fromkeys(rows["problem"]))
    offsets = np.linspace(-0.26, 0.2, len(WAYS))
    for (method, (marker, colour, told)), offset in zip(WAYS.items(), offsets, strict=True):
        own = rows[rows["method"] == method].set_index("problem")["value"].reindex(names)
        axes.plot(own, np.arange(len(names)) + offset, marker, color=colour, ms=8, label=told)
    wbic = rows[rows["method"] == "2 λ by WBIC"].set_index("problem").reindex(names)
    places = np.arange(len(names)) + 0.32
    axes.errorbar(wbic["value"], places, xerr=2 * wbic["mcse"], fmt="x", color=PURPLE, ms=7, mew=2, capsize=3,
                  label=f"2λ by WBIC, n = {int(rows['n'].iloc[0])}, ± 2 mcse")  # fmt: skip
    axes.plot(wbic["exact"], places, "|", color=BLACK, ms=14, mew=1.6, label="its exact value, same data")
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.5, -0.6)
    axes.set_xlim(left=-0.2)
    for row in range(1, len(names)):
        axes.axhline(row - 0.5, color=LIGHT, lw=0.6)
    axes.legend(fontsize=8, frameon=False, loc="upper center", bbox_to_anchor=(0.42, -0.05), ncols=2)
    finish(axes, "How many parameters count, by each way", "effective dimension")
