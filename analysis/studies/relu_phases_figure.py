"""The picture of the study of two ReLU units: shares over the angle, the law of the smaller norm, shares over β."""

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
from singular.analysis.studies.cells import NO_NOISE
from singular.analysis.studies.panels import mark_wbic, points
from singular.analysis.studies.relu_phases_read import EXACT, HISTOGRAM, LADDER, PLAIN, exact_curve
from singular.analysis.studies.relu_phases_regions import ASIDE, DEGENERATE, EDGE, LOSS, ONE, TWO

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

STYLES = {ONE: (VERMILION, "o"), TWO: (BLUE, "s"), ASIDE: (GREY, "^"), DEGENERATE: (BLACK, "D")}
SHOWN_ANGLES = (1.1, 1.2, 1.3, 1.35, 1.4)
ANGLE = "angle θ of the truth (rad)"


def draw(table: pd.DataFrame, all_rungs: float) -> Figure:
    """Return the figure; ``all_rungs`` is the angle at which the table holds every rung of a ladder."""
    figure = new_figure(17.0, 9.5)
    few, many, rule, law, over_beta, losses = figure.subplots(2, 3).ravel()
    exact = table[table["method"] == EXACT]
    sizes = sorted({int(n) for n in exact["n"]})
    with_data = [n for n in sizes if (exact.loc[exact["n"] == n, "seed"] != NO_NOISE).any()]
    for axes, n in zip((few, many), (with_data[0], with_data[-1]), strict=True):
        _against_angle(axes, table, n)
        finish(axes, f"n = {n:,}: one norm below 0.5 (`{DEGENERATE}`).\nThick: no noise; thin: data sets", ANGLE,
               "share of the posterior")  # fmt: skip
    for n, style in zip(with_data[-1:] + sizes[-1:], ("-", ":"), strict=True):
        for phase in (ONE, TWO, ASIDE):
            curve = exact_curve(table, n, NO_NOISE, phase)
            label = f"{phase}, n = {n:,}"
            rule.plot(curve.index, curve, color=STYLES[phase][0], ls=style, lw=1.8, marker=".", label=label)
    rule.legend(fontsize=8, frameon=False, loc="center left")
    finish(rule, "Carroll's rule, exact, no noise: norms within 0.5 of (0, 2)\nor of (1, 1), and what it sets aside",
           ANGLE, "share of the posterior")  # fmt: skip
    _smaller_norm(law, table, with_data[-1])
    _against_beta(over_beta, table, all_rungs)
    _losses(losses, table, sizes)
    figure.suptitle(
        "As the truth's two units turn into one, the posterior goes over to one unit, before the truth does",
        fontsize=12,
    )
    return figure


def _against_angle(axes: Axes, table: pd.DataFrame, n: int) -> None:
    exact = table[(table["method"] == EXACT) & (table["n"] == n)]
    for seed in sorted(set(exact["seed"])):
        curve = exact_curve(table, n, seed, DEGENERATE)
        free = seed == NO_NOISE
        axes.plot(curve.index, curve, color=BLACK if free else LIGHT, lw=2.2 if free else 1.0, zorder=2 if free else 1)
    first = min(set(exact["seed"]) - {NO_NOISE})
    for method, colour, marker, name in (
        (LADDER, BLUE, "o", "ladders"),
        (PLAIN, VERMILION, "D", "NUTS at β = 1 alone"),
    ):
        own = table[
            (table["method"] == method) & (table["quantity"] == "share") & (table["phase"] == DEGENERATE)
            & (table["n"] == n) & (table["beta"] == 1.0)
        ]  # fmt: skip
        if own.empty:
            continue
        points(axes, own, "angle", color=colour, marker=marker, ms=6, label=f"{name}, ± 2 errors", zorder=4)
        axes.plot(own["angle"], own["exact"], color=BLACK, marker="_", ms=12, ls="", zorder=5)
    curve = exact_curve(table, n, first, DEGENERATE)
    axes.plot(curve.index, curve, color=SKY, lw=1.4, label="the first data set", zorder=3)
    axes.plot([], [], color=BLACK, marker="_", ms=12, ls="", label="exact, same data")
    axes.axhline(0.5, color=GREY, lw=0.8)
    axes.set_ylim(-0.03, 1.03)
    axes.legend(fontsize=8, frameon=False, loc="upper left")


def _smaller_norm(axes: Axes, table: pd.DataFrame, n: int) -> None:
    rows = table[(table["quantity"] == HISTOGRAM) & (table["n"] == n) & (table["seed"] == NO_NOISE)]
    colours = (BLUE, SKY, GREEN, ORANGE, VERMILION)
    for angle, colour in zip(SHOWN_ANGLES, colours, strict=True):
        own = rows[rows["angle"] == angle]
        own = own.assign(low=own["phase"].astype(float)).sort_values(by="low")
        if own.empty:
            continue
        edges = np.append(own["low"].to_numpy(), own["low"].max() + 0.1)
        axes.stairs(own["value"], edges, color=colour, lw=1.6, label=f"θ = {angle:g}")
    axes.axvline(0.5, color=GREY, ls=":", lw=1.2)
    axes.legend(fontsize=8, frameon=False)
    finish(axes, f"n = {n:,}, exact, no noise: two peaks at the transition.\nUnits that are off count in the first bin",
           "smaller effective norm", "share in a bin of 0.1")  # fmt: skip


def _against_beta(axes: Axes, table: pd.DataFrame, angle: float) -> None:
    drawn = table[(table["method"] == LADDER) & (table["quantity"] == "share") & (table["angle"] == angle)]
    n = int(drawn["n"].max())
    for phase in (DEGENERATE, ONE, TWO, ASIDE):
        own = drawn[(drawn["phase"] == phase) & (drawn["n"] == n)].sort_values(by="beta")
        colour, marker = STYLES[phase]
        axes.plot(own["beta"], own["exact"], color=colour, lw=1.6)
        points(axes, own, "beta", color=colour, marker=marker, ms=5, label=phase)
    mark_wbic(axes, n)
    axes.set_xscale("log")
    axes.set_ylim(-0.03, 1.03)
    axes.legend(fontsize=8, frameon=False, loc="center left")
    finish(axes, f"θ = {angle:g}, n = {n:,}, first data set: every rung of the ladder.\nLines exact, points ± 2 errors",
           "inverse temperature β", "share")  # fmt: skip


def _losses(axes: Axes, table: pd.DataFrame, sizes: list[int]) -> None:
    for name, colour, style in ((LOSS, VERMILION, "-"), (EDGE, PURPLE, "--")):
        own = table[(table["quantity"] == name) & (table["angle"] < 1.55)].sort_values(by="angle")
        axes.plot(own["angle"], own["value"], color=colour, ls=style, marker=".", lw=1.8, label=name)
    for n in sizes:
        level = 1.5 * math.log(n) / n
        left = level < own["value"].iloc[0]  # where the curves are not
        place = (0.5, "left") if left else (1.55, "right")
        axes.axhline(level, color=GREY, lw=0.8, ls=":")
        axes.annotate(f"1.5 log n / n, n = {n:,}", (place[0], level), fontsize=8, color=GREY, va="bottom", ha=place[1])
    axes.set_yscale("log")
    axes.legend(fontsize=8, frameon=False, loc="lower left")
    title = "What one unit loses, and the best point at the edge\nof `degenerate`, a smaller norm of 0.5"
    finish(axes, title, ANGLE, "excess loss K (nats an observation)")
