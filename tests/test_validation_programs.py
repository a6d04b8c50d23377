"""The arithmetic of the validation programs: closed forms, second routes, and estimators held against the oracles."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import minimize

from singular import models, posteriors
from singular.models import catalogue, real
from tests.oracles import negative_log_likelihood
from tests.programs import imported

NAMES = (
    "validate_wbic",
    "validate_learning_curve",
    "validate_published",
    "gibbs_reduced_rank",
    "least_nll",
    "exact_predictive",
    "published_crossings",
    "published_pines",
    "published_ranks",
)


@pytest.fixture(scope="module")
def programs():
    with imported(NAMES) as modules:
        yield modules


@pytest.fixture(scope="module")
def wbic(programs):
    return programs["validate_wbic"]


@pytest.fixture(scope="module")
def curve(programs):
    return programs["validate_learning_curve"]


@pytest.fixture(scope="module")
def published(programs):
    return programs["validate_published"]


@pytest.fixture(scope="module")
def predictive(programs):
    return programs["exact_predictive"]


@pytest.fixture(scope="module")
def crossings(programs):
    return programs["published_crossings"]


@pytest.fixture(scope="module")
def pines(programs):
    return programs["published_pines"]


@pytest.fixture(scope="module")
def ranks(programs):
    return programs["published_ranks"]


class TestWbic:
    @pytest.mark.parametrize(
        "name", ["linear-4", "logistic-2", "reduced-rank-2-2-1-0", "relu-1", "tanh-1", "product", "mixture-symmetric"]
    )
    def test_the_least_nll_is_what_a_search_finds(self, programs, name):
        problem = models.problem(name, n=60, seed=4)
        optimum = catalogue.get(name).optimum
        shapes = {site: np.shape(value) for site, value in optimum.items()}
        rng = np.random.default_rng(0)

        def nll(flat):
            parameters, start = {}, 0
            for site, shape in shapes.items():
                size = math.prod(shape)
                parameters[site] = flat[start : start + size].reshape(1, *shape)
                start += size
            return float(negative_log_likelihood(name, parameters, problem.kwargs)[0])

        dim = sum(math.prod(shape) for shape in shapes.values())
        options = {"xatol": 1e-8, "fatol": 1e-10, "maxiter": 4000}
        found = [minimize(nll, rng.normal(size=dim), method="Nelder-Mead", options=options).fun for _ in range(8)]
        least = programs["least_nll"].LEAST[name](**problem.kwargs)
        assert least == pytest.approx(min(found), abs=2e-3)
        assert least < min(found) + 1e-6

    @pytest.mark.parametrize("name", ["linear-4", "normal-mean-variance", "mixture-known", "deep-linear-1-1-1-1-r0"])
    def test_the_nll_at_the_truth_is_the_one_by_hand(self, programs, name):
        problem = models.problem(name, n=40, seed=1)
        optimum = {site: np.asarray(value, dtype=float)[None] for site, value in catalogue.get(name).optimum.items()}
        by_hand = negative_log_likelihood(name, optimum, problem.kwargs)[0]
        assert programs["least_nll"].at_truth(name)(problem.kwargs) == pytest.approx(by_hand, abs=1e-9)

    def test_the_noise_free_offset_of_a_linear_model_is_its_closed_form(self, wbic):
        n = 300
        power = sum(w**2 for w in (1, -1 / 2, 1 / 3, -1 / 4))
        t = n / math.log(n)
        mean_excess = 2 / (1 + t) + 0.5 * power / (1 + t) ** 2
        log_z = -2 * math.log(1 + n) - 0.5 * power * n / (1 + n)
        still = wbic.noise_free("linear-4", [50, n]).loc[n]
        assert still.wbic == pytest.approx(n * mean_excess, abs=1e-9)
        assert still.offset == pytest.approx(n * mean_excess + log_z, abs=1e-9)

    def test_in_a_regular_model_the_bias_is_the_noise_free_offset(self, wbic):
        n = 500
        row = wbic.summarise(wbic.measure("linear-4", n, 100), "linear-4", n, wbic.noise_free("linear-4", [n]).loc[n])
        assert abs(row["noise"]) < 4 * row["± bias"] + 0.02
        assert row["± bias"] < 0.02
        assert abs(row["fluctuation"] + 2.0) < 4 * row["± fluctuation"]
        assert abs(row["remainder"]) < 4 * row["± remainder"]
        assert row["± remainder"] < 0.2
        assert row["WBIC − leading"] == pytest.approx(row["without noise"] + row["fluctuation"], abs=1e-9)

    def test_signs_are_counted_beyond_two_errors(self, wbic):
        table = pd.DataFrame({"bias": [-1.0, 0.1, 0.3, 1.0], "± bias": 0.1})
        assert wbic._signs(table).startswith("mean below 0 in 1, above 0 in 2 of 4")


class TestLearningCurve:
    @pytest.mark.parametrize("name", ["linear-4", "tanh-1-1", "product", "tanh-1", "monomial-1-2", "tanh-2"])
    def test_predictive_and_left_out_densities_are_differences_of_the_free_energy(self, predictive, name):
        more = models.problem(name, n=31, seed=3)
        fewer = models.problem(name, n=30, seed=3)
        step = (
            posteriors.quadrature(more, 1.0).at(1.0).free_energy - posteriors.quadrature(fewer, 1.0).at(1.0).free_energy
        )
        x, y = more.kwargs["x"][30:], more.kwargs["y"][30:]
        kind = predictive.KINDS[name]
        before, after = predictive.posterior(name, fewer.kwargs), predictive.posterior(name, more.kwargs)
        centre, spread = predictive.predictive_moments(before, kind.features(before.points, x))
        logs = -0.5 * ((y - centre) ** 2 / (1 + spread) + np.log1p(spread) + predictive.LOG_2PI)
        assert -predictive.log_sum_exp(before.log_weights + logs[:, 0]) == pytest.approx(step, abs=1e-9)
        alone = predictive.leave_one_out_excess(name, after, {"x": more.kwargs["x"], "y": more.kwargs["y"]})
        others = 0.0
        for k in range(31):
            rest = {key: np.delete(value, k, axis=0) for key, value in more.kwargs.items()}
            post = predictive.posterior(name, rest)
            centre, spread = predictive.predictive_moments(
                post, kind.features(post.points, more.kwargs["x"][k : k + 1])
            )
            gap, mean = more.kwargs["y"][k] - centre, kind.truth(more.kwargs["x"][k : k + 1])[0]
            logs = -0.5 * (gap**2 / (1 + spread) + np.log1p(spread))
            others += -predictive.log_sum_exp(post.log_weights + logs[:, 0]) - 0.5 * (more.kwargs["y"][k] - mean) ** 2
        assert alone == pytest.approx(others / 31, abs=1e-9)

    @pytest.mark.parametrize("name", ["product", "tanh-1-1"])
    @pytest.mark.slow
    def test_the_generalisation_loss_is_a_double_integral(self, predictive, name):
        kind, post = predictive.KINDS[name], predictive.posterior(name, models.problem(name, n=20, seed=5).kwargs)
        x, noise = (g.ravel() for g in np.meshgrid(np.arange(-7, 7.01, 0.05), np.arange(-8, 8.1, 0.1), indexing="ij"))
        weights = np.exp(-0.5 * (x**2 + noise**2)) * 0.005 / (2 * math.pi)
        centre, spread = predictive.predictive_moments(post, kind.features(post.points, x))
        logs = -0.5 * ((kind.truth(x) + noise - centre) ** 2 / (1 + spread) + np.log1p(spread))
        ratio = -0.5 * noise**2 - predictive.log_sum_exp(post.log_weights[:, None] + logs)
        assert predictive.generalisation_excess(name, post) == pytest.approx(float(weights @ ratio), abs=1e-9)

    def test_linear_regression_agrees_with_its_closed_form(self, curve):
        rows = curve.measure("linear-4", 60, 100)
        both = (rows.fresh + rows.held_out) / 2
        error = both.std(ddof=1) / 10
        exact, spread = curve.linear_closed_form(60, 300)
        assert abs(both.mean() - exact) < 4 * math.hypot(error, spread)
        assert error < 0.05 * exact
        assert rows.fresh.corr(rows.held_out) < -0.8

    def test_a_wishart_matrix_has_its_mean(self, curve):
        rng = np.random.default_rng(1)
        roots = np.array([curve._root_of_wishart(rng, 50) for _ in range(2000)])
        mean = np.mean(np.swapaxes(roots, 1, 2) @ roots, axis=0)
        np.testing.assert_allclose(mean, 50 * np.eye(4), atol=4 * 10 / math.sqrt(2000))


class TestPublished:
    @pytest.mark.parametrize("powers", [(0, 1), (1, 1), (1, 2), (2, 2), (2, 3), (3, 3)])
    def test_two_routes_to_a_crossing_agree(self, crossings, powers):
        n_beta = 1000 / math.log(1000)
        by_rule = crossings.crossing_moments(powers, 4.0, 0.0, n_beta)[0]
        assert by_rule == pytest.approx(crossings.crossing_by_densities(powers, n_beta), rel=2e-6)

    def test_a_line_in_one_weight_has_its_closed_form(self, crossings):
        precision, pull = 2 * 144.76 * 3.9, 2 * 144.76 * 0.02
        centre, variance = pull / precision, 1 / precision
        exact = 144.76 * (3.9 * (centre**2 + variance) - 2 * 0.02 * centre)
        assert crossings.crossing_moments((0, 1), 3.9, 0.02, 144.76)[0] == pytest.approx(exact, rel=1e-6)

    def test_factor_analysis_agrees_with_the_published_table(self, published):
        table = published.factor_rows()
        assert set(table["same"]) <= {"yes", "not answered"}
        assert (table["same"] == "yes").sum() >= 9

    @pytest.mark.parametrize("covariate", [1, 2])
    def test_two_routes_to_the_evidence_of_pine_agree(self, pines, covariate):
        data = real.problem(f"pine-{covariate}").kwargs
        exact = pines.pine_exact(data["x"], data["y"], 1.0)
        assert exact == pytest.approx(pines.pine_by_variance(data["x"], data["y"]), abs=1e-9)
        assert pines.pine_exact(data["x"], data["y"], 0.0) == pytest.approx(0.0, abs=1e-9)

    def test_the_table_over_ranks_counts_trials_and_increments(self, ranks):
        rows = pd.DataFrame(
            {"H": h, "trial": t, "excess": 10.0 * abs(h - 3) + t, "mcse": 0.1, "ess": 100.0, "rhat": 1.0,
             "coefficient": 1.0}
            for h in range(1, 7) for t in range(3)
        )  # fmt: skip
        over, steps = ranks.rank_table(rows)
        assert over["smallest in"].tolist() == [0, 0, 3, 0, 0, 0]
        assert over["λ"].tolist() == ["11/2", "10", "27/2", "15", "16", "17"]
        assert over["m"].tolist() == [1, 1, 1, 2, 1, 2]
        assert steps["increment"].tolist() == pytest.approx([10.0, 10.0, 10.0])
        assert steps["Δλ log n"].tolist() == pytest.approx([1.5 * math.log(500), math.log(500), math.log(500)])

    @pytest.mark.parametrize("covariate", [1, 2])
    def test_one_other_row_of_the_pines_gives_what_is_published(self, pines, covariate):
        data = real.problem(f"pine-{covariate}").kwargs
        published = pines.PINE[covariate]
        assert abs(published + pines.pine_exact(data["x"], data["y"], 1.0)) > 0.05
        assert -pines.pine_exact(*pines.other_copy(covariate), 1.0) == pytest.approx(published, abs=4e-4)


class TestGibbs:
    @pytest.mark.parametrize(("name", "hidden"), [("reduced-rank-1-2-2-0", 2), ("reduced-rank-2-2-1-1", 1)])
    @pytest.mark.parametrize("beta", [0.2, 1.0])
    def test_draws_agree_with_the_oracle(self, programs, name, hidden, beta):
        problem = models.problem(name, n=50, seed=2)
        exact = posteriors.quadrature(problem, beta).at(beta)
        gibbs = programs["gibbs_reduced_rank"]
        sums = gibbs.sums_of(problem.kwargs["x"][None], problem.kwargs["y"][None], 40)
        drawn = gibbs.sample(sums, hidden, beta, 1.0, 1.0, draws=1200, warmup=100, seed=7)
        chains, squares = drawn.mean(axis=1), (drawn - exact.mean_nll) ** 2
        error = chains.std(ddof=1) / math.sqrt(40)
        assert abs(chains.mean() - exact.mean_nll) < 4 * error
        assert error < 0.05
        spread = squares.mean(axis=1).std(ddof=1) / math.sqrt(40)
        assert abs(squares.mean() - exact.variance_nll) < 4 * spread
