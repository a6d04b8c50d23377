"""Free energies: two solvers, a bootstrap, the discretisation error, tails too heavy to integrate."""

import jax
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis.strategies import floats
from scipy.interpolate import BPoly

from singular import analysis
from singular.analysis import mbar
from singular.analysis.free_energy import METHODS, hermite_steps
from singular.analysis.thermodynamic import thermodynamic_integration
from singular.errors import InputError
from tests.ladders import GammaLadder, tree

TRUTH = GammaLadder(persistence=0.5, swaps=True, draws=300)
LADDER = TRUTH.one(0)


@pytest.mark.parametrize("seed", range(3))
def test_pymbar_solves_the_same_equations(seed):
    ladder = GammaLadder(rungs=5 + seed, draws=100).one(seed)
    ours, theirs = (analysis.free_energy(ladder, m) for m in ("mbar", "pymbar"))
    assert ours.value == pytest.approx(theirs.value, abs=1e-7)
    assert ours.mcse == pytest.approx(theirs.mcse, rel=1e-5)


def test_pymbar_leaves_no_trace():
    before = jax.config.jax_enable_x64, np.random.get_state()[1].tolist()  # noqa: NPY002
    analysis.free_energy(LADDER, "pymbar")
    assert (jax.config.jax_enable_x64, np.random.get_state()[1].tolist()) == before  # noqa: NPY002


def test_the_mbar_error_is_that_of_a_bootstrap_over_rounds():
    """Independent rounds, whole rounds resampled: what ties the rungs together stays."""
    truth = GammaLadder(draws=150, common=0.8)
    nll = truth.simulate(np.random.default_rng(0), 1)["nll"][0]
    claimed = analysis.free_energy(tree(truth.betas, nll=nll)).mcse
    rng, rounds = np.random.default_rng(1), nll.reshape(1, -1, truth.betas.size)
    values = [
        mbar.solve(rounds[:, rng.integers(rounds.shape[1], size=rounds.shape[1])], truth.betas).free_energy[-1]
        for _ in range(150)
    ]
    assert claimed == pytest.approx(np.std(values), rel=0.2)


@pytest.mark.parametrize("method", ["mbar", "ti", "ti-interpolant", "stepping-stone"])
def test_influence_is_the_derivative_with_respect_to_a_round(method):
    """Leaving one round out moves the value as its influence says (the infinitesimal jackknife)."""
    nll = TRUTH.simulate(np.random.default_rng(2), 1)["nll"][0][:1]
    whole = analysis.free_energy(tree(TRUTH.betas, nll=nll), method)
    size = nll.shape[1]
    moved = np.array(
        [analysis.free_energy(tree(TRUTH.betas, nll=np.delete(nll, t, axis=1)), method).value for t in range(20)]
    )
    assert abs(whole.influence.mean()) < 1e-8
    np.testing.assert_allclose((whole.value - moved) * (size - 1), whole.influence[0, :20], rtol=0.1, atol=0.02)


@settings(max_examples=10, deadline=None)
@given(shift=floats(-1e4, 1e4))
@pytest.mark.parametrize("method", ["mbar", "ti", "ti-interpolant", "stepping-stone"])
def test_a_constant_added_to_nll_is_added_to_the_free_energy(method, shift):
    moved = tree(TRUTH.betas, nll=LADDER["sample_stats"]["nll"].values + shift)
    before, after = analysis.free_energy(LADDER, method), analysis.free_energy(moved, method)
    assert after.value - shift == pytest.approx(before.value, abs=1e-7)
    assert after.mcse == pytest.approx(before.mcse, rel=1e-6)


def two_scales(betas, rates=(0.02, 0.0002), shapes=(0.5, 0.5)):
    """Return F and the first three cumulants of 140 + two independent Gamma energies: no single scale fits."""
    betas = np.asarray(betas)[:, None]
    total, shape = betas + np.array(rates), np.array(shapes)
    free_energy = 140 * betas[:, 0] + (shape * np.log(total / rates)).sum(1)
    return (
        free_energy,
        140 + (shape / total).sum(1),
        (shape / total**2).sum(1),
        (2 * shape / total**3).sum(1),
    )


