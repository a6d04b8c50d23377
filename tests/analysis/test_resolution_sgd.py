"""Constant-step SGD with additive noise, chain by chain, against its exact law."""

import numpy as np
import pytest
from scipy.linalg import solve_discrete_lyapunov

from singular.analysis.resolution import (
    Box,
    Gaussian,
    additive_sgd,
    batch_factor,
    heat_capacity,
    largest_step,
    learned_directions,
    natural_gradient_sgd,
    natural_gradient_temperature,
    reshuffled_sgd,
    tempered_quadratic,
)
from singular.errors import InputError
from tests.chains_of_sgd import assert_agrees, run, second_moments

H = np.array([3.0, 1.0, 0.3, 0.1])
CHAINS = 1500


def random_matrix(rng, eigenvalues):
    axes = np.linalg.qr(rng.standard_normal((len(eigenvalues),) * 2))[0]
    return axes * eigenvalues @ axes.T


def as_matrix(value, dim):
    value = np.asarray(value, float)
    return value * np.eye(dim) if value.ndim == 0 else np.diag(value) if value.ndim == 1 else value


def gradients(rng, hessian, noise, batch_size=1, n=None, preconditioner=None, weight_decay=0.0, decay_centre=0.0):
    """The gradient of a minibatch, its noise drawn observation by observation if there are n of them."""
    dim = len(hessian)
    hessian, noise = as_matrix(hessian, dim), as_matrix(noise, dim)
    scale = np.eye(dim) if preconditioner is None else as_matrix(preconditioner, dim)
    values, axes = np.linalg.eigh(noise)
    root = axes * np.sqrt(np.maximum(values, 0))
    if n is not None:  # n gradients that sum to 0, their mean outer product exactly the noise
        table = (
            np.linalg.qr(np.column_stack([np.ones(n), rng.standard_normal((n, dim))]))[0][:, 1:] * np.sqrt(n) @ root.T
        )

    def gradient(w):
        if n is None:
            noise_of_batch = rng.standard_normal((len(w), dim)) @ root.T / np.sqrt(batch_size)
        else:
            chosen = np.argpartition(rng.random((len(w), n)), batch_size - 1, axis=1)[:, :batch_size]
            noise_of_batch = table[chosen].mean(axis=1)
        return (w @ hessian + weight_decay * (w - decay_centre) + noise_of_batch) @ scale

    return gradient


def excess_and_moments(hessian, law):
    hessian = as_matrix(hessian, len(hessian))

    def look(w):
        squares = second_moments(w - law.mean)
        return np.concatenate([0.5 * np.sum(w @ hessian * w, axis=1)[:, None], w, squares.reshape(len(w), -1)], axis=1)

    return look, np.concatenate([[law.excess], law.mean, law.covariance.ravel()])


RANDOM = np.random.default_rng(5)
FULL_H = random_matrix(RANDOM, [2.0, 0.8, 0.3])
FULL_C = random_matrix(RANDOM, [1.5, 0.5, 0.05])
FULL_P = random_matrix(RANDOM, [1.2, 0.7, 0.4])

