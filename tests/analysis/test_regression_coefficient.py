"""The slope of the mean nll on 1/β: the same fit to the exact means, its error, and its window."""

import functools

import numpy as np
import pytest

from singular import analysis, models, posteriors
from singular.analysis.learning_coefficient import effective_learning_coefficient
from singular.analysis.regression_coefficient import regression_contrast, regression_learning_coefficient
from singular.errors import InputError
from tests.ladders import WBIC_BETA, GammaLadder, N, tree

WINDOW = (0.03, 1.0)
TRUTH = GammaLadder(persistence=0.5, swaps=True, draws=300)
TIED = GammaLadder(common=0.8, draws=200, rungs=7)


@functools.cache
def ladders(truth):
    return truth.many(seed=7, ladders=120)


def exact(truth, betas, multiplicity=False):
    return regression_contrast(betas, N, multiplicity) @ truth.exact(betas).mean_nll.to_numpy()


@pytest.mark.parametrize("multiplicity", [False, True])
def test_the_asymptotic_law_is_fitted_without_error(multiplicity):
    betas, n = np.geomspace(0.05, 0.8, 7), 500
    law = 812.5 + 1.75 / betas - 2 * multiplicity / (betas * np.log(n * betas))
    fitted = regression_contrast(betas, n, multiplicity) @ law
    np.testing.assert_allclose(fitted, [1.75, 812.5, 2][: len(fitted)], rtol=1e-9)


def test_the_weights_are_those_of_equal_relative_errors():
    betas, mean = np.array([0.1, 0.2, 0.4, 1.0]), np.array([31.0, 24.0, 23.0, 20.0])
    np.testing.assert_allclose(regression_contrast(betas, N) @ mean, np.polyfit(1 / betas, mean, 1, w=betas), rtol=1e-9)


def test_the_law_is_the_derivative_of_the_free_energy():
    n, lam, m, step = 300, 0.5, 2, 1e-6

    def free_energy(b):
        return 40 * b + lam * np.log(n * b) - (m - 1) * np.log(np.log(n * b))

    betas = np.geomspace(0.05, 0.8, 5)
    mean = (free_energy(betas * (1 + step)) - free_energy(betas * (1 - step))) / (2 * step * betas)
    np.testing.assert_allclose(regression_contrast(betas, n, True) @ mean, [lam, 40, m - 1], rtol=1e-6)


@pytest.mark.parametrize("term", ["slope", "intercept", "multiplicity"])
@pytest.mark.parametrize("method", ["rung", "mbar"])
@pytest.mark.parametrize("truth", [TRUTH, TIED], ids=["swapped", "tied"])
@pytest.mark.slow
def test_standardised_errors(truth, method, term):
    multiplicity = term == "multiplicity"
    fits = [regression_learning_coefficient(x, WINDOW, multiplicity, method) for x in ladders(truth)[:60]]
    target = exact(truth, fits[0].betas, multiplicity)[["slope", "intercept", "multiplicity"].index(term)]
    z = np.array([(getattr(f, term).value - target) / getattr(f, term).mcse for f in fits])
    assert abs(z.mean()) < 0.5
    assert 0.75 < z.std(ddof=1) < 1.3


def test_rungs_taken_for_independent_would_fail():
    """Noise that tied rungs share moves β E_β on all of them alike, which is what the slope reads."""
    ratios = []
    for ladder in ladders(TIED)[:30]:
        fit = regression_learning_coefficient(ladder, WINDOW, method="rung")
        nll = ladder["sample_stats"]["nll"].sel(beta=fit.betas).values
        row = regression_contrast(fit.betas, N)[0]
        apart = np.sqrt(np.sum((row * nll.std(axis=(0, 1))) ** 2) / nll[..., 0].size)
        ratios.append(fit.slope.mcse / apart)
    assert np.mean(ratios) > 1.1


