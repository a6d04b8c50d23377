"""Two wells, one regular and one flat: equal losses, then a small advantage for the regular one."""

from __future__ import annotations

import math
from dataclasses import replace

import jax.numpy as jnp
import numpy as np
import pandas as pd
from scipy.special import expit, gamma
from scipy.stats import norm

from singular import models, posteriors
from singular.analysis.markdown import markdown
from singular.analysis.phase_law import PhaseLaw, crossing
from singular.analysis.phases import divide, phase_odds
from singular.analysis.studies.cells import COLUMNS, NO_NOISE, agreement, movement, share_rows, shown_shares, z_of
from singular.analysis.studies.two_wells_figure import draw
from singular.analysis.studies.workshop import Finding, Study, Workshop
from singular.errors import InputError
from singular.models.base import Integral, Model
from singular.models.crossings.two_wells import FLAT, HEIGHT, SHARP, SPREAD, SUMMIT
from singular.models.problem import Problem
from singular.models.sufficient import equivalent_rows
from singular.posteriors.quadrature import population

ADVANTAGES = (0.0, 1e-4, 1e-3, 1e-2)
"""c, nats an observation."""
SAMPLED = {
    0.0: (100, 1_000, 10_000, 100_000),
    1e-4: (1_000, 10_000, 20_000, 40_000),
    1e-3: (100, 1_000, 2_000, 4_000),
    1e-2: (50, 100, 200, 400),
}
EXACT = tuple(round(n) for n in np.geomspace(30, 3e5, 25))
FURTHEST = 40.0
"""n c beyond which no well but the sharp one is left, and no exact odds are computed."""
DATA_SETS = 6
"""Data sets of the exact curves; the first is sampled too."""
LADDER = {"chains": 4, "draws": 1000, "warmup": 200}
ODDS = "log odds, flat over sharp"
FOUND = "chains that found both wells"


def laws(advantage: float) -> dict[str, PhaseLaw]:
    """Return the free energy of each well to order one, without the noise of data.

    Sharp: −log φ(−1) √(2π/n)/f'(−1). Flat: −log φ(3) ∫ exp(−½ n (4h)² u⁴) du = −log φ(3) 2 Γ(5/4) (8 h² n)^(−1/4), and
    n c for its loss. Laplace's method, and its analogue for a quartic.
    """
    slope = HEIGHT * (SHARP - FLAT) ** 2
    curvature = 0.5 * (HEIGHT * (FLAT - SHARP)) ** 2
    sharp = norm.pdf(SHARP, scale=SPREAD) * math.sqrt(2 * math.pi) / slope
    flat = norm.pdf(FLAT, scale=SPREAD) * 2 * float(gamma(1.25)) * curvature**-0.25
    return {
        "sharp": PhaseLaw(0.0, 0.5, 1, -math.log(sharp)),
        "flat": PhaseLaw(advantage, 0.25, 1, -math.log(flat)),
    }


def sampled(advantage: float, n: int, seed: int) -> pd.DataFrame:
    """Return shares and odds of one ladder at β = 1/log n and at 1, and how many chains found both wells."""
    problem = equivalent_rows(Problem.from_model(models.uneven_wells(advantage), n=n, seed=seed))
    tree = posteriors.ladder(problem, seed=seed, progress=False, cores=1, **LADDER)
    betas = sorted({1 / math.log(n), 1.0})
    exact = posteriors.quadrature(problem, betas)
    division = divide(tree, problem.model.phases)
    rows = [share_rows(problem, division, betas, exact)]
    for beta in betas:
        known = exact.at(beta)
        truth = float(np.log(known["phase:flat"]) - np.log(known["phase:sharp"]))
        place = division.draws.index(beta)
        about = {"problem": problem.name, "n": n, "seed": seed, "beta": beta, "phase": "flat", "method": "mbar"}
        inside = division.inside("flat")[..., place]
        both = float(np.sum((inside.max(axis=1) > 0) & (inside.min(axis=1) < 1)))
        found = [about | {"quantity": FOUND, "value": both, "flags": ""}]
        try:
            odds = phase_odds(division, problem.model.phases, "flat", "sharp", beta)
        except InputError:  # no draw of any rung in one of the wells
            pass
        else:
            found.append(
                about
                | {"quantity": ODDS, "value": odds.value, "mcse": odds.mcse, "exact": truth, "exact_error": 0.0}
                | {"z": z_of(odds.value, odds.mcse, truth), "flags": "; ".join(odds.flags)}
            )
        rows.append(pd.DataFrame(found))
    return pd.concat(rows, ignore_index=True)[list(COLUMNS)].assign(advantage=advantage)


