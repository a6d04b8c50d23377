"""What every member of the catalogue promises, held for every member."""

from __future__ import annotations

import functools
import json
from fractions import Fraction

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.optimize import minimize

from singular import models
from singular.models import catalogue
from singular.models.density import map_rows
from tests import oracles

NAMES = sorted(catalogue.MODELS)
N = 40


@pytest.fixture(params=NAMES)
def model(request):
    return catalogue.get(request.param)


@functools.cache
def problem_of(name: str, n: int = N, seed: int = 0):
    return catalogue.problem(name, n=n, seed=seed)


@functools.cache
def unconstrained_draws(name: str, count: int = 128):
    with jax.enable_x64(True):
        return map_rows(problem_of(name).parts.prior_draw, jax.random.split(jax.random.PRNGKey(7), count))


def constrained(name: str, z) -> dict:
    problem = problem_of(name)
    with jax.enable_x64(True):
        every = map_rows(problem.parts.constrain, z)
    return {site: every[site] for site in problem.parts.sites.latent}


def batch_of_one(parameters) -> dict:
    return {site: np.asarray(value, dtype=float)[None] for site, value in parameters.items()}


def test_it_says_what_it_is(model):
    assert catalogue.MODELS[model.name] is model
    assert model.builder in catalogue.FAMILIES and model.excess_loss is not None and model.optimum is not None
    for text in (model.family, model.description, model.prior, model.truth):
        assert text and text == text.strip()
    assert model.exact is None or model.bound is None
    assert model.exact is None or (model.exact.source and model.exact.conditions)


def test_the_data_are_float64_and_grow_row_by_row(model):
    short, long = (model.simulate(jax.random.key(3), n) for n in (7, 20))
    for name, values in long.items():
        assert values.dtype == np.float64
        assert len(values) == 20
        np.testing.assert_array_equal(values[:7], short[name])
    assert any(np.any(model.simulate(jax.random.key(4), 20)[k] != v) for k, v in long.items())


def test_density_and_gradient_are_finite_at_prior_draws(model):
    parts = problem_of(model.name).parts
    z = unconstrained_draws(model.name)
    with jax.enable_x64(True):
        both = jax.jit(jax.vmap(lambda v: (parts.split(v), jax.grad(lambda u: sum(parts.split(u)))(v))))
        (log_prior, nll), gradient = both(jnp.asarray(z[:32]))
    assert z.shape == (128, model.dim)
    assert np.isfinite(log_prior).all() and np.isfinite(nll).all() and np.isfinite(gradient).all()


def test_the_likelihood_is_the_one_written_by_hand(model):
    problem, z = problem_of(model.name), unconstrained_draws(model.name)[:4]
    with jax.enable_x64(True):
        _, nll = map_rows(problem.parts.split, z)
    by_hand = oracles.negative_log_likelihood(model.name, constrained(model.name, z), problem.kwargs)
    np.testing.assert_allclose(nll, by_hand, rtol=1e-9)


def test_the_excess_loss_is_that_of_many_simulated_observations(model):
    """K(w) against the mean of log p(y | w0) − log p(y | w), w0 the optimum: 5 standard errors at 4 prior draws."""
    n = 20_000
    data = model.simulate(jax.random.key(11), n)
    w = constrained(model.name, unconstrained_draws(model.name)[:4])
    blocks = [{k: v[part] for k, v in data.items()} for part in np.split(np.arange(n), 50)]
    here = np.array([oracles.negative_log_likelihood(model.name, w, block) for block in blocks])
    best = np.array([oracles.negative_log_likelihood(model.name, batch_of_one(model.optimum), b) for b in blocks])
    gaps = (here - best) / (n / 50)
    error = gaps.std(axis=0, ddof=1) / np.sqrt(50)
    assert (np.abs(gaps.mean(axis=0) - excess(model, w)) < 5 * error + 1e-9).all()


@pytest.mark.slow
def test_the_excess_loss_is_zero_at_the_optimum_and_nowhere_less(model):
    assert excess(model, batch_of_one(model.optimum)) == pytest.approx(0.0, abs=1e-9)
    assert (excess(model, constrained(model.name, unconstrained_draws(model.name))) >= -1e-9).all()


@pytest.mark.slow
def test_it_is_singular_where_its_curvature_at_the_optimum_has_a_zero(model):
    if model.boundary:
        return  # no neighbourhood on both sides: nothing to differentiate
    parts = problem_of(model.name).parts
    with jax.enable_x64(True):
        z = jnp.asarray(parts.unconstrain(dict(model.optimum)))
        curvature = jax.hessian(lambda v: model.excess_loss(sites_of(parts, v)))(z)
        eigenvalues = np.linalg.eigvalsh(np.asarray(curvature))
    assert eigenvalues.min() > -1e-7
    assert (eigenvalues.min() < 1e-6 * max(1.0, eigenvalues.max())) == model.singular


def test_half_the_dimension_is_no_less_than_the_coefficient(model):
    known = model.exact or model.bound
    if known is None or model.boundary:
        return
    half = Fraction(model.dim, 2)
    assert 0 < known.value <= half
    if not model.singular:
        assert (known.value, model.exact.multiplicity) == (half, 1)


@pytest.mark.slow
def test_phases_are_disjoint_and_cover_the_optimal_set(model):
    """Down the gradient of K, from prior draws and from about the optimum: where K ends at 0, one phase claims it."""
    if not model.phases:
        return
    z = unconstrained_draws(model.name)
    inside = np.stack([np.asarray(phase(constrained(model.name, z))) for phase in model.phases.values()])
    assert inside.dtype == bool and (inside.sum(axis=0) <= 1).all()
    parts = problem_of(model.name).parts
    with jax.enable_x64(True):
        slope_of = jax.jit(jax.value_and_grad(lambda v: model.excess_loss(sites_of(parts, v))))

        def objective(v):
            value, slope = slope_of(v)
            return float(value), np.asarray(slope)

        about = parts.unconstrain(dict(model.optimum)) + 0.3 * np.random.default_rng(2).standard_normal((8, model.dim))
        starts = z[:24] if model.boundary else [*z[:24], *about]
        ends = [minimize(objective, start, jac=True, method="L-BFGS-B", options={"ftol": 1e-15, "gtol": 1e-9})
                for start in starts]  # fmt: skip
    optimal = np.array([end.x for end in ends if end.fun < 1e-7])
    assert len(optimal) >= 3
    claimed = np.stack([np.asarray(phase(constrained(model.name, optimal))) for phase in model.phases.values()])
    np.testing.assert_array_equal(claimed.sum(axis=0), 1)


def test_its_description_survives_json_and_makes_it_again(model):
    description = models.describe(model)
    again = models.from_description(json.loads(json.dumps(description)))
    assert models.describe(again) == description
    assert (again.name, again.dim, again.exact, again.bound) == (model.name, model.dim, model.exact, model.bound)
    one, two = (m.simulate(jax.random.key(1), 5) for m in (model, again))
    for name, values in one.items():
        np.testing.assert_array_equal(values, two[name])


def excess(model, parameters) -> np.ndarray:
    with jax.enable_x64(True):
        values = np.asarray(model.excess_loss({k: jnp.asarray(v) for k, v in parameters.items()}))
    assert values.shape == (len(next(iter(parameters.values()))),)
    return values


def sites_of(parts, z) -> dict:
    every = parts.constrain(z)
    return {site: every[site] for site in parts.sites.latent}
