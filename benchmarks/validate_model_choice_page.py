"""MODEL_CHOICE.md; every sentence of what was found is computed from the rows."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import pandas as pd
import validate_model_choice_tables as tables
from replicates import printed, wrapped
from validate_model_choice_families import Family, price

from singular import __version__

SIGNIFICANT = 0.01


def page(rows: pd.DataFrame, families: Sequence[Family], settings: Mapping[str, int], planned: int) -> str:
    """Return MODEL_CHOICE.md; ``planned`` is how many data sets it is to hold once all are done."""
    done = len(rows[tables.SAME_SET].drop_duplicates())
    unfinished = (
        f"**Not finished: {done} of {planned} data sets. The same command goes on.**\n\n" if done < planned else ""
    )
    truths = {family.name: family.truth for family in families}
    chosen = tables.picks(rows, truths)
    moved = tables.prior_choices(rows, truths)
    return f"""# Model choice: which criterion finds the true size?

Made by `make validate-model-choice` with singular {__version__}; the numbers of every data set are in
[MODEL_CHOICE.csv](MODEL_CHOICE.csv), where a 1 under `flags of …` says that there is one.

{unfinished}## What was done

{_method(settings)}

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

{_tie_sentence(chosen)}

{_exact(rows, truths)}
## How the choice moves with the prior

The scales of all priors that have one are halved and doubled, by reweighting the draws at β = 1
(`analysis.prior_sensitivity`); Dirichlet weights are left alone. Counted are data sets on which F would pick another
size then. A choice is flagged where the reweighting of any of its sizes is (Pareto k̂ above 0.7, too few effective
draws, or an error that is not to be trusted): then the other prior should be sampled itself. It is close where the two
best sizes lie within {tables.TIE:g} joint errors of a tie under the other prior.

{printed(tables.prior_table(moved))}

{_prior_sentence(moved, chosen)}

## What the package itself has against these numbers

{_flags(rows)}

## References

- Drton and Plummer (2017), A Bayesian information criterion for singular models, J. R. Statist. Soc. B 79, 323–380
- Gronau and Wagenmakers (2019), Limitations of Bayesian leave-one-out cross-validation for model selection, Comput.
  Brain Behav. 2, 1–11
- Shao (1993), Linear model selection by cross-validation, J. Am. Statist. Assoc. 88, 486–494
- Vehtari, Gelman and Gabry (2017), Practical Bayesian model evaluation using leave-one-out cross-validation and WAIC,
  Stat. Comput. 27, 1413–1432
- Watanabe (2010), Asymptotic equivalence of Bayes cross validation and widely applicable information criterion in
  singular learning theory, J. Mach. Learn. Res. 11, 3571–3594
"""


def _method(settings: Mapping[str, int]) -> str:
    return wrapped(f"""Each data set comes from one size of its family, and every size is fitted to it. F (the negative
log evidence, by MBAR), WBIC, WAIC and LOO (by Pareto smoothed importance sampling) of one size come from one ladder of
{settings["chains"]} chains × {settings["draws"]} draws after {settings["warmup"]} of warm-up, its rungs placed by the
pilot; BIC and sBIC, the singular BIC of Drton and Plummer (2017), come from the maximal likelihoods. The size whose
criterion is least is picked. For one seed, a smaller n has the first rows of a larger one.""")


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

    bic = f"""In a singular model λ is at most d/2, and below it where the truth is a smaller model: BIC charges more
for a spare unit than the evidence does (Drton and Plummer, 2017), and should pick smaller sizes than F. Of
{len(means)} rows of the table, the mean size that BIC picks is below that of F in {below} and above it in {above}. Too
small over all families, at n = {small}: {counted(small, chosen["excess"] < 0)}."""
    prediction = f"""WAIC and LOO estimate the loss in prediction (Watanabe, 2010; Vehtari, Gelman and Gabry, 2017), and
