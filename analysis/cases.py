"""One ladder of a study, from the problem's name to its numbers; taken from the store where it is there."""

from __future__ import annotations

import hashlib
import inspect
import json
import math
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

import singular
from singular.analysis import figures, figures_diagnostics
from singular.analysis.diagnostics import diagnostics, round_trips
from singular.analysis.draws import read_draws, rung_betas
from singular.analysis.estimate import monte_carlo_error
from singular.analysis.every_number import FINE, LOWEST, regression_points, tidy
from singular.analysis.further import Further, further
from singular.analysis.learning_coefficient import effective_learning_coefficient
from singular.analysis.summary import summary
from singular.errors import StoreError, unknown_name
from singular.models import catalogue, real
from singular.models.problem import Problem
from singular.posteriors import store
from singular.posteriors.kernels import kernel_of
from singular.posteriors.ladder import ladder
from singular.posteriors.layout import rung
from singular.posteriors.precision import x64
from singular.posteriors.quadrature import Exact, quadrature


@dataclass(frozen=True)
class Settings:
    """How ladders are sampled: the arguments of ``posteriors.ladder``."""

    chains: int = 4
    draws: int = 1000
    warmup: int = 500
    seed: int = 0
    betas: tuple[float, ...] | None = None


@dataclass(frozen=True)
class Job:
    """A problem by name, how to sample it and where its ladder is kept.

    Attributes
    ----------
    name : str
        A catalogue name or one of ``real.NAMES``.
    n, data_seed : int
        Of the simulated data; without meaning for real data.
    settings : Settings
    path : Path
        The ladder's file.
    """

    name: str
    n: int
    data_seed: int
    settings: Settings
    path: Path

    def problem(self) -> Problem:
        """Make the problem: real data if the name is one of theirs, else a catalogue model."""
        return make_problem(self.name, self.n, self.data_seed)


@dataclass(frozen=True)
class Outcome:
    """What a study keeps of one ladder besides its draws.

    Attributes
    ----------
    job : Job
    n, dim : int
    learning_coefficient, multiplicity : float or None, int or None
        Where known exactly.
    reference : float
        nL_n at the maximum-likelihood point, nats.
    reference_flags : tuple of str
    phases : DataFrame
        Shares of the named regions at β = 1: ``phase``, ``value``, ``mcse``, ``exact``.
    rows : DataFrame
        Tidy: every number with its error and the exact value.
    further : Further
        Predictive criteria, other priors, all learning coefficients.
    rungs : DataFrame
        Diagnostics, one row for each rung.
    invariants : DataFrame
        R̂ and ESS at β = 1 of functions that do not depend on how units or components are labelled.
    between : DataFrame
        λ_eff between the rungs, from the draws of all of them by MBAR.
    curve : DataFrame or None
        The exact numbers on a fine grid of β.
    round_trips : str
        Replicas that went from the prior to the top and back, for each chain; empty if unknown.
    picture : bytes
        PNG of the diagnostics.
    facts : mapping
        Root attributes of the ladder.
    seconds : float
        Time that sampling took here; 0 if the ladder was in the store.
    stored : bool
        Whether the ladder came from the store.
    """

    job: Job
    n: int
    dim: int
    learning_coefficient: float | None
    multiplicity: int | None
    reference: float
    reference_flags: tuple[str, ...]
    phases: pd.DataFrame
    rows: pd.DataFrame
    further: Further
    rungs: pd.DataFrame
    invariants: pd.DataFrame
    between: pd.DataFrame
    curve: pd.DataFrame | None
    round_trips: str
    picture: bytes
    facts: Mapping[str, Any]
    seconds: float
    stored: bool

    @property
    def wbic_beta(self) -> float:
        """1/log n."""
        return 1 / math.log(self.n)

    @property
    def bic(self) -> float:
        """BIC on the scale of F: nL_n(ŵ) + d/2 log n, nats."""
        return self.reference + self.dim / 2 * math.log(self.n)

    @property
    def free_energy(self) -> pd.Series:
        """The row of F_n(1) by MBAR."""
        return self.number("free_energy", "mbar")

    @property
    def wbic(self) -> pd.Series:
        """The row of WBIC."""
        return self.number("wbic", "wbic")

    @property
    def lambda_eff(self) -> pd.Series:
        """The row of λ_eff at β = 1/log n, from the draws of all rungs."""
        return self.number("learning_coefficient", "mbar")

    @property
    def flags(self) -> str:
        """Every reason to distrust what was read off the draws, joined."""
        joined = (str(row["flags"]) for row in (self.free_energy, self.wbic, self.lambda_eff))
        found = "; ".join(joined).split("; ")
        return "; ".join(dict.fromkeys(flag for flag in found if flag))

    @property
    def bic_flags(self) -> str:
        """Every reason to distrust BIC, joined."""
        return "; ".join(self.reference_flags)

    @property
    def worst(self) -> dict[str, Any]:
        """The worst rung of the ladder in each respect."""
        settings = json.loads(self.facts["settings"])
        return {
            "problem": self.job.name,
            "n": self.n,
            "rungs": len(self.rungs),
            "rhat": self.rungs["rhat"].max(),
            "ess_bulk": self.rungs["ess_bulk"].min(),
            "swap_acceptance": self.rungs["swap_acceptance"].min(),
            "divergences": self.rungs["diverging"].max() / (settings["chains"] * settings["draws"]),
        }

    def number(self, quantity: str, method: str) -> pd.Series:
        """Return the tidy row of one number."""
        return self.rows[(self.rows["quantity"] == quantity) & (self.rows["method"] == method)].iloc[0]

    def curve_of(self, quantity: str, method: str = "rung") -> pd.DataFrame:
        """Return the tidy rows of one quantity over β, ascending."""
        kept = (self.rows["quantity"] == quantity) & (self.rows["method"] == method)
        return self.rows.loc[kept].sort_values(by="beta")


