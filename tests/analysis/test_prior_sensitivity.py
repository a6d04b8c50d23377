"""The evidence under a wider or narrower prior, against the closed form of conjugate linear regression."""

import numpy as np
import numpyro
import numpyro.distributions as dist
import pytest
from numpyro import handlers

from singular import analysis, models, posteriors
from singular.analysis.prior_sensitivity import prior_sensitivity, prior_shift, reweighted
from singular.errors import InputError
from singular.models import Problem
from singular.models.scaled_prior import rescaled, scaled_prior
from tests.exact_draws import linear_draws, top_of_ladder

PROBLEM = models.problem("linear-4", n=60, seed=2)


def free_energy(problem, scale):
    """−log N(y; 0, I + scale² x xᵀ)."""
    x, y = problem.kwargs["x"], problem.kwargs["y"]
    covariance = np.eye(len(y)) + scale**2 * x @ x.T
    return 0.5 * (np.linalg.slogdet(2 * np.pi * covariance)[1] + y @ np.linalg.solve(covariance, y))


@pytest.mark.parametrize("factor", [0.5, 0.8, 2.0, 5.0])
def test_the_shift_in_closed_form(factor):
    e = prior_shift(linear_draws(PROBLEM, np.random.default_rng(0), 1000), PROBLEM, factor)
    exact = free_energy(PROBLEM, factor) - free_energy(PROBLEM, 1.0)
    assert abs(e.value - exact) < 4 * e.mcse < 0.1
    assert not any("prior" in flag for flag in e.flags)
    assert e.influence.shape == (4, 1000) and abs(e.influence.mean()) < 1e-12
    assert e.target == f"F_n(1) with the prior scales of w times {factor:g}, less F_n(1)"


def test_from_a_ladder_beside_its_free_energy():
    ladder = posteriors.ladder(PROBLEM, chains=2, draws=500, warmup=200, seed=0, progress=False)
    frame = prior_sensitivity(ladder, PROBLEM)
    assert frame.factor.tolist() == [0.5, 2.0]
    assert set(frame.quantity) == {"free_energy_shift"}
    for row in frame.itertuples():
        exact = free_energy(PROBLEM, row.factor) - free_energy(PROBLEM, 1.0)
        assert abs(row.value - exact) < 4 * row.mcse < 0.2
    shift = prior_shift(ladder, PROBLEM, 2.0)
    gap = analysis.difference(analysis.free_energy(ladder), shift)  # of one ladder: a joint error
    assert gap.mcse > 0


@pytest.mark.parametrize("factor", [0.5, 2.0])
def test_errors_over_many_sets_of_draws(factor):
    """Independent posterior draws of one weight, log-ratios by hand."""
    rng, z = np.random.default_rng(1), []
    mean, sd = 0.4, 0.3
    prior, other = dist.Normal(0, 1), dist.Normal(0, factor)
    # E[N(w; 0, f²)/N(w; 0, 1)] over N(mean, sd²), by a fine grid
    grid = np.linspace(mean - 9 * sd, mean + 9 * sd, 20_001)
    weight = np.exp(-0.5 * ((grid - mean) / sd) ** 2)
    ratio = np.exp(-0.5 * grid**2 * (factor**-2 - 1)) / factor
    exact = -np.log(np.sum(weight * ratio) / np.sum(weight))
    for _ in range(300):
        w = rng.normal(mean, sd, (4, 200))
        log_ratio = np.asarray(other.log_prob(w) - prior.log_prob(w), dtype=float)
        value, influence, found = reweighted(log_ratio)
        assert found == []
        z.append((value - exact) / (influence.std() / np.sqrt(influence.size)))
    assert abs(np.mean(z)) < 0.3
    assert 0.85 < np.std(z) < 1.15


def test_influence_is_the_derivative_with_respect_to_a_draw():
    log_ratio = np.random.default_rng(0).normal(0, 0.7, (1, 500))
    value, influence, _ = reweighted(log_ratio)
    moved = np.array([reweighted(np.delete(log_ratio, t, axis=1))[0] for t in range(20)])
    np.testing.assert_allclose((value - moved) * 499, influence[0, :20], rtol=0.05, atol=0.01)


@pytest.mark.parametrize(("shape", "flagged"), [(1.2, True), (5.0, False)])
def test_the_tail_index_is_that_of_the_ratios(shape, flagged):
    """Pareto ratios with shape 1/k."""
    log_ratio = np.random.default_rng(0).exponential(1 / shape, (4, 1000))
    assert any("Pareto k" in flag for flag in reweighted(log_ratio)[2]) == flagged
    assert not any("Pareto k" in flag for flag in reweighted(-log_ratio)[2])


