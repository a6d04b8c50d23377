"""SGLD and its kin at one inverse temperature, full batch or minibatch, written in the layout of a ladder.

One temperature convention, held here and nowhere else: samplers target exp(−U),

    U(z) = β nL_n(z) − log φ(z)   or, localised,   U(z) = β nL_n(z) + (γ/2) ‖z − z*‖²,

with nL_n the *sum* of the losses of all n observations (nβ multiplies the mean loss L_n). A minibatch of size B
stands for the sum by (n/B) times its own. Nothing else is scaled: docs/CONVENTIONS.md has the same run in the words
of devinterp and lambda_hat.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr

from singular.errors import InputError, SamplingError, unknown_name, whole
from singular.models.density import compiled
from singular.models.minibatch import row_nll
from singular.models.problem import Problem
from singular.posteriors.ladder import wbic_beta
from singular.posteriors.langevin_kernels import KERNELS, checked_options
from singular.posteriors.layout import lay_out
from singular.posteriors.localise import LocalProblem, localise
from singular.posteriors.nuts import evaluate
from singular.posteriors.precision import keep_compiled_programs, x64
from singular.posteriors.progress import progress_line

LEAST_KEPT = 10
CHECKED = 50
"""Draws after which chains are looked at, and the progress line moves."""
BURN_BLOCKS = 20
"""A burn-in is run in so many blocks, between which it can be watched and stopped."""


def langevin(
    problem: Problem,
    beta: float | None = None,
    step_size: float = 1e-4,
    *,
    sampler: str = "sgld",
    gamma: float = 0.0,
    centre: Mapping[str, Any] | np.ndarray | None = None,
    batch_size: int | None = None,
    replacement: bool = True,
    chains: int = 16,
    draws: int = 1000,
    burn_in: int = 2000,
    thin: int = 10,
    seed: int = 0,
    init: np.ndarray | None = None,
    progress: bool = True,
    **options: float,
) -> xr.DataTree:
    """Run a Langevin sampler at one β, every chain in one compiled program.

    Parameters
    ----------
    problem : Problem
        With its own prior, or made by `localise`.
    beta : float, optional
        In (0, 1]; 1/log n if not given.
    step_size : float
        ε > 0, the variance of the noise of one step (see `langevin_kernels`). For a quadratic U of curvature a,
        SGLD is stable up to εa = 4 and its variance too large by 1/(1 − εa/4); sghmc and sgnht, explicit Euler steps,
        only for εa well below 1 − persistence.
    sampler : {"sgld", "psgld", "sghmc", "sgnht", "mala", "underdamped"}
    gamma : float
        0 leaves the problem as it is. Above 0 its prior is replaced by N(z*, I/γ), as `localise` does.
    centre : mapping or (d,) float, optional
        z*, where chains begin too; for γ = 0 only that. By default the centre of a local problem, else the
        maximum-likelihood point.
    batch_size : int, optional
        B < n observations a step, drawn anew for each step and chain; all of them if not given.
    replacement : bool
        Whether a minibatch may hold an observation twice.
    chains, draws, burn_in, thin : int
        Chains; draws kept of each; steps before them; steps from one draw to the next.
    seed : int
    init : (chains, d) float, optional
        Where the chains begin, on the unconstrained space. By default all at ``centre``: then R̂ does not see modes
        that none of them reaches, and estimates without a localiser are flagged for it.
    progress : bool
        Show a progress line (on a terminal only).
    **options
        ``persistence`` in [0, 1), the share of its momentum that a step keeps (sghmc, sgnht, underdamped; 0.9);
        ``memory`` in [0, 1) and ``damping`` > 0 of psgld's running mean of squared gradients (0.99, 1e-5).

    Returns
    -------
    DataTree
        The layout of `ladder` with β as its only rung. ``nll``, ``log_prior`` and their virials are of all data, at
        the draws; the virials are about the mean of the second half of the burn-in, fixed before the draws. Attributes
        ``adjusted`` (0 where no step is rejected: then the draws are not of exp(−U), and
        estimators say so), ``gradient_evaluations`` (of steps, and one of all data a draw for nll),
        ``data_passes`` (the same in units of n observations), ``batch_size``, ``gamma``, ``step_size``. On Ctrl-C
        the draws that all chains have, ``complete`` 0.

    Raises
    ------
    InputError
        If an argument is not as above, a minibatch is asked of ``mala``, or the nll is no sum over rows.
    SamplingError
        If a chain leaves for infinity: the step is too large.

    Examples
    --------
    >>> from singular import models
    >>> tree = langevin(models.problem("linear-2", n=50), 0.5, 1e-3, chains=2, draws=4, burn_in=10, thin=1)
    >>> dict(tree["sample_stats"].sizes), tree.attrs["gradient_evaluations"]
    ({'chain': 2, 'draw': 4, 'beta': 1}, 36)
    """
    problem, centre_z = localised(problem, gamma, centre)
    settings = {
        "sampler": sampler, "step_size": step_size, "batch_size": batch_size, "replacement": replacement,
        "chains": chains, "draws": draws, "burn_in": burn_in, "thin": thin, **options,
    }  # fmt: skip
    beta = _checked(problem, beta, settings, seed)
    kernel, chosen = KERNELS[sampler], checked_options(sampler, options)
    size = problem.n if batch_size is None else batch_size
    keep_compiled_programs()
    with x64(), progress_line(progress) as line:
        began = time.perf_counter()
        begin, move = programs(problem, sampler, size, replacement)
        start = np.broadcast_to(centre_z, (chains, problem.dim)) if init is None else _starts(init, chains, problem.dim)
        keys = jax.vmap(partial(jax.random.fold_in, jax.random.PRNGKey(seed)))(jnp.arange(chains))
        numbers = (beta, float(step_size), chosen)
        states, done = begin(keys, jnp.asarray(start), *numbers), 0
        line.stage("burn-in", burn_in)
        visited = [start]
        for block in _blocks(burn_in, BURN_BLOCKS):
            states, _ = move(keys, states, done, block, *numbers)
            done += block
            visited.append(np.asarray(kernel.position(states)))
            _check_alive(visited[-1], sampler, step_size)
            line.advance(block)
        middle = np.mean(visited[len(visited) // 2 :], axis=(0, 1))
        burnt = time.perf_counter()
        rows, accepted, complete = [], [], True
        line.stage("sampling", draws)
        try:
            for k in range(draws):
                states, acceptance = move(keys, states, done, thin, *numbers)
                done += thin
                accepted.append(acceptance)
                rows.append(kernel.position(states))
                if (k + 1) % CHECKED == 0:
                    _check_alive(rows[-1], sampler, step_size)
                    line.advance(CHECKED)
        except KeyboardInterrupt:
            if len(rows) < LEAST_KEPT:
                raise
            complete = False
        z = np.stack([np.asarray(row) for row in rows], axis=1)
        _check_alive(z, sampler, step_size)
        stats = _statistics(problem, z, middle)
        stats["acceptance_rate"] = np.stack([np.asarray(a) for a in accepted[: len(rows)]], axis=1)
        stats["diverging"] = np.zeros(z.shape[:2], bool)
        steps, kept = chains * done * kernel.gradients, z.shape[0] * z.shape[1]
        attributes = {
            "sampler": sampler,
            "sampler_seed": seed,
            "adjusted": int(kernel.adjusted),
            "complete": int(complete),
            "step_size": float(step_size),
            "batch_size": size,
            "gamma": getattr(problem, "gamma", 0.0),
            "one_start": int(init is None),
            "wall_time": time.perf_counter() - began,
            "warmup_time": burnt - began,
            "gradient_evaluations": steps + kept,
            "data_passes": steps * size / problem.n + kept,
        }
        sizes = np.full((chains, 1), float(step_size))
        stats = {name: value[:, :, None] for name, value in stats.items()}
        return lay_out(problem, np.array([beta]), z[:, :, None], stats, {"step_size": sizes}, settings, attributes)


def sgld(problem: Problem, beta: float | None = None, step_size: float = 1e-4, **settings: Any) -> xr.DataTree:
    """Run stochastic gradient Langevin dynamics: z ← z − (ε/2) ∇U + √ε ξ; see `langevin` for the settings.

    References
    ----------
    Welling and Teh (2011), ICML. Lau, Furman, Wang, Murfet and Wei (2023), arXiv:2308.12108: around a point, to
    measure its learning coefficient.
    """
    return langevin(problem, beta, step_size, sampler="sgld", **settings)


def programs(problem: Problem, sampler: str, size: int, replacement: bool):
    """Return begin(keys, z, …) -> states, and move(keys, states, first, steps, …) -> (states, mean acceptance)."""
    kernel, n = KERNELS[sampler], problem.n
    minibatch = size < n

    def batch_of(key):
        if not minibatch:
            return None
        if replacement:
            return jax.random.randint(key, (size,), 0, n, dtype=int)
        return jax.lax.top_k(jax.random.uniform(key, (n,)), size)[1].astype(int)

    def density(split, nll, beta):
        def log_density(z, batch):
            log_prior, whole = split(z)
            # where there is a minibatch nothing needs the nll of all data, and the compiler drops it
            return log_prior - beta * (n / size * nll(z, batch) if minibatch else whole)

        return log_density

    def make_begin(split, nll):
        def begin(keys, z, beta, step_size, options):
            def one(key, z):
                chosen, own = jax.random.split(key)
                return kernel.init(own, z, density(split, nll, beta), batch_of(chosen), options)

            return jax.vmap(one)(keys, z)

        return begin

    def make_move(split, nll):
        def move(keys, states, first, steps, beta, step_size, options):
            log_density = density(split, nll, beta)

            def one(key, state):
                def body(i, carry):
                    state, total = carry
                    chosen, own = jax.random.split(jax.random.fold_in(key, first + i))
                    state, acceptance = kernel.step(own, state, log_density, batch_of(chosen), step_size, options)
                    return state, total + acceptance

                state, total = jax.lax.fori_loop(0, steps, body, (state, jnp.zeros(())))
                return state, total / jnp.maximum(steps, 1)

            return jax.vmap(one)(keys, states)

        return move

    rows = row_nll(problem, size) if minibatch else problem.parts.split
    name = f"langevin {sampler} {size} of {n} {replacement}"
    return tuple(
        compiled(f"{name} {make.__name__}", make, problem.parts.split, rows) for make in (make_begin, make_move)
    )


def _statistics(problem: Problem, z: np.ndarray, centre: np.ndarray) -> dict[str, np.ndarray]:
    """Return nll, log prior and their virials about ``centre`` at all draws, (chain, draw)."""

    def make(split):
        return lambda rows: jax.lax.map(partial(evaluate, split), rows, batch_size=64)

    point = compiled("points", make, problem.parts.split)(z.reshape(-1, z.shape[-1]))
    arm = z.reshape(-1, z.shape[-1]) - centre
    found = {
        "nll": point.nll,
        "log_prior": point.log_prior,
        "nll_virial": np.sum(arm * np.asarray(point.nll_gradient), axis=1),
        "log_prior_virial": np.sum(arm * np.asarray(point.log_prior_gradient), axis=1),
    }
    return {name: np.asarray(value).reshape(z.shape[:2]) for name, value in found.items()}


def localised(problem, gamma, centre) -> tuple[Problem, np.ndarray]:
    """Return the problem with its prior or the localiser, checked, and the point that chains begin at."""
    if not isinstance(problem, Problem):
        raise InputError(f"problem={problem!r} is a {type(problem).__name__}; make one with models.problem(name)")
    if isinstance(gamma, bool) or not isinstance(gamma, int | float | np.number) or not 0 <= gamma < math.inf:
        raise InputError(f"gamma={gamma!r} must be a finite number of at least 0 (0: the problem's own prior)")
    if isinstance(problem, LocalProblem):
        if gamma or centre is not None:
            raise InputError(f"problem={problem.name!r} is local already: leave gamma and centre out")
        return problem, np.asarray(problem.centre)
    if centre is None:
        centre = problem.reference.z
    if gamma:
        local = localise(problem, centre, float(gamma))
        return local, np.asarray(local.centre)
    with x64():
        point = problem.parts.unconstrain(dict(centre)) if isinstance(centre, Mapping) else centre
    return problem, _starts(point, 1, problem.dim, "centre")[0]


def _starts(init, chains: int, dim: int, name: str = "init") -> np.ndarray:
    z = np.atleast_2d(np.asarray(init, dtype=np.float64))
    if z.shape != (chains, dim) or not np.isfinite(z).all():
        raise InputError(f"{name} has shape {np.shape(init)}: {chains} × {dim} finite numbers are needed")
    return z


def _checked(problem: Problem, beta: Any, settings: Mapping[str, Any], seed: Any) -> float:
    sampler, step_size, size = settings["sampler"], settings["step_size"], settings["batch_size"]
    if sampler not in KERNELS:
        raise unknown_name("sampler", sampler, KERNELS)
    beta = checked_beta(problem, beta)
    if (
        isinstance(step_size, bool)
        or not isinstance(step_size, int | float | np.number)
        or not 0 < step_size < math.inf
    ):
        raise InputError(f"step_size={step_size!r} must be a finite number above 0")
    for name, least in (("chains", 1), ("draws", 4), ("burn_in", 0), ("thin", 1)):
        whole(name, settings[name], least)
    whole("seed", seed, 0)
    if size is not None:
        whole("batch_size", size, 1, problem.n)
    if KERNELS[sampler].adjusted and size is not None and size < problem.n:
        raise InputError(f"batch_size={size!r}: sampler={sampler!r} accepts or rejects by all data; leave it out")
    return beta


def checked_beta(problem: Problem, beta: Any) -> float:
    """Return β, 1/log n if it is None."""
    if beta is None:
        beta = wbic_beta(problem.n)
        if not beta < 1:
            raise InputError(f"beta=None is 1/log n, which needs n > e; problem {problem.name!r} has n={problem.n}")
    if isinstance(beta, bool) or not isinstance(beta, int | float | np.number) or not 0 < beta <= 1:
        raise InputError(f"beta={beta!r} must be a number in (0, 1]")
    return float(beta)


def own_seed(seed: int, *place: int) -> int:
    """Return a seed for one of several runs under one seed: independent of the others, and of other seeds' runs."""
    return int(np.random.SeedSequence([seed, *place]).generate_state(1)[0])


def _blocks(steps: int, count: int):
    size = max(1, -(-steps // count))
    return [min(size, steps - done) for done in range(0, steps, size)]


def _check_alive(z, sampler: str, step_size: float) -> None:
    lost = ~np.isfinite(np.asarray(z)).reshape(len(z), -1).all(axis=1)
    if lost.any():
        raise SamplingError(
            f"{int(lost.sum())} of {lost.size} chains of sampler={sampler!r} left for infinity at "
            f"step_size={step_size:g}: take a smaller one (posteriors.langevin_step_size finds one)"
        )