def make_problem(name: str, n: int = 500, seed: int = 0) -> Problem:
    """Return a real problem (``galaxies-3``, ``nile-2``) or a catalogue one with simulated data.

    Raises
    ------
    InputError
        If no problem has this name; the message lists the names of both kinds.
    """
    if name in real.NAMES:
        return real.problem(name)
    if name not in catalogue.MODELS:
        raise unknown_name("model", name, [*catalogue.MODELS, *real.NAMES])
    return catalogue.problem(name, n=n, seed=seed)


def exact_numbers(problem: Problem, betas: np.ndarray) -> Exact | None:
    """Return the oracle's numbers at ``betas``, or None for a problem without one."""
    if problem.model is None or problem.model.integral is None:
        return None
    return quadrature(problem, betas)


def fingerprint(problem: Problem, settings: Settings) -> str:
    """Return, as JSON, all that decides a ladder's draws: the model's program, the data, settings and version.

    Two problems of one name differ here if their data, density or prior do; so do two samplers if a default differs, or
    the kernel that the problem gets by itself, its moves and its block.
    """
    with x64():
        texts = (problem.parts.split.text, kernel_of(problem).text)
    program = hashlib.sha256("\n".join(texts).encode()).hexdigest()[:16]
    defaults = {name: repr(p.default) for name, p in inspect.signature(ladder).parameters.items()}
    facts = {
        "defaults": defaults,
        "problem": problem.name,
        "n": problem.n,
        "data": problem.data_hash,
        "program": program,
    }
    return json.dumps({**facts, **asdict(settings), "singular": singular.__version__}, sort_keys=True)


def stored(path: Path, wanted: str) -> xr.DataTree | None:
    """Return the ladder in ``path`` if it is whole and its fingerprint is ``wanted``, else None."""
    if not path.exists():
        return None
    try:
        tree = store.load(path)
    except StoreError:
        return None
    return tree if tree.attrs.get("fingerprint") == wanted and tree.attrs.get("complete") == 1 else None


def sample(job: Job, problem: Problem, progress: bool = False, cores: int | None = None) -> tuple[xr.DataTree, bool]:
    """Return the job's ladder and whether it was in the store; a new one is stored before it is returned.

    Raises
    ------
    KeyboardInterrupt
        If sampling was interrupted; the part that was sampled is not stored as a whole one.
    """
    wanted = fingerprint(problem, job.settings)
    tree = stored(job.path, wanted)
    if tree is not None:
        return tree, True
    s = job.settings
    betas = None if s.betas is None else list(s.betas)
    tree = ladder(problem, betas, s.chains, s.draws, s.warmup, s.seed, progress, cores=cores)
    if not tree.attrs["complete"]:
        raise KeyboardInterrupt
    tree.attrs["fingerprint"] = wanted
    store.save(tree, job.path)
    return tree, False


