"""Noise that depends on w: streams and minibatches of linear regression, observation by observation."""

import numpy as np
import pytest

from singular.analysis.resolution import (
    Box,
    Gaussian,
    additive_sgd,
    minibatch_largest_step,
    minibatch_regression,
    streaming_largest_step,
    streaming_sgd,
)
from singular.errors import InputError
from tests.chains_of_sgd import assert_agrees, run, second_moments

H = np.array([1.0, 0.5, 0.25, 0.1])
FULL_H = np.array([[1.0, 0.3, -0.1], [0.3, 0.6, 0.2], [-0.1, 0.2, 0.4]])
CHAINS = 1000


def looking(hessian):
    def look(w):
        squares = second_moments(w).reshape(len(w), -1)
        return np.concatenate([0.5 * np.sum(w @ hessian * w, axis=1)[:, None], w, squares], axis=1)

    return look


def exact_of(law):
    squares = law.covariance + np.outer(law.mean, law.mean)
    return np.concatenate([[law.excess], law.mean, squares.ravel()])


def drawn(rng, start, count, dim):
    if isinstance(start, Gaussian):
        return start.offset + rng.standard_normal((count, dim)) / np.sqrt(start.precision)
    return start.offset + start.half_width * rng.uniform(-1, 1, (count, dim))


def stream(rng, hessian, level, batch_size):
    root = np.linalg.cholesky(hessian)

    def gradient(w):
        x = rng.standard_normal((len(w), batch_size, len(hessian))) @ root.T
        error = np.einsum("cbi,ci->cb", x, w) - np.sqrt(level) * rng.standard_normal(x.shape[:2])
        return np.einsum("cb,cbi->ci", error, x) / batch_size

    return gradient


@pytest.mark.parametrize(
    ("hessian", "level", "eta", "batch", "momentum"),
    [
        (np.diag(H), 0.49, 0.1, 4, 0.0),
        (np.diag(H), 0.49, 0.3, 4, 0.0),
        (np.diag(H), 0.49, 0.8, 4, 0.0),
        (np.diag(H), 1.0, 0.2, 1, 0.0),
        (FULL_H, 0.3, 0.4, 3, 0.0),
        (FULL_H, 2.0, 0.1, 1, 0.0),
        (FULL_H, 2.0, 1.0, 16, 0.0),
        (np.diag(H), 0.49, 0.1, 4, 0.5),
        (np.diag(H), 0.49, 0.1, 8, 0.8),
        (FULL_H, 1.0, 0.05, 1, 0.7),
        (FULL_H, 1.0, 0.4, 16, 0.6),
        (FULL_H, 0.2, 0.2, 4, 0.3),
    ],
)
def test_stationary_moments_of_a_stream(hessian, level, eta, batch, momentum):
    law = streaming_sgd(hessian, level, eta, batch_size=batch, momentum=momentum)
    rate = eta * np.linalg.eigvalsh(hessian).min()
    burn_in = int(5 / rate)
    gradient = stream(np.random.default_rng(2), hessian, level, batch)
    start = np.random.default_rng(3).multivariate_normal(law.mean, law.covariance, CHAINS)
    values = run(gradient, start, eta, burn_in + 150, momentum, looking(hessian), burn_in)
    assert_agrees(values, exact_of(law))
    assert_agrees(values[:, 0], law.excess, within=0.02)


@pytest.mark.parametrize(
    ("hessian", "level", "eta", "batch", "momentum", "start", "steps"),
    [
        (np.diag(H), 0.49, 0.3, 4, 0.0, Gaussian(2.0, 0.5), 10),
        (FULL_H, 0.3, 0.4, 3, 0.0, Gaussian([1.0, 2.0, 4.0], [1.0, -1.0, 0.0]), 6),
        (FULL_H, 0.3, 0.2, 8, 0.6, Gaussian([1.0, 2.0, 4.0], [1.0, -1.0, 0.0]), 9),
        (FULL_H, 1.0, 0.2, 2, 0.0, Box([1.0, 0.5, 2.0], 0.3), 5),
        (FULL_H, 1.0, 1.0, 8, 0.3, Box(1.0), 4),
    ],
)
def test_moments_of_a_stream_after_some_steps(hessian, level, eta, batch, momentum, start, steps):
    rng = np.random.default_rng(4)
    law = streaming_sgd(hessian, level, eta, batch_size=batch, momentum=momentum, start=start, steps=steps)
    w = run(stream(rng, hessian, level, batch), drawn(rng, start, 40_000, len(hessian)), eta, steps, momentum)
    values = looking(hessian)(w)
    assert_agrees(values, exact_of(law))
    assert_agrees(values[:, 0], law.excess, within=0.02)


def test_printed_values_of_a_stream():
    for eta, excess, coefficient in ((0.1, 0.00608052, 0.9927), (0.3, 0.0214495, 1.1673), (0.8, 0.107906, 2.2022)):
        law = streaming_sgd(H, 0.49, eta, batch_size=4)
        assert law.excess == pytest.approx(excess, rel=1e-5)
        assert law.excess_coefficient == pytest.approx(coefficient, abs=1e-4)
        assert not law.is_gibbs
    assert streaming_sgd(H, 0.49, 1e-6, batch_size=4).excess_coefficient == pytest.approx(0.925, rel=1e-5)


