"""Is every exact learning coefficient of the catalogue right? Each is measured without the formula it came from.

Three routes lead to a number:

quadrature   log Z(t) = log ∫ φ exp(−t K) over twelve decades of t, exact to the error of its rule; λ and m from its
             decay. For models with a `population` integral.
charts       for networks of one hidden layer with truth 0: the linear programs of `vandermonde_charts`, which
             give λ and m without fitting anything.
splitting    log of the prior volume of {K < ε} by multilevel splitting, λ and m from how it vanishes, with a Monte
             Carlo error. For the others, and beside quadrature where that does not agree.

In the first and the last, the fits with m − 1, m, m + 1 are compared and λ is read off the one that wins. Formulas are
then held against each other exactly (reductions, invariances), far beyond the members.

    make validate-catalogue                               # all members; writes docs/catalogue/CHECKS.md and CHECKS.csv
    python benchmarks/validate_catalogue.py --models tanh-2 product --out /tmp/checks

A run goes on where it was stopped: the curves of finished members are read back from the folder
``out/validate-catalogue``, unless the model or the code that makes the curve has changed since.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib
import inspect
import json
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import catalogue_identities
import numpy as np
import pandas as pd
from checks_page import page
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from singular import analysis, models, posteriors
from singular.analysis import vandermonde_charts
from singular.analysis.asymptotics import MARGIN
from singular.analysis.volume_law import DECIDED
from singular.models.base import Model
from singular.models.catalogue import MODELS
from singular.models.description import describe
from singular.posteriors.store import write

SIZES = np.logspace(1, 13, 49)
TOLERANCES = (1e-6, 1e-5, 1e-4, 1e-3, 1e-2)
"""The curve of log Z is cut where its stated error grows beyond the first of these that leaves ten decades."""
DECADES = 10.0
"""Least length of a curve of log Z."""
LOWEST, LEVELS = 1e-14, 90
"""Splitting goes down to this ε, or until the volume has been halved this many times."""
LIGHTER = {"softmax-3-2": {"lowest": 1e-7, "particles": 1024}}
"""Model -> what is changed where K, here an integral over the plane, would take an hour."""
VAGUE = 0.05
"""A measurement whose error is more than this share of λ says too little to agree."""
SIGMAS = 3.0
"""Standard errors within which a measured volume agrees."""
BEYOND = tuple(
    models.reduced_rank(inputs, outputs, hidden, 0)
    for inputs in (1, 2)
    for outputs in (1, 2, 3, 4)
    for hidden in (1, 2, 3)
    if inputs <= outputs
) + tuple(models.monomial(exponents) for exponents in ([3], [1, 3], [2, 3], [3, 3], [1, 1, 2]))
"""Models beyond the members: exact coefficients by formula that a cheap integral can check."""


def decayed(frame: pd.DataFrame) -> dict[str, Any]:
    """Read λ and m off the decay of log Z(t)."""
    finite = np.isfinite(frame.log_z) & np.isfinite(frame.error_log_z)
    for tolerance in TOLERANCES:
        used = frame[np.logical_and.accumulate(finite & (frame.error_log_z < tolerance))]
        decades = math.log10(used.t.iloc[-1] / used.t.iloc[0]) if len(used) else 0.0
        if decades >= DECADES - 0.01:
            break
    row = {"decades": decades, "note": ""}
    if decades < DECADES - 0.01:
        return {**row, "note": f"log Z is known to {tolerance:g} over only {decades:.1f} decades"}
    fit = analysis.decay(used.t, used.log_z, used.error_log_z)
    return {
        **row, "value": fit.value, "error": fit.error, "m": fit.multiplicity, "decided": fit.decided,
        "scores": {e.multiplicity: e.score for e in fit.evidence},
        "values": {e.multiplicity: e.value for e in fit.evidence},
        "shares": {e.multiplicity: e.share for e in fit.evidence}, "limit": fit.error,
        "worst_error": float(used.error_log_z.max()),
    }  # fmt: skip


def grown(measured: analysis.Volume) -> dict[str, Any]:
    """Read λ and m off the prior volume of {K < ε}."""
    epsilon = measured.frame["epsilon"].to_numpy()
    row = {
        "decades": -math.log10(epsilon[-1]),
        "note": "; ".join(f for f in measured.flags if "no more levels" not in f),
    }
    if row["decades"] < 6:
        short = f"the volume is known over only {row['decades']:.1f} decades"
        return {**row, "note": "; ".join(filter(None, (short, row["note"])))}
    fit = analysis.growth(measured)
    return {
        **row, "value": fit.value, "error": fit.error, "m": fit.multiplicity, "decided": fit.decided,
        "scores": fit.deviance, "values": fit.values, "limit": SIGMAS * fit.error, "increments": fit.increments,
        "decades": fit.decades,
    }  # fmt: skip


def judged(model: Model, measured: dict[str, Any]) -> dict[str, Any]:
    """Return a measurement beside what the model claims, with a verdict."""
    known = model.exact or model.bound
    row = {
        "name": model.name, "family": model.family, "d": model.dim, "claim": "λ" if model.exact else "λ ≤",
        "claimed": str(known.value), "claimed_m": model.exact.multiplicity if model.exact else None, **measured,
    }  # fmt: skip
    if "value" not in measured:
        return {**row, "verdict": "not measured"}
    difference = measured["value"] - float(known.value)
    row["z"] = difference / measured["error"] if measured["error"] else math.inf * difference
    if measured["error"] > VAGUE * float(known.value):
        return {**row, "verdict": "too vague"}
    if model.bound is not None:
        return {**row, "verdict": "agrees" if difference <= measured["limit"] else "disagrees"}
    if abs(difference) > measured["limit"]:
        return {**row, "verdict": "disagrees"}
    if measured["m"] == model.exact.multiplicity and measured["decided"]:
        return {**row, "verdict": "agrees"}
    return {**row, "verdict": "agrees, m open" if _open(measured, model.exact.multiplicity) else "disagrees"}


def _open(measured: dict[str, Any], multiplicity: int) -> bool:
    """Whether this m is the measured one, or is not excluded."""
    scores = {int(m): score for m, score in measured["scores"].items()}
    if multiplicity not in scores:
        return False
    if measured["route"] == "splitting":
        return scores[multiplicity] - min(scores.values()) <= DECIDED
    return max(scores[multiplicity], 1.0) <= MARGIN * max(scores[measured["m"]], 1.0)


def integrated(model: Model) -> dict[str, Any]:
    """Return the curve of log Z(t), as JSON values."""
    return {"columns": posteriors.population(model, SIZES).to_dict("list")}


def split(model: Model) -> dict[str, Any]:
    """Return the curve of the volume of {K < ε}, as JSON values."""
    measured = analysis.volume(model, **{"lowest": LOWEST, "levels": LEVELS, **LIGHTER.get(model.name, {})})
    return {
        "columns": measured.frame.to_dict("list"), "curves": measured.curves.tolist(), "flags": list(measured.flags)
    }  # fmt: skip


CHARTED = {
    "tanh_network": lambda hidden, true_units: vandermonde_charts.charted(hidden, 2),
    "exponential_network": lambda hidden: vandermonde_charts.charted(hidden, 1),
    "radial_basis": lambda hidden, true_units: vandermonde_charts.charted_with_sum(hidden),
    "polynomial_network": lambda hidden, degree: vandermonde_charts.charted_with_sum(hidden, degree),
}
"""Family -> its arguments, with truth 0 -> λ and m by linear programs."""


def programmed(model: Model) -> dict[str, Any]:
    """Return λ and m of a network's charts, as JSON values."""
    value, multiplicity = CHARTED[model.builder](**model.arguments)
    return {"value": value, "m": multiplicity}


