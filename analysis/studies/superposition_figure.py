"""The picture of the study of superposition: which polygon, where it changes, by which law, and draws of each."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

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
from singular.analysis.studies.panels import points
from singular.analysis.studies.superposition_points import (
    FEATURES,
    HEXAGON,
    HULL,
    LAWS,
    LENGTH,
    POINTS,
    WEIGHTS,
    critical_point,
)
from singular.analysis.studies.superposition_text import CROSSING, ODDS, data_crossings, free_rows

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

STYLE = {
    "6-gon": (BLUE, "o"), "5-gon": (VERMILION, "s"), "5+-gon": (ORANGE, "^"), "4-gons": (GREEN, "D"),
    "3-gon or none": (PURPLE, "v"),
}  # fmt: skip
SHOWN = ("6-gon", "5-gon", "5+-gon", "4-gon")
SPACE = 3.4
"""Between the centres of polygons drawn side by side."""


def draw(table: pd.DataFrame, found: pd.DataFrame, seed: int) -> Figure:
    """Return the figure: shares and odds without noise, on data sets, crossings by law, draws as polygons."""
    figure = new_figure(14.0, 12.0)
    grid = figure.add_gridspec(3, 2, height_ratios=[1, 1, 0.8])
    shares, odds, data, laws = (figure.add_subplot(grid[i // 2, i % 2]) for i in range(4))
    _shares(shares, free_rows(table, seed))
    _odds(odds, table, seed)
    _data(data, table, seed)
    _laws(laws, table, seed)
    _polygons(figure.add_subplot(grid[2, :]), found)
    figure.suptitle("Six features in two dimensions: pentagons hold the posterior first, hexagons later", fontsize=13)
    return figure


def _shares(axes: Axes, free: pd.DataFrame) -> None:
    own = free[(free["quantity"] == "share") & (free["rule"] == HULL)]
    wide = own.pivot_table(index="size", columns="phase", values="value", aggfunc="first").fillna(0.0)
    error = own.pivot_table(index="size", columns="phase", values="mcse", aggfunc="first").fillna(0.0)
    groups = {"6-gon": ["6-gon"], "5-gon": ["5-gon"], "5+-gon": ["5+-gon"], "4-gons": ["4-gon", "4+-gon", "4++-gon"],
              "3-gon or none": ["3-gon", "rest"]}  # fmt: skip
    for name, members in groups.items():
        held = [member for member in members if member in wide]
        colour, marker = STYLE[name]
        spread = 2 * np.sqrt((error[held] ** 2).sum(axis=1))
        style = {"color": colour, "marker": marker, "ms": 4, "lw": 1.4, "capsize": 2, "label": name}
        axes.errorbar(wide.index, wide[held].sum(axis=1), yerr=spread, **style)
    axes.set_xscale("log")
    axes.legend(fontsize=8, frameon=False, loc="upper left")
    finish(axes, "Posterior without noise of data, ± 2 errors", "n at unit noise (n/σ²)", "share at β = 1")


def _odds(axes: Axes, table: pd.DataFrame, seed: int) -> None:
    for own, colour, marker, label in (
        (free_rows(table, seed), BLUE, "o", "ladder"), (free_rows(table, seed + 1), SKY, "x", "ladder, other seed"),
        (table[table["method"] == "smc"], VERMILION, "D", "sequential Monte Carlo"),
    ):  # fmt: skip
        rows = own[(own["quantity"] == ODDS) & (own["rule"] == HULL) & (own["size"] > 90)]
        points(axes, rows, "size", color=colour, marker=marker, ms=6, label=label)
    peak = table[(table["method"] == "laplace") & (table["quantity"] == ODDS)].sort_values("size")
    axes.plot(peak["size"], peak["value"], color=BLACK, lw=1.5, label="Laplace, soft edges")
    by_length = free_rows(table, seed)
    rows = by_length[(by_length["quantity"] == ODDS) & (by_length["rule"] == LENGTH) & (by_length["size"] > 90)]
    axes.plot(rows["size"], rows["value"], color=GREY, ls=":", lw=1.5, label="ladder, columns longer than 0.5")
    axes.axhline(0.0, color=GREY, lw=0.8)
    axes.set_xscale("log")
    axes.set_xticks([100, 200, 300, 500, 700, 1000], ["100", "200", "300", "500", "700", "1000"])
    axes.minorticks_off()
    axes.set_ylim(-2.6, 4.6)
    axes.legend(fontsize=8, frameon=False, loc="upper left")
    finish(axes, "Hexagon against both pentagons, ± 2 errors", "n at unit noise (n/σ²)", f"{ODDS} (nats)")


def _data(axes: Axes, table: pd.DataFrame, seed: int) -> None:
    free = free_rows(table, seed)
    line = free[(free["quantity"] == "share") & (free["phase"] == HEXAGON) & (free["rule"] == HULL)]
    rows = table[(table["method"] == "mbar") & table["variance"].notna() & ~table.index.isin(_noise_free(table))]
    rows = rows[(rows["quantity"] == "share") & (rows["phase"] == HEXAGON)]
    for variance, colour, marker in ((1.0, BLUE, "o"), (0.5, ORANGE, "s")):
        axes.plot(
            line["size"] * variance, line["value"], color=colour, lw=1.6, label=f"no noise of data, σ² = {variance:g}"
        )
        for place, (own_seed, own) in enumerate(rows[rows["variance"] == variance].groupby("seed")):
            points(
                axes,
                own,
                "n",
                color=colour,
                marker=marker,
                ms=5,
                mfc=colour if own_seed == seed else "none",
                capsize=2,
                label=f"data sets, σ² = {variance:g}" if place == 0 else None,
            )
    axes.axvline(600, color=GREY, ls="--", lw=1.0)
    axes.set_ylim(-0.03, 1.03)
    axes.set_xlim(8, 2600)
    axes.text(615, 0.02, "n = 600", fontsize=8, color=GREY)
    axes.set_xscale("log")
    axes.legend(fontsize=8, frameon=False, loc="upper left")
    finish(
        axes, "The hexagon on data sets, at both noise variances, ± 2 errors", "observations n", "share of the 6-gon"
    )


def _noise_free(table: pd.DataFrame) -> pd.Index:
    return table.index[table["problem"].str.endswith("without noise")]


def _laws(axes: Axes, table: pd.DataFrame, seed: int) -> None:
    told = table[(table["method"] == "exact") & (table["quantity"] == CROSSING)].set_index("phase")["value"]
    rows = [(name, told[name], 0.0, GREY) for name in LAWS]
    rows += [("Laplace, soft edges", data_crossings(table, method="laplace")[0][1], 0.0, BLACK)]
    for own_seed, name in ((seed, "ladder"), (seed + 1, "ladder, other seed")):
        own = free_rows(table, own_seed)
        found = own[(own["quantity"] == CROSSING) & (own["rule"] == HULL)].iloc[0]
        rows.append((name, found["value"], found["mcse"], BLUE))
    for variance, colour in ((1.0, SKY), (0.5, ORANGE)):
        rows += [(f"data set {s}, σ² = {variance:g}", n, e, colour) for s, n, e in data_crossings(table, variance)]
    for place, (_, n, error, colour) in enumerate(rows[::-1]):
        axes.errorbar(n, place, xerr=2 * error, color=colour, marker="o", ms=6, capsize=3, ls="")
    axes.set_yticks(range(len(rows)), [row[0] for row in rows[::-1]])
    axes.axvline(600, color=LIGHT, ls="--", lw=1.0)
    axes.set_xscale("log")
    axes.set_xticks([100, 200, 400, 600, 1000, 1500], ["100", "200", "400", "600", "1000", "1500"])
    axes.minorticks_off()
    finish(axes, "Where the hexagon takes over: laws (grey), σ² = 1 but for L; sampled (coloured)", "n", "")


def _polygons(axes: Axes, found: pd.DataFrame) -> None:
    for place, name in enumerate(SHOWN):
        z = critical_point(name)
        w, corners = z[:WEIGHTS].reshape(2, FEATURES), POINTS[name][0]
        around = np.append(np.arange(corners), 0)
        shift = SPACE * place
        colour = STYLE.get(name, (GREEN, "D"))[0]
        axes.plot(w[0, around] + shift, w[1, around], color=BLACK, lw=1.0, zorder=3)
        axes.plot(w[0] + shift, w[1], color=BLACK, marker="o", ls="", ms=5, zorder=4)
        own = found[found["phase"] == name]
        for corner, face in ((True, colour), (False, "none")):
            part = own[own["corner"] == corner]
            axes.scatter(part["x"] + shift, part["y"], s=10, facecolors=face, edgecolors=colour, alpha=0.5, lw=0.7)
        axes.text(shift, -2.15, f"{name}, {own['draw'].nunique()} draws", ha="center", fontsize=9)
    axes.set_xlim(-SPACE / 2, SPACE * (len(SHOWN) - 0.5))
    axes.set_ylim(-2.4, 2.0)
    axes.set_aspect("equal")
    size = math.nan if found.empty else float(found["size"].iloc[0])
    finish(
        axes,
        f"Columns of W in the hidden plane, n = {size:.0f} without noise, turned to lie on each other. Black: critical "
        "points; full: corners of the hull; open: inside it",
        "first hidden unit", "second hidden unit",
    )  # fmt: skip