@pytest.mark.parametrize(("batch", "expected"), [(1, 0.577093), (4, 1.279784), (32, 1.879962)])
def test_largest_step_of_a_stream(batch, expected):
    assert streaming_largest_step(H, batch) == pytest.approx(expected, abs=1e-6)
    assert streaming_largest_step([1.0], 1) == pytest.approx(2 / 3)


@pytest.mark.parametrize("momentum", [0.0, 0.5, 0.9])
@pytest.mark.parametrize("batch", [1, 4, 32])
def test_the_largest_step_is_where_the_second_moments_stop_shrinking(batch, momentum):
    """The spectral radius of the recursion of (E w², E wv, E v²) of every direction, written out entry by entry."""
    edge = streaming_largest_step(H, batch, momentum)

    def radius(eta):
        size, step = len(H), np.zeros((3 * len(H), 3 * len(H)))
        for i, h in enumerate(H):
            ww, wv, vv = step[i], step[size + i], step[2 * size + i]
            vv[i] += eta**2 * h**2 * (1 + 1 / batch)
            vv[:size] += eta**2 * h * H / batch
            vv[size + i] -= 2 * momentum * eta * h
            vv[2 * size + i] += momentum**2
            wv += vv
            wv[i] -= eta * h
            wv[size + i] += momentum
            ww += vv
            ww[i] += 1 - 2 * eta * h
            ww[size + i] += 2 * momentum
        return np.abs(np.linalg.eigvals(step)).max()

    assert radius(edge) == pytest.approx(1, abs=1e-7)
    assert radius(edge * 0.99) < 1 < radius(edge * 1.01)
    assert streaming_sgd(H, 1.0, edge * 0.999, batch_size=batch, momentum=momentum).excess > 0
    with pytest.raises(InputError, match="step_size"):
        streaming_sgd(H, 1.0, edge * 1.001, batch_size=batch, momentum=momentum)


def regression(n, d, seed=0, rank=None):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((n, d)) * np.linspace(1.2, 0.6, d)
    if rank is not None:
        x = x[:, :rank] @ rng.standard_normal((rank, d)) * 0.7
    return x, x @ np.linspace(1, -1, d) + 0.5 * rng.standard_normal(n) * (1 + 0.8 * np.abs(x[:, 0]))


def minibatches(rng, x, y, batch_size, replacement):
    """The gradient at least squares + w."""
    centre = np.linalg.lstsq(x, y, rcond=None)[0]

    def gradient(w):
        if replacement:
            chosen = rng.integers(0, len(x), (len(w), batch_size))
        else:
            chosen = np.argpartition(rng.random((len(w), len(x))), batch_size - 1, axis=1)[:, :batch_size]
        inputs = x[chosen]
        error = np.einsum("cbi,ci->cb", inputs, centre + w) - y[chosen]
        return np.einsum("cb,cbi->ci", error, inputs) / batch_size

    return gradient


@pytest.mark.parametrize("replacement", [True, False])
@pytest.mark.parametrize(
    ("n", "d", "rank", "eta", "batch", "momentum"),
    [
        (32, 3, None, 0.15, 8, 0.0),
        (10, 2, None, 0.3, 2, 0.0),
        (8, 2, None, 0.1, 1, 0.0),
        (6, 2, None, 0.5, 5, 0.0),
        (12, 4, 2, 0.2, 4, 0.0),
        (32, 3, None, 0.1, 8, 0.5),
        (10, 2, None, 0.1, 3, 0.8),
        (12, 4, 2, 0.1, 4, 0.6),
        (20, 1, None, 0.4, 4, 0.3),
        (16, 2, None, 0.05, 2, 0.9),
    ],
)
def test_stationary_moments_of_minibatches(n, d, rank, eta, batch, momentum, replacement):
    x, y = regression(n, d, rank=rank)
    law = minibatch_regression(x, y, eta, batch_size=batch, replacement=replacement, momentum=momentum)
    hessian = x.T @ x / n
    curvatures = np.linalg.eigvalsh(hessian)
    burn_in = int(5 / (eta * curvatures[curvatures > 1e-9].min()))
    gradient = minibatches(np.random.default_rng(5), x, y, batch, replacement)
    values = run(gradient, np.zeros((CHAINS, d)), eta, burn_in + 150, momentum, looking(hessian), burn_in)
    assert_agrees(values, exact_of(law))
    assert_agrees(values[:, 0], law.excess, within=0.02)
    full = y - x @ np.linalg.lstsq(x, y, rcond=None)[0]
    spread = 1 / batch if replacement else (n - batch) / (batch * (n - 1))
    assert law.temperature == pytest.approx(eta * spread * np.mean(full**2) / (2 * (1 - momentum)))


