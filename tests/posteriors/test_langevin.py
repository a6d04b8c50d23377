"""Langevin samplers against the exact laws that their discretised chains settle in, not the law they aim at."""

import json
import re
from pathlib import Path

import jax
import numpy as np
import pytest

from singular import models, posteriors
from singular.analysis.draws import read_draws
from singular.analysis.local_coefficient import local_learning_coefficient
from singular.analysis.trust import monte_carlo_error
from singular.analysis.unadjusted import step_bias, virial_departure
from singular.errors import InputError, SamplingError
from singular.posteriors.langevin_exact import quadratic_sgld_coefficient, regression_sgld_coefficient
from singular.posteriors.langevin_step import BLOCK, SETTLE, langevin_step_size
from singular.posteriors.local_exact import quadratic_local_coefficient
from singular.posteriors.localise import localise

N = 100
BETA = 1 / np.log(N)
SHARES = (0.02, 0.05, 0.1, 0.2, 0.4)
"""εa/4 in the stiffest direction: SGLD is unstable at 1, its variance there too large by 1/(1 − share)."""
BATCH = 50
QUICK = {"chains": 2, "draws": 4, "burn_in": 2, "thin": 1, "progress": False}
MANY = {"chains": 16, "draws": 1000, "progress": False}


@pytest.fixture(scope="module")
def problem():
    return models.problem("linear-4", n=N)


@pytest.fixture(scope="module")
def local(problem):
    """γ → the problem at its least-squares point."""
    found = {gamma: localise(problem, problem.reference.z, gamma) for gamma in (1.0, 100.0)}
    return found.__getitem__


@pytest.fixture(scope="module")
def curvatures(problem):
    """Eigenvalues of the Hessian of nL_n."""
    return np.linalg.eigvalsh(problem.kwargs["x"].T @ problem.kwargs["x"])


@pytest.fixture(scope="module")
def step_of(curvatures):
    """(share, γ) → ε."""
    return lambda share, gamma: 4 * share / (BETA * curvatures.max() + gamma)


def plain(tree, local):
    """The coefficient as the mean of nL_n alone: control variates would be right on a quadratic whatever the draws."""
    bare = tree.copy()
    bare.attrs["adjusted"] = 0
    return local_learning_coefficient(bare, local, BETA)


@pytest.fixture(scope="module")
def full_batch(local, step_of):
    """(share, γ) → a run of SGLD, each made once."""
    kept = {}

    def run(share, gamma):
        if (share, gamma) not in kept:
            thin = max(1, round(0.3 / share))  # about one time in which the chain forgets
            kept[share, gamma] = posteriors.sgld(
                local(gamma), BETA, step_of(share, gamma), burn_in=100 * thin, thin=thin,
                seed=len(kept), **MANY,
            )  # fmt: skip
        return kept[share, gamma]

    return run


# ------------------------------------------------------------------------------------------------ the exact laws


def test_the_exact_law_has_the_worked_values():
    """Worked by hand and simulated twice: ideal, full gradient, minibatch noise ½h/32, a centre off the minimum."""
    h = np.array([4.0, 1.0, 0.1, 0.01])
    law = {"gamma": 10.0, "t": 1000.0}
    assert quadratic_sgld_coefficient(h, step_size=0.0, **law) == pytest.approx(1.698348, abs=5e-7)
    assert quadratic_sgld_coefficient(h, step_size=2e-4, **law) == pytest.approx(1.852520, abs=5e-7)
    assert quadratic_sgld_coefficient(h, step_size=2e-4, noise=0.5 * h / 32, **law) == pytest.approx(4.246983, abs=5e-7)
    assert quadratic_sgld_coefficient(h, step_size=0.0, offset=0.1, **law) == pytest.approx(-23.834, abs=5e-4)
    assert quadratic_sgld_coefficient(h, step_size=0.0, **law) == pytest.approx(quadratic_local_coefficient(h, **law))


