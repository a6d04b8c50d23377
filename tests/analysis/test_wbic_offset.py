"""WBIC against the free energy, and with the singular fluctuation added back, against closed forms."""

import numpy as np
import numpyro
import numpyro.distributions as dist
import pytest
from scipy.stats import norm

from singular import analysis, models, posteriors
from singular.analysis.wbic import wbic
from singular.analysis.wbic_offset import adjusted_wbic, wbic_offset
from singular.errors import InputError
from tests.ladders import WBIC_BETA, GammaLadder


def conjugate(x, y, beta):
    """Return E_β[nL_n], ν and nL_n(0) of y ~ N(Xw, 1), w ~ N(0, I): Var(r²/2) = m²s² + s⁴/2 for normal r."""
    n, d = x.shape
    covariance = np.linalg.inv(np.eye(d) + beta * x.T @ x)
    residual = y - x @ (beta * covariance @ x.T @ y)
    spread = np.einsum("ij,jk,ik->i", x, covariance, x)
    mean = 0.5 * n * np.log(2 * np.pi) + 0.5 * np.sum(residual**2 + spread)
    return mean, 0.5 * beta * np.sum(residual**2 * spread + 0.5 * spread**2)


@pytest.mark.slow
def test_the_offset_has_the_joint_error():
    truth = GammaLadder(persistence=0.5, swaps=True, draws=400)
    target = truth.exact([WBIC_BETA]).mean_nll[0] - truth.exact([1.0]).free_energy[0]
    offsets = [wbic_offset(x) for x in truth.many(seed=11, ladders=80)]
    z = np.array([(o.value - target) / o.mcse for o in offsets])
    assert abs(z.mean()) < 0.4 and 0.8 < z.std(ddof=1) < 1.25
    assert "minus F_n(1)" in offsets[0].target


@pytest.mark.parametrize("name", ["linear-2", "product"])
def test_the_offset_of_a_real_ladder(name):
    problem = models.problem(name, n=100, seed=2)
    ladder = posteriors.ladder(problem, draws=1000, warmup=300, seed=3, progress=False)
    exact = posteriors.quadrature(problem, [ladder.attrs["wbic_beta"], 1.0]).frame
    vague = 2 * np.sqrt(exact.variance_nll[0] / 4000)  # as if three draws of four told nothing
    offset = wbic_offset(ladder)
    assert abs(offset.value - (exact.mean_nll[0] - exact.free_energy[1])) < 4 * offset.mcse
    assert offset.mcse < vague
    if name != "linear-2":
        return
    adjusted = adjusted_wbic(ladder, problem)
    mean, fluctuation = conjugate(problem.kwargs["x"], problem.kwargs["y"], ladder.attrs["wbic_beta"])
    assert mean == pytest.approx(exact.mean_nll[0], rel=1e-10)
    assert abs(adjusted.value - mean - fluctuation) < 4 * adjusted.mcse
    assert adjusted.mcse < vague
    added = adjusted.value - analysis.wbic(ladder).value
    assert abs(added - fluctuation) < 0.15 * fluctuation  # ν is 0.8 here: WBIC alone would be far off


def test_the_adjustment_takes_out_the_bias_over_data_of_a_regular_model():
    """The mean of WBIC − nL_n(w0) − λ log n is near −d/2, that of the adjusted one near 0."""
    rng, n, d = np.random.default_rng(0), 2000, 2
    beta = 1 / np.log(n)
    gaps = []
    for _ in range(400):
        x, noise = rng.standard_normal((n, d)), rng.standard_normal(n)
        mean, fluctuation = conjugate(x, noise, beta)  # the truth is w = 0, where the prior is flat
        gap = mean - 0.5 * n * np.log(2 * np.pi) - 0.5 * noise @ noise - d / 2 * np.log(n)
        gaps.append((gap, gap + fluctuation))
    (plain, adjusted), error = np.mean(gaps, axis=0), np.std(gaps, axis=0) / 20
    assert plain == pytest.approx(-d / 2, abs=4 * error[0] + 0.05)
    assert adjusted == pytest.approx(0.0, abs=4 * error[1] + 0.05)
    assert error[1] < 0.06


@pytest.mark.slow
def test_the_adjustment_takes_out_the_bias_over_data_of_a_singular_model():
    """y = x w³ + noise under a flat prior: λ = 1/6, m = 1, and ν tends to no half dimension."""
    rng, n = np.random.default_rng(1), 5000
    beta = 1 / np.log(n)
    log_w = np.linspace(-14, 1, 1500)
    g = np.exp(3 * np.concatenate([log_w, log_w])) * np.repeat([1, -1], log_w.size)
    gaps = []
    for _ in range(1500):
        x, noise = rng.standard_normal(n), rng.standard_normal(n)
        excess = 0.5 * g**2 * (x @ x) - g * (x @ noise)
        share = np.exp(np.concatenate([log_w, log_w]) - beta * excess)
        share /= share.sum()
        first, second, third, fourth = (share @ g**k for k in (1, 2, 3, 4))
        variances = np.array([second - first**2, third - first * second, fourth - second**2])
        sums = np.array([x**2 @ noise**2, -(x**3) @ noise, 0.25 * np.sum(x**4)])
        gap = share @ excess - np.log(n) / 6
        gaps.append((gap, gap + 0.5 * beta * sums @ variances))
    (plain, adjusted), error = np.mean(gaps, axis=0), np.std(gaps, axis=0) / np.sqrt(len(gaps))
    assert plain < -0.1
    assert abs(adjusted) < 4 * error[1] + 0.01
    assert error[1] < 0.01


def two(a, b):
    w = numpyro.sample("w", dist.Normal(0.0, 1.0))
    numpyro.sample("a", dist.Normal(w, 1.0), obs=a)
    numpyro.sample("b", dist.Normal(w, 2.0).expand([2]).to_event(1), obs=b)


def factor(y):
    w = numpyro.sample("w", dist.Normal(0.0, 1.0))
    numpyro.sample("y", dist.Normal(w, 1.0), obs=y)
    numpyro.factor("extra", -0.5 * w**2)


@pytest.mark.slow
def test_the_fluctuation_is_that_of_whole_rows():
    """Two sites and a trailing axis: one observation is one row of all."""
    x = np.random.default_rng(4).normal(size=(60, 3))
    problem = models.Problem.from_numpyro(two, x[:, 0], x[:, 1:])
    beta = 1 / np.log(60)
    ladder = posteriors.ladder(problem, [0.0, beta, 1.0], draws=50, warmup=100, seed=1, progress=False)
    w = ladder["posterior"]["w"].values[..., 1, None]
    rows = norm.logpdf(x[:, 0], w, 1) + norm.logpdf(x[:, 1], w, 2) + norm.logpdf(x[:, 2], w, 2)
    fluctuation = 0.5 * beta * rows.reshape(-1, 60).var(axis=0, ddof=1).sum()
    assert adjusted_wbic(ladder, problem).value == pytest.approx(wbic(ladder).value + fluctuation, rel=1e-10)


@pytest.mark.slow
def test_factors_and_sites_of_different_length_are_refused():
    uneven = models.Problem.from_numpyro(two, np.ones(4), np.ones((5, 2))).replace(n=4)
    for problem in (models.Problem.from_numpyro(factor, np.ones(4)), uneven):
        ladder = posteriors.ladder(problem, [0.0, 1 / np.log(4), 1.0], draws=10, warmup=10, progress=False)
        with pytest.raises(InputError, match="observed sites must share"):
            adjusted_wbic(ladder, problem)
