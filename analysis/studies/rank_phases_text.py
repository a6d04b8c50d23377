"""The page of the study of rank phases: its sentences and tables, made from the rows of the study."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

from singular import models
from singular.analysis.markdown import markdown
from singular.analysis.phase_law import PhaseLaw, crossing
from singular.analysis.studies.cells import FREE_ENERGY, NO_NOISE, agreement, movement, shown_shares
from singular.analysis.studies.rank_phases_rules import FIXED, NOISE, RESOLUTION, STRATUM, THRESHOLD, laws, network_of
from singular.models.coefficients import reduced_rank

ORACLE = (
    "reduced-rank-1-2-1-0",
    "reduced-rank-2-2-1-0",
    "reduced-rank-2-2-2-0",
    "reduced-rank-2-2-2-1",
    "reduced-rank-3-3-2-1",
    "deep-linear-1-1-1-1-r0",
    "deep-linear-2-2-1-2-r0",
)
PROBLEMS = (*ORACLE, "deep-linear-3-2-2-3-r1")
LIMITS = tuple(name for name in ORACLE if name != "reduced-rank-3-3-2-1")
"""Those followed without noise: the rule of five dimensions is not fine enough for the n of the limit."""
SETTLED = 0.95
"""Share from which on the winner has won."""


def shown(table: pd.DataFrame) -> pd.DataFrame:
    """Return the shares at β = 1 as people read them: sampled ± error, exact."""
    rows = table[(table["method"] == "mbar") & (table["beta"] == 1.0)]
    rows = rows[(rows["value"] > 0) | (rows["exact"] > 0)]
    about = {
        "network": rows["problem"], "n": rows["n"].map("{:,}".format), "rule": rows["rule"], "region": rows["phase"],
    }  # fmt: skip
    return shown_shares(rows, about)


def text(table: pd.DataFrame) -> str:
    """Return the page, every number of it from the table."""
    drawn = table[table["method"] == "mbar"]
    paragraphs = [
        "A posterior draw of a product of matrices has full rank; what it has at a resolution is another matter. Two "
        f"rules: a direction counts if its singular value is above {NOISE:g}/√(nβ), so that it is worth more than "
        f"{NOISE**2 / 2:g} nats, or if it is above {FIXED:g} at every n. The third rule tells where on the optimal "
        "set a draw is, by the part that is nearest: with one spare direction, the layer that is smallest in it (the "
        "smallest singular value number rank + 1); with two layers and truth 0, how many hidden directions are alive "
        "in A is the number of positive eigenvalues of AAᵀ − BᵀB, which is the nearest part exactly. Exact shares are "
        "those of independent draws, the last layer from its normal distribution given the others; *without noise* "
        "stands for nL_n = nK.",
        _ranks(table),
        _laws(table),
    ]
    paragraphs += [_winner(table, name) for name in PROBLEMS]
    paragraphs += [agreement(drawn), movement(drawn), _flags(drawn)]
    return "\n\n".join(paragraphs) + "\n\n" + markdown(shown(table))


def _ranks(table: pd.DataFrame) -> str:
    rows = table[(table["method"] == "mbar") & (table["beta"] == 1.0) & (table["rule"] != STRATUM)]
    lines = []
    for name in PROBLEMS:
        network = network_of(models.get(name))
        own = rows[(rows["problem"] == name) & (rows["phase"] == f"rank {network.rank}")]
        line = {"network": name, "true rank": str(network.rank)}
        for rule in (RESOLUTION, THRESHOLD):
            for n in sorted(own["n"].unique()):
                value = own[(own["rule"] == rule) & (own["n"] == n)]["value"]
                line[f"{rule}, n = {n:,}"] = "" if value.empty else f"{value.iloc[0]:.3f}"
        lines.append(line)
    last = rows[(rows["n"] == rows["n"].max()) & (rows["rule"] == RESOLUTION)]
    told = []
    for name in PROBLEMS:
        own = last[last["problem"] == name]
        if not own.empty:
            told.append((own.loc[own["value"].idxmax(), "phase"] == f"rank {network_of(models.get(name)).rank}", name))
    right = [name for held, name in told if held]
    wrong = [name for held, name in told if not held]
    found = f"At n = {int(rows['n'].max()):,} the true rank has the most mass at the resolution in {len(right)} of "
    found += f"{len(told)} networks" + (f", not in {', '.join(wrong)}. " if wrong else ". ")
    crossings = [_crossing(table, name) for name in ORACLE]
    return (
        "Share of the true rank, sampled at β = 1:\n\n"
        + markdown(pd.DataFrame(lines))
        + "\n\n"
        + found
        + " ".join(told for told in crossings if told)
    )


def rank_law(name: str) -> tuple[PhaseLaw, PhaseLaw]:
    """Return the laws of rank 0 and of the true rank 1 at the fixed threshold t, without their constants.

    The best matrix with all singular values below t has one at t: its loss is (1 − t)²/2, and along that direction the
    loss is linear, so that λ is that of the true rank and 1/2 more, the gain of a linear over a square.
    """
    exact = models.get(name).exact
    value, order = float(exact.value), exact.multiplicity
    return PhaseLaw((1 - FIXED) ** 2 / 2, value + 0.5, order), PhaseLaw(0.0, value, order)


def _crossing(table: pd.DataFrame, name: str) -> str:
    """Return where the true rank 1 takes over from rank 0: at the resolution as seen, and at the threshold by law."""
    if network_of(models.get(name)).rank != 1:
        return ""
    own = table[(table["problem"] == name) & (table["method"] == "exact draws") & (table["seed"] != NO_NOISE)]
    seen = own[(own["rule"] == RESOLUTION) & (own["phase"] == "rank 1") & (own["quantity"] == "share")]
    seen = seen.sort_values(by="n")
    above = seen[seen["value"] >= 0.5]
    energy = own[(own["rule"] == THRESHOLD) & (own["quantity"] == FREE_ENERGY)]
    pairs = energy.pivot_table(index="n", columns="phase", values="value")
    told = (
        f"In `{name}` rank 1 has half of the mass at the resolution from n = {int(above['n'].min())} on"
        if len(above)
        else f"In `{name}` rank 1 never has half of the mass at the resolution"
    )
    told += f" (a singular value of 1 is seen from n = {NOISE**2:g} on). {_strata(name)}"
    if "rank 0" not in pairs or pairs[["rank 0", "rank 1"]].dropna().empty:
        return told + f" At the threshold {FIXED:g} no draw has rank 0 at any n of the table."
    first = pairs[["rank 0", "rank 1"]].dropna().iloc[0]
    start = float(pairs[["rank 0", "rank 1"]].dropna().index[0])
    zero, one = (law.through(start, value) for law, value in zip(rank_law(name), first, strict=True))
    where = crossing(zero, one)
    odds = math.exp(first["rank 1"] - first["rank 0"])
    law = f"put their crossing at n ≈ {where:.1f}" if where else "have no crossing at n ≥ 3: rank 1 has it all along"
    return told + (
        f" At the threshold {FIXED:g} rank 0 has {odds:.2g} times the mass of rank 1 at n = {start:.0f}, and the laws "
        f"through these values, ΔL = {rank_law(name)[0].loss:.3f} nats and Δλ = 1/2, {law}."
    )


def _strata(name: str) -> str:
    """Return what the laws of the two ranks alone say, each as if its best matrix were the truth."""
    network = network_of(models.get(name))
    inputs, *hidden, outputs = network.widths
    lower = reduced_rank(inputs, outputs, hidden[0], 0)
    exact = models.get(name).exact
    laws_of = PhaseLaw(0.5, float(lower.value), lower.multiplicity), PhaseLaw(0, float(exact.value), exact.multiplicity)
    where = crossing(*laws_of)
    told = f"cross at n ≈ {where:.1f}" if where else "do not cross at n ≥ 3: rank 1 is ahead from the start"
    return (
        f"The matrices of rank 0 have λ = {float(lower.value):g} and lose 1/2 nat an observation, those of rank 1 have "
        f"λ = {float(exact.value):g} and lose nothing: with equal constants the two laws {told}. In a linear network "
        "the point of lower rank is a saddle, not a minimum, and its region ends where the resolution puts it."
    )


def slope(table: pd.DataFrame, name: str, phase: str) -> tuple[float, float, float] | None:
    """Return d F_region/d log n without noise over the last two decades with enough draws, its error, and the law's."""
    own = table[
        (table["problem"] == name) & (table["rule"] == STRATUM) & (table["quantity"] == FREE_ENERGY)
        & (table["seed"] == NO_NOISE) & (table["phase"] == phase) & (table["mcse"] < 0.1)
    ].sort_values(by="n")  # fmt: skip
    if len(own) < 3:
        return None
    first, last = own.iloc[-3], own.iloc[-1]
    span = math.log(last["n"] / first["n"])
    law = laws(network_of(models.get(name)))[phase]
    expected = PhaseLaw(0.0, law.coefficient, law.multiplicity)
    gap = expected.free_energy(float(last["n"])) - expected.free_energy(float(first["n"]))
    error = float(np.hypot(first["mcse"], last["mcse"])) / span
    return (last["value"] - first["value"]) / span, error, gap / span


