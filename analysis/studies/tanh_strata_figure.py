"""The picture of the study of tanh strata: shares against n and β, free energies, and the rule on a cloud of draws."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from singular.analysis.figures import BLACK, BLUE, GREEN, GREY, ORANGE, PURPLE, VERMILION, finish, new_figure
from singular.analysis.phase_law import PhaseLaw
from singular.analysis.phases import REST
from singular.analysis.studies.panels import mark_wbic, points
from singular.analysis.studies.tanh_strata_regions import (
    CURVED,
    INPUTS,
    LINEAR,
    MIXED,
    NEARLY_LINEAR,
    OUTPUTS,
    RESOLUTION,
    laws,
    size,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

STYLES = {
    OUTPUTS: (BLUE, "o", "dead, all by output"),
    INPUTS: (ORANGE, "s", "dead, all by input"),
    MIXED: (GREEN, "^", "dead, some by each"),
    LINEAR: (VERMILION, "D", f"cancelling, |b| < {NEARLY_LINEAR:g}"),
    CURVED: (PURPLE, "v", f"cancelling, some |b| ≥ {NEARLY_LINEAR:g}"),
    REST: (GREY, "x", "rest: not zero at this resolution"),
}
"""Region -> colour, marker and what it is called."""


def draw(table: pd.DataFrame, points: pd.DataFrame, n: int, all_rungs: int) -> Figure:
    """Return the figure.

    Parameters
    ----------
    table : DataFrame
        Of the study.
    points : DataFrame
        Exact draws of the network of two units at ``n``, with their region.
    n, all_rungs : int
        Observations of the cloud, and those at which the table holds every rung.
    """
    figure = new_figure(18.0, 9.5)
    panels = figure.subplots(2, 4)
    shares = table[table["quantity"] == "share"]
    for axes, hidden in zip(panels[0], (1, 2, 3, 4), strict=True):
        own = shares[shares["hidden"] == hidden]
        _against_n(axes, own[own["beta"] == 1.0])
        beyond = "" if (own["method"] == "exact draws").any() else " (sampled only)"
        unit = "unit" if hidden == 1 else "units"
        finish(axes, f"{hidden} tanh {unit}, β = 1{beyond}", "observations n", "share of the posterior")
    for axes, hidden in zip(panels[1], (2, 3), strict=False):
        own = shares[(shares["hidden"] == hidden) & (shares["n"] == all_rungs) & (shares["method"] == "mbar")]
        _against_beta(axes, own, all_rungs)
        finish(axes, f"{hidden} units, n = {all_rungs:,}: every rung of the ladder", "inverse temperature β", "share")
    _free_energies(panels[1, 2], table, 2)
    _cloud(panels[1, 3], points, n)
    handles, labels = panels[0, 1].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=6, fontsize=10, frameon=False)
    figure.suptitle(
        "How a tanh network makes zero: first units dead by themselves, then units that cancel, at last straight lines "
        "that cancel, the way of the smallest λ.\nTop: thick lines exact, data without noise; thin lines exact, "
        "one for each data set; points sampled, ± 2 errors.",
        fontsize=12,
    )
    return figure


def _against_n(axes: Axes, rows: pd.DataFrame) -> None:
    for phase, (colour, marker, name) in STYLES.items():
        own = rows[rows["phase"] == phase]
        for seed, one in own[own["method"] == "exact draws"].groupby("seed"):
            width = 2.2 if seed < 0 else 0.8
            axes.plot(one["n"], one["value"], color=colour, lw=width, alpha=1.0 if seed < 0 else 0.6)
        drawn = own[own["method"] == "mbar"]
        points(
            axes,
            drawn,
            "n",
            color=colour,
            marker=marker,
            ls="" if drawn["exact"].notna().any() else ":",
            ms=5,
            label=name,
        )
    axes.set_xscale("log")
    axes.set_ylim(-0.03, 1.03)


def _against_beta(axes: Axes, rows: pd.DataFrame, n: int) -> None:
    for phase, (colour, marker, _) in STYLES.items():
        own = rows[rows["phase"] == phase].sort_values(by="beta")
        axes.plot(own["beta"], own["exact"], color=colour, lw=1.8)
        points(axes, own, "beta", color=colour, marker=marker, ms=5)
    mark_wbic(axes, n)
    axes.set_xscale("log")
    axes.set_ylim(-0.03, 1.03)


def _free_energies(axes: Axes, table: pd.DataFrame, hidden: int) -> None:
    rows = table[(table["quantity"] == "free energy") & (table["hidden"] == hidden) & (table["seed"] < 0)]
    for phase, law in laws(hidden).items():
        colour, marker, _ = STYLES[phase]
        own = rows[(rows["phase"] == phase) & (rows["n"] >= 100)].sort_values(by="n")
        if own.empty:
            continue
        last = own.iloc[-1]
        curve = PhaseLaw(0.0, law.coefficient, law.multiplicity).through(float(last["n"]), float(last["value"]))
        axes.plot(own["n"], own["value"], color=colour, marker=marker, ls="", ms=5)
        told = f"λ = {law.coefficient:.3g}, m = {law.multiplicity}"
        axes.plot(own["n"], [curve.free_energy(float(n)) for n in own["n"]], color=colour, lw=1.4, label=told)
    axes.set_xscale("log")
    axes.legend(fontsize=8, frameon=False, loc="upper left")
    title = f"{hidden} units: free energy of each region, without noise.\nLines: λ log n − (m − 1) log log n + constant"
    finish(axes, title, "observations n", "−log of the region's mass, nats")


def _cloud(axes: Axes, points: pd.DataFrame, n: int) -> None:
    a, b = (np.abs(points[[f"{site}0", f"{site}1"]].to_numpy()) for site in ("a", "b"))
    sizes = a * size(b) * math.sqrt(n)
    rows = np.arange(len(points))
    largest = sizes.argmax(axis=1)
    for phase, (colour, marker, _) in STYLES.items():
        held = (points["phase"] == phase).to_numpy()
        axes.scatter(sizes[rows, largest][held], b[rows, largest][held], s=9, color=colour, marker=marker, alpha=0.6,
                     linewidths=0.7)  # fmt: skip
    axes.axvline(RESOLUTION, color=BLACK, lw=1.2)
    axes.plot([RESOLUTION, 1e3], [NEARLY_LINEAR] * 2, color=BLACK, lw=1.2)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlim(0.03, 600)
    axes.set_ylim(1e-3, 8)
    title = f"The rule: exact draws of 2 units at n = {n:,}.\nLeft of the line: dead; right: cancelling"
    finish(axes, title, "size of the larger unit · √n", "its inner weight |b|")
