"""The excess form and its offset from the variance form; λ_eff between and below the rungs."""

import numpy as np
import pytest

from singular import analysis, models
from singular.analysis.excess_coefficient import (
    excess_coefficient,
    excess_coefficient_curve,
    excess_offset,
    nll_at,
)
from singular.errors import InputError
from tests import oracles
from tests.ladders import WBIC_BETA, GammaLadder, N, tree

TRUTH = GammaLadder(persistence=0.5, swaps=True, draws=400)
LADDERS = TRUTH.many(seed=3, ladders=100)
REFERENCE = TRUTH.offset - 0.7


def exact(betas):
    frame = TRUTH.exact(betas)
    return (frame.beta * (frame.mean_nll - REFERENCE)).to_numpy()


def standardised(estimates, target):
    return np.array([(e.value - target) / e.mcse for e in estimates])


def test_standardised_errors():
    z = standardised([excess_coefficient(x, REFERENCE) for x in LADDERS], exact([WBIC_BETA])[0])
    assert abs(z.mean()) < 0.4 and 0.8 < z.std(ddof=1) < 1.25


def test_at_the_rung_of_wbic_it_is_wbic_less_the_reference_over_log_n():
    wbic, e = analysis.wbic(LADDERS[0]), excess_coefficient(LADDERS[0], REFERENCE)
    assert e.value == pytest.approx((wbic.value - REFERENCE) / np.log(N), rel=1e-12)
    assert e.mcse == pytest.approx(wbic.mcse / np.log(N), rel=1e-9)
    assert "not lambda_eff" in e.target


@pytest.mark.slow
def test_the_offset_from_the_variance_form_has_the_joint_error():
    target = (exact([WBIC_BETA]) - TRUTH.exact([WBIC_BETA]).effective_learning_coefficient)[0]
    offsets = [excess_offset(x, REFERENCE) for x in LADDERS]
    z = standardised(offsets, target)
    assert abs(z.mean()) < 0.4 and 0.8 < z.std(ddof=1) < 1.25
    apart = [
        np.hypot(excess_coefficient(x, REFERENCE).mcse, analysis.learning_coefficient(x).mcse) for x in LADDERS[:20]
    ]
    assert np.mean([o.mcse for o in offsets[:20]]) < 0.95 * np.mean(apart)


def test_the_variance_form_is_the_slope_of_the_excess_form_times_its_axis():
    """d(x λ_exc)/dx = λ_eff with x = 1/β, as the docstring has it."""
    x, step = 1 / 0.2, 1e-4
    high, low = (exact([1 / (x + s)])[0] * (x + s) for s in (step, -step))
    slope = (high - low) / (2 * step)
    assert slope == pytest.approx(TRUTH.exact([0.2]).effective_learning_coefficient[0], rel=1e-6)


@pytest.mark.parametrize("method", ["rung", "mbar"])
def test_the_curve(method):
    frames = [excess_coefficient_curve(x, REFERENCE, method=method) for x in LADDERS[:40]]
    z = np.stack([(f.value - exact(f.beta)) / f.mcse for f in frames])
    assert abs(z.mean()) < 0.4 and 0.8 < z.std() < 1.25
    assert (frames[0].quantity == "excess_coefficient").all()


@pytest.mark.slow
def test_dense_grids_reach_below_the_first_rung():
    grid = np.geomspace(TRUTH.betas[1] / 20, 1, 30)
    assert grid[0] < TRUTH.betas[1]
    z = []
    for ladder in LADDERS[:30]:
        effective = analysis.effective_learning_coefficient(ladder, grid, method="mbar")
        excess = excess_coefficient_curve(ladder, REFERENCE, grid, method="mbar")
        variance = TRUTH.exact(grid).effective_learning_coefficient
        z.append([(effective.value - variance) / effective.mcse, (excess.value - exact(grid)) / excess.mcse])
    assert 0.75 < np.std(z) < 1.3 and abs(np.mean(z)) < 0.4
    # an estimate of one β alone: where the weight of the rungs is, none is flagged
    assert (effective["flags"] == "").all() and (excess["flags"] == "").all()


def test_points_that_few_draws_reach_are_flagged():
    """Two rungs far apart: between them hardly a draw counts; on them the draws of the rung do."""
    truth = GammaLadder(dim=12, draws=1000)
    nll = truth.simulate(np.random.default_rng(0), 1)["nll"][0]
    kept = [0, truth.betas.size - 1]
    far = tree(truth.betas[kept], nll=nll[..., kept])
    frame = analysis.effective_learning_coefficient(far, [0.2, 1.0], method="mbar")
    flagged = frame["flags"].str.contains("reweighted draws")
    assert flagged.tolist() == [True, False]
    assert excess_coefficient_curve(far, REFERENCE, [0.2], method="mbar")["flags"].str.contains("reweighted").all()


def test_nll_at_a_point():
    problem = models.problem("tanh-2", n=50, seed=0)
    optimum = problem.model.optimum
    by_hand = oracles.negative_log_likelihood(
        "tanh-2", {k: np.asarray(v)[None] for k, v in optimum.items()}, problem.kwargs
    )
    assert nll_at(problem, optimum) == pytest.approx(float(by_hand[0]), rel=1e-12)
    assert nll_at(problem, problem.reference.z) == pytest.approx(problem.reference.nll, rel=1e-9)
    assert problem.reference.nll <= nll_at(problem, optimum)
    with pytest.raises(InputError, match="shape"):
        nll_at(problem, np.zeros(2))


def test_bad_input():
    with pytest.raises(InputError, match="reference_nll"):
        excess_coefficient(LADDERS[0], float("nan"))
    with pytest.raises(InputError, match="no learning coefficient is defined at 0"):
        excess_coefficient(LADDERS[0], REFERENCE, beta=0.0)
    with pytest.raises(InputError, match="is no rung"):
        excess_coefficient(LADDERS[0], REFERENCE, beta=0.123)
    with pytest.raises(InputError, match=r"in \(0, 1\]"):
        excess_coefficient_curve(LADDERS[0], REFERENCE, [0.0, 0.5])
