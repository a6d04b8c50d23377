"""The tempered ladder: replica exchange from the prior to the posterior, by NUTS or what a family has better."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr

from singular.errors import InputError, SamplingError, unknown_name, whole
from singular.models.problem import Problem
from singular.posteriors import exchange, rungs
from singular.posteriors.chains import Chains, Stopped
from singular.posteriors.kernels import Kernel, kernel_of
from singular.posteriors.layout import to_tree
from singular.posteriors.nuts import Point, sampling_plan, warmup_plan
from singular.posteriors.precision import keep_compiled_programs, x64
from singular.posteriors.progress import progress_line

CAPACITIES = (32, 64, 128, 256)
PRIOR_SAMPLE = 1024
PILOT_ROUNDS = (100, 150)
MIN_KEPT = 10


def ladder(
    problem: Problem,
    betas: Sequence[float] | None = None,
    chains: int = 4,
    draws: int = 1000,
    warmup: int = 500,
    seed: int = 0,
    progress: bool = True,
    *,
    swap_acceptance: float = 0.6,
    target_acceptance: float = 0.9,
    max_tree_depth: int = 10,
    kernel: str | Callable[[Problem], Kernel] | None = None,
    mass: str | None = None,
    init: Mapping[str, Any] | None = None,
    keep: Sequence[str] | None = None,
    mapping: str | None = None,
    cores: int | None = None,
) -> xr.DataTree:
    """Sample p_β(w) ∝ φ(w) exp(−β n L_n(w)) at every β of a ladder from 0 to 1, by replica exchange.

    Each chain is one whole ladder. A round is an exact draw from the prior at β = 0, a step of NUTS (or of another
    ``kernel``) on every other rung, and a swap attempt between neighbours, even pairs and odd pairs in turn (Syed et
    al. 2022, JRSS B 84, 321-350). Fresh prior draws keep climbing the ladder, so that every rung mixes between modes.
    Arithmetic is 64 bit inside the call.

    Parameters
    ----------
    problem : Problem
        From ``models.problem`` or ``Problem.from_numpyro``.
    betas : sequence of float, optional
        The rungs: ascending, first 0, last 1. By default a short pilot places them so that every swap is
        accepted about equally often, with 0, 1/log n and 1 among them; how many follows from the problem.
    chains : int
        Independent ladders. Monte Carlo errors and R̂ come from comparing them: at least 2 is wise.
    draws, warmup : int
        Rounds kept, and rounds of adaptation before them, per chain.
    seed : int
        The same seed and mapping give the same draws to the bit, however many cores are used.
    progress : bool
        Show a progress line (on a terminal only).
    swap_acceptance : float
        Wanted acceptance of swaps between neighbouring rungs, in (0, 1); higher means more rungs.
    target_acceptance : float
        Mean acceptance NUTS adapts its step sizes to, in (0, 1); nearer 1 means smaller steps and fewer
        divergences where optimal sets cross or the prior pinches.
    max_tree_depth : int
        NUTS doubles its trajectory at most this often (up to 2^depth − 1 leapfrog steps).
    kernel : {"nuts", "mclmc", "collapsed", "moves", "moves+nuts", "moves+mclmc", "moves+collapsed"}, optional
        How a rung moves (`singular.posteriors.kernels`). By default NUTS below 8 parameters, and from there on what the
        model's family declares: moves that renew every site; else NUTS, with a normal block integrated out if there is
        one, after the moves that renew some sites or none if there are any. ``nuts`` is the reference; ``mclmc``, the
        adjusted microcanonical sampler, needs fewer gradients but a length that suits, and two parameters at least
        (`singular.posteriors.microcanonical`). Or a function of the problem that returns a kernel of your own.
    mass : {"diagonal", "chosen"}, optional
        The mass matrix of NUTS: diagonal, or dense on those rungs where warm-up finds that this halves the steps at
        least (`singular.posteriors.nuts.inverse_mass_of`). By default chosen where NUTS moves 8 to 100 parameters of a
        problem without a block and moves, else diagonal. ``dense_mass`` in ``sample_stats`` tells what each rung has.
    init : mapping, optional
        Where every rung but the prior's starts: site name to value, on the sites' own supports. By default
        draws from the prior, chosen with probability ∝ exp(−β n L_n).
    keep : sequence of str, optional
        Sites to store; by default all latent and deterministic ones.
    mapping : {"map", "vmap"}, optional
        How lanes run: one after the other (best on CPUs, where chains run side by side on the cores) or as
        one batch (best on GPUs). By default after JAX's backend.
    cores : int, optional
        Chains run at once under ``map``; by default as many as the process may use.

    Returns
    -------
    xarray.DataTree
        The ArviZ layout with one more dimension, ``beta``: ``tree.sel(beta=1)`` is an ordinary posterior.
        ``sample_stats`` has ``nll``, ``diverging``, ``n_steps``, ``swap_probability``, ``replica``, … in the
        order (chain, draw, beta); see docs/ARCHITECTURE.md. After Ctrl-C during sampling the draws so far
        are returned, with attribute ``complete`` = 0; before that ``KeyboardInterrupt`` goes on.

    Raises
    ------
    InputError
        Naming the argument, its value and what is allowed.
    SamplingError
        If a rung cannot be reached, or draws are not finite.

    Examples
    --------
    >>> import numpy as np, numpyro, numpyro.distributions as dist
    >>> from singular.models import Problem
    >>> def normal(y):
    ...     mean = numpyro.sample("mean", dist.Normal(0, 1))
    ...     numpyro.sample("y", dist.Normal(mean, 1), obs=y)
    >>> tree = ladder(Problem.from_numpyro(normal, np.arange(5.0)), chains=2, draws=20, warmup=40)
    >>> tree.sample_stats.nll.dims
    ('chain', 'draw', 'beta')
    """
    _check(problem, betas, chains, draws, warmup, seed, max_tree_depth, mapping, cores, keep)
    if mass is not None and callable(kernel):
        raise InputError(f"mass={mass!r}: a kernel of your own brings its own mass matrix; leave mass out")
    for name, value in (("swap_acceptance", swap_acceptance), ("target_acceptance", target_acceptance)):
        if not 0 < value < 1:
            raise InputError(f"{name}={value!r} must be a probability between 0 and 1")
    keep_compiled_programs()
    mapping = mapping or ("map" if jax.default_backend() == "cpu" else "vmap")
    cores = cores or available_cores()
    settings = {
        "chains": chains, "draws": draws, "warmup": warmup, "swap_acceptance": swap_acceptance,
        "target_acceptance": target_acceptance, "max_tree_depth": max_tree_depth, "mapping": mapping,
        "betas": None if betas is None else [float(beta) for beta in betas],
        "init": None if init is None else {k: np.asarray(v).tolist() for k, v in init.items()},
        "keep": None if keep is None else list(keep),
    }  # fmt: skip
    started = time.perf_counter()
    with x64(), progress_line(progress) as line:
        density = problem.parts
        chosen = _own(kernel, problem) if callable(kernel) else kernel_of(problem, kernel, mass)
        settings |= {"kernel": chosen.name, "mass": "chosen" if chosen.dense else "diagonal"}
        first_program = exchange.program(density, chosen, CAPACITIES[0], mapping, max_tree_depth)
        team = Chains(density, chosen, chains, seed, mapping, cores, max_tree_depth, CAPACITIES, line)
        start = _start(density, first_program, init, problem)
        prior = _prior(team, problem)
        if betas is None:
            grid = _pilot(team, prior, start, problem, swap_acceptance, target_acceptance)
        else:
            grid = np.asarray(betas, dtype=float)
            team.begin(grid, _spread(prior, grid, chains, seed) if start is None else start)
        if warmup:
            plan = warmup_plan(warmup, max_tree_depth, target_acceptance, fresh=betas is not None)
            team.centre_on(team.run(plan, "warm-up").points.z[:, warmup // 2 :].mean(axis=(0, 1)))
        warmed = time.perf_counter()
        try:
            record, complete = team.run(sampling_plan(draws, max_tree_depth), "sampling"), True
        except Stopped as stopped:
            if stopped.record is None or stopped.record.replica.shape[1] < MIN_KEPT:
                raise
            record, complete = stopped.record, False
        finished = time.perf_counter()
        finite = np.isfinite(record.points.nll[:, :, 1:])
        if not finite.all():
            k = int(np.argmin(finite.all(axis=(0, 1)))) + 1
            raise SamplingError(f"n L_n is not finite on some draws at beta={grid[k]:.4g}; check the model there")
        cost = {
            "wall_time": finished - started, "warmup_time": warmed - started, "gradient_evaluations": team.gradients
        }  # fmt: skip
        tuned = {"step_size": team.step_sizes(), "dense_mass": team.dense_masses()}
        return to_tree(problem, grid, record, tuned, seed, settings, cost, complete, keep)


def available_cores() -> int:
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def wbic_beta(n: int) -> float:
    """Return β = 1/log n, the inverse temperature of WBIC (Watanabe 2013); NaN for n < 3, where it is no rung.

    Examples
    --------
    >>> round(wbic_beta(500), 4)
    0.1609
    """
    return 1 / math.log(n) if n >= 3 else math.nan


def _pilot(team, prior: Point, start, problem, acceptance, target_acceptance) -> np.ndarray:
    """Place the rungs: two short runs, each on the grid the one before it gave."""
    grid = rungs.pilot_betas(rungs.first_rung(np.asarray(prior.nll), acceptance))
    first = float(grid[1])
    team.begin(grid, _spread(prior, grid, team.chains, team.seed) if start is None else start)
    beta_wbic = wbic_beta(problem.n)
    marks = [beta_wbic] if beta_wbic < 1 else []
    for i, rounds in enumerate(PILOT_ROUNDS):
        plan = warmup_plan(rounds, team.max_tree_depth, target_acceptance, fresh=i == 0)
        record = team.run(plan, f"pilot {i + 1} of {len(PILOT_ROUNDS)}")
        settled = record.points.nll[:, rounds // 2 :].reshape(-1, grid.size)
        grid = rungs.spread_evenly(grid, settled, acceptance, first, marks)
        if grid.size > CAPACITIES[-1]:
            raise SamplingError(
                f"{grid.size} rungs would be needed for swap_acceptance={acceptance}, more than {CAPACITIES[-1]}; "
                "lower it, narrow the prior, or choose another kernel if this one has not settled in the pilot run"
            )
        team.regrid(grid)
    return grid


def _prior(team: Chains, problem: Problem) -> Point:
    points = team.draw_prior(-(-PRIOR_SAMPLE // team.chains))
    bad = int((~np.isfinite(points.nll + points.log_prior)).sum())
    if bad:
        raise InputError(
            f"problem={problem.name!r}: the likelihood is not finite at {bad} of {points.nll.size} prior draws"
        )
    return points


def _spread(prior: Point, grid, chains: int, seed: int) -> Point:
    """Start chain c, rung k at a prior draw chosen with weight exp(−β_k nll): rows (chain, rung)."""
    rng = np.random.default_rng([seed, 1])
    nll = np.asarray(prior.nll)
    chosen = np.empty((chains, len(grid)), int)
    for k, beta in enumerate(grid):
        weights = np.exp(-beta * (nll - nll.min()))
        chosen[:, k] = rng.choice(nll.size, size=chains, p=weights / weights.sum())
    return jax.tree.map(lambda rows: np.asarray(rows)[chosen], prior)


def _start(density, program, init, problem) -> Point | None:
    """Return the user's starting point as one `Point` without batch axes, or None."""
    if init is None:
        return None
    for name, value in init.items():
        if not np.isfinite(np.asarray(value, dtype=float)).all():
            raise InputError(f"init[{name!r}]={value!r} must be finite")
    z = density.unconstrain(dict(init))
    if z.shape != (density.dim,):
        raise InputError(f"init has {z.size} values once unconstrained; the model has {density.dim}")
    point = jax.tree.map(
        lambda rows: np.asarray(rows)[0], program.points(density.split.constants, jnp.asarray(z)[None])
    )
    if not np.isfinite(point.nll + point.log_prior):
        raise InputError(f"init={dict(init)!r} has no finite density in problem {problem.name!r}")
    return point