def solved(kept: dict[str, Any]) -> dict[str, Any]:
    """Read λ and m off the linear programs."""
    error = vandermonde_charts.SAME
    return {"value": kept["value"], "error": error, "limit": error, "m": kept["m"], "decided": True, "note": "",
            "scores": {kept["m"]: 0.0}}  # fmt: skip


@dataclass(frozen=True)
class Route:
    """A way to λ and m: a curve, which takes long and is kept, and what is read off it, which is done anew.

    Attributes
    ----------
    curve : Model -> JSON values
    read : (model name, JSON values) -> row
    rests_on : tuple of str
        The modules whose code makes the curve.
    """

    curve: Callable[[Model], dict[str, Any]]
    read: Callable[[str, dict[str, Any]], dict[str, Any]]
    rests_on: tuple[str, ...]


ROUTES = {
    "quadrature": Route(
        integrated, lambda name, kept: decayed(pd.DataFrame(kept["columns"])), ("singular.posteriors.quadrature",)
    ),
    "charts": Route(programmed, lambda name, kept: solved(kept), ("singular.analysis.vandermonde_charts",)),
    "splitting": Route(
        split,
        lambda name, kept: grown(
            analysis.Volume(pd.DataFrame(kept["columns"]), np.array(kept["curves"]), name, tuple(kept["flags"]))
        ),
        ("singular.analysis.moves", "singular.analysis.splitting"),
    ),
}


