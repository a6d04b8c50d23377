"""Tempered quadratics: against draws of the prior weighted by exp(−t L), and against closed forms."""

import numpy as np
import pytest
from scipy.special import erf

from singular.analysis.resolution import Box, Gaussian, tempered_quadratic
from singular.errors import InputError
from tests.chains_of_sgd import SIGMAS, weighted

H = np.array([10.0, 1.0, 0.1, 0.01, 0.0])
DRAWS = 200_000


@pytest.mark.parametrize(
    ("h", "prior", "t"),
    [
        ([10.0, 1.0, 0.1], Gaussian(1.0), 1.0),
        ([10.0, 1.0, 0.1, 0.0], Gaussian([1.0, 2.0, 0.5, 1.0]), 30.0),
        ([2.0, 0.3], Gaussian(1.0, [0.3, -0.5]), 10.0),
        ([2.0, 0.3], Gaussian([4.0, 0.25], [0.3, 2.0]), 3.0),
        ([50.0], Gaussian(1.0), 20.0),
        ([3.0, 0.1], Box(1.3), 1.0),
        ([3.0, 0.1, 0.0], Box(1.3), 100.0),
        ([3.0, 0.1], Box([0.5, 4.0], [0.2, -1.0]), 10.0),
        ([1.0], Box(0.5, 2.0), 10.0),
        ([20.0, 1.0], Box(2.0), 5.0),
    ],
)
def test_every_number_is_that_of_weighted_draws_of_the_prior(h, prior, t):
    h = np.array(h)
    rng = np.random.default_rng(len(h))
    law = tempered_quadratic(h, prior, t)
    for i, curvature in enumerate(h):  # one direction at a time, so that the weights stay even
        if isinstance(prior, Gaussian):
            tau, delta = (np.broadcast_to(v, h.shape)[i] for v in (prior.precision, prior.offset))
            w = delta + rng.standard_normal(DRAWS) / np.sqrt(tau)
        else:
            half, delta = (np.broadcast_to(v, h.shape)[i] for v in (prior.half_width, prior.offset))
            w = delta + half * rng.uniform(-1, 1, DRAWS)
        energy = 0.5 * t * curvature * w**2
        weights = np.exp(-energy)
        mean, mean_error = weighted(w, weights)
        spread, spread_error = weighted((w - law.mean[i]) ** 2, weights)
        assert abs(mean - law.mean[i]) < SIGMAS * mean_error
        assert abs(spread - law.variance[i]) < SIGMAS * spread_error
        if curvature:
            coefficient, error = weighted(energy, weights)
            assert abs(coefficient - law.directions[i]) < SIGMAS * error
            assert error < 0.02
            alone = tempered_quadratic([curvature], _only(prior, i), t)
            assert alone.excess_coefficient == pytest.approx(law.directions[i], rel=1e-12)
            square, square_error = weighted((energy - alone.excess_coefficient) ** 2, weights)
            assert abs(square - alone.effective_learning_coefficient) < SIGMAS * square_error
            z_error = weights.std() / np.sqrt(DRAWS) / weights.mean()
            assert abs(-np.log(weights.mean()) - alone.free_energy) < SIGMAS * z_error
    assert law.excess_coefficient == pytest.approx(t * law.excess, rel=1e-14)


def _only(prior, i):
    def pick(v):
        return np.broadcast_to(v, (i + 1,))[i] if np.ndim(v) == 0 else v[i]

    if isinstance(prior, Gaussian):
        return Gaussian(pick(prior.precision), pick(prior.offset))
    return Box(pick(prior.half_width), pick(prior.offset))


def test_five_printed_values():
    values = {1: 0.75495, 10: 1.24505, 100: 1.69910, 1000: 1.94905, 1e5: 1.99945}
    for t, expected in values.items():
        assert tempered_quadratic(H, Gaussian(), t).excess_coefficient == pytest.approx(expected, abs=1e-5)
    shifted = Gaussian(1.0, [0.3, -0.5, 1.0, 2.0, 1.0])
    assert tempered_quadratic(H, shifted, 100.0).excess_coefficient == pytest.approx(2.2416881, abs=1e-7)
    assert tempered_quadratic([0.1], Box(1.3), 100.0).excess_coefficient == pytest.approx(0.4996492, abs=1e-7)


@pytest.mark.parametrize("prior", [Gaussian([1.0, 2.0, 1.0, 0.1, 1.0]), Gaussian(1.0, 0.7), Box(1.3), Box(0.8, 1.1)])
def test_the_coefficient_is_the_slope_of_the_free_energy_and_the_variance_form_its_own_slope(prior):
    for t in (0.5, 10.0, 300.0):
        step = 1e-3
        energies = [tempered_quadratic(H, prior, t * np.exp(k * step)).free_energy for k in (-2, -1, 1, 2)]
        slope = (energies[0] - 8 * energies[1] + 8 * energies[2] - energies[3]) / (12 * step)
        law = tempered_quadratic(H, prior, t)
        assert slope == pytest.approx(law.excess_coefficient, rel=1e-8)
        # d E[L]/d(1/t) = t² Var L
        excess = [tempered_quadratic(H, prior, t * np.exp(k * step)).excess for k in (-2, -1, 1, 2)]
        fall = -(excess[0] - 8 * excess[1] + 8 * excess[2] - excess[3]) / (12 * step)
        assert fall * t == pytest.approx(law.effective_learning_coefficient, rel=1e-7)


@pytest.mark.parametrize("z", [1e-3, 0.1, 1.0, 4.0, 30.0])
def test_a_centred_box_has_its_closed_form(z):
    width, h = 1.3, 0.7
    t = (z / width) ** 2 / h
    expected = 0.5 - z * np.exp(-(z**2) / 2) / (np.sqrt(2 * np.pi) * erf(z / np.sqrt(2)))
    law = tempered_quadratic([h, 0.0], Box(width), t)
    assert law.excess_coefficient == pytest.approx(expected, rel=1e-9, abs=1e-14)
    assert law.free_energy == pytest.approx(-np.log(np.sqrt(np.pi / 2) * erf(z / np.sqrt(2)) / z), rel=1e-9)


def test_limits_are_half_the_rank_and_a_line_in_t():
    assert tempered_quadratic(H, Gaussian(), 1e12).excess_coefficient == pytest.approx(2.0, abs=1e-9)
    small = tempered_quadratic(H, Gaussian(2.0), 1e-9).excess_coefficient
    assert small == pytest.approx(0.5e-9 * H.sum() / 2.0, rel=1e-7)


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (([-1.0], Gaussian(), 1.0), "curvatures"),
        (([], Gaussian(), 1.0), "curvatures"),
        (([np.nan], Gaussian(), 1.0), "curvatures"),
        (([1.0], Gaussian(), 0.0), "t"),
        (([1.0], Gaussian(), np.inf), "t"),
        (([1.0], Gaussian(0.0), 1.0), "precision"),
        (([1.0, 2.0], Gaussian([1.0, 1.0, 1.0]), 1.0), "precision"),
        (([1.0], Gaussian(1.0, np.nan), 1.0), "offset"),
        (([1.0], Box(-1.0), 1.0), "half_width"),
        ((["a"], Box(), 1.0), "curvatures"),
    ],
)
def test_bad_input_is_named(arguments, named):
    with pytest.raises(InputError, match=named):
        tempered_quadratic(*arguments)
