"""The picture of the study of volumes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from singular.analysis.figures import BLACK, BLUE, GREEN, GREY, ORANGE, PURPLE, VERMILION, finish, new_figure
from singular.analysis.studies.panels import points
from singular.analysis.studies.volume_text import LAMBDA, LOG_VOLUME, OF_DATA

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PLAIN = ("linear-2", "linear-4", "two-wells")
SINGULAR = ("product", "monomial-2-2", "reduced-rank-2-2-1-0", "deep-linear-1-1-1-1-1-r0")
REGIONS = (("two-wells", "sharp"), ("two-wells", "flat"), ("line-and-dot", "line"), ("line-and-dot", "dot"))
SAMPLED = ("linear-2", "product", "two-wells")
COLOURS, MARKERS = (BLUE, VERMILION, GREEN, PURPLE), ("o", "s", "^", "D")


def draw(table: pd.DataFrame) -> Figure:
    """Return the figure: volumes of members, of regions and from ladders; λ beside its exact value; z over ε."""
    figure = new_figure(15.0, 9.0)
    plain, singular, regions, lambdas, scores, ladders = figure.subplots(2, 3).ravel()
    split = table[table["method"] == "splitting"]
    volumes = split[split["quantity"] == LOG_VOLUME]
    for axes, names in ((plain, PLAIN), (singular, SINGULAR)):
        ellipsoids = table[(table["method"] == "ellipsoid") & (table["quantity"] == LOG_VOLUME)]
        for place, name in enumerate(names):
            own = volumes[(volumes["problem"] == name) & (volumes["region"] == "")]
            _curve(axes, own, place, name)
            flat = ellipsoids[ellipsoids["problem"] == name].sort_values("epsilon")
            axes.plot(flat["epsilon"], flat["value"], color=COLOURS[place], ls=":", lw=1.6)
    for place, (name, region) in enumerate(REGIONS):
        own = volumes[(volumes["problem"] == name) & (volumes["region"] == region)]
        _curve(regions, own, place, f"{name}: {region}")
    for axes in (plain, singular, regions):
        axes.set_xscale("log")
        axes.legend(fontsize=8, frameon=False, loc="lower left")
        low, high = axes.get_ylim()
        axes.set_ylim(low - 0.35 * (high - low), high)  # room for the legend, below the curves
    what = "ε, nats an observation"
    finish(plain, "Points: splitting; lines: exact; dotted: the Hessian's ellipsoid", what, "log V(ε), nats")
    finish(singular, "Singular members: the ellipsoid (dotted) has the wrong slope", what, "log V(ε), nats")
    finish(regions, "Named regions: each has a λ of its own", what, "log V(ε) in the region, nats")
    _lambdas(lambdas, table)
    _scores(scores, volumes)
    _ladders(ladders, table)
    figure.suptitle("The prior volume of {K < ε} vanishes as ε^λ (−log ε)^(m−1)", fontsize=12)
    return figure


def _curve(axes, own: pd.DataFrame, place: int, label: str) -> None:
    own = own.sort_values("epsilon")
    axes.plot(own["epsilon"], own["exact"], color=COLOURS[place], lw=1.2)
    few = own[own["decade"]]
    few = few[:: max(1, len(few) // 16)]
    points(axes, few, "epsilon", color=COLOURS[place], marker=MARKERS[place], ms=4.5, capsize=2, label=label)


def _lambdas(axes, table: pd.DataFrame) -> None:
    rows = table[(table["quantity"] == LAMBDA) & (table["method"] == "splitting")]
    slopes = table[(table["quantity"] == LAMBDA) & (table["method"] == "ellipsoid")].set_index("problem")["value"]
    rows = rows.sort_values(["exact", "problem", "region"], ascending=False).reset_index(drop=True)
    names = [r["problem"] + (f": {r['region']}" if r["region"] else "") for r in rows.to_dict("records")]
    height = np.arange(len(rows))
    axes.errorbar(rows["value"], height, xerr=3 * rows["mcse"], color=BLUE, marker="o", ls="", ms=4, capsize=2,
                  label="fitted with the log term, ± 3 errors")  # fmt: skip
    axes.plot(rows["exact"], height, color=BLACK, marker="|", ls="", ms=11, mew=1.8, label="exact λ")
    whole = rows["region"] == ""
    axes.plot(slopes.reindex(rows["problem"][whole]).to_numpy(), height[whole], color=ORANGE, marker="x", ls="", ms=6,
              mew=1.8, label="ellipsoid's slope, rank/2")  # fmt: skip
    axes.set_yticks(height, names)
    axes.legend(fontsize=8, frameon=False, loc="upper left")
    finish(axes, "λ of members and regions", "λ", "")
    axes.tick_params(axis="y", labelsize=7)
    axes.set_ylim(-0.8, 1.2 * len(rows))


def _scores(axes, volumes: pd.DataFrame) -> None:
    held = volumes[volumes["z"].notna() & volumes["decade"]]
    for place, (rows, label) in enumerate(
        ((held[held["region"] == ""], "whole members"), (held[held["region"] != ""], "regions"))
    ):
        axes.plot(rows["epsilon"], rows["z"], color=COLOURS[place], marker=MARKERS[place], ls="", ms=3.5, alpha=0.7,
                  label=label)  # fmt: skip
    for level in (-3, 3):
        axes.axhline(level, color=GREY, ls="--", lw=1.0)
    axes.axhline(0, color=GREY, lw=0.8)
    axes.set_xscale("log")
    axes.set_ylim(-5.5, 5.5)
    axes.legend(fontsize=8, frameon=False, loc="upper left", ncols=2)
    finish(axes, "Splitting against the exact volume, a cell a decade", "ε, nats an observation",
           "z, in errors")  # fmt: skip


def _ladders(axes, table: pd.DataFrame) -> None:
    ladder = table[(table["method"] == "ladder") & (table["region"] == "")]
    for place, name in enumerate(SAMPLED):
        own = ladder[(ladder["problem"] == name) & (ladder["quantity"] == LOG_VOLUME)]
        if own.empty:
            continue
        axes.plot(own["epsilon"], own["exact"], color=COLOURS[place], lw=1.2)
        points(
            axes,
            own,
            "epsilon",
            color=COLOURS[place],
            marker=MARKERS[place],
            ms=5,
            capsize=2,
            label=f"{name}, n = {own['n'].iloc[0]:.0f}",
        )
        data = ladder[(ladder["problem"] == name) & (ladder["quantity"] == OF_DATA)].sort_values("epsilon")
        axes.plot(data["epsilon"], data["value"], color=COLOURS[place], lw=1.0, ls="--")
    axes.set_xscale("log")
    axes.legend(fontsize=8, frameon=False, loc="lower right")
    finish(axes, "Ladders. Points: K, lines: exact; dashed: the data's loss",
           "ε, nats an observation", "log V(ε), nats")  # fmt: skip
