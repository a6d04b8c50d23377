"""What a submission may estimate: exact targets against integrals of their own, and what is refused."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from scipy import stats

from singular import models
from singular.analysis import exact_target
from singular.analysis.targets import LOCAL
from singular.errors import InputError
from singular.posteriors import ladder

GAMMA = 2.0


def test_exact_targets_of_linear_regression_are_gaussian_integrals():
    """By the normal distribution of y, and of w given y at β."""
    n = 40
    problem = models.problem("linear-2", n=n, seed=3)
    x, y = problem.kwargs["x"], problem.kwargs["y"]
    beta = 1 / math.log(n)
    evidence = stats.multivariate_normal(np.zeros(n), np.eye(n) + x @ x.T).logpdf(y)
    best = np.linalg.lstsq(x, y)[0]
    least = 0.5 * np.sum((y - x @ best) ** 2) + 0.5 * n * math.log(2 * math.pi)

    def excess(precision, centre):
        """E, Var of ½ (w − best)' X'X (w − best) under the prior N(centre, I/precision) times exp(−β …)."""
        gram = x.T @ x
        covariance = np.linalg.inv(beta * gram + precision * np.eye(2))
        shift = covariance @ (beta * gram @ best + precision * centre) - best
        both = gram @ covariance
        mean = 0.5 * (np.trace(both) + shift @ gram @ shift)
        return mean, 0.5 * np.trace(both @ both) + shift @ gram @ covariance @ gram @ shift

    mean, variance = excess(1.0, np.zeros(2))
    expected = {
        "free_energy": -evidence,
        "wbic": least + mean,
        "effective_learning_coefficient": beta**2 * variance,
        "excess_coefficient": beta * mean,
        "learning_coefficient": Fraction(1),
    }
    for target, value in expected.items():
        found = exact_target(problem, target)
        assert float(found.value) == pytest.approx(float(value), rel=1e-8), target
        assert found.error < 1e-8
    assert isinstance(exact_target(problem, "learning_coefficient").value, Fraction)
    local = exact_target(problem, LOCAL, GAMMA)
    assert local.value == pytest.approx(beta * excess(GAMMA, best)[0], rel=1e-8)
    assert local.route == "closed form: the loss is quadratic"


def test_the_local_coefficient_of_two_parameters_is_a_grid():
    """Against plain summation over a grid of other bounds."""
    n = 30
    problem = models.problem("product", n=n, seed=1)
    x, y = problem.kwargs["x"], problem.kwargs["y"]
    at = problem.reference.z
    axis = np.linspace(-4, 4, 1501)
    u, v = np.meshgrid(axis, axis, indexing="ij")
    slope, power = (at[0] + u) * (at[1] + v), float(x @ x)
    excess = 0.5 * power * (slope - at[0] * at[1]) ** 2 - (slope - at[0] * at[1]) * float(x @ (y - at[0] * at[1] * x))
    weight = np.exp(-excess / math.log(n) - 0.5 * GAMMA * (u**2 + v**2))
    found = exact_target(problem, LOCAL, GAMMA)
    assert found.value == pytest.approx(float((weight * excess).sum() / weight.sum()) / math.log(n), abs=1e-4)
    assert found.error < 1e-3


def test_a_problem_made_anew_has_the_same_exact_values():
    first, second = (exact_target(models.problem("tanh-1", n=30, seed=2), "excess_coefficient") for _ in range(2))
    assert first == second


@pytest.mark.slow
@pytest.mark.parametrize("target", [LOCAL, "wbic"])
def test_where_nothing_is_exact_a_long_ladder_stands_in_with_its_error(target):
    """Three parameters, against a grid; the oracle of the second is taken away."""
    import dataclasses

    n = 20
    problem = models.problem("reduced-rank-1-2-1-0", n=n, seed=4)
    gamma = GAMMA if target == LOCAL else None
    known = exact_target(problem, target).value if gamma is None else _three_parameter_grid(problem, GAMMA)
    blind = problem.replace(model=dataclasses.replace(problem.model, integral=None))
    asked = []

    def sample(of):
        asked.append(of)
        return ladder(of, chains=4, draws=300, warmup=200, seed=3, progress=False)

    found = exact_target(blind, target, gamma, sample=sample)
    assert len(asked) == 1 and found.route.startswith("ladder of 4 × 300 draws")
    assert 0 < found.error < (0.1 if target == LOCAL else 0.3)
    assert abs(found.value - known) < 4 * found.error


def _three_parameter_grid(problem, gamma: float) -> float:
    n, at = problem.n, problem.reference.z
    x, y = problem.kwargs["x"][:, 0], problem.kwargs["y"]
    axis = np.linspace(-4.5, 4.5, 181) / math.sqrt(gamma)
    a, b, c = np.meshgrid(axis, axis, axis, indexing="ij")
    excess = 0.0
    for step, own, column in ((b, at[1], y[:, 0]), (c, at[2], y[:, 1])):
        slope, best = (at[0] + a) * (own + step), at[0] * own
        excess = excess + 0.5 * (x @ x) * (slope - best) ** 2 - (slope - best) * (x @ (column - best * x))
    weight = np.exp(-excess / math.log(n) - 0.5 * gamma * (a**2 + b**2 + c**2))
    return float((weight * excess).sum() / weight.sum()) / math.log(n)


@pytest.mark.parametrize(
    ("name", "n", "target", "gamma", "says"),
    [
        ("tanh-2", 30, "wbicc", None, "target='wbicc' is not known; did you mean 'wbic'?"),
        ("tanh-2", 2, "wbic", None, "n=2 must be at least 3"),
        ("tanh-2", 30, LOCAL, None, "gamma=None: local_learning_coefficient needs a finite number above 0"),
        ("tanh-2", 30, LOCAL, -1.0, "gamma=-1.0: local_learning_coefficient needs"),
        ("tanh-2", 30, "wbic", 1.0, "gamma=1.0 is given for wbic"),
        ("tanh-4-1", 30, "learning_coefficient", None, "λ of 'tanh-4-1' is not known"),
    ],
)
def test_targets_that_cannot_be_had_are_refused(name, n, target, gamma, says):
    with pytest.raises(InputError) as caught:
        exact_target(models.problem(name, n=n), target, gamma)
    assert says in str(caught.value)
