"""The oracles of linear networks by second routes: the other factor left to a grid, Bessel densities, brute force."""

from __future__ import annotations

import types

import jax
import numpy as np
import pytest
from scipy.optimize import least_squares
from scipy.special import k0, logsumexp, ndtr
from scipy.stats import chi, ncx2, norm

from singular.errors import InputError
from singular.models.linear_networks import linear_oracle, linear_scales, linear_truth
from singular.models.linear_networks.deep_linear import deep_linear
from singular.models.linear_networks.matrix_factor import matrix_factor
from singular.models.linear_networks.reduced_rank import reduced_rank
from singular.posteriors.quadrature import population, quadrature
from tests import oracles

BETAS = [0.0, 0.03, 1 / np.log(60), 1.0]


def problem_of(model, n=60, seed=0):
    return types.SimpleNamespace(model=model, kwargs=model.simulate(jax.random.key(seed), n), n=n, name=model.name)


def in_logs(low, high, step):
    """Return nodes and log weights of the trapezoid rule in log r."""
    t = np.arange(low, high, step)
    return np.exp(t), t + np.log(step)


def product(*rules):
    """Return the product of (nodes, log weights) as flat coordinates and log weights."""
    nodes = np.meshgrid(*(rule[0] for rule in rules), indexing="ij")
    weights = np.meshgrid(*(rule[1] for rule in rules), indexing="ij")
    return [c.ravel() for c in nodes], np.add.reduce([w.ravel() for w in weights])


def circle(count):
    angle = 2 * np.pi * np.arange(count) / count
    return angle, np.full(count, -np.log(count))


def of_norm(degrees, low=-13.0, step=0.12):
    """Return a rule in the norm of a Gaussian vector, its density in the weights."""
    r, log_r = in_logs(low, 2.4, step)
    return r, log_r + chi.logpdf(r, degrees)


def assert_the_other_factor_agrees(problem, b, log_weights, relative=1e-8):
    """Hold F, E and Var against a sum over the last factor B (S, outputs, hidden), A in closed form by LAPACK."""
    exact = quadrature(problem, BETAS)
    for beta in BETAS:
        gap = 1e-4 * beta if beta else 1e-6
        points = [max(beta - gap, 0), beta, beta + gap]
        f = [
            -logsumexp(log_weights + np.concatenate(
                [oracles.reduced_rank_given_outer(part, problem.kwargs, at) for part in np.array_split(b, 8)]))
            for at in points
        ]  # fmt: skip
        row = exact.at(beta)
        assert row["free_energy"] == pytest.approx(f[1], rel=relative, abs=1e-8)
        if beta:
            assert row["mean_nll"] == pytest.approx((f[2] - f[0]) / (2 * gap), rel=1e-6)
            assert row["variance_nll"] == pytest.approx(-(f[2] - 2 * f[1] + f[0]) / gap**2, rel=5e-3)


@pytest.mark.parametrize(
    ("sizes", "seed"), [((1, 2, 1, 0), 0), ((2, 2, 1, 0), 1), ((2, 2, 1, 1), 0), ((2, 2, 1, 1), 2)]
)
def test_one_hidden_unit_by_the_other_factor(sizes, seed):
    (r, angle), weights = product(of_norm(2), circle(160))
    b = np.stack([r * np.cos(angle), r * np.sin(angle)], axis=1)[:, :, None]
    assert_the_other_factor_agrees(problem_of(reduced_rank(*sizes), seed=seed), b, weights)


def test_one_hidden_unit_and_one_output_by_the_other_factor():
    b, weights = of_norm(1, low=-42.0, step=0.1)  # B and −B alike
    assert_the_other_factor_agrees(problem_of(reduced_rank(2, 1, 1, 0), seed=3), b[:, None, None], weights)


