"""Joint errors against series of known covariance, and errors over data sets."""

import numpy as np
import pytest

from singular import analysis
from singular.analysis.data_sets import over_data_sets
from singular.analysis.draws import read_draws
from singular.analysis.estimate import difference, estimate
from singular.analysis.joint import covariance
from singular.analysis.learning_coefficient import curve_estimates
from singular.errors import InputError
from tests.analysis.test_estimate import ar1
from tests.ladders import GammaLadder

CHAINS, DRAWS, SETS = 4, 500, 300
CORRELATION = np.array([[1.0, 0.7, -0.3], [0.7, 1.0, 0.2], [-0.3, 0.2, 1.0]])
SCALES = np.array([1.0, 5.0, 0.2])


def correlated(rho, seed):
    """Return series (set, estimate, chain, draw) of one autocorrelation, correlated with each other."""
    shape = (SETS * 3 * CHAINS, DRAWS)
    x = ar1(np.random.default_rng(seed), rho, shape).reshape(SETS, 3, CHAINS, DRAWS)
    mixed = np.einsum("ij,sjcd->sicd", np.linalg.cholesky(CORRELATION), x)
    return mixed * SCALES[:, None, None]


def made(series):
    """Return estimates of 0 whose errors are those of the means of the series."""
    return [estimate(x.mean(), x - x.mean(), target="t", method="m") for x in series]


@pytest.mark.parametrize("rho", [-0.4, 0.0, 0.8])
def test_the_covariance_of_means(rho):
    exact = CORRELATION * np.outer(SCALES, SCALES) * (1 + rho) / (1 - rho) / (CHAINS * DRAWS)
    found, squares, gaps = [], [], []
    for series in correlated(rho, seed=0):
        estimates = made(series)
        c = covariance(estimates)
        assert np.allclose(np.diagonal(c), [e.mcse**2 for e in estimates], rtol=1e-12)
        assert np.linalg.eigvalsh(c).min() > -1e-12 * np.trace(c)
        value = np.array([e.value for e in estimates])
        found.append(c)
        squares.append(value @ np.linalg.solve(c, value))
        gap = difference(estimates[0], estimates[1])
        gaps.append((gap.value / gap.mcse, gap.value / np.sqrt(c[0, 0] + c[1, 1] - 2 * c[0, 1])))
    size = np.sqrt(np.outer(np.diagonal(exact), np.diagonal(exact)))
    assert np.abs(np.mean(found, axis=0) - exact).max() < 0.1 * size.max()
    assert (np.abs(np.mean(found, axis=0) - exact) < 0.1 * size).all()
    # the quadratic form of three values has mean 3, and somewhat more since the matrix is estimated
    assert 2.6 < np.mean(squares) < 3.9
    assert (np.abs(np.std(gaps, axis=0) - 1) < 0.15).all()


def test_correlations_that_live_in_the_slow_part_alone():
    """Two series share a slow part and have fast ones of their own: draws hardly correlate, means do."""
    rng = np.random.default_rng(1)
    slow = ar1(rng, 0.95, (CHAINS, 4000))
    a, b = (0.3 * slow + rng.standard_normal((CHAINS, 4000)) for _ in range(2))
    c = covariance(made([a, b]))
    exact = 1 / (1 + 1 / (0.09 * 1.95 / 0.05))
    assert np.corrcoef(a.ravel(), b.ravel())[0, 1] < 0.15
    assert c[0, 1] / np.sqrt(c[0, 0] * c[1, 1]) == pytest.approx(exact, abs=0.15)


@pytest.mark.slow
def test_estimates_of_one_ladder():
    """WBIC and λ_eff(1) of many ladders: their covariance is the one claimed."""
    truth = GammaLadder(swaps=True, persistence=0.5, rungs=6, draws=300)
    pairs = [
        (analysis.wbic(x), curve_estimates(read_draws(x), truth.betas[-1:], "mbar")[0]) for x in truth.many(0, 150)
    ]
    values = np.array([[e.value for e in pair] for pair in pairs])
    claimed = np.mean([covariance(pair) for pair in pairs], axis=0)
    seen = np.cov(values.T)
    size = np.sqrt(np.outer(np.diagonal(seen), np.diagonal(seen)))
    assert (np.abs(seen - claimed) < 0.3 * size).all()


def test_estimates_without_error():
    x = ar1(np.random.default_rng(0), 0.0, (4, 50))
    one, two, none = made([x, x, np.full((4, 50), np.nan)])
    fixed = estimate(1.0, np.zeros((4, 50)), target="t", method="m")
    c = covariance([one, fixed, none, two])
    assert c[0, 3] == pytest.approx(c[0, 0]) and np.allclose(c[1, [0, 1, 3]], 0.0)
    assert np.isnan(c[2]).all() and np.isnan(c[:, 2]).all()


def test_bad_input():
    x = ar1(np.random.default_rng(0), 0.0, (4, 50))
    with pytest.raises(InputError, match="at least one"):
        covariance([])
    with pytest.raises(InputError, match=r"estimates\[1\]: influence has shape \(4, 40\)"):
        covariance(made([x, x[:, :40]]))


def test_over_data_sets():
    """Both parts of the spread are found again, over and over."""
    rng = np.random.default_rng(2)
    mcse = rng.uniform(0.5, 1.5, (400, 30))
    values = 7 + 2 * rng.standard_normal((400, 30)) + mcse * rng.standard_normal((400, 30))
    found = [over_data_sets(v, e) for v, e in zip(values, mcse, strict=True)]
    z = np.array([(f.mean - 7) / f.standard_error for f in found])
    carlo = np.mean(mcse**2)
    assert 0.9 < z.std() < 1.15
    assert np.mean([f.spread**2 for f in found]) == pytest.approx(4.0, rel=0.05)
    assert np.mean([f.monte_carlo_share for f in found]) == pytest.approx(carlo / (4 + carlo), rel=0.12)
    assert found[0].monte_carlo_error == pytest.approx(np.sqrt(np.sum(mcse[0] ** 2)) / 30)
    assert found[0].data_sets == 30


def test_data_sets_that_do_not_differ():
    rng = np.random.default_rng(3)
    found = over_data_sets(rng.standard_normal(500), np.ones(500))
    assert found.monte_carlo_share == pytest.approx(1.0, abs=0.2) and found.spread < 0.5
    assert np.isnan(over_data_sets([1.0, 1.0], [0.0, 0.0]).monte_carlo_share)


BAD = {
    "lengths": (([1.0, 2.0], [0.1]), "mcse has shape"),
    "one": (([1.0], [0.1]), "1 data sets"),
    "nan": (([1.0, np.nan], [0.1, 0.1]), "values has 1"),
    "nan error": (([1.0, 2.0], [np.nan, 0.1]), "mcse has 1"),
    "negative": (([1.0, 2.0], [-0.1, 0.1]), "mcse=-0.1 is negative"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_data_sets_are_named(case):
    arguments, message = BAD[case]
    with pytest.raises(InputError, match=message):
        over_data_sets(*arguments)
