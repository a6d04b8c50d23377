"""Tempered sequential Monte Carlo: an estimate of the evidence that shares nothing with the ladder but the model.

Particles drawn from the prior are carried to the posterior by reweighting, resampling and moving them at a rising
sequence of β. A pilot (blackjax's adaptive tempered SMC) sets the temperatures and tunes the moves; independent
replicates then run with both held fixed, so that each replicate's estimate of every Z(β) is unbiased, however slowly
the moves mix: what slow mixing costs is variance, and the replicates show it.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from jax.scipy.special import logsumexp

from singular.errors import InputError, SamplingError, whole
from singular.models.density import compiled, map_rows
from singular.models.problem import Problem
from singular.posteriors.layout import constrain
from singular.posteriors.precision import keep_compiled_programs, x64

MOST_TEMPERATURES = 256
ACCEPTANCE = 0.8
"""Mean acceptance of the moves that the pilot steers the step size to."""
GAIN = 2.0
"""By how much the pilot changes the log of the step size for a unit of acceptance."""
SHORTEST = 0.3
"""Each particle's step size is uniform from this share of the tuned one: no length of path is special."""


class Schedule(NamedTuple):
    """What the pilot hands to the replicates, padded to `MOST_TEMPERATURES`; the first ``count`` rows hold."""

    beta: Any
    step_size: Any
    inverse_mass: Any
    count: Any


@dataclass(frozen=True, eq=False)
class SequentialMonteCarlo:
    """A run of `smc`.

    Attributes
    ----------
    betas : (temperature,) float
        Ascending, from 0 to 1.
    log_evidence : (replicate, temperature) float
        log of each replicate's unbiased estimate of Z(β) = exp(−F_n(β)), nats; 0 at β = 0.
    acceptance : (replicate, temperature) float
        Share of moves accepted at each β; NaN at β = 0, where nothing is moved.
    effective_share : (replicate, temperature) float
        Effective share of the particles after they were weighted to each β, (Σ w)²/(N Σ w²); 1 at β = 0.
    tree : DataTree
        The particles at β = 1, equally weighted, in the ArviZ layout: chain is the replicate, draw the particle.
        ``sample_stats`` has ``nll`` and ``log_prior``. Particles of one replicate are copies moved apart, not a Markov
        chain: errors come from comparing replicates.
    gradient_evaluations, likelihood_evaluations : int
        Of log p(D | w) with and without its gradient, pilot included.
    pilot_evaluations : int
        The pilot's share of both.
    wall_time : float
        Seconds, compilation included.
    """

    betas: np.ndarray
    log_evidence: np.ndarray
    acceptance: np.ndarray
    effective_share: np.ndarray
    tree: xr.DataTree
    gradient_evaluations: int
    likelihood_evaluations: int
    pilot_evaluations: int
    wall_time: float


def smc(
    problem: Problem,
    particles: int = 512,
    replicates: int = 8,
    seed: int = 0,
    *,
    moves: int = 3,
    leapfrog: int = 5,
    effective_share: float = 0.8,
    mapping: str | None = None,
) -> SequentialMonteCarlo:
    """Carry particles from the prior to the posterior, in independent replicates.

    Moves are Hamiltonian Monte Carlo with a diagonal mass matrix, both of the pilot's making: the variances of its
    particles at each β, and a step size that follows the acceptance. Arithmetic is 64 bit inside the call.

    Parameters
    ----------
    problem : Problem
    particles : int
        Of each replicate, at least 64.
    replicates : int
        Independent runs, at least 4: their spread is the error.
    seed : int
    moves : int
        HMC moves of each particle at each temperature.
    leapfrog : int
        Steps of a move.
    effective_share : float
        Effective share of the particles, in (0, 1), that the pilot keeps from one temperature to the next: nearer 1
        means more temperatures.
    mapping : {"map", "vmap"}, optional
        Replicates one after the other (best on CPUs) or as one batch; by default after JAX's backend.

    Returns
    -------
    SequentialMonteCarlo

    Raises
    ------
    InputError
        Naming the argument that is not allowed.
    SamplingError
        If the pilot does not arrive at β = 1 within `MOST_TEMPERATURES`, or a replicate loses all its particles.

    References
    ----------
    Del Moral, Doucet and Jasra (2006), J. R. Statist. Soc. B 68, 411-436: SMC samplers.
    Cabezas, Corenflos, Lao, Louf et al. (2024), arXiv:2402.10797: blackjax.
    """
    _check(problem, particles, replicates, seed, moves, leapfrog, effective_share, mapping)
    keep_compiled_programs()
    started = time.perf_counter()
    mapping = mapping or ("map" if jax.default_backend() == "cpu" else "vmap")
    settings = {"particles": particles, "replicates": replicates, "moves": moves, "leapfrog": leapfrog,
                "effective_share": effective_share, "mapping": mapping}  # fmt: skip
    with x64():
        parts = problem.parts
        prior_key, pilot_key, run_key = jax.random.split(jax.random.PRNGKey(seed), 3)
        fresh = map_rows(parts.prior_draw, jax.random.split(prior_key, (replicates + 1) * particles))
        fresh = fresh.reshape(replicates + 1, particles, -1)
        find = compiled(f"smc pilot {moves} {leapfrog}", partial(_pilot, moves, leapfrog), parts.split)
        schedule = jax.tree.map(np.asarray, find(pilot_key, fresh[0], effective_share))
        count = int(schedule.count)
        if not schedule.beta[count - 1] == 1.0:
            raise SamplingError(
                f"problem={problem.name!r}: the pilot reached beta={schedule.beta[count - 1]:.3g} in {count} "
                "temperatures; lower effective_share, or narrow the prior"
            )
        run = compiled(f"smc {moves} {leapfrog} {mapping}", partial(_replicates, moves, leapfrog, mapping), parts.split)
        result = run(jax.random.split(run_key, replicates), fresh[1:], schedule)
        z, log_z, share, accepted = (np.asarray(a) for a in result)
    log_z, share, accepted = log_z[:, :count], share[:, :count], accepted[:, :count]
    if not (np.isfinite(log_z).all() and np.isfinite(z).all()):
        raise SamplingError(f"problem={problem.name!r}: a replicate lost all of its particles={particles}; take more")
    tree = _layout(problem, z, seed, settings)
    moved = particles * count * (moves * leapfrog + 1)
    weighted = particles * (count + 1)
    pilot = particles * ((count - 1) * (moves * leapfrog + 3) + 1)
    nothing = np.zeros((replicates, 1))
    return SequentialMonteCarlo(
        betas=np.append(0.0, schedule.beta[:count]),
        log_evidence=np.concatenate([nothing, log_z], axis=1),
        acceptance=np.concatenate([nothing + np.nan, accepted], axis=1),
        effective_share=np.concatenate([nothing + 1.0, share], axis=1),
        tree=tree,
        gradient_evaluations=replicates * moved + particles * (count - 1) * (moves * leapfrog + 1),
        likelihood_evaluations=replicates * weighted + particles * (2 * (count - 1) + 1),
        pilot_evaluations=pilot,
        wall_time=time.perf_counter() - started,
    )


