"""What can be timed: rounds of a ladder, a gradient on all rows, the summing up of data, the start of a ladder.

A `Rounds` is a ladder on given inverse temperatures, from the model's optimum and warmed up, which compiles its
program; from there on its rounds, the very ones that `posteriors.ladder` runs, are timed as often as wanted. On one
core the clock is the processor's, which the machine's other work does not drive on.
"""

from __future__ import annotations

import dataclasses
import math
import os
import time
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

import jax
import jax.numpy as jnp
import numpy as np
from numpyro.infer.util import potential_energy

from singular import posteriors
from singular.models.problem import Problem
from singular.posteriors.chains import Chains
from singular.posteriors.kernels import kernel_of
from singular.posteriors.ladder import CAPACITIES
from singular.posteriors.nuts import Point, evaluate, sampling_plan, warmup_plan
from singular.posteriors.precision import x64
from singular.posteriors.progress import Silent

DEPTH = 3
"""NUTS doubles its trajectory at most this often: to 7 leapfrog steps."""
WARMUP = 40
SECONDS = 0.15
"""What one timing should take, if `MOST` rounds are enough for it."""
MOST = 4096
LOWEST = 1e-3
"""The first β above 0."""
TARGET = 0.999
"""Acceptance that warm-up aims at: with steps so short no trajectory turns back early, and there is as much to do at
every n."""


@dataclass(frozen=True)
class Case:
    """What is timed, and where it stands in the tables.

    Attributes
    ----------
    panel : str
        What is varied.
    model : str
    x : int
        The value of what is varied.
    problem : Problem
    kernel : str
        Or what else is timed.
    rungs : int
        With the prior's.
    chains, cores : int
    capacity : int
        Rungs that the program is made for; what a ladder takes if 0.
    warmup : int
        Rounds before those that are timed.
    clock : {"processor", "wall"}
    rounds : int
        Rounds in one timing; as many as take `SECONDS` if 0.
    """

    panel: str
    model: str
    x: int
    problem: Problem
    kernel: str = ""
    rungs: int = 8
    chains: int = 1
    cores: int = 1
    capacity: int = 0
    warmup: int = WARMUP
    clock: str = "processor"
    rounds: int = 0


CLOCKS = {"processor": time.process_time, "wall": time.perf_counter}


class Timer(Protocol):
    """Something that is timed: ``timed(count)`` does it so often and returns (seconds, units of work)."""

    case: Case
    unit: str

    def timed(self, count: int) -> tuple[float, float]: ...


class Rounds:
    """Rounds of a case's ladder; the unit is a gradient, or a sweep of moves where the kernel is moves alone."""

    def __init__(self, case: Case) -> None:
        self.case, self.clock, problem = case, CLOCKS[case.clock], case.problem
        with x64():
            self.kernel = kernel_of(problem, case.kernel)
            self.unit = "sweep" if self.kernel.name == "moves" else "gradient"
            capacities = (case.capacity,) if case.capacity else CAPACITIES
            self.team = Chains(
                problem.parts, self.kernel, case.chains, 0, "map", case.cores, DEPTH, capacities, Silent()
            )
            self.team.begin(betas(case.rungs), optimum(problem))
            self.team.run(warmup_plan(case.warmup, DEPTH, TARGET, fresh=True), "")

    def timed(self, count: int) -> tuple[float, float]:
        """Run rounds of all chains; return seconds and how many gradients or sweeps they took."""
        before = self.team.gradients
        with x64():
            began = self.clock()
            self.team.run(sampling_plan(count, DEPTH), "")
            seconds = self.clock() - began
        sweeps = count * self.case.chains * (self.case.rungs - 1)
        return seconds, sweeps if self.unit == "sweep" else self.team.gradients - before


class PlainGradient:
    """One gradient of the model as it is written, by NumPyro on all rows of the data, in a compiled loop."""

    unit = "gradient"

    def __init__(self, case: Case) -> None:
        self.case, self.clock = dataclasses.replace(case, kernel="all rows, NumPyro"), CLOCKS[case.clock]
        problem = case.problem

        @jax.jit
        def descend(data, w, count, step):
            slope = jax.grad(lambda w: potential_energy(problem.density, (), data, w))
            return jax.lax.fori_loop(0, count, lambda _, w: jax.tree.map(lambda a, g: a - step * g, w, slope(w)), w)

        with x64():
            self.data = jax.tree.map(jnp.asarray, problem.kwargs)
            self.start = {site: jnp.asarray(v, dtype=float) for site, v in dict(_model(problem).optimum).items()}
            self.descend = descend
            self.timed(1)

    def timed(self, count: int) -> tuple[float, float]:
        """Take gradients one after the other."""
        with x64():
            began = self.clock()
            jax.block_until_ready(self.descend(self.data, self.start, count, 1e-12))
            return self.clock() - began, count


