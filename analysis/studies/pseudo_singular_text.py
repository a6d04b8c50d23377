"""The page of the study of pseudo-singular models, every number of it from the table."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

from singular.analysis.markdown import markdown
from singular.analysis.studies.cells import WITHIN
from singular.analysis.studies.pseudo_singular_laws import HALF, LEARNERS, SPECTRA

GIBBS, HOT, EARLY, STOPPED, HESSIAN = LEARNERS
FACTOR = 2.0
"""Within which a direction is said to come into sight where the rule puts it."""
SLOPE = 1.5
"""Power of h from which the floor of a regular neighbour is said not to follow the rule, whose power is 1."""


def text(table: pd.DataFrame) -> str:
    """Return the page."""
    return "\n\n".join(
        [
            _claim(),
            _partings(table[table["part"] == "parting"]),
            _seen(table),
            _own(table),
            _product(table),
            _verdict(table),
            markdown(shown(table)),
        ]
    )


def shown(table: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of runs as people read them."""
    rows = table[table["part"] == "runs"].sort_values(
        by=["noise", "temperature", "problem"], ascending=[True, False, True]
    )
    return pd.DataFrame(
        {
            "model": rows["problem"],
            "learner": rows["noise"],
            "resolution T": rows["temperature"].map("{:g}".format),
            "steps": rows["steps"].map("{:,.0f}".format),
            "coefficient": [f"{v:.4f} ± {e:.4f}" for v, e in zip(rows["value"], rows["mcse"], strict=True)],
            "exact": ["" if np.isnan(v) else f"{v:.4f}" for v in rows["exact"]],
            "z": ["" if np.isnan(v) else f"{v:+.1f}" for v in rows["z"]],
            "Gibbs": ["" if np.isnan(v) else f"{v:.4f}" for v in rows["gibbs"]],
            "flags": rows["flags"],
        }
    )


def told_apart(table: pd.DataFrame, first: str, second: str, learner: str) -> tuple[list[float], list[float]]:
    """Return the resolutions of runs at which two models differ by more than `WITHIN` errors, and the others."""
    rows = table[(table["part"] == "runs") & (table["noise"] == learner)]
    one, other = (rows[rows["problem"] == name].set_index("temperature") for name in (first, second))
    apart: list[float] = []
    alike: list[float] = []
    for t in sorted(set(one.index) & set(other.index)):
        gap = one.at[t, "value"] - other.at[t, "value"]
        error = math.hypot(one.at[t, "mcse"], other.at[t, "mcse"])
        (apart if abs(gap) > WITHIN * error else alike).append(float(t))
    return apart, alike


def _claim() -> str:
    return (
        "**The claim.** Singularities are not needed for singular behaviour: a learner that cannot see below its "
        "noise, "
        "or that has not converged, meets a loss in which directions of small curvature make no difference. Here a "
        f"regular regression with curvatures {', '.join(f'{h:g}' for h in SPECTRA['regular'])} stands beside singular "
        "ones in which the last, or the last two, are exactly 0, and a regular neighbour beside the product model. "
        "Prior and weight decay have τ = 1 throughout. What is compared is the coefficient that a learner reads at its "
        f"resolution T. *Parted* means two things: exactly, that a direction adds {HALF:g}, half of the ½ that it "
        f"adds in "
        f"the end; and in runs, that two models differ by more than {WITHIN:g} errors."
    )


def _partings(rows: pd.DataFrame) -> str:
    lines = []
    for learner in LEARNERS:
        own = rows[(rows["noise"] == learner) & rows["problem"].str.startswith("direction")]
        each = ", ".join(
            f"h = {r['gibbs']:g}: "
            + (r["flags"] if np.isnan(r["value"]) else f"T = {r['value']:.3g} ({r['ratio']:.3f} h/τ)")
            for r in own.to_dict("records")
        )
        lines.append(f"- {learner}: {each}")
    return (
        "**Where a direction comes into sight**, exact (upper row and lower middle). The prediction is T = h/τ. For "
        "the "
        "learners that stop early T stands for 1/(ηN) (descent) and 1/(2ηN) (SGD from the optimum, without decay); the "
        "factor there is 1/ln 2 = 1.443 for small steps:\n\n" + "\n".join(lines)
    )


