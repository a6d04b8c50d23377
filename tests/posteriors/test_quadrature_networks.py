"""The oracles of the networks, each against a second route, and their populations against λ and m."""

from __future__ import annotations

import importlib
import math
import types

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import logsumexp
from scipy.stats import norm

from singular.models.networks.exponential_network import exponential_network
from singular.models.networks.relu_network import relu_network
from singular.models.networks.tanh_network import tanh_network
from singular.posteriors.quadrature import population, quadrature
from tests import oracles
from tests.by_hand import LIKELIHOODS

BETAS = [0.0, 0.01, 1 / np.log(60), 1.0]
AXIS = np.array([0, 0.05, 0.1, 0.2, 0.35, 0.5, 0.75, 1.0, 1.25, 1.5, 2.0, 3.0, 5.0, 8.0, 12.0])
ACTIVATIONS = {
    "tanh_network": lambda z: np.tanh(z),
    "relu_network": lambda z: np.where(z > 0, z, 0.0),
    "exponential_network": lambda z: np.exp(z) - 1,
}


def problem_of(model, n: int = 60, seed: int = 0):
    return types.SimpleNamespace(model=model, kwargs=model.simulate(jax.random.key(seed), n), n=n, name=model.name)


def gauss(edges, order=12):
    base, weights = np.polynomial.legendre.leggauss(order)
    half = np.diff(edges) / 2
    return (edges[:-1, None] + half[:, None] * (base + 1)).ravel(), np.log(half[:, None] * weights).ravel()


def mirrored(rule):
    points, log_weights = rule
    return np.concatenate([-points[::-1], points]), np.concatenate([log_weights[::-1], log_weights])


