"""The picture of the kernels: z of every number, p of the joint law, ranks."""

from __future__ import annotations

import numpy as np
import pandas as pd
from kernels_agree import SMC
from matplotlib.figure import Figure
from scipy.stats import binom
from validate_calibration import BINS, KEPT

from singular.analysis.figures import BLACK, BLUE, GREY, LIGHT, ORANGE, VERMILION, finish
from singular.posteriors.kernels import NAMES

FAR = 4.0
LEAST_P, FEWEST = 1e-12, 1e-3
"""Where the axes of p and of the share of tests begin."""
RANKED = "‖w‖"
"""The quantity that every family has and whose ranks are drawn."""


def picture(agreeing: pd.DataFrame, joint: pd.DataFrame, ranking: pd.DataFrame) -> Figure:
    """Draw z by kernel, the p-values of the joint law, and for each kernel the ranks of ‖w‖ over all families."""
    right = ranking[ranking["wrong"] == ""]
    kernels = [name for name in NAMES if (right["kernel"] == name).any()]
    columns = len(kernels) + 1
    figure = Figure(figsize=(max(11.0, 2.1 * columns), 7.2), dpi=90, layout="constrained")
    grid = figure.add_gridspec(2, 2 * columns, height_ratios=(1.35, 1.0))
    split = int(1.25 * columns)
    _draw_z(figure.add_subplot(grid[0, :split]), agreeing)
    _draw_p(figure.add_subplot(grid[0, split:]), joint)
    for place, kernel in enumerate(kernels):
        axes = figure.add_subplot(grid[1, 2 * place : 2 * place + 2])
        part = right[(right["kernel"] == kernel) & (right["quantity"] == RANKED)]
        _draw_ranks(axes, part["rank"].to_numpy(), f"{kernel}:\nranks of {RANKED}", BLUE)
    wrong = ranking[ranking["wrong"] == "Jacobian"]
    means = wrong.groupby("quantity")["rank"].mean()
    if len(means):
        axes, worst = figure.add_subplot(grid[1, 2 * len(kernels) :]), (means - KEPT / 2).abs().idxmax()
        found = wrong.loc[wrong["quantity"] == worst, "rank"].to_numpy()
        _draw_ranks(axes, found, f"wrong Jacobian:\nranks of {worst}", VERMILION)
    return figure


def _draw_z(axes, agreeing: pd.DataFrame) -> None:
    ways = [way for way in (*NAMES, SMC) if (agreeing["way"] == way).any()]
    rng = np.random.default_rng(0)
    for place, way in enumerate(ways):
        part = agreeing[(agreeing["way"] == way) & agreeing["z"].notna()]
        for exact, colour, label in ((True, BLUE, "against quadrature"), (False, ORANGE, "against another route")):
            for clean in (True, False):
                some = part[((part["reference"] == "quadrature") == exact) & ((part["flags"] == "") == clean)]
                across = place + rng.uniform(-0.3, 0.3, len(some))
                face = {"color": colour} if clean else {"facecolors": "none", "edgecolors": colour}
                axes.scatter(across, some["z"], s=16, alpha=0.85, label=label if place == 0 and clean else None, **face)
    axes.scatter([], [], s=16, facecolors="none", edgecolors=GREY, label="flagged")
    for level, style in ((0.0, "-"), (FAR, "--"), (-FAR, "--")):
        axes.axhline(level, color=GREY, lw=0.8, ls=style, zorder=0)
    axes.set_xticks(range(len(ways)), [way.replace("+", "+\n").replace(" ", "\n") for way in ways])
    reach = max(4.6, float(agreeing["z"].abs().max()) * 1.1)
    axes.set_ylim(-reach, reach * 1.25)
    axes.legend(fontsize=8, loc="upper right", ncols=3, frameon=False)
    finish(axes, "z of every number: free energy, mean nll, shares of phases", "", "z, joint errors")


def _draw_p(axes, joint: pd.DataFrame) -> None:
    for wrong, colour, label in ((False, BLUE, "as they are"), (True, VERMILION, "wrong on purpose")):
        p = np.sort(joint.loc[(joint["wrong"] != "") == wrong, "p"].to_numpy())
        below = np.arange(1, p.size + 1) / max(p.size, 1)
        axes.step(np.maximum(p, LEAST_P), below, where="post", color=colour, label=label)
    uniform = np.geomspace(FEWEST, 1.0, 100)
    axes.plot(uniform, uniform, color=BLACK, lw=0.9, ls="--", label="uniform")
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlim(LEAST_P, 1.5)
    axes.set_ylim(FEWEST, 1.3)
    axes.legend(fontsize=8, loc="upper left", frameon=False)
    finish(axes, "Joint law of parameters and data: p-values", f"p, cut at {LEAST_P:g}", "share of tests below")


def _draw_ranks(axes, found: np.ndarray, title: str, colour: str) -> None:
    low, high = (binom.ppf(p, found.size, 1 / BINS) for p in (0.005, 0.995))
    axes.axhspan(low, high, color=LIGHT, alpha=0.5, lw=0)
    axes.hist(found, bins=np.linspace(0, KEPT + 1, BINS + 1), color=colour)
    finish(axes, title, f"rank among {KEPT} draws", "data sets")
    axes.title.set_fontsize(8.5)
