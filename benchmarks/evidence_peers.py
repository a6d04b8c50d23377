"""The evidence by other packages, each at its own defaults or as its own examples set it up.

All take the same problem: log-likelihood and prior as functions of one vector, traced by `Problem.parts`. The data are
arguments of whatever is compiled: captured by a closure, those of an earlier problem would answer for the next.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from evidence_tools import READINGS, Answer, answer, bridge_likelihoods, ladder_of
from numpyro import handlers
from numpyro.distributions.distribution import ExpandedDistribution, Independent
from numpyro.infer.hmc import hmc

from singular import analysis, models
from singular.models.density import Traced, compiled, hoist, map_rows
from singular.posteriors.layout import constrain

LIVE_POINTS = 500
PARTICLES = 2000
MOVES = LEAPFROG = 5
EFFECTIVE_SHARE = 0.5
ACCEPTANCE = 0.8
RUNGS = 16
POWER = 5
CHAINS, DRAWS, WARMUP = 4, 1000, 500


def prior_transform(problem: models.Problem) -> Traced:
    """Return the map of the unit cube to the prior, u -> z, for sites whose quantiles NumPyro knows.

    Each site is put at the quantiles its own distribution gives once the sites before it are fixed, so that priors that
    depend on one another are mapped too (Rosenblatt, 1952).
    """
    sites = problem.parts.sites.latent
    sizes = [int(np.prod(shape)) for shape in sites.values()]
    ends = np.cumsum(sizes)

    def transform(u):
        pieces = {
            name: u[end - size : end].reshape(shape)
            for (name, shape), size, end in zip(sites.items(), sizes, ends, strict=True)
        }

        def put(site):
            if site["type"] != "sample" or site["name"] not in pieces:
                return None
            base = site["fn"]
            while isinstance(base, Independent | ExpandedDistribution):
                base = base.base_dist
            return base.icdf(pieces[site["name"]])

        fixed = handlers.substitute(handlers.seed(problem.density, rng_seed=0), substitute_fn=put)
        trace = handlers.trace(fixed).get_trace(*problem.args, **problem.kwargs)
        return problem.parts.invert({name: trace[name]["value"] for name in sites})

    return hoist(transform, jnp.full(problem.dim, 0.5))


def on_device(function: partial) -> partial:
    """Return a compiled function with its arrays where it runs: moving them takes longer than one likelihood."""
    return partial(function.func, *jax.device_put(function.args))


def dynesty(problem: models.Problem, seed: int) -> list[Answer]:
    """Static nested sampling with 500 live points, all else at its defaults; the likelihood is compiled."""
    import dynesty

    calls = 0
    likelihood = on_device(compiled("log-likelihood", lambda split: lambda z: -split(z)[1], problem.parts.split))
    transform = on_device(compiled("prior transform", lambda f: f, prior_transform(problem)))

    def counted(z):
        nonlocal calls
        calls += 1
        return float(likelihood(z))

    sampler = dynesty.NestedSampler(
        counted, lambda u: np.asarray(transform(u)), problem.dim, nlive=LIVE_POINTS, rstate=np.random.default_rng(seed)
    )
    sampler.run_nested(print_progress=False)
    result = sampler.results
    return [Answer("static", -float(result.logz[-1]), float(result.logzerr[-1]), calls, 0)]


def jaxns(problem: models.Problem, seed: int) -> list[Answer]:
    """Nested sampling at its defaults, with its expected log Z; the count of evaluations is its own."""
    transform, split = prior_transform(problem), problem.parts.split
    structure = (transform.text, split.text)
    if structure not in _samplers:
        _samplers[structure] = _jaxns_sampler(transform.call, split.call, problem.dim)
    data = tuple(tuple(jnp.asarray(array) for array in part.constants) for part in (transform, split))
    state = _samplers[structure].run(key=jax.random.PRNGKey(seed), args=data)
    evaluations = int(state.total_num_likelihood_evaluations)
    value, claimed = -float(state.expected_log_Z_mean), float(state.expected_log_Z_uncert)
    return [Answer("classic", value, claimed, evaluations, 0)]


_samplers: dict[tuple[str, str], Any] = {}
"""One of jaxns's samplers for each structure of a problem: another data set compiles nothing."""


def _jaxns_sampler(transform, split, dim: int) -> Any:
    from jaxns.core import NestedSampler
    from jaxns.model import Model
    from jaxns.priors import Prior
    from tensorflow_probability.substrates.jax import distributions

    def prior_model(of_transform, of_split):
        cube = Prior(distributions.Uniform(jnp.zeros(dim), jnp.ones(dim)), name="cube").realise()
        return -split(of_split, transform(of_transform, cube))[1]

    return NestedSampler(model=Model(prior_model=prior_model))


