"""The pictures of the SGLD study: bias against step, error over step and γ, error against gradients."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from singular import models
from singular.analysis.figures import BLACK, BLUE, GREEN, GREY, ORANGE, PURPLE, SKY, VERMILION, YELLOW
from singular.posteriors import quadratic_sgld_coefficient
from singular.posteriors.ladder import wbic_beta

COLUMNS = 3
QUADRATIC = "linear-4"
SHOWN_GAMMA = 1.0
DARK = 0.7
"""Relative distance from which a cell is too dark for black letters."""
COLOURS = {
    "NUTS local": BLACK, "sgld": BLUE, "sgld-richardson": VERMILION, "psgld": ORANGE, "sghmc": GREEN, "sgnht": PURPLE,
    "mala": SKY, "underdamped": YELLOW,
}  # fmt: skip


def bias_picture(rows: pd.DataFrame) -> Figure:
    """Draw SGLD's value less the exact one against its step, a panel a problem; the exact law where U is quadratic."""
    problems = list(dict.fromkeys(rows["problem"]))
    figure, panels = _grid(len(problems), 2.7)
    for panel, problem in zip(panels, problems, strict=False):
        part = rows[(rows["problem"] == problem) & (rows["gamma"] == SHOWN_GAMMA)]
        sgld = part[part["sampler"] == "sgld"]
        for whole, colour, label in ((True, BLUE, "all data"), (False, ORANGE, "minibatch of n/10")):
            line = sgld[(sgld["batch_size"] == sgld["n"]) == whole]
            error = np.hypot(line["mcse"], line["exact_error"])
            panel.errorbar(
                line["step_size"], line["value"] - line["exact"], 2 * error, fmt="o", color=colour, ms=4, label=label
            )
        if problem == QUADRATIC:
            _exact_law(panel, part)
        at_zero = part[part["sampler"] == "sgld-richardson"]
        error = np.hypot(at_zero["mcse"], at_zero["exact_error"])
        panel.errorbar(
            [0.0], at_zero["value"] - at_zero["exact"], 2 * error, fmt="D", color=VERMILION, ms=4, label="extrapolated"
        )
        panel.axhline(0, color=GREY, linewidth=0.8)
        panel.set_title(f"{problem}: exact {part['exact'].iloc[0]:.3f}", fontsize=9)
        panel.margins(x=0.08)
    handles, labels = panels[problems.index(QUADRATIC) if QUADRATIC in problems else 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=4, fontsize=8, frameon=False)
    figure.supxlabel("step size ε", fontsize=9)
    figure.supylabel(f"value less exact value of the same target (γ = {SHOWN_GAMMA:g}), ± 2 errors", fontsize=9)
    return figure


def heat_picture(rows: pd.DataFrame) -> Figure:
    """Draw the relative distance of SGLD from the exact value under the model's own prior, over step and γ.

    The contour is where discretisation and localisation cancel: right by two wrongs.
    """
    problems = list(dict.fromkeys(rows["problem"]))
    figure, panels = _grid(len(problems), 2.4)
    image = None
    for panel, problem in zip(panels, problems, strict=False):
        part = rows[(rows["problem"] == problem) & (rows["sampler"] == "sgld") & (rows["batch_size"] == rows["n"])]
        relative = (part["value"] - part["own_exact"]) / part["own_exact"]
        table = part.assign(relative=relative).pivot(index="gamma", columns="share", values="relative")
        image = panel.imshow(table, vmin=-1, vmax=1, cmap="RdBu_r", aspect="auto", origin="lower")
        for (i, j), value in np.ndenumerate(table.to_numpy()):
            label, colour = "left" if np.isnan(value) else f"{value:+.0%}", "white" if abs(value) > DARK else BLACK
            panel.text(j, i, label, ha="center", va="center", fontsize=7, color=colour)
        filled = table.to_numpy()
        if np.nanmin(filled) < 0 < np.nanmax(filled):
            panel.contour(np.ma.masked_invalid(filled), [0.0], colors=BLACK, linewidths=1.5)
        panel.set_xticks(range(table.shape[1]), [f"{s:g}" for s in table.columns], fontsize=7)
        panel.set_yticks(range(table.shape[0]), ["own prior" if g == 0 else f"{g:g}" for g in table.index], fontsize=7)
        panel.set_title(f"{problem}: exact {part['own_exact'].iloc[0]:.3f}", fontsize=9)
    figure.colorbar(image, ax=list(panels), label="(value − exact)/exact", shrink=0.6)
    figure.supxlabel("step, in units of MALA's at 0.9 acceptance", fontsize=9)
    figure.supylabel("γ", fontsize=9)
    return figure


