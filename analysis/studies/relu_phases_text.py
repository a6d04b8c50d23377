"""The page of the study of two ReLU units: its sentences and tables, made from the rows of the study."""

from __future__ import annotations

import math

import pandas as pd

from singular.analysis.markdown import markdown
from singular.analysis.studies.cells import NO_NOISE, WITHIN, agreement, movement, shown_shares
from singular.analysis.studies.relu_phases_read import (
    CHAIN,
    EXACT,
    LADDER,
    PLAIN,
    PRESENT,
    chains,
    crossing,
    dip,
    even_odds,
    exact_curve,
    predicted,
    slopes,
)
from singular.analysis.studies.relu_phases_regions import ASIDE, DEGENERATE, EDGE, LOSS, NORM, OFF, ONE, TWO

NAMES = {LADDER: "ladder", PLAIN: "NUTS at β = 1 alone"}


def shown(table: pd.DataFrame) -> pd.DataFrame:
    """Return the sampled shares at β = 1 as people read them, with the first of their flags."""
    rows = table[(table["quantity"] == "share") & table["method"].isin(list(NAMES)) & (table["beta"] == 1.0)]
    rows = rows[rows["phase"].isin([DEGENERATE, ONE, TWO])]
    parts = rows["flags"].str.split("; ")
    about = {
        "θ": rows["angle"].map("{:.3g}".format), "n": rows["n"].map("{:,}".format), "data set": rows["seed"].map(str),
        "by": rows["method"].map(NAMES), "region": rows["phase"],
    }  # fmt: skip
    told = [f"{p[0]}; and {len(p) - 1} more" if len(p) > 1 else p[0] for p in parts]
    return shown_shares(rows.assign(flags=told), about)


def text(table: pd.DataFrame, all_rungs: float) -> str:
    """Return the page, every number of it from the table; ``all_rungs`` is the angle with a ladder at every rung."""
    drawn = table[table["method"].isin(list(NAMES)) & (table["quantity"] != CHAIN)]
    sizes, noisy = _sizes(table)
    paragraphs = [
        "Two ReLU units are fitted to two true ones, of weights (± cos θ, sin θ) and bias −0.3, with x uniform on the "
        "square and noise N(0, 1). At θ = π/2 the true two are one. The effective norm of a unit is |q| |w|, 0 if it "
        "is off on the whole square. Draws are divided in two ways. The catalogue: `degenerate` if one norm is below "
        f"0.5. Carroll (2021): `{ONE}` if the norms are within 0.5 of (0, 2), `{TWO}` if within 0.5 of (1, 1), and "
        f"what is left is `{ASIDE}`. The catalogue's two phases leave no rest.",
        "Exact shares are those of independent draws: outputs and offset are normal given the units and are "
        "integrated out, the units' directions and radii come from cells that are halved where the mass is, each draw "
        f"weighed by the density where it falls. *Without noise* stands for nL_n = nK. {_flagged(table)}",
        f"**Where does it go over?** {_where(table, noisy)}",
        f"**Of first order?** {_order(table, noisy)}",
        f"**By the law.** {_law(table, sizes)}",
        f"**Are the regions what they say?** {_regions(table, noisy)}",
        f"**Runs.** {_runs(table)}",
        f"*Ladders.* {agreement(drawn[drawn['method'] == LADDER])} The shares by one rule add up to one, so that these "
        "are not independent.",
        f"*NUTS at β = 1 alone.* {agreement(drawn[drawn['method'] == PLAIN])}",
        movement(drawn[drawn["method"] == LADDER]),
        f"At θ = {all_rungs:g} the table holds every rung of the ladder.",
    ]
    return "\n\n".join(paragraphs) + "\n\n" + markdown(shown(table))


def _sizes(table: pd.DataFrame) -> tuple[list[int], list[int]]:
    """Return the n with exact shares, and those of them with data sets."""
    exact = table[table["method"] == EXACT]
    return sorted({int(n) for n in exact["n"]}), sorted({int(n) for n in exact.loc[exact["seed"] != NO_NOISE, "n"]})


def _seeds(table: pd.DataFrame, n: int) -> list[int]:
    own = table[(table["method"] == EXACT) & (table["n"] == n)]
    return sorted(set(own["seed"]) - {NO_NOISE})


def _angle(value: float | None) -> str:
    return "none" if value is None else f"{value:.2f}"