@pytest.mark.parametrize("gamma", [1.0, 100.0])
def test_regression_is_the_quadratic_at_full_batch(problem, curvatures, step_of, gamma):
    x, y, step = problem.kwargs["x"], problem.kwargs["y"], step_of(0.2, gamma)
    quadratic = quadratic_sgld_coefficient(curvatures / N, gamma, N * BETA, step)
    assert regression_sgld_coefficient(x, y, BETA, gamma, step) == pytest.approx(quadratic, rel=1e-12)
    for replacement in (True, False):
        assert regression_sgld_coefficient(x, y, BETA, gamma, step, N, replacement) == pytest.approx(quadratic)
    with_noise = regression_sgld_coefficient(x, y, BETA, gamma, step, N - 1, False)
    assert quadratic < with_noise < regression_sgld_coefficient(x, y, BETA, gamma, step, N - 1, True)


def test_regression_by_iterating_the_second_moment_over_every_minibatch():
    """Three observations, B = 2: all 9 (or 6) minibatches written out, the recursion of mean and covariance run."""
    x, y = np.array([[1.0, 0.5], [-0.3, 2.0], [0.7, 0.1]]), np.array([0.2, -1.0, 1.5])
    beta, gamma, step = 0.8, 0.6, 0.1
    best = np.linalg.lstsq(x, y, rcond=None)[0]
    for replacement in (True, False):
        pairs = [(i, j) for i in range(3) for j in range(3) if replacement or i != j]
        mean, second = np.zeros(2), np.zeros((2, 2))
        maps = []
        for pair in pairs:
            rows = list(pair)
            drift = 3 / 2 * beta * x[rows].T @ x[rows] + gamma * np.eye(2)
            force = 3 / 2 * beta * x[rows].T @ (y[rows] - x[rows] @ best)
            maps.append((np.eye(2) - step / 2 * drift, step / 2 * force))
        for _ in range(800):
            moved = [m @ mean + b for m, b in maps]
            second = np.mean(
                [m @ second @ m.T + np.outer(m @ mean, b) + np.outer(b, m @ mean) + np.outer(b, b) for m, b in maps],
                axis=0,
            ) + step * np.eye(2)
            mean = np.mean(moved, axis=0)
        expected = 0.5 * beta * np.trace(x.T @ x @ second)
        assert regression_sgld_coefficient(x, y, beta, gamma, step, 2, replacement) == pytest.approx(expected, rel=1e-9)


# ------------------------------------------------------------------------------------------------ SGLD


@pytest.mark.parametrize("gamma", [1.0, 100.0])
@pytest.mark.parametrize("share", SHARES)
def test_sgld_settles_in_the_law_of_its_step(problem, local, step_of, full_batch, share, gamma):
    found = plain(full_batch(share, gamma), local(gamma))
    law = regression_sgld_coefficient(
        problem.kwargs["x"], problem.kwargs["y"], BETA, gamma, step_of(share, gamma)
    )  # fmt: skip
    assert abs(found.value - law) < 4 * found.mcse
    assert found.mcse < 0.015 * law


@pytest.mark.parametrize("gamma", [1.0, 100.0])
def test_it_would_see_the_bias_of_the_largest_step(local, curvatures, full_batch, gamma):
    found = plain(full_batch(SHARES[-1], gamma), local(gamma))
    assert found.value - quadratic_local_coefficient(curvatures, gamma, BETA) > 20 * found.mcse


@pytest.mark.parametrize("replacement", [True, False])
@pytest.mark.slow
def test_minibatches_settle_in_theirs(problem, local, step_of, replacement):
    x, y = problem.kwargs["x"], problem.kwargs["y"]
    for share, seed in ((0.1, 21), (0.3, 22)):
        step = step_of(share, 1.0)
        tree = posteriors.sgld(
            local(1.0), BETA, step, batch_size=BATCH, replacement=replacement, burn_in=300, thin=3, seed=seed, **MANY
        )
        found = plain(tree, local(1.0))
        assert (
            abs(found.value - regression_sgld_coefficient(x, y, BETA, 1.0, step, BATCH, replacement)) < 4 * found.mcse
        )
    full = regression_sgld_coefficient(x, y, BETA, 1.0, step)
    other = regression_sgld_coefficient(x, y, BETA, 1.0, step, BATCH, not replacement)
    assert abs(found.value - full) > 4 * found.mcse
    assert abs(found.value - other) > 4 * found.mcse
    assert found.flags[-1].startswith("sgld rejects nothing")
    assert tree.attrs["gradient_evaluations"] == 16 * (300 + 3 * 1000) + 16 * 1000
    assert tree.attrs["data_passes"] == 16 * (300 + 3 * 1000) * BATCH / N + 16 * 1000


