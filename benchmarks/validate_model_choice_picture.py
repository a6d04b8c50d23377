"""The picture of how often each criterion picks the true size."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import validate_model_choice_tables as tables
from matplotlib.figure import Figure
from validate_model_choice_families import Family

from singular.analysis import figures

COLOURS = {"F": figures.BLACK, "WBIC": figures.BLUE, "sBIC": figures.GREEN, "BIC": figures.VERMILION,
           "WAIC": figures.ORANGE, "LOO": figures.PURPLE, "exact F": figures.GREY}  # fmt: skip
MARKERS = {"F": "o", "WBIC": "s", "sBIC": "^", "BIC": "v", "WAIC": "D", "LOO": "P", "exact F": "x"}


def picture(rows: pd.DataFrame, families: Sequence[Family]) -> Figure:
    """Draw the share of true sizes picked against n, a panel for each family, with Wilson intervals."""
    chosen = tables.picks(rows, {f.name: f.truth for f in families}, (*tables.CRITERIA, "exact F"))
    figure = figures.new_figure(3.1 * len(families), 3.4)
    panels = figure.subplots(1, len(families), sharey=True, squeeze=False)[0]
    for family, axes in zip(families, panels, strict=True):
        own = chosen[chosen["family"] == family.name]
        names = [name for name in COLOURS if (own["criterion"] == name).any()]
        for place, name in enumerate(names):
            counts = own[own["criterion"] == name].groupby("n")["right"].agg(["sum", "size"])
            ends = [tables.wilson(int(k), int(total)) for k, total in counts.itertuples(index=False)]
            value = counts["sum"] / counts["size"]
            bars = [value - [low for low, _ in ends], [high for _, high in ends] - value]
            apart = 1.06 ** (place - (len(names) - 1) / 2)
            line = ":" if name == "exact F" else "-"
            axes.errorbar(counts.index * apart, value, bars, color=COLOURS[name], marker=MARKERS[name], ms=4.5, lw=1.2,
                          ls=line, capsize=2, label=name)  # fmt: skip
        axes.set_xscale("log")
        ticks = sorted(own["n"].unique())
        axes.set_xticks(ticks, [str(n) for n in ticks])
        axes.minorticks_off()
        axes.set_ylim(-0.03, 1.03)
        title = f"{family.name}\ntruth {family.truth} of {', '.join(map(str, family.sizes))}"
        figures.finish(axes, title, "observations n", "true size picked" if axes is panels[0] else "")
    handles = {label: h for axes in panels for h, label in zip(*axes.get_legend_handles_labels(), strict=True)}
    figure.legend(handles.values(), handles.keys(), loc="outside lower center", ncols=len(handles), fontsize=8)
    return figure
