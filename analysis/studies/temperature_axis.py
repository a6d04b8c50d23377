"""One axis of temperature for Bayes, SGLD, SGD and stopped descent: which of them read the same there?"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd

from singular import models
from singular.analysis.early_stopping import largest_ridge_ratio
from singular.analysis.figures_axis import draw
from singular.analysis.markdown import markdown
from singular.analysis.resolution_axis import ISOTROPIC, OWN, SGLD, STOPPED, TEMPERED, axis
from singular.analysis.studies.workshop import Finding, Study, Workshop
from singular.models.sufficient import equivalent_rows

MODELS = {"linear-4": "regular", "product": "singular"}
N = 200
TEMPERATURES = (0.005, 0.01, 0.03, 0.1, 0.3, 1.0)
SETTINGS = (
    {"learning_rate": 0.05, "batch_size": 4},
    {"learning_rate": 0.05, "batch_size": 1},
    {"learning_rate": 0.1, "batch_size": 2, "momentum": 0.5},
)
STEP, STOPS = 0.05, (20, 60, 200, 600, 2000)
SIZES = {"runs": 200, "chains": 64, "draws": 200}


NEAR, SIGMAS = 0.1, 3.0
"""A ratio is that of the tempered posterior, up to the bias of a step, within this part of 1 or this many errors."""
DIES = 0.5
"""Ratio below which noise is said to have died out."""
LEARNERS = (SGLD, STOPPED, ISOTROPIC, OWN)
"""In the order of their work, longest first."""


def learner(name: str, kind: str, seed: int) -> pd.DataFrame:
    """Return the rows of one learner; those of the tempered posterior come with SGLD's.

    What follows the mean loss of all data is run on as few rows as have the same gradients; minibatches need them all.
    """
    problem = models.problem(name, n=N, seed=seed)
    arguments: dict[str, Any] = {"sgld": kind == SGLD}
    if kind in (ISOTROPIC, OWN):
        noise = {"noise": "isotropic"} if kind == ISOTROPIC else {}
        arguments["settings"] = [{**one, **noise} for one in SETTINGS]
    if kind == STOPPED:
        arguments |= {"step_size": STEP, "steps": STOPS}
    if kind != OWN:
        problem = equivalent_rows(problem)
    found = axis(problem, TEMPERATURES if kind == SGLD else TEMPERATURES[:1], seed=seed, **arguments, **SIZES)
    table = found.table
    kept = table["kind"].isin([SGLD, TEMPERED] if kind == SGLD else [kind])
    return table[kept].assign(problem=name, route=found.route)


def run(workshop: Workshop) -> Finding:
    """Lay a regular and a singular model on the axis."""
    parts = workshop.parts(learner, [(name, kind, workshop.seed) for kind in LEARNERS for name in MODELS])
    table = pd.concat(parts, ignore_index=True).sort_values(
        by=["problem", "kind", "temperature"], kind="stable", ignore_index=True
    )
    axes = {name: (own, own["route"].iloc[0]) for name, own in table.groupby("problem")}
    return Finding(table, draw(axes), text(table), shown(table))


def text(table: pd.DataFrame) -> str:
    """Return the page, every number of it from the table."""
    flow, _ = largest_ridge_ratio()
    flagged = table[table["flags"] != ""]
    told = "\n".join(f"- {name} ({kind}): {_ratios(table, name)}" for name, kind in MODELS.items())
    return "\n\n".join(
        [
            "The claim under test: a learner that cannot see below its noise, or has not converged, meets "
            "pseudo-singularities: directions that make no difference at its resolution; the free-energy argument "
            "then applies at that resolution. If so, a temperature should say what each learner sees: T = 1/(nβ) of "
            "a tempered posterior and of SGLD, ησ²/(2B(1 − μ)) of SGD with gradient noise σ² the same in all "
            f"directions, 1/(τηN) of gradient descent stopped after N steps. n = {N}, prior N(0, I), one data set of "
            "each model.",
            "Each learner's excess coefficient, (E[L_n] − L_n(maximum likelihood))/T, is held against that of the "
            "tempered posterior, exact by quadrature; of stopped descent, which has no noise, half the effective "
            "parameters against half those of the tempered posterior. A direction that is seen counts ½, one that is "
            "not counts 0. Ratios to the tempered posterior, ± one Monte Carlo error, from the coldest to the "
            "hottest:",
            told,
            _holds(table),
            "**Where it needs a condition.** Stopped descent learns at 1/T = ηN what the tempered posterior learns "
            f"at T up to a factor, at most {flow:.4f} on a quadratic (for small steps): "
            f"{_largest(table, (STOPPED,))}. {_bound(table)}",
            _fails(table),
            f"{len(flagged)} of {len(table)} rows carry a flag (last column).",
        ]
    ) + "\n\n" + markdown(shown(table))  # fmt: skip


def _holds(table: pd.DataFrame) -> str:
    """Return whether the coefficient falls with T in both models, and whether learners with its noise lie on it."""
    tempered = table[table["kind"] == TEMPERED].sort_values(by="temperature").groupby("problem", sort=False)["value"]
    falls = bool((tempered.last() < tempered.first()).all())
    rows = table[table["kind"].isin([SGLD, ISOTROPIC])]
    off = (rows["ratio"] - 1).abs() > np.maximum(NEAR, SIGMAS * rows["ratio_error"])
    below = int((rows["ratio"] + SIGMAS * rows["ratio_error"] < 1).sum())
    seen = (
        "directions go out of sight one after the other, and no singularity is needed."
        if falls
        else "it does not fall in both, against what the claim says."
    )
    learners = (
        f"SGLD and SGD with isotropic noise lie on this curve up to the bias of their step, {NEAR:.0%} at most"
        if not off.any()
        else f"SGLD and SGD with isotropic noise are off this curve in {int(off.sum())} of {len(rows)} settings"
    )
    sign = "which is positive" if not below else f"which is negative in {below} settings"
    return (
        f"**{'Where the claim holds' if falls and not off.any() else 'Where the claim should hold'}.** The tempered "
        f"posterior's own coefficient, in the regular model and in the singular one: {_fall(table)}: {seen} "
        f"{learners}, {sign}: {_largest(table, (SGLD, ISOTROPIC))}."
    )


def _fails(table: pd.DataFrame) -> str:
    """Return what the model's own noise does in the regular and in the singular model."""
    told = []
    for name, kind in MODELS.items():
        rows = table[(table["problem"] == name) & (table["kind"] == OWN)]
        off = rows[(rows["ratio"] - 1).abs() > np.maximum(NEAR, SIGMAS * rows["ratio_error"])]
        dies = bool((rows["ratio"] < DIES).all())
        if off.empty:
            told.append(f"In the {kind} model it is that of the tempered posterior all the same.")
        elif dies:
            told.append(
                f"In the {kind} model the noise dies out where the loss is flat, and what is left of the runs' excess, "
                "less than half, is not that of any posterior tempered to this T."
            )
        else:
            told.append(
                f"In the {kind} model it is off in {len(off)} of {len(rows)} settings: on quadratics the coefficient "
                "tends to ½ tr H as η → 0, which is no count of directions."
            )
    fails = any("all the same" not in sentence for sentence in told)
    return (
        f"**{'Where it fails' if fails else 'Where it should fail'}.** A model's own minibatch noise has no "
        "temperature: its covariance follows the curvature and the residuals. Under the temperature that people read "
        f"off (σ² = 1, the variance of the observations' noise, with a weight decay of Tτ): {_largest(table, (OWN,))}. "
        + " ".join(told)
    )


