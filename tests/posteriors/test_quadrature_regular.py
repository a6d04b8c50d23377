"""The oracles of regular models, redundant ones, edges, crossings and wrong models, each by a second route."""

from __future__ import annotations

import itertools
import math
import types

import jax
import numpy as np
import pytest
from scipy import integrate
from scipy.special import betaln, gammaln, kve, logsumexp, multigammaln
from scipy.stats import gamma, halfnorm, multivariate_normal, multivariate_t, norm, poisson, wishart

from singular.models import catalogue
from singular.models.base import Model
from singular.models.crossings.hadamard import hadamard_regression
from singular.models.crossings.product import monomial
from singular.models.crossings.squares import squares_regression
from singular.models.crossings.sum_of_powers import sum_of_powers
from singular.models.regular.boundary import boundary_multinomial
from singular.models.regular.normal import normal_unknown_covariance
from singular.models.regular.rank_deficient import rank_deficient_regression
from singular.posteriors.quadrature import quadrature
from tests import oracles
from tests.by_hand import LIKELIHOODS

BETAS = [0.0, 0.03, 1 / np.log(60), 1.0]


def problem_of(model: Model | str, n: int = 60, seed: int = 0):
    model = catalogue.get(model) if isinstance(model, str) else model
    return types.SimpleNamespace(model=model, kwargs=model.simulate(jax.random.key(seed), n), n=n, name=model.name)


def by_hand(problem, parameters) -> np.ndarray:
    return LIKELIHOODS[problem.model.builder](problem.model.arguments, parameters, problem.kwargs)


def plane(first, second):
    """Return the product of two (nodes, log weights) as flat coordinates and log weights."""
    u, v = np.meshgrid(first[0], second[0], indexing="ij")
    return u.ravel(), v.ravel(), (first[1][:, None] + second[1][None, :]).ravel()


def assert_matches(problem, log_prior_weights, nll, relative=1e-8, phases=None):
    """Hold F, E, Var and phase masses at every β against moments of nll over a brute-force grid."""
    exact = quadrature(problem, BETAS)
    for beta in BETAS:
        free_energy, mean, variance = oracles.grid_moments(log_prior_weights, nll, beta)
        row = exact.at(beta)
        assert row["free_energy"] == pytest.approx(free_energy, rel=relative, abs=1e-8)
        assert row["mean_nll"] == pytest.approx(mean, rel=relative)
        assert row["variance_nll"] == pytest.approx(variance, rel=1000 * relative)
        share = np.exp(log_prior_weights - beta * nll + free_energy)
        for name, inside in (phases or {}).items():
            assert row[f"phase:{name}"] == pytest.approx(np.sum(share[inside]), abs=1e-7)


# Linear models: the n-dimensional normal that integrating the weights leaves


@pytest.mark.parametrize("name", ["linear-4", "rank-deficient-4-2", "rank-deficient-2-1", "misspecified-line"])
@pytest.mark.parametrize("beta", [0.03, 0.3, 1.0])
def test_linear_models_against_the_covariance_of_the_observations(name, beta):
    problem = problem_of(name, n=30, seed=1)
    x, y = problem.kwargs["x"], problem.kwargs["y"]
    design = np.column_stack([np.ones_like(x), x]) if x.ndim == 1 else x
    marginal = multivariate_normal(cov=np.eye(30) / beta + design @ design.T).logpdf(y)
    log_z = marginal + 15 * ((1 - beta) * oracles.LOG_2PI - math.log(beta))  # p^β is N(y; Xw, I/β) but for a factor
    assert quadrature(problem, beta).at(beta)["free_energy"] == pytest.approx(-log_z, rel=1e-11)


def test_a_copy_of_a_column_is_a_wider_prior_on_one():
    problem = problem_of(rank_deficient_regression(2, 1), n=40)
    x, y = problem.kwargs["x"][:, 0], problem.kwargs["y"]
    np.testing.assert_array_equal(problem.kwargs["x"][:, 1], x)
    w, log_step = oracles.trapezoid(-12.0, 12.0, 4001)
    nll = 0.5 * np.sum((y - w[:, None] * x) ** 2, axis=1) + 20 * oracles.LOG_2PI
    assert_matches(problem, norm.logpdf(w, scale=math.sqrt(2)) + log_step, nll)


# Generalised linear models: plain grids


