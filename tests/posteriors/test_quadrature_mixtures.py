"""Oracles of mixtures and hidden states against sums over the hidden labels, other rules and draws from the prior."""

from __future__ import annotations

import functools
import itertools
import math
import types

import jax
import numpy as np
import pytest
from scipy.special import betaln, gammaln, logsumexp
from scipy.stats import norm

from singular.errors import InputError
from singular.models import catalogue
from singular.posteriors.quadrature import population, quadrature
from tests import oracles

ORACLES = [
    "mixture-known",
    "mixture-2",
    "mixture-2-concentration-0.5",
    "mixture-fixed-weights",
    "mixture-symmetric",
    "mixture-2-2",
    "binomial-mixture-2",
    "poisson-mixture-2",
    "latent-class-2",
    "hidden-spin-3",
    "topic-2-2-2",
]


def named(name: str, n: int, seed: int = 0):
    model = catalogue.get(name)
    return types.SimpleNamespace(model=model, kwargs=model.simulate(jax.random.key(seed), n), n=n, name=name)


def normal_marginal(y: np.ndarray, spread: float = 2.0) -> float:
    """Return log ∫ N(b; 0, spread²) Π N(y_i; b, 1) db."""
    shrink = 1 + len(y) * spread**2
    quadratic = y @ y - spread**2 * y.sum() ** 2 / shrink
    return -0.5 * (len(y) * math.log(2 * math.pi) + math.log(shrink) + quadratic)


def labellings(n: int):
    return (np.array(bits, dtype=bool) for bits in itertools.product([False, True], repeat=n))


def two_normals(y, log_weight_of_labels):
    n = len(y)
    return logsumexp(
        [
            log_weight_of_labels(z.sum(), n - z.sum()) + normal_marginal(y[z]) + normal_marginal(y[~z])
            for z in labellings(n)
        ]
    )


def of_two_normals(phi):
    return lambda data: two_normals(data["y"], lambda k, rest: betaln(phi + k, phi + rest) - betaln(phi, phi))


def of_fixed_weights(data):
    return two_normals(data["y"], lambda k, rest: -(k + rest) * math.log(2))


def of_symmetric_normals(data):
    y = data["y"]
    return logsumexp([normal_marginal(np.where(z, y, -y)) for z in labellings(len(y))]) - len(y) * math.log(2)


def of_binomials(data):
    y, trials = data["y"], 4

    def component(hits, count):
        return betaln(1 + hits, 1 + trials * count - hits)

    terms = []
    for z in labellings(len(y)):
        k, rest = z.sum(), (~z).sum()
        terms.append(betaln(1 + k, 1 + rest) + component(y[z].sum(), k) + component(y[~z].sum(), rest))
    return logsumexp(terms) + np.sum(np.log([math.comb(trials, int(value)) for value in y]))


def of_poissons(data):
    y = data["y"]

    def component(total, count):
        return gammaln(2 + total) - (2 + total) * math.log(1 + count)

    terms = []
    for z in labellings(len(y)):
        k, rest = z.sum(), (~z).sum()
        terms.append(betaln(1 + k, 1 + rest) + component(y[z].sum(), k) + component(y[~z].sum(), rest))
    return logsumexp(terms) - np.sum(gammaln(y + 1))


def of_latent_classes(data):
    y = data["y"]
    terms = []
    for z in labellings(len(y)):
        total = betaln(1 + z.sum(), 1 + (~z).sum())
        for part in (y[z], y[~z]):
            total += np.sum(betaln(1 + part.sum(axis=0), 1 + len(part) - part.sum(axis=0)))
        terms.append(total)
    return logsumexp(terms)


def of_topics(data):
    document, word = data["x"].argmax(axis=1), data["y"].argmax(axis=1)
    terms = []
    for z in labellings(len(word)):
        total = sum(betaln(1 + z[document == j].sum(), 1 + (~z)[document == j].sum()) for j in (0, 1))
        total += sum(betaln(1 + (word[part] == 0).sum(), 1 + (word[part] == 1).sum()) for part in (z, ~z))
        terms.append(total)
    return logsumexp(terms)