@pytest.mark.parametrize(("hidden", "rank"), [(2, 0), (2, 1)])
@pytest.mark.slow
def test_two_hidden_units_by_the_other_factor(hidden, rank):
    """B up to rotation of its columns is (r, 0; p, q): r is χ₂, p normal, q χ₁."""
    p, log_p = np.sinh(np.arange(-9.0, 9.0, 0.11)) * 0.002, np.arange(-9.0, 9.0, 0.11)
    log_p = np.log(0.002 * np.cosh(log_p) * 0.11) + norm.logpdf(p)
    (r, p, q), weights = product(of_norm(2, -12.0, 0.2), (p, log_p), of_norm(1, -24.0, 0.2))
    keep = weights > weights.max() - 42
    b = np.stack([r, np.zeros_like(r), p, q], axis=1)[keep].reshape(-1, 2, 2)
    problem = problem_of(reduced_rank(2, 2, hidden, rank), n=30)
    exact = quadrature(problem, BETAS)
    for beta in BETAS:
        parts = [oracles.reduced_rank_given_outer(part, problem.kwargs, beta) for part in np.array_split(b, 20)]
        brute = -logsumexp(weights[keep] + np.concatenate(parts))
        assert exact.at(beta)["free_energy"] == pytest.approx(brute, rel=1e-7, abs=1e-6)


@pytest.mark.parametrize("beta", [0.05, 1.0])
def test_the_underspecified_member_by_the_other_factor(beta):
    base, gauss = np.polynomial.legendre.leggauss(60)
    height = base, np.log(gauss / 2)
    (r, z, angle), weights = product(of_norm(3, -8.0, 0.2), height, circle(100))
    flat = r * np.sqrt(1 - z**2)
    b = np.stack([r * z, flat * np.cos(angle), flat * np.sin(angle)], axis=1)[:, :, None]
    problem = problem_of(reduced_rank(3, 3, 1, 2), n=40)
    parts = [oracles.reduced_rank_given_outer(part, problem.kwargs, beta) for part in np.array_split(b, 20)]
    brute = -logsumexp(weights + np.concatenate(parts))
    assert quadrature(problem, beta).at(beta)["free_energy"] == pytest.approx(brute, rel=1e-8)


# Bessel densities


def test_two_hidden_units_and_one_input_by_the_bessel_density_of_the_slope():
    """The slope in R² of widths 1, 2, 2 has density K₀(|s|)/2π."""
    problem = problem_of(reduced_rank(1, 2, 2, 0))
    x, y = problem.kwargs["x"][:, 0], problem.kwargs["y"]
    (s, angle), weights = product(in_logs(-22.0, 4.2, 0.05), circle(64))
    weights = weights + np.log(s * k0(s))
    cross = s * (np.cos(angle) * (x @ y[:, 0]) + np.sin(angle) * (x @ y[:, 1]))
    nll = 0.5 * (y.size * oracles.LOG_2PI + np.sum(y**2)) - cross + 0.5 * s**2 * (x @ x)
    assert_moments(problem, weights, nll)


def test_three_unit_layers_by_the_bessel_density_of_two():
    problem = problem_of(deep_linear([1, 1, 1, 1], 0))
    x, y = problem.kwargs["x"][:, 0], problem.kwargs["y"][:, 0]
    (t, w), weights = product(in_logs(-44.0, 4.0, 0.1), of_norm(1, -44.0, 0.1))
    slope, weights = t * w, weights + np.log(2 * k0(t) / np.pi)
    weights, slope = np.concatenate([weights, weights]) - np.log(2), np.concatenate([slope, -slope])
    nll = 0.5 * (y.size * oracles.LOG_2PI + y @ y) - slope * (x @ y) + 0.5 * slope**2 * (x @ x)
    assert_moments(problem, weights, nll)


def test_four_unit_layers_by_two_bessel_densities():
    problem = problem_of(deep_linear([1, 1, 1, 1, 1], 0), seed=1)
    x, y = problem.kwargs["x"][:, 0], problem.kwargs["y"][:, 0]
    bessel = in_logs(-44.0, 4.0, 0.1)
    bessel = bessel[0], bessel[1] + np.log(2 * k0(bessel[0]) / np.pi)
    (t, u), weights = product(bessel, bessel)
    weights, slope = np.concatenate([weights, weights]) - np.log(2), np.concatenate([t * u, -t * u])
    nll = 0.5 * (y.size * oracles.LOG_2PI + y @ y) - slope * (x @ y) + 0.5 * slope**2 * (x @ x)
    assert_moments(problem, weights, nll)