# ------------------------------------------------------------------------------------------------ its kin


@pytest.mark.parametrize("sampler", ["mala", "underdamped"])
def test_no_bias_where_none_is_due(local, curvatures, step_of, sampler):
    """MALA rejects; BAOAB has the right law of positions on a quadratic, at a step at which SGLD is off by a tenth."""
    tree = posteriors.langevin(
        local(1.0), BETA, step_of(0.2, 1.0), sampler=sampler, burn_in=300, thin=4, seed=31, **MANY
    )
    found = plain(tree, local(1.0))
    exact = quadratic_local_coefficient(curvatures, 1.0, BETA)
    assert abs(found.value - exact) < 4 * found.mcse
    assert 8 * found.mcse < quadratic_sgld_coefficient(curvatures, 1.0, BETA, step_of(0.2, 1.0)) - exact
    assert not [flag for flag in local_learning_coefficient(tree, local(1.0), BETA).flags if "rejects" in flag]
    assert tree.attrs["adjusted"] == (sampler == "mala")


@pytest.mark.slow
def test_nuts_has_none_either(local, curvatures):
    tree = posteriors.ladder(local(1.0), draws=500, warmup=300, seed=32, progress=False)
    found = plain(tree, local(1.0))
    assert abs(found.value - quadratic_local_coefficient(curvatures, 1.0, BETA)) < 4 * found.mcse
    assert found.mcse < 0.06


def test_sghmc_settles_in_the_law_of_its_leaps(local, curvatures, step_of):
    """Momenta drawn anew, then ten explicit Euler leaps: the variance that this linear map returns to itself."""
    step, persistence = step_of(0.005, 1.0), 0.9
    leap = np.sqrt(step)
    law = 0.0
    for h in curvatures:
        one = np.array([[1.0, leap], [-leap * (BETA * h + 1.0), persistence]])
        noise = np.diag([0.0, 2 * (1 - persistence)])
        whole, gained = np.eye(2), np.zeros((2, 2))
        for _ in range(10):
            whole, gained = one @ whole, one @ gained @ one.T + noise
        law += 0.5 * BETA * h * (gained[0, 0] + whole[0, 1] ** 2) / (1 - whole[0, 0] ** 2)
    tree = posteriors.langevin(local(1.0), BETA, step, sampler="sghmc", burn_in=100, thin=2, seed=33, **MANY)
    found = plain(tree, local(1.0))
    assert abs(found.value - law) < 4 * found.mcse
    assert law - quadratic_local_coefficient(curvatures, 1.0, BETA) > 8 * found.mcse
    assert tree.attrs["gradient_evaluations"] == 16 * 10 * (100 + 2 * 1000) + 16 * 1000


def test_psgld_without_its_metric_is_sgld(problem, local, step_of):
    """A damping of 1e6 swamps the squared gradients: the metric is 1e-6 and ε stands for 1e6 times SGLD's."""
    step = step_of(0.2, 1.0)
    options = {"sampler": "psgld", "damping": 1e6, "burn_in": 200, "thin": 2, "seed": 34}
    tree = posteriors.langevin(local(1.0), BETA, 1e6 * step, **options, **MANY)
    found = plain(tree, local(1.0))
    law = regression_sgld_coefficient(problem.kwargs["x"], problem.kwargs["y"], BETA, 1.0, step)
    assert abs(found.value - law) < 4 * found.mcse


# ------------------------------------------------------------------------------------------------ what is said of it


def test_an_unadjusted_run_has_no_control_variates_and_says_so(local, full_batch, step_of):
    for gamma in (1.0, 100.0):
        tree = full_batch(0.4, gamma)
        assert read_draws(tree).controls(0) is None
        flags = local_learning_coefficient(tree, local(gamma), BETA).flags
        assert any(flag.startswith("sgld rejects nothing: (z - centre).grad U has mean") for flag in flags)
    mala = posteriors.langevin(local(1.0), BETA, step_of(0.2, 1.0), sampler="mala", burn_in=200, thin=2, **MANY)
    assert read_draws(mala).controls(0) is not None
    assert not [flag for flag in local_learning_coefficient(mala, local(1.0), BETA).flags if "reject" in flag]
    assert step_bias(read_draws(mala), 0) == 0.0
    departure = virial_departure(read_draws(mala), 0)
    assert abs(departure.value) < 4 * departure.mcse