def test_a_regression_over_two_rungs_is_the_secant():
    ladder = ladders(TRUTH)[0]
    fit = regression_learning_coefficient(ladder, (WBIC_BETA, 0.5), method="rung")
    secant = analysis.learning_coefficient(ladder, "two-temperature")
    assert fit.slope.value == pytest.approx(secant.value, rel=1e-10)
    assert fit.slope.mcse == pytest.approx(secant.mcse, rel=1e-6)


def test_the_slope_is_a_mean_of_the_effective_coefficient():
    fit = regression_learning_coefficient(ladders(TRUTH)[0], WINDOW)
    dense = effective_learning_coefficient(ladders(TRUTH)[0], np.geomspace(*WINDOW, 40), method="mbar")
    assert dense.value.min() < fit.slope.value < dense.value.max()
    assert fit.multiplicity is None
    assert "0.03, 1" in fit.slope.target and "weights beta^2" in fit.slope.target


def test_the_default_window_is_a_factor_two_about_the_rung_of_wbic():
    fit = regression_learning_coefficient(ladders(TRUTH)[0])
    assert (fit.betas[0], fit.betas[-1], fit.betas.size) == (
        pytest.approx(WBIC_BETA / 2),
        pytest.approx(WBIC_BETA * 2),
        9,
    )


def test_an_offset_moves_the_intercept_alone():
    nll = ladders(TRUTH)[0]["sample_stats"]["nll"].values
    before = regression_learning_coefficient(tree(TRUTH.betas, nll=nll), multiplicity=True)
    after = regression_learning_coefficient(tree(TRUTH.betas, nll=nll + 1e5), multiplicity=True)
    assert after.slope.value == pytest.approx(before.slope.value, abs=1e-6)
    assert after.multiplicity.value == pytest.approx(before.multiplicity.value, abs=1e-6)
    assert after.intercept.value - 1e5 == pytest.approx(before.intercept.value, abs=1e-5)


def test_a_multiplicity_that_is_not_resolved_is_flagged():
    small = GammaLadder(draws=20).one(0)
    fit = regression_learning_coefficient(small, (0.15, 0.3), multiplicity=True)
    assert any("multiplicity not resolved" in flag for flag in fit.multiplicity.flags)
    sharp = regression_learning_coefficient(GammaLadder(draws=3000).one(0), WINDOW, multiplicity=True)
    assert not any("multiplicity" in flag for flag in sharp.multiplicity.flags)


@pytest.mark.slow
def test_a_real_ladder_against_quadrature():
    problem = models.problem("product", n=100, seed=0)
    ladder = posteriors.ladder(problem, draws=600, warmup=300, seed=1, progress=False)
    for multiplicity in (False, True):
        fit = regression_learning_coefficient(ladder, multiplicity=multiplicity)
        means = posteriors.quadrature(problem, fit.betas).frame.mean_nll.to_numpy()
        truth = regression_contrast(fit.betas, problem.n, multiplicity) @ means
        for got, value in zip([e for e in fit[:3] if e is not None], truth, strict=True):
            assert abs(got.value - value) < 4 * got.mcse
            assert got.mcse < 0.1


def test_bad_input():
    ladder = ladders(TRUTH)[0]
    for window in ((0.0, 0.5), (0.5, 0.2), (0.5, 1.2)):
        with pytest.raises(InputError, match="window"):
            regression_learning_coefficient(ladder, window)
    with pytest.raises(InputError, match="widen the window"):
        regression_learning_coefficient(ladder, (0.2, 0.3), method="rung")
    with pytest.raises(InputError, match="holds no rung"):
        regression_learning_coefficient(ladder, (0.3, 0.31), method="rung")
    with pytest.raises(InputError, match="method='rungs'"):
        regression_learning_coefficient(ladder, method="rungs")
    with pytest.raises(InputError, match="n beta > 1"):
        regression_learning_coefficient(ladder, (0.001, 0.5), multiplicity=True)
