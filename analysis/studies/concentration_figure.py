"""The picture of the study of concentration: shares against n, sampled on exact, and where E[w1²] goes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import pandas as pd

from singular.analysis.figures import BLUE, GREY, finish, new_figure
from singular.analysis.studies.cells import COLOURS, MARKERS
from singular.analysis.studies.panels import points

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

TITLES = {
    "monomial-1-2": "Two lines cross: y ~ N(w1 w2² x, 1)",
    "line-and-dot": "A line and a dot: y ~ N((w1 − 1)|w|⁴ x, 1)",
    "monomial-1-1-1": "Three planes cross: y ~ N(w1 w2 w3 x, 1)",
}


def draw(
    table: pd.DataFrame, coefficients: Mapping[str, Mapping[str, tuple[float, int]]], limit: float, square: str
) -> Figure:
    """Return the figure: one panel a model, and one for E[w1²]."""
    figure = new_figure(13.0, 8.0)
    panels = figure.subplots(2, 2).ravel()
    for axes, (name, parts) in zip(panels, coefficients.items(), strict=False):
        own = table[(table["problem"] == name) & (table["quantity"] == "share") & (table["beta"] == 1.0)]
        for place, (phase, (coefficient, order)) in enumerate(parts.items()):
            label = f"{phase}: λ = {coefficient:g}, m = {order}"
            _lines(axes, own[own["phase"] == phase], COLOURS[place], MARKERS[place], label)
        axes.set_ylim(-0.03, 1.03)
        finish(axes, TITLES.get(name, name), "observations n", "share of the posterior, β = 1")
        axes.legend(fontsize=9, frameon=False, loc="center right" if name == "line-and-dot" else "upper left")
    rows = table[(table["quantity"] == square) & (table["beta"] == 1.0)]
    _lines(panels[3], rows, BLUE, "o", "two lines")
    panels[3].axhline(limit, color=GREY, ls="--", lw=1.4, label=f"exact limit {limit:g}")
    panels[3].axhline(1.0, color=GREY, ls=":", lw=1.4, label="prior")
    finish(panels[3], "How far along the line w2 = 0: E[w1²] of the first model", "observations n", "E[w1²]")
    panels[3].legend(fontsize=9, frameon=False, loc="center right")
    figure.suptitle(
        "The posterior goes to the part of the optimal set with the smaller λ, and at equal λ with the larger m.\n"
        "Lines: exact, one for each data set. Points: sampled, ± 2 errors.",
        fontsize=12,
    )
    return figure


def _lines(axes: Axes, rows: pd.DataFrame, colour: str, marker: str, label: str) -> None:
    exact, drawn = rows[rows["method"] == "quadrature"], rows[rows["method"] == "mbar"]
    for place, (_, one) in enumerate(exact.groupby("seed")):
        axes.plot(
            one["n"], one["value"], color=colour, lw=1.8 if place == 0 else 0.8, alpha=1.0 if place == 0 else 0.45
        )
    points(axes, drawn, "n", color=colour, marker=marker, ms=6, label=label)
    axes.set_xscale("log")
