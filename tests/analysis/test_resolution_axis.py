"""One axis of temperature: every source against the exact law of what it runs; effective parameters by hand."""

import jax
import numpy as np
import pytest

from singular import models, posteriors
from singular.analysis import axis_sources, effective_parameters, resolution
from singular.analysis.effective_parameters import descent_parameters, tempered_parameters
from singular.analysis.resolution import Gaussian, axis
from singular.errors import InputError
from singular.models.problem import Problem
from singular.models.sufficient import equivalent_rows
from singular.posteriors.langevin_exact import quadratic_sgld_coefficient
from singular.posteriors.langevin_step import langevin_step_size
from singular.posteriors.precision import x64

N, T = 40, 0.05
LINEAR = models.problem("linear-2", n=N, seed=3)


def spectrum(problem=LINEAR):
    """Return h, the least-squares point and the axes."""
    x, y = problem.kwargs["x"], problem.kwargs["y"]
    h, axes = np.linalg.eigh(x.T @ x / len(x))
    return h, axes.T @ np.linalg.lstsq(x, y, rcond=None)[0], axes


def z(row, exact):
    return (row["value"] - exact) / row["mcse"]


@pytest.fixture(scope="module")
def found():
    settings = [
        {"learning_rate": 0.2, "batch_size": 2, "noise": "isotropic"},
        {"learning_rate": 0.1, "batch_size": 4, "momentum": 0.6, "noise": "isotropic", "sigma": 1.2},
        {"learning_rate": 0.2, "batch_size": 2, "weight_decay": 0.0},
    ]
    return axis(LINEAR, [1.0, T], settings=settings, step_size=0.1, steps=[3, 30, 300], seed=1, chains=32, runs=100)


def rows(found, kind):
    return found.table[found.table["kind"] == kind].to_dict("records")


@pytest.mark.slow
def test_the_tempered_posterior_is_exact(found):
    h, least, _ = spectrum()
    own = rows(found, "tempered posterior")
    assert [r["temperature"] for r in own] == [T, 1.0] and found.route == "exact"
    for r in own:
        law = resolution.tempered_quadratic(h, Gaussian(1.0, -least), 1 / r["temperature"])
        assert r["value"] == pytest.approx(law.excess_coefficient, rel=1e-7) and np.isnan(r["ratio"])


def test_isotropic_noise_has_the_law_of_a_finite_step(found):
    h, least, _ = spectrum()
    for r, (eta, batch, mu, sigma) in zip(
        rows(found, "SGD, isotropic noise"), [(0.2, 2, 0.0, 1.0), (0.1, 4, 0.6, 1.2)], strict=True
    ):
        t = eta * sigma**2 / (2 * batch * (1 - mu))
        law = resolution.additive_sgd(
            h, sigma**2, eta, batch_size=batch, momentum=mu, weight_decay=t, decay_centre=-least
        )
        assert r["temperature"] == pytest.approx(t) and abs(z(r, law.excess_coefficient)) < 4
        assert r["mcse"] < 0.03 and r["flags"] == ""
        gibbs = resolution.tempered_quadratic(h, Gaussian(1.0, -least), 1 / t).excess_coefficient
        assert r["ratio"] == pytest.approx(r["value"] / gibbs, rel=1e-6)
        assert r["ratio_error"] == pytest.approx(r["mcse"] / gibbs, rel=1e-6)


def test_the_models_own_noise_is_a_departure_of_known_size(found):
    x, y = LINEAR.kwargs["x"], LINEAR.kwargs["y"]
    (r,) = rows(found, "SGD, the model's own noise")
    law = resolution.minibatch_regression(x, y, 0.2, batch_size=2)
    assert r["temperature"] == pytest.approx(0.05)
    assert abs(z(r, law.excess / r["temperature"])) < 4
    assert abs(r["ratio"] - 1) > 10 * r["ratio_error"]  # and no tempered posterior


def test_sgld_has_the_law_of_its_step(found):
    h, least, _ = spectrum()
    for i, r in enumerate(rows(found, "SGLD")):
        t = 1 / r["temperature"]
        step = (
            axis_sources.SHARE
            * langevin_step_size(LINEAR, t / N, acceptance=axis_sources.ACCEPTANCE, seed=1 + i).step_size
        )
        exact = quadratic_sgld_coefficient(h, 1.0, t, step, offset=-least) + 0.5 * t * np.sum(h * least**2)
        assert abs(z(r, exact)) < 4 and r["mcse"] < 0.05


def test_stopped_descent_is_within_the_bounds(found):
    h, _, _ = spectrum()
    own = rows(found, "gradient descent, stopped")
    for r, n in zip(own, (3, 30, 300), strict=True):
        assert r["value"] == pytest.approx(0.5 * resolution.learned_directions(h, 0.1, n))
        assert r["gibbs"] == pytest.approx(0.5 * np.sum(h / (h + 1 / (0.1 * n))))
        assert r["temperature"] == pytest.approx(1 / (0.1 * n))
        assert 1 <= r["ratio"] <= resolution.largest_ridge_ratio(n)[0]


