"""The picture of an axis of temperature: what each source reads, and its ratio to the tempered posterior."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from singular.analysis.figures import BLACK, BLUE, GREEN, GREY, ORANGE, PURPLE, VERMILION, finish, new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

STYLES = {
    "SGLD": (BLUE, "o"),
    "SGD, isotropic noise": (GREEN, "s"),
    "SGD, the model's own noise": (VERMILION, "X"),
    "gradient descent, stopped": (ORANGE, "D"),
}

WIDE, TICKS = 3.0, (0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
"""Ratios that span more than this factor are drawn on a log axis, with these ticks."""


def draw(axes: Mapping[str, tuple[pd.DataFrame, str]]) -> Figure:
    """Return the figure: a column for each problem, name -> (table, route) of its axis, values above, ratios below."""
    from matplotlib.ticker import FixedLocator, NullLocator, ScalarFormatter

    figure = new_figure(6.6 * len(axes), 7.6)
    panels = figure.subplots(2, len(axes), squeeze=False, height_ratios=(3, 2), sharex="col")
    for place, (name, (table, route)) in enumerate(axes.items()):
        above, below = panels[:, place]
        own = table.loc[table["quantity"] == "excess coefficient"].sort_values(by="temperature")
        above.plot(own["temperature"], own["gibbs"], color=BLACK, lw=1.8, label=f"tempered posterior ({route})")
        half = table.loc[table["quantity"] == "half the effective parameters"].sort_values(by="temperature")
        if len(half):
            above.plot(
                half["temperature"], half["gibbs"], color=PURPLE, lw=1.4, ls="--",
                label="half the effective parameters, tempered",
            )  # fmt: skip
        for kind, (colour, marker) in STYLES.items():
            rows = table[table["kind"] == kind]
            if rows.empty:
                continue
            style = {"color": colour, "marker": marker, "ls": "", "ms": 6, "capsize": 3}
            above.errorbar(rows["temperature"], rows["value"], yerr=2 * rows["mcse"], label=kind, **style)
            below.errorbar(rows["temperature"], rows["ratio"], yerr=2 * rows["ratio_error"], **style)
        below.axhline(1.0, color=GREY, lw=1.0)
        ratios = table["ratio"].dropna()
        if len(ratios) and ratios.min() > 0 and ratios.max() > WIDE * ratios.min():
            below.set_yscale("log")
            below.yaxis.set_major_locator(FixedLocator(TICKS))
            below.yaxis.set_major_formatter(ScalarFormatter())
            below.yaxis.set_minor_locator(NullLocator())
        above.set_xscale("log")
        top = np.nanmax(table.loc[table["kind"] != "SGD, the model's own noise", "value"])
        least, most = np.nanmin(table["value"]), np.nanmax(table["value"])
        above.set_ylim(min(0.0, least), 1.45 * max(most if most < 2 * top else top, top))
        finish(above, name, "", "excess coefficient, or half the parameters" if place == 0 else "")
        finish(below, "Ratio to the tempered posterior, ± 2 errors", "temperature T, nats an observation",
               "ratio" if place == 0 else "")  # fmt: skip
        above.legend(fontsize=8, frameon=False, loc="upper right")
    return figure
