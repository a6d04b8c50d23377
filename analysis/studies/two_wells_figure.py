"""The picture of the study of two wells: their odds at equal losses, and the transition that an advantage makes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from singular.analysis.figures import BLACK, BLUE, GREY, LIGHT, ORANGE, finish, new_figure
from singular.analysis.studies.cells import COLOURS, MARKERS, NO_NOISE
from singular.analysis.studies.panels import points

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from singular.analysis.phase_law import PhaseLaw


def draw(table: pd.DataFrame, laws: Callable[[float], Mapping[str, PhaseLaw]], odds: str) -> Figure:
    """Return the figure: shapes of the wells, odds at equal losses, shares with an advantage, and these against n c."""
    from singular.models import uneven_wells
    from singular.models.crossings.two_wells import SUMMIT

    figure = new_figure(13.0, 8.0)
    well, equal, uneven, scaled = figure.subplots(2, 2).ravel()
    w = np.linspace(-2.2, 5.0, 400)
    excess_loss = uneven_wells(0.0).excess_loss
    assert excess_loss is not None
    well.plot(w, np.asarray(excess_loss({"w": w})), color=BLUE, lw=1.8)
    well.set_ylim(-0.01, 0.4)
    well.axvline(SUMMIT, color=GREY, ls=":", lw=1.2)
    for x, name in ((-1.95, "sharp\nλ = 1/2"), (3.0, "flat\nλ = 1/4")):
        well.text(x, 0.05, name, ha="center", fontsize=9)
    finish(well, "The excess loss of the two wells, and where they are divided", "w", "K(w), nats an observation")

    own = table[(table["quantity"] == odds) & (table["beta"] == 1.0)]
    first = table.loc[table["method"] == "mbar", "seed"].min()
    rows = own[own["advantage"] == 0.0]
    sizes = np.geomspace(30, rows["n"].max(), 100)
    for seed, one in rows[rows["method"] == "quadrature"].groupby("seed"):
        noise_free = seed == NO_NOISE
        style = {"color": BLACK, "lw": 1.8, "label": "exact, no noise"} if noise_free else _thin(seed, first, LIGHT)
        equal.plot(one["n"], one["value"], **style)
    both = laws(0.0)
    law = [both["sharp"].free_energy(n) - both["flat"].free_energy(n) for n in sizes]
    equal.plot(sizes, law, color=ORANGE, ls="--", lw=1.8, label="law: ¼ log n + constant")
    _points(equal, rows[rows["method"] == "mbar"], 0, "sampled, ± 2 errors")
    equal.set_xscale("log")
    equal.axhline(0.0, color=GREY, lw=0.8)
    finish(equal, "Equal losses. Grey: exact odds on single data sets, broken: the sampled one", "observations n",
           "log odds, flat over sharp (nats)")  # fmt: skip
    equal.legend(fontsize=9, frameon=False)

    for axes, unit in ((uneven, "n"), (scaled, "nc")):
        for place, c in enumerate(sorted(set(table["advantage"]) - {0.0})):
            part = own[own["advantage"] == c]
            free = part[part["seed"] == NO_NOISE]
            x = free["n"] * (c if unit == "nc" else 1.0)
            axes.plot(x, 1 / (1 + np.exp(-free["value"])), color=COLOURS[place], lw=1.8, label=f"c = {c:g}")
            if unit == "n":
                for seed, one in part[(part["method"] == "quadrature") & (part["seed"] != NO_NOISE)].groupby("seed"):
                    axes.plot(one["n"], 1 / (1 + np.exp(-one["value"])), **_thin(seed, first, COLOURS[place]))
                share = table[
                    (table["quantity"] == "share") & (table["phase"] == "flat") & (table["method"] == "mbar")
                    & (table["beta"] == 1.0) & (table["advantage"] == c)
                ]  # fmt: skip
                _points(axes, share, place, None)
        axes.set_xscale("log")
        axes.set_ylim(-0.03, 1.03)
        axes.axhline(0.5, color=GREY, lw=0.8)
        axes.legend(fontsize=9, frameon=False, loc="lower left")
    finish(uneven, "Sharp well better by c. Thick: exact, no noise; thin: data sets; broken: the sampled one",
           "observations n", "share of the flat well")  # fmt: skip
    finish(scaled, "The same against n c: the change-over moves with ¼ log n", "n c (nats)", "share of the flat well")
    scaled.set_xlim(3e-2, 30)
    figure.suptitle(
        "The flat well wins by its volume; a smaller loss wins it back once n c outgrows ¼ log n", fontsize=12
    )
    return figure


def _thin(seed: int, first: int, colour: str) -> dict:
    """Return the style of the exact line of one data set; that of the sampled one shows more."""
    return {"color": colour, "lw": 1.3 if seed == first else 0.6, "ls": "--" if seed == first else "-", "alpha": 0.6}


def _points(axes, rows: pd.DataFrame, place: int, label: str | None) -> None:
    points(axes, rows, "n", color=COLOURS[place], marker=MARKERS[place], ms=6, label=label)
