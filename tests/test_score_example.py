"""The worked example that scores devinterp: its settings, lambda_hat's formula and its page, without torch."""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest
import xarray as xr

from singular import analysis, models
from singular.analysis.score import by_family, by_problem, joined
from singular.analysis.scoring import Score
from singular.analysis.submission import read_submissions
from singular.analysis.targets import ExactValue
from singular.posteriors.localise import localise
from tests.ladders import tree
from tests.programs import imported

NAMES = (
    "score_devinterp_findings", "score_devinterp_page", "score_devinterp_picture", "score_devinterp_problem",
    "score_devinterp_runs", "score_devinterp_settings", "score_lambda_hat",
)  # fmt: skip
N = 500


@pytest.fixture(scope="module")
def programs():
    with imported(NAMES) as modules:
        yield modules


@pytest.fixture(scope="module")
def settings(programs):
    return programs["score_devinterp_settings"]


class TestSettings:
    def test_n_beta_is_built_from_the_batch_by_devinterp_alone(self, settings):
        for setting in settings.SETTINGS:
            rows = setting.batch if setting.batch and setting.tool == "devinterp" else N
            assert settings.n_beta(setting, N) == rows / math.log(rows)
            assert ("nβ" in settings.method(setting, N)) == (rows != N)

    def test_what_samples_another_posterior_is_no_local_coefficient(self, settings):
        for setting in settings.SETTINGS:
            scored = settings.targets(setting, "linear-4", N)
            same = setting.gamma > 0 and settings.n_beta(setting, N) == N / math.log(N)
            assert ("local_learning_coefficient" in scored) == same
            assert settings.targets(setting, "tanh-3", N) == ["learning_coefficient"]

    def test_gradients_of_batches_are_parts_of_whole_ones(self, settings):
        part, whole = settings.SETTINGS[:2]
        assert settings.calls(part) == settings.calls(whole) == settings.gradients(whole, N) == 1000
        assert settings.gradients(part, N) == 500  # batches of 256 and 244
        theirs = settings.SETTINGS[-1]
        assert settings.gradients(theirs, N) == settings.calls(theirs) * 256 / N

    def test_names_are_told_apart(self, settings):
        assert len({settings.method(setting, N) for setting in settings.SETTINGS}) == len(settings.SETTINGS)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["linear-4", "reduced-rank-3-3-2-1", "deep-linear-2-2-1-2-r0", "tanh-2-1"])
def test_the_loss_of_an_exported_problem_is_its_own(programs, tmp_path, name):
    subject = programs["score_devinterp_problem"].exported_subject(name, 40, 1, tmp_path)
    problem = models.problem(name, n=40, seed=1)
    at = programs["score_devinterp_problem"].mean_loss(subject.family, subject.optimum, subject.x, subject.y, np.tanh)
    assert 40 * at == pytest.approx(problem.reference.nll, rel=1e-9)


class TestLambdaHat:
    def test_the_formula_is_our_local_learning_coefficient(self, programs):
        """On the same exact draws of a localised linear regression both are the same number."""
        problem = models.problem("linear-2", n=60, seed=3)
        local, beta = localise(problem, problem.reference.z, 2.0), 1 / math.log(60)
        x, y = problem.kwargs["x"], problem.kwargs["y"]
        root = np.linalg.cholesky(np.linalg.inv(beta * x.T @ x + 2.0 * np.eye(2)))
        shifts = np.random.default_rng(0).standard_normal((4, 500, 2)) @ root.T
        residuals = y - (problem.reference.z + shifts) @ x.T
        nll = 0.5 * (residuals**2).sum(-1) + 30 * math.log(2 * math.pi)
        prior = 0.5 * np.sum(math.log(2.0 / (2 * math.pi)) - 2.0 * shifts**2, axis=-1)
        ladder = tree([beta], nll=nll[..., None])
        ladder["sample_stats"] = ladder["sample_stats"].to_dataset().assign(
            log_prior=xr.DataArray(prior[..., None], dims=("chain", "draw", "beta"))
        )  # fmt: skip
        ladder.attrs |= {"data_hash": local.data_hash, "wbic_beta": beta}
        ours = analysis.local_learning_coefficient(ladder, local)
        theirs, error = programs["score_lambda_hat"].lambda_hat(nll / 60, local.centre_nll / 60, 60 * beta)
        assert theirs == pytest.approx(ours.value, rel=1e-9)
        assert error == pytest.approx(ours.mcse, rel=0.3)  # of independent draws, estimated in two ways

    @pytest.mark.parametrize("step", [1e-3, 2e-2])
    def test_the_sampler_has_the_bias_of_its_step(self, programs, settings, step):
        """Full batch on a quadratic: every coordinate has variance 1/(a(1 − εa/4)) with a = nβh + γ, at any step."""
        curvatures, factor, gamma = np.array([1.0, 0.2]), 50.0, 1.0
        precise = factor * curvatures + gamma
        exact = 0.5 * np.sum(factor * curvatures / (precise * (1 - step * precise / 4)))
        setting = settings.SETTINGS[-1]._replace(
            step=step, gamma=gamma, batch=None, chains=8, draws=40000, burn_in=4000
        )
        h = jnp.asarray(curvatures, jnp.float32)
        found = programs["score_lambda_hat"].sampled_losses(
            lambda w, rows: 0.5 * jnp.sum(h * w**2), jnp.zeros(2, jnp.float32), 10, setting, factor, jax.random.key(4)
        )
        assert found.shape == (8, 4000)
        value, error = programs["score_lambda_hat"].lambda_hat(found, 0.0, factor)
        assert abs(value - exact) < 4 * error
        assert error < 0.02