@pytest.mark.parametrize("rungs", [5, 7, 9, 12])
def test_the_discretisation_error_covers_the_true_one_and_vanishes(rungs):
    betas = np.concatenate([[0.0], np.geomspace(0.001, 1, rungs - 1)])
    exact, *cumulants = two_scales(betas)
    steps, missed, _ = hermite_steps(betas, *cumulants)
    error = abs(steps.sum() - exact[-1])
    assert error < 3 * abs(missed.sum())
    assert abs(missed.sum()) < max(10 * error, 5e-3)
    assert rungs < 12 or error < 0.01


@pytest.mark.parametrize("rungs", [7, 9, 12])
def test_the_interpolant_is_nearer_than_the_corrected_trapezoid(rungs):
    """Exact cumulants in, so that nothing but the rules differs."""
    betas = np.concatenate([[0.0], np.geomspace(0.001, 1, rungs - 1)])
    exact, *cumulants = two_scales(betas)
    steps, missed, _ = hermite_steps(betas, *cumulants)
    cubic, quintic = abs(steps.sum() - exact[-1]), abs((steps + missed).sum() - exact[-1])
    assert quintic < 0.5 * cubic
    assert quintic < 2 * abs(missed.sum())


def test_the_interpolant_on_draws():
    """Its value is the corrected trapezoid's plus what that says it missed."""
    ladder = GammaLadder(rungs=8, draws=1000).one(3)
    cubic, quintic = (analysis.free_energy(ladder, m) for m in ("ti", "ti-interpolant"))
    assert abs(quintic.value - cubic.value) == pytest.approx(quintic.discretisation_error, rel=1e-9)
    assert quintic.discretisation_error == cubic.discretisation_error
    exact = GammaLadder(rungs=8).exact().free_energy.iloc[-1]
    assert abs(quintic.value - exact) < 4 * quintic.mcse < 0.2


def by_polynomials(nll, betas, x, floor):
    """The quintic Hermite interpolant of g over u = log x by SciPy, integrated; the axis as it is given."""
    centred = nll - nll.mean(axis=(0, 1))
    mean, count = nll.mean(axis=(0, 1)), nll[..., 0].size
    variance, third = (centred**2).sum(axis=(0, 1)) / (count - 1), (centred**3).mean(axis=(0, 1))
    g = x * (mean - floor)
    slope, bend = g - x**2 * variance, g - 3 * x**2 * variance + x**3 * third
    u = np.log(x)
    return BPoly.from_derivatives(u, np.stack([g, slope, bend], axis=1)).integrate(u[0], u[-1]) + floor * betas[-1]


def test_the_interpolant_and_its_influence_by_polynomials():
    """Few rungs, so that slopes and bends count, and the axis held fixed while a round is left out."""
    truth = GammaLadder(rungs=4, chains=1, draws=400)
    nll, betas = truth.simulate(np.random.default_rng(5), 1)["nll"][0], truth.betas
    cumulants = (
        nll.mean(axis=(0, 1)),
        nll.var(axis=(0, 1), ddof=1),
        ((nll - nll.mean(axis=(0, 1))) ** 3).mean(axis=(0, 1)),
    )
    x, floor = hermite_steps(betas, *cumulants)[2], cumulants[0][-1] - cumulants[1][-1]
    whole = thermodynamic_integration(nll, betas, "quintic")
    value = by_polynomials(nll, betas, x, floor)
    assert whole.value[-1] == pytest.approx(value, abs=1e-9)
    moved = np.array([value - by_polynomials(np.delete(nll, t, axis=1), betas, x, floor) for t in range(400)]) * 399
    scale = np.std(moved)
    np.testing.assert_allclose(moved, whole.influence[0, :, -1], rtol=0.03, atol=0.02 * scale)


def test_one_gamma_scale_is_integrated_exactly():
    betas = np.array([0.0, 0.05, 1.0])
    exact, *cumulants = two_scales(betas, rates=(0.02,), shapes=(1.5,))
    steps, _, _ = hermite_steps(betas, *cumulants)
    assert steps.sum() == pytest.approx(exact[-1], abs=0.02)


def test_the_plain_trapezoid_owns_up_to_its_error():
    truth = GammaLadder(rungs=8, draws=4000)
    plain = analysis.free_energy(truth.one(0), "ti-trapezoid")
    assert 0.3 * plain.discretisation_error < abs(plain.value - truth.exact().free_energy.iloc[-1])
    assert abs(plain.value - truth.exact().free_energy.iloc[-1]) < 2 * plain.discretisation_error


