"""The local learning coefficient read off ladders of localised problems, against conjugate and grid answers."""

import functools

import numpy as np
import pytest

from singular import models, posteriors
from singular.analysis.excess_coefficient import nll_at
from singular.analysis.local_coefficient import local_learning_coefficient, localiser_pull
from singular.errors import InputError
from singular.posteriors.local_exact import local_quadrature, quadratic_local_coefficient
from singular.posteriors.localise import localise
from tests.ladders import tree

N = 100
CASES = {  # name -> (model, γ, what of γ: at the one, the localiser decides; at the other, the data)
    "linear": ("linear-2", 0.5),
    "linear, held": ("linear-2", 20.0),
    "crossing": ("product", 1.0),
    "power": ("monomial-2", 0.5),
}


@functools.cache
def run(case):
    name, gamma = CASES[case]
    problem = models.problem(name, n=N, seed=1)
    local = localise(problem, problem.model.optimum, gamma)
    return problem, local, posteriors.ladder(local, draws=1000, warmup=400, seed=4, progress=False)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.slow
def test_against_the_grid(case):
    _, local, ladder = run(case)
    for beta in (1 / np.log(N), 1.0):
        exact = local_quadrature(local, beta).iloc[0]
        assert exact.error_local_learning_coefficient < 1e-4
        found = local_learning_coefficient(ladder, local, beta)
        pull = localiser_pull(ladder, local, beta)
        assert abs(found.value - exact.local_learning_coefficient) < 4 * found.mcse
        assert abs(pull.value - exact.gamma_slope) < 4 * pull.mcse
        assert found.mcse < 0.06 and pull.mcse < 0.06


def test_a_quadratic_at_its_minimum_is_the_closed_form():
    """Centred at the least-squares point: Σ ½ βh/(βh + γ) with h the eigenvalues of XᵀX, under d/2 by that much."""
    problem = models.problem("linear-2", n=N, seed=1)
    local = localise(problem, problem.reference.z, 2.0)
    beta = 1 / np.log(N)
    h = np.linalg.eigvalsh(problem.kwargs["x"].T @ problem.kwargs["x"])
    closed = quadratic_local_coefficient(h, 2.0, beta)
    assert local_quadrature(local, beta).local_learning_coefficient[0] == pytest.approx(closed, rel=1e-8)
    slope = -0.5 * np.sum(beta * h * 2.0 / (beta * h + 2.0) ** 2)
    assert local_quadrature(local, beta).gamma_slope[0] == pytest.approx(slope, rel=1e-7)


def test_the_target_and_the_point():
    problem, local, ladder = run("crossing")
    assert local.centre_nll == pytest.approx(nll_at(problem, problem.model.optimum), rel=1e-12)
    found = local_learning_coefficient(ladder, local)
    assert found.target == "beta (mean nll - nll at the centre) at beta=0.217, localised with gamma=1"
    assert found.beta == pytest.approx(1 / np.log(N))


def test_a_localiser_that_holds_the_estimate_is_flagged():
    _, local, ladder = run("linear, held")
    found = local_learning_coefficient(ladder, local)
    assert any("the localiser holds the estimate" in flag for flag in found.flags)
    _, local, ladder = run("linear")
    assert not any("localiser" in flag for flag in local_learning_coefficient(ladder, local).flags)


def test_a_centre_that_is_no_minimum_is_flagged():
    """One far up the slope: the draws go downhill, below the loss at the centre and away from it."""
    problem = models.problem("linear-2", n=N, seed=1)
    local = localise(problem, np.array([4.0, 3.0]), 1.0)
    ladder = posteriors.ladder(local, draws=300, warmup=300, seed=4, progress=False)
    found = local_learning_coefficient(ladder, local)
    assert found.value < 0
    assert any("negative" in flag and "no minimum" in flag for flag in found.flags)
    assert any("draws left the centre" in flag for flag in found.flags)
    for case in ("linear", "crossing"):
        _, local, ladder = run(case)
        flags = local_learning_coefficient(ladder, local).flags
        assert not any("negative" in flag or "left the centre" in flag for flag in flags)


@pytest.mark.parametrize("rho", [0.0, 0.8])
@pytest.mark.slow
def test_standardised_errors(rho):
    """A quadratic potential ½ h z² with exact draws: λ̂ and its derivative in log γ over many ladders."""
    problem = models.problem("monomial-2", n=N, seed=1)
    local = localise(problem, problem.model.optimum, 3.0)
    rng, beta, h, draws = np.random.default_rng(0), 1 / np.log(N), 40.0, 400
    betas = np.array([0.0, beta, 1.0])
    z_value, z_pull = [], []
    for _ in range(120):
        e = rng.standard_normal((4, draws, 3))
        for t in range(1, draws):
            e[:, t] = rho * e[:, t - 1] + np.sqrt(1 - rho**2) * e[:, t]
        z = e / np.sqrt(3.0 + betas * h)
        log_prior = 0.5 * np.log(3.0 / (2 * np.pi)) - 1.5 * z**2
        ladder = tree(betas, nll=local.centre_nll + 0.5 * h * z**2, log_prior=log_prior)
        ladder.attrs["data_hash"] = local.data_hash
        value, pull = (f(ladder, local) for f in (local_learning_coefficient, localiser_pull))
        z_value.append((value.value - 0.5 * beta * h / (beta * h + 3)) / value.mcse)
        z_pull.append((pull.value + 0.5 * beta * h * 3 / (beta * h + 3) ** 2) / pull.mcse)
    assert abs(np.mean(z_value)) < 0.4 and 0.8 < np.std(z_value) < 1.25
    assert abs(np.mean(z_pull)) < 0.5 and 0.75 < np.std(z_pull) < 1.3


def test_bad_input():
    problem, local, ladder = run("crossing")
    other = localise(problem, problem.model.optimum, 2.0)
    with pytest.raises(InputError, match="is not the one this ladder is of"):
        local_learning_coefficient(ladder, other)
    with pytest.raises(InputError, match=r"posteriors\.localise"):
        local_learning_coefficient(ladder, problem)
    with pytest.raises(InputError, match="defined at 0"):
        local_learning_coefficient(ladder, local, 0.0)
    with pytest.raises(InputError, match="is no rung"):
        local_learning_coefficient(ladder, local, 0.1234)
    bare = tree([0.0, 1.0], nll=np.zeros((2, 8, 2)))
    bare.attrs["data_hash"] = local.data_hash
    with pytest.raises(InputError, match="log_prior"):
        local_learning_coefficient(bare, local, 1.0)