def _own(make: Callable[[Problem], Any], problem: Problem) -> Kernel:
    found = make(problem)
    if not isinstance(found, Kernel):
        raise InputError(
            f"kernel={make!r} returned a {type(found).__name__}; allowed is a function of the problem that returns a "
            "singular.posteriors.kernels.Kernel"
        )
    return found


def _check(problem, betas, chains, draws, warmup, seed, max_tree_depth, mapping, cores, keep):
    if not isinstance(problem, Problem):
        raise InputError(
            f"problem={problem!r} is a {type(problem).__name__}; make one with models.problem(name) or "
            "models.Problem.from_numpyro(model, data)"
        )
    whole("chains", chains, 1)
    whole("draws", draws, 4)
    whole("warmup", warmup, 0)
    whole("seed", seed, 0)
    whole("max_tree_depth", max_tree_depth, 1)
    if cores is not None:
        whole("cores", cores, 1)
    if max_tree_depth > 20:
        raise InputError(f"max_tree_depth={max_tree_depth} must be at most 20 (a million leapfrog steps a draw)")
    if mapping is not None and mapping not in exchange.MAPPINGS:
        raise unknown_name("mapping", mapping, exchange.MAPPINGS)
    if keep is not None:
        known = [*problem.parts.sites.latent, *problem.parts.sites.deterministic]
        for name in keep:
            if name not in known:
                raise unknown_name("keep", name, known)
    if betas is None:
        return
    grid = np.asarray(betas, dtype=float)
    if grid.ndim != 1 or grid.size < 2 or not np.isfinite(grid).all():
        raise InputError(f"betas={betas!r} must be a list of at least two finite numbers from 0 to 1")
    if grid.min() < 0 or grid.max() > 1:
        raise InputError(f"betas={betas!r} must lie in [0, 1]")
    if (np.diff(grid) <= 0).any():
        raise InputError(f"betas={betas!r} must be strictly ascending")
    if grid[0] != 0 or grid[-1] != 1:
        raise InputError(f"betas={betas!r} must begin with 0 (the prior) and end with 1 (the posterior)")
    if grid.size > CAPACITIES[-1]:
        raise InputError(f"betas has {grid.size} rungs; at most {CAPACITIES[-1]} are allowed")
