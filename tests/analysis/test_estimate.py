"""Errors of autocorrelated series, and the small contracts of Estimate."""

import numpy as np
import pytest

from singular.analysis import Estimate, difference
from singular.analysis.estimate import estimate, monte_carlo_error


def ar1(rng, rho, shape):
    x = rng.standard_normal(shape)
    for t in range(1, shape[1]):
        x[:, t] = rho * x[:, t - 1] + np.sqrt(1 - rho**2) * x[:, t]
    return x


@pytest.mark.parametrize("rho", [-0.5, 0.0, 0.9])
def test_the_error_of_a_mean(rho):
    x = ar1(np.random.default_rng(0), rho, (4 * 200, 800)).reshape(200, 4, 800)
    claimed = np.array([monte_carlo_error(s) for s in x])
    exact = np.sqrt((1 + rho) / (1 - rho) / 3200)
    assert claimed.mean() == pytest.approx(exact, rel=0.1)
    assert 0.8 < np.std([s.mean() / c for s, c in zip(x, claimed, strict=True)]) < 1.25


def test_scale_and_constants():
    x = ar1(np.random.default_rng(1), 0.5, (4, 200))
    for scale in (1e-200, 1e-18, 1e12):
        assert monte_carlo_error(scale * x) == pytest.approx(scale * monte_carlo_error(x), rel=1e-9)
    assert monte_carlo_error(np.zeros((4, 10))) == 0.0
    assert monte_carlo_error(np.full((4, 10), 7.1)) == 0.0
    assert np.isnan(monte_carlo_error(np.where(x > 2, np.nan, x)))
    assert np.isnan(monte_carlo_error(x[:, :3]))


def test_chains_that_never_mixed_have_a_large_error():
    x = 0.01 * np.random.default_rng(0).standard_normal((4, 500)) + np.arange(4.0)[:, None]
    assert monte_carlo_error(x) > 0.4


def test_the_series_is_kept_out_of_repr_and_equality():
    series = np.random.default_rng(0).standard_normal((2, 8))
    a = Estimate(1.0, 0.1, "x", "m", influence=series)
    assert "influence" not in repr(a)
    assert a == Estimate(1.0, 0.1, "x", "m", influence=2 * series)
    with pytest.raises(AttributeError):
        a.value = 2.0


def test_difference():
    series = np.random.default_rng(0).standard_normal((4, 100))
    a = estimate(3.0, series, target="a", method="m", beta=0.5, flags=["x", "x"], discretisation_error=0.1)
    b = estimate(1.0, series, target="b", method="m", beta=1.0, flags=["y"], discretisation_error=0.2)
    gap = difference(a, b)
    assert (gap.value, gap.mcse, gap.beta) == (2.0, 0.0, None)
    assert gap.flags == ("x", "y") and gap.discretisation_error == pytest.approx(0.3)
    assert gap.target == "a minus b"
    with pytest.raises(ValueError, match=r"second: influence has shape \(4, 50\)"):
        difference(a, estimate(1.0, series[:, :50], target="c", method="m"))