def test_two_wide_layers_between_one_input_and_one_output_by_bessel_and_a_normal():
    """Widths 1, 2, 2, 1: the slope is p w with p of density p K₀(p) and w normal."""
    problem = problem_of(deep_linear([1, 2, 2, 1], 0))
    x, y = problem.kwargs["x"][:, 0], problem.kwargs["y"][:, 0]
    (p, w), weights = product(in_logs(-22.0, 4.0, 0.1), of_norm(1, -42.0, 0.1))
    slope, weights = p * w, weights + np.log(p * k0(p)) - np.log(2)
    weights, slope = np.concatenate([weights, weights]), np.concatenate([slope, -slope])
    nll = 0.5 * (y.size * oracles.LOG_2PI + y @ y) - slope * (x @ y) + 0.5 * slope**2 * (x @ x)
    assert_moments(problem, weights, nll)


def assert_moments(problem, weights, nll):
    exact = quadrature(problem, BETAS)
    for beta in BETAS:
        free_energy, mean, variance = oracles.grid_moments(weights, nll, beta)
        row = exact.at(beta)
        assert row["free_energy"] == pytest.approx(free_energy, rel=1e-9, abs=1e-9)
        assert row["mean_nll"] == pytest.approx(mean, rel=1e-8)
        assert row["variance_nll"] == pytest.approx(variance, rel=1e-6)


@pytest.mark.parametrize("widths", [(2, 2, 1, 2), (2, 2, 1, 2, 2)])
def test_a_bottleneck_by_its_other_side(widths):
    """The outputs' side: b times the norms of the wide layers, the inputs' vector in closed form."""
    model = deep_linear(widths, 0 if len(widths) == 4 else 1)
    (r, size, angle), weights = product(of_norm(2, -12.0, 0.2), of_norm(2, -12.0, 0.2), circle(100))
    scale = r * size
    if len(widths) == 5:  # two wide layers: p K₀(p) instead of one χ₂
        bessel = in_logs(-14.0, 4.0, 0.2)
        (p, size, angle), weights = product((bessel[0], bessel[1] + np.log(bessel[0] * k0(bessel[0]))),
                                            of_norm(2, -12.0, 0.2), circle(100))  # fmt: skip
        scale = p * size
    keep = weights > weights.max() - 45
    b = (scale[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1))[keep][:, :, None]
    problem = problem_of(model)
    exact = quadrature(problem, BETAS)
    for beta in BETAS:
        parts = [oracles.reduced_rank_given_outer(part, problem.kwargs, beta) for part in np.array_split(b, 20)]
        brute = -logsumexp(weights[keep] + np.concatenate(parts))
        assert exact.at(beta)["free_energy"] == pytest.approx(brute, rel=1e-8, abs=1e-7)


# The rules


@pytest.mark.parametrize(
    ("degrees", "moment"), [((1,), 1.0), ((2,), 2.0), ((1, 1, 1), 1.0), ((2, 3, 1), 6.0), ((4, 2), 8.0)]
)
def test_products_of_chi_variables_have_their_moments(degrees, moment):
    rule = linear_scales.chi_product(degrees, 0.1)
    assert np.exp(rule.log_weights).sum() == pytest.approx(1.0, abs=1e-13)
    assert (np.exp(rule.log_weights) * rule.points**2).sum() == pytest.approx(moment, rel=1e-12)


@pytest.mark.parametrize("rows", [2, 3, 5])
def test_shapes_of_gaussian_matrices_are_those_of_draws(rows):
    values, log_weights = linear_scales.shapes(rows, 0.05)
    weights = np.exp(log_weights)
    drawn = np.linalg.svd(np.random.default_rng(6).standard_normal((200_000, rows, 2)), compute_uv=False)
    drawn /= np.linalg.norm(drawn, axis=1)[:, None]
    assert weights.sum() == pytest.approx(1.0, abs=1e-10)
    assert (values**2).sum(axis=1) == pytest.approx(1.0, abs=1e-12)
    for power in (1, 2, 4):
        sample = drawn[:, 1] ** power
        error = sample.std() / np.sqrt(len(sample))
        assert abs(weights @ values[:, 1] ** power - sample.mean()) < 4 * error