@pytest.mark.parametrize("seed", [0, 1])
def test_poisson_regression_against_a_grid(seed):
    problem = problem_of("poisson-2", n=30, seed=seed)
    axis = oracles.trapezoid(-8.0, 8.0, 401)
    u, v, weights = plane(axis, axis)
    weights += norm.logpdf(u) + norm.logpdf(v)
    keep = weights > weights.max() - 45
    w = np.stack([u, v], axis=1)[keep]
    assert_matches(problem, weights[keep], by_hand(problem, {"w": w}))


@pytest.mark.slow
def test_softmax_of_an_intercept_against_a_grid_over_all_three_logits():
    problem = problem_of("softmax-3", n=25)
    axis, log_step = oracles.trapezoid(-7.5, 7.5, 101)
    points = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), axis=-1).reshape(-1, 3)
    weights = norm.logpdf(points).sum(axis=1) + 3 * log_step[0]
    counts = np.bincount(problem.kwargs["y"].astype(int), minlength=3)
    assert_matches(problem, weights, 25 * logsumexp(points, axis=1) - points @ counts)


def test_softmax_of_one_input_against_draws_of_all_three_weights():
    problem = problem_of("softmax-3-1", n=30)
    draws = np.random.default_rng(3).standard_normal((200_000, 3, 1))
    nll = np.concatenate([by_hand(problem, {"W": part}) for part in np.array_split(draws, 20)])
    assert_within_error_of_draws(problem, nll)


def assert_within_error_of_draws(problem, nll):
    exact = quadrature(problem, BETAS)
    for beta in BETAS[1:]:
        estimate, error = oracles.from_prior_draws(nll, beta)
        assert error < 0.03
        assert abs(exact.at(beta)["free_energy"] - estimate) < 4 * error


# A normal with everything unknown


@pytest.mark.parametrize("p", [1, 2, 3])
def test_the_evidence_of_a_normal_is_a_product_of_student_predictions(p):
    problem = problem_of(normal_unknown_covariance(p), n=25)
    kappa, freedom, centre, scale, total = 0.5, p + 2.0, np.zeros(p), np.eye(p), 0.0
    for y in problem.kwargs["y"]:
        shape = scale * (kappa + 1) / (kappa * (freedom - p + 1))
        total += multivariate_t(centre, shape, df=freedom - p + 1).logpdf(y)
        gap = y - centre
        scale = scale + kappa / (kappa + 1) * np.outer(gap, gap)
        centre, kappa, freedom = (kappa * centre + y) / (kappa + 1), kappa + 1, freedom + 1
    assert quadrature(problem, 1.0).at(1.0)["free_energy"] == pytest.approx(-total, rel=1e-11)


def test_a_normal_with_unknown_variance_against_a_grid():
    problem = problem_of("normal-mean-variance", n=20)
    y = problem.kwargs["y"]
    log_precision, mean = oracles.trapezoid(-22.0, 4.2, 900), oracles.trapezoid(-14.0, 14.0, 1201)
    s, z, weights = plane(log_precision, mean)
    precision, mu = np.exp(s), z * np.exp(-0.5 * s) * math.sqrt(2)  # μ in units of its prior deviation
    weights += gamma.logpdf(precision, 1.5, scale=2.0) + s + norm.logpdf(z)
    squares = np.sum(y**2) - 2 * mu * y.sum() + len(y) * mu**2
    nll = 0.5 * precision * squares - 0.5 * len(y) * (s - oracles.LOG_2PI)
    assert_matches(problem, weights, nll, relative=1e-7)


def test_a_normal_in_the_plane_against_draws_from_scipys_wishart():
    problem = problem_of("normal-mean-covariance-2", n=6)
    rng = np.random.default_rng(5)
    precision = wishart(4, np.eye(2)).rvs(200_000, random_state=rng)
    root = np.linalg.cholesky(precision)
    noise = rng.standard_normal((200_000, 2, 1)) * math.sqrt(2)
    mu = np.linalg.solve(root.transpose(0, 2, 1), noise)[..., 0]
    gaps = problem.kwargs["y"][:, None] - mu
    inside = np.sum(np.einsum("nbi,bij->nbj", gaps, root) ** 2, axis=(0, 2))
    nll = 0.5 * inside + 6 * (oracles.LOG_2PI - np.log(root[:, 0, 0] * root[:, 1, 1]))
    assert_within_error_of_draws(problem, nll)


