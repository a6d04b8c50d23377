"""Which rows a model's observed sites have in common, and which models have none."""

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
import pytest
import xarray as xr
from scipy.stats import norm, poisson

from singular.analysis.criteria import training_loss
from singular.analysis.generalisation import generalisation_loss, generalisation_loss_of, predictive
from singular.analysis.pointwise import held_out_log_likelihood, log_likelihood_at, pointwise_log_likelihood
from singular.errors import InputError
from singular.models import Problem
from singular.models.density import map_rows
from singular.posteriors.layout import constrain
from singular.posteriors.precision import x64

RNG = np.random.default_rng(8)
Y = RNG.normal(size=(12, 3))
COUNTS = RNG.poisson(3.0, size=12)
SEEN = np.arange(12) % 4 != 0


def two_sites(y, counts):
    mean = numpyro.sample("mean", dist.Normal(0, 1).expand([3]).to_event(1))
    numpyro.sample("y", dist.Normal(mean, 1), obs=y)
    numpyro.sample("counts", dist.Poisson(np.e ** mean[0]), obs=counts)


def masked(y, seen):
    mean = numpyro.sample("mean", dist.Normal(0, 1))
    with numpyro.plate("rows", len(y)), numpyro.handlers.mask(mask=seen):
        numpyro.sample("y", dist.Normal(mean, 1), obs=y)


def scored(y):
    mean = numpyro.sample("mean", dist.Normal(0, 1))
    numpyro.factor("score", -0.5 * (y - mean) ** 2)


def penalised(y):
    mean = numpyro.sample("mean", dist.Normal(0, 1))
    numpyro.factor("penalty", -abs(mean))
    numpyro.sample("y", dist.Normal(mean, 1), obs=y)


def joint(y):
    mean = numpyro.sample("mean", dist.Normal(0, 1))
    numpyro.sample("y", dist.MultivariateNormal(mean * np.ones(len(y)), np.eye(len(y)) + 0.5), obs=y)


def labelled(y):
    mean = numpyro.sample("mean", dist.Normal(0, 1))
    with numpyro.plate("rows", len(y)):
        label = numpyro.sample("label", dist.Bernoulli(0.5))
        numpyro.sample("y", dist.Normal(jnp.array([0.0, 1.0])[label] * mean, 1), obs=y)


def one_each(y):
    spread = numpyro.sample("spread", dist.HalfNormal(1))
    with numpyro.plate("rows", len(y)):
        effect = numpyro.sample("effect", dist.Normal(0, spread))
        numpyro.sample("y", dist.Normal(effect, 1), obs=y)


def short(problem):
    """Lay draws of the prior out as a ladder: what is read off them does not depend on where they come from."""
    parts, betas = problem.parts, np.array([0.0, 0.1, 1.0])
    with x64():
        z = map_rows(parts.prior_draw, jax.random.split(jax.random.PRNGKey(0), 2 * 20 * 3))
        _, nll = map_rows(parts.split, z)
    sites = constrain(problem, z.reshape(2, 20, 3, -1))
    lead = ("chain", "draw", "beta")
    coords = {"chain": np.arange(2), "draw": np.arange(20), "beta": betas}
    named = {k: ((*lead, *(f"{k}_{i}" for i in range(v.ndim - 3))), v) for k, v in sites.items()}
    tree = xr.DataTree.from_dict(
        {
            "/posterior": xr.Dataset(named, coords=coords),
            "/sample_stats": xr.Dataset({"nll": (lead, nll.reshape(2, 20, 3))}, coords=coords),
        }
    )
    tree.attrs = {"problem": problem.name, "data_hash": problem.data_hash, "complete": 1}
    return tree


def test_sites_and_further_axes_are_added_up():
    problem = Problem.from_numpyro(two_sites, Y, COUNTS)
    tree = short(problem)
    mean = tree["posterior"]["mean"].values[:, :, 1]
    by_hand = norm.logpdf(Y, mean[:, :, None, :]).sum(axis=-1)
    by_hand += poisson.logpmf(COUNTS, np.exp(mean[:, :, None, 0]))
    np.testing.assert_allclose(pointwise_log_likelihood(tree, problem, 0.1), by_hand, atol=1e-10)
    at = log_likelihood_at(problem, {"mean": np.array([0.5, 0.0, -1.0])})
    np.testing.assert_allclose(
        at, norm.logpdf(Y, [0.5, 0.0, -1.0]).sum(axis=1) + poisson.logpmf(COUNTS, np.exp(0.5)), atol=1e-10
    )


