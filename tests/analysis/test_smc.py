"""Sequential Monte Carlo: the sampler against the oracle, and the error bar against replicates of known law."""

import functools
from dataclasses import replace

import numpy as np
import pytest
import xarray as xr

from singular import models, posteriors
from singular.analysis.smc import free_energy_smc
from singular.errors import InputError, SamplingError
from singular.posteriors.smc import MOST_TEMPERATURES, SequentialMonteCarlo, smc


@functools.cache
def problem_of(name, n):
    return models.problem(name, n=n, seed=0)


@functools.cache
def run_of(name, n, seed=0):
    return smc(problem_of(name, n), particles=256, seed=seed)


def known(log_evidence):
    """A run whose replicates of log Z at β = 1 are given."""
    logs = np.asarray(log_evidence, dtype=float)
    ones = np.ones((logs.size, 2))
    both = np.stack([np.zeros(logs.size), logs], axis=1)
    return SequentialMonteCarlo(np.array([0.0, 1.0]), both, ones, ones, xr.DataTree(), 0, 0, 0, 0.0)


@pytest.mark.parametrize(("name", "n"), [("linear-4", 200), ("tanh-1", 200), ("product", 200)])
@pytest.mark.slow
def test_the_free_energy_at_every_temperature(name, n):
    run = run_of(name, n)
    exact = posteriors.quadrature(problem_of(name, n), run.betas).frame.free_energy
    for beta, truth in zip(run.betas, exact, strict=True):
        e = free_energy_smc(run, beta)
        assert abs(e.value - truth) <= 4 * e.mcse + 1e-9
        assert e.mcse < 0.1
        assert e.flags == ()
    assert run.betas[0] == 0.0 and run.betas[-1] == 1.0 and (np.diff(run.betas) > 0).all()


@pytest.mark.slow
@pytest.mark.parametrize(("name", "n"), [("linear-4", 200), ("product", 200)])
def test_errors_over_many_runs(name, n):
    exact = posteriors.quadrature(problem_of(name, n), [1.0]).frame.free_energy[0]
    estimates = [free_energy_smc(smc(problem_of(name, n), particles=256, seed=s)) for s in range(40)]
    z = np.array([(e.value - exact) / e.mcse for e in estimates])
    assert abs(z.mean()) < 0.5
    assert 0.7 < z.std(ddof=1) < 1.35


@pytest.mark.slow
def test_replicates_are_unbiased_with_moves_that_hardly_mix():
    """One leapfrog step a temperature and few particles: the evidences spread, and their mean stays."""
    problem = problem_of("linear-4", 200)
    exact = posteriors.quadrature(problem, [1.0]).frame.free_energy[0]
    logs = np.concatenate([smc(problem, 64, 64, seed=s, moves=1, leapfrog=1).log_evidence[:, -1] for s in range(6)])
    ratio = np.exp(logs + exact)
    error = ratio.std(ddof=1) / np.sqrt(ratio.size)
    assert logs.std() > 0.25
    assert abs(ratio.mean() - 1) < 4 * error < 0.4


@pytest.mark.parametrize("sigma", [0.05, 0.3])
@pytest.mark.slow
def test_the_error_is_right_for_log_normal_replicates(sigma):
    """8 replicates with mean 1: no bias, and standardised errors of variance 1."""
    rng = np.random.default_rng(0)
    estimates = [free_energy_smc(known(rng.normal(-(sigma**2) / 2, sigma, 8))) for _ in range(2000)]
    z = np.array([e.value / e.mcse for e in estimates])
    assert 0.9 < z.std() < 1.1
    assert abs(np.mean([e.value for e in estimates])) < 4 * sigma / np.sqrt(8 * 2000) + 0.1 * sigma**2 / 16


