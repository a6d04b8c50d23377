"""SGLD that chooses its own step and extrapolates it away, against exact local coefficients."""

import math

import numpy as np
import pytest

from singular import models
from singular.analysis.sgld_coefficient import SHARES, sgld_coefficient
from singular.posteriors.local_exact import local_quadrature, quadratic_local_coefficient
from singular.posteriors.localise import localise

N, GAMMA = 100, 1.0
BETA = 1 / math.log(N)


def exact(problem):
    """The oracle of each, neither of which samples."""
    if problem.name == "linear-4":
        return quadratic_local_coefficient(np.linalg.eigvalsh(problem.kwargs["x"].T @ problem.kwargs["x"]), GAMMA, BETA)
    row = local_quadrature(localise(problem, problem.reference.z, GAMMA), BETA).iloc[0]
    assert row.error_local_learning_coefficient < 1e-4
    return row.local_learning_coefficient


@pytest.mark.slow
@pytest.mark.parametrize("name", ["linear-4", "product"])
def test_within_its_errors_of_the_exact_value(name):
    problem = models.problem(name, n=N)
    found = sgld_coefficient(problem, gamma=GAMMA, seed=3, progress=False)
    value, estimate = exact(problem), found.estimate
    assert abs(estimate.value - value) <= 4 * math.hypot(estimate.mcse, estimate.discretisation_error)
    assert math.hypot(estimate.mcse, estimate.discretisation_error) < 0.15 * value
    steps = found.by_step["step_size"].to_numpy()
    np.testing.assert_allclose(steps / steps[0], SHARES)
    assert estimate.method == "local-richardson" and estimate.beta == pytest.approx(BETA)
    assert found.gradient_evaluations == found.data_passes  # no minibatch
    runs = 16 * sum((2000 + 10 * 500) / share + 500 for share in SHARES)
    assert runs < found.gradient_evaluations < 1.1 * runs
    if name == "linear-4":  # where the bias of the largest step is plain to see
        first = found.by_step.iloc[0]
        assert first.value - value > 4 * first.mcse
