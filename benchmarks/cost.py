"""What a round of the ladder costs: against n, the rungs, the chains, and the depth and width of a network.

    make bench-cost      # writes docs/validation/COST.md, COST.csv and COST.png

What is measured is kept in ``out/cost``, a file for each panel, and read back from there: a run goes on where it was
stopped, and ``--again`` measures anew.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path

os.environ.setdefault("SINGULAR_CACHE_DIR", "")

import pandas as pd
from cost_page import page
from cost_picture import picture
from cost_rounds import Case, PlainGradient, Rounds, Start, SummingUp, Timer, alternate, pin

from singular import models
from singular.analysis import figures
from singular.models import Model
from singular.models.problem import Problem
from singular.posteriors.ladder import CAPACITIES, available_cores
from singular.posteriors.store import write

WATANABE = {"input_sd": 3.0, "noise": 0.1, "prior": 10.0}
"""Standard deviations of Watanabe (2013), JMLR 14, section 6."""
RANK, DEEP, FACTORS, LINEAR, TANH = (
    "reduced rank", "deep linear, 4 layers", "factor analysis", "linear regression", "tanh, H = 4",
)  # fmt: skip
KERNELS = {
    RANK: ("nuts", "collapsed", "moves"), DEEP: ("nuts", "collapsed", "moves"), FACTORS: ("nuts", "moves+nuts"),
    LINEAR: ("nuts",), TANH: ("nuts", "collapsed"),
}  # fmt: skip
ROWS = (100, 1_000, 10_000, 100_000, 1_000_000)
RUNGS = (8, 16, 32, 64, 128)
CHAINS = (1, 2, 4, 8, 16)
LAYERS = (2, 3, 4, 6, 8)
WIDTHS = (2, 4, 8, 16)
N = 1_000
"""Observations where n is not what is varied."""
BRIEF = {"rungs": 3, "warmup": 12}
"""Of the model whose gradient takes all rows."""
TOGETHER = 128
"""Rounds in one timing of chains: the same for one and for many, as each begins with a few that are slow."""
REPEATS = 7


def family(name: str) -> Model:
    """Return a model by its name in the tables."""
    return {
        RANK: lambda: models.reduced_rank(6, 6, 4, 3, **WATANABE),
        DEEP: lambda: deep(4, 4),
        FACTORS: lambda: models.factor_analysis(10, 3, 3),
        LINEAR: lambda: models.linear_regression(10),
        TANH: lambda: models.tanh_network(4),
    }[name]()


def deep(layers: int, width: int) -> Model:
    """Return a deep linear network, all its layers of one width, with a truth of rank 2."""
    return models.deep_linear([width] * (layers + 1), 2)


def against_n(repeats: int) -> list[dict]:
    """Time every kernel, the plain gradient, the sums and the start of a ladder at every n, one model after another."""
    rows = []
    for name, kernels in KERNELS.items():
        timers: list[Timer] = []
        for n in ROWS:
            case = Case("n", name, n, Problem.from_model(family(name), n=n))
            timers.append(PlainGradient(case))
            if family(name).sufficient is None:
                case = replace(case, **BRIEF)
            else:
                timers += [SummingUp(case), Start(case)]
            timers += [Rounds(replace(case, kernel=kernel)) for kernel in kernels]
        rows += alternate(timers, repeats)
    return rows


def against_rungs(repeats: int) -> list[dict]:
    """Time ladders of more and more rungs."""
    rows = []
    for name, kernel in ((RANK, "nuts"), (RANK, "moves"), (LINEAR, "nuts")):
        problem = Problem.from_model(family(name), n=N)
        rows += alternate([Rounds(Case("rungs", name, k, problem, kernel, rungs=k)) for k in RUNGS], repeats)
    return rows


def against_padding(repeats: int) -> list[dict]:
    """Time the same ladder in programs that are made for more and more rungs."""
    problem = Problem.from_model(family(RANK), n=N)
    cases = [Case("padding", RANK, c, problem, kernel, capacity=c) for kernel in ("nuts", "moves") for c in CAPACITIES]
    return alternate([Rounds(case) for case in cases], repeats)


def against_chains(repeats: int, cores: int = 1) -> list[dict]:
    """Time more and more chains, so many at once as there are cores."""
    problem = Problem.from_model(family(RANK), n=N)
    cases = [
        Case("chains", RANK, c, problem, kernel, chains=c, cores=cores, clock="wall", rounds=TOGETHER)
        for kernel in ("nuts", "moves")
        for c in CHAINS
    ]
    return alternate([Rounds(case) for case in cases], repeats)


def against_depth(repeats: int) -> list[dict]:
    """Time networks of more and more layers, 4 units wide."""
    timers = [
        Rounds(Case("depth", "deep linear, width 4", layers, Problem.from_model(deep(layers, 4), n=N), kernel))
        for kernel in KERNELS[DEEP]
        for layers in LAYERS
    ]
    return alternate(timers, repeats)


def against_width(repeats: int) -> list[dict]:
    """Time networks of 4 layers, wider and wider."""
    timers = [
        Rounds(Case("width", DEEP, width, Problem.from_model(deep(4, width), n=N), kernel))
        for kernel in ("nuts", "moves")
        for width in WIDTHS
    ]
    return alternate(timers, repeats)


PANELS: dict[str, Callable[[int], list[dict]]] = {
    "n": against_n, "rungs": against_rungs, "padding": against_padding, "chains": against_chains,
    "depth": against_depth, "width": against_width,
}  # fmt: skip


def on_all_cores(repeats: int, cores: set[int]) -> list[dict]:
    """Time chains in a process that may use all cores: this one is kept on one."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context, initializer=os.sched_setaffinity, initargs=(0, cores)) as pool:
        return pool.submit(against_chains, repeats, len(cores)).result()


def main() -> None:
    """Measure what is not kept yet and write page, table and picture."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("docs/validation"), help="where the page goes")
    parser.add_argument("--work", type=Path, default=Path("out/cost"), help="where measurements are kept")
    parser.add_argument("--panels", nargs="*", default=list(PANELS), choices=list(PANELS))
    parser.add_argument("--repeats", type=int, default=REPEATS)
    parser.add_argument("--again", action="store_true", help="measure anew")
    arguments = parser.parse_args()
    for folder in (arguments.out, arguments.work):
        folder.mkdir(parents=True, exist_ok=True)
    free = os.sched_getaffinity(0) if available_cores() > 1 and hasattr(os, "sched_getaffinity") else set()
    pin()
    tables = []
    for name in PANELS:
        kept = arguments.work / f"{name}.csv"
        if name in arguments.panels and (arguments.again or not kept.exists()):
            rows = PANELS[name](arguments.repeats)
            if name == "chains" and free:
                rows += on_all_cores(arguments.repeats, free)
            write(kept, pd.DataFrame(rows).to_csv(index=False, float_format="%.6g"))
        if kept.exists():
            tables.append(pd.read_csv(kept))
    rows = pd.concat(tables, ignore_index=True)
    if set(rows["panel"]) != set(PANELS):
        print(f"measured so far: {', '.join(rows['panel'].unique())}; the page needs all panels")
        return
    write(arguments.out / "COST.csv", rows.to_csv(index=False, float_format="%.6g"))
    write(arguments.out / "COST.png", figures.png(picture(rows)))
    write(arguments.out / "COST.md", page(rows))


if __name__ == "__main__":
    main()
