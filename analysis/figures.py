"""Pictures of the catalogue: curves over β beside the exact ones, and where the mass of a ladder sits as n grows.

Every function takes plain frames and returns a Matplotlib ``Figure`` of its own; no global state is touched.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BLACK, ORANGE, SKY, GREEN, YELLOW, BLUE, VERMILION, PURPLE = (
    "#000000", "#E69F00", "#56B4E9", "#009E73", "#F0E442", "#0072B2", "#D55E00", "#CC79A7",
)  # fmt: skip
"""The palette of Okabe and Ito (2008), told apart with any colour vision."""

GREY = "#767676"
LIGHT = "#B0B0B0"
PHASE_LINES = ("-", "-", (0, (4, 4)), ":")
"""Phases that hold the same mass by symmetry lie on one line: broken ones let the lower show."""
COLUMNS = 4


@dataclass(frozen=True)
class Curve:
    """What is known of one quantity over β, for one problem.

    Attributes
    ----------
    name : str
    estimate : DataFrame
        On the rungs: columns ``beta``, ``value``, ``mcse``, ``exact`` (NaN where nothing exact is known).
    exact : DataFrame or None
        Columns ``beta``, ``value``, on a grid as fine as wanted.
    wbic_beta : float
        1/log n.
    learning_coefficient, half_dim : float or None
        λ and d/2.
    carried : DataFrame or None
        Estimates on a fine grid, from the draws of all rungs: ``beta``, ``value``, ``mcse``. If it is given,
        ``estimate`` was made so too.
    alone : DataFrame or None
        Estimates on the rungs, from the draws of each alone: ``beta``, ``value``, ``mcse``.
    """

    name: str
    estimate: pd.DataFrame
    exact: pd.DataFrame | None
    wbic_beta: float
    learning_coefficient: float | None
    half_dim: float
    carried: pd.DataFrame | None = None
    alone: pd.DataFrame | None = None


def new_figure(width: float, height: float) -> Figure:
    """Return an empty figure of that size in inches, laid out so that nothing overlaps."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), dpi=110, layout="constrained")


def finish(axes: Axes, title: str = "", x: str = "", y: str = "") -> None:
    """Label one pair of axes in the house style."""
    axes.set_title(title, fontsize=10, loc="left")
    axes.set_xlabel(x, fontsize=9)
    axes.set_ylabel(y, fontsize=9)
    axes.tick_params(labelsize=8)
    axes.spines[["top", "right"]].set_visible(False)