def test_the_prior_that_is_sampled_is_the_wishart_of_the_closed_form():
    problem = catalogue.problem("normal-mean-covariance-2", n=5)
    root, mu = np.array([[0.7, 0.0], [-0.4, 1.3]]), np.array([0.3, -0.8])
    with jax.enable_x64(True):
        z = problem.parts.unconstrain({"T": root, "mu": mu})
        log_prior = float(problem.parts.split(z)[0])
    precision = root @ root.T
    expected = wishart(4, np.eye(2)).logpdf(precision) + multivariate_normal(cov=2 * np.linalg.inv(precision)).logpdf(
        mu
    )
    expected += math.log(4 * root[0, 0] ** 2 * root[1, 1])  # T to T Tᵀ
    expected += math.log(root[0, 0] * root[1, 1])  # the diagonal of T is unconstrained in the log
    assert log_prior == pytest.approx(expected, rel=1e-12)


def test_the_normal_at_any_beta_is_a_ratio_of_wishart_constants():
    problem = problem_of("normal-mean-covariance-2", n=40)
    y = problem.kwargs["y"]
    for beta in (0.1, 0.5):
        count = beta * len(y)
        pseudo = np.vstack([np.sqrt(beta) * np.column_stack([y, np.ones(40)]), math.sqrt(0.5) * np.eye(3)[2:]])
        moments = pseudo.T @ pseudo  # the prior of the mean as half an observation at 0
        scatter = np.eye(2) + moments[:2, :2] - np.outer(moments[:2, 2], moments[:2, 2]) / moments[2, 2]
        after = 4 + count
        log_z = multigammaln(after / 2, 2) - multigammaln(2.0, 2) - 0.5 * after * math.log(np.linalg.det(scatter))
        log_z += math.log(0.5 / moments[2, 2]) - count * math.log(math.pi)
        assert quadrature(problem, beta).at(beta)["free_energy"] == pytest.approx(-log_z, rel=1e-11)


# Edges


@pytest.mark.parametrize(("classes", "empty", "alpha"), [(3, 1, 1), (4, 2, "1/3")])
def test_the_evidence_of_a_multinomial_is_that_of_an_urn(classes, empty, alpha):
    problem = problem_of(boundary_multinomial(classes, empty, alpha), n=30)
    weight = 1 / 3 if alpha == "1/3" else 1.0
    urn, total = np.full(classes, weight), 0.0
    for k in problem.kwargs["y"].astype(int):
        total += math.log(urn[k] / urn.sum())
        urn[k] += 1
    assert quadrature(problem, 1.0).at(1.0)["free_energy"] == pytest.approx(-total, rel=1e-12)


def test_the_trinomial_against_a_grid_of_two_gamma_shares():
    problem = problem_of("trinomial-boundary", n=30)
    share, first = _unit_interval(300), _unit_interval(300)
    s, f, weights = plane(share, first)  # θ3 = 1 − s, θ1 = s f: the uniform prior is 2 s
    first_count, second_count, third_count = np.bincount(problem.kwargs["y"].astype(int), minlength=3)
    assert third_count == 0
    nll = -first_count * np.log(s * f) - second_count * np.log(s * (1 - f))
    assert_matches(problem, weights + np.log(2 * s), nll)


def _unit_interval(count):
    base, gauss = np.polynomial.legendre.leggauss(count)
    u = 0.5 * (base + 1)
    return u**2 * (3 - 2 * u), np.log(3 * gauss * u * (1 - u))


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_half_line_against_adaptive_quadrature(seed):
    problem = problem_of("half-line", n=80, seed=seed)
    y = problem.kwargs["y"]
    exact = quadrature(problem, BETAS)
    for beta in BETAS:

        def tilted(w, power, beta=beta):
            excess = 0.5 * len(y) * w**2 - w * y.sum()
            return excess**power * np.exp(-beta * excess) * halfnorm.pdf(w)

        def integral(power, tilted=tilted):
            pieces = ((0, 0.3), (0.3, 1), (1, 12))
            return sum(integrate.quad(tilted, a, b, args=(power,), epsabs=0, epsrel=1e-11)[0] for a, b in pieces)

        parts = integral(0), integral(1)
        base = 0.5 * len(y) * oracles.LOG_2PI + 0.5 * (y @ y)
        assert exact.at(beta)["free_energy"] == pytest.approx(beta * base - math.log(parts[0]), rel=1e-10, abs=1e-10)
        assert exact.at(beta)["mean_nll"] == pytest.approx(base + parts[1] / parts[0], rel=1e-9)


