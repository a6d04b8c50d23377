"""Independent draws by cells and normal blocks, against what is known of the densities they are of."""

from __future__ import annotations

import jax
import numpy as np
import pytest
from scipy.stats import kstest, norm

from singular.errors import InputError
from singular.models.integrals.collapse import log_gaussian_block
from singular.posteriors.exact_draws import Axis, cell_draws, log_normal_block, normal_block, weighted_share


def _correlated(z):
    return -0.5 * (z[:, 0] ** 2 + (z[:, 1] - z[:, 0]) ** 2 / 0.25)


def test_integral_and_steps_inside_cells_of_a_correlated_normal():
    axes = [Axis(-8.0, 0.4, 41), Axis(-9.0, 0.2, 91)]
    found = cell_draws(_correlated, axes, 100_000, np.random.default_rng(0))
    assert found.log_integral == pytest.approx(np.log(2 * np.pi * 0.5), abs=1e-9)
    assert found.log_integral_drawn == pytest.approx(found.log_integral, abs=5e-3)
    for threshold in (0.03, 1.17):  # inside cells, whose edges lie at odd tenths of the second coordinate
        value, error = weighted_share(found.points[:, 1] < threshold, found.weights)
        assert abs(value - norm.cdf(threshold / np.sqrt(1.25))) < 4 * error
        assert 0 < error < 2e-3


def test_a_density_of_any_height_is_drawn():
    found = cell_draws(lambda z: 5e9 - 0.5 * z[:, 0] ** 2, [Axis(-8.0, 0.4, 41)], 20_000, np.random.default_rng(0))
    value, error = weighted_share(found.points[:, 0] > 0.9, found.weights)
    assert abs(value - norm.sf(0.9)) < 4 * error


def test_error_of_a_share_is_its_spread():
    axes = [Axis(-8.0, 0.8, 21)]
    seen = []
    for seed in range(200):
        found = cell_draws(lambda z: -0.5 * z[:, 0] ** 2, axes, 500, np.random.default_rng(seed))
        value, error = weighted_share(found.points[:, 0] > 0.9, found.weights)
        seen.append((value - norm.sf(0.9)) / error)
    assert np.mean(seen) == pytest.approx(0, abs=4 / np.sqrt(200))
    assert np.std(seen) == pytest.approx(1, abs=4 / np.sqrt(400))


def test_a_share_that_no_draw_is_in_has_the_error_of_one_draw():
    none = np.zeros(1000, dtype=bool)
    assert weighted_share(none, np.ones(1000)) == (0.0, pytest.approx(1e-3))
    assert weighted_share(~none, np.ones(1000)) == (1.0, pytest.approx(1e-3))
    assert weighted_share(none, np.repeat([0.5, 1.5], 500))[1] == pytest.approx(1.25e-3)


def test_normal_block_has_the_moments_and_the_integral_of_its_density():
    rng = np.random.default_rng(1)
    features, y, beta = rng.standard_normal((5, 2)), rng.standard_normal((5, 3)), 0.7
    gram, moment = features.T @ features, features.T @ y
    many = normal_block(np.tile(gram, (50_000, 1, 1)), np.tile(moment, (50_000, 1, 1)), beta, rng)
    precision = np.eye(2) + beta * gram
    mean = np.linalg.solve(precision, beta * moment)
    root = np.linalg.cholesky(precision)
    white = np.einsum("hk,nhr->nkr", root, many - mean)
    for column in white.reshape(len(white), -1).T:
        assert kstest(column, "norm").pvalue > 1e-4
    assert np.corrcoef(white[:, :, 0].T)[0, 1] == pytest.approx(0, abs=4 / np.sqrt(50_000))
    with jax.enable_x64(True):
        expected = float(log_gaussian_block(gram, moment, beta))
    assert log_normal_block(gram[None], moment[None], beta)[0] == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(
    ("axes", "message"),
    [([], "at least one"), ([Axis(0.0, 0.0, 3)], "step"), ([Axis(0.0, 0.1, 0)], "count")],
)
def test_bad_grids_are_refused(axes, message):
    with pytest.raises(InputError, match=message):
        cell_draws(_correlated, axes, 10, np.random.default_rng(0))


def test_density_without_mass_is_refused():
    with pytest.raises(InputError, match="whole grid"):
        cell_draws(lambda z: np.full(len(z), -np.inf), [Axis(0.0, 0.1, 3)], 10, np.random.default_rng(0))
