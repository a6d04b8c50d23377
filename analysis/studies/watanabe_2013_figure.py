"""The picture of Watanabe's experiment: WBIC and F over H, λ against theory, and the ladder against collapsed SMC."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from singular.analysis.figures import BLACK, BLUE, GREEN, GREY, ORANGE, VERMILION, finish, new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

STYLES = {"WBIC − nS_n": (BLUE, "o"), "F_n − nS_n": (VERMILION, "s"), "two temperatures": (ORANGE, "D"),
          "variance form": (GREEN, "^")}  # fmt: skip


def draw(table: pd.DataFrame, theory: pd.DataFrame) -> Figure:
    """Return the figure of the study's table, λ of theory beside."""
    figure = new_figure(14.0, 4.6)
    energies, coefficients, again = figure.subplots(1, 3)
    own = table[table["method"] == "ladder"]
    for place, quantity in enumerate(("WBIC − nS_n", "F_n − nS_n")):
        _over_hidden(energies, own[own["quantity"] == quantity], quantity, 0.12 * (2 * place - 1))
    finish(energies, "WBIC and F_n, each data set and the mean", "hidden units H", "nats above the nll at the truth")
    energies.set_yscale("log")
    energies.legend(fontsize=8, frameon=False)
    for place, quantity in enumerate(("variance form", "two temperatures")):
        _over_hidden(coefficients, own[own["quantity"] == quantity], quantity, 0.12 * (2 * place - 1))
    coefficients.plot(
        theory["hidden"], theory["λ"], color=BLACK, marker="_", ms=16, ls=":", label="λ, Aoyagi & Watanabe (2005)"
    )
    finish(coefficients, "λ as seen at β = 1/log n", "hidden units H", "learning coefficient")
    coefficients.legend(fontsize=8, frameon=False)
    keys = ["hidden", "seed", "quantity"]
    both = own.merge(table[table["method"] == "collapsed SMC"], on=keys, suffixes=("", " again"))
    z = (both["value"] - both["value again"]) / np.hypot(both["mcse"], both["mcse again"])
    for place, (quantity, part) in enumerate(both.groupby("quantity")):
        colour, marker = STYLES[str(quantity)]
        again.plot(
            part["hidden"] + 0.15 * (place - 1), z[part.index], marker, color=colour, ms=5, ls="", label=str(quantity)
        )
    again.axhline(0, color=GREY, lw=0.8)
    for bound in (-4, 4):
        again.axhline(bound, color=GREY, lw=0.8, ls=":")
    again.set_ylim(-5, 5)
    finish(again, "Ladder less collapsed SMC, same data", "hidden units H", "difference in joint errors, z")
    again.legend(fontsize=8, frameon=False)
    return figure


def _over_hidden(axes, rows: pd.DataFrame, quantity: str, shift: float) -> None:
    colour, marker = STYLES[quantity]
    axes.plot(rows["hidden"] + shift, rows["value"], ".", color=colour, alpha=0.35, ms=4)
    mean = rows.groupby("hidden")["value"].mean()
    axes.plot(mean.index + shift, mean, marker, color=colour, ms=7, mec=BLACK, ls="", label=quantity)