def test_particles_at_the_posterior():
    """The closed posterior of linear regression, and nll as the model has it."""
    problem, run = problem_of("linear-4", 200), run_of("linear-4", 200)
    x, y = problem.kwargs["x"], problem.kwargs["y"]
    w = run.tree["posterior"]["w"].transpose("chain", "draw", ...).to_numpy()
    assert w.shape == (8, 256, 4)
    covariance = np.linalg.inv(np.eye(4) + x.T @ x)
    error = np.sqrt(np.diagonal(covariance))
    assert (np.abs(w.mean(axis=(0, 1)) - covariance @ (x.T @ y)) < 0.2 * error).all()
    np.testing.assert_allclose(np.cov(w.reshape(-1, 4).T), covariance, atol=0.2 * np.max(error) ** 2)
    nll = 100 * np.log(2 * np.pi) + 0.5 * ((y - w[0, 0] @ x.T) ** 2).sum()
    assert run.tree["sample_stats"]["nll"].values[0, 0] == pytest.approx(nll, rel=1e-10)


@pytest.mark.slow
def test_the_same_seed_gives_the_same_run_and_another_does_not():
    problem = problem_of("linear-4", 200)
    one, again, other = (smc(problem, 64, 4, seed=s) for s in (3, 3, 4))
    np.testing.assert_array_equal(one.log_evidence, again.log_evidence)
    assert one.log_evidence[0, -1] != other.log_evidence[0, -1]
    batch = smc(problem, 64, 4, seed=3, mapping="vmap")
    np.testing.assert_allclose(batch.log_evidence[:, :3], one.log_evidence[:, :3], rtol=1e-6)


def test_other_data_is_another_evidence():
    """Compiled code takes the data as an argument."""
    for seed in (1, 2):
        problem = models.problem("linear-4", n=200, seed=seed)
        e = free_energy_smc(smc(problem, 256, 8))
        exact = posteriors.quadrature(problem, [1.0]).frame.free_energy[0]
        assert abs(e.value - exact) < 5 * e.mcse < 1


def test_evaluations_are_counted():
    run = run_of("linear-4", 200)
    steps, per_move = run.betas.size - 1, 3 * 5 + 1
    assert run.gradient_evaluations == 256 * per_move * (8 * steps + steps - 1)
    assert run.likelihood_evaluations == 256 * (8 * (steps + 1) + 2 * (steps - 1) + 1)
    assert run.pilot_evaluations == 256 * ((per_move + 2) * (steps - 1) + 1)


def test_flags():
    assert any("4 replicates" in flag for flag in free_energy_smc(known([0.0, 0.1, -0.1, 0.0])).flags)
    wide = np.random.default_rng(0).normal(0, 3, 16)
    assert any("differs by" in flag for flag in free_energy_smc(known(wide)).flags)
    run = known(np.linspace(-0.1, 0.1, 8))
    assert free_energy_smc(run).flags == ()
    assert any(
        "moves accepted" in flag for flag in free_energy_smc(replace(run, acceptance=0.1 * run.acceptance)).flags
    )
    starved = replace(run, effective_share=0.1 * run.effective_share)
    assert any("effective share" in flag for flag in free_energy_smc(starved).flags)
    assert free_energy_smc(starved, 0.0).flags == ()


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"particles": 10}, "particles=10"),
        ({"replicates": 1}, "replicates=1"),
        ({"effective_share": 1.5}, "effective_share=1.5"),
        ({"mapping": "pmap"}, "mapping='pmap'"),
        ({"moves": 0}, "moves=0"),
    ],
)
def test_bad_input(change, word):
    with pytest.raises(InputError, match=word):
        smc(problem_of("linear-4", 200), **change)
    with pytest.raises(InputError, match="problem="):
        smc("linear-4")
    with pytest.raises(InputError, match="no temperature of this run"):
        free_energy_smc(known(np.zeros(8)), 0.5)


def test_a_pilot_that_does_not_arrive():
    with pytest.raises(SamplingError, match=f"in {MOST_TEMPERATURES} temperatures"):
        smc(problem_of("linear-4", 200), 64, 4, moves=1, leapfrog=1, effective_share=0.9999)
