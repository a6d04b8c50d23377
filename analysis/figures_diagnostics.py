"""Pictures of how a ladder ran: swaps and mixing rung by rung, and trace and ranks of nll at β = 1."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy.stats import rankdata

from singular.analysis.figures import BLUE, GREEN, GREY, ORANGE, VERMILION, finish, new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

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

    step = max(1, nll.shape[1] // 500)
    for chain, values in enumerate(nll):
        trace.plot(np.arange(0, nll.shape[1], step), values[::step], lw=0.5, color=CHAINS[chain % 4], alpha=0.8)
    finish(trace, "nll at β = 1, each chain a colour", "draw", "nll, nats")

    bins = 20
    rank = rankdata(nll, method="average").reshape(nll.shape)
    edges = np.linspace(0.5, nll.size + 0.5, bins + 1)
    expected = nll.shape[1] / bins
    for chain, values in enumerate(rank):
        counts = np.histogram(values, edges)[0] / expected
        ranks.stairs(counts, edges / nll.size, baseline=None, color=CHAINS[chain % 4], lw=1.1)
    ranks.axhline(1, color=GREY, ls=":", lw=1)
    ranks.set_ylim(0, 2)
    finish(ranks, "ranks of nll at β = 1 (flat is good)", "rank / draws", "count / expected")
    figure.suptitle(name, fontsize=11, x=0.01, ha="left", weight="bold")
    return figure


def overview(table: pd.DataFrame) -> Figure:
    """Draw the worst rung of every ladder: R̂ and ESS of nll, swap rate, share of divergent steps.

    Parameters
    ----------
    table : DataFrame
        One row for each ladder: ``problem``, ``n``, ``rhat``, ``ess_bulk``, ``swap_acceptance`` and
        ``divergences``, a share.

    Returns
    -------
    matplotlib.figure.Figure
    """
    figure = new_figure(12.5, 0.24 * len(table) + 1.3)
    panels = figure.subplots(1, 4, sharey=True)
    place = np.arange(len(table))[::-1]
    limits = (
        ("rhat", "largest R̂ of nll", 1.01, 1),
        ("ess_bulk", "smallest ESS of nll", 400, -1),
        ("swap_acceptance", "lowest swap acceptance", 0.1, -1),
        ("divergences", "share of divergent steps", 0.001, 1),
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
    panels[3].set_xlim(0 - 5e-5, max(0.0012, 1.1 * table["divergences"].max()))
    panels[0].set_yticks(place, [f"{row.problem}, n={row.n:,}" for row in table.itertuples()])
    return figure


def _ticks(axes, rungs: pd.DataFrame) -> None:
    count = len(rungs)
    shown = np.unique(np.linspace(0, count - 1, min(count, 5)).round().astype(int))
    axes.set_xticks(shown, [f"{rungs['beta'].iloc[i]:.2g}" for i in shown])