@pytest.mark.parametrize("seed", [0, 1])
def test_zero_inflation_against_the_finite_sum_over_extra_zeros(seed):
    """At β = 1: each zero is extra or not, t of them are, and both parameters are integrated (n = 60)."""
    problem = problem_of("zip-0", n=60, seed=seed)
    y = problem.kwargs["y"]
    n, zeros, total = len(y), int(np.sum(y == 0)), y.sum()
    t = np.arange(zeros + 1)
    choose = gammaln(zeros + 1) - gammaln(t + 1) - gammaln(zeros - t + 1)
    rest = gammaln(2 + total) - (2 + total) * np.log(1 + n - t)  # Γ(2) = 1
    log_z = logsumexp(choose + betaln(1 + t, 1 + n - t) + rest) - np.sum(gammaln(y + 1))
    assert quadrature(problem, 1.0).at(1.0)["free_energy"] == pytest.approx(-log_z, rel=1e-10)


def test_zero_inflation_against_another_rule_over_both_parameters():
    problem = problem_of("zip-0", n=30)
    y = problem.kwargs["y"]
    log_mu, log_step = oracles.trapezoid(-16.0, 4.0, 1001)
    share, log_mu, weights = plane(_unit_interval(400), (log_mu, log_step))
    mu = np.exp(log_mu)
    weights += gamma.logpdf(mu, 2.0) + log_mu
    zeros = np.sum(y == 0)
    of_some = [np.sum(y == k) * (np.log1p(-share) + poisson.logpmf(k, mu)) for k in range(1, int(y.max()) + 1)]
    nll = -zeros * np.log(share + (1 - share) * np.exp(-mu)) - np.sum(of_some, axis=0)
    assert_matches(problem, weights, nll, relative=1e-7)


# Crossings


@pytest.mark.parametrize("powers", [(3,), (1, 2, 3), (2, 3)])
def test_sums_of_powers_are_products_of_integrals_over_one_parameter(powers):
    problem = problem_of(sum_of_powers(powers), n=40)
    y = problem.kwargs["y"]
    exact = quadrature(problem, BETAS)
    for beta in BETAS:
        log_z = -0.5 * beta * (y.size * oracles.LOG_2PI + np.sum(y**2))
        for total, k in zip(y.sum(axis=0), powers, strict=True):

            def tilted(w, total=total, k=k, beta=beta):
                return np.exp(beta * (w**k * total - 20 * w ** (2 * k))) * norm.pdf(w)

            cuts = itertools.pairwise([-12, -1.5, -0.7, -0.3, 0, 0.3, 0.7, 1.5, 12])
            log_z += math.log(sum(integrate.quad(tilted, a, b, epsabs=0, epsrel=1e-12)[0] for a, b in cuts))
        assert exact.at(beta)["free_energy"] == pytest.approx(-log_z, rel=1e-10, abs=1e-10)


@pytest.mark.parametrize("nonzero", [0, 1, 2])
def test_hadamard_regression_against_the_bessel_density_of_its_products(nonzero):
    """Each product u_j v_j has density K_0(|t|) / π: two coordinates are left, as in linear regression."""
    problem = problem_of(hadamard_regression(2, nonzero), n=30)
    x, y = problem.kwargs["x"], problem.kwargs["y"]
    log_t, log_step = oracles.trapezoid(-28.0, 3.7, 900)
    t = np.exp(log_t)
    log_prior = np.log(kve(0, t)) - t - math.log(math.pi) + log_t + log_step
    axis = np.concatenate([t, -t]), np.concatenate([log_prior, log_prior])
    first, second, weights = plane(axis, axis)
    gram, moment = x.T @ x, x.T @ y
    nll = 0.5 * (gram[0, 0] * first**2 + gram[1, 1] * second**2) + gram[0, 1] * first * second
    nll += 0.5 * len(y) * oracles.LOG_2PI + 0.5 * (y @ y) - moment[0] * first - moment[1] * second
    assert_matches(problem, weights, nll)


@pytest.mark.parametrize(("nonzero", "seed"), [(0, 0), (1, 0), (1, 1), (2, 0)])
def test_squares_regression_against_a_plain_grid(nonzero, seed):
    problem = problem_of(squares_regression(2, nonzero), n=40, seed=seed)
    axis = oracles.trapezoid(-7.0, 7.0, 701)
    u, v, weights = plane(axis, axis)
    x, y = problem.kwargs["x"], problem.kwargs["y"]
    c = np.stack([u**2, v**2])
    nll = 0.5 * len(y) * oracles.LOG_2PI + 0.5 * (y @ y) - (x.T @ y) @ c + 0.5 * np.sum(c * (x.T @ x @ c), axis=0)
    assert_matches(problem, weights + norm.logpdf(u) + norm.logpdf(v), nll, relative=1e-7)


