"""Fisher information against closed forms, null spaces against generators, orders of vanishing against monomials."""

from __future__ import annotations

import math
from dataclasses import replace

import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
import pytest

from singular import models, posteriors
from singular.analysis.excess_coefficient import excess_coefficient, nll_at
from singular.analysis.fisher import point_of
from singular.analysis.geometry import (
    along,
    effective_dimension,
    fisher_information,
    hessian,
    match,
    null_space,
    spectrum_of_factor,
    spectrum_of_matrix,
    tangents,
    vanishing_order,
)
from singular.analysis.vanishing import loss_of
from singular.errors import InputError
from singular.posteriors.precision import x64

N = 60
RNG = np.random.default_rng(0)
X = RNG.standard_normal((N, 2))
W = np.array([0.4, -0.9])


def problem_of(model, **changes):
    """Return a problem of a catalogue model with other fields."""
    problem = models.problem(model, n=N)
    return problem.replace(model=replace(problem.model, **changes))


def scaled(x, y=None):
    slope = numpyro.sample("slope", dist.Normal(0, 1).expand([2]).to_event(1))
    log_scale = numpyro.sample("log_scale", dist.Normal(0, 1))
    numpyro.sample("y", dist.Normal(x @ slope, jnp.exp(log_scale)), obs=y)


def test_normal_observations_with_their_scale():
    problem = models.Problem.from_numpyro(scaled, x=X, y=X[:, 0])
    found = fisher_information(problem, {"slope": W, "log_scale": np.log(0.7)})
    expected = np.zeros((3, 3))
    expected[0, 0], expected[1:, 1:] = 2.0, X.T @ X / N / 0.49
    np.testing.assert_allclose(found.matrix, expected, rtol=1e-12, atol=1e-14)
    assert found.error is None and not found.flags


@pytest.mark.parametrize(
    ("name", "weight"),
    [
        ("logistic-2", lambda eta: np.exp(eta) / (1 + np.exp(eta)) ** 2),
        ("poisson-2", np.exp),
    ],
)
def test_generalised_linear_models(name, weight):
    problem = models.problem(name, n=N)
    x = problem.kwargs["x"]
    expected = x.T @ (weight(x @ W)[:, None] * x) / N
    np.testing.assert_allclose(fisher_information(problem, {"w": W}).matrix, expected, rtol=1e-10)


def test_masked_rows_and_copies_in_a_plate():
    seen = np.arange(N) % 3 == 0

    def masked(y=None):
        mean = numpyro.sample("mean", dist.Normal(0, 1))
        rate = numpyro.sample("rate", dist.LogNormal(0, 1))
        with numpyro.plate("rows", N):
            numpyro.sample("y", dist.Normal(mean, 2.0).mask(seen), obs=y)
            numpyro.sample("count", dist.Poisson(rate), obs=np.ones(N))

    problem = models.Problem.from_numpyro(masked, y=X[:, 0]).replace(n=N)
    found = fisher_information(problem, {"mean": 0.3, "rate": 1.7}).matrix
    np.testing.assert_allclose(found, np.diag([seen.mean() / 4, 1.7]), rtol=1e-10, atol=1e-14)


def test_copies_along_an_axis_of_length_one():
    """Each row has one mean and is seen three times."""

    def repeated(x, y=None):
        slope = numpyro.sample("slope", dist.Normal(0, 1).expand([2]).to_event(1))
        numpyro.sample("y", dist.Normal((x @ slope)[:, None], 1.0).expand([N, 3]).to_event(1), obs=y)

    problem = models.Problem.from_numpyro(repeated, x=X, y=RNG.standard_normal((N, 3)))
    found = fisher_information(problem, {"slope": W}).matrix
    np.testing.assert_allclose(found, 3 * X.T @ X / N, rtol=1e-12)


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["normal-mean-covariance-2", "factor-analysis-4-1-1", "poisson-mixture-2", "latent-class-2"]
)
def test_at_a_truth_without_covariates_it_is_the_hessian_of_the_excess_loss(name):
    """Many normals, and all observations of finitely many outcomes; K is a closed form or an independent rule."""
    problem = models.problem(name, n=N)
    z = point_of(problem, problem.model.optimum)
    with x64():
        curvature = np.asarray(loss_of(problem).curvature(z))
    found = fisher_information(problem, z)
    np.testing.assert_allclose(found.matrix, curvature, atol=1e-7 * abs(curvature).max())
    assert not found.flags


def test_simulated_observations_are_within_their_error():
    problem = models.problem("mixture-2-2", n=N)
    z = point_of(problem, problem.model.optimum)
    with x64():
        curvature = np.asarray(loss_of(problem).curvature(z))
    found = fisher_information(problem, z)
    assert abs((found.matrix - curvature) / found.error).max() < 4
    assert found.error.max() < 0.05 * abs(curvature).max()
    assert "simulated" in found.flags[0]