SUMS = {
    "mixture-2": of_two_normals(1.0),
    "mixture-2-concentration-0.5": of_two_normals(0.5),
    "mixture-2-2": of_two_normals(1.0),
    "mixture-fixed-weights": of_fixed_weights,
    "mixture-symmetric": of_symmetric_normals,
    "binomial-mixture-2": of_binomials,
    "poisson-mixture-2": of_poissons,
    "latent-class-2": of_latent_classes,
    "topic-2-2-2": of_topics,
}


@pytest.mark.parametrize("name", SUMS)
@pytest.mark.parametrize(("n", "seed"), [(1, 4), (6, 1), (11, 0)])
def test_the_evidence_is_the_sum_over_all_labels(name, n, seed):
    problem = named(name, n, seed)
    row = quadrature(problem, 1.0).at(1.0)
    assert row["free_energy"] == pytest.approx(-SUMS[name](problem.kwargs), rel=2e-8)


def test_three_spins_against_a_plain_grid():
    problem = named("hidden-spin-3", 20)
    one, log_one = oracles.trapezoid(-8.0, 8.0, 129)
    log_one = log_one + norm.logpdf(one)
    grid = np.stack([g.ravel() for g in np.meshgrid(one, one, one, indexing="ij")], axis=1)
    log_weights = (log_one[:, None, None] + log_one[:, None] + log_one).ravel()
    kept = log_weights > -40
    parts = np.array_split(grid[kept], 60)
    nll = [oracles.negative_log_likelihood("hidden-spin-3", {"w": part}, problem.kwargs) for part in parts]
    exact = quadrature(problem, [0.05, 0.5, 1.0])
    for beta in (0.05, 0.5, 1.0):
        free_energy, mean, variance = oracles.grid_moments(log_weights[kept], np.concatenate(nll), beta)
        row = exact.at(beta)
        assert row["free_energy"] == pytest.approx(free_energy, rel=1e-8)
        assert row["mean_nll"] == pytest.approx(mean, rel=1e-8)
        assert row["variance_nll"] == pytest.approx(variance, rel=1e-6)


def prior_draws(name: str, count: int, seed: int) -> dict:
    rng = np.random.default_rng(seed)

    def unit(*shape):
        return rng.uniform(size=(count, *shape))

    def normal(*shape):
        return 2 * rng.standard_normal((count, *shape))

    def dirichlet(size, rows):
        return rng.dirichlet(np.ones(size), size=(count, rows))

    if name == "mixture-known":
        return {"a": unit(), "b": normal()}
    if name == "mixture-2":
        return {"a": unit(), "b": normal(), "c": normal()}
    if name == "mixture-2-concentration-0.5":
        return {"a": rng.beta(0.5, 0.5, count), "b": normal(), "c": normal()}
    if name == "mixture-fixed-weights":
        return {"b": normal(), "c": normal()}
    if name == "mixture-symmetric":
        return {"b": normal()}
    if name == "mixture-2-2":
        return {"weights": rng.dirichlet(np.ones(2), count), "means": normal(2)}
    if name == "binomial-mixture-2":
        return {"a": unit(), "b": unit(), "c": unit()}
    if name == "poisson-mixture-2":
        return {"a": unit(), "b": rng.gamma(2, 1, count), "c": rng.gamma(2, 1, count)}
    if name == "latent-class-2":
        return {"a": unit(), "b": unit(2), "c": unit(2)}
    if name == "hidden-spin-3":
        return {"w": rng.standard_normal((count, 3))}
    return {"topics": dirichlet(2, 2), "mixing": dirichlet(2, 2)}


@pytest.mark.parametrize("name", ORACLES)
def test_masses_and_moments_against_draws_from_the_prior(name):
    problem = named(name, 25, seed=2)
    w = prior_draws(name, 100_000, seed=8)
    pieces = [{k: v[i] for k, v in w.items()} for i in np.array_split(np.arange(100_000), 20)]
    nll = np.concatenate([oracles.negative_log_likelihood(name, piece, problem.kwargs) for piece in pieces])
    exact = quadrature(problem, [0.1, 0.6])
    for beta in (0.1, 0.6):
        row, terms = exact.at(beta), np.exp(-beta * (nll - nll.min()))
        assert terms.sum() ** 2 / np.sum(terms**2) > 300
        estimate, error = oracles.from_prior_draws(nll, beta)
        assert abs(row["free_energy"] - estimate) < 4.5 * error
        shared = terms / terms.sum()

        def held(values, exact_value, shared=shared):
            spread = np.sqrt(np.sum((shared * (values - np.sum(shared * values))) ** 2))
            assert abs(np.sum(shared * values) - exact_value) < 4.5 * spread + 1e-12

        held(nll, row["mean_nll"])
        for phase, inside in problem.model.phases.items():
            held(np.asarray(inside(w)).astype(float), row[f"phase:{phase}"])


