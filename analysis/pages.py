"""The study's report: which tables and pictures it has, and what is said beside them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from singular.analysis import figures, figures_diagnostics, figures_real, fits
from singular.analysis.cases import Outcome
from singular.analysis.model_choice import CHOICE, PREDICTION, PRIOR
from singular.analysis.model_choice import findings as choice_findings
from singular.analysis.report import Picture, Section, Table, render
from singular.analysis.study_sections import coefficients_over_n, coefficients_section, predictive_section
from singular.analysis.tables import readable
from singular.models import real
from singular.models.crossings.product import CROSSING
from singular.posteriors import store

SCATTERED = 3000
GRID = np.linspace(6.0, 38.0, 400)
NEAR = 0.5
"""Share of the best size's probability from which another size is named beside it."""
LABELS = {"galaxies": "number of normals", "nile": "number of hidden units"}


def write_report(
    out: Path,
    made: Sequence[Outcome],
    measured: Sequence[Outcome],
    grown: Sequence[Outcome],
    table: pd.DataFrame,
    sizes: pd.DataFrame,
    growth: pd.DataFrame,
) -> Path:
    """Draw every picture of a study into ``out/figures`` and write ``out/report.html``; return its path."""

    def picture(name: str, caption: str, figure) -> Picture:
        content = figure if isinstance(figure, bytes) else figures.png(figure)
        store.write(out / "figures" / f"{name}.png", content)
        return Picture(caption, content)

    sections = []
    if made:
        sections.append(_made(made, table, picture))
        sections.append(coefficients_section(made, picture))
        sections.append(predictive_section(made))
    if measured:
        sections.append(_measured(measured, sizes, picture))
    if grown:
        sections.append(_grown(grown, growth, picture))
    everything = [*made, *measured, *grown]
    sections.append(_ladders(everything, picture))
    page = render("Singular models: the study", findings(table, sizes, growth), sections, facts(everything))
    return store.write(out / "report.html", page)


def findings(table: pd.DataFrame, sizes: pd.DataFrame, growth: pd.DataFrame) -> list[str]:
    """Return what the tables say, a sentence each."""
    said = []
    known = table.loc[table["free_energy_exact"].notna()] if len(table) else table
    if len(known):
        gap = (known["free_energy"] - known["free_energy_exact"]).abs()
        z = gap / known["free_energy_mcse"]
        said.append(
            f"Free energy: over {len(known)} made models the ladder is at most {gap.max():.3f} nats from the exact "
            f"value, {z.max():.1f} standard errors at worst."
        )
        defined = known.loc[known["bic_flags"] == ""]
        off = (defined["bic"] - defined["free_energy_exact"]).abs()
        if len(defined):
            worst = defined.loc[off.idxmax()]
            said.append(f"BIC misses the exact free energy by up to {off.max():.1f} nats ({worst['model']}).")
    for data_set, group in sizes.groupby("data_set", sort=False) if len(sizes) else ():
        best = group.loc[group["probability"].idxmax()]
        flagged = group.loc[group["bic_flags"] != "", "size"].tolist()
        if flagged:
            by_bic = f"BIC names no winner: the likelihood is unbounded at {_listed(flagged)}."
        else:
            by_bic = f"BIC favours {group.loc[group['bic'].idxmin(), 'size']}."
        others = group.loc[
            (group["probability"] >= NEAR * best["probability"]) & (group["size"] != best["size"]), "size"
        ]
        near = f", {_listed(others.tolist())} at least {NEAR:g} times as probable" if len(others) else ""
        said.append(
            f"{data_set}: the free energy favours {best['size']} ({LABELS.get(str(data_set), 'size')}) "
            f"with probability {best['probability']:.2f} ± {best['probability_mcse']:.2f}{near}; {by_bic}"
        )
    said += choice_findings(sizes)
    crossing = growth[growth["phase"] == "crossing"] if len(growth) else growth
    if len(crossing) > 1:
        first, last = crossing.iloc[0], crossing.iloc[-1]
        said.append(
            f"Product regression: the crossing holds {first['exact']:.2f} of the posterior mass at n = {first['n']:,} "
            f"and {last['exact']:.2f} at n = {last['n']:,} (exact)."
        )
    return said