def blackjax_smc(problem: models.Problem, seed: int) -> list[Answer]:
    """Adaptive tempered SMC with 5 moves of HMC of 5 steps, tuned by blackjax's own rules; one run claims no error."""
    particle_key, run_key = jax.random.split(jax.random.PRNGKey(seed))
    particles = map_rows(problem.parts.prior_draw, jax.random.split(particle_key, PARTICLES))
    run = compiled("blackjax smc", _blackjax_loop, problem.parts.split)
    log_z, steps = (np.asarray(part) for part in run(run_key, particles))
    gradients, likelihoods = PARTICLES * int(steps) * (MOVES * LEAPFROG + 1), 2 * PARTICLES * int(steps)
    return [Answer("smc", -float(log_z), np.nan, likelihoods, gradients)]


def _blackjax_loop(split) -> Any:
    import blackjax
    from blackjax.smc import adaptive_tempered, resampling
    from blackjax.smc.tuning.from_kernel_info import update_scale_from_acceptance_rate
    from blackjax.smc.tuning.from_particles import inverse_mass_matrix_from_particles

    kernel = adaptive_tempered.build_kernel(
        lambda z: split(z)[0], lambda z: -split(z)[1], blackjax.hmc.build_kernel(), blackjax.hmc.init,
        resampling.systematic, EFFECTIVE_SHARE,
    )  # fmt: skip

    def going(carry):
        return carry[0].tempering_param < 1.0

    def step(carry):
        state, key, scales, log_z, steps = carry
        key, own = jax.random.split(key)
        parameters = {
            "step_size": scales,
            "inverse_mass_matrix": jnp.diagonal(inverse_mass_matrix_from_particles(state.particles))[None],
            "num_integration_steps": jnp.array([LEAPFROG]),
        }
        state, info = kernel(own, state, MOVES, parameters)
        accepted = info.update_info.acceptance_rate
        accepted = accepted.reshape(accepted.shape[0], -1).mean(axis=1)
        scales = update_scale_from_acceptance_rate(scales, accepted, ACCEPTANCE)
        return state, key, scales, log_z + info.log_likelihood_increment, steps + 1

    def run(key, particles):
        count, dim = particles.shape
        start = (adaptive_tempered.init(particles), key, jnp.full(count, dim**-0.25), 0.0, 0)
        _, _, _, log_z, steps = jax.lax.while_loop(going, step, start)
        return log_z, steps

    return run


def numpyro_nuts(problem: models.Problem, seed: int) -> list[Answer]:
    """NumPyro's NUTS, 4 chains × 1000 draws after 500 of warm-up, on each of 16 independent rungs β = (k/15)⁵.

    All settings are NumPyro's defaults. At β = 0 draws are the prior's. The readings are those of this package, on nll
    alone; the bridge takes the rung at β = 1 by itself and counts no evaluation of the others.
    """
    betas = np.linspace(0.0, 1.0, RUNGS) ** POWER
    prior_key, *keys = jax.random.split(jax.random.PRNGKey(seed), RUNGS)
    prior = map_rows(problem.parts.prior_draw, jax.random.split(prior_key, CHAINS * DRAWS))
    nll = [map_rows(problem.parts.split, prior)[1].reshape(CHAINS, DRAWS)]
    chain = compiled("numpyro nuts", _nuts_chain, problem.parts.split)
    gradients, z = 0, np.empty(0)
    for beta, key in zip(betas[1:], keys, strict=True):
        runs = [chain(own, float(beta), np.zeros(problem.dim)) for own in jax.random.split(key, CHAINS)]
        z = np.stack([np.asarray(run[0]) for run in runs])
        last = sum(int(run[1]) for run in runs)
        gradients += last
        nll.append(map_rows(problem.parts.split, z.reshape(-1, problem.dim))[1].reshape(CHAINS, DRAWS))
    tree = ladder_of(np.stack(nll, axis=-1), betas)
    readings = [analysis.free_energy(tree, method) for method in ("ti-trapezoid", *READINGS)]
    answers = [answer(reading, CHAINS * DRAWS, gradients) for reading in readings]
    top = ladder_of(nll[-1][..., None], [1.0], constrain(problem, z))
    bridge = answer(analysis.bridge(top, problem), bridge_likelihoods(top), last, "bridge at β = 1 alone")
    return [*answers, bridge]


def _nuts_chain(split) -> Any:
    def run(key, beta, origin):
        def potential(z):
            log_prior, nll = split(z)
            return beta * nll - log_prior

        init_kernel, sample_kernel = hmc(potential, algo="NUTS")
        start_key, key = jax.random.split(key)
        start = origin + jax.random.uniform(start_key, origin.shape, minval=-2.0, maxval=2.0)
        state = init_kernel(start, WARMUP, rng_key=key)

        def step(state, _):
            state = sample_kernel(state)
            return state, (state.z, state.num_steps)

        _, (z, steps) = jax.lax.scan(step, state, length=WARMUP + DRAWS)
        return z[WARMUP:], steps.sum() + 1

    return run
