"""What a round of the ladder costs: against n, the rungs, the chains, and the depth and width of a network.

    make bench-cost      # writes docs/validation/COST.md, COST.csv and COST.png

What is measured is kept in ``out/cost``, a file for each part, and read back from there: a run goes on where it was
stopped, and ``--again`` measures anew.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path

os.environ.setdefault("SINGULAR_CACHE_DIR", "")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # more threads on one core would wait for each other

import pandas as pd
from cost_page import page
from cost_picture import picture
from cost_rounds import Case, PlainGradient, Rounds, Start, SummingUp, Timer, alternate, pin

from singular import models
from singular.analysis import figures
from singular.models import Model
from singular.models.problem import Problem
from singular.posteriors.ladder import CAPACITIES
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
REPEATS = 5


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


def against_n(name: str, repeats: int) -> list[dict]:
    """Time a model's kernels, the plain gradient, the sums and the start of a ladder at every n."""
    timers: list[Timer] = []
    for n in ROWS:
        case = Case("n", name, n, Problem.from_model(family(name), n=n))
        timers.append(PlainGradient(case))
        if case.problem.sums is None:
            case = replace(case, **BRIEF)
        else:
            timers += [SummingUp(case), Start(case)]
        timers += [Rounds(replace(case, kernel=kernel)) for kernel in KERNELS[name]]
    return alternate(timers, repeats)


def against_rungs(name: str, kernel: str, repeats: int) -> list[dict]:
    """Time ladders of more and more rungs."""
    problem = Problem.from_model(family(name), n=N)
    return alternate([Rounds(Case("rungs", name, k, problem, kernel, rungs=k)) for k in RUNGS], repeats)


def against_padding(name: str, kernel: str, repeats: int) -> list[dict]:
    """Time the same ladder in programs that are made for more and more rungs."""
    problem = Problem.from_model(family(name), n=N)
    return alternate([Rounds(Case("padding", name, c, problem, kernel, capacity=c)) for c in CAPACITIES], repeats)


def against_chains(name: str, kernel: str, repeats: int, cores: int = 1) -> list[dict]:
    """Time more and more chains, so many at once as there are cores."""
    problem = Problem.from_model(family(name), n=N)
    clock = "processor" if cores == 1 else "wall"
    cases = [
        Case("chains", name, c, problem, kernel, chains=c, cores=cores, clock=clock, rounds=TOGETHER) for c in CHAINS
    ]
    return alternate([Rounds(case) for case in cases], repeats)


def against_depth(kernel: str, repeats: int) -> list[dict]:
    """Time networks of more and more layers, 4 units wide."""
    problems = {layers: Problem.from_model(deep(layers, 4), n=N) for layers in LAYERS}
    cases = [Case("depth", "deep linear, width 4", layers, problem, kernel) for layers, problem in problems.items()]
    return alternate([Rounds(case) for case in cases], repeats)


def against_width(kernel: str, repeats: int) -> list[dict]:
    """Time networks of 4 layers, wider and wider."""
    problems = {width: Problem.from_model(deep(4, width), n=N) for width in WIDTHS}
    cases = [Case("width", DEEP, width, problem, kernel) for width, problem in problems.items()]
    return alternate([Rounds(case) for case in cases], repeats)


def on_all_cores(name: str, kernel: str, cores: set[int], repeats: int) -> list[dict]:
    """Time chains in a process that may use all cores: this one is kept on one."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context, initializer=os.sched_setaffinity, initargs=(0, cores)) as pool:
        return pool.submit(against_chains, name, kernel, repeats, len(cores)).result()


def parts(cores: set[int]) -> dict[str, Callable[[int], list[dict]]]:
    """Return what is measured, part by part, by a name for its file; chains on these cores too if they are several."""
    found: dict[str, Callable[[int], list[dict]]] = {f"n-{name}": partial(against_n, name) for name in KERNELS}
    for name, kernel in ((RANK, "nuts"), (RANK, "moves"), (LINEAR, "nuts")):
        found[f"rungs-{name}-{kernel}"] = partial(against_rungs, name, kernel)
    for kernel in ("nuts", "moves"):
        found[f"padding-{RANK}-{kernel}"] = partial(against_padding, RANK, kernel)
        found[f"chains-{RANK}-{kernel}"] = partial(against_chains, RANK, kernel)
        if len(cores) > 1:
            found[f"cores-{RANK}-{kernel}"] = partial(on_all_cores, RANK, kernel, cores)
    found |= {f"depth-{kernel}": partial(against_depth, kernel) for kernel in KERNELS[DEEP]}
    return found | {f"width-{kernel}": partial(against_width, kernel) for kernel in ("nuts", "moves")}


def main() -> None:
    """Measure what is not kept yet and write page, table and picture."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("docs/validation"), help="where the page goes")
    parser.add_argument("--work", type=Path, default=Path("out/cost"), help="where measurements are kept")
    parser.add_argument("--parts", nargs="*", help="of what is measured, by name; all if none is given")
    parser.add_argument("--repeats", type=int, default=REPEATS)
    parser.add_argument("--again", action="store_true", help="measure anew")
    arguments = parser.parse_args()
    for folder in (arguments.out, arguments.work):
        folder.mkdir(parents=True, exist_ok=True)
    known = parts(os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set())
    for name in arguments.parts or ():
        if name not in known:
            parser.error(f"--parts {name!r}: allowed are {', '.join(known)}")
    pin()
    kept = {name: arguments.work / f"{name.replace(', ', '-').replace(' ', '-')}.csv" for name in known}
    for name in arguments.parts or known:
        if arguments.again or not kept[name].exists():
            write(kept[name], pd.DataFrame(known[name](arguments.repeats)).to_csv(index=False, float_format="%.6g"))
    missing = [name for name, path in kept.items() if not path.exists()]
    if missing:
        print(f"not measured yet, and so no page: {', '.join(missing)}")
        return
    rows = pd.concat([pd.read_csv(path) for path in kept.values()], ignore_index=True)
    rows["panel"] = pd.Categorical(rows["panel"], list(dict.fromkeys(rows["panel"])))
    rows = rows.sort_values("panel", kind="stable", ignore_index=True).astype({"panel": str})
    write(arguments.out / "COST.csv", rows.to_csv(index=False, float_format="%.6g"))
    write(arguments.out / "COST.png", figures.png(picture(rows)))
    write(arguments.out / "COST.md", page(rows))


if __name__ == "__main__":
    main()