def _seen(table: pd.DataFrame) -> str:
    held = table[(table["part"] == "runs") & table["z"].notna()]
    inside = int((held["z"].abs() <= WITHIN).sum())
    lines = []
    for learner in (HOT, STOPPED):
        for second, h in (("rank 1", SPECTRA["regular"][1]), ("rank 2", SPECTRA["regular"][2])):
            apart, alike = told_apart(table, "regular", second, learner)
            lines.append(
                f"- {learner}, regular against {second} (largest curvature that differs: {h:g}): told apart at T = "
                f"{_listed(apart)}; alike at {_listed(alike)}"
            )
    return (
        f"**In runs** (upper middle and upper right). {inside} of {len(held)} coefficients are within {WITHIN:g} "
        f"errors "
        f"of the exact law of the same steps (root mean square z {np.sqrt((held['z'] ** 2).mean()):.2f}, largest "
        f"{held['z'].abs().max():.1f}):\n\n"
        + "\n".join(lines)
        + "\n\nWith more runs the errors shrink and models are told apart further up: at T ≫ h/τ the difference is "
        "½ h/(Tτ), small but never 0. Indistinguishable always means: by so many observations of the loss."
    )


def _listed(values: list[float]) -> str:
    return ", ".join(f"{v:g}" for v in values) or "none"


def _own(table: pd.DataFrame) -> str:
    curves = table[(table["part"] == "curve") & (table["noise"] == HESSIAN)]
    wide = curves.pivot(index="temperature", columns="problem", values="value")
    gaps = wide["regular"] - wide["rank 1"]
    none = bool(gaps.max() < HALF)
    return (
        f"**{'A floor that is none' if none else 'A floor'}** (lower left). If the noise of the gradient is "
        "proportional to the Hessian, as that "
        "of "
        "minibatches of a well-specified model at its optimum is, a direction adds at most about h/2 and never ½: the "
        f"regular model and that of rank 1 differ by {gaps.min():.2g} to {gaps.max():.2g} over all T "
        "from 1 down to 1e-6. "
        + (
            "A small curvature is out of sight for good, at any learning rate over batch size. The regular model does "
            "look singular, yet no resolution changes that: T is not a resolution here."
            if none
            else f"That passes {HALF:g}: the direction comes into sight here too, and T is a resolution."
        )
    )


def _product(table: pd.DataFrame) -> str:
    rows = table[(table["part"] == "parting") & table["problem"].str.startswith("near-product")]
    each = "; ".join(
        f"ε = {r['problem'].removeprefix('near-product-')}: T = {r['value']:.3g} = {r['ratio']:.3f} h = "
        f"{r['value'] / r['gibbs'] ** 2:.2f} h²"
        for r in rows.sort_values(by="gibbs", ascending=False).to_dict("records")
    )
    name = "near-product-0.1"
    apart, alike = told_apart(table, name, "product", HOT)
    runs = table[(table["part"] == "runs") & table["problem"].isin(["product", name])]
    lost = int(runs["flags"].str.contains("left for infinity").sum())
    return (
        "**A regular neighbour of a singular model** (lower right). K = ½ (w1² w2² + ε² (w1² + w2²)) has one "
        "optimum with both curvatures h = ε²; its coefficient is 1, the product's (ε = 0) is ½. By the rule the two "
        f"should part at T = h/τ. A difference of {HALF:g} comes at {each}. {_right(table)} At T about h "
        "the weights along either axis come to be bounded by ε and no longer by the prior. That turns the "
        "logarithm in the product's volume round, a slow change, but its power of T stays ½. The quadratic about the "
        "optimum holds only where w⁴ is less than ε² w², with w² about T/h: below T about h². Curvature at the optimum "
        "tells the floor only if the loss is quadratic out "
        f"to where T reaches. SGD with isotropic noise agrees: ε = 0.1 and the product differ by more than {WITHIN:g} "
        f"errors at T = {_listed(apart)}; alike at {_listed(alike)}. Their ratio to the Gibbs value is "
        f"{runs['ratio'].min():.3f} to {runs['ratio'].max():.3f} at this step size; {lost} of {len(runs)} of these "
        "ensembles lost runs that started far out, and are flagged."
    )


