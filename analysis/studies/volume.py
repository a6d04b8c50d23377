"""The prior volume of {K < ε}: splitting, the draws of a ladder and a Hessian's ellipsoid, against exact volumes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from singular import models, posteriors
from singular.analysis.ellipsoid_volume import ellipsoid_volume
from singular.analysis.exact_volume import exact_volume, exactly_known
from singular.analysis.ladder_volume import ladder_volume
from singular.analysis.studies.volume_figure import draw
from singular.analysis.studies.volume_text import (
    COLUMNS,
    GIVEN,
    LAMBDA,
    LOG_VOLUME,
    OF_DATA,
    ORDER,
    REPLICATES,
    TRAIL,
    shown,
    text,
)
from singular.analysis.studies.workshop import Finding, Study, Workshop
from singular.analysis.volume import volume
from singular.analysis.volume_law import growth
from singular.errors import InputError
from singular.models.sufficient import equivalent_rows

if TYPE_CHECKING:
    from singular.analysis.volume import Volume
    from singular.models.base import Model

MEMBERS = (
    "tanh-2", "tanh-1", "reduced-rank-3-3-2-1", "hadamard-2-0", "linear-4", "linear-2", "half-line",
    "trinomial-boundary", "rank-deficient-2-1", "monomial-2", "monomial-1-2", "monomial-2-2", "product",
    "deep-linear-1-1-1-1-r0", "deep-linear-1-1-1-1-1-r0", "reduced-rank-2-2-1-0", "squares-2-0", "sum-of-powers-2-3",
    "two-wells", "line-and-dot",
)  # fmt: skip
REGIONS: Mapping[tuple[str, str], tuple[float, int]] = MappingProxyType(
    {
        ("two-wells", "sharp"): (1 / 2, 1),
        ("two-wells", "flat"): (1 / 4, 1),
        ("line-and-dot", "dot"): (1 / 4, 1),
        ("line-and-dot", "line"): (1 / 2, 1),
        ("product", "crossing"): (1 / 2, 2),
        ("product", "w1-axis"): (1 / 2, 1),
        ("reduced-rank-1-2-1-0", "A=0"): (1 / 2, 1),
        ("reduced-rank-1-2-1-0", "B=0"): (3 / 4, 1),
    }
)
"""Regions with their own λ and m: of normal crossings in them, and for A = 0 and B = 0 of Pr(C1 C2 < y, C1 < C2), C_i
a χ² variable of ν_i degrees of freedom, which goes as y^(ν_1/2) if ν_1 < ν_2 and as y^((ν_1 + ν_2)/4) if ν_1 > ν_2."""
HALVINGS, SHORTEST, LONGEST = 12.0, 9.0, 48.0
"""Decades of ε: so many over λ, which are 40 halvings of V, but no fewer and no more than these."""
RUN = {"particles": 1024, "replicates": REPLICATES}
LIGHTER = {"tanh-1": 12.0, "tanh-2": 12.0, "reduced-rank-3-3-2-1": 7.0}
"""Decades for members whose K costs more, or whose volume falls fast."""
SAMPLED = (("linear-2", 1000), ("product", 1000), ("two-wells", 200), ("reduced-rank-1-2-1-0", 1000))
FURTHER = 6.0
"""Decades below 1/n down to which ladders are asked: further than their draws reach."""
LADDER = {"chains": 4, "draws": 1000, "warmup": 300}


def split(name: str, region: str, seed: int) -> pd.DataFrame:
    """Return V of a member, or of a region of it, at each level of splitting; λ and m of it; and the ellipsoid's V."""
    model, own = models.get(name), region or None
    value, order = known_law(model, region)
    decades = LIGHTER.get(name, min(LONGEST, max(SHORTEST, HALVINGS / value)))
    measured = volume(model, lowest=10.0**-decades, seed=seed, region=own, **RUN)
    epsilon = measured.frame["epsilon"].to_numpy()
    exact = np.full(epsilon.shape, np.nan)
    if name in exactly_known() and (own is None or own in exactly_known()[name]):
        exact = exact_volume(model, epsilon, own)
    about = {"problem": name, "region": region, "d": model.dim}
    frames = [_rows(about | {"method": "splitting", "flags": "; ".join(measured.flags)}, measured.frame, exact)]
    frames.append(_laws(about, measured, value, order))
    if own is None:
        frames.append(_ellipsoid(about, model, epsilon, exact))
    return _whole(frames)


def known_law(model: Model, region: str) -> tuple[float, int]:
    """Return the exact λ and m of a member or, if one is named, of a region of it."""
    if region:
        return REGIONS[model.name, region]
    assert model.exact is not None
    return float(model.exact.value), model.exact.multiplicity