def gradients_picture(rows: pd.DataFrame) -> Figure:
    """Draw the error of every full-batch run against its gradients, a panel a problem; bars are Monte Carlo errors."""
    problems = list(dict.fromkeys(rows["problem"]))
    part = rows[(rows["gamma"] == SHOWN_GAMMA) & (rows["batch_size"] == rows["n"]) & rows["value"].notna()]
    samplers = list(dict.fromkeys(part["sampler"]))
    figure, panels = _grid(len(problems), 2.7)
    for panel, problem in zip(panels, problems, strict=False):
        for sampler in samplers:
            line = part[(part["problem"] == problem) & (part["sampler"] == sampler)].sort_values("gradients")
            error = (line["value"] - line["exact"]).abs()
            colour = COLOURS.get(sampler, GREY)
            panel.plot(line["gradients"], error, "o-", color=colour, ms=4, linewidth=0.8, label=sampler)
            panel.plot(line["gradients"], line["mcse"], "_", color=colour, ms=8)
        panel.set(xscale="log", yscale="log")
        panel.set_title(problem, fontsize=9)
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=len(samplers), fontsize=8, frameon=False)
    figure.supxlabel("gradients of all data", fontsize=9)
    figure.supylabel(f"|value less exact| (dot) and Monte Carlo error (dash), γ = {SHOWN_GAMMA:g}", fontsize=9)
    return figure


def budget_picture(budget: pd.DataFrame) -> Figure:
    """Draw the error of each method at the ladder's number of gradients, a panel a problem, a point a data set."""
    problems, methods = list(dict.fromkeys(budget["problem"])), list(dict.fromkeys(budget["method"]))
    figure, panels = _grid(len(problems), 2.7, sharey=True)
    for panel, problem in zip(panels, problems, strict=False):
        part = budget[budget["problem"] == problem]
        for k, method in enumerate(methods):
            line = part[part["method"] == method]
            error = (line["value"] - line["exact"]).abs() / line["exact"].abs()
            colour = BLUE if method == "NUTS ladder" else VERMILION if "step ×" in method else ORANGE
            panel.plot(error, [k] * len(line), "|", color=colour, ms=9)
            panel.plot([np.sqrt((error**2).mean())], [k], "o", color=colour, ms=4)
        panel.set_xscale("log")
        panel.set_yticks(range(len(methods)), methods, fontsize=7)
        panel.set_ylim(len(methods) - 0.5, -0.5)
        panel.set_title(f"{problem}, {part['gradients'].iloc[0]:,.0f} gradients", fontsize=9)
    figure.supxlabel("relative error of the excess coefficient (bar: one data set; dot: root mean square)", fontsize=9)
    return figure


def _exact_law(panel, part: pd.DataFrame) -> None:
    problem = models.problem(QUADRATIC, n=int(part["n"].iloc[0]), seed=int(part["seed"].iloc[0]))
    x = problem.kwargs["x"]
    h = np.linalg.eigvalsh(x.T @ x) / problem.n
    t = problem.n * wbic_beta(problem.n)
    sizes = np.linspace(0, part.loc[part["sampler"] == "sgld", "step_size"].max(), 100)
    law = [quadratic_sgld_coefficient(h, SHOWN_GAMMA, t, s) for s in sizes]
    panel.plot(sizes, np.array(law) - law[0], color=BLUE, linewidth=1, label="exact law")


def _grid(count: int, height: float, **shared):
    lines = -(-count // COLUMNS)
    figure = Figure(figsize=(3.6 * COLUMNS, height * lines + 0.6), dpi=90, layout="constrained")
    panels = figure.subplots(lines, COLUMNS, squeeze=False, **shared).ravel()
    for panel in panels[count:]:
        panel.axis("off")
    for panel in panels:
        panel.tick_params(labelsize=7)
    return figure, panels