def test_the_empirical_information_is_that_of_the_residuals_and_tends_to_the_expected_one():
    n = 20_000
    problem = models.problem("linear-2", n=n)
    x, y = problem.kwargs["x"], problem.kwargs["y"]
    truth = np.asarray(problem.model.optimum["w"])
    each = ((y - x @ truth) ** 2)[:, None, None] * x[:, :, None] * x[:, None, :]
    found = fisher_information(problem, {"w": truth}, kind="empirical").matrix
    np.testing.assert_allclose(found, each.mean(axis=0), rtol=1e-10)
    expected = fisher_information(problem, {"w": truth}).matrix
    noise = (each - x[:, :, None] * x[:, None, :]).std(axis=0) / np.sqrt(n)
    assert abs((found - expected) / noise).max() < 4


def test_the_hessian_is_that_of_finite_differences():
    problem = models.problem("tanh-2", n=N)
    z, step = np.array([0.3, -0.8, 0.5, 1.1]), 1e-4

    def nll(at):
        with x64():
            return float(problem.parts.split(at)[1])

    moves = step * np.eye(4)
    expected = np.array(
        [[nll(z + a + b) - nll(z + a - b) - nll(z - a + b) + nll(z - a - b) for a in moves] for b in moves]
    ) / (4 * step**2 * N)  # fmt: skip
    np.testing.assert_allclose(hessian(problem, z), expected, atol=1e-5 * abs(expected).max())


def test_rank_gap_and_their_flag():
    turn = np.linalg.qr(RNG.standard_normal((3, 3)))[0]
    clear = spectrum_of_factor(np.diag([3.0, 1.0, 0.0]) @ turn)
    assert clear.rank == 2 and clear.clear and clear.gap > 1e14
    np.testing.assert_allclose(clear.eigenvalues, [9.0, 1.0, 0.0], atol=1e-15)
    np.testing.assert_allclose(abs(clear.null[:, 0] @ turn[2]), 1.0, rtol=1e-12)
    unclear = spectrum_of_factor(np.diag([1.0, 3e-8, 3e-10]))
    assert unclear.rank == 2 and not unclear.clear and "rank 2 is not clear" in unclear.flags[0]
    assert unclear.gap == pytest.approx(100.0)
    assert spectrum_of_factor(np.zeros((5, 2))).rank == 0
    signed = spectrum_of_matrix(turn.T @ np.diag([1.0, -2.0, 0.0]) @ turn)
    assert signed.rank == 2
    np.testing.assert_allclose(signed.eigenvalues, [-2.0, 1.0, 0.0], atol=1e-14)


@pytest.mark.parametrize(
    ("name", "spanned", "left"),
    [
        ("reduced-rank-3-3-2-2", 4, 0),  # GL(2)
        ("softmax-3-2", 2, 0),  # one shift a covariate
        ("superposition-2-5", 1, 0),  # SO(2)
        ("rank-deficient-4-2", 2, 0),
        ("hadamard-2-1", 1, 2),  # one product is 0 in both factors
        ("factor-analysis-4-2-1", 1, 3),  # SO(2) moves the one loading
        ("matrix-factor-3-2-2-r1", 3, 3),
        ("poisson-mixture-2", 1, 1),
    ],
)
def test_generators_lie_in_the_null_space(name, spanned, left):
    problem = models.problem(name, n=N)
    found = null_space(problem, problem.model.optimum, orders=False)
    assert found.match.dimension == spanned and found.match.left_over.shape[1] == left
    assert found.spectrum.null.shape[1] == spanned + left
    assert found.match.largest_angle < 1e-6
    assert found.spectrum.clear and not found.flags
    both = np.concatenate([found.match.explained, found.match.left_over], axis=1)
    np.testing.assert_allclose(both.T @ both, np.eye(spanned + left), atol=1e-10)
    assert np.linalg.norm(found.information.factor @ both) < 1e-10 * np.linalg.norm(found.information.factor)


def test_a_wrong_generator_is_caught():
    name = "reduced-rank-2-2-2-1"
    right = models.get(name).symmetries

    def wrong(field):
        return lambda w: {**field(w), "B": -field(w)["B"]}

    found = null_space(
        problem_of(name, symmetries={label: wrong(field) for label, field in right.items()}),
        models.get(name).optimum,
        orders=False,
    )
    assert found.match.largest_angle > 0.1
    assert any("leaves the null space" in flag for flag in found.flags)


