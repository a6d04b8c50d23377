"""The picture of the study of the noise floor: where equal temperatures give equal losses, and where they do not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from singular.analysis.figures import (
    BLACK,
    BLUE,
    GREEN,
    GREY,
    LIGHT,
    ORANGE,
    PURPLE,
    SKY,
    VERMILION,
    finish,
    new_figure,
)
from singular.analysis.studies.panels import points

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

NOISE_COLOURS = {"isotropic": BLUE, "as the Hessian": VERMILION, "preconditioned": GREEN, "minibatch": ORANGE}
NOISE_MARKERS = {"isotropic": "o", "as the Hessian": "s", "preconditioned": "^", "minibatch": "D"}
NOISE_NAMES = {
    "isotropic": "isotropic", "as the Hessian": "C = H", "preconditioned": "C = H, steps along H⁻¹",
    "minibatch": "own minibatches",
}  # fmt: skip
PROBLEM_COLOURS = {"product": BLUE, "monomial-2": VERMILION, "deep-linear-1-1-1-1-r0": GREEN, "tanh-2": PURPLE}
LEAST = 3e-4
"""Ratios below are drawn here."""


def draw(table: pd.DataFrame, coefficient: str) -> Figure:
    """Return the figure of six panels from the rows of ``coefficient``."""
    own = table[table["quantity"] == coefficient]
    figure = new_figure(16.0, 9.4)
    panels = figure.subplots(2, 3).ravel()
    _loss(panels[0], own)
    _equal(panels[1], own)
    _finite(panels[2], own)
    _isotropic(panels[3], own[own["part"] == "isotropic"])
    _collapse(panels[4], own[own["part"] == "own"])
    _mixed(panels[5], own)
    figure.suptitle(
        "Isotropic noise is a temperature, singular or not. A model's own noise is none: it weighs directions by their "
        "curvature, and on singular models it runs down to the degenerate point", fontsize=12,
    )  # fmt: skip
    return figure


def _loss(axes: Axes, rows: pd.DataFrame) -> None:
    t = np.geomspace(0.0015, 0.3, 50)
    axes.plot(t, 2 * t, color=BLUE, lw=1.2, label="½ rank · T")
    axes.plot(t, 2.2 * t, color=VERMILION, lw=1.2, ls="--", label="½ tr H · T")
    drawn = rows[rows["part"] == "quadratic"]
    for noise in ("isotropic", "as the Hessian", "minibatch"):
        some = drawn[drawn["noise"] == noise]
        some = some[some["temperature"].round(9).isin([0.002, 0.02, 0.2])]
        axes.plot(some["temperature"], some["value"] * some["temperature"], ls="", ms=7, mfc="none",
                  marker=NOISE_MARKERS[noise], color=NOISE_COLOURS[noise],
                  label=f"quadratic, {NOISE_NAMES[noise]}")  # fmt: skip
    product = rows[(rows["part"] == "isotropic") & (rows["problem"] == "product")].sort_values(by="temperature")
    axes.plot(product["temperature"], product["gibbs"] * product["temperature"], color=BLACK, lw=1.0)
    axes.plot(product["temperature"], product["value"] * product["temperature"], ls="", marker="x", color=BLACK, ms=7,
              label="product, isotropic; line: Gibbs")  # fmt: skip
    kept = rows[(rows["part"] == "own") & (rows["problem"] == "product") & (rows["weight_decay"] == 0.0)]
    for (_, _), some in kept.groupby(["learning_rate", "batch_size"]):
        loss = some["value"] * some["temperature"]
        axes.plot(some["temperature"], loss, color=GREY, marker=".", lw=1.0, ms=4)
        axes.annotate("", (some["temperature"].iloc[0], loss.min()), (some["temperature"].iloc[0], loss.max()),
                      arrowprops={"arrowstyle": "->", "color": GREY})  # fmt: skip
    axes.plot([], [], color=GREY, marker=".", lw=1.0, label="product, own minibatches, in time")
    axes.set_xscale("log")
    axes.set_yscale("log")
    finish(axes, "Excess loss against temperature, over two decades", "T = ησ²/(2B(1 − μ)) (nats)",
           "E[L] − L₀ (nats an observation)")  # fmt: skip
    axes.legend(fontsize=7.5, frameon=False, loc="lower right")


def _equal(axes: Axes, rows: pd.DataFrame) -> None:
    styles = {(1, 0.0): "-", (8, 0.0): "--", (1, 0.9): ":", (8, 0.9): "-."}
    marks = {(1, 0.0): "o", (8, 0.0): "s", (1, 0.9): "^", (8, 0.9): "D"}
    curves = rows[rows["part"] == "curve"]
    drawn = rows[rows["part"] == "quadratic"]
    for noise in ("isotropic", "minibatch"):
        for (size, mu), style in styles.items():
            at = (curves["noise"] == noise) & (curves["batch_size"] == size) & (curves["momentum"] == mu)
            curve = curves[at].sort_values(by="temperature")
            axes.plot(curve["temperature"], curve["value"], color=NOISE_COLOURS[noise], ls=style, lw=1.2)
            at = (drawn["noise"] == noise) & (drawn["batch_size"] == size) & (drawn["momentum"] == mu)
            some = drawn[at & drawn["temperature"].round(9).isin([0.002, 0.02, 0.2])]
            points(
                axes,
                some,
                "temperature",
                marker=marks[size, mu],
                color=NOISE_COLOURS[noise],
                ms=6,
                mfc="none",
                capsize=2,
            )
    for (size, mu), style in styles.items():
        axes.plot([], [], color=GREY, ls=style, marker=marks[size, mu], mfc="none", label=f"B = {size}, μ = {mu:g}")
    for noise in ("isotropic", "minibatch"):
        axes.plot([], [], color=NOISE_COLOURS[noise], lw=3, label=NOISE_NAMES[noise])
    axes.axhline(2.0, color=LIGHT, lw=0.8, zorder=0)
    axes.set_xscale("log")
    axes.set_xlim(1.2e-3, 1.0)
    axes.set_ylim(1.6, 4.2)
    finish(axes, "Equal T, different η, B, μ: lines exact, points ± 2 errors",
           "T = ησ²/(2B(1 − μ)) (nats)", "excess / T, curvatures 3, 1, 0.3, 0.1")  # fmt: skip
    axes.legend(fontsize=8, frameon=False, loc="upper left")


def _finite(axes: Axes, rows: pd.DataFrame) -> None:
    curves, drawn = rows[rows["part"] == "curve"], rows[rows["part"] == "quadratic"]
    for noise, mu in (("isotropic", 0.0), ("isotropic", 0.9), ("as the Hessian", 0.0), ("preconditioned", 0.0)):
        edge = (2.0 if noise == "preconditioned" else 2.0 / 3.0) * (1 + mu)
        colour = SKY if mu else NOISE_COLOURS[noise]
        at = (curves["noise"] == noise) & (curves["batch_size"] == 1) & (curves["momentum"] == mu)
        curve = curves[at].sort_values(by="learning_rate")
        axes.plot(curve["learning_rate"] / edge, curve["value"], color=colour, lw=1.5,
                  label=NOISE_NAMES[noise] + (f", μ = {mu:g}" if mu else ""))  # fmt: skip
        at = (drawn["noise"] == noise) & (drawn["batch_size"] == 1) & (drawn["momentum"] == mu)
        some = drawn[at]
        points(axes, some, some["learning_rate"] / edge, ms=5, capsize=2, marker=NOISE_MARKERS[noise], color=colour)
    axes.axhline(2.0, color=GREY, lw=0.8, ls=":")
    axes.set_xscale("log")
    axes.set_xlim(2e-3, 1.0)
    axes.set_ylim(1.8, 4.0)
    finish(axes, "Finite steps on the quadratic: ½ rank = 2, ½ tr H = 2.2", "step size / largest stable one",
           "excess / T (T′ where steps go along H⁻¹)")  # fmt: skip
    axes.legend(fontsize=8, frameon=False, loc="upper left")


def _isotropic(axes: Axes, rows: pd.DataFrame) -> None:
    for place, (name, some) in enumerate(rows.groupby("problem", sort=False)):
        hot = some[(some["temperature"].round(9) == 0.1) & (some["momentum"] == 0.0)].sort_values(by="learning_rate")
        axes.errorbar(hot["learning_rate"], hot["ratio"], yerr=2 * hot["ratio_mcse"], color=PROBLEM_COLOURS[str(name)],
                      marker="os^D"[place % 4], lw=1.0, ms=6, capsize=3, label=str(name))  # fmt: skip
    axes.axhline(1.0, color=GREY, lw=0.8)
    axes.set_xscale("log")
    finish(axes, "Singular models, isotropic noise, T = 0.1: Gibbs as η → 0",
           "learning rate η", "excess of SGD / excess of Gibbs, ± 2 errors")  # fmt: skip
    axes.legend(fontsize=8, frameon=False, loc="upper left")


def _collapse(axes: Axes, rows: pd.DataFrame) -> None:
    for (name, rate, size, decay), some in rows.groupby(["problem", "learning_rate", "batch_size", "weight_decay"]):
        some = some.sort_values(by="steps")
        x = some["steps"] * rate**2 / size
        y = np.maximum(some["ratio"], LEAST)
        axes.plot(x, y, color=PROBLEM_COLOURS[name], ls="--" if decay else "-", lw=0.8 + (rate > 0.1) * 0.8,
                  marker={0.05: "o", 0.2: "s"}.get(rate, "x") if size == 4 else "x", ms=4)  # fmt: skip
    for name in dict.fromkeys(rows["problem"]):
        axes.plot([], [], color=PROBLEM_COLOURS[name], lw=3, label=name)
    for style, label in (("-", "no weight decay"), ("--", "weight decay T")):
        axes.plot([], [], color=GREY, ls=style, label=label)
    for mark, label in (("o", "η = 0.05, B = 4"), ("s", "η = 0.2, B = 4"), ("x", "η = 0.2, B = 16")):
        axes.plot([], [], color=GREY, ls="", marker=mark, ms=4, label=label)
    axes.axhline(1.0, color=GREY, lw=0.8)
    axes.set_xscale("log")
    axes.set_yscale("log")
    finish(axes, "The models' own noise: no equilibrium at T, but a fall",
           "N η²/B: expected fall of log |w1² − w2²| of the product", "excess of SGD / excess of Gibbs")  # fmt: skip
    axes.legend(fontsize=7.5, frameon=False, loc="lower left")


def _mixed(axes: Axes, rows: pd.DataFrame) -> None:
    curve = rows[rows["part"] == "mixed curve"].sort_values(by="temperature")
    kappa = 2 * float(curve["learning_rate"].iloc[0])
    axes.plot(curve["temperature"] / kappa**2, curve["value"], color=BLACK, lw=1.4, label="stationary law, η → 0")
    for place, ((rate, size), some) in enumerate(
        rows[rows["part"] == "mixed"].groupby(["learning_rate", "batch_size"])
    ):
        points(
            axes,
            some,
            some["temperature"] / kappa**2,
            marker="os^D"[place % 4],
            color=(BLUE, ORANGE, GREEN)[place % 3],
            ms=6,
            mfc="none",
            label=f"runs, η = {rate:g}, B = {size:g}",
        )
    axes.axhline(0.25, color=GREY, lw=0.9, ls=":")
    axes.set_xscale("log")
    axes.set_ylim(0.0, 1.3)
    axes.set_xlim(0.03, 300)
    finish(axes, "y = w²x, noise T₀ injected: Gibbs (¼) once T₀ ≫ κ²", "T₀/κ², κ = 2η/B",
           "excess / T₀")  # fmt: skip
    axes.legend(fontsize=8, frameon=False, loc="upper right")
