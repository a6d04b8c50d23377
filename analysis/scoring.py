"""A submission scored from its files: exact values, our own ladders beside it, tables and a picture."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from singular.analysis import cases
from singular.analysis.exported import exported_optimum, stem
from singular.analysis.figures import png
from singular.analysis.figures_score import score_figure
from singular.analysis.score import Asked, asked, by_family, by_problem, grouped, joined
from singular.analysis.study import check_target
from singular.analysis.submission import OURS, read_submissions
from singular.analysis.targets import (
    ASYMPTOTIC,
    LONG_CHAINS,
    LONG_DRAWS,
    LONG_SEED,
    LONG_WARMUP,
    ExactValue,
    exact_target,
    target_estimate,
)
from singular.errors import InputError, StoreError
from singular.posteriors import store
from singular.posteriors.localise import LocalProblem, localise

if TYPE_CHECKING:
    import xarray as xr

    from singular.models.problem import Problem


@dataclass(frozen=True)
class Score:
    """What a submission scored, and where it is written.

    Attributes
    ----------
    rows : DataFrame
        Every estimate beside its exact value (see `joined`), our own with the method ``singular``.
    families, problems : DataFrame
        Bias, RMSE, coverage and gradients: see `by_family` and `by_problem`.
    out, picture : Path
        The folder of ``rows.csv``, ``families.csv``, ``problems.csv`` and ``ladders/``; the picture.
    """

    rows: pd.DataFrame
    families: pd.DataFrame
    problems: pd.DataFrame
    out: Path
    picture: Path


@dataclass(frozen=True)
class Ladders:
    """Ladders by problem, sampled once and kept in a folder; the data seed is added to the sampler's."""

    folder: Path
    settings: cases.Settings
    prefix: str = ""
    progress: bool = False

    def __call__(self, problem: Problem) -> xr.DataTree:
        """Return the ladder of a problem, from the folder if the same one is there."""
        seed = problem.seed or 0
        local = f"-gamma{problem.gamma!r}" if isinstance(problem, LocalProblem) else ""
        path = self.folder / f"{self.prefix}{stem(problem.name, problem.n, seed)}{local}.nc"
        settings = replace(self.settings, seed=self.settings.seed + seed)
        return cases.sample(cases.Job(problem.name, problem.n, seed, settings, path), problem, self.progress)[0]


class _Subject:
    """One data set of the submission, with the point that excess and local coefficients are about."""

    def __init__(self, name: str, n: int, seed: int, exports: Path | None):
        self.name, self.exports = name, exports
        self.problem = cases.make_problem(name, n, seed)

    @cached_property
    def optimum(self) -> np.ndarray:
        given = None if self.exports is None else exported_optimum(self.exports, self.problem, self.name)
        return self.problem.reference.z if given is None else given

    def sampled(self, gamma: float | None) -> Problem:
        return self.problem if gamma is None else localise(self.problem, self.optimum, gamma)


def score(
    files: Sequence[Path | str],
    out: Path | str = "out/score",
    *,
    chains: int = 4,
    draws: int = 1000,
    warmup: int = 500,
    ours: bool = True,
    reference_draws: int = LONG_DRAWS,
    exports: Path | None = None,
    picture: Path | None = None,
    progress: bool = True,
    report: Callable[[str], None] | None = None,
) -> Score:
    """Score estimates made elsewhere against exact values, beside our own ladders on the same data.

    Parameters
    ----------
    files : sequence of path
        As for `read_submissions`.
    out : path
        Folder, made if it is not there. Ladders in it are taken again if problem, data, settings and version agree.
    chains, draws, warmup : int
        Of our own ladders.
    ours : bool
        Whether our own ladders are scored too. The asymptotic coefficient has no line of ours.
    reference_draws : int
        Draws of each of the 4 chains of a long ladder, which stands in where no value is exact.
    exports : path, optional
        Folder of exported problems: excess and local coefficients are then about the optimum written there, where
        there is one, and not about the one found anew.
    picture : path, optional
        PNG file; ``score.png`` in ``out`` if not given.
    progress : bool
        Show a progress line while sampling.
    report : callable, optional
        Gets a line of text for each data set.

    Returns
    -------
    Score

    Raises
    ------
    InputError
        If a row or an argument is not allowed: all rows are looked at first.
    StoreError
        If a file cannot be read or written.
    KeyboardInterrupt
        On Ctrl-C; ladders that were done are kept.
    """
    estimates = read_submissions(files)
    out = Path(out)
    picture = out / "score.png" if picture is None else Path(picture)
    ladders = out / "ladders"
    try:
        ladders.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(f"{ladders}: this folder cannot be made ({error.strerror or error})") from error
    for target in (out / "rows.csv", ladders / "any.nc", picture):
        check_target(target)
    if exports is not None and not os.path.isdir(exports):
        raise StoreError(f"{exports}: there is no such folder of exported problems")
    own = Ladders(ladders, cases.Settings(chains, draws, warmup), "", progress)
    long = Ladders(ladders, cases.Settings(LONG_CHAINS, reference_draws, LONG_WARMUP, LONG_SEED), "long-", progress)
    exact: dict[Asked, ExactValue] = {}
    lines: list[dict[str, Any]] = []
    subjects = list(grouped(estimates, ["problem", "n", "seed"]))
    for count, ((name, n, seed), rows) in enumerate(subjects, 1):
        if report is not None:
            report(f"[{count}/{len(subjects)}] {name}, n = {n}, seed {seed}")
        subject = _Subject(name, n, seed, exports)
        sources: dict[Asked, str] = {}
        for row in rows.to_dict("records"):
            sources.setdefault(asked(row), str(row["source"]))
        for key, source in sources.items():
            exact[key] = _exact(subject, key, source, long)
            if ours and key[3] != ASYMPTOTIC:
                lines.append(_own_line(subject, key, own))
    everything = pd.concat([estimates, pd.DataFrame(lines)], ignore_index=True) if lines else estimates
    everything = everything.assign(flags=everything["flags"].fillna("") if lines else "")
    table = joined(everything, exact)
    found = Score(table, by_family(table), by_problem(table), out, picture)
    for name, frame in (("rows", found.rows), ("families", found.families), ("problems", found.problems)):
        store.write(out / f"{name}.csv", frame.to_csv(index=False))
    store.write(picture, png(score_figure(found.rows, found.families)))
    return found


def _exact(subject: _Subject, key: Asked, source: str, long: Ladders) -> ExactValue:
    target, gamma = key[3:]
    needs_point = gamma is not None or target == "excess_coefficient"
    point = subject.optimum if needs_point else np.zeros(subject.problem.dim)
    try:
        return exact_target(subject.problem, target, gamma, point, long)
    except InputError as error:
        raise InputError(f"{source}: {error}") from error


def _own_line(subject: _Subject, key: Asked, own: Ladders) -> dict[str, Any]:
    from singular.analysis.excess_coefficient import nll_at

    name, n, seed, target, gamma = key
    problem = subject.sampled(gamma)
    tree = own(problem)
    reference = nll_at(subject.problem, subject.optimum) if target == "excess_coefficient" else 0.0
    estimate = target_estimate(tree, problem, target, reference)
    return {
        "problem": name,
        "n": n,
        "seed": seed,
        "target": target,
        "value": estimate.value,
        "error": estimate.mcse,
        "method": OURS,
        "gradients": float(tree.attrs["gradient_evaluations"]),
        "gamma": np.nan if gamma is None else gamma,
        "source": "own ladder",
        "flags": "; ".join(estimate.flags),
    }