@pytest.mark.parametrize("name", ["linear-4", "tanh-1-1"])
def test_regular_models_have_no_null_direction_though_signs_may_change(name):
    problem = models.problem(name, n=N)
    found = null_space(problem, problem.model.optimum)
    assert found.spectrum.rank == problem.dim and found.match.dimension == 0 and not found.names
    assert len(problem.model.discrete_symmetries) == (name == "tanh-1-1")
    assert found.match.largest_angle == 0.0


def test_a_discrete_map_takes_the_spectrum_with_it():
    problem = models.problem("tanh-2", n=N)
    w = {"a": np.array([0.4, -1.1]), "b": np.array([0.9, 0.3])}
    here = fisher_information(problem, w).spectrum.eigenvalues
    for move in problem.model.discrete_symmetries.values():
        with x64():
            image = {site: np.asarray(value) for site, value in move(w).items()}
        there = fisher_information(problem, image).spectrum.eigenvalues
        np.testing.assert_allclose(there, here, rtol=1e-9)


def test_tangents_are_in_unconstrained_coordinates():
    """c = log rate: a shift of one rate by δ is one of δ/rate."""

    def two_rates(y=None):
        rates = numpyro.sample("rates", dist.Gamma(2.0, 1.0).expand([2]).to_event(1))
        numpyro.sample("y", dist.Poisson(rates[0] * rates[1]).expand([3]).to_event(0), obs=y)

    problem = models.Problem.from_numpyro(two_rates, y=np.array([1.0, 2.0, 0.0]))
    model = replace(
        models.get("linear-2"),
        symmetries={
            "scale": lambda w: {"rates": jnp.array([[1.0, 0.0]]) * w["rates"] - jnp.array([[0.0, 1.0]]) * w["rates"]}
        },
    )
    found = tangents(problem.replace(model=model), {"rates": np.array([0.5, 4.0])})["scale"]
    np.testing.assert_allclose(found, [[1.0, -1.0]], rtol=1e-12)


def test_match_by_hand():
    null = np.eye(4)[:, 2:]
    angle = 0.01
    found = match(null, np.array([[0.0, math.sin(angle), math.cos(angle), 0.0]]))
    assert found.largest_angle == pytest.approx(angle, rel=1e-9)
    np.testing.assert_allclose(abs(found.left_over[:, 0]), [0, 0, 0, 1], atol=1e-12)
    assert match(null, np.zeros((0, 4))).left_over.shape == (4, 2)
    assert match(null, np.eye(4)).largest_angle == pytest.approx(math.pi / 2)


@pytest.mark.parametrize(
    ("name", "point", "orders"),
    [
        ("monomial-2", {"w1": 0.0}, {"w1": 4}),
        ("monomial-3", {"w1": 0.0}, {"w1": 6}),
        ("monomial-1-2", {"w1": 1.0, "w2": 0.0}, {"w2": 4}),
        ("sum-of-powers-2-3", {"w": [0.0, 0.0]}, {"w[0]": 4, "w[1]": 6}),
        ("product", {"w1": 0.0, "w2": 0.0}, {"w1": math.inf, "w2": math.inf}),
        ("mixture-2", None, {"b − c": 4}),
    ],
)
def test_orders_along_what_is_left_over(name, point, orders):
    problem = models.problem(name, n=N)
    found = null_space(problem, problem.model.optimum if point is None else point)
    assert {label: order.straight for label, order in zip(found.names, found.orders, strict=True)} == orders
    assert {label: order.reduced for label, order in zip(found.names, found.orders, strict=True)} == orders
    assert (found.generic is not None) == (len(orders) > 1)
    if name == "product":
        assert found.generic.straight == 4 and "a line of optima" in found.orders[0].meaning


@pytest.mark.parametrize(
    ("loss", "straight", "reduced"),
    [
        (lambda u, v: (u - v**2) ** 2 + v**6, 4, 6),
        (lambda u, v: (u - v**2) ** 2, 4, math.inf),
        (lambda u, v: u**2 + v**8, 8, 8),
        (lambda u, v: (1.0 + u**2 + 0.3 * v**8) - 1.0, 8, 8),  # rounded to 1e-16, and t^8 is no power of 2
        (lambda u, v: u**2, math.inf, math.inf),
        (lambda u, v: (jnp.exp(u + v**2) - 1) ** 2 / 2 + jnp.sinh(v) ** 4, 4, 4),
    ],
)
def test_the_other_coordinates_follow(loss, straight, reduced):
    problem = problem_of("product", excess_loss=lambda w: loss(w["w1"], w["w2"]))
    found = vanishing_order(problem, np.zeros(2), np.array([0.0, 2.0]), across=np.array([[1.0], [0.0]]))
    assert (found.straight, found.reduced) == (straight, reduced) and not found.flags


