"""Volumes from the draws of a ladder against exact ones, in units of their own errors, and where they end."""

import math

import numpy as np
import pytest

from singular import models, posteriors
from singular.analysis import exact_volume, ladder_volume
from singular.analysis.exact_volume_laws import quadratic_below
from singular.errors import InputError

WITHIN = 4.0


@pytest.fixture(scope="module")
def regression():
    problem = models.problem("linear-2", n=100, seed=0)
    return problem, posteriors.ladder(problem, chains=4, draws=400, warmup=200, seed=2, progress=False)


def test_the_loss_of_data(regression):
    problem, tree = regression
    x, y = problem.kwargs["x"], problem.kwargs["y"]
    weights, axes = np.linalg.eigh(x.T @ x / 100)
    shifts = axes.T @ np.linalg.solve(x.T @ x, x.T @ y)
    epsilon = np.geomspace(1.0, 1e-4, 5)
    found = ladder_volume(tree, problem, epsilon)
    exact = np.log(quadratic_below(2 * epsilon, weights, shifts))
    assert np.abs((found["log_volume"] - exact) / found["mcse"]).max() < WITHIN
    assert found["mcse"].iloc[0] < 0.05 and found["mcse"].iloc[3] < 0.2
    moved = ladder_volume(tree, problem, [1e-3], reference_nll=problem.reference.nll + 0.1)
    assert "below its reference" in moved["flags"].iloc[0]
    exact = np.log(quadratic_below(np.array([2 * 2e-3]), weights, shifts))[0]
    assert abs(moved["log_volume"].iloc[0] - exact) < WITHIN * moved["mcse"].iloc[0]


def test_it_says_where_it_ends(regression):
    problem, tree = regression
    found = ladder_volume(tree, problem, [1e-5, 1e-13])
    assert "effective draws" in found["flags"].iloc[0]
    assert math.isnan(found["log_volume"].iloc[1]) and "no draw is inside" in found["flags"].iloc[1]


def test_the_excess_loss_and_regions():
    problem = models.problem("two-wells", n=100, seed=0)
    tree = posteriors.ladder(problem, chains=4, draws=400, warmup=200, seed=1, progress=False)
    epsilon = np.geomspace(0.3, 1e-4, 4)
    values = {}
    for region in (None, "sharp", "flat"):
        found = ladder_volume(tree, problem, epsilon, region, loss="excess")
        exact = exact_volume(problem.model, epsilon, region)
        assert np.abs((found["log_volume"] - exact) / found["mcse"]).max() < WITHIN
        values[region] = np.exp(found["log_volume"])
    assert np.allclose(values["sharp"] + values["flat"], values[None], rtol=1e-9, atol=0)


def test_what_is_refused(regression):
    problem, tree = regression
    with pytest.raises(InputError, match="epsilons"):
        ladder_volume(tree, problem, [-1.0])
    with pytest.raises(InputError, match="loss='both'"):
        ladder_volume(tree, problem, [0.1], loss="both")
    with pytest.raises(InputError, match="region='well'"):
        ladder_volume(tree, problem, [0.1], "well")
    with pytest.raises(InputError, match="beta=0"):
        ladder_volume(_one_rung(tree), problem, [0.1])
    with pytest.raises(InputError, match="data"):
        ladder_volume(tree, models.problem("linear-2", n=100, seed=1), [0.1])


def _one_rung(tree):
    return tree.map_over_datasets(lambda d: d.isel(beta=slice(1, 2)) if "beta" in d.dims else d)