@pytest.mark.slow
def test_row_column_and_pair_are_the_same_integral_where_two_apply():
    truth = linear_truth.true_matrix(2, 1, 1)
    data = reduced_rank(2, 1, 1, 1).simulate(jax.random.key(0), 50)
    for widths, kinds in [([2, 1, 1], ("_column", "_row")), ([2, 2, 1], ("_row", "_pair"))]:
        models = [getattr(linear_oracle, kind)(widths, truth) for kind in kinds]
        for finite in (True, False):
            one, two = ((model[0] if finite else model[1]) for model in models)
            at = BETAS if finite else [1.0, 1e3]
            holders = [types.SimpleNamespace(integral=i, population=i, name="") for i in (one, two)]
            if finite:
                frames = [
                    quadrature(types.SimpleNamespace(model=h, kwargs=data, n=50, name=""), at).frame for h in holders
                ]
                np.testing.assert_allclose(frames[0]["free_energy"], frames[1]["free_energy"], rtol=1e-9, atol=1e-10)
                np.testing.assert_allclose(frames[0]["mean_nll"], frames[1]["mean_nll"], rtol=1e-8)
            else:
                logs = [population(h, at)["log_z"] for h in holders]
                np.testing.assert_allclose(logs[0], logs[1], atol=1e-5)


# Phases


@pytest.mark.parametrize("seed", [0, 1])
def test_phase_masses_with_one_input_by_the_other_factor(seed):
    """Given B the one weight of A is normal: its chance to be the smaller."""
    problem = problem_of(reduced_rank(1, 2, 1, 0), seed=seed)
    x, y = problem.kwargs["x"][:, 0], problem.kwargs["y"]
    (r, angle), weights = product(of_norm(2, -13.0, 0.06), circle(120))
    b = np.stack([r * np.cos(angle), r * np.sin(angle)], axis=1)
    exact = quadrature(problem, BETAS)
    for beta in BETAS:
        logs = weights + oracles.reduced_rank_given_outer(b[:, :, None], problem.kwargs, beta)
        share = np.exp(logs - logsumexp(logs))
        precision = 1 + beta * r**2 * (x @ x)
        mean = beta * (b @ (y.T @ x)) / precision
        inside = ndtr((r - mean) * np.sqrt(precision)) - ndtr((-r - mean) * np.sqrt(precision))
        assert exact.at(beta)["phase:A=0"] == pytest.approx(share @ inside, abs=1e-8)


def test_phase_masses_with_two_inputs_by_the_other_factor():
    """With orthogonal inputs A given B is normal, equal in all directions: a non-central χ² in place of Rice's law."""
    model = reduced_rank(2, 2, 1, 0)
    x = np.sqrt(20.0) * np.linalg.qr(np.random.default_rng(8).standard_normal((40, 2)))[0]
    data = {"x": x, "y": np.random.default_rng(9).standard_normal((40, 2)) + x @ np.array([[0.2, 0.0], [0.1, 0.05]])}
    problem = types.SimpleNamespace(model=model, kwargs=data, n=40, name="")
    (r, angle), weights = product(of_norm(2, -13.0, 0.06), circle(120))
    b = np.stack([r * np.cos(angle), r * np.sin(angle)], axis=1)
    exact = quadrature(problem, BETAS)
    for beta in BETAS:
        logs = weights + oracles.reduced_rank_given_outer(b[:, :, None], data, beta)
        share = np.exp(logs - logsumexp(logs))
        precision = 1 + beta * r**2 * 20
        mean = beta * (b @ (data["y"].T @ x)) / precision[:, None]
        inside = ncx2.cdf(r**2 * precision, 2, np.sum(mean**2, axis=1) * precision)
        assert exact.at(beta)["phase:A=0"] == pytest.approx(share @ inside, abs=1e-8)


# Matrix factorisation


@pytest.mark.parametrize("sizes", [(2, 2, 1, 0), (3, 2, 2, 1)])
def test_copies_of_a_matrix_are_a_regression_on_unit_vectors(sizes):
    model = matrix_factor(*sizes)
    rows, columns, factors, rank = sizes
    problem = problem_of(model, n=12)
    y = problem.kwargs["y"]
    data = {"x": np.tile(np.eye(columns), (12, 1)), "y": y.transpose(0, 2, 1).reshape(-1, rows)}
    same = types.SimpleNamespace(model=reduced_rank(columns, rows, factors, rank), kwargs=data, n=12, name="")
    one, two = (quadrature(p, BETAS).frame for p in (problem, same))
    for column in ("free_energy", "mean_nll", "variance_nll"):
        np.testing.assert_allclose(one[column], two[column], rtol=1e-9, atol=1e-9)


