"""The page of the study of volumes: what agrees with the exact answer, what does not, and the table that is read."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pandas as pd
from scipy.stats import t as student

from singular.analysis.markdown import markdown
from singular.analysis.volume_fits import NEAREST
from singular.analysis.volume_law import DECIDED, OPEN, RIVAL

COLUMNS = [
    "problem", "region", "d", "n", "quantity", "method", "epsilon", "value", "mcse", "exact", "exact_error", "z",
    "decade", "flags",
]  # fmt: skip
LOG_VOLUME, OF_DATA = "log volume", "log volume of the data's loss"
LAMBDA, GIVEN, ORDER, TRAIL = "λ", "λ, m given", "m", "twice the log of the odds against the exact m"
WITHIN = 3.0
"""Errors within which a number agrees."""
CLOSE = 0.05
"""Nats within which the ellipsoid has the exact log V."""
VAGUE = 0.2
"""Error of log V, nats, from which a ladder's volume says little."""
REPLICATES = 16
"""Of each curve: its error has one degree of freedom less."""


def text(table: pd.DataFrame) -> str:
    """Return the page, every number of it from the table."""
    split = table[table["method"] == "splitting"]
    cells = split[(split["quantity"] == LOG_VOLUME) & split["decade"] & split["z"].notna()]
    whole, parts = cells[cells["region"] == ""], cells[cells["region"] != ""]
    chance = 2 * student.sf(WITHIN, REPLICATES - 1)
    paragraphs = [
        "V(ε) is the prior mass of {K < ε}. It vanishes as ε^λ (−log ε)^(m−1), and that is what λ and m are. Here it "
        f"is measured by multilevel splitting on {split[split['region'] == '']['problem'].nunique()} members of the "
        f"catalogue and in {len(set(zip(parts['problem'], parts['region'], strict=True)))} named regions, over "
        f"{_decades(split).min():.0f} to {_decades(split).max():.0f} decades of ε, and held against exact volumes on "
        f"{whole['problem'].nunique()} members.",
        f"**The volume.** {_agreement(whole, 'cells, one for each decade,')} In regions: "
        f"{_agreement(parts, 'cells')} Levels of one curve share its replicates, so that neighbouring cells go "
        f"together; with {REPLICATES} replicates an error is itself uncertain, and {chance:.1%} of independent "
        f"right cells would be further than {WITHIN:g} errors out.",
        _laws(split),
        _slow(split),
        _ellipsoids(table),
        _ladders(table),
    ]
    return "\n\n".join(paragraphs) + "\n\n" + markdown(shown(table))


def shown(table: pd.DataFrame) -> pd.DataFrame:
    """Return one row for each member and region: decades, cells that agree, λ and m beside the exact ones."""
    rows = []
    for (name, region), own in table[table["method"] == "splitting"].groupby(["problem", "region"], sort=False):
        cells = own[(own["quantity"] == LOG_VOLUME) & own["decade"] & own["z"].notna()]
        law = own.set_index("quantity")
        slope = table[(table["problem"] == name) & (table["method"] == "ellipsoid") & (table["quantity"] == LAMBDA)][
            "value"
        ]
        last = own[own["quantity"] == LOG_VOLUME].sort_values("epsilon").iloc[0]
        rows.append(
            {
                "member": name,
                "region": region,
                "d": f"{own['d'].iloc[0]:.0f}",
                "down to ε": f"{last['epsilon']:.0e}",
                "log V there": f"{last['value']:.2f} ± {last['mcse']:.2f}",
                "exact": "" if np.isnan(last["exact"]) else f"{last['exact']:.2f}",
                "cells within 3": f"{(cells['z'].abs() <= WITHIN).sum()} of {len(cells)}" if len(cells) else "",
                "λ": f"{law.loc[LAMBDA, 'value']:.3f} ± {law.loc[LAMBDA, 'mcse']:.3f}",
                "λ exact": str(Fraction(float(law.loc[LAMBDA, "exact"])).limit_denominator(99)),
                "z": f"{law.loc[LAMBDA, 'z']:+.1f}",
                "m": f"{law.loc[ORDER, 'value']:.0f}{' (open)' if OPEN in law.loc[ORDER, 'flags'] else ''}",
                "m exact": f"{law.loc[ORDER, 'exact']:.0f}",
                "λ, m given": f"{law.loc[GIVEN, 'value']:.3f} ± {law.loc[GIVEN, 'mcse']:.3f}",
                "ellipsoid's slope": "" if region or slope.isna().all() else f"{slope.iloc[0]:.1f}",
            }
        )
    return pd.DataFrame(rows)