def test_rungs_too_far_apart_to_integrate_are_flagged():
    ladder = GammaLadder(rungs=4, draws=2000).one(0)
    assert any("rungs too far apart" in flag for flag in analysis.free_energy(ladder, "ti-trapezoid").flags)
    assert not any("rungs" in flag for flag in analysis.free_energy(ladder, "mbar").flags)


@pytest.mark.parametrize("method", METHODS)
def test_the_curve_ends_in_the_estimate_and_starts_at_zero(method):
    curve = analysis.free_energy_curve(LADDER, method)
    whole = analysis.free_energy(LADDER, method)
    assert curve.beta.tolist() == TRUTH.betas.tolist()
    assert (curve.value.iloc[0], curve.mcse.iloc[0]) == (0.0, 0.0)
    assert curve.value.iloc[-1] == pytest.approx(whole.value, abs=1e-9)
    assert curve.mcse.iloc[-1] == pytest.approx(whole.mcse, rel=1e-6)
    error = np.abs(curve.value - TRUTH.exact().free_energy)[1:]
    assert (error < 4 * curve.mcse[1:] + 2 * curve.discretisation_error[1:]).all()


def test_mbar_reaches_between_the_rungs():
    e = analysis.free_energy(LADDER, beta=0.6)
    assert abs(e.value - TRUTH.exact([0.6]).free_energy[0]) < 4 * e.mcse < 0.4


def test_infinite_nll_under_the_prior():
    """A draw of the prior that cannot make the data: MBAR and stepping stone serve, integration does not."""
    nll = LADDER["sample_stats"]["nll"].values.copy()
    nll[:, ::2, 0] = np.inf
    ladder = tree(TRUTH.betas, nll=nll)
    for method in ("ti", "ti-interpolant", "ti-trapezoid"):
        refused = analysis.free_energy(ladder, method)
        assert np.isnan(refused.value) and np.isnan(refused.mcse)
        assert any("refused" in flag and "mbar" in flag for flag in refused.flags)
    for method in ("mbar", "stepping-stone"):
        e = analysis.free_energy(ladder, method)
        assert np.isfinite([e.value, e.mcse]).all()
    stone = analysis.free_energy(ladder, "stepping-stone").value
    assert stone == pytest.approx(analysis.free_energy(LADDER, "stepping-stone").value + np.log(2), abs=0.15)


@pytest.mark.parametrize(("power", "word"), [(1.6, "refused"), (1.15, "heavy tail")])
def test_heavy_tails_under_the_prior(power, word):
    nll = LADDER["sample_stats"]["nll"].values.copy()
    u = (np.arange(nll[..., 0].size) + 0.5) / nll[..., 0].size
    nll[..., 0] = 140 + np.random.default_rng(0).permutation(u ** (-power / 1.35)).reshape(nll.shape[:2])
    for method in ("ti", "ti-interpolant"):
        e = analysis.free_energy(tree(TRUTH.betas, nll=nll), method)
        assert any(word in flag for flag in e.flags)
        assert np.isnan(e.value) == (word == "refused")
    assert not any("Pareto" in flag for flag in analysis.free_energy(LADDER, "ti").flags)


def test_rungs_that_do_not_overlap_are_flagged():
    rng = np.random.default_rng(0)
    nll = np.stack([1000 + 5 * rng.standard_normal((4, 500)), 10 + rng.gamma(1.5, 1, (4, 500))], axis=-1)
    e = analysis.free_energy(tree([0.0, 1.0], nll=nll))
    assert any("overlap 0.000 < 0.03" in flag for flag in e.flags)
    dense = GammaLadder(rungs=40, draws=100).one(0)  # here each draw is shared out among many rungs
    assert not any("overlap" in flag for flag in analysis.free_energy(dense).flags)


def test_a_ladder_that_does_not_start_at_zero():
    above = tree(TRUTH.betas[1:], nll=LADDER["sample_stats"]["nll"].values[..., 1:])
    for method in METHODS:
        with pytest.raises(InputError, match="from beta=0 up"):
            analysis.free_energy(above, method)
