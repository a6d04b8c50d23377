"""Is every null direction of the Fisher information a symmetry? Null spaces of exact optima against the generators."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

from singular import models, posteriors
from singular.analysis.effective_dimension import effective_dimension
from singular.analysis.excess_coefficient import nll_at
from singular.analysis.fisher import along, informer, point_of
from singular.analysis.null_space import NullSpace, null_space
from singular.analysis.studies.cells import z_of
from singular.analysis.studies.symmetry_figure import draw
from singular.analysis.studies.symmetry_points import POINTS, parameters_at
from singular.analysis.studies.symmetry_text import shown, text
from singular.analysis.studies.workshop import Finding, Study, Workshop
from singular.models.problem import Problem
from singular.posteriors.precision import x64

N = 200
"""Observations whose covariates the information is a mean over."""
SAMPLED = (
    "linear-4", "softmax-3-2", "reduced-rank-2-2-2-1", "tanh-2-1", "relu-2-1", "mixture-2", "hidden-spin-3",
    "poisson-mixture-2",
)  # fmt: skip
OBSERVATIONS = 500
LADDER = {"chains": 4, "draws": 400, "warmup": 200}
DRAWS = 24
COLUMNS = (
    "study", "problem", "point", "n", "seed", "quantity", "method", "value", "mcse", "exact", "exact_error", "z",
    "flags",
)  # fmt: skip
KINDS = ("range", "generator", "left over")
"""Directions of an information: not null, spanned by the generators, null and not so."""


def at_point(name: str, point: str, seed: int) -> pd.DataFrame:
    """Return what the Fisher information at one optimum says, one row a number."""
    problem = models.problem(name, n=N, seed=seed)
    w = parameters_at(name, point)
    found = null_space(problem, w)
    rows = [
        ("d", "", problem.dim),
        ("rank", "", found.spectrum.rank),
        ("gap", "", found.spectrum.gap),
        ("null", "", found.spectrum.null.shape[1]),
        ("tangents", "", found.match.dimension),
        ("largest angle", "", found.match.largest_angle),
        ("left over", "", found.match.left_over.shape[1]),
        *((f"dimension of: {label}", "generator", size) for label, size in found.dimensions.items()),
    ]
    factor = found.information.factor / np.sqrt(problem.n)
    for kind, basis in zip(KINDS, (found.spectrum.range, found.match.explained, found.match.left_over), strict=True):
        rows += [("eigenvalue", kind, float(np.sum((factor @ v) ** 2))) for v in basis.T]
    for label, order in zip(found.names, found.orders, strict=True):
        rows += [
            ("order", f"straight along {label}", order.straight),
            ("order", f"reduced along {label}", order.reduced),
        ]
    if found.generic is not None:
        rows += [
            ("order", "generic straight", found.generic.straight),
            ("order", "generic reduced", found.generic.reduced),
        ]
    coefficient = local_coefficient(found)
    if coefficient is not None:
        rows.append(("coefficient", "½ rank + 1/order", coefficient))
    model = problem.model
    assert model is not None
    if model.exact is not None:
        rows.append(("coefficient", "exact λ of the model", float(model.exact.value)))
    ranks = _ranks_of_images(problem, w)
    rows += [
        ("discrete maps", "", len(ranks)),
        ("images of another rank", "", sum(r != found.spectrum.rank for r in ranks)),
    ]
    frame = pd.DataFrame(rows, columns=["quantity", "method", "value"])
    about = {"study": "symmetry", "problem": name, "point": point, "n": N, "seed": seed}
    empty = {"mcse": np.nan, "exact": np.nan, "exact_error": np.nan, "z": np.nan, "flags": "; ".join(found.flags)}
    return frame.assign(**about, **empty).reindex(columns=COLUMNS)


def local_coefficient(found: NullSpace) -> float | None:
    """Return ½ rank + 1/order if the generators leave one null direction, ½ rank if none, else None.

    It is the learning coefficient of a sum of squares plus one power, with the directions of the generators flat. That
    is what K is where the generators move the point to others of the same kind.
    """
    if len(found.orders) > 1 or any(math.isnan(order.reduced) for order in found.orders):
        return None
    return found.spectrum.rank / 2 + sum(1 / order.reduced for order in found.orders)


def _ranks_of_images(problem: Problem, w) -> list[int]:
    assert problem.model is not None
    with x64():
        inform = informer(problem)
        images = [move({k: np.asarray(v) for k, v in w.items()}) for move in problem.model.discrete_symmetries.values()]
        return [inform(point_of(problem, image)).spectrum.rank for image in images]


def counted(name: str, seed: int) -> pd.DataFrame:
    """Return the effective dimension of one model by each way, from one ladder, and the ranks along its posterior."""
    problem = models.problem(name, n=OBSERVATIONS, seed=seed)
    ladder = posteriors.ladder(problem, seed=seed, progress=False, cores=1, **LADDER)
    frame = effective_dimension(problem, ladder)
    spectra = along(ladder, problem, 1.0, draws=DRAWS).drop_duplicates(["chain", "draw"])
    unclear = int((~spectra["clear"]).sum())
    told = f"rank not clear at {unclear} of {len(spectra)} draws" if unclear else ""
    more = [("median rank over posterior draws", spectra["rank"].median(), told)]
    more.append(("least rank over posterior draws", spectra["rank"].min(), told))
    ranks = pd.DataFrame(more, columns=["method", "value", "flags"]).assign(mcse=np.nan, quantity="effective dimension")
    frame = pd.concat([frame, ranks], ignore_index=True)
    assert problem.model is not None and problem.model.optimum is not None
    about = {"study": "symmetry", "problem": name, "point": "posterior", "n": OBSERVATIONS, "seed": seed}
    frame = frame.assign(**about, exact=np.nan, exact_error=np.nan, z=np.nan)
    if problem.model.integral is not None:
        beta = 1 / math.log(problem.n)
        row = posteriors.quadrature(problem, [beta]).at(beta)
        exact = 2 * beta * (float(row["mean_nll"]) - nll_at(problem, problem.model.optimum))
        error = 2 * beta * float(row["error_mean_nll"])
        ours = frame["method"] == "2 λ by WBIC"
        value, mcse = (float(frame.loc[ours, column].iloc[0]) for column in ("value", "mcse"))
        frame.loc[ours, ["exact", "exact_error", "z"]] = exact, error, z_of(value, mcse, exact, error)
    return frame.reindex(columns=COLUMNS)


def run(workshop: Workshop) -> Finding:
    """Take every point, and a ladder of the models whose effective dimensions are compared."""
    drawn = workshop.parts(counted, [(name, workshop.seed) for name in SAMPLED])
    points = workshop.parts(at_point, [(name, point, workshop.seed) for name, point in POINTS])
    table = pd.concat([*points, *drawn], ignore_index=True)
    return Finding(table, draw(table), text(table), shown(table))


STUDY = Study("symmetry", "Symmetry: what the null space of the Fisher information is made of", run)