def exactly(advantage: float, seed: int) -> pd.DataFrame:
    """Return the exact share and odds at β = 1 at every n of one data set, or without noise."""
    model = models.uneven_wells(advantage)
    sizes = [n for n in EXACT if n * advantage <= FURTHEST]
    if seed == NO_NOISE:
        flat, sharp = (
            population(replace(model, population=_only(model, name)), sizes)["log_z"].to_numpy()
            for name in ("flat", "sharp")
        )
        odds = flat - sharp
    else:
        problems = [equivalent_rows(Problem.from_model(model, n=n, seed=seed)) for n in sizes]
        masses = [posteriors.quadrature(problem, [1.0]).at(1.0) for problem in problems]
        odds = np.array([np.log(known["phase:flat"]) - np.log(known["phase:sharp"]) for known in masses])
    about = {"problem": model.name, "seed": seed, "beta": 1.0, "phase": "flat", "method": "quadrature", "flags": ""}
    both = {"share": expit(odds), ODDS: odds}
    rows = [pd.DataFrame({"n": sizes, "quantity": q, "value": v, "exact": v}) for q, v in both.items()]
    return pd.concat(rows, ignore_index=True).assign(**about, advantage=advantage)


def _only(model: Model, name: str) -> Integral:
    """Return the population integral of one well: the other has no mass."""
    assert model.population is not None
    whole, inside = model.population.log_likelihood, model.population.regions[name]

    def log_likelihood(points, t, data):
        return jnp.where(inside(points, t, data) > 0, whole(points, t, data), -jnp.inf)

    return replace(model.population, log_likelihood=log_likelihood)


def run(workshop: Workshop) -> Finding:
    """Sample the wells at growing n for each advantage, and follow their exact odds."""
    seeds = [NO_NOISE, *range(workshop.seed, workshop.seed + DATA_SETS)]
    jobs = [(c, n, workshop.seed) for c, sizes in SAMPLED.items() for n in sizes]
    drawn = workshop.parts(sampled, jobs)
    known = workshop.parts(exactly, [(c, s) for c in ADVANTAGES for s in seeds])
    table = pd.concat([*drawn, *known], ignore_index=True).sort_values(
        by=["advantage", "method", "seed", "n", "beta"], kind="stable", ignore_index=True
    )
    return Finding(table, draw(table, laws, ODDS), text(table), shown(table))


def exact_crossing(table: pd.DataFrame, advantage: float, seed: int = NO_NOISE) -> float | None:
    """Return the largest n at which the exact odds of one data set pass 1 downwards, log-linear between the sizes."""
    own = table[
        (table["method"] == "quadrature") & (table["quantity"] == ODDS)
        & (table["advantage"] == advantage) & (table["seed"] == seed)
    ].sort_values(by="n")  # fmt: skip
    odds, log_n = own["value"].to_numpy(), np.log(own["n"].to_numpy(dtype=float))
    falls = np.flatnonzero((odds[:-1] > 0) & (odds[1:] <= 0))
    if falls.size == 0:
        return None
    i = falls[-1]
    return math.exp(log_n[i] + (log_n[i + 1] - log_n[i]) * odds[i] / (odds[i] - odds[i + 1]))


def slope(table: pd.DataFrame, seed: int = NO_NOISE) -> float:
    """Return d log odds / d log n at equal losses, over the upper half of the sizes in the log."""
    own = table[
        (table["method"] == "quadrature") & (table["quantity"] == ODDS)
        & (table["advantage"] == 0.0) & (table["seed"] == seed)
    ]  # fmt: skip
    upper = own[own["n"] >= math.sqrt(own["n"].min() * own["n"].max())]
    return float(np.polyfit(np.log(upper["n"]), upper["value"], 1)[0])


