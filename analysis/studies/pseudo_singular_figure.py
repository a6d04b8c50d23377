"""The picture of the study of pseudo-singular models: who sees a small curvature, and at which resolution."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from singular.analysis.figures import BLACK, BLUE, GREEN, GREY, ORANGE, PURPLE, SKY, VERMILION, finish, new_figure
from singular.analysis.studies.panels import points
from singular.analysis.studies.pseudo_singular_laws import HALF, LEARNERS, SPECTRA

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS = {"regular": BLUE, "rank 2": ORANGE, "rank 1": VERMILION}
MARKERS = {"regular": "o", "rank 2": "s", "rank 1": "^"}
NAMES = {model: f"{model}: h = " + ", ".join(f"{h:g}" for h in spectrum) for model, spectrum in SPECTRA.items()}
LEARNER_COLOURS = dict(zip(LEARNERS, (BLACK, BLUE, GREEN, SKY, VERMILION), strict=True))
TOP = 1.75


def draw(table: pd.DataFrame) -> Figure:
    """Return the figure of six panels."""
    figure = new_figure(16.0, 9.4)
    panels = figure.subplots(2, 3).ravel()
    titles = (
        "Gibbs at T: alike above h/τ, told apart below (dotted: T = h/τ)",
        "SGD, isotropic noise, η = 0.2, μ = 0.9: the same floor",
        "Not converged: N steps of descent (lines), of SGD (broken, points)",
        "SGD whose noise is C = H: a small direction never counts",
    )
    labels = ("T", "T = ησ²/(2B(1 − μ))", "1/(ηN) of descent, 1/(2ηN) of SGD", "T = ησ²/(2B)")
    for axes, learner, title, label in zip(
        panels, (LEARNERS[0], LEARNERS[1], LEARNERS[2], LEARNERS[4]), titles, labels, strict=False
    ):
        _spectra(axes, table, learner)
        if learner == LEARNERS[2]:
            _spectra(axes, table, LEARNERS[3], "--")
        finish(axes, title, f"{label} (nats)", "coefficient")
        axes.set_ylim(0, TOP)
    panels[0].legend(fontsize=8, frameon=False, loc="lower left")
    _shares(panels[4], table)
    _product(panels[5], table)
    figure.suptitle(
        "A small curvature is no curvature to a learner whose floor lies above it — if its noise is isotropic, and "
        "with "
        "h/τ only where the loss is quadratic", fontsize=12,
    )  # fmt: skip
    return figure


def _spectra(axes: Axes, table: pd.DataFrame, learner: str, style: str = "-") -> None:
    own = table[(table["noise"] == learner) & table["part"].isin(["curve", "runs"])]
    for place, model in enumerate(SPECTRA):
        rows = own[own["problem"] == model]
        curve = rows[rows["part"] == "curve"].sort_values(by="temperature")
        label = NAMES[model] if style == "-" else None
        axes.plot(curve["temperature"], curve["value"], color=COLOURS[model], ls=style, lw=2.6 - 0.7 * place,
                  label=label)  # fmt: skip
        runs = rows[rows["part"] == "runs"]
        points(axes, runs, "temperature", marker=MARKERS[model], ms=6, mfc="none", color=COLOURS[model])
    for h in SPECTRA["regular"][1:]:
        axes.axvline(h, color=GREY, ls=":", lw=1.0)
    axes.set_xscale("log")
    axes.set_xlim(1.5, 7e-7)


def _shares(axes: Axes, table: pd.DataFrame) -> None:
    """What the direction of curvature 1e-2 adds, for every learner, against T τ/h; that of 1e-4 broken."""
    every = table[table["part"] == "curve"]
    curves = every[every["problem"].isin(list(SPECTRA))]
    for place, (learner, colour) in enumerate(LEARNER_COLOURS.items()):
        own = curves[curves["noise"] == learner].pivot(index="temperature", columns="problem", values="value")
        pairs = (("rank 2", "rank 1", SPECTRA["regular"][1], "-"), ("regular", "rank 2", SPECTRA["regular"][2], "--"))
        for more, less, h, style in pairs:
            axes.plot(own.index / h, own[more] - own[less], color=colour, ls=style, lw=(4.0, 1.5)[place % 2],
                      label=learner if style == "-" else None)  # fmt: skip
    near = every[~every["problem"].isin(list(SPECTRA))].pivot(index="temperature", columns="problem", values="value")
    for scale, style in ((0.1, "-"), (0.01, ":")):
        gap = near[f"near-product-{scale:g}"] - near["product"]
        label = f"neighbour of the product, h = ε² = {scale**2:g}"
        axes.plot(near.index / scale**2, gap, color=PURPLE, ls=style, lw=2.0, label=label)
    axes.axhline(HALF, color=GREY, lw=0.8, ls=":")
    axes.axvline(1.0, color=GREY, lw=0.8, ls=":")
    axes.set_xscale("log")
    axes.set_xlim(1e3, 1e-4)
    axes.set_ylim(-0.02, 0.95)
    finish(axes, "What one direction adds (h = 0.01; broken 0.0001) against T/h", "T τ / h",
           "coefficient with it − without it")  # fmt: skip
    axes.legend(fontsize=8, frameon=False, loc="upper left")


def _product(axes: Axes, table: pd.DataFrame) -> None:
    curves = table[(table["part"] == "curve") & (table["noise"] == "Gibbs")]
    styles = (
        ("product", BLACK),
        ("near-product-0.3", SKY),
        ("near-product-0.1", PURPLE),
        ("near-product-0.03", GREEN),
        ("near-product-0.01", ORANGE),
    )
    for name, colour in styles:
        curve = curves[curves["problem"] == name].sort_values(by="temperature")
        label = (
            "product, ε = 0: singular" if name == "product" else f"ε = {name.removeprefix('near-product-')}: regular"
        )
        axes.plot(curve["temperature"], curve["value"], color=colour, lw=1.6, label=label)
        runs = table[(table["part"] == "runs") & (table["problem"] == name)]
        points(axes, runs, "temperature", marker="o", ms=5, mfc="none", color=colour)
    for at, told in ((1e-2, "h = ε²"), (1e-4, "h² = ε⁴")):
        axes.axvline(at, color=PURPLE, ls=":", lw=1.0)
        axes.text(at, 0.02, f" {told}", color=PURPLE, fontsize=8)
    axes.set_xscale("log")
    axes.invert_xaxis()
    axes.set_ylim(0, 1.45)
    finish(axes, "½(w1²w2² + ε²|w|²): regular at every ε > 0; points: SGD, isotropic", "T (nats)", "coefficient")
    axes.legend(fontsize=8, frameon=False, loc="upper left")