def laddered(name: str, n: int, seed: int) -> pd.DataFrame:
    """Return V from the draws of one ladder: that of K beside the exact one, that of L_n beside splitting's."""
    problem = models.problem(name, n=n, seed=seed)
    if set(problem.kwargs) == {"x", "y"}:
        problem = equivalent_rows(problem)
    assert problem.model is not None
    tree = posteriors.ladder(problem, seed=seed, progress=False, cores=1, **LADDER)
    epsilon = 10.0 ** -np.arange(0.0, math.log10(n) + FURTHER + 0.5)
    frames = []
    for region in ("", *(r for r in exactly_known()[name] if (name, r) in REGIONS)):
        about = {"problem": name, "region": region, "d": problem.dim, "n": n, "method": "ladder"}
        found = ladder_volume(tree, problem, epsilon, region or None, loss="excess")
        frames.append(_rows(about, found, exact_volume(problem.model, epsilon, region or None)))
    measured = volume(problem, lowest=1e-2 / n, seed=seed, **RUN)
    other = measured.frame
    found = ladder_volume(tree, problem, other["epsilon"].to_numpy())
    about = {"problem": name, "region": "", "d": problem.dim, "n": n, "method": "ladder"}
    frames.append(_rows(about, found, other["log_volume"].to_numpy(), other["mcse"].to_numpy(), OF_DATA))
    return _whole(frames)


def run(workshop: Workshop) -> Finding:
    """Measure every volume, and those that draws of ladders show."""
    jobs = [(name, "", workshop.seed) for name in MEMBERS] + [(*at, workshop.seed) for at in REGIONS]
    measured = workshop.parts(split, jobs)
    sampled = workshop.parts(laddered, [(name, n, workshop.seed) for name, n in SAMPLED])
    table = pd.concat([*measured, *sampled], ignore_index=True)
    return Finding(table, draw(table), text(table), shown(table))


def _whole(frames: list[pd.DataFrame]) -> pd.DataFrame:
    table = pd.concat(frames, ignore_index=True).reindex(columns=COLUMNS)
    return table.assign(decade=table["decade"].eq(True), flags=table["flags"].fillna(""))


def _rows(about: Mapping, frame: pd.DataFrame, exact, exact_error=0.0, quantity: str = LOG_VOLUME) -> pd.DataFrame:
    """Return a row for each ε; ``decade`` marks the one nearest to each power of ten."""
    rows = pd.DataFrame(
        {"quantity": quantity, "epsilon": frame["epsilon"], "value": frame["log_volume"], "mcse": frame["mcse"]}
    ).assign(exact=exact, exact_error=exact_error, **about)
    if "flags" in frame:
        rows["flags"] = frame["flags"]
    rows["z"] = (rows["value"] - rows["exact"]) / np.hypot(rows["mcse"], rows["exact_error"])
    logs = np.log10(rows["epsilon"].to_numpy())
    powers = np.arange(math.ceil(logs.min() - 0.5), math.floor(logs.max() + 0.5) + 1)
    nearest = {int(np.argmin(np.abs(logs - power))) for power in powers}
    rows["decade"] = [place in nearest for place in range(len(rows))]
    return rows


def _laws(about: Mapping, measured: Volume, value: float, order: int) -> pd.DataFrame:
    """Return λ and m by a fit with the log term, and λ where m is given."""
    fit, given = growth(measured), growth(measured, (order,))
    told = about | {"method": "splitting", "flags": "; ".join(fit.flags), "exact_error": 0.0}
    rows = [
        told | {"quantity": LAMBDA, "value": fit.value, "mcse": fit.error, "exact": value,
                "z": (fit.value - value) / fit.error},
        told | {"quantity": GIVEN, "value": given.value, "mcse": given.error, "exact": value,
                "z": (given.value - value) / given.error, "flags": "; ".join(given.flags)},
        told | {"quantity": ORDER, "value": float(fit.multiplicity), "exact": float(order)},
        told | {"quantity": TRAIL, "value": fit.deviance[order]},
    ]  # fmt: skip
    return pd.DataFrame(rows).assign(epsilon=float(measured.frame["epsilon"].min()))


def _ellipsoid(about: Mapping, model: Model, epsilon: np.ndarray, exact: np.ndarray) -> pd.DataFrame:
    """Return the ellipsoid's V at the same ε and its slope, flat directions left to the prior."""
    told = about | {"method": "ellipsoid"}
    try:
        found = ellipsoid_volume(model, epsilon, directions="positive")
    except InputError:
        why = "the optimum lies on the edge of the prior's support: there is no Hessian on the unconstrained space"
        return pd.DataFrame([told | {"quantity": LAMBDA, "exact": known_law(model, "")[0], "flags": why}])
    flags = "; ".join(found.flags)
    rows = _rows(told, found.frame.assign(mcse=np.nan), exact).assign(flags=flags)
    slope = told | {"quantity": LAMBDA, "value": found.slope, "exact": known_law(model, "")[0], "flags": flags}
    return pd.concat([rows, pd.DataFrame([slope])], ignore_index=True)


STUDY = Study("volume", "How fast the volume of good parameters vanishes", run)
