"""Ball volumes against closed forms: ellipsoids, a quartic valley, a flat direction, two wells in one ball."""

from __future__ import annotations

import math

import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
import pytest
from scipy.special import gammaln

from singular.analysis.ball_volume import ball_volume
from singular.analysis.thresholds import FEW_REPLICATES
from singular.errors import InputError
from singular.models.problem import Problem

CURVATURES = np.array([50.0, 4.0, 1.0, 200.0])
N = 10


def problem_of(loss, d):
    """Return a problem whose nll/n is a loss of our choice, plus a constant."""

    def density(y):
        w = numpyro.sample("w", dist.Normal(0.0, 1.0).expand([d]).to_event(1))
        numpyro.factor("loss", -N * loss(w))
        numpyro.sample("y", dist.Normal(0.0, 1.0), obs=y)

    return Problem.from_numpyro(density, y=np.zeros(N)).replace(n=N)


def log_ball(d, r):
    return d * (0.5 * math.log(math.pi) + math.log(r)) - float(gammaln(d / 2 + 1))


@pytest.mark.parametrize("seed", range(3))
def test_an_ellipsoid(seed):
    problem = problem_of(lambda w: 0.5 * jnp.sum(CURVATURES * w**2), 4)
    epsilons, r = [1e-4, 1e-2, 0.1], 2.0
    found = ball_volume(problem, np.zeros(4), epsilons, r, seed=seed)
    for epsilon, one in zip(epsilons, found, strict=True):
        exact = 0.5 * np.sum(np.log(2 * epsilon / CURVATURES)) - 4 * math.log(r)
        assert abs(one.value - exact) < 4 * one.mcse
        assert one.mcse < 0.3 and all("differ" in flag for flag in one.flags)


def test_a_quartic_valley_and_a_flat_direction():
    """K = w1² + w2⁴ in a ball of three dimensions: a superellipse along a flat direction, cut off by the ball."""
    problem = problem_of(lambda w: w[0] ** 2 + w[1] ** 4, 3)
    epsilon, r = 1e-6, 1.0
    (found,) = ball_volume(problem, np.zeros(3), [epsilon], r)
    area = 4 * math.gamma(1.5) * math.gamma(1.25) / math.gamma(1.75) * epsilon**0.75
    exact = math.log(area * 2 * r) - log_ball(3, r)  # the ball's curvature is felt at the order of ε^½
    assert abs(found.value - exact) < 4 * found.mcse
    assert found.mcse < 0.4


def two_valleys(lower):
    """Return K = min(w², (w − 1)² − lower)."""
    depth = np.array([lower])
    return problem_of(lambda w: jnp.sum(jnp.minimum(w**2, (w - 1.0) ** 2 - jnp.asarray(depth))), 1)


def test_another_valley_as_low_counts_and_a_lower_one_is_told():
    (shallow,) = ball_volume(two_valleys(0.05), np.zeros(1), [1e-4], 2.0)
    assert any("no minimum within the ball" in flag for flag in shallow.flags)
    (both,) = ball_volume(two_valleys(0.0), np.zeros(1), [1e-4], 2.0)
    assert abs(both.value - math.log(2 * 2e-2 / 4)) < 4 * both.mcse and not both.flags
    (alone,) = ball_volume(two_valleys(0.0), np.zeros(1), [1e-4], 0.5)
    assert abs(alone.value - math.log(2e-2 / 1)) < 4 * alone.mcse


def test_the_whole_ball_is_the_whole_ball_and_few_replicates_are_told():
    problem = problem_of(lambda w: 0.5 * jnp.sum(w**2), 2)
    (found,) = ball_volume(problem, np.zeros(2), [1.0], 1.0, replicates=2)
    assert found.value == 0.0 and found.mcse == 0.0
    assert f"2 replicates < {FEW_REPLICATES}" in found.flags


@pytest.mark.parametrize(
    ("argument", "value"), [("epsilons", [0.0]), ("radius", -1.0), ("particles", 65), ("replicates", 1), ("sweeps", 0)]
)
def test_what_is_refused(argument, value):
    problem = problem_of(lambda w: 0.5 * jnp.sum(w**2), 2)
    settings = {"epsilons": [0.1], "radius": 1.0, argument: value}
    with pytest.raises(InputError, match=argument):
        ball_volume(problem, np.zeros(2), **settings)
