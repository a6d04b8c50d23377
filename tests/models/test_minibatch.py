"""The nll of some observations: rows add up to the whole, and a model without rows is refused."""

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
import pytest

from singular import models
from singular.errors import InputError
from singular.models.density import map_rows
from singular.models.minibatch import row_nll
from singular.models.problem import Problem

N = 30
MEMBERS = (
    "linear-4", "tanh-2", "mixture-2", "logistic-2", "reduced-rank-2-2-2-1", "softmax-3", "topic-2-2-2",
    "poisson-2", "zip-0",
)  # fmt: skip
RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=N), RNG.normal(size=N)


def at_draws_of_the_prior(problem, function, index):
    """Return z, and function(z, rows) for each row of ``index``."""
    z = np.asarray(map_rows(problem.parts.prior_draw, jax.random.split(jax.random.PRNGKey(7), 3)))
    return z, np.asarray(jax.jit(jax.vmap(jax.vmap(function, (None, 0)), (0, None)))(z, jnp.asarray(index)))


@pytest.mark.parametrize("name", MEMBERS)
@pytest.mark.slow
def test_single_rows_are_the_pointwise_likelihood_and_add_up(name):
    """The package checks halves; here every row is held alone against its own −log p, so order matters too."""
    problem = models.problem(name, n=N, seed=3)
    with jax.enable_x64(True):
        z, alone = at_draws_of_the_prior(problem, row_nll(problem, 1), np.arange(N)[:, None])
        whole = np.asarray(map_rows(problem.parts.split, z)[1])
        np.testing.assert_allclose(alone.sum(axis=1), whole, rtol=1e-9)
        assert np.ptp(alone[0]) > 0
        points = map_rows(problem.parts.pointwise, z).values()
        by_row = sum(np.asarray(v).reshape(3, N, -1).sum(axis=2) for v in points)
        np.testing.assert_allclose(alone, -by_row, rtol=1e-7, atol=1e-9)


def test_a_row_there_twice_counts_twice_and_order_does_not_matter():
    problem = models.problem("linear-4", n=N, seed=3)
    with jax.enable_x64(True):
        _, found = at_draws_of_the_prior(problem, row_nll(problem, 3), [[4, 4, 9], [9, 4, 4], [4, 9, 11]])
        _, one = at_draws_of_the_prior(problem, row_nll(problem, 1), [[4], [9], [11]])
    np.testing.assert_allclose(found[:, 0], 2 * one[:, 0] + one[:, 1], rtol=1e-12)
    np.testing.assert_allclose(found[:, 0], found[:, 1], rtol=1e-12)
    np.testing.assert_allclose(found[:, 2], one.sum(axis=1), rtol=1e-12)


def line(x, y):
    slope = numpyro.sample("slope", dist.Normal(0, 1))
    numpyro.sample("y", dist.Normal(slope * x, 1), obs=y)


def test_positional_and_named_arguments_and_a_plate_of_a_users_model():
    def platted(x, y, scale):
        slope = numpyro.sample("slope", dist.Normal(0, 1))
        with numpyro.plate("rows", x.shape[0]):
            numpyro.sample("y", dist.Normal(slope * x, scale), obs=y)

    with jax.enable_x64(True):
        for problem, scale in (
            (Problem.from_numpyro(line, X, Y), 1.0),
            (Problem.from_numpyro(line, X, y=Y), 1.0),
            (Problem.from_numpyro(platted, X, Y, 2.0), 2.0),
        ):
            z, found = at_draws_of_the_prior(problem, row_nll(problem, 1), np.arange(N)[:, None])
            by_hand = 0.5 * ((Y - z * X) / scale) ** 2 + np.log(scale) + 0.5 * np.log(2 * np.pi)
            np.testing.assert_allclose(found, by_hand, rtol=1e-10)


def autoregression(y):
    """Every y given the one before it: rows that are left out change the terms that stay."""
    rho = numpyro.sample("rho", dist.Uniform(-1, 1))
    numpyro.sample("y", dist.Normal(rho * jnp.concatenate([jnp.zeros(1), y[:-1]]), 1), obs=y)


def captured():
    slope = numpyro.sample("slope", dist.Normal(0, 1))
    numpyro.sample("y", dist.Normal(slope * X, 1), obs=Y)


def half_captured(x):
    slope = numpyro.sample("slope", dist.Normal(0, 1))
    numpyro.sample("y", dist.Normal(slope * x, 1), obs=Y)


def sufficient(y_mean, n):
    mu = numpyro.sample("mu", dist.Normal(0, 1))
    numpyro.sample("y_mean", dist.Normal(mu, 1 / np.sqrt(n)), obs=y_mean)


def columns(x, y):
    """Observations along the second axis of x."""
    w = numpyro.sample("w", dist.Normal(0, 1).expand([2]).to_event(1))
    numpyro.sample("y", dist.Normal(w @ x, 1), obs=y)


def exchangeable(y):
    """A common random level summed out: rows depend on each other whatever their order."""
    mu = numpyro.sample("mu", dist.Normal(0, 1))
    k = y.shape[0]
    numpyro.sample("y", dist.MultivariateNormal(mu * jnp.ones(k), jnp.eye(k) + 0.5), obs=y)


def penalised(x, y):
    """A factor that does not belong to any row."""
    line(x, y)
    numpyro.factor("penalty", -1.0)


REFUSED = {
    "autoregression": lambda: Problem.from_numpyro(autoregression, Y),
    "captured": lambda: Problem.from_numpyro(captured),
    "half captured": lambda: Problem.from_numpyro(half_captured, X),
    "sufficient": lambda: Problem.from_numpyro(sufficient, Y.mean(), N).replace(n=N),
    "columns": lambda: Problem.from_numpyro(columns, np.stack([X, X**2]), Y),
    "exchangeable": lambda: Problem.from_numpyro(exchangeable, Y).replace(n=N),
    "penalised": lambda: Problem.from_numpyro(penalised, X, Y).replace(n=N),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_model_that_is_no_sum_over_rows_is_refused(case):
    problem = REFUSED[case]()
    with pytest.raises(InputError, match=r"cannot be taken apart into observations \(.+\); .* leave batch_size out"):
        row_nll(problem, 10)


@pytest.mark.parametrize("size", [0, -1, N + 1, 2.0, True, "all", None])
def test_bad_batch_sizes(size):
    with pytest.raises(InputError, match=rf"batch_size=.*: allowed is a whole number from 1 to {N}"):
        row_nll(Problem.from_numpyro(line, X, Y), size)