def routes(model: Model) -> list[str]:
    """Return the routes that are open to a model, the more exact first."""
    charts = model.builder in CHARTED and not model.arguments.get("true_units", 0)
    found = {"quadrature": model.population, "charts": charts or None, "splitting": model.excess_loss}
    return [name for name, means in found.items() if means is not None]


def curve(model: Model, route: str) -> dict[str, Any]:
    """Return a route's curve and the time it took; a failure is shown in the table, not hidden."""
    began = time.perf_counter()
    try:
        made = ROUTES[route].curve(model)
    except Exception as error:
        made = {"failure": f"{type(error).__name__}: {error}"[:200]}
    return {**made, "seconds": time.perf_counter() - began}


def check(name: str, route: str, kept: dict[str, Any]) -> dict[str, Any]:
    """Return what a route makes of a curve."""
    about = {"route": route, "seconds": kept["seconds"], "decades": 0.0}
    return {**about, "note": kept["failure"]} if "failure" in kept else {**about, **ROUTES[route].read(name, kept)}


def fingerprint(model: Model, route: str) -> str:
    """Return a hash of the model's description, its code and that of the route."""
    digest = hashlib.sha256(json.dumps(describe(model), sort_keys=True).encode())
    integral = model.population
    for function in filter(None, (model.excess_loss, *((integral.nodes, integral.log_likelihood) if integral else ()))):
        module = inspect.getmodule(function)
        digest.update(inspect.getsource(module).encode() if module else b"")
    for name in ROUTES[route].rests_on:
        digest.update(inspect.getsource(importlib.import_module(name)).encode())
    digest.update(f"{inspect.getsource(ROUTES[route].curve)}{SIZES}{LOWEST}{LEVELS}{LIGHTER.get(model.name)}".encode())
    return digest.hexdigest()[:16]


def _settled(rows: list[dict[str, Any]]) -> bool:
    """Whether a more exact route has measured the model and agrees; an m that it leaves open counts as agreement."""
    return any(row["verdict"].startswith("agrees") for row in rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="*", help="members to check (default: all with an exact value or a bound)")
    parser.add_argument("--out", type=Path, default=Path("docs/catalogue"), help="where CHECKS.md and CHECKS.csv go")
    parser.add_argument(
        "--work", type=Path, default=Path("out/validate-catalogue"), help="where finished members are kept"
    )
    parser.add_argument("--again", action="store_true", help="measure anew what is kept")
    parser.add_argument("--kept", action="store_true", help="measure nothing: write the page from what is kept")
    parser.add_argument("--no-beyond", action="store_true", help="leave out the models that are no members")
    arguments = parser.parse_args()
    members = [models.get(name) for name in arguments.models or MODELS]
    stated = [model for model in members if model.exact or model.bound]
    beyond = [] if arguments.no_beyond or arguments.models else [m for m in BEYOND if m.name not in MODELS]
    arguments.work.mkdir(parents=True, exist_ok=True)
    console = Console(stderr=True)
    columns = (TextColumn("{task.description:<34}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    rows: dict[str, list[dict[str, Any]]] = {model.name: [] for model in stated + beyond}
    with Progress(*columns, console=console) as progress:
        for route in ROUTES:
            open_to = [m for m in stated + beyond if route in routes(m) and not _settled(rows[m.name])]
            task = progress.add_task(route, total=len(open_to))
            for model in open_to:
                progress.update(task, description=f"{route}: {model.name}")
                path = arguments.work / f"{model.name}-{route}-{fingerprint(model, route)}.json"
                if arguments.again or not (path.exists() or arguments.kept):
                    write(path, json.dumps(curve(model, route), default=float))
                left_out = {"failure": "left out of this run", "seconds": 0.0}
                kept = json.loads(path.read_text()) if path.exists() else left_out
                row = judged(model, check(model.name, route, kept))
                rows[model.name].append({**row, "member": model.name in MODELS})
                said = f"{row['value']:.5f} ± {row['error']:.1g}, m = {row['m']}" if "value" in row else row["note"]
                console.print(f"{model.name}: {route}: {said}: {row['verdict']} ({row['seconds']:.0f} s)",
                              highlight=False, soft_wrap=True)  # fmt: skip
                progress.advance(task)
    table = pd.DataFrame([row for of_model in rows.values() for row in of_model])
    silent = [model.name for model in members if not (model.exact or model.bound)]
    arguments.out.mkdir(parents=True, exist_ok=True)
    write(arguments.out / "CHECKS.md", page(table, catalogue_identities.run(), silent))
    write(
        arguments.out / "CHECKS.csv",
        table.drop(columns=["shares"], errors="ignore").to_csv(index=False, float_format="%.8g"),
    )
    console.print(table[table.member].groupby("verdict").name.nunique().to_string())


if __name__ == "__main__":
    main()