def _laws(table: pd.DataFrame) -> str:
    rows = []
    drawn = table[(table["method"] == "mbar") & (table["beta"] == 1.0) & (table["rule"] == STRATUM)]
    largest = drawn["n"].max()
    for name in PROBLEMS:
        exact = models.get(name).exact
        for phase, law in laws(network_of(models.get(name))).items():
            measured = slope(table, name, phase)
            share = drawn[(drawn["problem"] == name) & (drawn["phase"] == phase) & (drawn["n"] == largest)]["value"]
            rows.append(
                {
                    "network": name,
                    "λ, m": f"{float(exact.value):.4g}, {exact.multiplicity}",
                    "part": phase,
                    "λ at generic points": f"{law.generic:.4g}",
                    "λ, m of the region": f"{law.coefficient:.4g}, {law.multiplicity}",
                    "dF/d log n by that": "" if measured is None else f"{measured[2]:.3f}",
                    "exact": "" if measured is None else f"{measured[0]:.3f} ± {measured[1]:.3f}",
                    f"sampled share, n = {largest:,}": "" if share.empty else f"{share.iloc[0]:.3f}",
                }
            )
    return (
        "λ of each part of the optimal set at its generic points, where m = 1; λ and m of the region that is nearest "
        "to it, which also holds the points where parts meet; what these make of the slope of the region's free energy "
        "over the last two decades of n, and the exact slope, without noise:\n\n" + markdown(pd.DataFrame(rows))
    )


