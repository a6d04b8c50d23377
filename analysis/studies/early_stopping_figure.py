"""The picture of the study of early stopping: counts, ridge, singular flow, parameters, test losses, best stops."""

from __future__ import annotations

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
from singular.analysis.studies.early_stopping_exact import (
    EXCESS,
    FEW,
    LARGEST,
    LEARNED,
    PUSHED,
    RATIO,
    SEEN_AT,
    TEMPERED,
)
from singular.analysis.studies.early_stopping_risk import BEST, DESCENT, EDGE, MEAN_LOSS, PARAMETERS
from singular.analysis.studies.panels import points

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS = (BLUE, GREEN, VERMILION, PURPLE)
MARKERS = ("o", "s", "D", "^")
TIME = "ηN of descent, 1/T of the tempered posterior"


def draw(table: pd.DataFrame) -> Figure:
    """Return the figure of six panels."""
    figure = new_figure(16.5, 9.5)
    panels = figure.subplots(2, 3).ravel()
    _counts(panels[0], table)
    _ratios(panels[1], table)
    _flow(panels[2], table)
    _parameters(panels[3], table)
    _losses(panels[4], table)
    _best(panels[5], table)
    figure.suptitle("Stopping early hides directions as a temperature does, but follows a law of its own", fontsize=13)
    return figure


def _counts(axes: Axes, table: pd.DataFrame) -> None:
    own = table[table["part"] == "quadratic"]
    for name, colour, style, label in (
        (LEARNED, BLUE, "-", "learned by descent, ½ Σ S"),
        (TEMPERED, BLACK, "--", "tempered posterior at T = 1/(ηN)"),
        (PUSHED, VERMILION, "-", f"left for a posterior at nβ = {SEEN_AT:,.0f} to learn"),
    ):
        rows = own[(own["quantity"] == name) & (own["kind"] == "exact")].sort_values(by="time")
        axes.plot(rows["time"], rows["value"], color=colour, ls=style, lw=1.8, label=label)
    axes.set_xscale("log")
    axes.set_ylim(0, 2.9)
    axes.legend(fontsize=8.5, frameon=False, loc="upper left")
    finish(
        axes, "A quadratic, h = 10, 1, 0.1, 0.01, 0: two opposite counts", "ηN (1/nats)", "half a count of directions"
    )


def _ratios(axes: Axes, table: pd.DataFrame) -> None:
    own = table[table["part"] == "ridge"]
    top = float(own.loc[(own["problem"] == "flow") & (own["quantity"] == LARGEST), "value"].iloc[0])
    axes.axhspan(1.0, top, color=LIGHT, alpha=0.35, lw=0)
    names = [*(f"{n} steps" for n in FEW), "flow"]
    for name, colour in zip(names, (ORANGE, VERMILION, GREEN, SKY, BLACK), strict=True):
        rows = own[(own["problem"] == name) & (own["quantity"] == RATIO)].sort_values(by="time")
        label = "1 step" if name == "1 steps" else name
        axes.plot(rows["time"], rows["value"], color=colour, lw=1.8, label=label)
    axes.text(1.2e-2, top + 0.01, f"flow: from 1 to {top:.4f}", fontsize=8.5, va="bottom")
    axes.set_xscale("log")
    axes.legend(fontsize=8.5, frameon=False)
    finish(axes, "What descent has learnt, over ridge of penalty 1/(ηN)", "ηN h", "S over h/(h + 1/(ηN))")


def _flow(axes: Axes, table: pd.DataFrame) -> None:
    own = table[(table["part"] == "flow") & (table["quantity"] == EXCESS)]
    for (name, rows), colour, marker in zip(own.groupby("problem"), COLOURS, MARKERS, strict=False):
        known = rows[rows["kind"] == "exact"].sort_values(by="time")
        axes.plot(known["time"], known["value"], color=colour, lw=1.6, label=name)
        drawn = rows[rows["kind"] == "simulated"]
        points(axes, drawn, "time", color=colour, marker=marker, ms=5, capsize=0)
    s = np.array([10.0, 1e5])
    axes.plot(s, 0.25 / s, color=GREY, ls="--", lw=1.4, label="Gibbs, λ/t of |w|⁴")
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_ylim(1e-15, 10)
    axes.legend(fontsize=8.5, frameon=False, loc="lower left")
    finish(
        axes,
        "Flow on singular losses: other powers than Gibbs (marks: simulated)",
        "time s = ηN (1/nats)",
        "E[K] (nats)",
    )


