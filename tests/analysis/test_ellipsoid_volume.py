"""The ellipsoid's volume: right where a model is regular, and wrong in the way that is stated elsewhere."""

import math

import numpy as np
import pytest

from singular import models
from singular.analysis import ellipsoid_volume, exact_volume
from singular.analysis.exact_volume_laws import quadratic_below
from singular.errors import InputError

SMALL = [1e-8, 1e-6]


@pytest.mark.parametrize(("name", "at", "region"), [("linear-4", None, None), ("two-wells", {"w": -1.0}, "sharp")])
def test_it_is_right_at_small_epsilon_where_the_hessian_is_definite(name, at, region):
    found = ellipsoid_volume(models.get(name), SMALL, at)
    assert np.allclose(found.frame["log_volume"], exact_volume(models.get(name), SMALL, region), rtol=0, atol=1e-5)
    assert found.slope == models.get(name).dim / 2 and found.rank == models.get(name).dim and found.flags == ()


def test_it_is_the_volume_of_the_loss_of_data():
    problem = models.problem("linear-2", n=100, seed=0)
    x, y = problem.kwargs["x"], problem.kwargs["y"]
    weights, axes = np.linalg.eigh(x.T @ x / 100)
    shifts = axes.T @ np.linalg.solve(x.T @ x, x.T @ y)
    found = ellipsoid_volume(problem, SMALL)
    assert np.allclose(
        found.frame["log_volume"], np.log(quadratic_below(2 * np.array(SMALL), weights, shifts)), atol=1e-4
    )
    assert np.allclose(found.eigenvalues, weights[::-1], rtol=1e-10)


def test_a_flat_direction_is_infinite_or_left_to_the_prior():
    model = models.get("rank-deficient-2-1")
    every = ellipsoid_volume(model, SMALL)
    assert np.isinf(every.frame["log_volume"]).all() and math.isnan(every.slope)
    assert every.rank == 1 and "1 of 2 eigenvalues are zero or negative" in every.flags[0]
    some = ellipsoid_volume(model, SMALL, directions="positive")
    assert np.abs(some.frame["log_volume"] - exact_volume(model, SMALL)).max() < 0.02  # its prior is a sampled normal
    assert some.slope == 0.5 and "1 of 2 directions are flat" in some.flags[0]


def test_it_fails_where_a_model_is_singular():
    """At the crossing nothing is left of it; on an axis its slope is that of one line, V's has a logarithm more."""
    product = models.get("product")
    crossing = ellipsoid_volume(product, SMALL, directions="positive")
    assert crossing.slope == 0.0 and (crossing.frame["log_volume"] == 0.0).all()
    axis = ellipsoid_volume(product, [1e-40, 1e-8], {"w1": 1.0, "w2": 0.0}, "positive")
    gap = exact_volume(product, [1e-40, 1e-8]) - axis.frame["log_volume"]
    assert axis.slope == 0.5 and gap[0] - gap[1] > 1.0


def test_it_fails_at_large_epsilon():
    found = ellipsoid_volume(models.get("linear-2"), [1e-3, 10.0])
    gap = found.frame["log_volume"] - exact_volume(models.get("linear-2"), [1e-3, 10.0])
    assert abs(gap[0]) < 1e-3 and gap[1] > 1.0
    assert "above the prior's whole mass" in found.flags[0]


def test_what_is_refused():
    with pytest.raises(InputError, match="epsilons"):
        ellipsoid_volume(models.get("linear-2"), [0.0])
    with pytest.raises(InputError, match="directions"):
        ellipsoid_volume(models.get("linear-2"), [0.1], directions="flat")
    for name in ("half-line", "trinomial-boundary"):
        with pytest.raises(InputError, match="edge"):
            ellipsoid_volume(models.get(name), [0.1])
