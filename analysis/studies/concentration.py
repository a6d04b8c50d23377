"""Two lines that cross, a line and a dot, three planes that cross: which part of the optima holds the posterior."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pandas as pd

from singular import models, posteriors
from singular.analysis.estimate import estimate
from singular.analysis.markdown import markdown
from singular.analysis.mbar import expectation, reweight
from singular.analysis.phases import divide
from singular.analysis.studies.cells import COLUMNS, agreement, movement, share_rows, shown_shares, z_of
from singular.analysis.studies.concentration_figure import draw
from singular.analysis.studies.workshop import Finding, Study, Workshop
from singular.models.problem import Problem
from singular.models.sufficient import equivalent_rows
from singular.posteriors.quadrature import Exact

TWO_LINES, LINE_AND_DOT, THREE_PLANES = "monomial-1-2", "line-and-dot", "monomial-1-1-1"
COEFFICIENTS = {
    TWO_LINES: {"w1=0": (0.5, 1), "w2=0": (0.25, 1)},
    LINE_AND_DOT: {"line": (0.5, 1), "dot": (0.25, 1)},
    THREE_PLANES: {"face": (0.5, 1), "edge": (0.5, 2), "corner": (0.5, 3)},
}
"""Model -> region -> (λ, m) of the region by itself."""
RULES = {
    TWO_LINES: "the line that is nearer: `w2=0` where |w1| ≥ |w2|, `w1=0` elsewhere",
    LINE_AND_DOT: "`dot` where w1 < 1/2, half way between the dot and the line",
    THREE_PLANES: "how many |w_i| are below 1/2: all three, `corner`; two, `edge`; else `face`",
}
SAMPLED = (10, 100, 1_000, 10_000, 100_000, 1_000_000)
EXACT = (10, 30, 100, 300, 1_000, 3_000, 10_000, 100_000, 1_000_000, 10_000_000)
DATA_SETS = 3
"""Data sets of the exact curves; the first is sampled too."""
LADDER = {"chains": 4, "draws": 600, "warmup": 200}
SQUARE = "E[w1²]"
LIMIT = 0.5
"""Of E[w1²] on two lines: w2 integrated out near w2 = 0 leaves the density |w1|^(−1/2) exp(−w1²/2), under which w1²/2
is Gamma(1/4), of mean 1/4."""


def sampled(name: str, n: int, seed: int) -> pd.DataFrame:
    """Return the rows of one ladder at β = 1/log n and at 1."""
    problem = equivalent_rows(models.problem(name, n=n, seed=seed))
    tree = posteriors.ladder(problem, seed=seed, progress=False, cores=1, **LADDER)
    betas = sorted({1 / math.log(n), 1.0})
    exact = posteriors.quadrature(problem, betas)
    rows = share_rows(problem, tree, betas, exact)
    if name == TWO_LINES:
        rows = pd.concat([rows, _square_rows(problem, tree, betas)], ignore_index=True)
    return rows


def exactly(name: str, n: int, seed: int) -> pd.DataFrame:
    """Return the exact share of each region, and E[w1²] of the two lines, at β = 1."""
    problem = equivalent_rows(models.problem(name, n=n, seed=seed))
    held = _with_square(problem) if name == TWO_LINES else posteriors.quadrature(problem, [1.0])
    row = held.at(1.0)
    found = [
        ("share", c.removeprefix("phase:"), row[c]) for c in held.frame if c.startswith("phase:") and SQUARE not in c
    ]
    if name == TWO_LINES:
        found.append((SQUARE, "", row[f"phase:{SQUARE}"]))
    about = {"problem": name, "n": n, "seed": seed, "beta": 1.0, "method": "quadrature", "flags": ""}
    return pd.DataFrame([about | {"quantity": q, "phase": p, "value": v, "exact": v} for q, p, v in found])


def _with_square(problem: Problem, betas=(1.0,)) -> Exact:
    """Return the exact numbers with E[w1²] as one more mean: w1 given w2 is normal."""
    assert problem.model is not None and problem.model.integral is not None

    def square(points, beta, data):
        slope = points[:, 0] ** 2
        precision = 1 + beta * slope**2 * (data["x"] @ data["x"])
        return 1 / precision + (beta * slope * (data["x"] @ data["y"]) / precision) ** 2

    integral = problem.model.integral
    wider = replace(integral, regions={**integral.regions, SQUARE: square})
    return posteriors.quadrature(replace(problem, model=replace(problem.model, integral=wider)), betas)


def _square_rows(problem: Problem, tree, betas) -> pd.DataFrame:
    division = divide(tree, problem.model.phases)
    exact = _with_square(problem, betas)
    square = tree["posterior"]["w1"].to_numpy() ** 2
    rows = []
    for beta in betas:
        _, _, weights = reweight(division.solution, beta)
        value, influence = expectation(division.solution, weights, square)
        found = estimate(value, influence, target=SQUARE, method="mbar", beta=beta, flags=division.flags(None),
                         controls=division.draws.every_control)  # fmt: skip
        truth = float(exact.at(beta)[f"phase:{SQUARE}"])
        rows.append(
            (
                problem.name, problem.n, problem.seed, beta, "", SQUARE, "mbar", found.value, found.mcse, truth, 0.0,
                z_of(found.value, found.mcse, truth), np.nan, np.nan, np.nan, "; ".join(found.flags),
            )
        )  # fmt: skip
    return pd.DataFrame(rows, columns=list(COLUMNS))


def run(workshop: Workshop) -> Finding:
    """Sample the three models at growing n, and follow their exact shares further."""
    seeds = range(workshop.seed, workshop.seed + DATA_SETS)
    drawn = workshop.parts(sampled, [(name, n, workshop.seed) for n in SAMPLED[::-1] for name in COEFFICIENTS])
    known = workshop.parts(exactly, [(name, n, s) for n in EXACT[::-1] for name in COEFFICIENTS for s in seeds])
    table = pd.concat([*drawn, *known], ignore_index=True).sort_values(
        by=["problem", "method", "seed", "n", "beta"], kind="stable", ignore_index=True
    )
    return Finding(table, draw(table, COEFFICIENTS, LIMIT, SQUARE), text(table), shown(table))


def shown(table: pd.DataFrame) -> pd.DataFrame:
    """Return the shares at β = 1 as people read them: drawn ± error, exact."""
    rows = table[(table["method"] == "mbar") & (table["beta"] == 1.0)]
    what = [p or q for p, q in zip(rows["phase"], rows["quantity"], strict=True)]
    return shown_shares(rows, {"model": rows["problem"], "n": rows["n"].map("{:,}".format), "region": what})


def text(table: pd.DataFrame) -> str:
    """Return the page, every number of it from the table."""
    exact = table[table["method"] == "quadrature"]
    last = exact[exact["n"] == exact["n"].max()]
    paragraphs = [
        "Each of the three models has an optimal set made of parts that meet, and every part has the same loss. What "
        "differs is λ and m, and with them the volume of nearly optimal parameters around the part: V(ε) ~ ε^λ "
        "(−log ε)^(m−1). Theory says that the posterior goes to the smallest λ, and among equals to the largest m.",
    ]
    for name, parts in COEFFICIENTS.items():
        own = last[(last["problem"] == name) & (last["quantity"] == "share")]
        mean = own.groupby("phase", sort=False)["value"].mean()
        told = ", ".join(f"`{p}` (λ = {l:g}, m = {m}) {mean[p]:.3f}" for p, (l, m) in parts.items())
        first = exact[(exact["problem"] == name) & (exact["n"] == exact["n"].min()) & (exact["quantity"] == "share")]
        before = first.groupby("phase", sort=False)["value"].mean()
        best = min(parts, key=lambda p: (parts[p][0], -parts[p][1]))
        arrived = mean.idxmax() == best
        paragraphs.append(
            f"**{name}** ({models.get(name).description}). Where the parts meet they are divided by {RULES[name]}. "
            f"Exact shares at n = {int(last['n'].iloc[0]):,}, mean of {own['seed'].nunique()} data sets: {told}. The "
            f"part that wins in the limit is `{best}`: its share was {before[best]:.3f} at n = "
            f"{int(first['n'].iloc[0])} and is {mean[best]:.3f} now"
            + ("." if arrived else f"; `{mean.idxmax()}` still holds more, theory has not arrived yet.")
        )
    square = last[last["quantity"] == SQUARE]["value"]
    paragraphs.append(
        f"On the line w2 = 0 of the first model the posterior does not become the prior: w2 is free to about "
        f"|w1|^(−1/2) n^(−1/4), so the density of w1 tends to |w1|^(−1/2) exp(−w1²/2), and E[w1²] to {LIMIT:g}, half "
        f"of the prior's. At n = {int(last['n'].iloc[0]):,} it is {square.mean():.3f} ({square.min():.3f} to "
        f"{square.max():.3f} over data sets)."
    )
    drawn = table[table["method"] == "mbar"]
    paragraphs += [f"Sampled up to n = {int(drawn['n'].max()):,}: {agreement(drawn)}", movement(drawn)]
    return "\n\n".join(paragraphs) + "\n\n" + markdown(shown(table))


STUDY = Study("concentration", "Concentration: the posterior goes to the part with the smaller λ", run)
