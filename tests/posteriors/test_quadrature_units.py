"""The oracles of networks whose units are silent at no inner weight, each against a second route."""

from __future__ import annotations

import decimal
import importlib
import itertools
import math
from decimal import Decimal

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import logsumexp
from scipy.stats import norm

from singular.models.networks import hidden_layer, radial_population
from singular.models.networks.polynomial_network import polynomial_network
from singular.models.networks.radial_basis import radial_basis
from singular.posteriors.quadrature import population, quadrature
from tests import oracles
from tests.by_hand import LIKELIHOODS
from tests.posteriors.test_quadrature_networks import AXIS, BETAS, gauss, mirrored, problem_of

INNER = {"radial_basis": "c", "polynomial_network": "b"}


def features_of(model, inner, x):
    """Return the units at inner weights (N, H), by hand, (N, H, n)."""
    if model.builder == "radial_basis":
        return norm.pdf(x - inner[:, :, None]) / norm.pdf(0)
    return np.prod([1 + inner[:, :, None] * x] * model.arguments["degree"], axis=0)


def collapsed(model, inner, data, beta):
    parts = np.array_split(inner, max(1, len(inner) // 5000))
    every = [oracles.outer_weights(features_of(model, part, data["x"]), data["y"], beta) for part in parts]
    return np.concatenate(every)


@pytest.mark.parametrize(
    "model", [radial_basis(1), radial_basis(1, 1), polynomial_network(1, 2), polynomial_network(1, 5)],
    ids=lambda m: m.name,
)  # fmt: skip
def test_one_unit_against_a_grid_over_both_weights(model):
    problem = problem_of(model)
    (a, log_a), (b, log_b) = (mirrored(gauss(AXIS, 16)),) * 2
    if model.name == "polynomial-1-degree-5":  # the posterior of a is narrower by max |x|^5 |b|^5
        a, log_a = mirrored(gauss(np.concatenate([[0.0], 2.0 ** np.arange(-12, 3), [6.0, 9.0, 12.0]]), 24))
    u, v = (g.ravel() for g in np.meshgrid(a, b, indexing="ij"))
    weights = (log_a[:, None] + log_b).ravel() + norm.logpdf(u) + norm.logpdf(v)
    nll = LIKELIHOODS[model.builder](
        model.arguments, {"a": u[:, None], INNER[model.builder]: v[:, None]}, problem.kwargs
    )
    exact = quadrature(problem, BETAS)
    for beta in BETAS:
        free_energy, mean, variance = oracles.grid_moments(weights, nll, beta)
        row = exact.at(beta)
        assert row["free_energy"] == pytest.approx(free_energy, rel=1e-9, abs=1e-9)
        assert row["mean_nll"] == pytest.approx(mean, rel=1e-9)
        assert row["variance_nll"] == pytest.approx(variance, rel=1e-7)


@pytest.mark.parametrize(
    "model", [radial_basis(2), radial_basis(2, 1), polynomial_network(2, 1), polynomial_network(2, 3)],
    ids=lambda m: m.name,
)  # fmt: skip
def test_two_units_against_panels_over_the_whole_plane(model):
    problem = problem_of(model, seed=2)
    axis, log_axis = mirrored(gauss(AXIS, 10))
    inner = np.stack([g.ravel() for g in np.meshgrid(axis, axis, indexing="ij")], axis=1)
    prior = (log_axis[:, None] + log_axis).ravel() + norm.logpdf(inner).sum(axis=1)
    exact = quadrature(problem, BETAS)
    for beta in BETAS:
        total = logsumexp(prior + collapsed(model, inner, problem.kwargs, beta))
        assert exact.at(beta)["free_energy"] == pytest.approx(-total, rel=1e-8, abs=1e-8)


def test_the_mass_about_the_true_centre_against_a_plane_cut_along_its_border():
    model = radial_basis(2, 1)
    problem = problem_of(model, seed=2)
    axis, log_axis = gauss(1 + np.concatenate([-AXIS[::-1], AXIS[1:]]), 10)
    inner = np.stack([g.ravel() for g in np.meshgrid(axis, axis, indexing="ij")], axis=1)
    prior = (log_axis[:, None] + log_axis).ravel() + norm.logpdf(inner).sum(axis=1)
    exact = quadrature(problem, BETAS)
    for beta in BETAS:
        terms = prior + collapsed(model, inner, problem.kwargs, beta)
        shared = np.exp(terms - logsumexp(terms))[np.asarray(model.phases["shared"]({"c": inner}))].sum()
        assert exact.at(beta)["phase:shared"] == pytest.approx(shared, abs=1e-8)
        assert exact.at(beta)["phase:spare"] == pytest.approx(1 - shared, abs=1e-8)


@pytest.mark.parametrize("model", [radial_basis(2), polynomial_network(2, 3)], ids=lambda m: m.name)
def test_the_silent_share_at_a_node_is_that_of_the_outer_weights_as_they_are(model):
    """Pr(|a_1 − a_2| < |b_1 − b_2|) by LAPACK without the turn to half sum and half difference."""
    data, beta = problem_of(model).kwargs, 0.3
    nodes = np.array([[0.2, 0.1], [-1.0, 2.0], [0.5, 1e-3], [1.7, 0.8]])
    inner = np.stack([nodes.sum(axis=1), nodes[:, 0] - nodes[:, 1]], axis=1) / math.sqrt(2)
    with jax.enable_x64(True):
        found = [np.asarray(region(jnp.asarray(nodes), beta, data)) for region in model.integral.regions.values()]
    for i, phi in enumerate(features_of(model, inner, data["x"])):
        covariance = np.linalg.inv(np.eye(2) + beta * phi @ phi.T)
        mean = covariance @ (beta * phi @ data["y"]) @ [1, -1]
        spread = math.sqrt(np.array([1, -1]) @ covariance @ [1, -1])
        width = abs(inner[i, 0] - inner[i, 1])
        share = norm.cdf((width - mean) / spread) - norm.cdf((-width - mean) / spread)
        assert found[0][i] == pytest.approx(share, rel=1e-8)
        assert found[1][i] == pytest.approx(1 - share, rel=1e-8)


def test_of_two_linear_units_each_phase_has_one_half():
    """a_1 − a_2 and b_1 − b_2 have the same prior and count through their product alone."""
    exact = quadrature(problem_of(polynomial_network(2, 1), n=25, seed=3), BETAS).frame
    np.testing.assert_allclose(exact[["phase:silent", "phase:cancelling"]], 0.5, atol=1e-10)


@pytest.mark.parametrize("hidden", [3, 5])
def test_any_number_of_linear_units_against_draws_from_the_prior(hidden):
    model = polynomial_network(hidden, 1)
    problem = problem_of(model, n=40)
    inner = np.random.default_rng(23).standard_normal((30_000, hidden))
    exact = quadrature(problem, BETAS)
    for beta in BETAS[1:]:
        estimate, error = oracles.from_prior_draws(-collapsed(model, inner, problem.kwargs, beta), 1.0)
        assert error < 0.02
        assert abs(exact.at(beta)["free_energy"] - estimate) < 4 * error


POPULATIONS = [
    radial_basis(1), radial_basis(2), radial_basis(1, 1), radial_basis(2, 1), polynomial_network(1, 2),
    polynomial_network(2, 1), polynomial_network(2, 3), polynomial_network(3, 1), polynomial_network(6, 1)]  # fmt: skip


@pytest.mark.parametrize("model", POPULATIONS, ids=lambda m: m.name)
def test_the_population_decays_with_its_coefficient_and_multiplicity(model):
    """λ and m from log Z(t) alone: its slope for m = 1, and a line in log t times a power of t for m = 2."""
    t = np.array([1e10, 1e11, 1e12])
    logs = population(model, t)["log_z"].to_numpy()
    if model.exact.multiplicity == 1:
        slope = (logs[1] - logs[2]) / math.log(10)
        assert slope == pytest.approx(float(model.exact.value), abs=1e-3)
    else:
        first, second, third = np.exp(logs - logs[1])  # Z t^λ is a line in log t for one λ only
        root = (second + math.sqrt(second**2 - first * third)) / third
        assert math.log(root) / math.log(10) == pytest.approx(float(model.exact.value), abs=2e-4)
        assert (logs[1] - logs[2]) / math.log(10) < float(model.exact.value) - 0.03


@pytest.mark.parametrize("model", POPULATIONS, ids=lambda m: m.name)
def test_the_population_starts_with_the_prior_mean_of_the_excess_loss(model):
    rng = np.random.default_rng(3)
    shape = (40_000, model.arguments["hidden"])
    draws = {site: rng.standard_normal(shape) for site in ("a", INNER[model.builder])}
    with jax.enable_x64(True):
        excess = np.asarray(model.excess_loss({k: jnp.asarray(v) for k, v in draws.items()}))
    start = population(model, 1e-2)["mean_excess"].iloc[0]
    kept = np.exp(-1e-2 * excess)
    terms = kept * (excess - start) / kept.mean()
    assert abs(terms.mean()) < 5 * terms.std() / math.sqrt(len(excess))


@pytest.mark.parametrize("model", [radial_basis(1, 1), radial_basis(2), radial_basis(2, 1)], ids=lambda m: m.name)
def test_closed_forms_of_the_population_against_a_rule_over_inputs(model):
    nodes = np.random.default_rng(5).standard_normal((40, model.arguments["hidden"]))
    x, weights = np.polynomial.hermite_e.hermegauss(80)
    truth = norm.pdf(x - 1) / norm.pdf(0) * model.arguments["true_units"]
    centres, t = nodes, 300.0
    if model.name == "radial-basis-2":
        nodes = np.abs(nodes)
        centres = np.stack([nodes.sum(axis=1), nodes[:, 0] - nodes[:, 1]], axis=1) / math.sqrt(2)
    with jax.enable_x64(True):
        rule = hidden_layer.log_population(
            lambda c, x: jnp.exp(-0.5 * (x - c[..., None]) ** 2), x, weights / weights.sum(), truth
        )
        expected = np.asarray(rule(jnp.asarray(centres), t, {}))
        found = np.asarray(model.population.log_likelihood(jnp.asarray(nodes), t, {}))
    np.testing.assert_allclose(found, expected, rtol=1e-10)


@pytest.mark.parametrize("size", ["1e-6", "1e-3", "0.3", "0.99", "1.01", "3"])
def test_minors_of_three_units_keep_their_digits(size):
    """Against E(u²) E(v²) − E(u v)², E(z) = exp(z/3) − 1, in decimals of 80 digits."""

    def grown(z):
        return (z / 3).exp() - 1

    pairs = itertools.product(["1", "0.7", "-0.4"], ["0.999", "0.3", "-1"])
    with decimal.localcontext(decimal.Context(prec=80)), jax.enable_x64(True):
        for u, v in [[Decimal(float(Decimal(size) * Decimal(w))) for w in pair] for pair in pairs]:
            exact = float(grown(u * u) * grown(v * v) - grown(u * v) ** 2)
            found = float(radial_population._minor(jnp.array([float(u)]), jnp.array([float(v)]))[0])
            assert found == pytest.approx(exact, rel=1e-9)


def test_a_wrong_panel_is_seen(monkeypatch):
    """The stated error grows when the panels are too coarse."""
    module = importlib.import_module("singular.models.networks.radial_basis")
    problem = problem_of(radial_basis(2, 1), n=200)
    good = quadrature(problem, 1.0).at(1.0)
    monkeypatch.setattr(module, "ORDERS", (3, 2))
    poor = quadrature(problem, 1.0).at(1.0)
    assert good["error_free_energy"] < 1e-8
    assert poor["error_free_energy"] > 1e-5
    assert abs(poor["free_energy"] - good["free_energy"]) < poor["error_free_energy"]
