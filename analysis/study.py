"""The main job: sample the catalogue and the real data, hold every number against the exact one, write it all down."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from singular.analysis.cases import Job, Outcome, Settings, exact_numbers, make_problem, run
from singular.analysis.catalogue_list import catalogue_frame
from singular.analysis.draws import rung_betas
from singular.analysis.model_choice import size_table
from singular.analysis.pages import write_report
from singular.analysis.pool import side_by_side
from singular.analysis.summary import summary
from singular.analysis.tables import catalogue_table, growth_table
from singular.errors import InputError, StoreError
from singular.models import real
from singular.posteriors import store
from singular.posteriors.ladder import available_cores
from singular.posteriors.quadrature import quadrature

MADE = (
    "linear-4", "logistic-2", "product", "monomial-1-2", "monomial-2-2", "tanh-1", "tanh-2", "tanh-3",
    "reduced-rank-3-3-2-1", "mixture-known",
)  # fmt: skip
"""The catalogue models of the study."""

MEASURED = (*real.DATA_SETS["galaxies"].names, *real.DATA_SETS["nile"].names)
"""The real problems of the study: two data sets of many, so that it takes minutes."""

GROWING = "product"
GROWTH_SAMPLED = (10, 100, 1_000, 10_000)
GROWTH_EXACT = (10, 100, 1_000, 10_000, 100_000, 1_000_000)


@dataclass(frozen=True)
class Study:
    """What a study found and where it wrote it.

    Attributes
    ----------
    out, report : Path
        The folder, and the report in it.
    table, sizes, growth : DataFrame
        By made model, by size of the real models, by n for the product regression.
    rows : DataFrame
        Every number, tidy.
    outcomes : tuple of Outcome
    seconds : float
        Wall time of the whole study.
    """

    out: Path
    report: Path
    table: pd.DataFrame
    sizes: pd.DataFrame
    growth: pd.DataFrame
    rows: pd.DataFrame
    outcomes: tuple[Outcome, ...]
    seconds: float


def study(
    out: Path | str = "out",
    seed: int = 0,
    n: int = 500,
    draws: int = 400,
    warmup: int = 200,
    chains: int = 4,
    *,
    made: Sequence[str] = MADE,
    measured: Sequence[str] = MEASURED,
    grown: Sequence[int] = GROWTH_SAMPLED,
    exact_sizes: Sequence[int] = GROWTH_EXACT,
    jobs: int | None = None,
    report: Callable[[str], None] | None = None,
) -> Study:
    """Run the study and write its ladders, tables, pictures and report under ``out``.

    Every ladder is stored as soon as it is done. A stored one is taken again if the model's program, the data,
    the settings and the version of the package agree with what is asked for; a damaged one is sampled anew.

    Parameters
    ----------
    out : path
        Folder; made if it is not there. ``ladders/*.nc``, ``summary.csv``, ``table.csv``, ``sizes.csv``,
        ``growth.csv``, ``figures/*.png`` and ``report.html`` go there.
    seed : int
        Of the simulated data and of the samplers.
    n : int
        Observations of each simulated data set, at least 3.
    draws, warmup, chains : int
        As for ``posteriors.ladder``.
    made, measured : sequence of str
        Catalogue models and real problems to sample.
    grown, exact_sizes : sequence of int
        Sample sizes of the product regression to sample, and to integrate exactly.
    jobs : int, optional
        Processes side by side; one for each core if not given. 1 keeps everything in this process.
    report : callable, optional
        Gets a line of text after each ladder.

    Returns
    -------
    Study

    Raises
    ------
    InputError
        If an argument is not allowed.
    StoreError
        If a file cannot be written.
    KeyboardInterrupt
        On Ctrl-C; ladders that were done are kept.
    """
    started = time.perf_counter()
    if n < 3:
        raise InputError(f"n={n!r} must be at least 3: WBIC is read at 1/log n < 1")
    out = Path(out)
    folder = out / "ladders"
    for place in (folder, out / "figures"):
        make_folder(place)
    settings = Settings(chains, draws, warmup, seed)
    plan = [Job(name, n, seed, settings, folder / f"{name}.nc") for name in made]
    plan += [Job(name, n, seed, settings, folder / f"{name}.nc") for name in measured]
    plan += [Job(GROWING, size, seed, settings, folder / f"{GROWING}-n{size}.nc") for size in grown]
    found = {}
    for count, outcome in enumerate(_run_all(plan, available_cores() if jobs is None else jobs), 1):
        found[outcome.job.path.stem] = outcome
        if report is not None:
            how = "stored" if outcome.stored else f"{outcome.seconds:.1f} s"
            report(f"[{count}/{len(plan)}] {outcome.job.path.stem}: {how}")
    ordered = [found[job.path.stem] for job in plan]
    first, second = len(made), len(made) + len(measured)
    table = catalogue_table(ordered[:first])
    sizes = size_table(ordered[first:second])
    growing = ordered[second:]
    known = [o.phases[["phase", "exact"]].assign(n=o.n) for o in growing if o.n in exact_sizes]
    others = exact_shares([size for size in exact_sizes if size not in grown], seed)
    growth = growth_table(growing, pd.concat([*known, others], ignore_index=True))
    rows = pd.concat([o.rows for o in ordered], ignore_index=True)
    for name, frame in (("table", table), ("sizes", sizes), ("growth", growth), ("summary", rows)):
        store.write(out / f"{name}.csv", frame.to_csv(index=False))
    page = write_report(out, ordered[:first], ordered[first:second], growing, table, sizes, growth)
    return Study(out, page, table, sizes, growth, rows, tuple(ordered), time.perf_counter() - started)


def sample_one(
    name: str,
    n: int = 500,
    seed: int = 0,
    chains: int = 4,
    draws: int = 1000,
    warmup: int = 500,
    betas: Sequence[float] | None = None,
    out: Path | None = None,
    progress: bool = True,
    kernel: str | None = None,
    mass: str | None = None,
) -> pd.DataFrame:
    """Sample one problem by name and return its tidy rows beside the exact values; keep the ladder in ``out``.

    The rows' ``attrs`` tell the sampler: replica exchange, and by which kernel.

    Raises
    ------
    InputError
        If the name or another argument is not allowed.
    StoreError
        If ``out`` cannot be written: its folder is checked before sampling.
    """
    from singular.posteriors.ladder import ladder

    if out is not None:
        check_target(out)
    problem = make_problem(name, n, seed)
    tree = ladder(problem, betas, chains, draws, warmup, seed, progress, kernel=kernel, mass=mass)
    if out is not None:
        store.save(tree, out)
    if not tree.attrs["complete"]:
        raise KeyboardInterrupt
    rows = summary(tree, problem, exact_numbers(problem, rung_betas(tree)))
    rows.attrs["sampler"] = tree.attrs["sampler"]
    return rows


def exact_shares(sizes: Sequence[int], seed: int) -> pd.DataFrame:
    """Return the exact share of each phase of the product regression at β = 1: ``n``, ``phase``, ``exact``."""
    rows = []
    for size in sizes:
        frame = quadrature(make_problem(GROWING, size, seed), [1.0]).frame
        rows += [
            (size, column.removeprefix("phase:"), float(frame[column].iloc[0]))
            for column in frame
            if column.startswith("phase:")
        ]
    return pd.DataFrame(rows, columns=["n", "phase", "exact"])


def check_target(path: Path) -> None:
    """Refuse a file that could not be written, before hours are spent on what should go into it."""
    parent = Path(path).parent
    if not parent.is_dir():
        raise StoreError(f"{path}: there is no folder {parent}")
    if Path(path).is_dir():
        raise StoreError(f"{path}: is a folder, not a file to write")
    if not os.access(parent, os.W_OK):
        raise StoreError(f"{path}: folder {parent} cannot be written")


def _run_all(plan: Sequence[Job], jobs: int) -> Iterator[Outcome]:
    """Run the jobs, the largest models first, and yield what is done as it is done."""
    dimensions = dict(zip(*(catalogue_frame()[column] for column in ("name", "d")), strict=True))
    longest_first = sorted(plan, key=lambda job: -dimensions.get(job.name, 0)) if jobs > 1 else list(plan)
    for _, outcome in side_by_side(run, longest_first, jobs, False, None if jobs <= 1 else 1):
        yield outcome


def make_folder(path: Path) -> None:
    """Make a folder and those above it, if they are not there."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(f"{path}: this folder cannot be made ({error.strerror or error})") from error