METHODS = {  # differences from the exact value 1.0 on two data sets, claimed error, λ being 1.5
    "devinterp: step 0.0001": ([-0.5, -0.4], 0.1),
    "devinterp: step 0.001": ([0.1, 0.0], 0.1),
    "devinterp: step 0.01": ([0.5, 0.5], 0.1),
    "lambda_hat: step 0.001": ([0.2, 0.2], 0.1),
}


@pytest.fixture
def scored(programs, runs, tmp_path):
    """Return a score of made-up estimates: the local coefficient is 1 and λ is 1.5."""
    lines = [
        f"linear-4,500,{seed},{target},{1.0 + off},{error},{method},100,{gamma}"
        for method, (offs, error) in METHODS.items()
        for seed, off in enumerate(offs)
        for target, gamma in (("learning_coefficient", ""), ("local_learning_coefficient", 1.0))
    ]
    file = tmp_path / "estimates.csv"
    file.write_text("problem,n,seed,target,value,error,method,gradients,gamma\n" + "\n".join(lines), encoding="utf-8")
    estimates = read_submissions([file])
    ours = estimates[(estimates["method"] == "devinterp: step 0.001") & (estimates["gamma"] == 1.0)]
    estimates = pd.concat([estimates, ours.assign(method="singular")], ignore_index=True)
    exact = {
        ("linear-4", 500, seed, target, gamma): ExactValue(value, 0.0, "made up")
        for seed in (0, 1)
        for target, gamma, value in (("learning_coefficient", None, 1.5), ("local_learning_coefficient", 1.0, 1.0))
    }
    rows = joined(estimates, exact)
    made = Score(rows, by_family(rows), by_problem(rows), tmp_path, tmp_path / "score.png")
    return programs["score_devinterp_findings"].apart(runs, made)


@pytest.fixture
def runs(settings):
    """Return made-up runs, one without an answer and one negative."""
    rows = [
        {"problem": "linear-4", "family": "linear regression", "n": N, "seed": seed, "tool": method.split(":")[0],
         "method": method, "gamma": 1.0, "value": 1.0 + off, "error": error, "gradients": 100.0, "status": "",
         "targets": ["learning_coefficient", "local_learning_coefficient"]}
        for method, (offs, error) in METHODS.items() for seed, off in enumerate(offs)
    ]  # fmt: skip
    lost = {**rows[0], "method": "devinterp: defaults", "value": None, "error": None, "status": "NaN detected"}
    return pd.DataFrame([*rows, lost, {**lost, "seed": 1, "value": -0.2, "error": 0.1, "status": ""}])


def near(scored):
    return scored.families[scored.families["family"] == "all but far out"]


