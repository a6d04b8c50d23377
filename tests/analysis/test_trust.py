"""When an error bar is not to be believed: said of bad series, and hardly ever of good ones."""

import numpy as np
import pytest

from singular.analysis import difference, flags
from singular.analysis.agreement import slope_departures
from singular.analysis.estimate import estimate, monte_carlo_error
from singular.analysis.trust import UNTRUSTED, block_error, trust_flags
from tests.analysis.test_estimate import ar1
from tests.ladders import GammaLadder, tree

CHAINS, DRAWS, SERIES = 4, 500, 500


def many(rho, seed=0, draws=DRAWS):
    return ar1(np.random.default_rng(seed), rho, (CHAINS * SERIES, draws)).reshape(SERIES, CHAINS, draws)


def flags_of(series):
    return trust_flags(series, monte_carlo_error(series))


@pytest.mark.parametrize("rho", [-0.5, 0.0, 0.5, 0.8])
def test_the_error_from_blocks(rho):
    x = many(rho)
    found = np.array([block_error(s) for s in x])
    exact = np.sqrt((1 + rho) / (1 - rho) / (CHAINS * DRAWS))
    assert np.mean(found**2) == pytest.approx(exact**2, rel=0.1 if rho < 0.8 else 0.2)
    assert np.std([s.mean() / e for s, e in zip(x, found, strict=True)]) == pytest.approx(1.0, abs=0.12)
    assert np.std(found) / np.mean(found) == pytest.approx(1 / np.sqrt(2 * 31), rel=0.15)


def test_blocks_of_few_or_bad_draws():
    assert np.isnan(block_error(np.ones((2, 7))))
    assert np.isnan(block_error(np.full((2, 20), np.nan)))
    assert block_error(np.ones((2, 20))) == 0.0
    assert block_error(np.arange(16.0).reshape(2, 8)) == pytest.approx(np.std(np.arange(16), ddof=1) / 4)


@pytest.mark.parametrize("rho", [-0.5, 0.0, 0.5, 0.8])
def test_good_series_are_hardly_ever_flagged(rho):
    assert np.mean([bool(flags_of(s)) for s in many(rho, seed=1)]) <= 0.01


def test_good_skewed_series_are_hardly_ever_flagged():
    """Squares, as in variances, and ratios, as in importance sampling between rungs."""
    x = many(0.5, seed=2)
    for series in (x**2, np.exp(0.7 * x)):
        assert np.mean([bool(flags_of(s)) for s in series]) <= 0.02


SHAPES = ((2, 500), (4, 500), (50, 100), (400, 50), (400, 80), (400, 200))


@pytest.mark.parametrize(("chains", "draws"), SHAPES)
@pytest.mark.parametrize("rho", [0.0, 0.5, 0.8])
def test_any_number_of_chains_is_hardly_ever_flagged(rho, chains, draws):
    """Exactly stationary chains, many of them short: what is flagged for its few effective draws is no false alarm."""
    rng = np.random.default_rng([chains, draws])
    count = 200 if chains < 50 else 40
    series = ar1(rng, rho, (chains * count, draws)).reshape(count, chains, draws)
    told = [[flag for flag in flags_of(s) if "effective draws" not in flag] for s in series]
    assert np.mean([bool(flags) for flags in told]) <= 0.025