def shown(table: pd.DataFrame) -> pd.DataFrame:
    """Return the flat well's share at β = 1 as people read it."""
    rows = table[(table["method"] == "mbar") & (table["beta"] == 1.0)]
    share = rows[(rows["quantity"] == "share") & (rows["phase"] == "flat")]
    found = rows[rows["quantity"] == FOUND].set_index(["advantage", "n"])["value"]
    both = [f"{found[at]:.0f} of {LADDER['chains']} chains" for at in zip(share["advantage"], share["n"], strict=True)]
    about = {
        "c": share["advantage"].map("{:g}".format), "n": share["n"].map("{:,}".format), "both wells in": both,
    }  # fmt: skip
    return shown_shares(share, about)


def text(table: pd.DataFrame) -> str:
    """Return the page, every number of it from the table."""
    drawn = table[table["method"] == "mbar"]
    seeds = sorted(set(table["seed"]) - {NO_NOISE})
    slopes = [slope(table, s) for s in seeds]
    paragraphs = [
        "One parameter, two wells: w = −1, where K is quadratic (λ = 1/2), and w = 3, where it is quartic (λ = 1/4), "
        f"with a barrier of {_barrier():.2f} nats an observation between them. They are divided at the summit, "
        "w = 1/3. No chain at β = 1 crosses it: what moves between the wells are exchanges with hotter rungs.",
        f"**Equal losses.** Theory: the odds of the flat well grow like n^(1/4) = n^Δλ. Without the noise of data "
        f"their slope in log n is {slope(table):.4f} over the upper half of the sizes; on {len(seeds)} data sets it is "
        f"{min(slopes):.2f} to {max(slopes):.2f}, since each well's fit to the noise moves its odds by a factor of "
        "order one.",
    ]
    lines = []
    for c in sorted(set(table["advantage"]) - {0.0}):
        both = laws(c)
        law = crossing(both["flat"], both["sharp"], least=_start(both))
        exact = exact_crossing(table, c)
        each = [n for s in seeds if (n := exact_crossing(table, c, s)) is not None]
        law_told = "none"
        if law is not None:
            law_told = f"n = {law:,.0f} (n c = {law * c:.2f}, of which ¼ log n is {0.25 * math.log(law):.2f})"
        told = "not in the sizes shown" if exact is None else f"n = {exact:,.0f} (n c = {exact * c:.2f})"
        lines.append(
            f"- c = {c:g}: exact without noise {told}, by the law "
            f"{law_told}; "
            f"on data sets {', '.join(f'{n:,.0f}' for n in sorted(each)) or 'none'}"
            f"{f', none on {len(seeds) - len(each)}' if len(each) < len(seeds) else ''}."
        )
    paragraphs += [
        "**A small advantage for the regular well.** Its loss is smaller by c. At first the flat well wins by its "
        "volume, then the loss decides: the odds pass 1 near n c = Δλ log n + a constant, all of a sudden on the scale "
        "of n, a first-order transition. On real data n c comes with a noise of √(2 n c), which is as large as n c "
        "itself where n c is about 2, so that each data set has a transition of its own:",
        "\n".join(lines),
    ]
    found = drawn[drawn["quantity"] == FOUND]
    middle = drawn[(drawn["quantity"] == "share") & (drawn["phase"] == "flat") & drawn["exact"].between(0.05, 0.95)]
    seen = found.merge(middle[["advantage", "n", "beta"]], on=["advantage", "n", "beta"])
    paragraphs += [
        f"At β = 1/log n and at 1, where both wells hold at least 5 %, every chain has found both of them on "
        f"{int((seen['value'] == LADDER['chains']).sum())} of {len(seen)} rungs. {agreement(drawn)}",
        movement(drawn),
    ]
    return "\n\n".join(paragraphs) + "\n\n" + markdown(shown(table))


def _barrier() -> float:
    """Return the excess loss at the summit between the wells, nats an observation."""
    excess_loss = models.uneven_wells(0.0).excess_loss
    assert excess_loss is not None
    return float(excess_loss({"w": SUMMIT}))


def _start(both: dict[str, PhaseLaw]) -> float:
    """Return an n from which the flat well leads by the law, for the crossing back; the least allowed if none does."""
    sizes = np.geomspace(3.0, 1e8, 2000)
    leads = [n for n in sizes if both["flat"].free_energy(n) < both["sharp"].free_energy(n)]
    return leads[0] if leads else 3.0


STUDY = Study("two-wells", "Two wells: volume first, loss later", run)