class TestFindings:
    def test_runs_without_an_answer_are_told(self, programs, runs):
        findings = programs["score_devinterp_findings"]
        assert findings.unanswered(runs).endswith("1 of 10 runs: devinterp: defaults: 1 of 2 (linear-4).")
        assert findings.unanswered(runs[runs["status"] == ""]) == "Each of 9 runs gave an answer."

    def test_negative_estimates_are_told(self, programs, runs):
        findings = programs["score_devinterp_findings"]
        assert findings.negative(runs).endswith("devinterp: defaults: 1.")
        assert findings.negative(runs.iloc[:4]) == "No estimate is negative."

    def test_data_sets_with_an_optimum_far_out_are_told_apart(self, programs, settings, runs, scored):
        findings = programs["score_devinterp_findings"]
        assert findings.far_out(runs) == ""
        far = runs["family"].where(runs["seed"] == 0, runs["family"] + settings.FAR_OUT)
        runs = runs.assign(family=far, value=runs["value"].where(runs["seed"] == 0, 1e4))
        told = findings.far_out(runs)
        assert told.startswith("On 1 of 2 data sets") and "linear-4, seed 1. Estimates there go up to 1e+04" in told
        families = findings.apart(runs, scored).families
        assert set(families["family"]) == {"linear regression", "linear regression, w* far out", "all", settings.NEAR}
        near = families[families["family"] == settings.NEAR].set_index(["quantity", "method"])
        assert near.loc[("local_learning_coefficient", "devinterp: step 0.001"), "bias"] == pytest.approx(0.1)
        assert (near["count"] == 1).all()

    def test_the_best_follows_the_numbers(self, programs, scored):
        findings = programs["score_devinterp_findings"]
        told = findings.best(near(scored), "local_learning_coefficient")
        assert "devinterp: step 0.001, 0.0707 with 100 gradients a row (0.5)" in told and "singular, 0.0707" in told
        assert "devinterp: step 0.01, 0 " in findings.best(near(scored), "learning_coefficient")

    def test_coverage_follows_the_numbers(self, programs, scored):
        told = programs["score_devinterp_findings"].covered(near(scored), "local_learning_coefficient")
        assert "devinterp's chains holds it in 0% to 100% of" in told and "sd/√ESS holds it in 0% of" in told

    def test_agreement_with_the_limit_is_held_against_what_is_sampled(self, programs, scored):
        told = programs["score_devinterp_findings"].agreement(scored.rows)
        assert told.startswith("On 2 of 2 data sets the step that comes nearest λ is not the one")
        same = scored.rows.assign(difference=scored.rows["difference"].where(scored.rows["gamma"].notna(), 9.0))
        same.loc[same["method"].str.endswith("0.001") & same["gamma"].isna(), "difference"] = 0.0
        assert programs["score_devinterp_findings"].agreement(same).startswith("On all 2 data sets")

    def test_bias_goes_with_the_step(self, programs, scored):
        told = programs["score_devinterp_findings"].steps(near(scored))
        assert "the local coefficient -0.45 at 0.0001, +0.05 at 0.001, +0.5 at 0.01" in told

    def test_what_the_localiser_takes_is_told(self, programs, scored):
        told = programs["score_devinterp_findings"].localised(scored.rows)
        assert "at γ = 1 from -0.5 to -0.5, mean -0.5" in told


def test_the_submission_is_one_that_can_be_read(programs, runs, tmp_path):
    made = programs["score_devinterp_runs"].submission(runs, "devinterp")
    assert len(made) == 14  # six runs of the sweep and one of the defaults, against two targets
    made.to_csv(tmp_path / "made.csv", index=False)
    read = read_submissions([tmp_path / "made.csv"])
    assert (read["gamma"].notna() == (read["target"] == "local_learning_coefficient")).all()


def test_the_page_and_the_table_hold_what_was_lost(programs, runs, scored, monkeypatch):
    page = programs["score_devinterp_page"]
    monkeypatch.setattr(page, "versions", lambda tool: {tool: "0.0"})
    text = page.page(runs, scored, 2000)
    assert "devinterp 0.0" in text and "1 of 10 runs" in text and "Scored against λ" in text
    table = page.table(runs, scored)
    assert table.loc[table["method"].str.startswith("devinterp"), "version"].eq("devinterp 0.0").all()
    assert table["no answer"].sum() == 0  # of methods with an answer; the page tells of those without any


def test_the_picture_has_a_panel_for_each_target(programs, scored):
    figure = programs["score_devinterp_picture"].picture(scored.rows)
    assert len(figure.axes) == 2
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == list(METHODS)
