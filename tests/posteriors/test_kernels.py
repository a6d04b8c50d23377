"""Every kernel gives the exact answers; the automatic choice is stated, visible and can be forced."""

import json
from dataclasses import replace

import numpy as np
import pytest

from singular import models, posteriors
from singular.analysis import free_energy, phase_share, wbic
from singular.errors import InputError
from singular.models.problem import Problem
from singular.models.structure import Move
from singular.posteriors import kernels, localise
from singular.posteriors.collapsed_smc import collapsed_smc

ERRORS = 4.0
BETAS = [0.0, 0.01, 0.1, 1.0]
SHORT = {"chains": 2, "draws": 300, "warmup": 120, "progress": False}


def held(found, known) -> bool:
    return abs(found.value - known) < ERRORS * found.mcse


@pytest.mark.parametrize(
    ("name", "kernel"),
    [
        ("reduced-rank-2-2-1-1", "moves"), ("reduced-rank-2-2-1-1", "moves+collapsed"), ("tanh-2", "collapsed"),
        ("tanh-2", "mclmc"),
        ("radial-basis-2", "collapsed"), ("polynomial-2-degree-3", "collapsed"),
        pytest.param("deep-linear-1-2-2-1-r0", "moves", marks=pytest.mark.slow),
        pytest.param("relu-2", "moves+collapsed", marks=pytest.mark.slow),
        pytest.param("hadamard-2-1", "moves+nuts", marks=pytest.mark.slow),
        pytest.param("matrix-factor-2-2-1-r0", "moves", marks=pytest.mark.slow),
    ],
)  # fmt: skip
@pytest.mark.slow
def test_free_energy_and_mean_nll_are_the_exact_ones(name, kernel):
    problem = models.problem(name, n=60, seed=2)
    tree = posteriors.ladder(problem, kernel=kernel, seed=4, **SHORT)
    assert json.loads(tree.attrs["settings"])["kernel"] == tree.attrs["kernel"] == kernel
    assert np.isnan(tree["sample_stats"]["step_size"].isel(beta=-1)).all() == (kernel == "moves")
    beta = tree.attrs["wbic_beta"]
    exact = posteriors.quadrature(problem, [beta, 1.0])
    assert held(free_energy(tree), exact.at(1.0)["free_energy"])
    assert held(wbic(tree), exact.at(beta)["mean_nll"])


def test_shares_of_regions_are_the_exact_ones():
    problem = models.problem("reduced-rank-2-2-1-0", n=100, seed=1)
    tree = posteriors.ladder(problem, kernel="moves", seed=1, **SHORT)
    exact = posteriors.quadrature(problem, [1.0]).at(1.0)
    share = phase_share(tree, problem.model.phases, "A=0", 1.0)
    assert held(share, exact["phase:A=0"])


@pytest.mark.slow
def test_a_block_drawn_at_another_temperature_is_noticed(monkeypatch):
    right = kernels.draw_block
    monkeypatch.setattr(
        kernels, "draw_block", lambda b, rows, key, others, beta: right(b, rows, key, others, 0.5 * beta)
    )
    problem = models.problem("reduced-rank-2-2-1-1", n=60, seed=2)
    tree = posteriors.ladder(problem, kernel="collapsed", seed=4, **SHORT)
    exact = posteriors.quadrature(problem, [1.0])
    assert not held(free_energy(tree), exact.at(1.0)["free_energy"])


def test_the_choice_follows_what_is_declared():
    assert kernels.automatic(models.problem("linear-2", n=20)) == "nuts"
    assert kernels.automatic(models.problem("tanh-4", n=20)) == "collapsed"
    stiff = models.reduced_rank(4, 4, 2, 1, 3.0, 0.1, 10.0)
    assert kernels.automatic(Problem.from_model(stiff, n=20)) == "moves"
    assert kernels.automatic(models.problem("factor-analysis-4-2-1", n=20)) == "moves+nuts"


def test_another_prior_has_no_block_and_no_moves():
    problem = models.problem("reduced-rank-2-2-1-1", n=20)
    local = localise(problem, np.zeros(problem.dim), 10.0)
    assert kernels.automatic(local) == "nuts"
    with pytest.raises(InputError, match="declares no moves"):
        posteriors.ladder(local, kernel="moves", **SHORT)


