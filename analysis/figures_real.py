"""Pictures of the real data: which size each criterion picks, and what the fitted models look like over the data."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from singular.analysis.figures import BLACK, BLUE, GREEN, GREY, ORANGE, PURPLE, SKY, VERMILION, finish, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

CRITERIA = (
    ("free_energy", "F ± 2 mcse", BLUE, "o"),
    ("wbic", "WBIC ± 2 mcse", ORANGE, "s"),
    ("bic", "BIC / 2", VERMILION, "D"),
)


def sizes(table: pd.DataFrame, label: str) -> Figure:
    """Draw F, WBIC and BIC against model size, the model probabilities they give, and prediction.

    Parameters
    ----------
    table : DataFrame
        Rows of one data set, columns ``size``, ``free_energy``, ``free_energy_mcse``, ``wbic``, ``wbic_mcse``,
        ``bic`` (all nats), ``bic_flags``, ``probability``, ``probability_mcse``, ``probability_bic``, and those that
        `size_table` adds for other priors and for prediction. A flagged BIC is drawn apart and wins nothing.
    label : str
        What a size counts, with the data set: ``galaxies: number of normals``.

    Returns
    -------
    matplotlib.figure.Figure
    """
    figure = new_figure(15.0, 4.0)
    left, right, third = figure.subplots(1, 3)
    size = table["size"].to_numpy(dtype=float)
    flagged = (table["bic_flags"] != "").to_numpy()
    for offset, (column, name, colour, marker) in zip((-0.08, 0, 0.08), CRITERIA, strict=True):
        if column == "bic" and flagged.any():
            left.plot(size[flagged] + offset, table.loc[flagged, column], "x", color=colour, ms=6,
                      label="BIC / 2 at an interior optimum: the likelihood is unbounded")  # fmt: skip
            left.plot(size[~flagged] + offset, table.loc[~flagged, column], marker, color=colour, mfc="white", ms=5,
                      label=name)  # fmt: skip
            continue
        error = 2 * table[f"{column}_mcse"] if f"{column}_mcse" in table else None
        left.errorbar(size + offset, table[column], error, fmt=f"{marker}-", color=colour, mfc="white", ms=5, lw=1,
                      capsize=3, label=name)  # fmt: skip
    left.legend(fontsize=8, frameon=False)
    picks = {name.split(" ")[0]: str(_pick(table, column)) for column, name, _, _ in CRITERIA}
    if flagged.any():
        picks["BIC"] = "none"
    says = ", ".join(f"{name} picks {pick}" for name, pick in picks.items())
    finish(left, says, label, "nats (lower is better)")
    _probability_bars(right, table, size, bic=not flagged.any())
    right.legend(fontsize=8, frameon=False)
    right.set_ylim(0, 1)
    best = table.loc[table["probability"].idxmax()]
    share = f"{best['probability']:.2f} ± {best['probability_mcse']:.2f}"
    finish(right, f"size {int(best['size'])} has posterior probability {share}", label, "model probability")
    _behind(third, table, size, label)
    for axes in (left, right, third):
        axes.set_xticks(size)
    return figure


def _probability_bars(axes: Axes, table: pd.DataFrame, size: np.ndarray, bic: bool) -> None:
    """Draw the probability of each size by F, by F under other priors, and by BIC if it has a value."""
    bars = [("probability_half", SKY, "prior scales × 0.5"), ("probability", BLUE, "from F, equal prior, ± 2 mcse"),
            ("probability_double", PURPLE, "prior scales × 2")]  # fmt: skip
    width = 0.8 / (len(bars) + bic)
    for place, (column, colour, name) in enumerate(bars):
        middle = size - 0.4 + width * (place + 0.5)
        share, error = table[column], 2 * table[f"{column}_mcse"]
        axes.bar(middle, share, 0.94 * width, color=colour, label=name)
        reach = [np.minimum(error, share), error]
        axes.errorbar(middle, share, reach, fmt="none", color=BLACK, capsize=2, lw=1)
    if bic:
        middle = size - 0.4 + width * (len(bars) + 0.5)
        axes.bar(middle, table["probability_bic"], 0.94 * width, color=VERMILION, label="from BIC")


def _behind(axes: Axes, table: pd.DataFrame, size: np.ndarray, label: str) -> None:
    """Draw by how much each size predicts worse than the best, with the paired error over the observations."""
    gap, over_data = table["loo_behind"], table["loo_behind_se_data"].fillna(0.0)
    axes.axhline(0, color=GREY, lw=1, zorder=0)
    axes.errorbar(size, gap, over_data, fmt="o", color=GREEN, mfc="white", ms=5, capsize=3, lw=1,
                  label="LOO behind the best ± 1 error over data, paired")  # fmt: skip
    axes.errorbar(size, gap, 2 * table["loo_behind_mcse"].fillna(0.0), fmt="none", ecolor=GREEN, elinewidth=4,
                  alpha=0.5, label="of it Monte Carlo, ± 2 mcse")  # fmt: skip
    axes.legend(fontsize=8, frameon=False)
    best = f"LOO picks {_pick(table, 'loo')}" if np.isfinite(table["loo"].to_numpy()).any() else "no LOO"
    finish(axes, best, label, "nats behind the best (lower is better)")


def density(velocity: np.ndarray, grid: np.ndarray, curves: dict[str, np.ndarray]) -> Figure:
    """Draw the posterior density of the galaxies' velocities, one panel for each number of components.

    Parameters
    ----------
    velocity : (n,) float
        1000 km/s.
    grid : (g,) float
        Velocities at which the densities stand.
    curves : name -> (draws, g)
        Density at the grid for posterior draws, per 1000 km/s.

    Returns
    -------
    matplotlib.figure.Figure
    """
    figure, panels = _row_of_panels(curves)
    for axes, (name, values) in zip(panels, curves.items(), strict=True):
        axes.hist(velocity, bins=np.arange(8, 37, 1.0).tolist(), density=True, color="#D9D9D9", zorder=0)
        axes.plot(velocity, np.full_like(velocity, -0.006), "|", color=GREY, ms=5, mew=0.6)
        _band(axes, grid, values)
        finish(axes, name, "velocity, 1000 km/s", "density per 1000 km/s" if axes is panels[0] else "")
        axes.set_ylim(-0.012, 0.24)
    figure.suptitle("Galaxy velocities: data (grey), posterior mean and 90 % band of the density", fontsize=11)
    return figure


def regression(year: np.ndarray, flow: np.ndarray, curves: dict[str, np.ndarray]) -> Figure:
    """Draw the Nile's flow under networks of growing size.

    Parameters
    ----------
    year, flow : (n,) float
        Calendar year; 10⁸ m³ a year.
    curves : name -> (draws, n)
        Mean flow at each year for posterior draws, 10⁸ m³.

    Returns
    -------
    matplotlib.figure.Figure
    """
    figure, panels = _row_of_panels(curves)
    for axes, (name, values) in zip(panels, curves.items(), strict=True):
        axes.plot(year, flow, ".", color=GREY, ms=3.5)
        _band(axes, year, values)
        finish(axes, name, "year", "flow at Aswan, 10⁸ m³ a year" if axes is panels[0] else "")
        axes.set_ylim(400, 1420)
    figure.suptitle("The Nile at Aswan: data, posterior mean and 90 % band of the mean flow", fontsize=11)
    return figure


def _row_of_panels(curves: dict[str, np.ndarray]) -> tuple[Figure, list[Axes]]:
    count = len(curves)
    figure = new_figure(max(6.0, 2.6 * count), 3.2)
    return figure, list(figure.subplots(1, count, sharey=True, squeeze=False).ravel())


def _band(axes: Axes, x: np.ndarray, values: np.ndarray) -> None:
    low, high = np.quantile(values, [0.05, 0.95], axis=0)
    axes.fill_between(x, low, high, color=SKY, alpha=0.5, lw=0)
    axes.plot(x, values.mean(axis=0), color=BLUE, lw=1.5)


def _pick(table: pd.DataFrame, column: str) -> int:
    return int(table.loc[table[column].idxmin(), "size"])
