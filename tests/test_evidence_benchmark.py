"""The arithmetic of the evidence benchmark, without the packages it compares."""

from __future__ import annotations

import importlib
import math

import numpy as np
import numpyro
import numpyro.distributions as dist
import pandas as pd
import pytest
from scipy.stats import norm

from singular import analysis, models, posteriors
from singular.models.density import map_rows
from tests.programs import imported

PROBLEM = "reduced-rank-3-3-2-1"
NAMES = ("evidence_page", "evidence_peers", "evidence_picture", "evidence_runs", "evidence_table", "evidence_tools")


@pytest.fixture(scope="module")
def programs():
    with imported(NAMES) as modules:
        yield modules


@pytest.fixture(scope="module")
def table(programs):
    return programs["evidence_table"]


def rows_of(
    tool: str, method: str, errors, evaluations: int, claimed: float = 0.1, problem: str = "reduced-rank-3-3-2-1"
):
    """Return rows as runs are kept: gradients alone, the first call taking ten seconds more."""
    return pd.DataFrame(
        {"problem": PROBLEM, "d": 12, "n": 300, "seed": seed, "tool": tool, "method": method, "value": 5.0 + error,
         "claimed": claimed, "exact": 5.0, "oracle_error": 0.001, "likelihoods": 0, "gradients": evaluations,
         "seconds": 2.0 + 10.0 * (seed == 0), "call": seed, "status": "done", "flags": None, "version": "1"}
        for seed, error in enumerate(errors)
    )  # fmt: skip


@pytest.fixture
def rows(programs):
    failed = rows_of("jaxns", "", [math.nan], 0, math.nan).assign(status="over the limit of 240 s", seconds=math.nan)
    return pd.concat(
        [rows_of("ladder", "mbar", [0.1, -0.1, 0.1], 1000), rows_of("ladder", "bridge", [0.01] * 3, 1000),
         rows_of("dynesty", "static", [0.5, 0.5], 5000), rows_of("blackjax", "smc", [0.2, -0.2], 5000, math.nan),
         rows_of("numpyro", "bridge at β = 1 alone", [0.001] * 3, 100), failed],
        ignore_index=True,
    )  # fmt: skip


def test_the_yardstick_is_evaluations_times_squared_error(table):
    measured = table.yardstick(np.array([100.0, 300.0]), np.array([0.1, -0.3]))
    assert measured.value == pytest.approx(200 * 0.05)
    assert measured.low < measured.value < measured.high


@pytest.mark.parametrize("runs", [2, 5])
def test_the_interval_of_a_yardstick_holds_it_as_often_as_it_says(table, runs):
    rng = np.random.default_rng(1)
    found = [table.yardstick(np.full(runs, 10.0), 0.3 * rng.standard_normal(runs)) for _ in range(4000)]
    held = np.mean([y.low < 10 * 0.09 < y.high for y in found])
    assert held == pytest.approx(table.LEVEL, abs=4 * math.sqrt(0.09 / 4000))


def test_the_interval_of_a_ratio_holds_it_as_often_as_it_says(table):
    rng = np.random.default_rng(2)
    held = []
    for _ in range(4000):
        first, second = 0.1 * rng.standard_normal(5), 0.2 * rng.standard_normal(3)
        low, high = table.ratio_interval(np.mean(first**2) / np.mean(second**2), 5, 3)
        held.append(low < 0.25 < high)
    assert np.mean(held) == pytest.approx(table.LEVEL, abs=4 * math.sqrt(0.09 / 4000))


def test_standings_have_a_row_for_each_reading_that_was_done(table, rows):
    standings = table.standings(rows).set_index(["tool", "method"])
    assert len(standings) == 5
    ours = standings.loc[("ladder", "mbar")]
    assert ours["yardstick"] == pytest.approx(1000 * 0.01)
    assert ours["yardstick, gradient = 3"] == pytest.approx(3000 * 0.01)
    assert ours["claimed yardstick"] == pytest.approx(1000 * 0.01)
    assert ours["mean error"] == pytest.approx(0.1 / 3)
    assert math.isnan(standings.loc[("blackjax", "smc"), "claimed error"])


def test_the_best_peer_is_another_package_and_no_reading_of_ours(table, rows):
    verdict = table.verdicts(table.standings(rows), {PROBLEM: 0.1}).iloc[0]
    assert verdict["best peer"] == "blackjax, adaptive tempered SMC: smc"
    assert verdict["ratio"] == pytest.approx(10 / (5000 * 0.04))
    assert (verdict["met"], verdict["known"]) == ("met", "no")
    stricter = table.verdicts(table.standings(rows), {PROBLEM: 0.04}).iloc[0]
    assert stricter["met"] == "not met"
    assert table.verdicts(table.standings(rows), {PROBLEM: None}).iloc[0]["met"] == ""