STATIONARY = {
    "isotropic": (H, 1.0, 0.2, {}),
    "isotropic, large step": (H, 2.0, 0.6, {"batch_size": 4}),
    "isotropic, small step": (H, 0.5, 0.1, {}),
    "C = H": (H, H, 0.2, {}),
    "C = H, large step": (H, 0.3 * H, 0.6, {"batch_size": 8}),
    "C = H, small step": (H, 0.3 * H, 0.1, {"batch_size": 2}),
    "full": (FULL_H, FULL_C, 0.2, {}),
    "full, large step": (FULL_H, FULL_C, 0.8, {"batch_size": 2}),
    "full, noise of rank one": (FULL_H, np.outer([1, -1, 0.5], [1, -1, 0.5]), 0.3, {}),
    "subsets of 10": (FULL_H, FULL_C, 0.2, {"batch_size": 3, "n": 10}),
    "subsets of 6": (FULL_H, FULL_C, 0.5, {"batch_size": 5, "n": 6}),
    "subsets of 20": (H, H, 0.2, {"batch_size": 4, "n": 20}),
    "subsets of one": (H, 1.0, 0.3, {"batch_size": 1, "n": 8}),
    "subsets, half": (FULL_H, FULL_C, 0.1, {"batch_size": 6, "n": 12}),
    "momentum 0.5": (H, 1.0, 0.2, {"momentum": 0.5}),
    "momentum 0.9": (H, 1.0, 0.1, {"momentum": 0.9, "batch_size": 4}),
    "momentum 0.9, C = H": (H, H, 0.2, {"momentum": 0.9}),
    "momentum, full": (FULL_H, FULL_C, 0.3, {"momentum": 0.7}),
    "momentum, beyond 2/h": ([2.0, 0.5], 1.0, 1.4, {"momentum": 0.6}),
    "momentum, subsets": (FULL_H, FULL_C, 0.2, {"momentum": 0.8, "batch_size": 3, "n": 10}),
    "preconditioner, diagonal": (H, H, 0.3, {"preconditioner": 1 / H}),
    "preconditioner, part of the way": (H, 1.0, 0.3, {"preconditioner": H**-0.5}),
    "preconditioner, full": (FULL_H, FULL_C, 0.3, {"preconditioner": FULL_P}),
    "preconditioner, inverse": (FULL_H, FULL_H, 0.9, {"preconditioner": np.linalg.inv(FULL_H), "batch_size": 2}),
    "preconditioner, momentum": (FULL_H, FULL_C, 0.3, {"preconditioner": FULL_P, "momentum": 0.6}),
    "decay": (H, 1.0, 0.2, {"weight_decay": 0.1}),
    "decay, flat direction": ([1.0, 0.2, 0.0], 1.0, 0.3, {"weight_decay": 0.2}),
    "decay, elsewhere": (H, 0.5, 0.3, {"weight_decay": 0.3, "decay_centre": np.array([1.0, -1.0, 2.0, 0.5])}),
    "decay, full": (FULL_H, FULL_C, 0.3, {"weight_decay": 0.2, "decay_centre": 0.7}),
    "decay, momentum, full": (FULL_H, FULL_C, 0.2, {"weight_decay": 0.2, "decay_centre": 0.7, "momentum": 0.5}),
    "decay, preconditioner": (
        FULL_H,
        FULL_C,
        0.3,
        {"weight_decay": 0.2, "decay_centre": 0.7, "preconditioner": FULL_P},
    ),
}


@pytest.mark.parametrize("name", STATIONARY)
def test_stationary_law_is_that_of_chains(name):
    hessian, noise, step_size, options = STATIONARY[name]
    law = additive_sgd(hessian, noise, step_size, **options)
    momentum = options.get("momentum", 0.0)
    rest = {k: v for k, v in options.items() if k != "momentum"}
    gradient = gradients(np.random.default_rng(11), hessian, noise, **rest)
    look, exact = excess_and_moments(hessian, law)
    start = np.zeros((CHAINS, len(hessian))) + law.mean
    # 25 relaxation times of the second moments, the slowest direction's step being 1 − rate
    scale = as_matrix(options.get("preconditioner", 1.0), len(hessian))
    drift = as_matrix(hessian, len(hessian)) + options.get("weight_decay", 0.0) * np.eye(len(hessian))
    rate = step_size * np.linalg.eigvals(scale @ drift).real.min()
    burn_in = int(5 / rate)
    values = run(gradient, start, step_size, burn_in + 100, momentum, look, burn_in)
    assert_agrees(values, exact)
    assert_agrees(values[:, 0], law.excess, within=0.02)


