"""Runs of the evidence benchmark: each in a process of its own kind, with a limit of processor time, kept on disk."""

from __future__ import annotations

import importlib
import math
import multiprocessing
import os
import resource
import signal
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

import jax
import pandas as pd
from evidence_tools import AT_FOUR, GOALS, Answer, problem_of
from rich.progress import track

from singular import posteriors
from singular.posteriors.ladder import available_cores
from singular.posteriors.store import write


class Tool(NamedTuple):
    """How a tool is called and told of.

    ``seeds`` and ``seeds_above`` are the most data sets it is run on, at four parameters and above; ``peer`` says
    whether it is another package's.
    """

    module: str
    function: str
    label: str
    package: str
    seeds: int
    seeds_above: int
    peer: bool


TOOLS = {
    "ladder": Tool("evidence_tools", "our_ladder", "our ladder", "singular", 5, 5, False),
    "smc": Tool("evidence_tools", "our_smc", "our SMC", "singular", 5, 5, False),
    "blackjax": Tool("evidence_peers", "blackjax_smc", "blackjax, adaptive tempered SMC", "blackjax", 5, 5, True),
    "numpyro": Tool("evidence_peers", "numpyro_nuts", "NumPyro NUTS, 16 rungs", "numpyro", 5, 3, True),
    "dynesty": Tool("evidence_peers", "dynesty", "dynesty, 500 live", "dynesty", 5, 3, True),
    "jaxns": Tool("evidence_peers", "jaxns", "jaxns", "jaxns", 3, 3, True),
}
ENVIRONMENT = {
    "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "SINGULAR_CACHE_DIR": "",
    "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1",
}  # fmt: skip
"""One thread a process, and no compiled program kept from one process to the next."""
DONE, NOT_RUN = "done", "not run"
ENDS = {-signal.SIGXCPU: "over the limit of {limit} s", -signal.SIGKILL: "killed, as for want of memory"}
"""How a process may end in the middle of a run; any other way is a fault of this program."""


def path_of(folder: Path, tool: str, problem: str, seed: int) -> Path:
    """Return where a run is kept."""
    return folder / f"{tool}-{problem}-{seed}.csv"


def batch(tool: str, problem: str, seeds: Sequence[int], folder: Path, limit: int, until: float) -> pd.DataFrame:
    """Return the rows of one tool on one problem; seeds not yet on disk are run in one fresh process.

    The kernel ends the process in the first run that takes more than ``limit`` seconds of processor time. That run is
    kept as one over the limit; the seeds after it are not tried, and kept as such. At the time ``until`` the process is
    ended as well; what it has not done is told as not run, and not kept: the next call goes on with it.
    """
    missing = [seed for seed in seeds if not path_of(folder, tool, problem, seed).exists()]
    rows = []
    if missing:
        child = multiprocessing.get_context("spawn").Process(target=work, args=(tool, problem, missing, folder, limit))
        if time.time() < until:
            child.start()
            child.join(None if until == math.inf else until - time.time())
            if late := child.is_alive():
                child.terminate()
                child.join()
        else:
            late = True
        left = [seed for seed in missing if not path_of(folder, tool, problem, seed).exists()]
        if late:
            rows = [rows_of(tool, problem, seed, [], NOT_RUN) for seed in left]
        elif left and child.exitcode not in ENDS:
            raise RuntimeError(f"{tool} on {problem}, seed {left[0]}: its process ended with {child.exitcode}")
        else:
            for seed in left:
                what = ENDS[child.exitcode].format(limit=limit)
                status = what if seed == left[0] else f"not tried, as seed {left[0]} was {what}"
                keep(folder, rows_of(tool, problem, seed, [], status))
    paths = [path_of(folder, tool, problem, seed) for seed in seeds]
    return pd.concat([*(pd.read_csv(path) for path in paths if path.exists()), *rows], ignore_index=True)


def work(tool: str, problem: str, seeds: Sequence[int], folder: Path, limit: int) -> None:
    """Run one tool on one problem, one seed after the other; the data's seed is the sampler's too."""
    os.chdir(folder)  # jaxns leaves an empty log file where it is imported
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    jax.config.update("jax_enable_x64", True)
    run = getattr(importlib.import_module(TOOLS[tool].module), TOOLS[tool].function)
    for call, seed in enumerate(seeds):
        target = problem_of(problem, seed)
        exact = posteriors.quadrature(target, 1.0).at(1.0)
        started = time.process_time()
        resource.setrlimit(resource.RLIMIT_CPU, (int(started) + limit, resource.RLIM_INFINITY))
        try:
            answers, status = run(target, seed), DONE
        except Exception as error:  # whatever another package raises is an outcome, and told as one
            answers, status = [], f"failed: {type(error).__name__}: {error}"[:300]
        about = {"d": target.dim, "n": target.n, "exact": exact.free_energy, "oracle_error": exact.error_free_energy,
                 "seconds": time.process_time() - started, "call": call}  # fmt: skip
        keep(folder, rows_of(tool, problem, seed, answers, status, **about))


def rows_of(tool: str, problem: str, seed: int, answers: Sequence[Answer], status: str, **about) -> pd.DataFrame:
    """Return the rows of one run: one for each answer, or one without a number."""
    nothing = Answer("", math.nan, math.nan, 0, 0)
    told = {"version": version(TOOLS[tool].package), "status": status, **about}
    rows = [{"problem": problem, "seed": seed, "tool": tool, **row._asdict(), **told} for row in answers or [nothing]]
    return pd.DataFrame(rows)


def keep(folder: Path, rows: pd.DataFrame) -> None:
    """Keep the rows of one run."""
    tool, problem, seed = rows.loc[0, ["tool", "problem", "seed"]]
    write(path_of(folder, tool, problem, seed), rows.to_csv(index=False))


def every_batch(
    tools: Sequence[str], problems: Sequence[str], seeds: int, folder: Path, limit: int, until: float = math.inf
) -> Iterator[pd.DataFrame]:
    """Run every tool on every problem, one process on each core, the tools that take least first."""
    os.environ.update(ENVIRONMENT)
    with ThreadPoolExecutor(available_cores()) as pool:
        running = [
            pool.submit(batch, tool, problem, range(min(seeds, most_seeds(tool, problem))), folder, limit, until)
            for tool in TOOLS
            for problem in problems
            if tool in tools
        ]
        for done in track(as_completed(running), "evidences", total=len(running)):
            yield done.result()


def most_seeds(tool: str, problem: str) -> int:
    """Return on how many data sets a tool is run at most."""
    return TOOLS[tool].seeds if GOALS[problem] == AT_FOUR else TOOLS[tool].seeds_above
