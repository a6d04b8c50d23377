"""What families declare of their likelihoods: sums that suffice, blocks that are normal, moves that keep the posterior.

A move is put to exact draws: w from the prior and data at w are a draw of the joint law, of which w given the data is
the posterior. What the move makes of w must have the same joint law: weights normal, residuals normal.
"""

import dataclasses
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from singular import models
from singular.models import catalogue
from singular.models.density import map_rows, trace_density
from singular.models.integrals import collapse
from singular.models.linear_networks import layer_moves
from singular.models.problem import Problem
from singular.models.structure import Sufficient, Sums, block_rows, draw_block, log_collapsed, triangular_factor
from singular.posteriors.kernels import kernel_of
from singular.posteriors.nuts import evaluate

MODELS = catalogue.MODELS.items()
LINEAR = sorted({model.builder: name for name, model in MODELS if model.sufficient is not None}.values())
"""One member of each family."""
BLOCKS = sorted({model.builder: name for name, model in MODELS if model.block is not None}.values())
LEVEL = 1e-3
"""Of each test that a law is what it should be."""
REPLICATES = 3000


@pytest.mark.parametrize("name", LINEAR)
@pytest.mark.slow
def test_sums_give_the_nll_of_the_rows(name):
    problem = models.problem(name, n=37, seed=3)
    with jax.enable_x64(True):
        rows = trace_density(problem.density, problem.args, problem.kwargs)
        z = map_rows(rows.prior_draw, jax.random.split(jax.random.PRNGKey(0), 20))
        both = jax.jit(lambda z: [jax.vmap(partial(evaluate, parts.split))(z) for parts in (rows, problem.parts)])(z)
    for of_rows, of_sums in zip(*both, strict=True):
        assert np.asarray(of_sums) == pytest.approx(np.asarray(of_rows), rel=1e-9, abs=1e-9)


@pytest.mark.parametrize(("name", "size"), [("reduced-rank-2-2-1-1", 16), ("polynomial-2-degree-3", 20)])
def test_a_program_does_not_know_how_many_rows_there_were(name, size):
    few, many = (models.problem(name, n=n).parts.split for n in (20, 20_000))
    assert few.text == many.text
    assert max(array.size for array in many.constants) <= size


def test_a_polynomial_block_is_integrated_out_from_sums_alone():
    few, many = (models.problem("polynomial-2-degree-3", n=n) for n in (20, 20_000))
    rows = [block_rows(problem.model.block, problem.kwargs) for problem in (few, many)]
    assert [(sums.x.shape, sums.y.shape) for sums in rows] == [((5, 4), (5, 1))] * 2
    b = np.array([0.4, -1.3])
    phi = (1 + few.kwargs["x"][:, None] * b) ** 3
    expected = stats.multivariate_normal.logpdf(few.kwargs["y"], cov=np.eye(20) + phi @ phi.T)
    with jax.enable_x64(True):
        found = float(log_collapsed(few.model.block, rows[0], {"b": jnp.asarray(b)}, 1.0))
    assert found == pytest.approx(expected, abs=1e-9)


@pytest.mark.slow
def test_the_data_are_summed_up_once():
    model, taken = catalogue.get("reduced-rank-3-3-2-1"), []

    def summarise(data):
        taken.append(data)
        return model.sufficient.summarise(data)

    counted = dataclasses.replace(model, sufficient=Sufficient(summarise, model.sufficient.nll))
    problem = Problem.from_model(counted, n=50)
    with jax.enable_x64(True):
        moves = kernel_of(problem, "moves")
        assert problem.parts.split(jnp.ones(problem.dim))[1] > 0
    assert moves.name == "moves"
    assert len(taken) == 1


def test_a_triangular_factor_in_parts_is_that_of_the_whole(monkeypatch):
    rows = np.random.default_rng(0).normal(size=(1000, 4))
    whole = triangular_factor(rows)
    monkeypatch.setattr("singular.models.structure.ROWS_AT_A_TIME", 90)
    parts = triangular_factor(rows)
    assert parts.shape == whole.shape == (4, 4)
    assert parts.T @ parts == pytest.approx(rows.T @ rows, rel=1e-12)