@pytest.mark.parametrize("gamma", [1.0, 100.0])
@pytest.mark.parametrize("share", SHARES)
def test_the_bias_read_off_the_draws_is_the_bias(problem, local, curvatures, step_of, full_batch, share, gamma):
    draws = read_draws(full_batch(share, gamma))
    law = regression_sgld_coefficient(problem.kwargs["x"], problem.kwargs["y"], BETA, gamma, step_of(share, gamma))
    bias = law - quadratic_local_coefficient(curvatures, gamma, BETA)
    precisions = BETA * curvatures + gamma
    x = 0.25 * step_of(share, gamma) * precisions
    departure = virial_departure(draws, 0)
    assert abs(departure.value - np.sum(x / (1 - x))) < 4 * departure.mcse
    read = step_bias(draws, 0)
    assert abs(read - bias) < 4 * 0.5 * departure.mcse
    assert local_learning_coefficient(full_batch(share, gamma), local(gamma), BETA).discretisation_error == read


# ------------------------------------------------------------------------------------------------ layout


def test_layout_counts_and_store(problem, local, tmp_path):
    tree = posteriors.sgld(problem, 0.5, 1e-3, chains=3, draws=6, burn_in=0, thin=2, seed=5, progress=False)
    assert dict(tree["sample_stats"].sizes) == {"chain": 3, "draw": 6, "beta": 1}
    assert tree["posterior"]["w"].dims == ("chain", "draw", "beta", "w_dim_0")
    attributes = {
        "sampler": "sgld", "sampler_seed": 5, "adjusted": 0, "complete": 1, "step_size": 1e-3, "batch_size": N,
        "gamma": 0.0,
        "gradient_evaluations": 3 * 12 + 18, "data_passes": 3 * 12 + 18,
        "problem": "linear-4", "n": N, "dim": 4,
    }  # fmt: skip
    assert {name: tree.attrs[name] for name in attributes} == attributes
    assert json.loads(tree.attrs["settings"])["thin"] == 2
    w, x, y = tree["posterior"]["w"].values, problem.kwargs["x"], problem.kwargs["y"]
    nll = 0.5 * (N * np.log(2 * np.pi) + np.sum((y - w @ x.T) ** 2, axis=-1))
    np.testing.assert_allclose(tree["sample_stats"]["nll"], nll, rtol=1e-12)
    arm = w - problem.reference.z  # without a burn-in the virials are about where the chains begin
    virial = np.sum(arm * (-(y - w @ x.T) @ x), axis=-1)
    np.testing.assert_allclose(tree["sample_stats"]["nll_virial"], virial, rtol=1e-9)
    np.testing.assert_allclose(tree["sample_stats"]["log_prior_virial"], -np.sum(arm * w, axis=-1), rtol=1e-9)
    assert np.all(tree["sample_stats"]["acceptance_rate"] == 1) and not tree["sample_stats"]["diverging"].any()
    one = posteriors.rung(tree, 0.5, problem)
    assert dict(one["posterior"].sizes) == {"chain": 3, "draw": 6, "w_dim_0": 4}
    np.testing.assert_allclose(-one["log_likelihood"]["y"].sum("y_dim_0"), nll[..., 0], rtol=1e-12)
    back = posteriors.load(posteriors.save(tree, tmp_path / "run.nc"))
    assert back["sample_stats"].to_dataset().identical(tree["sample_stats"].to_dataset())
    assert back["posterior"].to_dataset().identical(tree["posterior"].to_dataset())
    assert {name: back.attrs[name] for name in attributes} == attributes
    assert not int(back.attrs["adjusted"]) and read_draws(back).controls(0) is None
    near = posteriors.sgld(local(100.0), None, 1e-3, **QUICK)
    assert near.attrs["gamma"] == 100.0
    assert near.attrs["wbic_beta"] == pytest.approx(BETA)


