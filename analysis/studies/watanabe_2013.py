"""Watanabe's (2013) reduced-rank experiment at full size: WBIC, free energy and λ over the number of hidden units."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import xarray as xr

from singular import models, posteriors
from singular.analysis.diagnostics import diagnostics
from singular.analysis.draws import read_draws
from singular.analysis.estimate import difference
from singular.analysis.free_energy import free_energy
from singular.analysis.learning_coefficient import learning_coefficient
from singular.analysis.markdown import markdown
from singular.analysis.mean_nll import mean_nll_estimates
from singular.analysis.studies.watanabe_2013_figure import draw
from singular.analysis.studies.workshop import Finding, Study, Workshop
from singular.analysis.wbic import wbic
from singular.models.coefficients import reduced_rank
from singular.models.problem import Problem
from singular.posteriors.collapsed_smc import collapsed_smc

N, SIZE, RANK = 500, 6, 3
INPUT, NOISE, PRIOR, TRUTH = 3.0, 0.1, 10.0, 0.2
"""Standard deviations of inputs, noise, prior and of the entries of the true factors."""
HIDDEN = (1, 2, 3, 4, 5, 6)
DATA_SETS = 20
IN_ONE = 10
"""Data sets of one part: they share rungs and the compiled program."""
WIDTHS, WIDTHS_AT, WIDTHS_SETS = (5.0, 20.0), (3, 6), 2
"""Other standard deviations of the prior, the H and the number of data sets at which they are tried."""
INDEPENDENT = 3
"""Data sets whose numbers are computed a second time, by collapsed sequential Monte Carlo."""
LADDER = {"chains": 2, "draws": 800, "warmup": 80, "swap_acceptance": 0.45}
PARTICLES = {"particles": 384, "replicates": 16, "sweeps": 1}
APART = 1.3
"""Ratio of the two temperatures of Watanabe's estimate of λ."""
F, WBIC, SECANT, VARIANCE = "F_n − nS_n", "WBIC − nS_n", "two temperatures", "variance form"
WITHIN = 4.0


def problem_of(hidden: int, seed: int, prior: float = PRIOR) -> tuple[Problem, float]:
    """Return the problem of one data set at this H, the same data at every H, and nS_n, the nll at the truth.

    y = B0 A0 x + noise, x ~ N(0, 3² I), noise ~ N(0, 0.1² I), true factors of N(0, 0.2²) entries drawn with the data.
    """
    rng = np.random.default_rng([seed, SIZE])
    truth = rng.normal(0, TRUTH, (SIZE, RANK)) @ rng.normal(0, TRUTH, (RANK, SIZE))
    x = rng.normal(0, INPUT, (N, SIZE))
    noise = rng.normal(0, NOISE, (N, SIZE))
    model = models.reduced_rank(SIZE, SIZE, hidden, RANK, INPUT, NOISE, prior)
    own = replace(model, optimum=None, excess_loss=None, truth="a product of random factors, drawn with the data")
    entropy = 0.5 * np.sum(noise**2) / NOISE**2 + 0.5 * N * SIZE * math.log(2 * math.pi * NOISE**2)
    return Problem(
        f"watanabe-2013, H = {hidden}", own.density, (), {"x": x, "y": x @ truth.T + noise}, own, seed, N
    ), entropy