def _bound(table: pd.DataFrame) -> str:
    """Return how the singular model stands to the bound of quadratics."""
    flow, _ = largest_ridge_ratio()
    told = []
    for name, kind in MODELS.items():
        rows = table[(table["problem"] == name) & (table["kind"] == STOPPED)]
        over = int((rows["ratio"] - 2 * rows["ratio_error"] > flow).sum())
        told.append(f"on {over} of {len(rows)} stops of the {kind} model")
    return f"The bound is exceeded by more than two errors {' and '.join(told)}."


def shown(table: pd.DataFrame) -> pd.DataFrame:
    """Return all rows as people read them."""

    def told(value: float, error: float) -> str:
        return "" if math.isnan(value) else f"{value:.3f}" if error < 5e-7 else f"{value:.3f} ± {error:.3f}"

    columns = {"value": "mcse", "gibbs": "gibbs_error", "ratio": "ratio_error"}
    numbers = {
        name: [told(v, e) for v, e in zip(table[name], table[error].fillna(0.0), strict=True)]
        for name, error in columns.items()
    }
    return pd.DataFrame(
        {
            "model": table["problem"],
            "learner": table["kind"],
            "setting": table["setting"],
            "T": table["temperature"].map("{:.3g}".format),
            "value": numbers["value"],
            "tempered posterior": numbers["gibbs"],
            "ratio": numbers["ratio"],
            "flags": table["flags"],
        }
    )


def _ratios(table: pd.DataFrame, name: str) -> str:
    parts = []
    for kind in (SGLD, ISOTROPIC, OWN, STOPPED):
        rows = table[(table["problem"] == name) & (table["kind"] == kind)].sort_values(by="temperature")
        each = [
            f"{r.ratio:.2f}" if r.ratio_error < 5e-7 else f"{r.ratio:.2f} ± {r.ratio_error:.2f}"
            for r in rows.itertuples()
        ]
        parts.append(f"{kind} {', '.join(each)}")
    return "; ".join(parts) + "."


def _fall(table: pd.DataFrame) -> str:
    parts = []
    for name, kind in MODELS.items():
        rows = table[(table["problem"] == name) & (table["kind"] == TEMPERED)].sort_values(by="temperature")
        cold, hot = rows.iloc[0], rows.iloc[-1]
        parts.append(
            f"{name} ({kind}) from {cold['value']:.3f} at T = {cold['temperature']:g} to {hot['value']:.3f} at "
            f"{hot['temperature']:g}"
        )
    return ", ".join(parts)


def _largest(table: pd.DataFrame, kinds: tuple[str, ...]) -> str:
    parts = []
    for name in MODELS:
        rows = table[(table["problem"] == name) & table["kind"].isin(kinds)]
        low, high = (rows.loc[index] for index in (rows["ratio"].idxmin(), rows["ratio"].idxmax()))
        parts.append(f"{name} {low['ratio']:.2f} to {high['ratio']:.2f}")
    return "ratios of " + ", ".join(parts)


STUDY = Study("temperature-axis", "One axis of temperature for Bayes, SGLD, SGD and early stopping", run)