TRANSIENT = {
    "plain": ([2.0, 0.5, 0.05], 1.0, 0.1, {"batch_size": 8}, Gaussian(), 60),
    "momentum": ([2.0, 0.5, 0.05], 1.0, 0.1, {"batch_size": 8, "momentum": 0.9}, Gaussian(), 60),
    "C = H, flat direction": ([1.0, 0.2, 0.0], [1.0, 0.2, 0.0], 0.3, {}, Gaussian(2.0, 1.0), 10),
    "flat direction that wanders": ([1.0, 0.2, 0.0], 1.0, 0.3, {}, Gaussian(2.0, 1.0), 10),
    "box": (FULL_H, FULL_C, 0.3, {"batch_size": 2}, Box([1.0, 2.0, 0.5], 0.3), 12),
    "full, momentum": (FULL_H, FULL_C, 0.3, {"momentum": 0.8}, Gaussian([1.0, 2.0, 0.5], [1.0, -1.0, 0.0]), 7),
    "preconditioner": (FULL_H, FULL_C, 0.5, {"preconditioner": FULL_P}, Gaussian(1.0, [1.0, -1.0, 0.0]), 9),
    "decay": (FULL_H, FULL_C, 0.2, {"weight_decay": 0.2, "decay_centre": 0.7}, Gaussian(1.0), 15),
    "everything": (
        FULL_H,
        FULL_C,
        0.2,
        {"weight_decay": 0.2, "decay_centre": 0.7, "preconditioner": FULL_P, "momentum": 0.5},
        Gaussian(1.0, -1.0),
        11,
    ),
    "unstable": ([2.2, 0.5], 1.0, 1.0, {}, Gaussian(), 6),
}


@pytest.mark.parametrize("name", TRANSIENT)
def test_law_after_some_steps_is_that_of_chains(name):
    hessian, noise, step_size, options, start, steps = TRANSIENT[name]
    dim, count = len(hessian), 40_000
    rng = np.random.default_rng(12)
    if isinstance(start, Gaussian):
        first = start.offset + rng.standard_normal((count, dim)) / np.sqrt(start.precision)
    else:
        first = start.offset + start.half_width * rng.uniform(-1, 1, (count, dim))
    law = additive_sgd(hessian, noise, step_size, start=start, steps=steps, **options)
    momentum = options.get("momentum", 0.0)
    rest = {k: v for k, v in options.items() if k != "momentum"}
    w = run(gradients(rng, hessian, noise, **rest), first, step_size, steps, momentum)
    look, exact = excess_and_moments(hessian, law)
    assert_agrees(look(w), exact)
    assert_agrees(look(w)[:, 0], law.excess, within=0.02)
    assert not law.is_gibbs


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("momentum", [0.0, 0.6])
def test_covariance_solves_the_discrete_lyapunov_equation(seed, momentum):
    rng = np.random.default_rng(seed)
    hessian, noise = (random_matrix(rng, rng.uniform(0.1, 2.0, 4)) for _ in range(2))
    eta, batch = 0.3, 5
    step = np.block([[np.eye(4) - eta * hessian, momentum * np.eye(4)], [-eta * hessian, momentum * np.eye(4)]])
    forcing = eta**2 / batch * np.kron(np.ones((2, 2)), noise)
    expected = solve_discrete_lyapunov(step, forcing)[:4, :4]
    law = additive_sgd(hessian, noise, eta, batch_size=batch, momentum=momentum)
    assert np.abs(law.covariance - expected).max() < 1e-12
    late = additive_sgd(hessian, noise, eta, batch_size=batch, momentum=momentum, start=Gaussian(), steps=5000)
    assert np.abs(late.covariance - expected).max() < 1e-12


def test_isotropic_noise_reads_the_gibbs_coefficient_with_the_exact_correction():
    for eta in (0.2, 0.02, 1e-4):
        law = additive_sgd(H, 0.7, eta, batch_size=3)
        assert law.excess_coefficient == pytest.approx(np.sum(1 / (2 - eta * H)), rel=1e-12)
        assert law.is_gibbs
    assert law.excess_coefficient == pytest.approx(2.0, rel=1e-4)
    assert law.gibbs_departure < 2e-4
    assert additive_sgd(H, 1.0, 0.2).excess_coefficient == pytest.approx(2.290356, abs=1e-6)
    assert additive_sgd([3.0, 0.0, 1.0], [1.0, 0.0, 1.0], 1e-6).excess_coefficient == pytest.approx(1.0, rel=1e-5)


