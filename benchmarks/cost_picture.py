"""The picture of `cost.py`: what a gradient, a sweep and a round cost, each against what is varied."""

from __future__ import annotations

from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from singular.analysis import figures

COLOURS = (figures.BLUE, figures.VERMILION, figures.GREEN, figures.ORANGE, figures.PURPLE)
KERNELS = {"nuts": ("o", "-"), "collapsed": ("s", "-"), "moves": ("^", "-"), "moves+nuts": ("v", "-")}
OTHERS = {"all rows, NumPyro": ("x", "--"), "summing up": ("+", ":")}
BY_KERNEL = {"nuts": figures.BLUE, "collapsed": figures.ORANGE, "moves": figures.GREEN}


def picture(rows: pd.DataFrame) -> Figure:
    """Draw medians with the least and the greatest; n above, rungs, chains and depth below."""
    figure = figures.new_figure(12.5, 9.2)
    above, below = figure.subfigures(2, 1, height_ratios=(1.2, 1))
    _against_n(above.subplots(), rows[rows["panel"] == "n"])
    rungs, chains, depth = below.subplots(1, 3)
    own = rows[rows["panel"] == "rungs"]
    for place, (keys, curve) in enumerate(own.groupby(["model", "kernel"], sort=False)):
        _curve(rungs, curve, ", ".join(keys), COLOURS[place], "o^s"[place], "-", a_round=True)
    _straight(rungs, own)
    _finish(rungs, own, "A round, against the rungs", "rungs")
    own = rows[rows["panel"] == "chains"]
    for (kernel, cores), curve in own.groupby(["kernel", "cores"], sort=False):
        curve, where = curve.sort_values("x"), "1 core" if cores == 1 else f"{cores} cores"
        chains.plot(curve["x"], curve["least wall a round"], color=BY_KERNEL[kernel], marker=KERNELS[kernel][0], ms=5,
                    lw=1.3, ls="-" if cores == 1 else "--", label=f"{kernel}, {where}")  # fmt: skip
    _straight(chains, own[own["cores"] == 1], "least wall a round")
    _finish(
        chains, own, f"A round of all chains: {own['model'].iloc[0]}", "chains", "seconds by the wall's clock, least"
    )
    own = rows[rows["panel"] == "depth"]
    for kernel, curve in own.groupby("kernel", sort=False):
        label = f"{kernel}, a {curve['unit'].iloc[0]}"
        _curve(depth, curve, label, BY_KERNEL[kernel], KERNELS[kernel][0], "-", a_round=False)
    _finish(depth, own, f"Against depth: {own['model'].iloc[0]}", "layers")
    return figure


def _against_n(axes: Axes, rows: pd.DataFrame) -> None:
    shown = {**KERNELS, **OTHERS}
    names = list(rows["model"].unique())
    for (model, kernel), curve in rows.groupby(["model", "kernel"], sort=False):
        if kernel in shown:
            marker, style = shown[kernel]
            _curve(axes, curve, "", COLOURS[names.index(model)], marker, style, a_round=False)
    figures.finish(axes, "A gradient, a sweep of moves (moves) and, once a ladder, the summing up of the data",
                   "observations n", "seconds")  # fmt: skip
    axes.set(xscale="log", yscale="log")
    handles: list[Any] = [Line2D([], [], color=c, lw=2, label=m) for m, c in zip(names, COLOURS, strict=False)]
    labels = {"nuts": "NUTS", "collapsed": "collapsed NUTS", "moves": "moves", "moves+nuts": "moves, then NUTS",
              "all rows, NumPyro": "one gradient on all rows, NumPyro", "summing up": "summing up, once"}  # fmt: skip
    handles += [Line2D([], [], color=figures.GREY, marker=m, ls=s, label=labels[k]) for k, (m, s) in shown.items()]
    axes.legend(handles=handles, fontsize=8, frameon=False, loc="center left", bbox_to_anchor=(1.0, 0.5))


def _curve(axes: Axes, rows: pd.DataFrame, label: str, colour: str, marker: str, style: str, a_round: bool) -> None:
    rows = rows.sort_values("x")
    by = rows["units a round"] if a_round else 1.0
    middle = rows["seconds a round"] if a_round else rows["seconds a unit"]
    ends = [(middle - rows["least"] * by).clip(lower=0), (rows["most"] * by - middle).clip(lower=0)]
    axes.errorbar(rows["x"], middle, ends, color=colour, marker=marker, ls=style, ms=5, lw=1.3, capsize=2, label=label)


def _straight(axes: Axes, rows: pd.DataFrame, what: str = "seconds a round") -> None:
    """Draw what each curve would be if its cost were in proportion, through its first point."""
    for place, (_, curve) in enumerate(rows.sort_values("x").groupby(["model", "kernel"], sort=False)):
        x = curve["x"] / curve["x"].iloc[0]
        axes.plot(curve["x"], x * curve[what].iloc[0], color=figures.GREY, ls=":", lw=1, zorder=0,
                  label="" if place else "in proportion")  # fmt: skip


def _finish(axes: Axes, rows: pd.DataFrame, title: str, x: str, y: str = "seconds") -> None:
    figures.finish(axes, title, x, y)
    axes.set(xscale="log", yscale="log")
    ticks = sorted(rows["x"].unique())
    axes.set_xticks(ticks, [str(tick) for tick in ticks])
    axes.minorticks_off()
    axes.legend(fontsize=8, frameon=False)