def test_fresh_data_of_another_length():
    problem = Problem.from_numpyro(two_sites, Y, COUNTS)
    tree = short(problem)
    y, counts = RNG.normal(size=(5, 3)), RNG.poisson(3.0, size=5)
    mean = tree["posterior"]["mean"].values[:, :, 2]
    by_hand = norm.logpdf(y, mean[:, :, None, :]).sum(axis=-1) + poisson.logpmf(counts, np.exp(mean[:, :, None, 0]))
    fresh = Problem.from_numpyro(two_sites, y, counts)
    np.testing.assert_allclose(held_out_log_likelihood(tree, problem, fresh), by_hand, atol=1e-10)
    assert generalisation_loss(tree, problem, fresh).value == pytest.approx(
        -np.log(np.exp(by_hand).mean(axis=(0, 1))).mean()
    )


def test_masked_rows_are_left_out():
    problem = Problem.from_numpyro(masked, Y[:, 0], SEEN)
    tree = short(problem)
    values = pointwise_log_likelihood(tree, problem)
    assert values.shape == (2, 20, 9) == (2, 20, problem.n)
    mean = tree["posterior"]["mean"].values[:, :, -1]
    np.testing.assert_allclose(values, norm.logpdf(Y[SEEN, 0], mean[..., None]), atol=1e-12)
    fresh = Problem.from_numpyro(masked, Y[:, 1], ~SEEN)
    assert held_out_log_likelihood(tree, problem, fresh).shape == (2, 20, 3)


def test_a_factor_with_a_value_for_each_row_counts():
    problem = Problem.from_numpyro(scored, Y[:, 0]).replace(n=12)
    tree = short(problem)
    mean = tree["posterior"]["mean"].values[:, :, -1]
    np.testing.assert_allclose(
        pointwise_log_likelihood(tree, problem), -0.5 * (Y[:, 0] - mean[..., None]) ** 2, atol=1e-12
    )


@pytest.mark.parametrize(
    ("model", "why"),
    [(penalised, "penalty: 1"), (joint, "joint distribution of 12 rows"), (labelled, "sums over discrete sites")],
)
def test_models_without_rows_are_refused(model, why):
    problem = Problem.from_numpyro(model, Y[:, 0])
    tree = short(problem)
    for call in (pointwise_log_likelihood, training_loss):
        with pytest.raises(InputError, match=why):
            call(tree, problem)
    with pytest.raises(InputError, match=why):
        generalisation_loss(tree, problem, Problem.from_numpyro(model, Y[:, 1]))
    with pytest.raises(InputError, match=why):
        log_likelihood_at(problem, {"mean": 0.0})


def test_parameters_of_single_observations_cannot_be_carried_over():
    problem = Problem.from_numpyro(one_each, Y[:, 0])
    tree = short(problem)
    assert pointwise_log_likelihood(tree, problem).shape == (2, 20, 12)
    with pytest.raises(InputError, match="latent sites"):
        generalisation_loss(tree, problem, Problem.from_numpyro(one_each, Y[:5, 1]))


def coin(y):
    share = numpyro.sample("share", dist.Beta(1, 1))
    numpyro.sample("y", dist.Bernoulli(share), obs=y)


def test_points_on_the_edge_are_refused():
    problem = Problem.from_numpyro(coin, COUNTS % 2)
    np.testing.assert_allclose(log_likelihood_at(problem, {"share": 0.25}), np.log(np.where(COUNTS % 2, 0.25, 0.75)))
    with pytest.raises(InputError, match="edge"):
        log_likelihood_at(problem, {"share": 0.0})
    with pytest.raises(InputError, match="edge"):
        log_likelihood_at(Problem.from_numpyro(one_each, Y[:, 0]), {"spread": 0.0, "effect": np.zeros(12)})


def test_predictive_density_by_blocks():
    values = RNG.normal(scale=30.0, size=(50, 4))
    log_mean, shared = predictive([values[:10], values[10:45], values[45:]])
    likelihood = np.exp(values)
    np.testing.assert_allclose(log_mean, np.log(likelihood.mean(axis=0)), rtol=1e-12)
    np.testing.assert_allclose(shared, likelihood.sum(axis=0) ** 2 / (likelihood**2).sum(axis=0), rtol=1e-12)


def test_a_held_out_observation_that_no_draw_can_make():
    block = RNG.normal(size=(40, 3))
    one_draw = block.copy()
    one_draw[1:, 0] = -np.inf
    e = generalisation_loss_of(lambda: [one_draw[:25], one_draw[25:]], (2, 20), 1.0)
    assert e.value == pytest.approx(-np.log(np.exp(one_draw).mean(axis=0)).mean())
    assert any("rests on fewer" in flag for flag in e.flags)
    block[:, 2] = -np.inf
    e = generalisation_loss_of(lambda: [block[:25], block[25:]], (2, 20), 1.0)
    assert e.value == np.inf
    assert np.isnan(e.mcse)
    assert np.isnan(e.se_data)
    assert any("no draw can make 1 of 3" in flag for flag in e.flags)