def png(figure: Figure) -> bytes:
    """Return the figure as the bytes of a PNG file, without a date or a program's name in it."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()


def effective_coefficients(curves: Sequence[Curve]) -> Figure:
    """Draw λ_eff(β) for each problem: estimates, the exact curve, λ and d/2, with 1/log n marked.

    Parameters
    ----------
    curves : sequence of Curve
        Of ``effective_learning_coefficient``, dimensionless.

    Returns
    -------
    matplotlib.figure.Figure
    """

    def draw(axes: Axes, curve: Curve) -> None:
        axes.axhline(curve.half_dim, color=GREY, ls=":", lw=1.4, zorder=1)
        top = curve.half_dim
        if curve.learning_coefficient is not None:
            axes.axhline(curve.learning_coefficient, color=ORANGE, ls="--", lw=1.6, zorder=1)
        positive = curve.estimate.loc[curve.estimate["beta"] > 0]
        _exact_and_points(axes, curve, positive)
        top = max(top, float(positive["value"].max()))
        axes.set_ylim(0, 1.12 * top)

    figure, panels = _grid(curves, draw)
    figure.suptitle(_finding(curves, "λ_eff(β)"), fontsize=12)
    for place, axes in enumerate(panels):
        label = "λ_eff(β) = β² Var_β(nLₙ)" if place % COLUMNS == 0 else ""
        finish(axes, axes.get_title(loc="left"), "inverse temperature β", label)
    return figure


def mean_energies(curves: Sequence[Curve], references: Mapping[str, float]) -> Figure:
    """Draw E_β[nL_n] for each problem above its lowest value, on two log axes.

    A straight line λ/β there is the asymptotic law. β = 0, the prior, is off the axis.

    Parameters
    ----------
    curves : sequence of Curve
        Of E_β[nL_n], in nats.
    references : name -> float
        nL_n at the maximum-likelihood point, nats.

    Returns
    -------
    matplotlib.figure.Figure
    """

    def draw(axes: Axes, curve: Curve) -> None:
        low = references[curve.name]
        positive = curve.estimate.loc[curve.estimate["beta"] > 0].assign(value=lambda f: f["value"] - low)
        lifted = None if curve.exact is None else curve.exact.assign(value=lambda f: f["value"] - low)
        beta = np.geomspace(positive["beta"].min(), 1, 50)
        axes.plot(beta, curve.half_dim / beta, color=GREY, ls=":", lw=1.4, zorder=1)
        if curve.learning_coefficient is not None:
            axes.plot(beta, curve.learning_coefficient / beta, color=ORANGE, ls="--", lw=1.6, zorder=1)
        _exact_and_points(axes, Curve(curve.name, positive, lifted, curve.wbic_beta, None, 0), positive)
        axes.set_yscale("log")

    figure, panels = _grid(curves, draw)
    figure.suptitle(_finding(curves, "E_β[nLₙ]"), fontsize=12)
    for place, axes in enumerate(panels):
        label = "E_β[nLₙ] − nLₙ(ŵ), nats" if place % COLUMNS == 0 else ""
        finish(axes, axes.get_title(loc="left"), "inverse temperature β", label)
    return figure


def growth(shares: pd.DataFrame, draws: Mapping[int, tuple[np.ndarray, np.ndarray]], half_width: float) -> Figure:
    """Draw where the posterior mass of the product regression sits as n grows.

    Parameters
    ----------
    shares : DataFrame
        Columns ``n``, ``phase``, ``value``, ``mcse``, ``exact``; ``value`` is NaN where only the exact one is known.
    draws : n -> ((s,), (s,))
        Draws of w1 and w2 at β = 1.
    half_width : float
        Of the square called ``crossing``.

    Returns
    -------
    matplotlib.figure.Figure
    """
    from matplotlib.patches import Rectangle

    figure = new_figure(3.1 * max(3, len(draws)), 6.8)
    grid = figure.add_gridspec(2, len(draws), height_ratios=(1, 0.95))
    axes = figure.add_subplot(grid[0, :])
    for (phase, group), colour, marker, line in zip(
        shares.groupby("phase", sort=False), (VERMILION, BLUE, GREEN, PURPLE), "osD^", PHASE_LINES, strict=False
    ):
        group = group.sort_values("n")
        axes.plot(group["n"], group["exact"], ls=line, marker=".", ms=4, color=colour, lw=1.6, label=f"{phase}: exact")
        seen = group.dropna(subset=["value"])
        apart = 1 + 0.06 * (len(axes.containers) - 1)
        axes.errorbar(seen["n"] * apart, seen["value"], 2 * seen["mcse"], fmt=marker, ms=5, color=colour, capsize=3,
                      mfc="white", label=f"{phase}: draws ± 2 mcse")  # fmt: skip
    axes.set_xscale("log")
    axes.set_ylim(0, None)
    crossing = shares.loc[shares["phase"] == "crossing"].sort_values(by="n")
    title = "Shares of the posterior mass"
    if len(crossing):
        first, last = crossing.iloc[0], crossing.iloc[-1]
        title = (
            f"The crossing takes over, slowly: {first['exact']:.2f} of the mass at n = {first['n']:,}, "
            f"{last['exact']:.2f} at n = {last['n']:,}"
        )
    finish(axes, title, "number of observations n", "share of posterior mass, β = 1")
    axes.legend(fontsize=8, frameon=False, ncols=3, loc="upper center", bbox_to_anchor=(0.5, -0.16))
    for column, (n, (first, second)) in enumerate(sorted(draws.items())):
        axes = figure.add_subplot(grid[1, column])
        axes.axhline(0, color=ORANGE, lw=1.2, zorder=1)
        axes.axvline(0, color=ORANGE, lw=1.2, zorder=1)
        axes.plot(first, second, ".", ms=2.2, color=BLUE, alpha=0.35, mew=0, zorder=2)
        side = 2 * half_width
        axes.add_patch(Rectangle((-half_width, -half_width), side, side, fill=False, ec=VERMILION, lw=1.4, zorder=3))
        axes.set(xlim=(-3.6, 3.6), ylim=(-3.6, 3.6), aspect="equal")
        finish(axes, f"n = {n:,}", "w1", "w2" if column == 0 else "")
    return figure


def _exact_and_points(axes: Axes, curve: Curve, points: pd.DataFrame) -> None:
    if curve.exact is not None:
        exact = curve.exact[curve.exact["beta"] > 0]
        axes.plot(exact["beta"], exact["value"], color=BLACK, lw=1.3, zorder=2)
    if curve.carried is not None:
        low, high = (curve.carried["value"] + sign * 2 * curve.carried["mcse"] for sign in (-1, 1))
        axes.fill_between(curve.carried["beta"], low, high, color=SKY, alpha=0.45, lw=0, zorder=1)
    axes.axvline(curve.wbic_beta, color=PURPLE, lw=1, zorder=0)
    if curve.alone is not None:
        axes.errorbar(curve.alone["beta"], curve.alone["value"], 2 * curve.alone["mcse"], fmt=".", ms=4, color=LIGHT,
                      elinewidth=1, zorder=1.5)  # fmt: skip
    axes.errorbar(points["beta"], points["value"], 2 * points["mcse"], fmt="o", ms=4, color=BLUE, mfc="white",
                  elinewidth=1.2, capsize=2, zorder=3)  # fmt: skip
    axes.set_xscale("log")
    axes.xaxis.set_minor_formatter("")


def _grid(curves: Sequence[Curve], draw) -> tuple[Figure, list[Axes]]:
    """Lay out one panel for each curve and one for the legend."""
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    columns = min(COLUMNS, len(curves) + 1)
    rows = -(-(len(curves) + 1) // columns)
    figure = new_figure(3.15 * columns, 2.6 * rows + 0.5)
    cells = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes, curve in zip(cells, curves, strict=False):
        draw(axes, curve)
        axes.set_title(curve.name, fontsize=10, loc="left")
    for axes in cells[len(curves) :]:
        axes.set_axis_off()
    handles: list[Artist] = [
        Line2D([], [], marker="o", mfc="white", color=BLUE, ls="", label="estimate on a rung ± 2 mcse"),
        Line2D([], [], color=BLACK, lw=1.3, label="exact at this n and data"),
        Line2D([], [], color=ORANGE, ls="--", lw=1.6, label="λ: the limit of large n"),
        Line2D([], [], color=GREY, ls=":", lw=1.4, label="d/2: what BIC assumes"),
        Line2D([], [], color=PURPLE, lw=1, label="β = 1/log n, where WBIC reads"),
    ]
    if any(curve.carried is not None for curve in curves):
        handles[0].set_label("MBAR, draws of all rungs ± 2 mcse")
        handles.insert(1, Patch(color=SKY, alpha=0.45, label="the same, between the rungs"))
    if any(curve.alone is not None for curve in curves):
        handles.insert(2, Line2D([], [], marker=".", color=LIGHT, ls="-", label="draws of one rung alone ± 2 mcse"))
    cells[len(curves)].legend(handles=handles, fontsize=9, frameon=False, loc="center left")
    return figure, list(cells[: len(curves)])


def _finding(curves: Sequence[Curve], quantity: str) -> str:
    """Say how many of the estimates lie within two standard errors of the exact curve."""
    inside = total = 0
    for curve in curves:
        rows = curve.estimate
        seen = rows.loc[(rows["beta"] > 0) & (rows["mcse"] > 0) & rows["exact"].notna()]
        inside += int((np.abs(seen["value"] - seen["exact"]) <= 2 * seen["mcse"]).sum())
        total += len(seen)
    if not total:
        return f"{quantity} from the ladder"
    return f"{quantity}: {inside} of {total} estimates lie within 2 mcse of the exact value (95 % expected)"