def test_what_compiling_takes_is_what_a_first_call_takes_longer(table, rows):
    times = table.times(rows).set_index("tool")
    assert times.loc["our ladder", "compiling"] == pytest.approx(10.0)
    assert times.loc["our ladder", "evaluations a second"] == pytest.approx(500)


def test_a_run_without_an_answer_is_told(programs, table, rows):
    left = table.unfinished(rows)
    assert left.to_dict("records") == [
        {"problem": "reduced-rank-3-3-2-1", "tool": "jaxns", "status": "over the limit of 240 s", "seeds": "0"}
    ]
    text = programs["evidence_page"].page(rows, 3, 240)
    assert "over the limit of 240 s" in text
    assert "met on 1 of 1 problems as measured (reduced-rank-3-3-2-1)" in text


@pytest.mark.slow
def test_a_process_over_its_limit_is_kept_as_such(programs, tmp_path):
    found = programs["evidence_runs"].batch("ladder", "linear-4", [0, 1], tmp_path, limit=0, until=math.inf)
    assert found["status"].tolist() == ["over the limit of 0 s", "not tried, as seed 0 was over the limit of 0 s"]
    assert found["value"].isna().all()


def test_what_there_was_no_time_for_is_told_and_not_kept(programs, tmp_path):
    found = programs["evidence_runs"].batch("ladder", "linear-4", [0, 1], tmp_path, limit=60, until=0.0)
    assert found["status"].tolist() == ["not run", "not run"]
    assert not list(tmp_path.iterdir())


def test_the_picture_has_a_panel_for_each_problem_and_one_for_the_legend(programs, table, rows):
    figure = programs["evidence_picture"].picture(table.standings(rows))
    assert [panel.get_title() for panel in figure.axes if panel.get_title()] == ["reduced-rank-3-3-2-1, d = 12"]
    assert sum(panel.get_legend() is not None for panel in figure.axes) == 1


class TestPriorTransform:
    def test_independent_normals_go_through_their_quantiles(self, programs):
        problem = models.problem("reduced-rank-2-2-2-1", n=20, seed=0)
        u = np.linspace(0.01, 0.99, problem.dim)
        with posteriors.x64():
            z = np.asarray(programs["evidence_peers"].prior_transform(problem)(u))
        np.testing.assert_allclose(z, norm.ppf(u), atol=1e-10)

    def test_a_prior_that_depends_on_another_site_is_followed(self, programs):
        def model(y):
            scale = numpyro.sample("scale", dist.LogNormal(0.0, 0.5))
            effect = numpyro.sample("effect", dist.Normal(1.0, scale).expand([2]).to_event(1))
            numpyro.sample("y", dist.Normal(effect.sum(), 1.0), obs=y)

        problem = models.Problem.from_numpyro(model, y=np.array([0.3]))
        u = np.array([0.9, 0.2, 0.7])
        with posteriors.x64():
            z = np.asarray(programs["evidence_peers"].prior_transform(problem)(u))
            names = list(problem.parts.sites.latent)
            values = {k: np.asarray(v) for k, v in problem.parts.constrain(z).items()}
        assert sorted(names) == ["effect", "scale"]
        quantiles = dict(zip(names, np.split(u, [1] if names[0] == "scale" else [2]), strict=True))
        scale = math.exp(0.5 * norm.ppf(quantiles["scale"][0]))
        assert values["scale"] == pytest.approx(scale)
        np.testing.assert_allclose(values["effect"], 1.0 + scale * norm.ppf(quantiles["effect"]), atol=1e-9)


class TestCounting:
    def test_the_bridge_is_counted_by_what_it_evaluates(self, programs, monkeypatch):
        problem, tools = models.problem("linear-4", n=30, seed=0), programs["evidence_tools"]
        draws = np.random.default_rng(0).standard_normal((2, 101, 4))
        with posteriors.x64():
            nll = map_rows(problem.parts.split, draws.reshape(-1, 4))[1].reshape(2, 101, 1)
        tree = tools.ladder_of(nll, [1.0], {"w": draws})
        seen = []
        bridge = importlib.import_module("singular.analysis.bridge")
        density = bridge._Warp._log_density

        def counted(warp, z):
            seen.append(z.shape[0] if z.ndim == 2 else z.size // z.shape[-1])
            return density(warp, z)

        monkeypatch.setattr(bridge._Warp, "_log_density", counted)
        analysis.bridge(tree, problem)
        assert sum(seen) == tools.bridge_likelihoods(tree)