choice by leave-one-out is not consistent (Shao, 1993, for regression; Gronau and Wagenmakers, 2019, for the Bayesian
form). Too large over all families, at n = {small}: {counted(small, chosen["excess"] > 0)}. At n = {large}:
{counted(large, chosen["excess"] > 0)}."""
    return f"{wrapped(bic)}\n\n{wrapped(prediction)}"


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


def _tie_sentence(chosen: pd.DataFrame) -> str:
    parts = []
    for name in tables.CRITERIA:
        own = chosen[(chosen["criterion"] == name) & (chosen["error"] > 0)]
        if len(own):
            tied = int((own["margin"] <= tables.TIE * own["error"]).sum())
            parts.append(f"{name} on {tied} of {len(own)}")
    return wrapped(f"Within {tables.TIE:g} errors of a tie, over all families and n: {', '.join(parts)}.")


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
        families = ", ".join(dict.fromkeys(known.index.get_level_values("family")))
        same = int((known["F"] == known["exact F"]).sum())
        sentence = f"""Where all sizes have an exact evidence ({families}), F from the ladders and the exact F pick the
same size on {same} of {len(known)} data sets; the true size is picked on {int(own["right"].sum())} by the one and
{int(right["right"].sum())} by the other."""
        told = f"\n{wrapped(sentence)}\n"
    total, largest = int(table["ladders"].sum()), table["largest |z|"].max()
    return f"""## F from the ladders against the exact evidence

Nats; z is the error in units of the claimed one. The largest |z| over all {total} ladders is {largest:.1f}.

{printed(table)}
{told}
"""


def _prior_sentence(moved: pd.DataFrame, chosen: pd.DataFrame) -> str:
    parts, right = [], []
    for name, factor in tables.FACTORS.items():
        own = moved[moved["criterion"] == name]
        parts.append(
            f"With scales times {factor:g} F would pick another size on {own['changed'].sum()} of {len(own)} data "
            f"sets, {tables.changed(own, 'close')} of them close; {own['flagged'].sum()} choices are flagged, "
            f"{tables.changed(own, 'flagged')} of them among the changed ones."
        )
        right.append(f"{own['right'].sum()} of {len(own)} with scales times {factor:g}")
    before = chosen[chosen["criterion"] == "F"]["right"]
    parts.append(
        f"The true size is picked on {before.sum()} of {len(before)} with the prior as it is, {' and '.join(right)}."
    )
    return wrapped(" ".join(parts))


def _flags(rows: pd.DataFrame) -> str:
    sampled = rows[rows["mcse of F"] > 0]

    def counted(name: str) -> str:
        hit = sampled[f"flags of {name}"].fillna("").astype(str) != ""
        return f"{int(hit.sum())}"

    flags = sampled["flags of F"].fillna("").astype(str).map(lambda told: [f" {f}" for f in told.split("; ") if f])
    kinds = {"effective draws below 400": " ess ", "R̂ above 1.01": " rhat ", "too few round trips": " round trips "}
    told = ", ".join(
        f"{kind} on some rung on {int(flags.map(lambda own, sign=sign: any(sign in f for f in own)).sum())}"
        for kind, sign in kinds.items()
    ).replace("round trips on some rung", "round trips")
    beyond = int(flags.map(lambda own: any(not any(sign in f for sign in kinds.values()) for f in own)).sum())
    return wrapped(f"""Of {len(sampled)} ladders, F is flagged on {counted("F")}: {told}, something else on {beyond}.
The limits are made for longer ladders than these.
WAIC is flagged on {counted("WAIC")}, LOO on {counted("LOO")}, and BIC on {counted("BIC")}, for directions in
which the data say less than the prior. The largest share of divergent steps on a ladder is
{sampled["diverging"].max():.2g}. The maximum found for a larger model falls short of that of a smaller one by
more than {tables.DECREASE} nats on {tables.worse_fits(rows)} of {len(rows)} fits.""")