def sampled(hidden: int, first: int, count: int, prior: float = PRIOR) -> pd.DataFrame:
    """Return every number of the ladders of ``count`` data sets; the first one's pilot places the rungs of all."""
    rows, betas, beta = [], None, posteriors.wbic_beta(N)
    for seed in range(first, first + count):
        problem, entropy = problem_of(hidden, seed, prior)
        tree = posteriors.ladder(problem, betas, seed=seed, progress=False, cores=1, **LADDER)
        betas = tree["posterior"]["beta"].to_numpy().tolist()
        low, high = mean_nll_estimates(tree, read_draws(tree), np.array([beta, APART * beta]), "mbar")
        gap = 1 / beta - 1 / (APART * beta)
        slope = difference(low, high)
        found = {F: free_energy(tree), WBIC: wbic(tree), VARIANCE: learning_coefficient(tree, "mbar")}
        about = {
            "hidden": hidden,
            "seed": seed,
            "method": "ladder" if prior == PRIOR else "ladder, another prior",
            "prior": prior,
            "rungs": len(betas),
            "seconds": tree.attrs["wall_time"],
            **mixing(tree),
        }
        for quantity, one in found.items():
            shift = entropy if quantity in (F, WBIC) else 0.0
            rows.append(
                about
                | {"quantity": quantity, "value": one.value - shift, "mcse": one.mcse, "flags": "; ".join(one.flags)}
            )
        rows.append(
            about
            | {
                "quantity": SECANT,
                "value": slope.value / gap,
                "mcse": slope.mcse / gap,
                "flags": "; ".join(slope.flags),
            }
        )
    return pd.DataFrame(rows)


def mixing(tree: xr.DataTree) -> dict[str, float]:
    """Return the least effective draws of nL_n over the rungs, and how many rounds a replica's round trip takes.

    A replica of a ladder of N rungs whose swaps between rungs k and k + 1 are refused at the rate r_k needs about
    N (2 + 2 Σ r_k/(1 − r_k)) rounds: Syed, Bouchard-Côté, Deligiannidis & Doucet (2022), JRSS B 84, 321, section 3,
    for rungs that mix at once.
    """
    rows = diagnostics(tree)
    refused = 1 - rows["swap_acceptance"].to_numpy()[:-1]
    return {
        "effective": float(rows["ess_bulk"].to_numpy()[1:].min()),
        "trip": float((refused.size + 1) * (2 + 2 * np.sum(refused / (1 - refused)))),
    }


def independent(hidden: int, seed: int) -> pd.DataFrame:
    """Return F, WBIC and the two temperatures' λ of one data set by collapsed sequential Monte Carlo."""
    problem, entropy = problem_of(hidden, seed)
    beta = posteriors.wbic_beta(N)
    found = collapsed_smc(problem, [beta, APART * beta, 1.0], seed=seed + 1000, **PARTICLES).set_index("beta")
    low, high, cold = (found.iloc[i] for i in range(3))
    gap = 1 / beta - 1 / (APART * beta)
    both = math.hypot(low["mean_nll_mcse"], high["mean_nll_mcse"])
    about = {"hidden": hidden, "seed": seed, "method": "collapsed SMC", "prior": PRIOR}
    numbers = {
        F: (cold["free_energy"] - entropy, cold["mcse"], cold["flags"]),
        WBIC: (low["mean_nll"] - entropy, low["mean_nll_mcse"], low["flags"]),
        SECANT: ((low["mean_nll"] - high["mean_nll"]) / gap, both / gap, high["flags"]),
    }
    return pd.DataFrame(
        [about | {"quantity": q, "value": v, "mcse": e, "flags": f} for q, (v, e, f) in numbers.items()]
    )


def run(workshop: Workshop) -> Finding:
    """Sample twenty data sets at H = 1 to 6, and three of them a second time by another route."""
    seeds = range(workshop.seed, workshop.seed + DATA_SETS, IN_ONE)
    ladders = workshop.parts(sampled, [(h, s, IN_ONE) for h in reversed(HIDDEN) for s in seeds])
    again = range(workshop.seed, workshop.seed + INDEPENDENT)
    second = workshop.parts(independent, [(h, s) for h in reversed(HIDDEN) for s in again])
    other = workshop.parts(sampled, [(h, workshop.seed, WIDTHS_SETS, width) for h in WIDTHS_AT for width in WIDTHS])
    table = pd.concat([*ladders, *second, *other], ignore_index=True)
    order = ["method", "hidden", "prior", "seed", "quantity"]
    table = table.sort_values(order, kind="stable", ignore_index=True)
    return Finding(table, draw(table, theory()), text(table), shown(table))