def _listed(items: Sequence[object]) -> str:
    *most, last = map(str, items)
    return f"{', '.join(most)} and {last}" if most else last


def facts(outcomes: Sequence[Outcome]) -> dict[str, str]:
    """Return the settings and versions the ladders carry, each once."""
    if not outcomes:
        return {}
    attributes = outcomes[0].facts
    settings, versions = json.loads(attributes["settings"]), json.loads(attributes["versions"])
    shown = {k: str(v) for k, v in settings.items() if v is not None}
    return {"sampler": str(attributes["sampler"]), **shown, "seed": str(attributes["sampler_seed"]), **versions}


def _made(outcomes: Sequence[Outcome], table: pd.DataFrame, picture) -> Section:
    references = {o.job.name: o.reference for o in outcomes}
    text = (
        "Data were simulated from each model's truth. λ_eff is β² Var_β(nLₙ) at β = 1/log n, and F is F_n(1), both by "
        "MBAR from the draws of all rungs; ± is one Monte Carlo standard error; the exact values are for this n and "
        "these data. λ is the limit of large n: an estimate is right if it meets the exact value, not λ.",
        "BIC/2 is nL_n(ŵ) + (d/2) log n, on the scale of F.",
    )
    return Section(
        "Made data: every number beside the exact one",
        text,
        [Table(f"n = {outcomes[0].n:,}. Nats, but for d, λ, m and λ_eff.", readable(table.drop(columns="n")))],
        [
            picture(
                "effective-coefficient",
                "The effective learning coefficient over β: the learning coefficient as seen at each resolution.",
                figures.effective_coefficients([_curve(o, "effective_learning_coefficient") for o in outcomes]),
            ),
            picture(
                "mean-nll",
                "Mean of nLₙ above its value at the maximum-likelihood point. "
                "The law λ/β of large n is a straight line here.",
                figures.mean_energies([_curve(o, "mean_nll") for o in outcomes], references),
            ),
        ],
    )


def _curve(outcome: Outcome, quantity: str) -> figures.Curve:
    exact = None
    if outcome.curve is not None:
        exact = pd.DataFrame({"beta": outcome.curve["beta"], "value": outcome.curve[quantity]})
    joint = quantity == "effective_learning_coefficient"
    return figures.Curve(
        outcome.job.name,
        outcome.curve_of(quantity, "mbar" if joint else "rung").loc[:, ["beta", "value", "mcse", "exact"]],
        exact,
        outcome.wbic_beta,
        outcome.learning_coefficient,
        outcome.dim / 2,
        carried=outcome.between if joint else None,
        alone=outcome.curve_of(quantity) if joint else None,
    )


def _measured(outcomes: Sequence[Outcome], sizes: pd.DataFrame, picture) -> Section:
    pictures = []
    for data_set, group in sizes.groupby("data_set", sort=False):
        of = [o for o in outcomes if o.job.name.startswith(f"{data_set}-")]
        ladders = {f"size {o.job.name.rsplit('-', 1)[1]}": store.load(o.job.path) for o in of}
        label = f"{data_set}: {LABELS.get(str(data_set), real.DATA_SETS[str(data_set)].counts)}"
        caption = f"{data_set}: F, WBIC and BIC by size; model probabilities, under other priors too; LOO."
        pictures.append(picture(f"{data_set}-sizes", caption, figures_real.sizes(group, label)))
        if data_set == "galaxies":
            velocity = real.read("galaxies")["velocity_km_per_s"] / 1000
            curves = {name: fits.mixture_density(tree, GRID) for name, tree in ladders.items()}
            figure = figures_real.density(velocity, GRID, curves)
        elif data_set == "nile":
            columns = real.read("nile")
            curves = {name: fits.mean_flow(tree) for name, tree in ladders.items()}
            figure = figures_real.regression(columns["year"], columns["flow_1e8_m3"], curves)
        else:
            continue
        pictures.append(picture(f"{data_set}-fit", f"{data_set}: posterior of the fitted curve by size.", figure))
    text = (
        "P(size) is exp(−F) over the sizes of one data set, equal before the data; P(size) by BIC is the same with "
        "BIC/2. The likelihood of a mixture of two or more normals with free variances has no maximum, and so BIC has "
        "no value: the number in its place is read at the best interior optimum that was found, is flagged, and gives "
        "no probabilities. WAIC and LOO estimate minus the log predictive density of n fresh observations.",
        "F with all prior scales halved or doubled is by reweighting the draws at β = 1; where the two priors are too "
        "far apart for that, a flag says so. " + " ".join(_scaled_sites(outcomes)),
        "LOO behind the best: the difference from the size with the best LOO. ± is Monte Carlo error, ± over data the "
        "standard error of the difference over the observations, paired.",
    )
    tables = [
        Table("What each number says of the size, in nats: lower is better.", readable(sizes.loc[:, list(CHOICE)])),
        Table("How the evidence moves with the prior, in nats.", readable(sizes.loc[:, list(PRIOR)])),
        Table("Prediction, in nats.", readable(sizes.loc[:, list(PREDICTION)])),
    ]
    return Section("Real data: how many units", text, tables, pictures)


