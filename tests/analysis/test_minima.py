"""Training ends in the minima there are, as often as their basins say, and equal ones are told to be equal."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
import pytest

from singular import models
from singular.analysis.minima import MINIMUM, NOT_STATIONARY, SADDLE, Trained, distinct, fingerprint, train
from singular.errors import InputError
from singular.models.problem import Problem

LOW, HIGH, TOP = -1.0, 2.0, 0.5
"""Wells of ∫ (w + 1)(w − ½)(w − 2) dw and the summit between them, which divides their basins."""


def double_well(y):
    w = numpyro.sample("w", dist.Normal(0.0, 2.0))
    depth = 0.25 * w**4 - 0.5 * w**3 - 0.75 * w**2 + w
    numpyro.factor("well", -y.shape[0] * depth)
    numpyro.sample("y", dist.Normal(0.0, 1.0), obs=y)


@pytest.fixture(scope="module")
def wells():
    return Problem.from_numpyro(double_well, y=np.zeros(10)).replace(n=10)


def test_both_wells_are_found_as_often_as_their_basins_say(wells):
    """A small step of gradient descent does not cross the summit: the basins are w < ½ and w > ½."""
    starts = np.linspace(-2.9, 2.9, 31)[:, None]
    trained = train(wells, starts, steps=500, rate=0.005)
    assert (trained.kind == MINIMUM).all()
    minima = distinct(trained, trained.z)
    assert sorted(np.round(trained.z[minima.index, 0], 6)) == [LOW, HIGH]
    ended = trained.z[:, 0] > TOP
    assert np.array_equal(ended, starts[:, 0] > TOP)
    assert list(minima.count) == [int((~ended).sum()), int(ended.sum())]
    assert np.array_equal(minima.label == 1, ended)
    curvature = 3 * trained.z[:, 0] ** 2 - 3 * trained.z[:, 0] - 1.5
    assert trained.curvature[:, 0] == pytest.approx(curvature, rel=1e-6)


def test_a_summit_is_no_minimum(wells):
    trained = train(wells, np.array([[TOP]]), steps=1)
    assert trained.kind[0] == SADDLE
    assert distinct(trained, trained.z).count.size == 0


def test_units_in_another_order_and_of_other_sign_are_the_same_minimum():
    problem = models.problem("tanh-2-1", n=40, seed=3)
    z = np.array([[0.7, -0.4, 1.2, 0.3], [-0.4, 0.7, 0.3, 1.2], [-0.7, -0.4, -1.2, 0.3], [0.7, -0.4, 1.2, 0.31]])
    prints = fingerprint(problem, z)
    size = len(z)
    ends = Trained(z, np.arange(size) * 1e-12, np.zeros(size), np.ones((size, 4)), np.full(size, MINIMUM, object))
    assert list(distinct(ends, prints, 1e-6).label) == [0, 0, 0, 1]
    stuck = Trained(z, ends.loss, ends.gradient, ends.curvature, np.array([NOT_STATIONARY] + [MINIMUM] * 3, object))
    assert list(distinct(stuck, prints, 1e-6).label) == [-1, 0, 0, 1]


def test_the_ends_agree_with_least_squares():
    problem = models.problem("linear-2", n=30, seed=1)
    x, y = problem.kwargs["x"], problem.kwargs["y"]
    trained = train(problem, np.random.default_rng(0).normal(size=(5, 2)), steps=50)
    assert (trained.kind == MINIMUM).all()
    assert trained.z == pytest.approx(np.tile(np.linalg.lstsq(x, y, rcond=None)[0], (5, 1)), abs=1e-7)
    assert distinct(trained, fingerprint(problem, trained.z)).count.tolist() == [5]


def test_what_is_refused(wells):
    with pytest.raises(InputError, match="starts has shape"):
        train(wells, np.zeros((3, 2)))
    with pytest.raises(InputError, match="rate=0"):
        train(wells, np.zeros((1, 1)), rate=0)
    trained = train(wells, np.array([[1.0]]), steps=1)
    with pytest.raises(InputError, match="fingerprints has shape"):
        distinct(trained, np.zeros((2, 1)))
    with pytest.raises(InputError, match="tolerance=0"):
        distinct(trained, np.zeros((1, 1)), 0)
    assert jnp.isfinite(trained.loss).all()