def missed(rows: pd.DataFrame) -> list[str]:
    """Return the members and regions of rows that are further than `WITHIN` errors from the exact answer, with z."""
    return [f"{_name(row)} (z = {row['z']:+.1f})" for row in _outside(rows).to_dict("records")]


def excluded(split: pd.DataFrame) -> list[str]:
    """Return the members and regions whose exact m the fit excludes."""
    return [_name(row) for row in split[(split["quantity"] == TRAIL) & (split["value"] > DECIDED)].to_dict("records")]


def _name(row: dict) -> str:
    return row["problem"] if not row["region"] else f"{row['region']} of {row['problem']}"


def _decades(split: pd.DataFrame) -> np.ndarray:
    of_volume = split[split["quantity"] == LOG_VOLUME]
    ends = of_volume.groupby(["problem", "region"])["epsilon"].agg(["min", "max"])
    return np.log10(np.minimum(ends["max"], 1.0) / ends["min"]).to_numpy()


def _outside(cells: pd.DataFrame) -> pd.DataFrame:
    return cells.loc[cells["z"].abs() > WITHIN, :]


def _agreement(cells: pd.DataFrame, what: str) -> str:
    inside = int((cells["z"].abs() <= WITHIN).sum())
    off = _outside(cells)
    told = [f"{_name(r)} at ε = {r['epsilon']:.0e} (z = {r['z']:+.1f})" for r in off.to_dict("records")]
    return (
        f"{inside} of {len(cells)} {what} are within {WITHIN:g} of their errors of the exact volume (root mean square "
        f"z {np.sqrt((cells['z'] ** 2).mean()):.2f}, largest {cells['z'].abs().max():.1f})"
        f"{'; not so: ' + ', '.join(told) if told else ''}."
    )


def _laws(split: pd.DataFrame) -> str:
    lambdas, given, orders = (split[split["quantity"] == q] for q in (LAMBDA, GIVEN, ORDER))
    off, off_given, out = missed(lambdas), missed(given), excluded(split)
    is_open = orders["flags"].str.contains(OPEN, regex=False)
    decided = orders[~is_open]
    right = int((decided["value"] == decided["exact"]).sum())
    rivals = int(decided["flags"].str.contains(RIVAL, regex=False).sum())
    plain = int(lambdas["flags"].eq("").sum())
    spread = np.sqrt((lambdas["z"] ** 2).mean())
    return (
        f"**λ and m.** A fit with the log term in it, averaged over every m and over what further poles of the zeta "
        f"function may do, gives λ within {WITHIN:g} of its errors for {len(lambdas) - len(off)} of {len(lambdas)} "
        f"members and regions (root mean square z {spread:.2f}){'; not so: ' + ', '.join(off) if off else ''}. Where "
        f"m is given, λ is within {WITHIN:g} errors for {len(given) - len(off_given)}"
        f"{'; not so: ' + ', '.join(off_given) if off_given else ''}. The fit decides for one m on {len(decided)} of "
        f"them, {right} times the right one; the exact m is "
        f"{'nowhere excluded' if not out else 'excluded on ' + ', '.join(out)}. m stays open on {int(is_open.sum())}: "
        "there the likeliest m is told, and λ averaged over all. "
        f"On {rivals} of the {len(decided)} decided ones a flag tells of another m that is unlikely and yet fits as "
        f"well, with another λ, if the next pole is near; {plain} of {len(lambdas)} carry no flag. Next poles nearer "
        f"to λ than {NEAREST:g} are not allowed for."
    )