@pytest.mark.parametrize(("chains", "draws"), [shape for shape in SHAPES if shape != (400, 50)])
def test_stuck_chains_are_flagged_among_any_number(chains, draws):
    """A twentieth of the chains, one at least, at two standard deviations throughout, or from the middle on.

    The latter moves the mean of 50 short chains by two of its errors only: it is seen more often than not.
    """
    rng = np.random.default_rng([chains, draws, 1])
    for rho in (0.0, 0.3):
        for begins in (0, draws // 2):
            flagged = []
            for s in ar1(rng, rho, (chains * 20, draws)).reshape(20, chains, draws):
                s[: max(1, chains // 20), begins:] = 2.0
                flagged.append(bool(flags_of(s)))
            assert np.mean(flagged) >= (0.5 if begins else 0.95), (rho, begins)


def test_one_chain_that_stands_apart():
    """By ten of its own errors, less than half a standard deviation: the mean of all is off by five."""
    flagged = []
    for s in many(0.0, seed=3)[:200]:
        s[-1] += 10 / np.sqrt(DRAWS)
        flagged.append(any("chains disagree" in flag for flag in flags_of(s)))
    assert np.mean(flagged) > 0.95


def test_one_chain_that_is_stuck():
    rng = np.random.default_rng(4)
    flagged = []
    for s in many(0.3, seed=4)[:200]:
        s[-1, rng.integers(50, 400) :] = 2.0
        flagged.append(bool(flags_of(s)))
    assert np.mean(flagged) > 0.95


def test_an_error_that_misses_a_slow_part():
    """Blocks tell that the error claimed is that of the fast part alone."""
    found = []
    for fast, slow in zip(many(-0.3, seed=5)[:200], many(0.99, seed=6)[:200], strict=True):
        claimed = monte_carlo_error(fast)
        found.append(any("blocks of draws" in flag for flag in trust_flags(fast + 0.3 * slow, claimed)))
    assert np.mean(found) > 0.95


def test_few_effective_draws():
    assert any("effective draws < 100" in flag for flag in flags_of(many(0.97)[0]))


def test_a_heavy_tail():
    """A Cauchy law has k = 1, known from 2000 draws to 0.17; the fourth power of a normal has all moments."""
    rng = np.random.default_rng(7)
    found = [flags_of(rng.standard_cauchy((4, 500))) for _ in range(100)]
    assert np.mean([any("heavy tail of its influence" in flag for flag in flags) for flags in found]) > 0.85
    light = [flags_of(rng.standard_normal((4, 500)) ** 4) for _ in range(100)]
    assert np.mean([any("heavy tail" in flag for flag in flags) for flags in light]) < 0.1


def test_every_estimate_is_looked_at():
    good = many(0.3)[0]
    stuck = good.copy()
    stuck[-1, 100:] = 3.0
    a = estimate(0.0, good, target="a", method="m")
    b = estimate(0.0, stuck, target="b", method="m", flags=["x"])
    assert a.flags == () and b.flags[0] == "x" and any(f.startswith(UNTRUSTED) for f in b.flags)
    assert set(b.flags) <= set(difference(a, b).flags)


def test_what_has_no_error_is_not_flagged():
    assert flags_of(np.zeros((4, 100))) == ()
    assert flags_of(np.full((4, 100), np.nan)) == ()
    assert trust_flags(np.zeros((0, 0)), np.nan) == ()


@pytest.mark.parametrize("rungs", [5, 8])
def test_neighbouring_rungs_that_fit_are_within_their_errors(rungs):
    truth = GammaLadder(rungs=rungs, draws=300, swaps=True, persistence=0.5)
    found = [slope_departures(x["sample_stats"]["nll"].values, truth.betas) for x in truth.many(3, 150)]
    z = np.array([departure / mcse for departure, mcse in found])
    assert abs(z.mean()) < 0.1
    assert np.std(z) == pytest.approx(1.0, abs=0.1)
    assert (np.abs(np.std(z, axis=0) - 1) < 0.3).all()
    assert np.mean(np.abs(z) > 4) < 0.004
    assert np.median([mcse for _, mcse in found]) < 0.3


def test_the_departure_measures_a_wrong_temperature():
    """Rungs drawn at 1.5 times their distance depart by a half; infinite nll in the prior carries no weight."""
    truth = GammaLadder(draws=20000, chains=2, rungs=4)
    nll = truth.one(0)["sample_stats"]["nll"].values
    betas = truth.betas.copy()
    betas[-1] = betas[-2] + (betas[-1] - betas[-2]) / 1.1
    departure, mcse = slope_departures(nll, betas)
    assert departure[-1] == pytest.approx(0.1, abs=4 * mcse[-1] + 0.01) and mcse[-1] < 0.02
    assert (np.abs(departure[:-1]) < 4 * mcse[:-1]).all()
    nll[0, :50, 0] = np.inf
    assert np.isfinite(slope_departures(nll, truth.betas)).all()


def test_far_neighbours_and_a_wide_prior_are_no_reason_to_complain():
    """A prior under which nll reaches 1e5 or is infinite, next rungs that overlap little, and none at all."""
    truth = GammaLadder(rungs=5, rate=1e-5, draws=500)
    for keep in ([0, 1, 4], [0, 2, 3]):
        betas = truth.betas[keep]
        found = []
        for ladder in truth.many(5, 40):
            nll = ladder["sample_stats"]["nll"].values[..., keep].copy()
            nll[0, 0, 0] = np.inf
            departure, mcse = slope_departures(nll, betas)
            found.append(departure / mcse)
        z = np.array(found)
        assert np.isfinite(z).any() and np.nanmax(np.abs(z)) < 4
    apart = np.stack([np.full((2, 50), 1e4), np.zeros((2, 50))], axis=-1) + np.arange(100.0).reshape(2, 50, 1)
    assert np.isnan(slope_departures(apart, np.array([0.0, 1.0]))).all()
    assert flags(tree([0.0, 1.0], nll=apart)) != ()