def collapsed(model, b, data, beta):
    features = ACTIVATIONS[model.builder](b[:, :, None] * data["x"])
    parts = np.array_split(features, max(1, len(features) // 5000))
    return np.concatenate([oracles.outer_weights(part, data["y"], beta) for part in parts])


@pytest.mark.parametrize(
    "model", [tanh_network(1, 1), relu_network(1), relu_network(1, 1), exponential_network(1)], ids=lambda m: m.name
)
def test_one_unit_against_a_grid_over_both_weights(model):
    problem = problem_of(model)
    (a, log_a), (b, log_b) = (mirrored(gauss(AXIS, 16)),) * 2
    u, v = (g.ravel() for g in np.meshgrid(a, b, indexing="ij"))
    weights = (log_a[:, None] + log_b).ravel() + norm.logpdf(u) + norm.logpdf(v)
    w = {"a": u[:, None], "b": v[:, None]}
    nll = LIKELIHOODS[model.builder](model.arguments, w, problem.kwargs)
    exact = quadrature(problem, BETAS)
    for beta in BETAS:
        free_energy, mean, variance = oracles.grid_moments(weights, nll, beta)
        row = exact.at(beta)
        assert row["free_energy"] == pytest.approx(free_energy, rel=1e-9, abs=1e-9)
        assert row["mean_nll"] == pytest.approx(mean, rel=1e-9)
        assert row["variance_nll"] == pytest.approx(variance, rel=1e-7)


@pytest.mark.parametrize("model", [tanh_network(1), exponential_network(1)], ids=lambda m: m.name)
def test_the_phases_of_one_unit_against_a_grid_cut_along_their_borders(model):
    problem = problem_of(model, seed=1)
    x, y = problem.kwargs["x"], problem.kwargs["y"]
    exact = quadrature(problem, BETAS)
    halves = np.concatenate([[0.0], 0.5 ** np.arange(16, -1, -1.0)])
    unit = mirrored(gauss(halves))  # the posterior of a is as narrow as exp(−|b|) for the exponential
    inner, outer = gauss(AXIS[AXIS <= 0.5]), gauss(AXIS[AXIS >= 0.5])
    whole = mirrored(gauss(np.concatenate([halves, AXIS[AXIS > 1]])))

    def mass(beta, b, log_b, a, log_a):
        """Sum the tempered likelihood ratio over a (B, A) and both signs of b (B,)."""
        total = 0.0
        for sign in (1, -1):
            phi = ACTIVATIONS[model.builder](sign * b[:, None] * x)
            exponent = beta * (a * (phi @ y)[:, None] - 0.5 * a**2 * np.sum(phi**2, axis=1)[:, None])
            total += np.exp(logsumexp(exponent + log_a - 0.5 * a**2 - 0.5 * b[:, None] ** 2 + log_b[:, None]))
        return total

    for beta in BETAS:
        everything = sum(mass(beta, *b, np.tile(whole[0], (len(b[0]), 1)), whole[1]) for b in (inner, outer))
        square = mass(beta, *inner, np.tile(0.5 * unit[0], (len(inner[0]), 1)), np.log(0.5) + unit[1])
        fan = mass(beta, *outer, outer[0][:, None] * unit[0], np.log(outer[0])[:, None] + unit[1])
        row = exact.at(beta)
        assert row["phase:crossing"] == pytest.approx(square / everything, abs=1e-9)
        assert row["phase:output-off"] == pytest.approx(fan / everything, abs=1e-9)
        assert row["phase:input-off"] == pytest.approx(1 - (square + fan) / everything, abs=1e-9)


@pytest.mark.parametrize(
    "model",
    [tanh_network(2, 1), relu_network(2), relu_network(2, 1), exponential_network(2)],
    ids=lambda m: m.name,
)
def test_two_units_against_panels_over_the_whole_plane(model):
    problem = problem_of(model, seed=2)
    axis, log_axis = mirrored(gauss(AXIS, 10))
    b = np.stack([g.ravel() for g in np.meshgrid(axis, axis, indexing="ij")], axis=1)
    prior = (log_axis[:, None] + log_axis).ravel() + norm.logpdf(b).sum(axis=1)
    exact = quadrature(problem, BETAS)
    for beta in BETAS:
        terms = prior + collapsed(model, b, problem.kwargs, beta)
        total = logsumexp(terms)
        assert exact.at(beta)["free_energy"] == pytest.approx(-total, rel=1e-8, abs=1e-8)
        claims = {name: np.asarray(phase({"b": b})) for name, phase in model.phases.items()}
        for name, inside in claims.items():
            assert exact.at(beta)[f"phase:{name}"] == pytest.approx(np.exp(terms - total)[inside].sum(), abs=1e-7)


@pytest.mark.parametrize("model", [tanh_network(3, 1), relu_network(3)], ids=lambda m: m.name)
def test_three_units_against_draws_from_the_prior(model):
    problem = problem_of(model, n=40)
    b = np.random.default_rng(23).standard_normal((30_000, 3))
    exact = quadrature(problem, BETAS)
    for beta in BETAS[1:]:
        estimate, error = oracles.from_prior_draws(-collapsed(model, b, problem.kwargs, beta), 1.0)
        assert error < 0.02
        assert abs(exact.at(beta)["free_energy"] - estimate) < 4 * error


POPULATIONS = [
    tanh_network(1), tanh_network(2), tanh_network(1, 1), relu_network(1), relu_network(3), relu_network(1, 1),
    relu_network(2, 1), exponential_network(1), exponential_network(2)]  # fmt: skip


@pytest.mark.parametrize("model", POPULATIONS, ids=lambda m: m.name)
def test_the_population_decays_with_its_coefficient_and_multiplicity(model):
    """λ and m from log Z(t) alone: its slope for m = 1, and a line in log t times a power of t for m = 2."""
    t = np.array([1e8, 1e9, 1e10])
    logs = population(model, t)["log_z"].to_numpy()
    if model.exact.multiplicity == 1:
        slope = (logs[1] - logs[2]) / math.log(10)
        assert slope == pytest.approx(float(model.exact.value), abs=0.012)
    else:
        first, second, third = np.exp(logs - logs[1])  # Z t^λ is a line in log t for one λ only
        root = (second + math.sqrt(second**2 - first * third)) / third
        assert math.log(root) / math.log(10) == pytest.approx(float(model.exact.value), abs=2e-4)
        assert (logs[1] - logs[2]) / math.log(10) < float(model.exact.value) - 0.03


@pytest.mark.slow
def test_a_unit_beside_the_true_one_costs_a_quarter_and_not_a_half():
    logs = population(tanh_network(2, 1), [1e8, 1e9])["log_z"].to_numpy()
    assert (logs[0] - logs[1]) / math.log(10) == pytest.approx(1.25, abs=0.012)


@pytest.mark.parametrize("model", [*POPULATIONS, tanh_network(2, 1)], ids=lambda m: m.name)
def test_the_population_starts_with_the_prior_mean_of_the_excess_loss(model):
    rng = np.random.default_rng(3)
    hidden = model.arguments["hidden"]
    draws = {site: rng.standard_normal((40_000, hidden)) for site in ("a", "b")}
    with jax.enable_x64(True):
        excess = np.asarray(model.excess_loss({k: jnp.asarray(v) for k, v in draws.items()}))
    start = population(model, 1e-3)["mean_excess"].iloc[0]
    kept = np.mean(excess * np.exp(-1e-3 * excess)) / np.mean(np.exp(-1e-3 * excess))
    assert abs(start - kept) < 5 * excess.std() / math.sqrt(len(excess))


def test_a_wrong_panel_is_seen(monkeypatch):
    """The stated error grows when the panels are too coarse for the ridge at the true inner weight."""
    module = importlib.import_module("singular.models.networks.tanh_network")
    problem = problem_of(tanh_network(2, 1), n=500)
    good = quadrature(problem, 1.0).at(1.0)
    monkeypatch.setattr(module, "ORDERS", {2: (3, 2)})
    poor = quadrature(problem, 1.0).at(1.0)
    assert good["error_free_energy"] < 1e-10
    assert poor["error_free_energy"] > 1e-5
    assert abs(poor["free_energy"] - good["free_energy"]) < poor["error_free_energy"]