@pytest.mark.parametrize(
    ("start", "steps", "momentum", "replacement", "rank"),
    [
        (Gaussian(2.0, 0.5), 5, 0.0, True, None),
        (Gaussian([1.0, 2.0, 4.0], [2.0, -3.0, 1.0]), 4, 0.0, False, None),
        (Gaussian([1.0, 2.0, 4.0], [1.0, -2.0, 0.0]), 6, 0.6, False, None),
        (Box([1.0, 0.5, 2.0], 0.3), 3, 0.3, True, None),
        (Gaussian([1.0, 2.0, 4.0], [1.0, -2.0, 0.0]), 5, 0.0, True, 2),
        (Gaussian([1.0, 2.0, 4.0], [1.0, -2.0, 0.0]), 5, 0.5, False, 2),
    ],
)
def test_moments_of_minibatches_after_some_steps(start, steps, momentum, replacement, rank):
    x, y = regression(9, 3, seed=1, rank=rank)
    rng = np.random.default_rng(6)
    law = minibatch_regression(
        x, y, 0.2, batch_size=2, replacement=replacement, momentum=momentum, start=start, steps=steps
    )
    w = run(minibatches(rng, x, y, 2, replacement), drawn(rng, start, 40_000, 3), 0.2, steps, momentum)
    values = looking(x.T @ x / 9)(w)
    assert_agrees(values, exact_of(law))
    assert_agrees(values[:, 0], law.excess, within=0.02)


def test_many_steps_come_to_the_stationary_moments():
    x, y = regression(9, 3, seed=1)
    for momentum in (0.0, 0.5):
        for replacement in (True, False):
            options = {"batch_size": 2, "replacement": replacement, "momentum": momentum}
            law = minibatch_regression(x, y, 0.1, **options)
            late = minibatch_regression(x, y, 0.1, start=Gaussian(), steps=20_000, **options)
            assert late.covariance == pytest.approx(law.covariance, rel=1e-9)
    stream_law = streaming_sgd(FULL_H, 0.3, 0.2, momentum=0.5, batch_size=2)
    late = streaming_sgd(FULL_H, 0.3, 0.2, momentum=0.5, batch_size=2, start=Gaussian(), steps=3000)
    assert late.covariance == pytest.approx(stream_law.covariance, rel=1e-9, abs=1e-12)


def test_additive_noise_is_the_limit_of_small_steps():
    x, y = regression(32, 3)
    residual = y - x @ np.linalg.lstsq(x, y, rcond=None)[0]
    noise = (x * residual[:, None] ** 2).T @ x / 32
    for eta, within in ((0.15, 0.2), (1e-5, 1e-4)):
        exact = minibatch_regression(x, y, eta, batch_size=8, replacement=False)
        additive = additive_sgd(x.T @ x / 32, noise, eta, batch_size=8, n=32)
        assert additive.excess < exact.excess
        assert additive.excess == pytest.approx(exact.excess, rel=within)
    assert exact.excess > 0


def test_the_noise_of_one_observation_vanishes_where_data_are_fitted():
    x = np.random.default_rng(0).standard_normal((10, 3))
    law = minibatch_regression(x, x @ [1.0, 2.0, 3.0], 0.1, batch_size=2)
    assert law.excess < 1e-25


@pytest.mark.parametrize("replacement", [True, False])
@pytest.mark.parametrize("momentum", [0.0, 0.6])
def test_largest_step_of_minibatches(replacement, momentum):
    x, y = regression(10, 2)
    edge = minibatch_largest_step(x, batch_size=2, replacement=replacement, momentum=momentum)
    options = {"batch_size": 2, "replacement": replacement, "momentum": momentum}
    assert minibatch_regression(x, y, edge * 0.999, **options).excess > 0
    with pytest.raises(InputError, match="step_size"):
        minibatch_regression(x, y, edge * 1.001, **options)
    assert edge < 2 * (1 + momentum) / np.linalg.eigvalsh(x.T @ x / 10).max()
    if not replacement:
        whole_batch = minibatch_largest_step(x, batch_size=10, replacement=False, momentum=momentum)
        assert whole_batch == pytest.approx(2 * (1 + momentum) / np.linalg.eigvalsh(x.T @ x / 10).max())


@pytest.mark.parametrize(
    ("call", "named"),
    [
        (lambda: streaming_sgd(H, 0.0, 0.1), "noise_level"),
        (lambda: streaming_sgd(H, 1.0, 0.1, momentum=-0.1), "momentum"),
        (lambda: streaming_sgd(H, 1.0, 0.1, steps=3), "start"),
        (lambda: streaming_largest_step([1.0], 0), "batch_size"),
        (lambda: minibatch_regression(np.ones((3, 1)), np.ones(2), 0.1, batch_size=1), "x, y"),
        (lambda: minibatch_regression(np.ones((3, 1)), np.ones(3), 0.1, batch_size=4, replacement=False), "batch_size"),
        (lambda: minibatch_regression(np.zeros((3, 1)), np.ones(3), 0.1, batch_size=1), "x is 0"),
        (lambda: minibatch_regression(np.full((3, 1), np.nan), np.ones(3), 0.1, batch_size=1), "x, y"),
        (lambda: minibatch_regression(np.eye(50), np.ones(50), 0.1, batch_size=1), "rank 50"),
    ],
)
def test_bad_input_is_named(call, named):
    with pytest.raises(InputError, match=named):
        call()