def rule(table: pd.DataFrame) -> tuple[list[str], list[str], list[str]]:
    """Return the learners to which a direction comes at T = h/τ within a factor of two, elsewhere, and never."""
    rows = table[(table["part"] == "parting") & table["problem"].str.startswith("direction")]
    there: list[str] = []
    elsewhere: list[str] = []
    never: list[str] = []
    for learner in LEARNERS:
        ratio = rows.loc[rows["noise"] == learner, "ratio"]
        near = ratio.between(1 / FACTOR, FACTOR).all()
        (never if ratio.isna().any() else there if near else elsewhere).append(learner)
    return there, elsewhere, never


def power(table: pd.DataFrame) -> float:
    """Return p of T ∝ h^p, T where the regular neighbours part from the product, between the two least h."""
    rows = table[(table["part"] == "parting") & table["problem"].str.startswith("near-product")]
    low, high = (row for _, row in rows.nsmallest(2, "gibbs").sort_values(by="gibbs").iterrows())
    return math.log(high["value"] / low["value"]) / math.log(high["gibbs"] / low["gibbs"])


def _right(table: pd.DataFrame) -> str:
    """Return for which regular neighbours of the product the rule T = h/τ is right, within `FACTOR`."""
    rows = table[(table["part"] == "parting") & table["problem"].str.startswith("near-product")]
    near = rows[rows["ratio"].between(1 / FACTOR, FACTOR)]["problem"].str.removeprefix("near-product-")
    if len(near) == len(rows):
        return f"So the rule is right to a factor of {FACTOR:g} for every ε."
    return (
        f"So the rule is right to a factor of {FACTOR:g} for ε = {', '.join(near) or 'none'} only; between the least ε "
        f"T goes with h to the power {power(table):.2f}, and the rule is wrong by up to {1 / rows['ratio'].min():,.0f}."
    )


def _names(learners: list[str]) -> str:
    return "; ".join(f"*{learner}*" for learner in learners)


def _verdict(table: pd.DataFrame) -> str:
    there, elsewhere, never = rule(table)
    rows = table[(table["part"] == "parting") & table["problem"].str.startswith("direction")]
    furthest = rows.loc[rows["noise"].isin(there), "ratio"].max()
    held = (
        f"holds for {_names(there)}, up to a factor of {furthest:.2f}: what lies below the floor is flat, and a "
        "regular model is as good as singular there."
        if there
        else "holds for none of these learners."
    )
    steep = power(table)
    condition = (
        f"It needs a condition: the floor is at T = h/τ for quadratic losses; near a singularity it is lower: by the "
        f"mark of a quarter a regular neighbour comes apart at T of the order of h to the power {steep:.2f}, although "
        "enough runs see some difference before."
        if steep > SLOPE
        else f"Near a singularity the floor is where it is on quadratics, T ∝ h to the power {steep:.2f}."
    )
    fails = []
    if elsewhere:
        fails.append(f"for {_names(elsewhere)} the floor is elsewhere by more than a factor of {FACTOR:g}.")
    if never:
        fails.append(
            f"It fails for {_names(never)}, as noise of a model's own minibatches about is: the weight of a "
            "direction is its curvature at every temperature, so there is no resolution at which it comes into sight."
        )
    failed = " ".join(fails) or "It fails for none of the learners."
    return (
        f"**So the claim** {held} {condition} {failed[0].upper() + failed[1:]} And it is a statement about a finite "
        "resolution: the learning coefficient of a regular model stays d/2, since for any T below all of the floors "
        "every direction counts."
    )
