"""All estimates of learning coefficients in one picture: over β in two forms, and over n.

The functions take plain frames and return a Matplotlib ``Figure`` of their own; no global state is touched.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from singular.analysis.figures import BLACK, BLUE, GREEN, GREY, ORANGE, PURPLE, SKY, VERMILION, finish, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

CARRIED = ("mbar", "excess-mbar")
"""Methods whose rows are dense curves."""
WINDOWS = {
    "two-temperature": (VERMILION, "s", "two temperatures"),
    "regression": (GREEN, "D", "regression on 1/β"),
    "regression-multiplicity": (GREEN, "^", "regression with the log log n term"),
}
OVER_N = {
    "free-energy-increment": (BLUE, "o", "increments of Fₙ"),
    "generalisation-loss": (VERMILION, "s", "n (Gₙ − S)"),
    "evidence-slope": (GREEN, "D", "slope of Fₙ on log n"),
}

TALL = 1.6
"""d/2 is drawn if it is less than this many times as high as the panel is without it."""


def learning_coefficients(
    table: pd.DataFrame,
    wbic_beta: float,
    *,
    exact: pd.DataFrame | None = None,
    over_n: pd.DataFrame | None = None,
    learning_coefficient: float | None = None,
    half_dim: float | None = None,
    name: str = "",
) -> Figure:
    """Draw every estimate of the learning coefficient where it belongs on the axes of β and of n.

    Estimates of the variance form share one panel, those of the excess form have their own: the two differ at
    finite β. A horizontal bar is the window of β, or of n, that a number reads.

    Parameters
    ----------
    table : DataFrame
        As `coefficient_table` returns it.
    wbic_beta : float
        1/log n.
    exact : DataFrame, optional
        Columns ``quantity``, ``beta`` and ``value`` on a fine grid; by default the ``exact`` of the dense rows of
        ``table``, if there.
    over_n : DataFrame, optional
        Rows as `evidence_increments` and `learning_curve` return them, and ``evidence-slope`` rows of the same
        columns; a column ``exact`` is drawn if there.
    learning_coefficient, half_dim : float, optional
        λ and d/2, as lines.
    name : str
        Of the problem, for the title.

    Returns
    -------
    matplotlib.figure.Figure
    """
    lines = _exact_lines(table) if exact is None else exact
    excess = "excess_coefficient" in set(table["quantity"])
    panels = 1 + excess + (over_n is not None)
    figure = new_figure(4.4 * panels + 0.6, 5.2)
    cells = figure.subplots(1, panels, squeeze=False)[0]
    _over_beta(cells[0], table, lines, "effective_learning_coefficient", wbic_beta)
    _draw_windows(cells[0], table.loc[table["quantity"] == "learning_coefficient"])
    finish(cells[0], "Variance form", "inverse temperature β", "λ_eff(β) = β² Var_β(nLₙ)")
    if excess:
        _over_beta(cells[1], table, lines, "excess_coefficient", wbic_beta)
        finish(cells[1], "Excess form", "inverse temperature β", "β (E_β[nLₙ] − nLₙ(w_ref))")
    if over_n is not None:
        _draw_over_n(cells[-1], over_n)
        finish(cells[-1], "Over n", "number of observations n", "local slope of Fₙ, n (Gₙ − S)")
    for axes in cells:
        _reference_lines(axes, learning_coefficient, half_dim)
    _legend(figure, cells)
    figure.suptitle(_finding(table, name), fontsize=12)
    return figure


def exact_curves(exact: pd.DataFrame, reference_nll: float) -> pd.DataFrame:
    """Return the exact curves of both forms for `learning_coefficients`: columns ``quantity``, ``beta``, ``value``.

    Parameters
    ----------
    exact : DataFrame
        Of an `Exact`: ``beta``, ``mean_nll``, ``effective_learning_coefficient``.
    reference_nll : float
        nL_n at the reference point, nats.
    """
    above = exact.loc[exact["beta"] > 0]
    excess = above["beta"] * (above["mean_nll"] - reference_nll)
    forms = {"effective_learning_coefficient": above["effective_learning_coefficient"], "excess_coefficient": excess}
    parts = [pd.DataFrame({"quantity": name, "beta": above["beta"], "value": v}) for name, v in forms.items()]
    return pd.concat(parts, ignore_index=True)


def _reference_lines(axes: Axes, learning_coefficient: float | None, half_dim: float | None) -> None:
    low, high = axes.get_ylim()
    if learning_coefficient is not None:
        axes.axhline(learning_coefficient, color=ORANGE, ls="--", lw=1.6, zorder=1, label="λ: the limit of large n")
        high = max(high, 1.08 * learning_coefficient)
    if half_dim is not None and half_dim < TALL * high:  # further up it would flatten what is to be seen
        axes.axhline(half_dim, color=GREY, ls=":", lw=1.4, zorder=1, label="d/2: what BIC assumes")
        high = max(high, 1.08 * half_dim)
    axes.set_ylim(low, high)


def _over_beta(axes: Axes, table: pd.DataFrame, lines: pd.DataFrame, quantity: str, wbic_beta: float) -> None:
    own = table.loc[table["quantity"] == quantity]
    carried = own["method"].isin(CARRIED)
    dense, rungs = own.loc[carried].sort_values(by="beta"), own.loc[~carried]
    line = lines.loc[lines["quantity"] == quantity].sort_values(by="beta")
    axes.axvline(wbic_beta, color=PURPLE, lw=1, zorder=0, label="β = 1/log n")
    low, high = (dense["value"] + sign * 2 * dense["mcse"] for sign in (-1, 1))
    axes.fill_between(
        dense["beta"], low, high, color=SKY, alpha=0.45, lw=0, zorder=1, label="all draws (MBAR) ± 2 mcse"
    )
    axes.plot(dense["beta"], dense["value"], color=BLUE, lw=1, zorder=2)
    if len(line):
        axes.plot(line["beta"], line["value"], color=BLACK, lw=1.3, zorder=2.5, label="exact at this n and data")
    axes.errorbar(rungs["beta"], rungs["value"], 2 * rungs["mcse"], fmt="o", ms=4, color=BLUE, mfc="white",
                  elinewidth=1.2, capsize=2, zorder=3, label="draws of one rung ± 2 mcse")  # fmt: skip
    axes.set_xscale("log")
    axes.xaxis.set_minor_formatter("")
    # noise far below the rungs, or a wide error bar, must not set the scale
    seen = np.concatenate([own["value"], line["value"]])
    axes.set_ylim(min(0.0, 1.1 * float(seen.min())), 1.25 * float(seen.max()))


def _draw_windows(axes: Axes, windows: pd.DataFrame) -> None:
    for row in windows.to_dict("records"):
        colour, marker, label = WINDOWS[row["method"]]
        beta, low, high = row["beta"], row["beta_low"], row["beta_high"]
        axes.errorbar([beta], [row["value"]], [2 * row["mcse"]], [[beta - low], [high - beta]], fmt=marker, ms=5,
                      color=colour, mfc=colour if marker == "D" else "white", elinewidth=1.6, capsize=3, zorder=4,
                      label=f"{label} ± 2 mcse")  # fmt: skip
        if np.isfinite(row["exact"]):
            axes.plot([low, high], [row["exact"]] * 2, color=BLACK, lw=1, ls=(0, (2, 2)), zorder=5)
    if np.isfinite(windows["exact"]).any():
        axes.plot([], [], color=BLACK, lw=1, ls=(0, (2, 2)), label="exact for a window")
    if len(windows):
        low, high = axes.get_ylim()
        tops = [row["value"] + 2 * row["mcse"] for row in windows.to_dict("records")]
        axes.set_ylim(min(low, *windows["value"]), max(high, 1.1 * max(tops)))


def _draw_over_n(axes: Axes, over_n: pd.DataFrame) -> None:
    alone = bool(over_n["data_error"].isna().all())  # of one data set, which has no error over data
    for method, rows in over_n.groupby("method", sort=False):
        colour, marker, label = OVER_N[str(method)]
        middle = np.sqrt(rows["n"] * rows["next_n"])
        reach = [middle - rows["n"], rows["next_n"] - middle]
        whole = 2 * np.hypot(rows["mcse"], rows["data_error"].fillna(0.0))
        axes.errorbar(middle, rows["value"], whole, reach, fmt=marker, ms=5, color=colour, mfc="white", elinewidth=1.2,
                      capsize=2, zorder=3, label=f"{label} ± 2 {'mcse' if alone else 'errors over data'}")  # fmt: skip
        axes.errorbar(middle, rows["value"], 2 * rows["mcse"], fmt="none", ecolor=colour, elinewidth=4, alpha=0.5,
                      zorder=2)  # fmt: skip
        if "exact" in rows:
            axes.plot(middle, rows["exact"], "_", ms=14, mew=1.6, color=BLACK, zorder=4)
    if not alone:
        axes.plot([], [], color=GREY, lw=4, alpha=0.5, label="of it Monte Carlo, ± 2 mcse")
    if "exact" in over_n:
        axes.plot([], [], "_", ms=14, mew=1.6, color=BLACK, label="exact on the same data")
    axes.set_xscale("log")
    low, high = axes.get_ylim()
    axes.set_ylim(min(0.0, low), high)


def _exact_lines(table: pd.DataFrame) -> pd.DataFrame:
    dense = table.loc[table["method"].isin(CARRIED) & np.isfinite(table["exact"])]
    return pd.DataFrame({"quantity": dense["quantity"], "beta": dense["beta"], "value": dense["exact"]})


def _legend(figure: Figure, cells: np.ndarray) -> None:
    entries = {}
    for axes in cells:
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True):
            entries.setdefault(label, handle)
    figure.legend(entries.values(), entries.keys(), loc="outside lower center", ncols=max(2, len(cells) + 1),
                  fontsize=8.5, frameon=False)  # fmt: skip


def _finding(table: pd.DataFrame, name: str) -> str:
    """Say how many estimates from single rungs and windows lie within two errors of what they estimate."""
    seen = table.loc[~table["method"].isin(CARRIED) & np.isfinite(table["exact"]) & (table["mcse"] > 0)]
    head = f"{name}: " if name else ""
    if seen.empty:
        return f"{head}learning coefficients at finite n"
    inside = int((np.abs(seen["value"] - seen["exact"]) <= 2 * seen["mcse"]).sum())
    return f"{head}{inside} of {len(seen)} learning coefficients within 2 mcse of their exact finite-n value"