@pytest.mark.parametrize("name", ORACLES)
def test_the_stated_errors_at_five_hundred_observations(name):
    frame = quadrature(named(name, 500), [0.0, 0.02, 1 / math.log(500), 1.0]).frame
    assert (frame["error_free_energy"] < 1e-6).all()
    assert abs(frame["free_energy"].iloc[0]) < 1e-7
    assert (frame["error_mean_nll"] < 1e-6 * frame["mean_nll"]).all()
    # 1e-6 everywhere but for the three normal pairs and the latent class, which reach 1e-5 of it
    assert (
        frame["error_effective_learning_coefficient"] < 1e-5 * frame["effective_learning_coefficient"] + 1e-12
    ).all()
    assert (np.diff(frame["mean_nll"]) < 0).all()


@functools.cache
def slopes(name: str, low: float, high: float):
    sizes = np.geomspace(low, high, 7)
    return sizes, population(catalogue.get(name), sizes)["log_z"].to_numpy()


@pytest.mark.parametrize(
    ("name", "low", "high"),
    [
        ("mixture-symmetric", 1e6, 1e10),
        ("mixture-fixed-weights", 1e6, 1e9),
        ("mixture-known", 1e5, 1e9),
        ("topic-2-2-2", 1e5, 1e10),
        ("hidden-spin-3", 1e5, 1e8),
        ("binomial-mixture-2", 1e5, 1e8),
        ("latent-class-2", 1e3, 1e7),
        ("mixture-2-plane", 1e6, 1e11),
    ],
)
def test_the_population_integral_decays_with_the_exact_coefficient(name, low, high):
    """The best of the fits −λ L + log(polynomial of degree m − 1 in L), L = log t, m = 1, 2, 3, has the exact λ."""
    exact = catalogue.get(name).exact
    sizes, log_z = slopes(name, low, high)
    logs = np.log(sizes)
    scaled = log_z + float(exact.value) * logs
    at_the_exact_one = np.exp(scaled - scaled.max())
    residuals = []
    for degree in range(3):
        fit = np.polynomial.Polynomial.fit(logs, at_the_exact_one, degree)
        residuals.append(np.abs(fit(logs) / at_the_exact_one - 1).max())
    assert residuals[exact.multiplicity - 1] < 0.03
    if exact.multiplicity > 1:
        assert residuals[exact.multiplicity - 1] < 0.1 * residuals[exact.multiplicity - 2]


@pytest.mark.slow
def test_the_densities_of_tables_integrate_to_one():
    for name in ("latent-class-2", "topic-2-2-2"):
        assert population(catalogue.get(name), [0.0])["log_z"][0] == pytest.approx(0.0, abs=1e-5)


def test_a_long_data_set_is_taken_in_parts():
    """The product of factors up to 2 would overflow at 1025 of them."""
    problem = named("mixture-symmetric", 2500)
    w = {"b": np.array([0.01, 0.4, 3.0])}
    with jax.enable_x64(True):
        got = problem.model.integral.log_likelihood(w["b"][:, None], 1.0, problem.kwargs)
    by_hand = oracles.negative_log_likelihood("mixture-symmetric", w, problem.kwargs)
    np.testing.assert_allclose(-np.asarray(got), by_hand, rtol=1e-12)


def test_a_count_beyond_the_rule_is_refused():
    problem = named("poisson-mixture-2", 5)
    problem.kwargs = {"y": np.array([1.0, 2.0, 80.0])}
    with pytest.raises(InputError, match="80"):
        quadrature(problem, 1.0)
