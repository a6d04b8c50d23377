"""The picture of the study of sharpness: minima of each network, and how sharpness goes with loss and frequency."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from singular.analysis.figures import GREY, LIGHT, finish, new_figure
from singular.analysis.studies.cells import COLOURS, MARKERS
from singular.analysis.studies.sharpness_names import (
    FOUND,
    LAMBDA,
    PREDICTORS,
    TEST,
    TRAIN,
    per_minimum,
    related,
    usable_rows,
)  # fmt: skip

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def draw(table: pd.DataFrame) -> Figure:
    """Return the figure: test loss against λ̂ of each network above, the correlations of all below."""
    names = list(table.loc[table["minimum"] >= 0, "problem"].unique())
    figure = new_figure(14.0, 9.0)
    cells = figure.subplots(2, max(3, len(names)))
    for place, name in enumerate(names):
        axes = cells[0, place]
        value, mcse, flags = (per_minimum(table, name, key) for key in ("value", "mcse", "flags"))
        good = usable_rows(flags[LAMBDA])
        axes.errorbar(value[LAMBDA][good], value[TEST][good], xerr=2 * mcse[LAMBDA][good], ls="", color=LIGHT, lw=1,
                      zorder=1)  # fmt: skip
        shown = axes.scatter(value[LAMBDA][good], value[TEST][good], c=value[TRAIN][good], cmap="cividis", zorder=2,
                             s=20 + 400 * value[FOUND][good], edgecolor="white", lw=0.5)  # fmt: skip
        bar = figure.colorbar(shown, ax=axes)
        bar.set_label("train loss, nats an observation", fontsize=8)
        bar.ax.tick_params(labelsize=8)
        finish(axes, f"{name}: {int(good.sum())} of {len(good)} minima", "local λ̂ ± 2 errors",
               "test loss above the truth's, nats" if place == 0 else "")  # fmt: skip
    panels = (
        (TEST, "", "Spearman ρ with the test loss"),
        (TEST, TRAIN, "The same, given the train loss"),
        (FOUND, "", "Spearman ρ with the frequency"),
    )
    for place, (response, given, title) in enumerate(panels):
        axes = cells[1, place]
        axes.axvline(0.0, color=GREY, lw=0.8)
        for which, name in enumerate(names):
            rows = related(table, name, response, given).reindex(PREDICTORS)
            y = np.arange(len(PREDICTORS))[::-1] + 0.22 * (1 - which)
            axes.hlines(y, rows["low"], rows["high"], color=COLOURS[which], lw=1.4)
            axes.plot(rows["value"], y, ls="", marker=MARKERS[which], color=COLOURS[which], ms=5, label=name)
        axes.set_xlim(-1.05, 1.05)
        axes.set_yticks(np.arange(len(PREDICTORS))[::-1], list(PREDICTORS) if place == 0 else [""] * len(PREDICTORS))
        finish(axes, title, "rank correlation, 95 % interval", "")
    cells[1, 2].legend(fontsize=9, frameon=False, loc="upper center", bbox_to_anchor=(0.5, -0.14), ncols=3)
    figure.suptitle("Sharper minima: how they do on new data and how often training finds them", fontsize=12)
    return figure