@pytest.mark.parametrize("size", [1, 3, 4, 6])
@pytest.mark.parametrize("outputs", [1, 3])
@pytest.mark.slow
def test_a_block_written_out_and_by_its_factor(monkeypatch, size, outputs):
    """Both against the closed form, in a batch, with their slope in β, at β = 0 too."""
    rng = np.random.default_rng([size, outputs])
    features, y = rng.normal(size=(5, 9, size)), rng.normal(size=(5, 9, outputs))
    gram, moment = features.transpose(0, 2, 1) @ features, features.transpose(0, 2, 1) @ y
    for beta in (0.0, 0.7):
        precision = np.eye(size) + beta * gram
        solved = np.linalg.solve(precision, beta * moment)
        known = 0.5 * np.sum(beta * moment * solved, axis=(1, 2)) - 0.5 * outputs * np.linalg.slogdet(precision)[1]
        slopes = []
        for written_out in (0, 9):
            monkeypatch.setattr(collapse, "WRITTEN_OUT", written_out)
            with jax.enable_x64(True):
                found = collapse.log_gaussian_block(jnp.asarray(gram), jnp.asarray(moment), beta)
                slope = jax.jacfwd(partial(collapse.log_gaussian_block, jnp.asarray(gram), jnp.asarray(moment)))(beta)
                slopes.append(np.asarray(slope))
            assert np.asarray(found) == pytest.approx(known, rel=1e-11, abs=1e-11)
        assert slopes[0] == pytest.approx(slopes[1], rel=1e-10)


@pytest.mark.parametrize("name", BLOCKS)
@pytest.mark.parametrize("beta", [0.0, 0.3])
@pytest.mark.slow
def test_a_block_is_integrated_out_exactly(name, beta):
    """log p(a) + β log p(D | a, others) − log p(a | others, β) is the same at every a: the collapsed log density."""
    problem = models.problem(name, n=11, seed=1)
    block = problem.model.block
    with jax.enable_x64(True):
        parts, rows = problem.parts, block_rows(block, problem.kwargs)
        z = map_rows(parts.prior_draw, jax.random.split(jax.random.PRNGKey(5), 2))
        others = {site: v for site, v in parts.constrain(jnp.asarray(z[0])).items() if site in parts.sites.latent}
        known = float(log_collapsed(block, rows, others, beta))
        design = np.asarray(block.design(others, jnp.asarray(rows.x))) * block.scale / block.noise
        precision = np.eye(design.shape[1]) + beta * design.T @ design
        mean = np.linalg.solve(precision, beta * design.T @ (rows.y / block.noise))
        for key in range(3):
            drawn = np.random.default_rng(key).normal(size=mean.shape)
            value = {**others, block.site: block.columns(jnp.asarray(block.scale * drawn))}
            _, nll = parts.split(parts.invert(value))
            prior = stats.norm.logpdf(drawn).sum()
            shift = (drawn - mean).T
            conditional = sum(stats.multivariate_normal.logpdf(row, cov=np.linalg.inv(precision)) for row in shift)
            assert prior - beta * float(nll) - conditional == pytest.approx(known, abs=1e-8)


def _joint_draws(model, beta, n, x):
    """Weights from the prior and the triangular sums of data at these weights, with noise of variance σ²/β."""
    rng = np.random.default_rng(7)
    problem = Problem.from_model(model, n=n, seed=0)
    latent = problem.parts.sites.latent
    weights = {site: _scale(model) * rng.normal(size=(REPLICATES, *latent[site])) for site in latent}
    product = jax.vmap(model.sufficient.weights)({site: jnp.asarray(weights[site]) for site in latent})
    noise = rng.normal(size=(REPLICATES, n, product.shape[-1])) * model.sufficient.noise / np.sqrt(beta)
    return weights, x @ np.asarray(product) + noise


NETWORKS = (
    models.reduced_rank(3, 2, 2, 1), models.reduced_rank(2, 4, 3, 1), models.reduced_rank(2, 2, 1, 0),
    models.deep_linear([2, 3, 2, 2], 1), models.hadamard_regression(2, 1),
    models.reduced_rank(3, 2, 2, 1, input_sd=3.0, noise=0.1, prior=10.0),
)  # fmt: skip


def _scale(model):
    """The standard deviation of the prior of all weights."""
    return model.block.scale


