"""Rank correlations against SciPy and against the known one of normal numbers; intervals that cover."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from singular.analysis.rank_correlation import rank_correlation
from singular.errors import InputError


def triples(rng, size, a=0.8, b=0.6):
    """Return x, y, z, normal, with x and y independent of each other once z is given."""
    z = rng.normal(size=size)
    x = a * z + math.sqrt(1 - a**2) * rng.normal(size=size)
    y = b * z + math.sqrt(1 - b**2) * rng.normal(size=size)
    return x, y, z


@pytest.mark.parametrize(("method", "oracle"), [("spearman", stats.spearmanr), ("kendall", stats.kendalltau)])
def test_values_are_those_of_scipy_ties_included(method, oracle):
    rng = np.random.default_rng(0)
    x, y = rng.integers(0, 6, size=(2, 30)).astype(float)
    got = rank_correlation(x, y, method=method, resamples=100)
    assert got.value == pytest.approx(oracle(x, y).statistic, abs=1e-12)
    assert got.low < got.value < got.high


def test_the_partial_correlation_is_that_of_the_residuals_of_ranks():
    x, y, z = triples(np.random.default_rng(1), 40)
    ranks = [stats.rankdata(v) - 20.5 for v in (x, y, z)]
    rest = [v - ranks[2] * (v @ ranks[2]) / (ranks[2] @ ranks[2]) for v in ranks[:2]]
    exact = rest[0] @ rest[1] / math.sqrt((rest[0] @ rest[0]) * (rest[1] @ rest[1]))
    assert rank_correlation(x, y, given=z, resamples=100).value == pytest.approx(exact, abs=1e-12)


def test_a_common_cause_is_taken_out():
    x, y, z = triples(np.random.default_rng(2), 2000)
    raw, partial = rank_correlation(x, y, resamples=200), rank_correlation(x, y, given=z, resamples=200)
    error = 1 / math.sqrt(2000)
    assert abs(raw.value - 6 / math.pi * math.asin(0.48 / 2)) < 4 * error
    # ranks of normal numbers are not linear in each other: what is left is below 0.03 here
    assert abs(partial.value) < 4 * error + 0.03


def test_intervals_cover():
    """Of 200 samples of 24 normal pairs of ρ = 0.6 at least 88 % of the intervals hold the true rank correlation."""
    rng = np.random.default_rng(3)
    truth, held = 6 / math.pi * math.asin(0.3), 0
    for _ in range(200):
        x = rng.normal(size=24)
        y = 0.6 * x + 0.8 * rng.normal(size=24)
        got = rank_correlation(x, y, resamples=300)
        held += got.low <= truth <= got.high
    assert held >= 176


def test_errors_of_measurement_make_it_wider():
    x, y, _ = triples(np.random.default_rng(4), 24)
    sure = rank_correlation(x, y)
    unsure = rank_correlation(x, y, x_error=np.full(24, 0.7), y_error=np.full(24, 0.3))
    assert unsure.value == sure.value
    assert unsure.high - unsure.low > sure.high - sure.low
    assert unsure.low < sure.low


def test_what_is_not_defined_is_told():
    x = np.arange(12.0)
    assert "not defined" in rank_correlation(x, np.ones(12)).flags[0]
    assert "not defined" in rank_correlation(x, x[::-1], given=x**3).flags[0]
    assert rank_correlation(x[:6], x[:6]).flags == ("6 items < 10",)


def test_what_is_refused():
    x = np.arange(8.0)
    for wrong in ({"y": x[:5]}, {"y": x * np.nan}, {"method": "pearson"}, {"x_error": -x}, {"resamples": 5}):
        with pytest.raises(InputError):
            rank_correlation(**{"x": x, "y": x, **wrong})
    with pytest.raises(InputError, match="at least 5"):
        rank_correlation(x[:4], x[:4])