def test_a_prior_that_moves_the_posterior_elsewhere_is_flagged():
    e = prior_shift(linear_draws(PROBLEM, np.random.default_rng(0), 1000), PROBLEM, 0.01)
    assert any("Pareto k" in flag for flag in e.flags)
    assert any("effective draws under the other prior" in flag for flag in e.flags)


def test_bounded_sites_are_left_alone_and_named():
    counts = np.array([12, 5, 3])

    def mixed(counts, y):
        share = numpyro.sample("share", dist.Dirichlet(np.ones(3)))
        with numpyro.plate("groups", 3):
            effect = numpyro.sample("effect", dist.Normal(0.0, 1.0))
        spread = numpyro.sample("spread", dist.HalfNormal(2.0))
        numpyro.sample("counts", dist.Multinomial(20, share), obs=counts)
        numpyro.sample("y", dist.Normal(effect, spread), obs=y)

    problem = Problem.from_numpyro(mixed, counts, np.array([0.1, -0.2, 0.3])).replace(n=4)
    rng = np.random.default_rng(0)
    draws = {
        "share": rng.dirichlet(1 + counts, (4, 200)),
        "effect": rng.normal(size=(4, 200, 3)),
        "spread": np.abs(rng.normal(size=(4, 200))),
    }
    e = prior_shift(top_of_ladder(problem, draws, rng), problem, 2.0)
    assert e.target.endswith("of effect, spread times 2, less F_n(1); left alone: share")
    log_ratio = (3 / 8) * (draws["effect"] ** 2).sum(-1) + (3 / 32) * draws["spread"] ** 2 - 4 * np.log(2)
    assert e.value == pytest.approx(-np.log(np.mean(np.exp(log_ratio))), abs=1e-10)


def test_no_scale_at_all():
    def coin(y):
        p = numpyro.sample("p", dist.Beta(1.0, 1.0))
        numpyro.sample("y", dist.Bernoulli(p), obs=y)

    problem, rng = Problem.from_numpyro(coin, np.array([0, 1, 1, 0])), np.random.default_rng(0)
    e = prior_shift(top_of_ladder(problem, {"p": rng.beta(3, 3, (2, 500))}, rng), problem, 2.0)
    assert np.isnan(e.value)
    assert "no site's prior has a scale" in e.flags


@pytest.mark.parametrize(
    ("fn", "value"),
    [
        (dist.Normal(1.0, 2.0), 0.3),
        (dist.Cauchy(1.0, 2.0), 0.3),
        (dist.StudentT(4.0, 1.0, 2.0), 0.3),
        (dist.Laplace(1.0, 2.0), 0.3),
        (dist.Logistic(1.0, 2.0), 0.3),
        (dist.HalfNormal(2.0), 0.3),
        (dist.HalfCauchy(2.0), 0.3),
        (dist.Normal(1.0, 2.0).expand([3]).to_event(1), np.array([0.3, -0.2, 2.0])),
        (dist.Normal(1.0, 2.0).mask(True), 0.3),
        (dist.MultivariateNormal(np.ones(2), np.array([[2.0, 0.5], [0.5, 1.0]])), np.array([0.3, -1.0])),
    ],
)
def test_a_scaled_density_is_that_of_the_scaled_variable(fn, value):
    """If x has density p about its location, location + 3 (x − location) has p(·)/3^d."""
    new = rescaled(fn, 3.0)
    centre = 0.0 if isinstance(fn, dist.HalfNormal | dist.HalfCauchy) else 1.0
    moved = centre + (np.asarray(value) - centre) * 3
    expected = fn.log_prob(value) - np.size(value) * np.log(3)
    np.testing.assert_allclose(new.log_prob(moved), expected, rtol=1e-5)
    assert (new.batch_shape, new.event_shape) == (fn.batch_shape, fn.event_shape)


def test_other_families_are_no_location_scale_family():
    for fn in (
        dist.Uniform(0.0, 1.0),
        dist.Gamma(2.0, 1.0),
        dist.TruncatedNormal(0.0, 1.0, low=0.0),
        dist.Dirichlet(np.ones(2)),
    ):
        assert rescaled(fn, 2.0) is None


def test_observed_sites_keep_their_noise():
    def model(y):
        w = numpyro.sample("w", dist.Normal(0.0, 1.0))
        numpyro.sample("y", dist.Normal(w, 1.0), obs=y)

    trace = handlers.trace(handlers.seed(scaled_prior(model, 4.0), 0)).get_trace(np.zeros(3))
    assert float(trace["w"]["fn"].scale) == 4.0
    assert float(trace["y"]["fn"].scale) == 1.0


@pytest.mark.parametrize("factor", [0.0, -1.0, float("nan"), "2"])
def test_bad_factors(factor):
    with pytest.raises(InputError, match="factor="):
        prior_shift(linear_draws(PROBLEM, np.random.default_rng(0), 100), PROBLEM, factor)