def theory() -> pd.DataFrame:
    """Return λ and m at each H (Aoyagi & Watanabe 2005); below the true rank those of the best matrix of rank H."""
    known = [reduced_rank(SIZE, SIZE, hidden, RANK) for hidden in HIDDEN]
    return pd.DataFrame({"hidden": HIDDEN, "λ": [float(k.value) for k in known], "m": [k.multiplicity for k in known]})


def compared(table: pd.DataFrame) -> pd.DataFrame:
    """Return ladder and collapsed SMC side by side, with their difference in joint errors, z."""
    keys = ["hidden", "seed", "quantity"]
    both = table[table["method"] == "ladder"].merge(
        table[table["method"] == "collapsed SMC"], on=keys, suffixes=("", " again")
    )
    both["z"] = (both["value"] - both["value again"]) / np.hypot(both["mcse"], both["mcse again"])
    return both


def shown(table: pd.DataFrame) -> pd.DataFrame:
    """Return a row for each H: means over data sets with standard errors of them."""
    rows = []
    for row in theory().to_dict("records"):
        own = table[(table["hidden"] == row["hidden"]) & (table["method"] == "ladder")]
        cells = {
            "H": f"{row['hidden']:.0f}",
            "d": f"{2 * SIZE * row['hidden']:.0f}",
            "λ": f"{row['λ']:g}",
            "m": f"{row['m']:.0f}",
        }
        for quantity in (WBIC, F, VARIANCE, SECANT):
            part = own[own["quantity"] == quantity]
            mean, error = part["value"].mean(), part["value"].std(ddof=1) / math.sqrt(len(part))
            cells[quantity] = f"{mean:,.2f} ± {error:.2f}"
            cells[f"mcse of {quantity}"] = f"{part['mcse'].median():.2f}"
        rows.append(cells)
    return pd.DataFrame(rows)