def _scaled_sites(outcomes: Sequence[Outcome]) -> list[str]:
    """Say, for each data set, which priors were scaled and which were left alone."""
    said: dict[tuple[str, str], list[str]] = {}
    for o in outcomes:
        data_set, size = o.job.name.rsplit("-", 1)
        for moved in o.further.moved[:1]:
            what = moved.shift.target.removeprefix("F_n(1) with the prior scales of ")
            what = what.replace(f" times {moved.factor:g}, less F_n(1)", "")
            said.setdefault((data_set, what), []).append(size)
    return [f"{data_set}, size {_listed(sizes)}: scaled are {what}." for (data_set, what), sizes in said.items()]


def _grown(outcomes: Sequence[Outcome], growth: pd.DataFrame, picture) -> Section:
    draws = {}
    for o in outcomes:
        w = fits.posterior_draws(store.load(o.job.path), SCATTERED)
        draws[o.n] = (w["w1"], w["w2"])
    text = (
        "y = w₁w₂x + noise with truth 0: the optimal set is the two axes. The crossing is the square |w₁|, |w₂| < "
        f"{CROSSING}; away from it, a draw belongs to the axis that it is nearer to. λ = 1/2 everywhere on the axes, "
        "and m = 2 at the crossing alone, so the share of the axes falls no faster than 1/log n.",
    )
    pictures = [
        picture("growth", "Shares of the three regions by n, and draws on the optimal set.",
                figures.growth(growth, draws, CROSSING))
    ]  # fmt: skip
    over_n = coefficients_over_n(outcomes)
    if over_n is not None:
        caption = (
            "All learning coefficients, over β at the largest n and over n: increments of Fₙ − nLₙ(w₀) between "
            "neighbouring n over Σ 1/k, and the slope of Fₙ − nLₙ(w₀) on log n. One data set, so there is no error "
            "over data: what the draws give is held against the exact value on the same data."
        )
        pictures.append(picture("coefficients-over-n", caption, over_n))
    table = Table("Share of posterior mass at β = 1.", readable(growth))
    return Section("Where the posterior mass sits as n grows", text, [table], pictures)


def _ladders(outcomes: Sequence[Outcome], picture) -> Section:
    worst = pd.DataFrame([o.worst for o in outcomes])
    inner = [
        Section(
            f"{o.job.path.stem} (n = {o.n:,})" + (f": {o.flags}" if o.flags else ""),
            (f"Round trips by chain: {o.round_trips}." if o.round_trips else "",),
            [
                Table("Each rung: R̂ and ESS of nll.", readable(o.rungs)),
                Table("At β = 1, functions that no relabelling changes.", readable(o.invariants)),
            ],
            [picture(f"ladder-{o.job.path.stem}", f"{o.job.path.stem}: swaps, mixing, trace and ranks.", o.picture)],
            folded=True,
        )
        for o in outcomes
    ]
    overview = picture("ladders", "The worst rung of every ladder.", figures_diagnostics.overview(worst))
    return Section("How the ladders ran", (), [Table("Worst rungs.", readable(worst))], [overview], sections=inner)
