"""BIC and Laplace: exact where the posterior is a normal, and owning up where it is none."""

import numpy as np
import numpyro
import numpyro.distributions as dist
import pytest

from singular import models, posteriors
from singular.analysis.penalised import bic, find_modes, laplace
from singular.models import Problem


def exact(problem):
    return posteriors.quadrature(problem, [1.0]).frame.free_energy[0]


def test_laplace_is_exact_for_a_normal_posterior():
    problem = models.problem("linear-4", n=200, seed=1)
    e = laplace(problem)
    assert e.value == pytest.approx(exact(problem), abs=1e-6)
    assert (e.mcse, e.flags, e.beta) == (0.0, (), 1.0)


def test_bic_by_hand():
    problem = models.problem("linear-4", n=200, seed=1)
    x, y = problem.kwargs["x"], problem.kwargs["y"]
    _, residual, *_ = np.linalg.lstsq(x, y, rcond=None)
    e = bic(problem)
    assert e.value == pytest.approx(100 * np.log(2 * np.pi) + residual[0] / 2 + 2 * np.log(200), abs=1e-5)
    assert e.flags == ()


@pytest.mark.slow
def test_laplace_in_a_regular_model_that_is_no_normal():
    """The error of Laplace is O(1/n); BIC's does not vanish."""
    problem = models.problem("logistic-2", n=1000, seed=0)
    assert abs(laplace(problem).value - exact(problem)) < 0.01
    assert laplace(problem).flags == ()


def test_laplace_counts_the_change_of_variables():
    """A variance with an inverse Gamma prior: Laplace in log variance, by hand."""
    y = np.random.default_rng(0).normal(0, 2, 400)

    def normal(y):
        variance = numpyro.sample("variance", dist.InverseGamma(3.0, 2.0))
        numpyro.sample("y", dist.Normal(0.0, np.sqrt(1.0) * variance**0.5), obs=y)

    from scipy.special import gammaln

    a, b = 3.0 + 200, 2.0 + 0.5 * y @ y
    closed = -(3 * np.log(2) - gammaln(3) + gammaln(a) - a * np.log(b)) + 200 * np.log(2 * np.pi)
    stirling = gammaln(a) - (a * np.log(a) - a + 0.5 * np.log(2 * np.pi / a))
    assert laplace(Problem.from_numpyro(normal, y)).value == pytest.approx(closed + stirling, abs=1e-5)


@pytest.mark.parametrize("name", ["tanh-1", "product"])
@pytest.mark.slow
def test_singular_models_are_flagged(name):
    problem = models.problem(name, n=500, seed=0)
    off = laplace(problem)
    assert any("no normal in 2 of 2 directions" in flag for flag in off.flags)
    assert abs(off.value - exact(problem)) > 0.3
    assert any("less than the prior in 1 of 2 directions" in flag for flag in bic(problem).flags)
    assert abs(bic(problem).value - exact(problem)) > 2


def test_a_ridge_has_no_laplace_value():
    """y ~ N(|w|, 1): the mode is a circle, along which the Hessian is 0."""

    def circle(y):
        w = numpyro.sample("w", dist.Normal(0.0, 5.0).expand([2]).to_event(1))
        numpyro.sample("y", dist.Normal(numpyro.deterministic("radius", (w**2).sum()), 1.0), obs=y)

    e = laplace(Problem.from_numpyro(circle, np.full(30, 4.0)))
    assert np.isnan(e.value)
    assert any("Hessian at the posterior mode is singular" in flag for flag in e.flags)


def test_mirrored_modes_are_counted():
    def mirrored(y):
        w = numpyro.sample("w", dist.Normal(0.0, 2.0))
        numpyro.sample("y", dist.Normal(w**2, 1.0), obs=y)

    problem = Problem.from_numpyro(mirrored, np.full(50, 4.0))
    modes = find_modes(problem)
    np.testing.assert_allclose(sorted(m.z[0] for m in modes[:2]), [-2, 2], atol=0.02)
    assert any("1 more posterior modes" in flag for flag in laplace(problem).flags)