@pytest.mark.parametrize(
    ("model", "beta"), [*((model, 1.0) for model in NETWORKS), *((NETWORKS[place], 0.1) for place in (0, 3, 5))]
)
@pytest.mark.slow
def test_every_move_keeps_the_posterior(model, beta):
    for name, move in model.moves.items():
        least = _least_p(model, move, beta)
        assert least > LEVEL / len(model.moves), name


def _least_p(model, move, beta, n=5):
    """The smallest p of tests that weights and residuals are still what they were drawn as, times their number."""
    with jax.enable_x64(True):
        inputs = Problem.from_model(model, n=1).kwargs["x"].shape[1]
        x = np.random.default_rng(1).normal(size=(n, inputs))
        weights, y = _joint_draws(model, beta, n, x)
        keys, noise = jax.random.split(jax.random.PRNGKey(3), REPLICATES), model.sufficient.noise

        def step(key, w, y):
            new = {**w, **move.step(key, w, beta, Sums(jnp.asarray(x), y, jnp.zeros(1), noise))}
            return new, (y - jnp.asarray(x) @ model.sufficient.weights(new)) / noise

        moved, residual = jax.jit(jax.vmap(step))(keys, {k: jnp.asarray(v) for k, v in weights.items()}, jnp.asarray(y))
    changed = max(float(np.abs(np.asarray(moved[site]) - weights[site]).max()) for site in weights)
    assert changed > 0.1
    p = [stats.kstest(beta * np.sum(np.asarray(residual) ** 2, axis=(1, 2)), stats.chi2(residual[0].size).cdf).pvalue]
    for value in moved.values():
        flat = np.asarray(value).reshape(REPLICATES, -1) / _scale(model)
        p.append(stats.kstest(np.sum(flat**2, axis=1), stats.chi2(flat.shape[1]).cdf).pvalue)
        p += [stats.kstest(flat[:, j], stats.norm.cdf).pvalue for j in {0, flat.shape[1] - 1}]
    return min(p) * len(p)


@pytest.mark.parametrize("surplus", [1, -1])
@pytest.mark.slow
def test_a_wrong_jacobian_is_noticed(surplus, monkeypatch):
    right = layer_moves.log_scalings
    monkeypatch.setattr(layer_moves, "log_scalings", lambda key, a, b, s: right(key, a, b, s + surplus))
    model = models.reduced_rank(3, 2, 2, 1)
    assert _least_p(model, model.moves["orbit of B and A"], 1.0) < LEVEL


@pytest.mark.parametrize("name", ["reduced-rank-2-2-2-1", "deep-linear-2-2-1-2-r0", "hadamard-2-1"])
@pytest.mark.slow
def test_a_drawn_block_has_its_conditional_law(name):
    problem = models.problem(name, n=30, seed=2)
    block, beta = problem.model.block, 0.4
    with jax.enable_x64(True):
        parts, rows = problem.parts, block_rows(block, problem.kwargs)
        z = map_rows(parts.prior_draw, jax.random.split(jax.random.PRNGKey(5), 1))
        others = {site: v for site, v in parts.constrain(jnp.asarray(z[0])).items() if site in parts.sites.latent}
        keys = jax.random.split(jax.random.PRNGKey(0), 4000)
        drawn = np.asarray(jax.jit(jax.vmap(lambda key: draw_block(block, rows, key, others, beta)))(keys))
        design = np.asarray(block.design(others, jnp.asarray(rows.x)))
    covariance = np.linalg.inv(np.eye(design.shape[1]) + beta * design.T @ design)
    mean = covariance @ (beta * design.T @ rows.y)
    found = np.stack([np.asarray(d).T if d.ndim == 2 else np.asarray(d)[:, None] for d in drawn])
    error = np.sqrt(np.diag(covariance)[:, None] / len(found))
    assert (np.abs(found.mean(axis=0) - mean) < 4.5 * error).all()
    scaled = np.linalg.solve(np.linalg.cholesky(covariance), found - mean)
    assert stats.kstest(np.sum(scaled**2, axis=(1, 2)), stats.chi2(mean.size).cdf).pvalue > LEVEL


def test_sums_of_data_keep_their_constant():
    problem = models.problem("linear-2", n=12)
    sums = problem.model.sufficient.summarise(problem.kwargs)
    assert sums.x.shape == (3, 2) and sums.constant[0] == pytest.approx(6 * np.log(2 * np.pi))
