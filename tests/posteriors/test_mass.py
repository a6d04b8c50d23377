"""Dense mass matrices: taken where they pay, left where they do not, and the answers stay the exact ones."""

from functools import partial

import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
import pytest

from singular import models, posteriors
from singular.analysis import free_energy, wbic
from singular.errors import InputError
from singular.models.problem import Problem
from singular.posteriors import kernels, nuts
from singular.posteriors.precision import x64

ERRORS = 4.0
SHORT = {"chains": 2, "draws": 400, "warmup": 300, "progress": False}
WIDTH = 8


def line(x, y):
    w = numpyro.sample("w", dist.Normal(0.0, 1.0).expand([x.shape[1]]).to_event(1))
    numpyro.sample("y", dist.Normal(x @ w, 1.0), obs=y)


@pytest.fixture(scope="module")
def correlated() -> Problem:
    """A linear regression whose neighbouring inputs have correlation 0.95."""
    rng = np.random.default_rng(0)
    covariance = 0.95 ** abs(np.subtract.outer(np.arange(WIDTH), np.arange(WIDTH)))
    x = rng.normal(size=(200, WIDTH)) @ np.linalg.cholesky(covariance).T
    return Problem.from_numpyro(line, x, x[:, 0] + rng.normal(size=200))


def exact(problem: Problem, beta: float) -> tuple[float, float]:
    """Return −log ∫ φ p^β and E_β[nL_n], nats, in closed form."""
    x, y = problem.args

    def log_evidence(b):
        precision = np.eye(WIDTH) + b * x.T @ x
        moment = b * x.T @ y
        fit = 0.5 * moment @ np.linalg.solve(precision, moment) - 0.5 * np.linalg.slogdet(precision)[1]
        return fit - 0.5 * b * (y @ y + y.size * np.log(2 * np.pi))

    step = 1e-4
    return -log_evidence(beta), -(log_evidence(beta + step) - log_evidence(beta - step)) / (2 * step)


@pytest.mark.slow
def test_correlated_parameters_get_a_dense_matrix_and_the_exact_answers(correlated):
    plain = posteriors.ladder(correlated, mass="diagonal", **SHORT)
    tree = posteriors.ladder(correlated, seed=1, **SHORT)
    stats = tree["sample_stats"].isel(beta=-1)
    assert stats["dense_mass"].all() and not plain["sample_stats"]["dense_mass"].any()
    assert stats["n_steps"].mean() < 0.5 * plain["sample_stats"].isel(beta=-1)["n_steps"].mean()
    energy, low = free_energy(tree), wbic(tree)
    assert abs(energy.value - exact(correlated, 1.0)[0]) < ERRORS * energy.mcse
    assert abs(low.value - exact(correlated, tree.attrs["wbic_beta"])[1]) < ERRORS * low.mcse
    drawn = tree["posterior"]["w"].isel(beta=-1).to_numpy().reshape(-1, WIDTH)
    x, _ = correlated.args
    known = np.linalg.inv(np.eye(WIDTH) + x.T @ x)
    whitened = drawn @ np.linalg.cholesky(np.linalg.inv(known))
    assert np.abs(np.cov(whitened.T) - np.eye(WIDTH)).max() < ERRORS * np.sqrt(2 / 200)


@pytest.mark.parametrize("name", ["reduced-rank-2-2-2-1", pytest.param("mixture-3-2", marks=pytest.mark.slow)])
def test_a_singular_posterior_keeps_its_diagonal_matrix(name):
    problem = models.problem(name, n=100)
    tree = posteriors.ladder(problem, kernel="nuts", mass="chosen", **SHORT)
    assert tree["sample_stats"]["dense_mass"].mean() < 0.1


def moments(rows):
    state = nuts._welford_dense(rows.shape[1])
    for row in rows:
        state = nuts._welford_update(jnp.asarray(row), state)
    return state


def test_the_rule_on_exact_draws():
    rng = np.random.default_rng(0)
    covariance = np.array([[1.0, 0.99, 0.0], [0.99, 1.0, 0.0], [0.0, 0.0, 4.0]])
    root, precision = np.linalg.cholesky(covariance), np.linalg.inv(covariance)
    z = rng.normal(size=(300, 3)) @ root.T
    with x64():
        dense = nuts.inverse_mass_of(moments(z), moments(z @ precision))
        assert np.allclose(dense, covariance, atol=ERRORS * 4 * np.sqrt(2 / 300)) and dense[0, 1] > 0.9
        few = nuts.inverse_mass_of(moments(z[:6]), moments(z[:6] @ precision))
        assert np.count_nonzero(few) == 3
        sides = rng.choice([-1.0, 1.0], size=(300, 1)) * np.array([[5.0, 5.0, 0.0]])
        local = rng.normal(size=(300, 3))
        wells = nuts.inverse_mass_of(moments(local + sides), moments(local))
        assert np.count_nonzero(wells) == 3, "two wells are correlated, but what is between them is no direction to go"


def test_the_choice_is_automatic_between_8_and_100_parameters_without_structure(correlated):
    wide = Problem.from_numpyro(line, np.eye(kernels.DENSE_UP_TO + 1), np.zeros(kernels.DENSE_UP_TO + 1))
    with x64():
        assert kernels.kernel_of(correlated).dense and not kernels.kernel_of(correlated, mass="diagonal").dense
        assert not kernels.kernel_of(wide).dense and kernels.kernel_of(wide, mass="chosen").dense
        assert not kernels.kernel_of(models.problem("linear-2", n=20)).dense
        assert not kernels.kernel_of(models.problem("tanh-4", n=20), "nuts").dense, "a block is the better remedy"
        with pytest.raises(InputError, match="mass='chosen': the kernel 'mclmc' has no dense mass matrix"):
            kernels.kernel_of(correlated, "mclmc", "chosen")


def test_names_and_kernels_of_ones_own():
    problem = models.problem("linear-2", n=20)
    with pytest.raises(InputError, match="mass='full' is not known"):
        posteriors.ladder(problem, mass="full", **SHORT)
    own = partial(kernels.kernel_of, name="nuts", mass="chosen")
    with pytest.raises(InputError, match="a kernel of your own brings its own mass matrix"):
        posteriors.ladder(problem, kernel=own, mass="chosen", **SHORT)
    tree = posteriors.ladder(problem, kernel=own, **SHORT)
    assert tree.attrs["kernel"] == "nuts" and '"mass": "chosen"' in tree.attrs["settings"]