def test_an_order_that_is_no_whole_number_says_so():
    problem = problem_of("product", excess_loss=lambda w: w["w1"] ** 2 + jnp.abs(w["w2"]) ** 2.5)
    found = vanishing_order(problem, np.zeros(2), np.array([0.0, 1.0]), across=np.array([[1.0], [0.0]]))
    assert found.straight == pytest.approx(2.5, abs=1e-3) and "no whole number" in found.flags[0]


@pytest.fixture(scope="module")
def sampled():
    problem = models.problem("product", n=N)
    return problem, posteriors.ladder(problem, chains=2, draws=150, warmup=100, seed=0, progress=False)


@pytest.mark.slow
def test_along_the_draws_of_a_rung(sampled):
    problem, ladder = sampled
    found = along(ladder, problem, 1.0, draws=7)
    assert len(found) == 7 * 2 and set(found["chain"]) == {0, 1} and (found["rank"] == 1).all()
    posterior = ladder["posterior"].sel(beta=1.0)
    first = found[found["place"] == 0]
    for row in first.to_dict("records"):
        w = [float(posterior[site][row["chain"], row["draw"]]) for site in ("w1", "w2")]
        expected = np.mean(problem.kwargs["x"] ** 2) * (w[0] ** 2 + w[1] ** 2)
        assert row["eigenvalue"] == pytest.approx(expected, rel=1e-9)


@pytest.mark.slow
def test_dimensions_side_by_side(sampled):
    problem, ladder = sampled
    found = effective_dimension(problem, ladder).set_index("method")
    assert dict(found["value"][["d", "BIC", "rank", "2 λ"]]) == {"d": 2, "BIC": 2, "rank": 0, "2 λ": 1}
    wbic = excess_coefficient(ladder, nll_at(problem, problem.model.optimum))
    assert found.loc["2 λ by WBIC", "value"] == pytest.approx(2 * wbic.value)
    assert found.loc["2 λ by WBIC", "mcse"] == pytest.approx(2 * wbic.mcse)
    with pytest.raises(InputError, match="data this ladder was sampled with"):
        effective_dimension(models.problem("product", n=N, seed=1), ladder)


def test_the_dimension_by_the_spectrum():
    problem = models.problem("linear-2", n=N)
    x = problem.kwargs["x"]
    h = np.linalg.eigvalsh(x.T @ x)  # the prior's precision is 1
    found = effective_dimension(problem).set_index("method")["value"]
    assert found["spectrum"] == pytest.approx(np.sum(h / (h + 1)), rel=1e-9)
    assert found["rank"] == found["d"] == found["2 λ"] == 2


def switched(y=None):
    share = numpyro.sample("share", dist.Beta(1, 1))
    with numpyro.plate("rows", 3):
        which = numpyro.sample("which", dist.Bernoulli(share))
        numpyro.sample("y", dist.Normal(which, 1.0), obs=y)


def with_factor(y=None):
    mean = numpyro.sample("mean", dist.Normal(0, 1))
    numpyro.factor("more", -(mean**2))
    numpyro.sample("y", dist.Normal(mean, 1.0), obs=y)


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (lambda p: fisher_information(p, np.zeros(2), kind="observed"), "kind='observed'"),
        (lambda p: fisher_information(p, np.zeros(3)), r"parameters has shape \(3,\)"),
        (lambda p: hessian(p, np.array([np.nan, 0.0])), "edge of a site's support"),
        (lambda p: vanishing_order(p, np.ones(2), np.ones(2)), "K = 0"),
        (lambda p: vanishing_order(p, np.zeros(2), np.zeros(2)), "direction"),
        (lambda p: vanishing_order(p, np.zeros(2), np.ones(3)), "direction"),
        (lambda p: match(np.eye(2), np.ones((1, 3))), "tangent_vectors"),
        (lambda p: spectrum_of_factor(np.array([[np.nan]])), "factor"),
        (lambda p: spectrum_of_matrix(np.ones((2, 3))), "matrix"),
    ],
)
def test_bad_input_is_named(call, told):
    with pytest.raises(InputError, match=told):
        call(models.problem("product", n=N))


@pytest.mark.slow
def test_models_without_scores_are_refused():
    y = np.array([0.1, 0.9, 1.2])
    with pytest.raises(InputError, match="sums out"):
        fisher_information(models.Problem.from_numpyro(switched, y=y), np.zeros(1))
    with pytest.raises(InputError, match="has factors"):
        fisher_information(models.Problem.from_numpyro(with_factor, y=y), np.zeros(1))
    plain = models.Problem.from_numpyro(scaled, x=X, y=X[:, 0])
    with pytest.raises(InputError, match="no excess loss"):
        vanishing_order(plain, np.zeros(3), np.ones(3))
    assert tangents(plain, np.zeros(3)) == {}