@pytest.mark.parametrize("seed", [0, 1])
def test_line_and_dot_against_a_grid_cut_at_the_border(seed):
    problem = problem_of("line-and-dot", n=30, seed=seed)
    base, gauss = np.polynomial.legendre.leggauss(40)
    across = _panels([-9, -4, -2, -1, -0.5, 0, 0.5, 0.8, 0.9, 0.97, 1, 1.03, 1.1, 1.2, 1.6, 2, 3, 5, 9], base, gauss)
    along = _panels([0, 0.5, 1, 1.5, 2, 3, 5, 9], base, gauss)
    w1, w2, weights = plane(across, along)
    weights += norm.logpdf(w1) + norm.logpdf(w2) + math.log(2)
    x, y = problem.kwargs["x"], problem.kwargs["y"]
    slope = (w1 - 1) * (w1**2 + w2**2) ** 2
    nll = 0.5 * len(y) * oracles.LOG_2PI + 0.5 * (y @ y) - slope * (x @ y) + 0.5 * slope**2 * (x @ x)
    assert_matches(problem, weights, nll, relative=1e-7, phases={"dot": w1 < 0.5, "line": w1 >= 0.5})


def _panels(edges, base, gauss):
    edges = np.array(edges, dtype=float)
    half = np.diff(edges) / 2
    return (edges[:-1, None] + half[:, None] * (base + 1)).ravel(), np.log(half[:, None] * gauss).ravel()


@pytest.mark.parametrize(("powers", "phases"), [((2, 3), ("w1=0", "w2=0")), ((1, 1, 1), ("corner", "edge", "face"))])
def test_phases_of_monomials_against_draws_from_the_prior(powers, phases):
    problem = problem_of(monomial(powers), n=60, seed=1)
    draws = np.random.default_rng(8).standard_normal((400_000, len(powers)))
    w = {f"w{i + 1}": draws[:, i] for i in range(len(powers))}
    slope = np.prod(draws ** np.array(powers), axis=1)
    x, y = problem.kwargs["x"], problem.kwargs["y"]
    excess = 0.5 * slope**2 * (x @ x) - slope * (x @ y)
    exact = quadrature(problem, BETAS)
    for beta in BETAS:
        weight = np.exp(-beta * (excess - excess.min()))
        for name in phases:
            inside = problem.model.phases[name](w)
            share = np.sum(weight[inside]) / np.sum(weight)
            error = np.sqrt(np.sum(weight**2 * (inside - share) ** 2)) / np.sum(weight)
            assert abs(exact.at(beta)[f"phase:{name}"] - share) < 4.5 * error
            assert error < 0.005


def test_three_factors_against_a_grid():
    problem = problem_of(monomial([1, 1, 1]), n=40)
    x, y = problem.kwargs["x"], problem.kwargs["y"]
    log_r, step = oracles.trapezoid(-26.0, 3.2, 500)
    r = np.exp(log_r)
    one = np.log(2) + norm.logpdf(r) + log_r + step  # |w|, in the log
    first = np.log(kve(0, r)) - r + math.log(2 / math.pi) + log_r + step  # |w1 w2|
    p, q, weights = plane((r, first), (r, one))
    t = np.concatenate([p * q, -p * q])
    nll = 0.5 * len(y) * oracles.LOG_2PI + 0.5 * (y @ y) - t * (x @ y) + 0.5 * t**2 * (x @ x)
    assert_matches(problem, np.concatenate([weights, weights]) - math.log(2), nll)


# A truth outside the model


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_parabola_against_a_plain_grid(seed):
    problem = problem_of("misspecified-parabola", n=40, seed=seed)
    w, log_step = oracles.trapezoid(-9.0005, 8.9995, 18_001)
    y = problem.kwargs["y"]
    squared = np.sum(y**2) - 2 * (w * y[:, 0].sum() + w**2 * y[:, 1].sum()) + len(y) * (w**2 + w**4)
    nll = 0.5 * squared + len(y) * oracles.LOG_2PI
    assert_matches(problem, norm.logpdf(w) + log_step, nll, phases={"left": w < 0, "right": w >= 0})


def test_the_parabola_decides_at_random_as_its_first_coordinate_says():
    """Log odds of the wells: 2 Σ y_i1 but for terms of O(1), so F_n − n L_n(w0) has spread of the order of √n."""
    for n, seed in itertools.product((100, 1000), range(3)):
        problem = problem_of("misspecified-parabola", n=n, seed=seed)
        row = quadrature(problem, 0.02).at(0.02)
        odds = math.log(row["phase:right"] / row["phase:left"])
        assert odds == pytest.approx(0.04 * problem.kwargs["y"][:, 0].sum(), abs=0.5)