@pytest.mark.parametrize(
    ("name", "kernel", "says"),
    [
        ("tanh-2", "hmc", "kernel='hmc' is not known"), ("tanh-2", "moves", "declares no moves"),
        ("factor-analysis-4-2-1", "moves", "do not renew every site"), ("tanh-2", "nuts+collapsed", "did you mean"),
        ("reduced-rank-2-2-1-1", "nuts+moves", "is not known"),
    ],
)  # fmt: skip
def test_kernels_that_are_none_are_refused(name, kernel, says):
    with pytest.raises(InputError, match=says):
        posteriors.ladder(models.problem(name, n=20), kernel=kernel, **SHORT)


def _no_kernel(problem):
    return "nuts"


@pytest.mark.parametrize(
    ("kernel", "says"),
    [(3, "kernel=3 is not known"), ("", "kernel='' is not known"), (False, "kernel=False is not known"),
     (["nuts"], r"kernel=\['nuts'\] is not known"), (_no_kernel, "returned a str; allowed is a function of")],
)  # fmt: skip
def test_kernels_of_a_wrong_kind_are_refused(kernel, says):
    with pytest.raises(InputError, match=says):
        posteriors.ladder(models.problem("tanh-2", n=20), kernel=kernel, **SHORT)


def test_mclmc_on_one_parameter_is_refused():
    with pytest.raises(InputError, match="has one parameter, no direction turns"):
        posteriors.ladder(models.problem("monomial-2", n=20), kernel="mclmc", **SHORT)


@pytest.mark.slow
def test_trajectories_of_mclmc_that_are_cut_are_flagged():
    problem = models.problem("tanh-2", n=60, seed=2)
    short = posteriors.ladder(problem, BETAS, kernel="mclmc", max_tree_depth=1, **SHORT)
    free = posteriors.ladder(problem, BETAS, kernel="mclmc", **SHORT)
    assert any("cut off at max_tree_depth" in flag for flag in free_energy(short).flags)
    assert not any("cut off" in flag for flag in free_energy(free).flags)


def test_a_start_at_zeros_is_left():
    problem = models.problem("reduced-rank-2-2-2-0", n=60, seed=2)
    start = {site: np.zeros(shape) for site, shape in problem.parts.sites.latent.items()}
    tree = posteriors.ladder(problem, BETAS, kernel="moves", init=start, warmup=0, chains=1, draws=20, progress=False)
    assert (np.abs(tree["posterior"]["A"].isel(beta=-1)) > 0).all() and not tree["sample_stats"]["diverging"].any()


@pytest.mark.parametrize("kernel", ["moves", "moves+nuts"])
def test_moves_that_end_nowhere_are_told(kernel):
    model = models.get("reduced-rank-2-2-2-0")
    wrong = Move(tuple(model.optimum), lambda key, w, beta, sums: {site: v * np.nan for site, v in w.items()})
    problem = Problem.from_model(replace(model, moves={"nowhere": wrong}), n=60)
    tree = posteriors.ladder(problem, BETAS, kernel=kernel, chains=1, warmup=20, draws=20, progress=False)
    assert tree["sample_stats"]["diverging"].isel(beta=slice(1, None)).all()


def test_collapsed_smc_gives_the_exact_answers():
    problem = models.problem("reduced-rank-2-2-1-1", n=60, seed=3)
    # 32, for the error of few replicates is itself uncertain: with 6 of them |z| > 4 once in a hundred times
    found = collapsed_smc(problem, [0.25, 1.0], particles=128, replicates=32).set_index("beta")
    exact = posteriors.quadrature(problem, [0.25, 1.0])
    for beta in (0.25, 1.0):
        row, known = found.loc[beta], exact.at(beta)
        assert abs(row["free_energy"] - known["free_energy"]) < ERRORS * row["mcse"]
        assert abs(row["mean_nll"] - known["mean_nll"]) < ERRORS * row["mean_nll_mcse"]
    with pytest.raises(InputError, match="moves that renew every site"):
        collapsed_smc(models.problem("tanh-2", n=20))
    with pytest.raises(InputError, match="betas"):
        collapsed_smc(problem, [0.0])
