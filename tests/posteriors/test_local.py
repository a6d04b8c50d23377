"""A problem near one point, and the exact values of the local coefficient there."""

import jax
import numpy as np
import numpyro
import numpyro.distributions as dist
import pytest
from scipy import integrate, stats

from singular import models, posteriors
from singular.errors import InputError
from singular.models.density import map_rows
from singular.posteriors.local_exact import (
    local_quadrature,
    monomial_local_coefficient,
    quadratic_local_coefficient,
)
from singular.posteriors.localise import localise
from singular.posteriors.precision import x64


def mixture(y):
    share = numpyro.sample("share", dist.Dirichlet(np.ones(2)))
    scale = numpyro.sample("scale", dist.HalfNormal(1.0))
    with numpyro.plate("rows", len(y)):
        label = numpyro.sample("label", dist.Categorical(share))
        numpyro.sample("y", dist.Normal(2.0 * label, scale), obs=y)


Y = np.random.default_rng(0).normal(size=30)


@pytest.mark.slow
def test_the_prior_is_a_gaussian_and_the_likelihood_is_left_alone():
    """Constrained supports and a discrete site: the Gaussian is on the flat unconstrained vector."""
    problem = models.Problem.from_numpyro(mixture, Y)
    centre = {"share": np.array([0.3, 0.7]), "scale": np.array(0.8)}
    local = localise(problem, centre, gamma=4.0)
    with x64():
        z = map_rows(local.parts.prior_draw, jax.random.split(jax.random.PRNGKey(1), 1024))
        log_prior, nll = map_rows(local.parts.split, z)
        untouched = map_rows(problem.parts.split, z)[1]
        back = {k: v[0] for k, v in map_rows(local.parts.constrain, np.array(local.centre)[None]).items()}
    np.testing.assert_allclose(log_prior, stats.norm.logpdf(z, local.centre, 0.5).sum(axis=1), rtol=1e-12)
    np.testing.assert_array_equal(nll, untouched)
    for column, middle in zip(z.T, local.centre, strict=True):
        assert stats.kstest((column - middle) / 0.5, "norm").pvalue > 1e-3
    assert abs(np.corrcoef(z.T)[0, 1]) < 0.13
    for site, value in centre.items():
        np.testing.assert_allclose(back[site], value, rtol=1e-12)
    assert local.model is None and local.n == problem.n and local.dim == 2


def test_centre_and_gamma_are_arguments_of_the_compiled_program_and_part_of_the_hash():
    problem = models.problem("product", n=20, seed=0)
    one, two = localise(problem, np.zeros(2), 1.0), localise(problem, np.array([0.5, 1.0]), 7.0)
    assert one.parts.split.text == two.parts.split.text
    assert one.parts.prior_draw.text == two.parts.prior_draw.text
    assert len({problem.data_hash, one.data_hash, two.data_hash}) == 3
    line = models.problem("monomial-2", n=20, seed=0)
    assert len({localise(line, np.array([c]), g).data_hash for c in (0.0, 1.0) for g in (1.0, 2.0)}) == 4
    again = localise(models.problem("product", n=20, seed=0), np.zeros(2), 1.0)
    assert again.data_hash == one.data_hash
    assert one.reference.nll <= one.centre_nll


@pytest.mark.slow
def test_an_ordinary_ladder_samples_it():
    """A line with a Gaussian localiser: the posterior of the slope is conjugate at every rung."""
    x = np.linspace(-1, 1, 40)
    y = 0.7 * x + np.random.default_rng(5).normal(size=40)

    def line(x, y):
        slope = numpyro.sample("slope", dist.StudentT(3.0, 5.0, 0.1))  # a prior that must not count
        numpyro.sample("y", dist.Normal(slope * x, 1), obs=y)

    local = localise(models.Problem.from_numpyro(line, x, y), {"slope": np.array(0.2)}, gamma=6.0)
    ladder = posteriors.ladder(local, draws=600, warmup=300, seed=2, progress=False)
    assert ladder.attrs["data_hash"] == local.data_hash
    for k, beta in enumerate(ladder["sample_stats"]["beta"].values):
        precision = 6.0 + beta * x @ x
        draws = ladder["posterior"]["slope"].values[:, :, k]
        scaled = (draws - (6.0 * 0.2 + beta * x @ y) / precision) * np.sqrt(precision)
        assert abs(scaled.mean()) < 0.15 and abs(scaled.std() - 1) < 0.1


def test_quadratic_and_monomial_potentials():
    assert quadratic_local_coefficient([2.0, 0.0, 5.0], 3.0, 10.0) == pytest.approx(0.5 * (20 / 23 + 50 / 53))
    assert quadratic_local_coefficient([2.0, 5.0], 1e-9, 1.0) == pytest.approx(1.0, abs=1e-8)  # d/2, from below
    assert monomial_local_coefficient([1], 3.0, 10.0) == pytest.approx(quadratic_local_coefficient([2.0], 3.0, 10.0))


