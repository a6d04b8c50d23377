"""The picture of the study of rank phases: parts against n, ranks against n and β, and the rule on a cloud of draws."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from singular import models
from singular.analysis.figures import BLACK, finish, new_figure
from singular.analysis.studies.cells import COLOURS, MARKERS
from singular.analysis.studies.panels import points
from singular.analysis.studies.rank_phases_rules import RESOLUTION, STRATUM, THRESHOLD, laws, network_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PARTS = (
    "reduced-rank-1-2-1-0",
    "reduced-rank-2-2-2-0",
    "deep-linear-2-2-1-2-r0",
    "deep-linear-3-2-2-3-r1",
)
RANKS = ("reduced-rank-2-2-2-0", "reduced-rank-2-2-2-1", "reduced-rank-3-3-2-1", "deep-linear-3-2-2-3-r1")


def draw(table: pd.DataFrame, points: pd.DataFrame, n: int, all_rungs: int) -> Figure:
    """Return the figure.

    Parameters
    ----------
    table : DataFrame
        Of the study.
    points : DataFrame
        Eigenvalues of A Aᵀ − Bᵀ B of exact draws at ``n``, with their part.
    n, all_rungs : int
        Observations of the cloud, and those at which the table holds every rung.
    """
    figure = new_figure(18.0, 13.0)
    panels = figure.subplots(3, 4)
    shares = table[table["quantity"] == "share"]
    for axes, name in zip(panels[0], PARTS, strict=True):
        _parts(axes, shares[(shares["problem"] == name) & (shares["rule"] == STRATUM)], name)
    for axes, name in zip(panels[1], RANKS, strict=True):
        own = shares[(shares["problem"] == name) & (shares["seed"] >= 0) & (shares["beta"] == 1.0)]
        _ranks(axes, own, "n", name)
        finish(axes, f"{_title(name)}: rank against n, β = 1", "observations n", "share of the posterior")
    for axes, name in zip(panels[2], RANKS[:2] + RANKS[3:], strict=False):
        own = shares[(shares["problem"] == name) & (shares["n"] == all_rungs) & (shares["method"] == "mbar")]
        _ranks(axes, own, "beta", name)
        finish(axes, f"{_title(name)}: rank against β, n = {all_rungs:,}", "inverse temperature β", "share")
    _cloud(panels[2, 3], points, n)
    figure.suptitle(
        "Linear networks. Top: the part of the optimal set that a draw is nearest to; thick lines exact, without "
        "noise; thin lines exact, same data as the points (sampled, ± 2 errors).\nBelow: the rank of the product, seen "
        "at the resolution 4/√(nβ) (full lines, filled points) and at the fixed threshold 0.25 (broken lines, open "
        "points).",
        fontsize=12,
    )
    return figure


def _title(name: str) -> str:
    network = network_of(models.get(name))
    return f"{' → '.join(map(str, network.widths))}, true rank {network.rank}"


def _parts(axes: Axes, rows: pd.DataFrame, name: str) -> None:
    rows = pd.DataFrame(rows[rows["beta"] == 1.0])
    for place, (phase, law) in enumerate(laws(network_of(models.get(name))).items()):
        own = rows[rows["phase"] == phase]
        for seed, one in own[own["method"] == "exact draws"].groupby("seed"):
            axes.plot(one["n"], one["value"], color=COLOURS[place], lw=2.2 if seed < 0 else 0.9)
        drawn = own[own["method"] == "mbar"]
        label = f"{phase}: λ = {law.generic:g}, where parts meet {law.coefficient:g} (m = {law.multiplicity})"
        points(
            axes,
            drawn,
            "n",
            color=COLOURS[place],
            marker=MARKERS[place],
            ls="" if drawn["exact"].notna().any() else ":",
            ms=6,
            label=label,
        )
    axes.set_xscale("log")
    axes.set_ylim(-0.03, 1.35)
    axes.legend(fontsize=8, frameon=False, loc="upper left")
    beyond = "" if (rows["method"] == "exact draws").any() else " (sampled only)"
    finish(axes, f"{_title(name)}: nearest part{beyond}", "observations n", "share of the posterior, β = 1")


def _ranks(axes: Axes, rows: pd.DataFrame, along: str, name: str) -> None:
    for rule, style, filled in ((RESOLUTION, "-", True), (THRESHOLD, "--", False)):
        for rank in range(min(network_of(models.get(name)).widths) + 1):
            own = rows[(rows["rule"] == rule) & (rows["phase"] == f"rank {rank}")].sort_values(by=along)
            drawn = own[own["method"] == "mbar"]
            exact = own[own["method"] == "exact draws"]
            colour = COLOURS[rank]
            if along == "beta":
                axes.plot(drawn[along], drawn["exact"], color=colour, lw=1.5, ls=style)
            elif len(exact):
                axes.plot(exact[along], exact["value"], color=colour, lw=1.5, ls=style)
            joined = style if not len(exact) and not drawn["exact"].notna().any() else ""
            points(
                axes,
                drawn,
                along,
                color=colour,
                marker=MARKERS[rank],
                ls=joined,
                lw=1.0,
                ms=6,
                mfc=colour if filled else "white",
                label=f"rank {rank}" if filled else None,
            )
    axes.set_xscale("log")
    axes.set_ylim(-0.03, 1.03)
    axes.legend(fontsize=9, frameon=False, loc="center right")


def _cloud(axes: Axes, points: pd.DataFrame, n: int) -> None:
    for place, phase in enumerate(laws(network_of(models.get("reduced-rank-2-2-2-0")))):
        own = points[points["phase"] == phase]
        axes.scatter(
            own["smaller"], own["larger"], s=10, color=COLOURS[place], marker=MARKERS[place], alpha=0.6,
            linewidths=0.5, label=phase,
        )  # fmt: skip
    axes.axhline(0.0, color=BLACK, lw=1.0)
    axes.axvline(0.0, color=BLACK, lw=1.0)
    axes.set_xscale("symlog", linthresh=0.1)
    axes.set_yscale("symlog", linthresh=0.1)
    axes.legend(fontsize=9, frameon=False, loc="lower right")
    title = f"The rule: exact draws of 2 → 2 → 2, rank 0, at n = {n:,}"
    finish(axes, title, "smaller eigenvalue of AAᵀ − BᵀB", "larger eigenvalue of AAᵀ − BᵀB")