class SummingUp:
    """The sums of the data, which a ladder takes once."""

    unit = "data set"

    def __init__(self, case: Case) -> None:
        self.case, self.clock = dataclasses.replace(case, kernel="summing up"), CLOCKS[case.clock]

    def timed(self, count: int) -> tuple[float, float]:
        """Sum the data up again and again."""
        began = self.clock()
        for _ in range(count):
            _model(self.case.problem).sufficient.summarise(self.case.problem.kwargs)
        return self.clock() - began, count


class Start:
    """A whole ladder of four rounds of the automatic kernel: tracing, summing up, the prior's draws, the tree."""

    unit = "ladder"

    def __init__(self, case: Case) -> None:
        self.case, self.clock = dataclasses.replace(case, kernel="start and end of a ladder"), CLOCKS[case.clock]
        self.timed(1)

    def timed(self, count: int) -> tuple[float, float]:
        """Run ladders that know nothing of each other but their compiled programs."""
        began = self.clock()
        for _ in range(count):
            problem = dataclasses.replace(self.case.problem)
            posteriors.ladder(
                problem, betas(self.case.rungs), chains=1, cores=1, draws=4, warmup=0, max_tree_depth=DEPTH,
                progress=False,
            )  # fmt: skip
        return self.clock() - began, count


def alternate(timers: list[Timer], repeats: int) -> list[dict[str, Any]]:
    """Time each in turn, ``repeats`` times over, so that whatever else the machine does falls on all alike.

    Returns
    -------
    list of dict
        A row for each: seconds a unit of work, the median of the repeats and the least and the most; seconds a round;
        the least time of the wall's clock, which is the nearest to that of a machine with nothing else to do.
    """
    counts = [timer.case.rounds or _enough(timer) for timer in timers]
    found: list[list[tuple[float, float, float]]] = [[] for _ in timers]
    for _ in range(repeats):
        for timer, count, own in zip(timers, counts, found, strict=True):
            began = time.perf_counter()
            own.append((*timer.timed(count), time.perf_counter() - began))
    return [_row(timer, count, np.array(own)) for timer, count, own in zip(timers, counts, found, strict=True)]


def _enough(timer: Timer) -> int:
    """Return how many rounds take `SECONDS`, at most `MOST`."""
    count = 1
    while True:
        seconds, _ = timer.timed(count)
        wanted = min(MOST, math.ceil(count * min(16.0, SECONDS / seconds)))
        if wanted <= 1.5 * count:
            return count
        count = wanted


def _row(timer: Timer, count: int, times: np.ndarray) -> dict[str, Any]:
    case, each = timer.case, times[:, 0] / times[:, 1]
    return {
        "panel": case.panel, "model": case.model, "kernel": case.kernel, "unit": timer.unit, "x": case.x,
        "sums": _model(case.problem).sufficient is not None,
        "d": case.problem.dim, "n": case.problem.n, "rungs": case.rungs, "chains": case.chains, "cores": case.cores,
        "capacity": case.capacity or next(c for c in CAPACITIES if c >= case.rungs), "clock": case.clock,
        "repeats": len(times), "rounds": count, "units a round": times[:, 1].mean() / count,
        "seconds a unit": np.median(each),
        "least": each.min(), "most": each.max(), "seconds a round": np.median(times[:, 0]) / count,
        "least wall a round": times[:, 2].min() / count,
    }  # fmt: skip


def betas(rungs: int) -> np.ndarray:
    """Return 0 and ``rungs`` − 1 inverse temperatures evenly spaced in log β, the last one 1."""
    return np.concatenate([[0.0], np.geomspace(LOWEST, 1.0, rungs - 1)])


def optimum(problem: Problem) -> Point:
    """Return the model's optimum as a point of its ladder. Call inside a 64-bit scope."""
    split = problem.parts.split
    z = jnp.asarray(problem.parts.unconstrain(dict(_model(problem).optimum)))
    point = jax.jit(lambda constants, z: evaluate(partial(split.call, constants), z))(split.constants, z)
    return jax.tree.map(np.asarray, point)


def pin() -> None:
    """Keep this process on one core, where the system can. Call before anything is computed."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})


def _model(problem: Problem) -> Any:
    return problem.model