@pytest.mark.parametrize(("exponent", "gamma", "t", "scale"), [(2, 1.0, 100.0, 1.0), (3, 0.2, 7.0, 2.0)])
def test_one_monomial_by_adaptive_quadrature(exponent, gamma, t, scale):
    def weight(w):
        return np.exp(-t * scale * w ** (2 * exponent) - gamma * w**2 / 2)

    options = {"epsabs": 0, "epsrel": 1e-11, "limit": 200}
    total = integrate.quad(weight, 0, 4, **options)[0]
    mean = integrate.quad(lambda w: t * scale * w ** (2 * exponent) * weight(w), 0, 4, **options)[0] / total
    assert monomial_local_coefficient([exponent], gamma, t, scale) == pytest.approx(mean, rel=1e-9)


@pytest.mark.parametrize(("second", "gamma", "t"), [(1, 1.0, 1000 / np.log(1000)), (3, 2.5, 300.0)])
def test_two_monomials_by_the_integral_over_the_first(second, gamma, t):
    """With k1 = 1 the first parameter is Gaussian given the second: Z = ∫ φ(v) (1 + 2tv^(2k)/γ)^(−1/2) dv."""

    def precision(v):
        return 1 + 2 * t * v ** (2 * second) / gamma

    options = {"epsabs": 0, "epsrel": 1e-11, "limit": 400, "points": [0.01, 0.1, 0.5]}
    total = integrate.quad(lambda v: np.exp(-gamma * v**2 / 2) * precision(v) ** -0.5, 0, 12, **options)[0]
    mean = integrate.quad(
        lambda v: np.exp(-gamma * v**2 / 2) * precision(v) ** -1.5 * t * v ** (2 * second) / gamma, 0, 12, **options
    )[0]
    assert monomial_local_coefficient([1, second], gamma, t) == pytest.approx(mean / total, rel=1e-8)


@pytest.mark.slow
def test_the_grid_against_the_conjugate_answer_and_differences_in_gamma():
    problem = models.problem("linear-2", n=100, seed=0)
    x, y = problem.kwargs["x"], problem.kwargs["y"]
    centre, gamma, beta = np.array([1.2, -0.3]), 5.0, 0.3
    row = local_quadrature(localise(problem, centre, gamma), beta).iloc[0]
    assert row.mean_nll == pytest.approx(conjugate_mean(x, y, centre, gamma, beta), rel=1e-12)
    assert row.error_local_learning_coefficient < 1e-10
    step = 1e-4
    near = [
        local_quadrature(localise(problem, centre, gamma * np.exp(s)), beta).local_learning_coefficient[0]
        for s in (step, -step)
    ]
    assert row.gamma_slope == pytest.approx((near[0] - near[1]) / (2 * step), rel=1e-5)
    covariance = np.linalg.inv(gamma * np.eye(2) + beta * x.T @ x)
    shift = covariance @ (gamma * centre + beta * x.T @ y) - centre
    assert row.drift == pytest.approx(gamma * (np.trace(covariance) + shift @ shift) / 2, rel=1e-10)


def conjugate_mean(x, y, centre, gamma, beta):
    """E_β[nL_n] of y ~ N(Xw, 1) under N(w*, 1/γ)."""
    covariance = np.linalg.inv(gamma * np.eye(x.shape[1]) + beta * x.T @ x)
    residual = y - x @ covariance @ (gamma * centre + beta * x.T @ y)
    return 0.5 * (len(y) * np.log(2 * np.pi) + residual @ residual + np.trace(x @ covariance @ x.T))


def test_the_grid_is_the_monomial_potential_where_the_data_fit():
    """With y = 0 the nll of y ~ N(x w1 w2, 1) is a constant and ½ Σx² w1² w2²."""
    problem = models.problem("product", n=50, seed=0)
    x = problem.kwargs["x"]
    fitted = problem.replace(kwargs={"x": x, "y": np.zeros_like(x)})
    row = local_quadrature(localise(fitted, np.zeros(2), 2.0), 0.25).iloc[0]
    expected = monomial_local_coefficient([1, 1], 2.0, 0.25, 0.5 * x @ x)
    assert row.local_learning_coefficient == pytest.approx(expected, rel=1e-9)


def test_bad_input():
    problem = models.problem("product", n=20, seed=0)
    local = localise(problem, np.zeros(2), 1.0)
    for gamma in (0.0, -1.0, np.inf, "much", True):
        with pytest.raises(InputError, match="gamma"):
            localise(problem, np.zeros(2), gamma)
    for centre in (np.zeros(3), np.array([0.0, np.nan])):
        with pytest.raises(InputError, match="centre"):
            localise(problem, centre, 1.0)
    with pytest.raises(InputError, match="lacks the sites"):
        localise(problem, {"w1": 0.0}, 1.0)
    with pytest.raises(InputError, match="its own prior"):
        localise(local, np.zeros(2), 1.0)
    with pytest.raises(InputError, match="no exact integral"):
        posteriors.quadrature(local, 1.0)  # the oracle is for the model's own prior
    with pytest.raises(InputError, match="local problem"):
        local_quadrature(problem, 1.0)
    with pytest.raises(InputError, match="betas"):
        local_quadrature(local, 1.5)
    for exponents in ([], [0], [1, 1, 1], [1.5]):
        with pytest.raises(InputError, match="exponents"):
            monomial_local_coefficient(exponents, 1.0, 1.0)
    with pytest.raises(InputError, match="curvatures"):
        quadratic_local_coefficient([-1.0], 1.0, 1.0)
    with pytest.raises(InputError, match="t="):
        quadratic_local_coefficient([1.0], 1.0, 0.0)