def test_gamma_and_centre_are_the_problem_localised(problem, local):
    inside = posteriors.sgld(problem, BETA, 1e-3, gamma=100.0, **QUICK)
    outside = posteriors.sgld(local(100.0), BETA, 1e-3, **QUICK)
    np.testing.assert_array_equal(inside["posterior"]["w"], outside["posterior"]["w"])
    assert inside.attrs["data_hash"] == outside.attrs["data_hash"]
    start = posteriors.sgld(problem, BETA, 1e-30, centre={"w": np.arange(4.0)}, **QUICK)
    np.testing.assert_allclose(start["posterior"]["w"][0, 0, 0], np.arange(4.0), atol=1e-12)
    begin = np.arange(8.0).reshape(2, 4)
    start = posteriors.sgld(problem, BETA, 1e-30, init=begin, **QUICK)
    np.testing.assert_allclose(start["posterior"]["w"][:, 0, 0], begin, atol=1e-12)


def test_a_seed_gives_its_draws_again_and_another_gives_others(local):
    one, again, other = (
        posteriors.sgld(local(1.0), BETA, 1e-3, seed=s, **QUICK)["posterior"]["w"].values for s in (1, 1, 2)
    )
    np.testing.assert_array_equal(one, again)
    assert not np.any(one == other)
    assert not np.any(one[0] == one[1])  # nor do two chains share their noise


# ------------------------------------------------------------------------------------------------ step size


def test_the_step_size_is_accepted_at_the_rate_that_was_asked_for(local):
    found = langevin_step_size(local(1.0), BETA, seed=4)
    blocks, left = divmod(found.gradient_evaluations // 16 - 1, BLOCK)
    assert found.gradient_evaluations % 16 == 0 and left == 0 and SETTLE <= blocks <= SETTLE + 40
    steps = SETTLE // 2 * BLOCK  # as many as its own claim rests on
    again = posteriors.langevin(
        local(1.0), BETA, found.step_size, sampler="mala", draws=steps, burn_in=200, thin=1, seed=9, progress=False
    )
    rate = again["sample_stats"]["acceptance_rate"].values[..., 0]
    error = np.sqrt(2) * monte_carlo_error(rate - rate.mean())
    slack = 0.01  # the claim is a mean over blocks in which the step still moved
    assert abs(rate.mean() - found.acceptance) < 4 * error + slack
    assert abs(rate.mean() - 0.9) < 4 * error + slack
    assert error < 0.005
    easier = langevin_step_size(local(1.0), BETA, acceptance=0.6, seed=4)
    assert easier.step_size > 1.5 * found.step_size and abs(easier.acceptance - 0.6) < 0.05
    # chains begin at the centre: after 1,200 steps they are where the posterior is, trace of its covariance
    covariance = 1 / (BETA * np.linalg.eigvalsh(local(1.0).kwargs["x"].T @ local(1.0).kwargs["x"]) + 1.0)
    spread = np.sqrt(2 * np.sum(covariance**2) / 16) / covariance.sum()  # of the mean square over 16 chains
    assert abs(found.travelled**2 / covariance.sum() - 1) < 4 * spread


# ------------------------------------------------------------------------------------------------ bad input


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        *(({"beta": b}, "beta") for b in (0.0, -0.5, 1.5, np.nan, True, "hot")),
        *(({"step_size": s}, "step_size") for s in (0.0, -1e-3, np.inf, np.nan, True, "small")),
        *(({"gamma": g}, "gamma") for g in (-1.0, np.inf, np.nan, True, "much")),
        *(({"chains": c}, "chains") for c in (0, 1.5, True)),
        *(({"draws": d}, "draws") for d in (3, 4.0)),
        *(({"burn_in": b}, "burn_in") for b in (-1, 1.5)),
        *(({"thin": t}, "thin") for t in (0, True)),
        *(({"seed": s}, "seed") for s in (-1, 0.5, True)),
        *(({"batch_size": b}, "batch_size") for b in (0, N + 1, 2.0, True)),
        ({"sampler": "sgldd"}, "sampler"),
        ({"sampler": "mala", "batch_size": 10}, "accepts or rejects by all data"),
        ({"persistence": 0.5}, "no option of sampler='sgld'"),
        *(({"sampler": "sghmc", "persistence": p}, "persistence") for p in (1.0, -0.1, True)),
        *(({"sampler": "psgld", "memory": m}, "memory") for m in (1.0, "long")),
        *(({"sampler": "psgld", "damping": d}, "damping") for d in (0.0, np.inf, True)),
        ({"centre": np.zeros(3)}, "centre"),
        ({"centre": np.array([0.0, 0.0, 0.0, np.nan])}, "centre"),
        ({"init": np.zeros((2, 3))}, "init"),
        ({"init": np.full((2, 4), np.inf)}, "init"),
    ],
)
def test_bad_input(problem, settings, message):
    arguments = {"beta": BETA, "step_size": 1e-3, **QUICK, **settings}
    with pytest.raises(InputError, match=re.escape(message)):
        posteriors.langevin(problem, arguments.pop("beta"), arguments.pop("step_size"), **arguments)


