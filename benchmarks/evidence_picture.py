"""The picture of the evidence benchmark: error against evaluations, on every problem."""

from __future__ import annotations

import numpy as np
import pandas as pd
from evidence_runs import TOOLS
from evidence_table import LEVEL, READ_HERE
from matplotlib.figure import Figure

MARKS = {
    "ladder": ("o", "#c0392b"), "smc": ("s", "#e67e22"), "dynesty": ("^", "#2c5d8f"), "jaxns": ("v", "#27ae60"),
    "blackjax": ("D", "#8e44ad"), "numpyro": ("P", "#555555"),
}  # fmt: skip
SHOWN = {"ladder": ("mbar", "bridge"), "numpyro": ("mbar", "ti-trapezoid", READ_HERE)}
"""Readings drawn, of tools with several; the first one is filled."""
FACES = ("full", "none", "left")
COLUMNS = 4


def picture(table: pd.DataFrame) -> Figure:
    """Draw rms error against evaluations, a panel a problem, with lines of equal yardstick."""
    shown = table[[row.method in SHOWN.get(row.tool, (row.method,)) for row in table.itertuples()]]
    problems = list(dict.fromkeys(shown["problem"]))
    rows = -(-(len(problems) + 1) // COLUMNS)
    figure = Figure(figsize=(3.6 * COLUMNS, 3.5 * rows), dpi=90, layout="constrained")
    panels = figure.subplots(rows, COLUMNS, squeeze=False, sharex=True, sharey=True).ravel()
    across = np.array([shown["evaluations"].min() / 3, shown["evaluations"].max() * 3])
    up = np.array([shown["rms error"].min() / 3, shown["rms error"].max() * 3])
    handles = {}
    for panel, problem in zip(panels, problems, strict=False):
        _equal_yardsticks(panel, across, up)
        part = shown[shown["problem"] == problem]
        for record in part.to_dict("records"):
            tool, method = record["tool"], record["method"]
            marker, colour = MARKS[tool]
            name = TOOLS[tool].label + (f": {method}" if tool in SHOWN else "")
            face = FACES[SHOWN[tool].index(method)] if tool in SHOWN else "full"
            x, y = record["evaluations"], record["rms error"]
            ends = np.sqrt(np.array([record["low"], record["high"]]) / x)
            panel.plot([x, x], ends, color=colour, linewidth=1, alpha=0.6)
            handles[name] = panel.plot(x, y, marker, color=colour, fillstyle=face, markersize=7, label=name)[0]
        panel.set(xscale="log", yscale="log", xlim=across, ylim=up)
        panel.set_title(f"{problem}, d = {part['d'].iloc[0]}", fontsize=9)
        panel.tick_params(labelbottom=True)  # the panels of the last row may be empty
    for panel in panels[len(problems) :]:
        panel.axis("off")
    panels[len(problems)].legend(handles=list(handles.values()), loc="center", fontsize=8, frameon=False)
    figure.supxlabel("evaluations of the likelihood or its gradient, mean")
    figure.supylabel(f"rms error of F(1), nats ({LEVEL:.0%} interval)")
    return figure


def _equal_yardsticks(panel, across: np.ndarray, up: np.ndarray) -> None:
    """Draw lines along which evaluations × error² is a power of ten, named where they leave the panel at the right."""
    lowest, highest = (round(np.log10(x * y**2)) for x, y in zip(across, up, strict=True))
    for power in range(lowest, highest + 1):
        level = 10.0**power
        panel.plot(across, np.sqrt(level / across), color="0.85", linewidth=0.8, zorder=0)
        edge = np.sqrt(level / across[1])
        if up[0] * 1.3 < edge < up[1] / 1.3:
            panel.annotate(f"{level:g}", (across[1], edge), color="0.5", fontsize=7, ha="right", va="bottom")