@pytest.mark.parametrize(
    ("eta", "mu", "h", "expected"), [(0.2, 0.9, 3.0, 0.59375), (0.5, 0.5, 2.0, 0.75), (1.0, 0.9, 3.7, 19.0)]
)
def test_momentum_keeps_the_temperature_up_to_its_own_correction(eta, mu, h, expected):
    law = additive_sgd([h], 1.0, eta, momentum=mu)
    assert law.temperature == pytest.approx(eta / (2 * (1 - mu)))
    assert law.excess_coefficient == pytest.approx(expected, rel=1e-8)
    small = additive_sgd(H, 1.0, 1e-5, momentum=mu)
    assert small.excess_coefficient == pytest.approx(2.0, rel=1e-4) and small.is_gibbs


def test_noise_like_the_hessian_counts_curvature_and_not_directions():
    for eta in (0.2, 1e-5):
        law = additive_sgd(H, 0.3 * H, eta, noise_level=0.3)
        assert law.excess_coefficient == pytest.approx(np.sum(H / (2 - eta * H)), rel=1e-12)
        assert not law.is_gibbs
    assert law.excess_coefficient == pytest.approx(0.5 * H.sum(), rel=1e-4)
    assert law.gibbs_departure > 1
    # isotropic in w: every direction has the same variance, so energy is as unequal as curvature
    assert np.diag(law.covariance) == pytest.approx(law.temperature, rel=1e-4)
    assert additive_sgd(H, H, 0.2, noise_level=1.0).excess_coefficient == pytest.approx(2.903557, abs=1e-6)


@pytest.mark.parametrize("eta", [0.01, 0.2, 0.9, 1.5, 1.99])
@pytest.mark.parametrize("momentum", [0.0, 0.7])
def test_natural_gradient_is_gibbs_exactly_at_any_step(eta, momentum):
    for hessian in (H, FULL_H):
        dim = len(hessian)
        law = natural_gradient_sgd(hessian, 0.4, eta, batch_size=3, momentum=momentum)
        assert law.excess_coefficient == pytest.approx(dim / 2, rel=1e-12)
        assert law.is_gibbs and law.gibbs_departure < 1e-9
        inverse = np.linalg.inv(as_matrix(hessian, dim))
        assert np.abs(law.covariance / law.temperature - inverse).max() < 1e-9 * inverse.max()
    if momentum == 0:
        assert law.temperature == pytest.approx(eta * 0.4 / (3 * (2 - eta)), rel=1e-14)
    assert law.temperature == natural_gradient_temperature(0.4, eta, batch_size=3, momentum=momentum)


@pytest.mark.parametrize(
    ("eta", "batch", "momentum"), [(0.1, 1, 0.0), (0.6, 4, 0.0), (1.5, 2, 0.0), (0.3, 8, 0.5), (0.1, 1, 0.9)]
)
def test_natural_gradient_is_that_of_chains(eta, batch, momentum):
    law = natural_gradient_sgd(FULL_H, 0.4, eta, batch_size=batch, momentum=momentum)
    gradient = gradients(np.random.default_rng(8), FULL_H, 0.4 * FULL_H, batch, preconditioner=np.linalg.inv(FULL_H))
    look, exact = excess_and_moments(FULL_H, law)
    burn_in = int(10 / eta)
    values = run(gradient, np.zeros((CHAINS, 3)), eta, burn_in + 100, momentum, look, burn_in)
    assert_agrees(values, exact)
    assert_agrees(values[:, 0] / law.temperature, 1.5, within=0.01)


RESHUFFLED = [
    (FULL_H, FULL_C, 0.2, 1, 6),
    (FULL_H, FULL_C, 0.5, 2, 6),
    (H, H, 0.3, 3, 9),
    (H, 1.0, 0.1, 1, 5),
    ([1.0, 0.3, 0.0], 1.0, 0.4, 2, 8),
    (FULL_H, FULL_C, 0.9, 4, 8),
]