def _flagged(table: pd.DataFrame) -> str:
    exact = table[(table["method"] == EXACT) & (table["quantity"] == "share") & (table["phase"] == DEGENERATE)]
    flagged = exact[exact["flags"] != ""]
    where = "; ".join(f"θ = {r['angle']:.3g} at n = {r['n']:,}" for r in flagged.to_dict("records"))
    told = f" ({where})" if where else ""
    return f"Of {len(exact)} exact posteriors {len(flagged)} rest on too few effective draws{told}."


def _where(table: pd.DataFrame, noisy: list[int]) -> str:
    lines = []
    for n in noisy:
        seeds = _seeds(table, n)
        each = [crossing(table, n, seed) for seed in seeds]
        rises = [(crossing(table, n, seed, 0.25), crossing(table, n, seed, 0.75)) for seed in (NO_NOISE, *seeds)]
        widths = [b - a for a, b in rises if a is not None and b is not None]
        lone = f"{rises[0][1] - rises[0][0]:.2f}" if None not in rises[0] else "not reached"
        curve = exact_curve(table, n, NO_NOISE, DEGENERATE)
        lines.append(
            f"- n = {n:,}: without noise the share of `degenerate` is {curve.iloc[0]:.3f} at θ = {curve.index[0]:g} "
            f"and {curve.iloc[-1]:.3f} at π/2; it passes one half at θ = {_angle(crossing(table, n, NO_NOISE))}, and "
            f"from a quarter to three quarters takes {lone} rad. On {len(seeds)} data sets it passes one half at "
            f"{', '.join(map(_angle, each))}"
            + (f"; such a rise takes {min(widths):.2f} to {max(widths):.2f} rad." if widths else ".")
        )
    return (
        "The share of `degenerate` rises before the truth itself is one unit; where it does depends on n and on the "
        "data set, whose noise favours one fit or the other.\n\n" + "\n".join(lines)
    )


def _order(table: pd.DataFrame, noisy: list[int]) -> str:
    lines = []
    for n in noisy:
        for seed in (NO_NOISE, *_seeds(table, n)):
            at = crossing(table, n, seed)
            if at is None:
                continue
            shares = {p: exact_curve(table, n, seed, p) for p in (ONE, TWO, ASIDE)}
            angle = min(shares[ONE].index, key=lambda value: abs(value - at))
            one, two, aside = (shares[p][angle] for p in (ONE, TWO, ASIDE))
            high, first, low = dip(table, n, seed, angle)
            lines.append(
                {
                    "n": f"{n:,}",
                    "data": "no noise" if seed == NO_NOISE else str(seed),
                    "nearest angle": f"{angle:.3g}",
                    ONE: f"{one:.3f}",
                    TWO: f"{two:.3f}",
                    ASIDE: f"{aside:.3f}",
                    "smaller norm: first bin": f"{first:.3f}",
                    "lowest between": f"{low:.3f}",
                    "highest above 0.5": f"{high:.3f}",
                    "two phases": "yes" if aside < min(one, two) and low < 0.5 * min(first, high) else "no",
                }
            )
    if not lines:
        return "No crossing is among the angles."
    frame = pd.DataFrame(lines)
    yes = {n: (frame.loc[frame["n"] == f"{n:,}", "two phases"] == "yes") for n in noisy}
    told = "; ".join(f"n = {n:,}: {int(seen.sum())} of {len(seen)}" for n, seen in yes.items())
    return (
        f"Two phases exist side by side if at the crossing both `{ONE}` and `{TWO}` hold more than what lies between "
        "them, and the smaller norm has two peaks with less than half of the lower one between them. So it is, at the "
        f"angle nearest to each crossing, for {told}. Where it is not, most of the mass at the crossing lies between "
        "the two, or the two hills run into one: the share of `degenerate` changes because one broad hill crosses a "
        "border, and there is no transition between two phases to speak of.\n\n" + markdown(frame)
    )