def run(job: Job, progress: bool = False, cores: int | None = None) -> Outcome:
    """Sample one job, or take it from the store, and read off every number.

    Parameters
    ----------
    job : Job
    progress : bool
        Show a progress line while sampling.
    cores : int, optional
        Chains sampled at once.

    Returns
    -------
    Outcome
    """
    problem = job.problem()
    started = time.perf_counter()
    tree, was_stored = sample(job, problem, progress, cores)
    seconds = 0.0 if was_stored else time.perf_counter() - started
    betas = rung_betas(tree)
    between = np.geomspace(min(float(betas[1]), LOWEST), 1.0, FINE)
    exact = exact_numbers(problem, np.unique([*betas, *regression_points(read_draws(tree)), *between]))
    more = further(tree, problem, None if exact is None else exact.frame)
    rungs, trips = diagnostics(tree), round_trips(tree)
    top = tree["sample_stats"].dataset["nll"].to_numpy()[..., -1]
    known = problem.model.exact if problem.model is not None else None
    return Outcome(
        job=job,
        n=problem.n,
        dim=problem.dim,
        learning_coefficient=None if known is None else float(known.value),
        multiplicity=None if known is None else known.multiplicity,
        reference=float(problem.reference.nll),
        reference_flags=problem.reference.flags or (("unbounded likelihood",) if real.unbounded(job.name) else ()),
        phases=phase_shares(tree, problem, None if exact is None else exact.frame),
        rows=tidy([summary(tree, problem, exact), *more.rows()]),
        further=more,
        rungs=rungs,
        invariants=invariants(tree, problem),
        between=effective_learning_coefficient(tree, np.geomspace(float(betas[1]), 1.0, FINE), method="mbar"),
        curve=None if exact is None else exact.frame,
        round_trips="" if trips is None else ", ".join(map(str, trips)),
        picture=figures.png(figures_diagnostics.ladder(job.path.stem, rungs, top)),
        facts={str(k): v for k, v in tree.attrs.items()},
        seconds=seconds,
        stored=was_stored,
    )


def phase_shares(tree: xr.DataTree, problem: Problem, exact: pd.DataFrame | None) -> pd.DataFrame:
    """Return the share of posterior mass, at β = 1, in each named region of the model.

    Returns
    -------
    DataFrame
        ``phase``, ``value``, ``mcse``, ``exact`` (NaN where unknown); empty for a model without phases.
    """
    regions = {} if problem.model is None else problem.model.phases
    draws = {str(k): v.values for k, v in tree["posterior"].dataset.sel(beta=1.0).data_vars.items()}
    rows = []
    for phase, region in regions.items():
        inside = np.asarray(region(draws), dtype=float)
        truth = math.nan
        if exact is not None and f"phase:{phase}" in exact:
            truth = float(exact.loc[exact["beta"] == 1.0, f"phase:{phase}"].iloc[0])
        rows.append((phase, inside.mean(), monte_carlo_error(inside - inside.mean()), truth))
    return pd.DataFrame(rows, columns=["phase", "value", "mcse", "exact"])


def invariants(tree: xr.DataTree, problem: Problem) -> pd.DataFrame:
    """Return R̂ and ESS at β = 1 of functions that no relabelling of units or components changes.

    They are nll, the log prior, and the log-likelihoods of the first, the middle and the last observation.
    """
    from arviz_stats.base.array import array_stats

    posterior = rung(tree, "posterior", problem)
    stats = posterior["sample_stats"].dataset
    functions = {"nll": stats["nll"].to_numpy(), "log prior": stats["log_prior"].to_numpy()}
    for name, values in posterior["log_likelihood"].dataset.data_vars.items():
        flat = values.to_numpy().reshape(*values.shape[:2], -1)
        for i in sorted({0, flat.shape[-1] // 2, flat.shape[-1] - 1}):
            functions[f"log p({name}[{i}] | w)"] = flat[..., i]
    rows = []
    for name, values in functions.items():
        checks = (
            array_stats.rhat(values, chain_axis=0, draw_axis=1),
            array_stats.ess(values, chain_axis=0, draw_axis=1, method="bulk"),
            array_stats.ess(values, chain_axis=0, draw_axis=1, method="tail", prob=(0.05, 0.95)),
        )
        rows.append((name, values.mean(), *(np.asarray(check).item() for check in checks)))
    return pd.DataFrame(rows, columns=["function at β = 1", "mean", "rhat", "ess_bulk", "ess_tail"])
