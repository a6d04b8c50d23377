"""MODEL_CHOICE.md and its picture; every sentence of what was found is computed from the rows."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import pandas as pd
import validate_model_choice_tables as tables
from matplotlib.figure import Figure
from replicates import printed
from validate_model_choice_families import Family, price

from singular import __version__
from singular.analysis import figures

COLOURS = {"F": figures.BLACK, "WBIC": figures.BLUE, "sBIC": figures.GREEN, "BIC": figures.VERMILION,
           "WAIC": figures.ORANGE, "LOO": figures.PURPLE, "exact F": figures.GREY}  # fmt: skip
MARKERS = {"F": "o", "WBIC": "s", "sBIC": "^", "BIC": "v", "WAIC": "D", "LOO": "P", "exact F": "x"}
SIGNIFICANT = 0.01


def truths_of(families: Sequence[Family]) -> dict[str, int]:
    return {family.name: family.truth for family in families}


def picture(rows: pd.DataFrame, families: Sequence[Family]) -> Figure:
    """Draw the share of true sizes picked against n, a panel for each family, with Wilson intervals."""
    chosen = tables.picks(rows, truths_of(families), (*tables.CRITERIA, "exact F"))
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
        title = f"{family.name}, truth {family.truth} of {', '.join(map(str, family.sizes))}"
        figures.finish(axes, title, "observations n", "true size picked" if axes is panels[0] else "")
        axes.title.set_fontsize(8.5)
    handles = {label: h for axes in panels for h, label in zip(*axes.get_legend_handles_labels(), strict=True)}
    figure.legend(handles.values(), handles.keys(), loc="outside lower center", ncols=len(handles), fontsize=8)
    return figure


def page(rows: pd.DataFrame, families: Sequence[Family], settings: Mapping[str, int]) -> str:
    """Return MODEL_CHOICE.md."""
    truths = truths_of(families)
    chosen = tables.picks(rows, truths)
    return f"""# Model choice: which criterion finds the true size?

Made by `make validate-model-choice` with singular {__version__}; the numbers of every data set are in
[MODEL_CHOICE.csv](MODEL_CHOICE.csv), where a 1 under `flags of …` says that there is one.

## What was done

Each data set comes from one size of its family, and every size is fitted to it. F (the negative log evidence, by
MBAR), WBIC, WAIC and LOO (by Pareto smoothed importance sampling) of one size come from one ladder
({settings["chains"]} chains × {settings["draws"]} draws after {settings["warmup"]} of warm-up, rungs placed by the
pilot); BIC and sBIC, the singular BIC of Drton and Plummer (2017), come from the maximal likelihoods. The size whose
criterion is least is picked. For one seed, a smaller n has the first rows of a larger one.

{printed(_family_table(families))}

{_notes(families)}Signals were set before anything was run, so that the choice is open at n = 50: there the gain
(n times the divergence of the truth from the best model one size smaller) is about the price (Δλ log n, Δλ between
true sizes).

{printed(_signal_table(families, sorted(rows["n"].unique())))}

## How often the true size is picked

![Share of data sets on which each criterion picks the true size, against n](MODEL_CHOICE.png)

± is half the Wilson interval of a share at one standard error; the picture has the whole interval.

{printed(tables.share_table(chosen))}

The mean over families of these shares:

{printed(_pooled(chosen))}

## Too small, true, too large

Data sets on which the picked size is smaller than / equal to / larger than the true one:

{printed(tables.sizes_table(chosen))}

Picked less true size, mean ± standard error over data sets:

{printed(tables.excess_table(chosen))}

{_theory(chosen)}

## F against each other criterion

On the same data sets: on how many F alone is right : on how many the other alone is, and p of the exact sign test
that neither is ahead.

{printed(_paired(chosen))}

{_paired_sentence(chosen)}

## How sure a choice is

Second best less best, nats: median margin, median Monte Carlo error of the margin, and on how many data sets the
margin is within {tables.TIE:g} of its errors of a tie. BIC and sBIC have no Monte Carlo error.

{printed(tables.tie_table(chosen))}

{_exact(rows, truths)}
## How the choice moves with the prior

The scales of all priors that have one are halved and doubled, by reweighting the draws at β = 1
(`analysis.prior_sensitivity`); Dirichlet weights are left alone. A choice is flagged where the reweighting of any of
its sizes is (Pareto k̂ above 0.7, or too few effective draws): then the other prior should be sampled itself. "Within
error" are changes between sizes that lie within {tables.TIE:g} joint errors of a tie under the other prior.