def _law(table: pd.DataFrame, sizes: list[int]) -> str:
    fixed = sizes[-2] if len(sizes) > 1 else sizes[-1]
    found = [
        f"n = {n:,}: exact {_angle(even_odds(table, n))}, law {_angle(predicted(table, n, fixed))}"
        + (" (fixed here)" if n == fixed else "")
        for n in sizes
    ]
    told = [
        f"`{r['phase']}` (θ = {r['angle']:.3g}): {r['value']:.3f} ± {r['mcse']:.3f}, theory {r['law']:g}"
        + (" and not there yet" if abs(r["value"] - r["law"]) > WITHIN * r["mcse"] else "")
        for r in slopes(table, sizes[-2], sizes[-1]).to_dict("records")
    ]
    return (
        "One unit alone loses L(θ) an observation and has λ = 2, for the other is off on an open set; two units lose "
        f"nothing and have λ = 7/2. So `{ONE}` and `{TWO}` are even where n L(θ) = 3/2 log n + a constant, which one "
        f"exact value fixes, at n = {fixed:,}. Without noise, the log odds linear between the angles: "
        f"{'; '.join(found)}. The slope of each region's free energy in log n, less n times its loss, from n = "
        f"{sizes[-2]:,} to {sizes[-1]:,}: {'; '.join(told)}. λ of a region that is cut by a border, as these are, is "
        "that of its best point only while n times the gain at the border is small."
    )


def _regions(table: pd.DataFrame, noisy: list[int]) -> str:
    loss, norm, edge = (
        table[table["quantity"] == name].set_index("angle")["value"].sort_index() for name in (LOSS, NORM, EDGE)
    )
    before = loss.index[loss.index < 1.55]
    inside = [angle for angle in before if norm[angle] > 1.5]
    ratios = (loss[before] / edge[before]).sort_values()
    n = noisy[-1]
    one, off = exact_curve(table, n, NO_NOISE, DEGENERATE), exact_curve(table, n, NO_NOISE, OFF)
    aside = [exact_curve(table, n, seed, ASIDE) for seed in _seeds(table, n)]
    most = max(float(curve.max()) for curve in aside) if aside else math.nan
    small = exact_curve(table, noisy[0], NO_NOISE, ASIDE)
    last = off.index[-1]
    where = f"for θ ≥ {inside[0]:g} only" if inside else "at none of the angles"
    return (
        "Not at all angles. At its edge, with a second unit of norm 0.5, `degenerate` holds points whose loss is "
        f"{ratios.iloc[0]:.1f} to {ratios.iloc[-1]:.1f} times smaller than that of the best single unit, so that a "
        "`degenerate` draw at a small angle is of the tail of two unequal units. Carroll's rule keeps those apart, but "
        f"the best single unit has norm {norm.iloc[0]:.2f} at θ = {norm.index[0]:g} and is within 0.5 of 2 {where}. "
        f"What that rule sets aside is not little: up to {small.max():.2f} at n = {noisy[0]:,} without noise, and up "
        f"to {most:.2f} at n = {n:,} on data sets. Of `degenerate`, at π/2 and n = {n:,} without noise, "
        f"{off[last]:.3f} out of {one[last]:.3f} has a unit off; the rest has it on, and small."
    )


def _runs(table: pd.DataFrame) -> str:
    told = []
    for method, name in NAMES.items():
        many, stuck = chains(table, method)
        cells = table[(table["quantity"] == "share") & (table["method"] == method) & (table["beta"] == 1.0)]
        cells = cells[["angle", "n", "seed"]].drop_duplicates()
        where = ", ".join(f"({r['angle']:.3g}, {r['n']:,}, {r['seed']})" for r in cells.to_dict("records"))
        missed = f"these did: {'; '.join(stuck)}" if stuck else "none did"
        told.append(f"{name}: {many} chains on (θ, n, data set) = {where}, {missed}")
    share = table[(table["quantity"] == "share") & (table["phase"] == DEGENERATE) & (table["exact"] >= PRESENT)]
    chosen = table[(table["quantity"] == CHAIN) & (table["phase"] == DEGENERATE)]
    chosen = chosen.merge(share[["problem", "n", "seed"]].drop_duplicates())
    least = chosen.loc[chosen["round_trips"].idxmin()]
    return (
        "All chains count and none is discarded; each has rows of its own in the table, with the regions it was in. "
        "Asked is whether a chain at β = 1 never saw a region, of either rule, that has 5 % or more by the exact "
        f"share. {'. '.join(told)}. Where `degenerate` has as much, the chain that entered it least often did so "
        f"{int(least['round_trips'])} times (θ = {least['angle']:.3g}, n = {least['n']:,}, "
        f"{NAMES[least['method'].split(',')[0]]}; {least['value']:.2f} of its draws are there). Chains at β = 1 alone "
        "begin at draws of the prior and have nothing to exchange with: where they find both regions, a path of high "
        "posterior joins these."
    )