def test_bad_problems_and_bad_wishes_for_a_step(problem, local):
    with pytest.raises(InputError, match="problem="):
        posteriors.langevin("linear-4", BETA)
    for extra in ({"gamma": 1.0}, {"centre": np.zeros(4)}):
        with pytest.raises(InputError, match="local already"):
            posteriors.langevin(local(1.0), BETA, **extra)
        with pytest.raises(InputError, match="local already"):
            langevin_step_size(local(1.0), BETA, **extra)
    with pytest.raises(InputError, match="n > e"):
        posteriors.langevin(models.problem("linear-2", n=2), **QUICK)
    for acceptance in (0.0, 1.0, np.nan, True, "high"):
        with pytest.raises(InputError, match="acceptance"):
            langevin_step_size(problem, BETA, acceptance=acceptance)
    with pytest.raises(InputError, match="beta"):
        langevin_step_size(problem, 2.0)
    assert posteriors.langevin(problem, BETA, 1e-4, batch_size=N, sampler="mala", **QUICK).attrs["batch_size"] == N


def test_bad_input_of_the_laws():
    for arguments, message in [
        (([], 1.0, 1.0, 0.1), "curvatures"), (([-1.0], 1.0, 1.0, 0.1), "curvatures"),
        (([1.0], -1.0, 1.0, 0.1), "gamma"),
        (([1.0], 1.0, 0.0, 0.1), "t="), (([1.0], 1.0, 1.0, -0.1), "step_size"), (([1.0], 1.0, 1.0, 2.0), "below 4"),
        (([0.0], 0.0, 1.0, 0.1), "above 0"), (([1.0], 1.0, 1.0, 0.1, np.nan), "offset"),
        (([1.0], 1.0, 1.0, 0.1, 0.0, -1.0), "noise"),
    ]:  # fmt: skip
        with pytest.raises(InputError, match=message):
            quadratic_sgld_coefficient(*arguments)
    x, y = np.eye(3), np.ones(3)
    with pytest.raises(InputError, match="shapes"):
        regression_sgld_coefficient(x, y[:2], 1.0, 1.0, 0.1)
    with pytest.raises(InputError, match="batch_size"):
        regression_sgld_coefficient(x, y, 1.0, 1.0, 0.1, 4)
    with pytest.raises(InputError, match="without limit"):
        regression_sgld_coefficient(x, y, 1.0, 1.0, 1.9, 1)


def test_a_step_beyond_stability_is_an_error_that_says_so(local, step_of):
    with pytest.raises(SamplingError, match=r"16 of 16 chains of sampler='sgld' left for infinity at step_size="):
        posteriors.sgld(local(1.0), BETA, step_of(1.5, 1.0), progress=False)
    tree = posteriors.sgld(local(1.0), BETA, step_of(0.97, 1.0), progress=False, draws=20)  # below it, none
    assert np.isfinite(tree["sample_stats"]["nll"]).all()


# ------------------------------------------------------------------------------------------------ docs


def test_the_example_of_the_conventions_runs():
    page = (Path(__file__).parents[2] / "docs" / "CONVENTIONS.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```", page, flags=re.DOTALL)
    assert len(blocks) == 1
    names = {}
    exec(compile(blocks[0], "docs/CONVENTIONS.md", "exec"), names)
    assert abs(names["found"].value - names["law"]) < 4 * names["found"].mcse
    assert jax.numpy.zeros(()).dtype == np.float32  # nothing of 64 bit is left switched on