def _functions(split):
    """Return log prior and log-likelihood of one particle; what is no number counts as impossible."""

    def log_prior(z):
        return jnp.nan_to_num(split(z)[0], nan=-jnp.inf, posinf=-jnp.inf, neginf=-jnp.inf)

    def log_likelihood(z):
        return jnp.nan_to_num(-split(z)[1], nan=-jnp.inf, posinf=-jnp.inf, neginf=-jnp.inf)

    return log_prior, log_likelihood


def _parameters(key, step_size, inverse_mass, particles: int, leapfrog: int) -> dict[str, Any]:
    """Return the moves' parameters; those with one row are shared by all particles."""
    jitter = jax.random.uniform(key, (particles,), minval=SHORTEST, maxval=1.0)
    return {
        "step_size": step_size * jitter,
        "inverse_mass_matrix": inverse_mass[None],
        "num_integration_steps": jnp.array([leapfrog]),
    }


def _first(log_likelihoods, beta):
    """Weight prior draws to the first temperature; return log Z and the normalised weights."""
    logs = beta * log_likelihoods
    total = logsumexp(logs)
    return total - jnp.log(logs.size), jnp.exp(logs - total)


def _pilot(moves: int, leapfrog: int, split):
    """Return (key, prior draws, effective share) -> Schedule, by blackjax's adaptive tempered SMC."""
    import blackjax  # starts JAX's backend, so not at the top
    from blackjax.smc import adaptive_tempered, resampling, tempered
    from blackjax.smc.ess import ess_solver
    from blackjax.smc.solver import dichotomy

    log_prior, log_likelihood = _functions(split)

    def run(key, fresh, effective_share):
        particles, dim = fresh.shape
        kernel = adaptive_tempered.build_kernel(
            log_prior,
            log_likelihood,
            blackjax.hmc.build_kernel(),
            blackjax.hmc.init,
            resampling.systematic,
            effective_share,
        )

        def going(state):
            count, _, current, _, _ = state
            return (current.tempering_param < 1.0) & (count < MOST_TEMPERATURES)

        def put(schedule, count, beta, log_step, current):
            centre = current.weights @ current.particles
            variance = current.weights @ (current.particles - centre) ** 2
            return Schedule(
                schedule.beta.at[count].set(beta),
                schedule.step_size.at[count].set(jnp.exp(log_step)),
                schedule.inverse_mass.at[count].set(jnp.maximum(variance, 1e-300)),
                count + 1,
            )

        def step(state):
            count, key, current, log_step, schedule = state
            key, jitter, move = jax.random.split(key, 3)
            tuned = _parameters(jitter, jnp.exp(log_step), schedule.inverse_mass[count - 1], particles, leapfrog)
            current, info = kernel(move, current, moves, tuned)
            log_step = log_step + GAIN * (jnp.mean(info.update_info.acceptance_rate) - ACCEPTANCE)
            schedule = put(schedule, count, current.tempering_param, log_step, current)
            return count + 1, key, current, log_step, schedule

        log_likelihoods = jax.vmap(log_likelihood)(fresh)
        beta = jnp.minimum(ess_solver(lambda _: log_likelihoods, fresh, effective_share, 1.0, dichotomy), 1.0)
        current = tempered.TemperedSMCState(fresh, _first(log_likelihoods, beta)[1], beta)
        empty = Schedule(
            jnp.ones(MOST_TEMPERATURES), jnp.ones(MOST_TEMPERATURES), jnp.ones((MOST_TEMPERATURES, dim)), jnp.array(0)
        )
        log_step = jnp.log(dim ** (-0.25))
        schedule = put(empty, 0, beta, log_step, current)
        return jax.lax.while_loop(going, step, (jnp.array(1), key, current, log_step, schedule))[-1]

    return run