{printed(_prior(rows, truths))}

{_prior_sentence(rows, truths)}

## What the package itself has against these numbers

{_flags(rows)}
"""


def _family_table(families: Sequence[Family]) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "family": [f.name for f in families],
            "model, prior, truth": [f.told for f in families],
            "sizes": [f"{', '.join(map(str, f.sizes))} {f.counts}" for f in families],
            "true": [f.truth for f in families],
            "(λ, m) of each size at the truth": [
                ", ".join("–" if f.truth > size else "({}, {})".format(*f.table[i][f.sizes.index(f.truth)])
                          for i, size in enumerate(f.sizes)) for f in families
            ],
        }
    )  # fmt: skip


def _signal_table(families: Sequence[Family], sizes: Sequence[int]) -> pd.DataFrame:
    """Return gain and price of the last true unit, in nats, at each n."""
    found = []
    for family in families:
        row: dict[str, object] = {"family": family.name}
        for n in sizes:
            row[f"n = {n}: gain, price"] = f"{family.gain * n:.1f}, {price(family) * math.log(n):.1f}"
        found.append(row)
    return pd.DataFrame(found)


def _notes(families: Sequence[Family]) -> str:
    notes = [f"{family.name.capitalize()}: {family.note}" for family in families if family.note]
    return "".join(f"{note}\n\n" for note in notes)


def _pooled(chosen: pd.DataFrame) -> pd.DataFrame:
    """Return the mean of the families' shares at each n; their errors add in squares."""
    found = []
    for n, part in chosen.groupby("n"):
        row: dict[str, object] = {"n": n}
        for name in tables.CRITERIA:
            counts = part[part["criterion"] == name].groupby("family")["right"].agg(["sum", "size"])
            ends = [tables.wilson(int(k), int(total)) for k, total in counts.itertuples(index=False)]
            error = math.sqrt(sum(((high - low) / 2) ** 2 for low, high in ends)) / len(counts)
            row[name] = f"{(counts['sum'] / counts['size']).mean():.2f} ± {error:.2f}"
        found.append(row)
    return pd.DataFrame(found)


def _theory(chosen: pd.DataFrame) -> str:
    """Return what theory says of BIC, WAIC and LOO, and what is seen of it."""
    means = chosen.groupby(["family", "n", "criterion"])["excess"].mean().unstack("criterion")
    below, above = int((means["BIC"] < means["F"]).sum()), int((means["BIC"] > means["F"]).sum())
    small, large = chosen["n"].min(), chosen["n"].max()

    def counted(n: int, column: pd.Series) -> str:
        at = chosen[chosen["n"] == n].assign(hit=column)
        counts = at.groupby("criterion")["hit"].agg(["sum", "size"])
        return ", ".join(f"{c} {counts.loc[c, 'sum']} of {counts.loc[c, 'size']}" for c in tables.CRITERIA)

    return f"""In a singular model λ is at most d/2, and below it where the truth is a smaller model: BIC charges more
for a spare unit than the evidence does (Drton and Plummer, 2017), so it should pick smaller sizes than F. Of
{len(means)} rows of the table, the mean size that BIC picks is below that of F in {below} and above it in {above}. Too
small over all families, at n = {small}: {counted(small, chosen["excess"] < 0)}.

WAIC and LOO estimate the loss in prediction (Watanabe, 2010; Vehtari, Gelman and Gabry, 2017), to which a spare unit
does little harm; leave-one-out choice is not consistent (Shao, 1993; Gronau and Wagenmakers, 2019, for the Bayesian
form). Too large over all families, at n = {small}: {counted(small, chosen["excess"] > 0)}. At n = {large}:
{counted(large, chosen["excess"] > 0)}."""


def _paired(chosen: pd.DataFrame) -> pd.DataFrame:
    pairs = tables.paired_table(chosen)
    pairs["told"] = [
        f"{a} : {b}" + ("" if p > 0.995 else f" (p = {p:.2g})")
        for a, b, p in zip(pairs["only F"], pairs["only the other"], pairs["p"], strict=True)
    ]
    wide = pairs.pivot_table(index=["family", "n"], columns="other", values="told", aggfunc="first", sort=False)
    return wide.reset_index()