def test_the_figure_has_values_and_ratios(found):
    above, below = found.figure().axes
    assert "tempered posterior" in above.get_legend_handles_labels()[1][0] and "Ratio" in below.get_title(loc="left")


@pytest.mark.slow
def test_without_an_oracle_a_ladder_stands_in(monkeypatch):
    monkeypatch.setattr(axis_sources, "LADDER", {"chains": 4, "draws": 300, "warmup": 150})
    known = axis(LINEAR, [0.03, 0.3], sgld=False).table
    own = Problem.from_numpyro(LINEAR.density, **LINEAR.kwargs)
    other = axis(own, [0.03, 0.3], sgld=False)
    assert other.route == "NUTS ladder"
    assert all(abs(r.value - e) < 4 * r.mcse for r, e in zip(other.table.itertuples(), known["value"], strict=True))


def test_parameters_of_descent_are_the_trace_of_its_smoother():
    h, _, _ = spectrum()
    frame = descent_parameters(LINEAR, 0.1, [0, 1, 20, 500], runs=3)
    exact = [resolution.learned_directions(h, 0.1, n) for n in (0, 1, 20, 500)]
    np.testing.assert_allclose(frame["value"], exact, rtol=0, atol=1e-10)
    assert frame["mcse"].max() < 1e-10 and frame["time"].tolist() == [0.0, 0.1, 2.0, 50.0]


def test_parameters_of_descent_by_differences():
    """A product of two weights, by hand: descent again with each observation moved a little."""
    problem = models.problem("product", n=6, seed=1)
    x, y = problem.kwargs["x"], problem.kwargs["y"]
    with x64():
        keys = jax.random.split(jax.random.PRNGKey(4), 5)
        starts = np.asarray(jax.vmap(problem.parts.prior_draw)(keys))

    def fitted(y, w):
        for _ in range(40):
            residual = np.mean((w[0] * w[1] * x - y) * x)
            w = w - 0.1 * residual * w[::-1]
        return w[0] * w[1] * x

    step, moved = 1e-5, np.eye(6)
    each = [sum((fitted(y + step * e, w) - fitted(y - step * e, w)) @ e for e in moved) / (2 * step) for w in starts]
    (found,) = descent_parameters(problem, 0.1, [40], runs=5, seed=4).itertuples()
    assert found.value == pytest.approx(np.mean(each), rel=1e-6)
    assert found.mcse == pytest.approx(np.std(each, ddof=1) / np.sqrt(5), rel=1e-5)


@pytest.mark.slow
def test_few_rows_have_the_same_parameters():
    problem = Problem.from_model(models.deep_linear([2, 2, 2], rank=1), n=8, seed=0)
    full, few = (descent_parameters(p, 0.02, [10, 100], runs=4)["value"] for p in (problem, equivalent_rows(problem)))
    np.testing.assert_allclose(full, few, rtol=1e-8)


def test_parameters_of_a_tempered_posterior_are_those_of_ridge():
    h, _, _ = spectrum()
    tree = posteriors.ladder(LINEAR, [0.0, 0.05, 0.3, 1.0], draws=500, warmup=150, progress=False)
    for beta in (0.05, 1.0):
        found = tempered_parameters(tree, LINEAR, beta)
        assert abs(found.value - np.sum(h / (h + 1 / (N * beta)))) < 4 * found.mcse and found.mcse < 0.1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"temperatures": [0.01]}, "at least 1/n"),
        ({"temperatures": []}, "at least 1/n"),
        ({"settings": [{"learning_rate": 0.1}]}, "no noise"),
        ({"settings": [{"learning_rate": 0.1, "batch_size": 4, "noise": "mixed"}]}, r"settings\[0\]"),
        ({"settings": [{"learning_rate": 0.1, "batch_size": 4, "steps": 10}]}, r"settings\[0\]"),
        ({"settings": [{"learning_rate": 0.001, "batch_size": 4}]}, "1/n = 0.025 or more"),
        ({"step_size": 0.1}, "needs both"),
        ({"step_size": 0.1, "steps": [1000]}, "up to n"),
        ({"step_size": 0.1, "steps": [5, 3]}, "ascending"),
        ({"prior_precision": 0.0}, "prior_precision"),
        ({"runs": 1}, "runs"),
    ],
)
def test_bad_arguments(change, message):
    with pytest.raises(InputError, match=message):
        axis(LINEAR, **{"temperatures": [0.1], "sgld": False, **change})


def test_bad_problems_and_steps():
    with pytest.raises(InputError, match="normal observations"):
        descent_parameters(models.problem("poisson-2", n=10), 0.1, [1])
    with pytest.raises(InputError, match="ascending"):
        descent_parameters(LINEAR, 0.1, [3, 2])
    with pytest.raises(InputError, match="smaller step"):
        descent_parameters(models.problem("product", n=20), 50.0, [200], runs=3)
    assert effective_parameters.predictions(LINEAR)[1] == 1.0