def winners(name: str) -> list[str]:
    """Return the parts of least λ as regions, and of largest m among these."""
    known = laws(network_of(models.get(name)))
    best = min((law.coefficient, -law.multiplicity) for law in known.values())
    return [phase for phase, law in known.items() if (law.coefficient, -law.multiplicity) == best]


def _winner(table: pd.DataFrame, name: str) -> str:
    own = table[(table["problem"] == name) & (table["rule"] == STRATUM) & (table["quantity"] == "share")]
    limit = own[own["seed"] == NO_NOISE]
    how, rows = ("exact, without noise", limit) if len(limit) else ("sampled, β = 1", own[own["method"] == "mbar"])
    rows = rows[rows["beta"] == 1.0]
    sizes = sorted(rows["n"].unique())
    shares = rows.pivot_table(index="n", columns="phase", values="value", sort=False)
    told = "; ".join(
        f"n = {_size(n)}: " + ", ".join(f"`{phase}` {value:.3f}" for phase, value in shares.loc[n].items())
        for n in (sizes[0], sizes[len(sizes) // 2], sizes[-1])
    )
    expected = winners(name)
    opening = f"**{name}**, {how}: {told}. "
    last = shares.iloc[-1]
    if len(expected) == len(last):
        spread = [shares.loc[n].max() - shares.loc[n].min() for n in sizes]
        error = rows.groupby("n")["mcse"].max().to_numpy()
        if (np.array(spread) < 4 * math.sqrt(2) * error).all():
            return opening + "λ and m are the same for each part, and so are the shares, to 4 errors at every n."
        closes = spread[-1] < spread[0]
        return opening + (
            f"λ and m are the same for each part: no part wins. The gap between the largest share and the smallest "
            f"{'closes' if closes else 'does not close'}, {spread[0]:.3f} at first and {spread[-1]:.3f} at the end"
            + (": what λ and m do not see dies as slowly as 1/log n." if closes else ".")
        )
    names = " and ".join(f"`{phase}`" for phase in expected)
    first, end = (float(shares.loc[n, expected].sum()) for n in (sizes[0], sizes[-1]))
    here = last.idxmax() in expected
    slow = here and end < SETTLED
    trend = "and its share rises" if end > first else "but its share does not rise"
    return opening + (
        f"By λ {names} should win; "
        + (
            f"it has the most mass, {trend}, from {first:.3f} to {end:.3f}"
            if here
            else f"`{last.idxmax()}` has the most"
        )
        + (", and what is left is slow to go: where parts meet, the others have nearly the same λ." if slow else ".")
    )


def _flags(drawn: pd.DataFrame) -> str:
    flagged = drawn[drawn["flags"] != ""]
    if flagged.empty:
        return "No share is flagged."
    known = flagged[flagged["z"].notna()]
    least = f" (largest |z| of those with an exact answer: {known['z'].abs().max():.1f})" if len(known) else ""
    certain = int(flagged["value"].isin([0.0, 1.0]).sum())
    return (
        f"Of all {len(drawn)} sampled shares {len(flagged)} are flagged{least}: {certain} because all draws are on one "
        "side, the others mostly because few draws of the ladder are in the region."
    )


def _size(n: float) -> str:
    power = round(math.log10(n))
    return f"10^{power}" if n >= 1e6 and n == 10**power else f"{n:,}"