def _paired_sentence(chosen: pd.DataFrame) -> str:
    pairs = tables.paired_table(chosen)
    clear = pairs[pairs["p"] * len(pairs) < SIGNIFICANT]
    ahead, behind = clear[clear["only F"] > clear["only the other"]], clear[clear["only F"] < clear["only the other"]]

    def listed(part: pd.DataFrame) -> str:
        return "; ".join(f"{r.other}, {r.family}, n = {r.n}" for r in part.itertuples()) or "none"

    return f"""With p times {len(pairs)}, the number of comparisons, below {SIGNIFICANT}, F is right

- more often than: {listed(ahead)};
- less often than: {listed(behind)}."""


def _exact(rows: pd.DataFrame, truths: Mapping[str, int]) -> str:
    table = tables.exact_table(rows)
    if table.empty:
        return ""
    both = tables.picks(rows, truths, ("F", "exact F"))
    wide = both.pivot_table(index=tables.SAME_SET, columns="criterion", values="picked", aggfunc="first", sort=False)
    told = ""
    if "exact F" in wide:
        known = wide.dropna()
        right = both[both["criterion"] == "exact F"].set_index(tables.SAME_SET).loc[known.index]
        own = both[both["criterion"] == "F"].set_index(tables.SAME_SET).loc[known.index]
        told = f"""
Where all sizes have an exact evidence ({", ".join(dict.fromkeys(known.index.get_level_values("family")))}), F from the
ladders and the exact F pick the same size on {int((known["F"] == known["exact F"]).sum())} of {len(known)} data sets;
the true size is picked on {int(own["right"].sum())} by the one and {int(right["right"].sum())} by the other.
"""
    return f"""## F from the ladders against the exact evidence

Nats; z is the error in units of the claimed one. The largest |z| over all {int(table["ladders"].sum())} ladders is
{table["largest |z|"].max():.1f}.

{printed(table)}
{told}"""


def _prior(rows: pd.DataFrame, truths: Mapping[str, int]) -> pd.DataFrame:
    return tables.prior_table(rows, truths)


def _prior_sentence(rows: pd.DataFrame, truths: Mapping[str, int]) -> str:
    table = tables.prior_table(rows, truths)
    total = int(table["data sets"].sum())
    parts = []
    for factor in tables.FACTORS.values():
        counts = {key: int(table[f"× {factor:g}: {key}"].sum())
                  for key in ("changed", "of these within error", "flagged", "changed, not flagged")}  # fmt: skip
        parts.append(
            f"With scales times {factor:g} F would pick another size on {counts['changed']} of {total} data sets "
            f"({counts['of these within error']} of them within error); {counts['flagged']} choices are flagged, and "
            f"{counts['changed, not flagged']} changes carry no flag."
        )
    right = tables.picks(rows, truths, ("F", *tables.FACTORS)).groupby("criterion")["right"].sum()
    told = ", ".join(f"{int(right[name])} with {'the prior as it is' if name == 'F' else name.removeprefix('F, ')}"
                     for name in ("F", *tables.FACTORS))  # fmt: skip
    return "\n".join(parts) + f"\nThe true size is picked on {told}."


def _flags(rows: pd.DataFrame) -> str:
    sampled = rows[rows["mcse of F"] > 0]

    def counted(name: str) -> str:
        hit = sampled[f"flags of {name}"].fillna("").astype(str) != ""
        return f"{int(hit.sum())}"

    rest = sampled["flags of F"].fillna("").astype(str).map(lambda flags: [f for f in flags.split("; ") if f])
    beyond = int(rest.map(lambda flags: any(not f.startswith(("ess", "rhat")) for f in flags)).sum())
    return f"""Of {len(sampled)} ladders, F is flagged on {counted("F")}. The limits, 400 effective draws and R̂ of
1.01 on every rung, are made for longer ladders than these; {beyond} have a flag of another kind. WAIC is flagged on
{counted("WAIC")}, LOO on {counted("LOO")}, and BIC on {counted("BIC")}, for directions in which the data say less than
the prior. The largest share of divergent steps on a ladder is {sampled["diverging"].max():.2g}. The maximum found for a
larger model falls short of that of a smaller one by more than {tables.DECREASE} nats on {tables.worse_fits(rows)} of
{len(rows)} fits."""