def _parameters(axes: Axes, table: pd.DataFrame) -> None:
    own = table[table["quantity"] == PARAMETERS]
    for (name, rows), colour in zip(own.groupby("problem"), COLOURS, strict=False):
        first = rows[rows["seed"] == rows["seed"].min()]
        for kind, curve in first.groupby("kind"):
            curve = curve.sort_values(by="time")
            line = "-" if kind == DESCENT else "--"
            axes.plot(curve["time"], curve["value"], color=colour, ls=line, lw=1.6, label=f"{name}, {_short(kind)}")
            low, high = (curve["value"] + sign * 2 * curve["mcse"] for sign in (-1, 1))
            axes.fill_between(curve["time"], low, high, color=colour, alpha=0.2, lw=0)
    axes.set_xscale("log")
    axes.set_xlim(5e-3, 1e3)
    axes.legend(fontsize=8, frameon=False, loc="upper left")
    finish(axes, "Effective parameters Σ ∂f/∂y, ± 2 errors", f"{TIME} (1/nats)", "parameters")


def _losses(axes: Axes, table: pd.DataFrame) -> None:
    for (name, rows), colour in zip(table[table["part"] == "risk"].groupby("problem"), COLOURS, strict=False):
        first = rows[rows["seed"] == rows["seed"].min()]
        for kind, both in first.groupby("kind"):
            curve = both[(both["quantity"] == MEAN_LOSS) & (both["time"] > 0)].sort_values(by="time")
            axes.plot(curve["time"], curve["value"], color=colour, ls="-" if kind == DESCENT else "--", lw=1.6,
                      label=f"{name}, {_short(kind)}")  # fmt: skip
            low, high = (np.maximum(curve["value"] + sign * 2 * curve["mcse"], 1e-6) for sign in (-1, 1))
            axes.fill_between(curve["time"], low, high, color=colour, alpha=0.2, lw=0)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlim(5e-3, 1e3)
    axes.set_ylim(2e-5, 2.0)
    axes.legend(fontsize=8, frameon=False, loc="lower left")
    finish(
        axes, "Test loss of the mean prediction, one data set of each", f"{TIME} (1/nats)", "K (nats an observation)"
    )


def _best(axes: Axes, table: pd.DataFrame) -> None:
    own = table[table["quantity"] == BEST]
    ends = (1e-1, 1e3)
    axes.plot(ends, ends, color=GREY, lw=1.0, label="1/T = ηN")
    for (name, rows), colour, marker in zip(own.groupby("problem"), COLOURS, MARKERS, strict=False):
        stop, heat = (
            rows[(rows["kind"] == DESCENT) == descent].set_index("seed")[["value", "mcse", "flags"]]
            for descent in (True, False)
        )
        inside = (stop["flags"] != EDGE) & (heat["flags"] != EDGE)
        axes.errorbar(
            stop["value"][inside], heat["value"][inside], xerr=stop["mcse"][inside], yerr=heat["mcse"][inside],
            color=colour, marker=marker, ls="", ms=5, lw=0.8, label=f"{name} ({int(inside.sum())} of {len(inside)})",
        )  # fmt: skip
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlim(*ends)
    axes.set_ylim(*ends)
    axes.legend(fontsize=8.5, frameon=False, loc="lower right")
    finish(axes, "Best stop and best temperature, a mark for each data set", "best ηN (1/nats)", "best 1/T (1/nats)")


def _short(kind: str) -> str:
    return "stopped" if kind == DESCENT else "tempered"