# The population integral: by draws, and its decay


def decay(model):
    sizes = np.exp(np.linspace(np.log(1e8), np.log(1e12), 13))
    return np.log(sizes), population(model, sizes)["log_z"].to_numpy()


MEMBERS = [
    reduced_rank(1, 2, 1, 0), reduced_rank(2, 1, 1, 0), reduced_rank(2, 2, 1, 0), reduced_rank(2, 2, 1, 1),
    reduced_rank(1, 2, 2, 0), reduced_rank(2, 2, 2, 0), reduced_rank(3, 3, 1, 2), deep_linear([1, 1, 1, 1], 0),
    deep_linear([1, 2, 2, 1], 0), deep_linear([2, 2, 1, 2], 0), deep_linear([2, 2, 1, 2, 2], 1),
    deep_linear([1, 1, 1, 1, 1], 0),
]  # fmt: skip


@pytest.mark.parametrize(
    "model",
    [*MEMBERS, reduced_rank(2, 2, 2, 1), reduced_rank(2, 2, 2, 2), deep_linear([2, 2, 2, 2], 0),
     deep_linear([2, 2, 3, 2], 0), deep_linear([2, 3, 1], 1), matrix_factor(3, 2, 2, 1)],
    ids=lambda m: m.name,
)  # fmt: skip
def test_the_population_integral_is_the_mean_of_its_integrand_over_prior_draws(model):
    rng = np.random.default_rng(10)
    draws = {site: rng.standard_normal((200_000, *np.shape(value))) for site, value in model.optimum.items()}
    with jax.enable_x64(True):
        excess = np.asarray(model.excess_loss(draws))
    for t in (0.3, 5.0):
        estimate, error = oracles.from_prior_draws(excess, t)
        assert error < 0.05
        assert abs(-population(model, [t])["log_z"][0] - estimate) < 4.5 * error


@pytest.mark.slow
def test_three_layers_of_two_decay_with_a_pole_of_order_three():
    """λ = 3/2, m = 3, fitted against m = 2 and 4."""
    model = deep_linear([2, 2, 2, 2], 0)
    sizes = np.exp(np.linspace(np.log(1e7), np.log(1e12), 9))
    log_n, log_z = np.log(sizes), population(model, sizes)["log_z"].to_numpy()

    def gap(parameters, m):
        level, value, shift = parameters
        return level - value * log_n + (m - 1) * np.log(log_n + shift) - log_z

    fits = {m: least_squares(gap, [0.0, 1.5, 0.0], args=(m,), x_scale="jac", xtol=1e-15, ftol=1e-15) for m in (2, 3, 4)}
    worst = {m: np.abs(fit.fun).max() for m, fit in fits.items()}
    assert (model.exact.value, model.exact.multiplicity) == (1.5, 3)
    assert fits[3].x[1] == pytest.approx(1.5, abs=5e-3)
    assert worst[3] < 0.5 * min(worst[2], worst[4])


@pytest.mark.parametrize("model", MEMBERS, ids=lambda m: m.name)
def test_the_population_decays_as_its_coefficient_says(model):
    """log Z = −λ L + log of a polynomial in L of degree m − 1 fits, with m and not with a degree less or more."""
    log_n, log_z = decay(model)
    true_value, true_m = float(model.exact.value), model.exact.multiplicity
    fits = {}
    for m in range(1, true_m + 2):
        design = np.stack([-log_n, np.ones_like(log_n), 1 / log_n], axis=1)
        target = log_z - (m - 1) * np.log(log_n)
        solution, *_ = np.linalg.lstsq(design, target)
        fits[m] = solution[0], np.abs(design @ solution - target).max()
    assert fits[true_m][0] == pytest.approx(true_value, abs=2e-3)
    assert all(fits[true_m][1] < 0.3 * fits[m][1] for m in fits if m != true_m)


def test_one_layer_is_no_deep_network():
    with pytest.raises(InputError, match=r"widths=\[3, 2\]: allowed are at least three"):
        deep_linear([3, 2], 0)