def text(table: pd.DataFrame) -> str:
    """Return the page, every number of it from the table."""
    own, both = table[table["method"] == "ladder"], compared(table)
    sets = own["seed"].nunique()
    inside = both["z"].abs() <= WITHIN
    picked = {quantity: int((_smallest(own, quantity) == RANK).sum()) for quantity in (F, WBIC)}
    trips = own["flags"].str.contains("round trip")
    offs = []
    for row in theory().to_dict("records"):
        part = own[(own["hidden"] == row["hidden"]) & (own["quantity"] == VARIANCE)]["value"]
        error = part.std(ddof=1) / math.sqrt(len(part))
        offs.append(f"{part.mean() - row['λ']:+.2f} ± {error:.2f} (H = {row['hidden']:.0f})")
    offsets = _offsets(own)
    gaps = ", ".join(f"{gap:.1f} ± {error:.1f} (H = {hidden})" for hidden, gap, error in offsets)
    apart = sum(abs(gap) > WITHIN * error for _, gap, error in offsets)
    low, high = (pick(offsets, key=lambda row: row[1]) for pick in (min, max))
    uneven = high[1] - low[1] > WITHIN * math.hypot(low[2], high[2])
    paragraphs = [
        f"y = B A x + noise with {SIZE} inputs and outputs, true rank {RANK}, n = {N}; inputs of standard deviation "
        f"{INPUT:g}, noise of {NOISE:g}, entries of A and B ~ N(0, {PRIOR:g}²). The set-up of Watanabe (2013), J. "
        f"Mach. Learn. Res. 14, 867, section 6; {sets} data sets, the same at every H, each with true factors of its "
        f"own (entries N(0, {TRUTH:g}²)). nS_n is the nll at the truth.",
        "No gradient is followed: the family's moves renew each layer from its exact conditional and go along the "
        f"orbit of GL(H) between the two. A ladder has {own['rungs'].min():.0f} to {own['rungs'].max():.0f} rungs, "
        f"{LADDER['chains']} chains of {LADDER['draws']} draws, and takes {own['seconds'].median():.1f} s in the "
        "median.",
        f"**Against an independent route.** {INDEPENDENT} data sets at every H were done a second time by sequential "
        f"Monte Carlo with B integrated out: {int(inside.sum())} of {len(both)} numbers agree within {WITHIN:g} joint "
        f"errors (root mean square z {np.sqrt((both['z'] ** 2).mean()):.2f}, largest {both['z'].abs().max():.1f}).",
        f"**Model choice.** The true rank {RANK} has the smallest WBIC on {picked[WBIC]} and the smallest F_n on "
        f"{picked[F]} of {sets} data sets.",
        f"**{'WBIC is not F_n' if apart else 'WBIC and F_n'}.** F_n less WBIC is {gaps} nats, "
        f"{f'more than {WITHIN:g} errors from 0 at {apart} of {len(offsets)} H' if apart else 'no sure difference'}. "
        f"The two agree in λ log n; the rest is of order one in n and moves with the prior's width: {_widths(table)}. "
        f"{'It is not the same for every H.' if uneven else 'It may be the same for every H.'}",
        "**λ.** In the table stand means over data sets ± their standard errors, at β = 1/log n. Both forms tend to λ "
        f"as n grows; at n = {N} they are what they are. Variance form less λ: "
        + ", ".join(offs)
        + ". Below the true rank "
        "the loss has a bias, and λ is that of the best matrix of rank H.",
        f"**Flags.** {int((own['flags'] != '').sum())} of {len(own)} numbers carry a flag; {int(trips.sum())} are told "
        "that not every chain, or none, had a replica go from the prior to the top and back. At the rates of these "
        f"swaps one replica takes {own['trip'].min():,.0f} to {own['trip'].max():,.0f} rounds for that, and a run has "
        f"{LADDER['draws']}. The rungs do not wait for it, they mix by their own moves: on the worst rung of a ladder "
        f"nL_n has {own['effective'].min():,.0f} effective draws or more, {own['effective'].median():,.0f} in the "
        f"median, of {LADDER['chains'] * LADDER['draws']:,}. The flag stays, for moves that keep to one part of a "
        "posterior would look the same; that these do not is what the independent route is for.",
    ]
    return "\n\n".join(paragraphs) + "\n\n" + markdown(shown(table))


def _offsets(own: pd.DataFrame) -> list[tuple[int, float, float]]:
    """Return H, the mean of F_n less WBIC over data sets, and its standard error."""
    wide = own.pivot(index=["hidden", "seed"], columns="quantity", values="value")
    gaps = (wide[F] - wide[WBIC]).groupby("hidden")
    return [(int(hidden), float(part.mean()), float(part.std(ddof=1) / math.sqrt(len(part)))) for hidden, part in gaps]


def _widths(table: pd.DataFrame) -> str:
    """Return in words how F_n less WBIC moves with the prior's width, on the data sets where that was tried."""
    tried = table[table["method"].str.startswith("ladder") & table["hidden"].isin(WIDTHS_AT)]
    wide = tried.pivot(index=["hidden", "seed", "prior"], columns="quantity", values="value")
    gaps = (wide[F] - wide[WBIC]).unstack("prior").dropna().groupby("hidden").mean()
    return "; ".join(
        f"{', '.join(f'{gap:.1f}' for gap in row)} nats at standard deviations of "
        f"{', '.join(f'{width:g}' for width in row.index)} (H = {hidden}, mean of {WIDTHS_SETS} data sets)"
        for hidden, row in gaps.iterrows()
    )


def _smallest(own: pd.DataFrame, quantity: str) -> pd.Series:
    """Return the H at which each data set has the smallest value."""
    return own[own["quantity"] == quantity].pivot(index="seed", columns="hidden", values="value").idxmin(axis=1)


STUDY = Study("watanabe-2013", "Watanabe's reduced-rank experiment", run)
