"""Bridge sampling: ladders against the oracle, and exact posterior draws for the size of the error."""

import functools

import numpy as np
import numpyro
import numpyro.distributions as dist
import pytest
import xarray as xr

from singular import analysis, models, posteriors
from singular.analysis.bridge import bridge, optimal_bridge
from singular.errors import InputError
from singular.models import Problem
from singular.posteriors.unconstrained import unconstrained
from tests.exact_draws import linear_draws, product_draws, top_of_ladder


def exact(problem):
    return posteriors.quadrature(problem, [1.0]).frame.free_energy[0]


CASES = {"linear-4": (200, linear_draws), "product": (500, product_draws)}


@functools.cache
def standardised(name, ladders=100):
    n, draw = CASES[name]
    problem, rng = models.problem(name, n=n, seed=0), np.random.default_rng(7)
    estimates = [bridge(draw(problem, rng, 250), problem, seed=s) for s in range(ladders)]
    assert not any("bridge" in flag for e in estimates for flag in e.flags)
    return np.array([(e.value - exact(problem)) / e.mcse for e in estimates]), np.mean([e.mcse for e in estimates])


@pytest.mark.slow
@pytest.mark.parametrize(("name", "bound"), [("linear-4", 0.008), ("product", 0.05)])
def test_errors_are_neither_too_small_nor_too_large(name, bound):
    """A normal posterior, where the bridge is nearly exact, and one in the shape of a cross."""
    z, mcse = standardised(name)
    assert abs(z.mean()) < 0.4
    assert 0.8 < z.std(ddof=1) < 1.25
    assert mcse < bound


@pytest.mark.parametrize(
    ("name", "n", "bound"), [("linear-4", 200, 0.01), ("logistic-2", 200, 0.01), ("tanh-1", 200, 0.06)]
)
@pytest.mark.slow
def test_a_ladder_against_the_oracle(name, n, bound):
    problem = models.problem(name, n=n, seed=0)
    ladder = posteriors.ladder(problem, chains=2, draws=500, warmup=200, seed=1, progress=False)
    e = bridge(ladder, problem)
    assert abs(e.value - exact(problem)) < 4 * e.mcse < 4 * bound
    assert e.influence.shape == (2, 500)
    assert not any("bridge" in flag for flag in e.flags)
    gap = analysis.difference(e, analysis.free_energy(ladder))
    assert abs(gap.value) < 4 * gap.mcse


def test_a_simplex_and_a_scale_are_mapped_to_the_real_line():
    """Counts with a Dirichlet prior beside a normal of unknown variance: both have closed forms."""
    counts, y = np.array([12, 5, 3]), np.random.default_rng(0).normal(0, 2, 30)

    def both(counts, y):
        share = numpyro.sample("share", dist.Dirichlet(np.ones(3)))
        variance = numpyro.sample("variance", dist.InverseGamma(3.0, 2.0))
        numpyro.sample("counts", dist.Multinomial(20, share), obs=counts)
        numpyro.sample("y", dist.Normal(0.0, variance**0.5), obs=y)

    from scipy.special import gammaln

    problem, rng = Problem.from_numpyro(both, counts, y).replace(n=31), np.random.default_rng(1)
    a, b = 3.0 + 15, 2.0 + 0.5 * y @ y
    normal = 3 * np.log(2) - gammaln(3) + gammaln(a) - a * np.log(b) - 15 * np.log(2 * np.pi)
    multinomial = gammaln(21) + gammaln(3) - gammaln(23)  # every table of counts is as likely
    draws = {"share": rng.dirichlet(1 + counts, (4, 1000)), "variance": b / rng.gamma(a, size=(4, 1000))}
    ladder = top_of_ladder(problem, draws, rng)
    e = bridge(ladder, problem)
    assert abs(e.value + normal + multinomial) < 4 * e.mcse < 0.02
    z = unconstrained(ladder, problem)
    np.testing.assert_allclose(z[0, :3, 2], np.log(draws["variance"][0, :3]), rtol=1e-10)
    np.testing.assert_allclose(posteriors.layout.constrain(problem, z)["share"], draws["share"], rtol=1e-8)


def test_a_poor_match_is_flagged():
    """A cross so thin that the normal hardly ever falls on it."""
    problem, rng = models.problem("product", n=1_000_000, seed=0), np.random.default_rng(0)
    e = bridge(product_draws(problem, rng, 250), problem)
    assert any("poor match for a normal" in flag for flag in e.flags)


def test_optimal_bridge_between_two_normals():
    rng = np.random.default_rng(3)

    def log_ratio(x):
        return -0.5 * ((x - 0.3) / 1.2) ** 2 + 0.5 * x**2 + 0.5 * np.log(2 * np.pi)

    log_z, converged = optimal_bridge(log_ratio(rng.normal(0.3, 1.2, 4000)), log_ratio(rng.normal(0, 1, 8000)), 4000)
    assert converged
    assert log_z == pytest.approx(np.log(1.2 * np.sqrt(2 * np.pi)), abs=0.015)


def test_influence_is_the_derivative_with_respect_to_a_round():
    """Leaving the last rounds out moves the value as their influence says; the fit stays as it is."""
    problem = models.problem("product", n=500, seed=0)
    ladder = product_draws(problem, np.random.default_rng(2), 403)
    moved, expected = [], []
    for count in (400, 401, 402):
        more, fewer = (bridge(ladder.isel(draw=slice(0, k)), problem, proposals=4000) for k in (count + 1, count))
        assert more.influence.shape == (4, count + 1)
        moved.append((more.value - fewer.value) * count)
        expected.append(more.influence[:, -1].mean())
        assert (more.influence[:, :100] == 0).all()
    np.testing.assert_allclose(moved, expected, rtol=0.1, atol=0.02)


def test_what_it_cannot_use():
    problem, rng = models.problem("linear-4", n=200, seed=0), np.random.default_rng(0)
    ladder = linear_draws(problem, rng, 8)
    with pytest.raises(InputError, match="too few to fit a normal"):
        bridge(ladder, problem)
    with pytest.raises(InputError, match="does not have the data"):
        bridge(linear_draws(problem, rng, 100), models.problem("linear-4", n=200, seed=1))
    without = linear_draws(problem, rng, 100)
    without["posterior"] = xr.DataTree(without["posterior"].to_dataset().rename(w="v"))
    with pytest.raises(InputError, match="does not hold the sites"):
        bridge(without, problem)
