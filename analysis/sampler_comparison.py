"""Langevin samplers and NUTS on one problem, each bias in a column of its own, beside the exact value."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from singular.analysis.diagnostics import diagnostics
from singular.analysis.estimate import Estimate
from singular.analysis.richardson import richardson
from singular.analysis.sgld_coefficient import coefficient_of
from singular.analysis.targets import LOCAL, LONG_SEED, exact_target, target_estimate
from singular.analysis.thresholds import UNABLE
from singular.errors import SamplingError

if TYPE_CHECKING:
    import xarray as xr

    from singular.models.problem import Problem

SHARES = (2.0, 1.0, 0.5, 0.25)
"""Steps of SGLD, in units of the one at which MALA accepts `ACCEPTANCE` of its steps."""
ACCEPTANCE = 0.9
KIN = {"psgld": 0.5, "sghmc": 0.02, "sgnht": 0.02, "mala": 1.0, "underdamped": 0.1}
"""The other samplers and their step in the same units.

Explicit Euler steps with momentum need ε a below the share of its momentum that a step loses. psgld divides its step
by the root mean square gradient, about 1/√ε here, which is multiplied in."""
LONGEST = 4
"""Runs at small steps are longer, by 1/share, up to this factor."""
COLUMNS = (
    "problem", "n", "seed", "gamma", "sampler", "batch_size", "share", "step_size", "value", "mcse", "exact",
    "exact_error", "z", "discretisation_bias", "discretisation_error", "minibatch_bias", "minibatch_error",
    "localisation_bias", "localisation_error", "own_exact", "seen_bias", "gradients", "data_passes", "seconds", "ess",
    "rhat", "flags",
)  # fmt: skip
LONG_DRAWS, LONG_WARMUP = 2000, 500
"""Of each of 4 chains of a ladder that stands in for an exact value: half of what `exact_target` takes by itself."""
LadderOf = Callable[["Problem", bool], "xr.DataTree"]


class Size(NamedTuple):
    """How long each Langevin run is at the step that MALA chose; thinning and burn-in grow as the step falls."""

    chains: int = 16
    draws: int = 400
    thin: int = 5
    burn_in: int = 1000


def compare_samplers(
    problem: Problem,
    gammas: Sequence[float] = (0.0, 1.0, 100.0),
    batch_size: int | None = None,
    samplers: Sequence[str] = ("sgld", *KIN),
    size: Size | None = None,
    seed: int = 0,
    ladder_of: LadderOf | None = None,
    report: Callable[[str], None] | None = None,
) -> pd.DataFrame:
    """Measure β (E_β[nL_n] − nL_n(w*)) at β = 1/log n by every sampler, and take its error apart.

    Parameters
    ----------
    problem : Problem
        With n ≥ 3; w* is its maximum-likelihood point.
    gammas : sequence of float
        0 for the problem's own prior, else the precision of the prior N(w*, I/γ) in its place.
    batch_size : int, optional
        Of the minibatch runs; a tenth of n if not given.
    samplers : sequence of str
        SGLD runs at every share of the step, full batch and minibatch; the others at one step.
    size : Size, optional
    seed : int
        Of the Langevin samplers: each run has its own stream.
    ladder_of : callable, optional
        (problem, long) -> ladder: the NUTS ladders, long where one stands in for an exact value. To reuse stored ones.
    report : callable, optional
        Told what is being done.

    Returns
    -------
    DataFrame
        One row a run, `COLUMNS`. ``exact`` is that of the same functional: same data, β, γ and w*.
        ``discretisation_bias`` is value − exact of a full-batch run, ``minibatch_bias`` the value less that of the
        full-batch run at the same step, ``localisation_bias`` the exact value at γ less that under the model's own
        prior (``own_exact``): each with its error, beside ``mcse``. ``seen_bias`` is what the run itself tells of its
        bias (`unadjusted.step_bias`). ``seconds`` count compiling. Where the chains left there is no value, and
        ``flags`` say so.

    Raises
    ------
    InputError
        If n < 3, or a sampler or batch size is not allowed.
    """
    from singular.posteriors.langevin import localised
    from singular.posteriors.langevin_step import langevin_step_size

    size, report, ladder_of = size or Size(), report or (lambda _: None), ladder_of or sampled
    batch = batch_size or max(1, problem.n // 10)
    rows: list[dict[str, Any]] = []
    own = exact_target(problem, "excess_coefficient", sample=lambda p: ladder_of(p, True))
    for gamma in gammas:
        where, _ = localised(problem, gamma, None)
        target, told = (LOCAL, gamma) if gamma else ("excess_coefficient", None)
        report(f"{problem.name}, gamma {gamma:g}: exact value")
        exact = exact_target(problem, target, told, sample=lambda p: ladder_of(p, True)) if gamma else own
        about = {
            "problem": problem.name, "n": problem.n, "seed": problem.seed, "gamma": gamma, "exact": float(exact.value),
            "exact_error": exact.error, "own_exact": float(own.value),
            "localisation_bias": float(exact.value) - float(own.value),
            "localisation_error": math.hypot(exact.error, own.error) if gamma else 0.0,
        }  # fmt: skip
        report(f"{problem.name}, gamma {gamma:g}: NUTS")
        tree = ladder_of(where, False)
        nuts = _read(target_estimate(tree, where, target, problem.reference.nll), tree)
        rows.append(about | nuts | {"sampler": "NUTS local" if gamma else "NUTS ladder", "batch_size": problem.n})
        step = langevin_step_size(where, acceptance=ACCEPTANCE, chains=size.chains, seed=seed).step_size
        for sampler in samplers:
            found: list[dict[str, Any]] = []
            for share in SHARES if sampler == "sgld" else (KIN[sampler],):
                report(f"{problem.name}, gamma {gamma:g}: {sampler}, step x {share:g}")
                found += _runs(where, sampler, share, step, batch, size, seed, float(exact.value), exact.error)
            if sampler == "sgld":
                found.append(_extrapolated(found, problem.n))
            rows += [about | row for row in found]
    frame = pd.DataFrame(rows).reindex(columns=list(COLUMNS))
    frame["z"] = (frame["value"] - frame["exact"]) / np.hypot(frame["mcse"], frame["exact_error"])
    frame["flags"] = frame["flags"].fillna("")
    return frame


def _runs(where, sampler, share, step, batch, size: Size, seed, exact, exact_error) -> Iterator[dict[str, Any]]:
    """Yield the full-batch run of a sampler at one step, and the minibatch run beside it."""
    from singular.posteriors.langevin import langevin, own_seed
    from singular.posteriors.langevin_kernels import KERNELS

    epsilon = step * share * (1 / math.sqrt(step) if sampler == "psgld" else 1.0)
    times = min(LONGEST, max(1, round(1 / share)))
    whole: Estimate | None = None
    for place, rows in enumerate((where.n,) if KERNELS[sampler].adjusted else (where.n, batch)):
        row: dict[str, Any] = {"sampler": sampler, "batch_size": rows, "share": share, "step_size": epsilon}
        try:
            tree = langevin(
                where, None, epsilon, sampler=sampler, batch_size=rows, chains=size.chains, draws=size.draws,
                thin=size.thin * times, burn_in=size.burn_in * times, progress=False,
                seed=own_seed(seed, list(KERNELS).index(sampler), round(100 * share), place),
            )  # fmt: skip
        except SamplingError:
            yield row | {"flags": "chains left for infinity"}
            continue
        estimate = coefficient_of(tree, where)
        row |= _read(estimate, tree)
        if rows == where.n:
            whole = estimate
            row["discretisation_bias"] = estimate.value - exact
            row["discretisation_error"] = math.hypot(estimate.mcse, exact_error)
        elif whole is not None:
            row["minibatch_bias"] = estimate.value - whole.value
            row["minibatch_error"] = math.hypot(estimate.mcse, whole.mcse)
        yield row


def _read(estimate: Estimate, tree: xr.DataTree) -> dict[str, Any]:
    rung = diagnostics(tree).set_index("beta").loc[float(estimate.beta or 0.0)]
    gradients = float(tree.attrs["gradient_evaluations"])
    return {
        "value": estimate.value,
        "mcse": estimate.mcse,
        "seen_bias": estimate.discretisation_error,
        "gradients": gradients,
        "data_passes": float(tree.attrs.get("data_passes", gradients)),
        "seconds": float(tree.attrs["wall_time"]),
        "ess": float(rung["ess_bulk"]),
        "rhat": float(rung["rhat"]),
        "flags": "; ".join(estimate.flags),
    }


def _extrapolated(rows: Sequence[dict[str, Any]], n: int) -> dict[str, Any]:
    """Return the Richardson row of the full-batch SGLD runs up to the step that MALA chose."""
    used = [row for row in rows if row["batch_size"] == n and row["share"] <= 1 and "value" in row]
    about: dict[str, Any] = {"sampler": "sgld-richardson", "batch_size": n}
    if len(used) < 2:
        return about | {"flags": f"{UNABLE}: chains left for infinity"}
    points = [
        Estimate(row["value"], row["mcse"], "excess", "sgld", flags=tuple(filter(None, row["flags"].split("; "))))
        for row in used
    ]
    found = richardson(points, [row["step_size"] for row in used])
    if len(used) < sum(share <= 1 for share in SHARES):
        found = replace(found, flags=(*found.flags, f"{len(used)} steps only: at the larger ones chains left"))
    return about | {
        "value": found.value,
        "mcse": math.hypot(found.mcse, found.discretisation_error),
        "seen_bias": found.discretisation_error,
        "flags": "; ".join(found.flags),
        **{name: sum(row[name] for row in used) for name in ("gradients", "data_passes", "seconds")},
    }


def sampled(problem: Problem, long: bool, chains: int = 4, draws: int = 400, warmup: int = 200) -> xr.DataTree:
    """Return a NUTS ladder of a problem; a long one, on a seed far from the other's, stands in for an exact value."""
    from singular.posteriors.ladder import ladder

    if long:
        return ladder(problem, None, 4, LONG_DRAWS, LONG_WARMUP, LONG_SEED, progress=False)
    return ladder(problem, None, chains, draws, warmup, problem.seed or 0, progress=False)