def _replicates(moves: int, leapfrog: int, mapping: str, split):
    """Return (keys, prior draws, schedule) -> particles at β = 1, log Z, effective shares and acceptances."""
    import blackjax
    from blackjax.smc import resampling, tempered

    log_prior, log_likelihood = _functions(split)
    kernel = tempered.build_kernel(
        log_prior, log_likelihood, blackjax.hmc.build_kernel(), blackjax.hmc.init, resampling.systematic
    )

    def one(schedule, key, fresh):
        particles = fresh.shape[0]

        def step(t, state):
            """Resample, move at temperature t, weight to the next one (after the last: to itself)."""
            current, log_z, share, accepted = state
            jitter, move = jax.random.split(jax.random.fold_in(key, t))
            tuned = _parameters(jitter, schedule.step_size[t], schedule.inverse_mass[t], particles, leapfrog)
            following = jnp.minimum(t + 1, schedule.count - 1)
            current, info = kernel(move, current, moves, schedule.beta[following], tuned)
            gained = jnp.where(t + 1 < schedule.count, info.log_likelihood_increment, 0.0)
            return (
                current,
                log_z.at[t + 1].set(log_z[t] + gained),
                share.at[t + 1].set(1.0 / (particles * jnp.sum(current.weights**2))),
                accepted.at[t].set(jnp.mean(info.update_info.is_accepted)),
            )

        start, weights = _first(jax.vmap(log_likelihood)(fresh), schedule.beta[0])
        blank = jnp.zeros(MOST_TEMPERATURES + 1)
        state = (
            tempered.TemperedSMCState(fresh, weights, schedule.beta[0]),
            blank.at[0].set(start),
            blank.at[0].set(1.0 / (particles * jnp.sum(weights**2))),
            blank,
        )
        current, log_z, share, accepted = jax.lax.fori_loop(0, schedule.count, step, state)
        return current.particles, log_z, share, accepted

    def run(keys, fresh, schedule):
        if mapping == "vmap":
            return jax.vmap(partial(one, schedule))(keys, fresh)
        return jax.lax.map(lambda pair: one(schedule, *pair), (keys, fresh))

    return run


def _layout(problem: Problem, z: np.ndarray, seed: int, settings: dict[str, Any]) -> xr.DataTree:
    with x64():
        log_prior, nll = map_rows(problem.parts.split, z.reshape(-1, z.shape[-1]))
    coords = {"chain": np.arange(z.shape[0]), "draw": np.arange(z.shape[1])}
    sites = {
        name: (("chain", "draw", *(f"{name}_dim_{i}" for i in range(a.ndim - 2))), a)
        for name, a in constrain(problem, z).items()
    }
    stats = {
        "nll": (("chain", "draw"), nll.reshape(z.shape[:2])),
        "log_prior": (("chain", "draw"), log_prior.reshape(z.shape[:2])),
    }
    tree = xr.DataTree.from_dict(
        {"/posterior": xr.Dataset(sites, coords=coords), "/sample_stats": xr.Dataset(stats, coords=coords)}
    )
    tree.attrs.update(
        problem=problem.name,
        n=problem.n,
        dim=problem.dim,
        sampler="tempered sequential Monte Carlo",
        sampler_seed=seed,
        data_hash=problem.data_hash,
        settings=json.dumps(settings),
    )
    return tree


def _check(problem, particles, replicates, seed, moves, leapfrog, effective_share, mapping) -> None:
    if not isinstance(problem, Problem):
        raise InputError(f"problem={problem!r} is a {type(problem).__name__}; make one with models.problem(name)")
    whole("particles", particles, least=64)
    whole("replicates", replicates, least=4)
    whole("seed", seed, least=0)
    whole("moves", moves, least=1)
    whole("leapfrog", leapfrog, least=1)
    if not 0 < effective_share < 1:
        raise InputError(f"effective_share={effective_share!r}: allowed is a share between 0 and 1")
    if mapping not in (None, "map", "vmap"):
        raise InputError(f"mapping={mapping!r}: allowed are 'map' and 'vmap'")
