"""Pictures of how a ladder ran: swaps and mixing rung by rung, and trace and ranks of nll at β = 1."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from singular.analysis.figures import BLUE, GREEN, GREY, ORANGE, VERMILION, finish, new_figure
from singular.analysis.thresholds import MAXIMUM_DIVERGING, MAXIMUM_RHAT, MINIMUM_ESS, MINIMUM_SWAP_ACCEPTANCE

if TYPE_CHECKING:
    import xarray as xr
    from arviz_plots.plot_collection import PlotCollection
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SHOWN = 200
"""Draws of a chain in a trace, at most: more are a smear, and their ranks' envelope takes long to simulate."""
CHAINS = (BLUE, ORANGE, GREEN, VERMILION)


def ladder(name: str, rungs: pd.DataFrame, nll: np.ndarray) -> Figure:
    """Draw the diagnostics of one ladder.

    Parameters
    ----------
    name : str
    rungs : DataFrame
        One row for each rung: ``beta``, ``swap_acceptance`` (with the next rung up; NaN on the last), ``rhat`` and
        ``ess_bulk`` of nll.
    nll : (chain, draw) float
        At β = 1, nats.

    Returns
    -------
    matplotlib.figure.Figure
    """
    figure = new_figure(13.2, 2.9)
    swaps, mixing, trace, ranks = figure.subplots(1, 4, width_ratios=(1, 1, 1.3, 1))
    place = np.arange(len(rungs))
    rate = rungs["swap_acceptance"].to_numpy(dtype=float)
    swaps.bar(place[:-1] + 0.5, rate[:-1], 0.8, color=BLUE)
    swaps.set_ylim(0, 1)
    _ticks(swaps, rungs)
    lowest = np.nanmin(rate) if np.isfinite(rate).any() else np.nan
    finish(swaps, f"lowest swap rate {lowest:.2f}", "rung, β", "swap acceptance, next rung")

    mixing.plot(place, rungs["ess_bulk"], "o-", color=BLUE, mfc="white", ms=4, lw=1)
    mixing.axhline(nll.size, color=GREY, ls=":", lw=1)
    mixing.set_ylim(0, 1.12 * max(nll.size, rungs["ess_bulk"].max()))
    _ticks(mixing, rungs)
    finish(mixing, f"ESS of nll ≥ {rungs['ess_bulk'].min():.0f}, R̂ ≤ {rungs['rhat'].max():.3f}",
           "rung, β", f"ESS of nll (of {nll.size} draws)")  # fmt: skip

    _trace_and_ranks(trace, ranks, nll)
    figure.suptitle(name, fontsize=11, x=0.01, ha="left", weight="bold")
    return figure


def overview(table: pd.DataFrame) -> Figure:
    """Draw the worst rung of every ladder: R̂ and ESS of nll, swap rate, share of divergent steps.

    Parameters
    ----------
    table : DataFrame
        One row for each ladder, of the worst rung in each respect: ``problem``, ``n``, ``rhat``, ``ess_bulk``,
        ``swap_acceptance`` and ``divergences``, a share.

    Returns
    -------
    matplotlib.figure.Figure
    """
    figure = new_figure(12.5, 0.24 * len(table) + 1.3)
    panels = figure.subplots(1, 4, sharey=True)
    place = np.arange(len(table))[::-1]
    limits = (
        ("rhat", "largest R̂ of nll", MAXIMUM_RHAT, 1),
        ("ess_bulk", "smallest ESS of nll", MINIMUM_ESS, -1),
        ("swap_acceptance", "lowest swap acceptance", MINIMUM_SWAP_ACCEPTANCE, -1),
        ("divergences", "largest share of divergent steps", MAXIMUM_DIVERGING, 1),
    )
    for axes, (column, label, limit, bad) in zip(panels, limits, strict=True):
        values = table[column].to_numpy(dtype=float)
        worse = bad * values > bad * limit
        axes.plot(values[~worse], place[~worse], "o", color=BLUE, mfc="white")
        axes.plot(values[worse], place[worse], "X", color=VERMILION, ms=8)
        axes.axvline(limit, color=GREY, ls=":", lw=1)
        finish(axes, f"{int(worse.sum())} of {len(table)} beyond {limit:g}", label)
        axes.grid(axis="y", color="#EEEEEE")
        axes.set_axisbelow(True)
    panels[1].set_xlim(0, None)
    panels[2].set_xlim(0, 1)
    widest = 1.1 * max(MAXIMUM_DIVERGING, table["divergences"].to_numpy(dtype=float).max())
    panels[3].set_xlim(-0.03 * widest, widest)
    labels = [f"{problem}, n={n:,}" for problem, n in zip(table["problem"], table["n"], strict=True)]
    panels[0].set_yticks(place, labels)
    return figure


def _trace_and_ranks(trace: Axes, ranks: Axes, nll: np.ndarray) -> None:
    """Let ArviZ draw the trace of nll and the ranks of its chains, on axes of ours: no pyplot, no global state."""
    from arviz_plots import plot_rank, plot_trace
    from xarray import Dataset, DataTree

    step = -(-nll.shape[1] // SHOWN)
    places = {"chain": range(nll.shape[0]), "draw": range(0, nll.shape[1], step)}
    posterior = Dataset({"nll": (("chain", "draw"), nll[:, ::step])}, places)
    tree = DataTree.from_dict({"posterior": posterior})
    plain: dict[Any, bool] = {"title": False, "xlabel": False}
    plot_trace(tree, plot_collection=_on(trace, posterior), visuals={**plain, "trace": {"width": 0.5, "alpha": 0.8}})
    # the envelope thins the draws until they pass for independent, as the default, a p-value, takes them to be
    shown = {**plain, "remove_axis": False}
    plot_rank(tree, method="envelope", plot_collection=_on(ranks, posterior), visuals=shown)
    finish(trace, "nll at β = 1, each chain a colour", "draw", "nll, nats")
    ranks.axhline(0, color=GREY, ls=":", lw=1)
    finish(ranks, "ranks at β = 1: in the band?", "fractional rank", "ECDF − uniform")


def _on(axes: Axes, posterior: xr.Dataset) -> PlotCollection:
    """Tell ArviZ to draw its only variable on these axes, each chain in its colour."""
    from arviz_plots.plot_collection import PlotCollection
    from xarray import Dataset, DataTree

    places = {"/": ("figure", axes.figure), "/plot": ("nll", axes), "/row_index": ("nll", 0), "/col_index": ("nll", 0)}
    boxed = {place: Dataset({name: ((), np.array(it, dtype=object))}) for place, (name, it) in places.items()}
    colours = {"aes": {"color": ["chain"]}, "color": list(CHAINS)}
    return PlotCollection(posterior, DataTree.from_dict(boxed), backend="matplotlib", **colours)


def _ticks(axes: Axes, rungs: pd.DataFrame) -> None:
    count = len(rungs)
    shown = np.unique(np.linspace(0, count - 1, min(count, 5)).round().astype(int))
    axes.set_xticks(shown, [f"{rungs['beta'].iloc[i]:.2g}" for i in shown])