def _slow(split: pd.DataFrame) -> str:
    """Compare the plain slope at the small end with λ: what the log term is for."""
    worst, found = "", 0.0
    for _, own in split.groupby(["problem", "region"], sort=False):
        curve = own[own["quantity"] == LOG_VOLUME].sort_values("epsilon")
        law = own[own["quantity"] == LAMBDA].iloc[0]
        half = curve[: max(2, len(curve) // 2)]
        slope = float(np.polyfit(np.log(half["epsilon"]), half["value"], 1)[0])
        gap = law["exact"] - slope
        if gap > found:
            worst, found = (
                f"{_name(law.to_dict())} has a straight-line slope of {slope:.3f} over the lower half of its curve, "
                f"down to ε = {curve['epsilon'].min():.0e}, where λ is {law['exact']:.3f}",
                gap,
            )
    if not worst:
        return "Without the log term slopes would not mislead here: none is below λ over the lower half of its curve."
    return f"Without the log term slopes would mislead, the more the larger m: {worst}."


def _ellipsoids(table: pd.DataFrame) -> str:
    ours = table[(table["method"] == "ellipsoid") & (table["quantity"] == LAMBDA)]
    edge, rest = ours[ours["value"].isna()], ours[ours["value"].notna()]
    right = rest[rest["value"] == rest["exact"]]
    wrong = rest[rest["value"] != rest["exact"]]
    curves = table[(table["method"] == "ellipsoid") & (table["quantity"] == LOG_VOLUME) & table["exact"].notna()]
    ends = curves.sort_values("epsilon").groupby("problem").first()
    ends = ends.assign(gap=ends["value"] - ends["exact"])
    good = ends[ends["gap"].abs() < CLOSE]
    bad = ends.drop(good.index).sort_values("gap", key=abs, ascending=False).reset_index()
    told = ", ".join(
        f"{r['problem']} by {r['gap']:.1f} nats at {r['epsilon']:.0e}" for r in bad.head(3).to_dict("records")
    )
    return (
        "**The ellipsoid of the Hessian** (positive eigenvalues of the Hessian at one optimum, flat directions left to "
        f"the whole prior) has the slope rank/2. That is λ on {len(right)} of {len(rest)} members "
        f"({', '.join(right['problem'])}) and not on {', '.join(wrong['problem'])}; on {', '.join(edge['problem'])} "
        f"the optimum lies on the edge of the prior and there is none. At the smallest ε it is within {CLOSE:g} nats "
        f"of the exact volume on {', '.join(good.index)}, and furthest off on {told}. "
        f"{_at_the_top(curves[curves['problem'].isin(good.index)])}".strip()
    )


def _at_the_top(curves: pd.DataFrame) -> str:
    """Return how far the ellipsoid is off at the largest ε, on members where it is right at the smallest."""
    if curves.empty:
        return ""
    large = curves.sort_values("epsilon").groupby("problem").last()
    gap = large["value"] - large["exact"]
    furthest = gap.abs().idxmax()
    where = f"on {furthest} it is {gap[furthest]:+.2f} nats off at ε = {large.loc[furthest, 'epsilon']:.2g}"
    if abs(gap[furthest]) > CLOSE:
        return f"A regular model does not save it at large ε: {where}."
    return f"On these it holds at large ε as well: {where} at most."


def _ladders(table: pd.DataFrame) -> str:
    ladder = table[(table["method"] == "ladder") & table["z"].notna()]
    exact, data = ladder[ladder["quantity"] == LOG_VOLUME], ladder[ladder["quantity"] == OF_DATA]
    plain = exact[exact["flags"] == ""]
    lost = table[(table["method"] == "ladder") & table["value"].isna()]
    reach = exact[exact["mcse"] < VAGUE].groupby("problem")[["epsilon", "n"]].min()
    told = ", ".join(f"{row['epsilon'] * row['n']:.1g}/n on {name}" for name, row in reach.iterrows())
    off = [f"{_name(r)} at ε = {r['epsilon']:.0e} (z = {r['z']:+.1f})" for r in _outside(plain).to_dict("records")]
    return (
        "**The draws of a ladder** give V too, each draw with its weight at β = 0. "
        f"{_agreement(exact, 'values of the volume of K from ladders')} {len(plain)} of them carry no flag, and "
        f"of these {len(plain) - len(off)} are within{'; not so: ' + ', '.join(off) if off else ''}. Draws at β = 1 "
        f"reach furthest down, to ε of about λ/n and, since there are thousands of them, some way below: the error is "
        f"less than {VAGUE:g} nats down to {told}. On {len(lost)} rows, further down, no draw is inside: no number is "
        f"given, and a flag says why. The volume of the data's own loss, L_n − L_n(w0), agrees "
        f"with splitting of that loss within {WITHIN:g} joint errors on {int((data['z'].abs() <= WITHIN).sum())} of "
        f"{len(data)} levels (root mean square z {np.sqrt((data['z'] ** 2).mean()):.2f})."
    )
