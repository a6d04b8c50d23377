"""The picture of the study of two wells at the noise floor."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy.special import logit

from singular.analysis.figures import BLACK, GREY, PURPLE, SKY, finish, new_figure
from singular.analysis.studies.cells import COLOURS, MARKERS
from singular.analysis.studies.panels import points

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def draw(table: pd.DataFrame) -> Figure:
    """Return the figure: wells and noise, shares over T under both noises, log odds, and two departures."""
    figure = new_figure(16.0, 9.0)
    well, isotropic, own, odds, step, part = figure.subplots(2, 3).ravel()
    cells, lines = table[table["curve"] == ""], table[table["curve"] != ""]
    plain = cells[cells["momentum"] == 0]
    _wells(well)

    for axes, kind in ((isotropic, "isotropic"), (own, "minibatch")):
        for place, c in enumerate(sorted(set(lines["advantage"]))):
            line = lines[(lines["curve"] == "temperature") & (lines["advantage"] == c)].sort_values("temperature")
            rows = plain[(plain["noise"] == kind) & (plain["advantage"] == c)]
            if kind == "isotropic":
                rows = rows[rows["step_size"] == 0.05]
            axes.plot(line["temperature"], line["gibbs"], color=COLOURS[place], lw=1.6)
            if kind == "minibatch":
                axes.plot(line["temperature"], line["small"], color=COLOURS[place], lw=1.6, ls="--")
            _points(axes, rows, "temperature", place, f"c = {c:g}")
        axes.set_xscale("log")
        axes.set_xticks([0.03, 0.05, 0.1, 0.2, 0.3], ["0.03", "0.05", "0.1", "0.2", "0.3"])
        axes.minorticks_off()
        axes.set_ylim(-0.04, 1.04)
        axes.legend(fontsize=9, frameon=False, loc="lower right", bbox_to_anchor=(1.0, 0.07))
    finish(
        isotropic,
        "Isotropic noise, η = 0.05. Lines: Gibbs; hollow: flagged",
        "temperature T (nats)",
        "share of the flat well",
    )
    finish(own, "Own noise, B = 1, η = 2T. Full: Gibbs; broken: law of small steps", "nominal temperature T (nats)",
           "share of the flat well")  # fmt: skip

    least = 0.5 / cells["runs"].max()
    for place, (kind, name) in enumerate(
        (("isotropic", "isotropic"), ("minibatch", "own"), ("mixed", "own and isotropic"))
    ):
        rows = cells[(cells["noise"] == kind)]
        value = rows["value"].clip(least, 1 - least)
        error = 2 * rows["mcse"] / (value * (1 - value))
        log_odds = pd.DataFrame(
            {"gibbs": logit(rows["gibbs"]), "value": logit(value), "mcse": (error / 2).clip(upper=1.0)}
        )
        _points(odds, log_odds.assign(flags=rows["flags"]), "gibbs", place, name, (BLACK, PURPLE, SKY))
    span = np.array([-3.5, 0.8])
    odds.plot(span, span, color=GREY, lw=1.2, label="log odds = −ΔF/T")
    odds.axhline(0, color=GREY, lw=0.8)
    finish(
        odds,
        "All cells: log odds against −ΔF/T; hollow: flagged",
        "exact −ΔF/T = log odds of Gibbs",
        "log odds of the runs, flat over sharp",
    )
    odds.legend(fontsize=9, frameon=False, loc="upper left")

    for place, c in enumerate(sorted(set(lines["advantage"]))):
        if not ((lines["curve"] == "step") & (lines["advantage"] == c)).any():
            continue
        line = lines[(lines["curve"] == "step") & (lines["advantage"] == c)].sort_values("step_size")
        step.plot(line["step_size"], line["chain"] - line["gibbs"], color=COLOURS[place], lw=1.6)
        rows = plain[(plain["noise"] == "isotropic") & (plain["advantage"] == c) & (plain["temperature"] == 0.1)]
        _points(step, rows.assign(value=rows["value"] - rows["gibbs"]), "step_size", place, f"c = {c:g}")
        line = lines[(lines["curve"] == "own") & (lines["advantage"] == c)].sort_values("own")
        part.plot(line["own"], line["chain"], color=COLOURS[place], lw=1.6)
        part.plot(line["own"], line["small"], color=COLOURS[place], lw=1.6, ls="--")
        part.axhline(line["gibbs"].iloc[0], color=COLOURS[place], lw=1, ls=":")
        rows = plain[(plain["own"] > 0) & (plain["advantage"] == c) & np.isclose(plain["temperature"], 0.1)]
        _points(part, rows, "own", place, f"c = {c:g}")
    step.axhline(0, color=GREY, lw=0.8)
    finish(
        step,
        "Isotropic, T = 0.1: departure from Gibbs. Lines: exact, of the chain",
        "step size η",
        "share of the flat well − Gibbs",
    )
    step.legend(fontsize=9, frameon=False, loc="upper left")
    part.set_ylim(-0.04, 1.04)
    finish(part, "T = 0.1. Full: chain; broken: small steps; dotted: Gibbs", "the model's own part of the noise",
           "share of the flat well")  # fmt: skip
    part.legend(fontsize=9, frameon=False, loc="lower left")
    figure.suptitle("Two wells: isotropic noise follows the free energy, the model's own noise does not", fontsize=12)
    return figure


def _wells(axes) -> None:
    from singular.models import uneven_wells
    from singular.models.crossings.two_wells import HEIGHT, SUMMIT
    from singular.models.crossings.uneven_wells import STEEPNESS

    w = np.linspace(-1.9, 4.9, 500)
    f, slope = HEIGHT * (w + 1) * (w - 3) ** 2, HEIGHT * (w - 3) * (3 * w - 1)
    for place, c in ((0, 0.0), (2, 0.1)):
        loss = uneven_wells(c).excess_loss
        assert loss is not None
        axes.plot(w, np.asarray(loss({"w": w})), color=COLOURS[place], lw=1.8, label=f"K, c = {c:g}")
        step = 1 / (1 + np.exp(-STEEPNESS * (w - SUMMIT)))
        g, rise = np.sqrt(2 * c) * step, np.sqrt(2 * c) * STEEPNESS * step * (1 - step)
        noise = (slope**2 + rise**2) * (1 + f**2 + g**2) + (f * slope + g * rise) ** 2
        axes.plot(w, noise / 5, color=COLOURS[place], lw=1.2, ls="--", label=f"noise/5, c = {c:g}")
    axes.axvline(SUMMIT, color=GREY, ls=":", lw=1)
    axes.set_ylim(-0.02, 0.6)
    axes.legend(fontsize=9, frameon=False, loc="upper center")
    finish(axes, "Excess loss, and variance of one observation's gradient", "w", "K (nats); variance/5 (nats²)")


def _points(axes, rows: pd.DataFrame, x: str, place: int, label: str, colours=COLOURS) -> None:
    style = {"color": colours[place], "marker": MARKERS[place], "ls": "", "ms": 6}
    axes.plot([], [], label=label, **style)
    for flagged in (False, True):
        one = rows[(rows["flags"] != "") == flagged]
        face = "white" if flagged else colours[place]
        points(axes, one, x, mfc=face, **style)