@pytest.mark.parametrize(("hessian", "noise", "eta", "batch", "n"), RESHUFFLED)
def test_reshuffled_epochs_are_those_of_chains(hessian, noise, eta, batch, n):
    rng, dim, count = np.random.default_rng(9), len(hessian), 4000
    matrix, c = as_matrix(hessian, dim), as_matrix(noise, dim)
    values, axes = np.linalg.eigh(c)
    table = np.linalg.qr(np.column_stack([np.ones(n), rng.standard_normal((n, dim))]))[0][:, 1:] * np.sqrt(n)
    table = table @ (axes * np.sqrt(np.maximum(values, 0))).T
    w = np.zeros((count, dim))
    slowest = np.linalg.eigvalsh(matrix)
    epochs = int(3 / (eta * slowest[slowest > 1e-9].min() * (n // batch))) + 10
    totals = np.zeros((n // batch, count, 1 + dim * dim))
    for epoch in range(epochs + 20):
        order = np.argsort(rng.random((count, n)), axis=1)
        for k in range(n // batch):
            chosen = order[:, k * batch : (k + 1) * batch]
            w = w - eta * (w @ matrix + table[chosen].mean(axis=1))
            if epoch >= epochs:
                excess = 0.5 * np.sum(w @ matrix * w, axis=1)
                squares = second_moments(w).reshape(count, -1)
                totals[k] += np.column_stack([excess, squares]) / 20
    for k in range(n // batch):
        law = reshuffled_sgd(matrix, c, eta, batch_size=batch, n=n, position=k + 1)
        assert_agrees(totals[k], np.concatenate([[law.excess], law.covariance.ravel()]))
        assert_agrees(totals[k][:, 0], law.excess, within=0.02)
    mean = reshuffled_sgd(matrix, c, eta, batch_size=batch, n=n)
    assert_agrees(totals.mean(axis=0)[:, 0], mean.excess, within=0.02)


def test_reshuffling_cools_and_leaves_flat_directions_where_they_were():
    cold = [reshuffled_sgd(H, 1.0, eta, batch_size=2, n=10).excess_coefficient for eta in (0.1, 0.01, 0.001)]
    assert cold[2] < 0.02 and cold[1] / cold[2] == pytest.approx(10, rel=0.1)
    assert additive_sgd(H, 1.0, 0.001, batch_size=2, n=10).excess_coefficient == pytest.approx(2.0, rel=1e-2)
    end = reshuffled_sgd([1.0, 0.0], 1.0, 0.3, batch_size=1, n=7, position=7)
    assert abs(end.covariance[1, 1]) < 1e-14
    # epochs of one batch have no noise; two halves are opposite
    assert abs(reshuffled_sgd(H, 1.0, 0.3, batch_size=6, n=6).excess) < 1e-15
    with pytest.raises(InputError, match="divisors"):
        reshuffled_sgd(H, 1.0, 0.3, batch_size=4, n=6)
    with pytest.raises(InputError, match="position"):
        reshuffled_sgd(H, 1.0, 0.3, batch_size=3, n=6, position=3)


@pytest.mark.parametrize(
    ("temperature", "eta", "expected"), [(0.01, 0.002, 1.70470), (0.01, 0.05, 1.88002), (0.1, 0.05, 1.42651)]
)
def test_decay_is_a_prior(temperature, eta, expected):
    h = np.array([10.0, 1.0, 0.1, 0.01, 0.0])
    law = additive_sgd(h, 2 * temperature / eta, eta, weight_decay=temperature)
    assert law.temperature == pytest.approx(temperature)
    assert law.excess_coefficient == pytest.approx(expected, abs=1e-5)
    offset = np.array([0.3, -0.5, 1.0, 2.0, 1.0])
    small = additive_sgd(h, 2e6 * temperature, 1e-6, weight_decay=temperature, decay_centre=offset)
    bayes = tempered_quadratic(h, Gaussian(1.0, offset), 1 / temperature)
    assert small.excess_coefficient == pytest.approx(bayes.excess_coefficient, rel=1e-5)
    assert small.mean == pytest.approx(bayes.mean) and small.is_gibbs


def test_learned_directions_are_a_heat_capacity():
    h, start = np.array([10.0, 1.0, 0.1, 0.01, 0.0]), Gaussian(1.0, 0.5)
    for steps in (1, 10, 100, 1000):
        cold, hot = (additive_sgd(h, noise, 0.05, start=start, steps=steps) for noise in (1.0, 3.0))
        slope = (hot.excess - cold.excess) / (hot.temperature - cold.temperature)
        assert heat_capacity(h, 0.05, steps) == pytest.approx(slope, rel=1e-9)
        count = learned_directions(h, 1e-5, steps, "residual")
        assert heat_capacity(h, 1e-5, steps) == pytest.approx(count / 2, rel=1e-3)
    assert heat_capacity(H, 0.2) == pytest.approx(additive_sgd(H, 1.0, 0.2).excess_coefficient)


@pytest.mark.parametrize("momentum", [0.0, 0.5, 0.9])
def test_the_largest_step_is_where_the_law_ends(momentum):
    edge = largest_step(H, momentum)
    assert edge == pytest.approx(2 * (1 + momentum) / 3.0)
    law = additive_sgd(H, 1.0, edge * 0.999, momentum=momentum)
    assert law.excess_coefficient > 100
    with pytest.raises(InputError, match="step_size"):
        additive_sgd(H, 1.0, edge, momentum=momentum)
    growing = additive_sgd(H, 1.0, edge * 1.01, momentum=momentum, start=Gaussian(), steps=2000)
    assert growing.excess > 1e5
    assert largest_step([0.0]) == np.inf


def test_flat_directions_with_noise_are_flagged_and_without_are_not():
    law = additive_sgd([1.0, 0.0], 1.0, 0.1)
    assert law.flags and law.excess == pytest.approx(0.1 / (2 * 1.9))
    assert not additive_sgd([1.0, 0.0], [1.0, 0.0], 0.1).flags
    assert not additive_sgd([1.0, 0.0], 1.0, 0.1, weight_decay=0.1).flags


def test_batch_factor_is_the_variance_of_a_mean_of_some_of_n():
    rng = np.random.default_rng(0)
    values = rng.standard_normal(9)
    values -= values.mean()
    order = np.argsort(rng.random((100_000, 9)), axis=1)
    for size in (1, 2, 5, 8):
        means = values[order[:, :size]].mean(axis=1)
        assert_agrees(means**2, batch_factor(size, 9) * np.mean(values**2), within=0.01)
        again = values[rng.integers(0, 9, (100_000, size))].mean(axis=1)
        assert_agrees(again**2, batch_factor(size) * np.mean(values**2), within=0.01)
    assert batch_factor(9, 9) == 0


@pytest.mark.parametrize(
    ("call", "named"),
    [
        (lambda: additive_sgd(H, 1.0, -0.1), "step_size"),
        (lambda: additive_sgd(H, 1.0, 0.1, momentum=1.0), "momentum"),
        (lambda: additive_sgd(H, 1.0, 0.1, batch_size=0), "batch_size"),
        (lambda: additive_sgd(H, 1.0, 0.1, batch_size=5, n=4), "batch_size"),
        (lambda: additive_sgd(H, [1.0, 1.0], 0.1), "noise"),
        (lambda: additive_sgd(H, -1.0, 0.1), "noise"),
        (lambda: additive_sgd([[1.0, 1.0], [0.0, 1.0]], 1.0, 0.1), "hessian must be symmetric"),
        (lambda: additive_sgd([[1.0, 2.0], [2.0, 1.0]], 1.0, 0.1), "hessian"),
        (lambda: additive_sgd(H, 1.0, 0.1, preconditioner=[1.0, 1.0, 1.0, 0.0]), "preconditioner"),
        (lambda: additive_sgd(H, 1.0, 0.1, steps=3), "start"),
        (lambda: additive_sgd(H, 1.0, 0.1, steps=-3, start=Gaussian()), "steps"),
        (lambda: additive_sgd([0.0], 1.0, 0.1), "curvature"),
        (lambda: natural_gradient_sgd([1.0, 0.0], 1.0, 0.1), "hessian"),
        (lambda: natural_gradient_temperature(1.0, 2.0), "step_size"),
        (lambda: heat_capacity(H, 1.0), "step_size"),
    ],
)
def test_bad_input_is_named(call, named):
    with pytest.raises(InputError, match=named):
        call()
