"""The score of a perfect submission is perfect, honest noise has its coverage, a bias is seen."""

from __future__ import annotations

import functools
import math
import os

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from singular import models
from singular.analysis import cases, exact_target, export, score, scoring
from singular.analysis.figures_score import score_figure
from singular.analysis.score import LEVELS, by_family, by_problem, coverage, joined, scores
from singular.analysis.score_table import notes, shown_score
from singular.analysis.targets import LOCAL, TARGETS, ExactValue
from singular.errors import InputError, StoreError

HEADER = "problem,n,seed,target,value,error,method,gradients,gamma\n"
GAMMA = 2.0
ROWS = 2000
EXACT = 70.0
OWN = [target for target in TARGETS if target != LOCAL]
SHORT = {"chains": 2, "draws": 40, "warmup": 40}


def submission(values, errors, name="tanh-2", target="wbic", method="mine") -> pd.DataFrame:
    """Estimates on as many data sets as there are values."""
    rows = {"problem": name, "n": 100, "seed": np.arange(len(values)), "target": target, "value": values}
    rows |= {"error": errors, "method": method, "gradients": 1e3, "gamma": math.nan, "source": "here"}
    return pd.DataFrame(rows)


def scored(estimates: pd.DataFrame, exact_error: float = 0.0, values=None) -> pd.DataFrame:
    values = np.full(len(estimates), EXACT) if values is None else values
    keys = zip(estimates["problem"], estimates["n"], estimates["seed"], estimates["target"], strict=True)
    return joined(
        estimates, {(*key, None): ExactValue(v, exact_error, "known") for key, v in zip(keys, values, strict=True)}
    )


def band(level: float, count: int = ROWS) -> tuple[float, float]:
    """Where the coverage of right errors lies 999 times in 1000."""
    low, high = stats.binom.interval(0.999, count, level / 100)
    return low / count, high / count


def write(path, rows) -> None:
    lines = [",".join(str(cell) for cell in row) for row in rows]
    path.write_text(HEADER + "\n".join(lines) + "\n")


def _perfect(problem, target, gamma):
    value = float(exact_target(problem, target, gamma).value)
    return target, value, 0.0, "", 10, "" if gamma is None else gamma


# --- what a score says -----------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_perfect_submission_is_perfect(tmp_path):
    """Exact values of every target, written to a file and read back."""
    rows = []
    for name in ("linear-2", "product", "tanh-1", "reduced-rank-1-2-1-0"):
        for seed in (0, 1):
            problem = models.problem(name, n=30, seed=seed)
            asked = [(target, None) for target in OWN] + [(LOCAL, GAMMA)] * (problem.dim == 2)
            rows += [(name, 30, seed, *_perfect(problem, target, gamma)) for target, gamma in asked]
    write(tmp_path / "perfect.csv", rows)
    found = score([tmp_path / "perfect.csv"], tmp_path / "out", ours=False)
    for table in (found.families, found.problems):
        assert (table["bias"] == 0).all() and (table["rmse"] == 0).all() and (table["rms_z"] == 0).all()
        assert all((table[f"coverage_{level}"] == 1).all() for level in LEVELS)
    assert set(found.rows["quantity"]) == {row[3] for row in rows} and (found.rows["flags"] == "").all()
    assert (found.rows["difference"] == 0).all() and len(found.rows) == len(rows)
    every = found.families.set_index(["quantity", "family"])
    assert every.loc[("wbic", "all"), "count"] == 8 and every.loc[("wbic", "tanh network"), "gradients"] == 20
    assert pd.read_csv(tmp_path / "out" / "rows.csv")["value"].tolist() == found.rows["value"].tolist()
    assert found.picture.read_bytes().startswith(b"\x89PNG")
    assert not list((tmp_path / "out" / "ladders").iterdir())


@pytest.mark.parametrize("seed", range(3))
def test_honest_noise_has_the_coverage_it_claims(seed):
    """Errors of many sizes, each claimed as it is."""
    random = np.random.default_rng(seed)
    size = random.uniform(0.05, 2.0, ROWS)
    (row,) = by_family(scored(submission(EXACT + size * random.normal(size=ROWS), size))).to_dict("records")
    for level in LEVELS:
        low, high = band(level)
        assert low < row[f"coverage_{level}"] < high
        assert row[f"coverage_{level}_low"] < row[f"coverage_{level}"] < row[f"coverage_{level}_high"]
    assert abs(row["rms_z"] - 1) < 4 / math.sqrt(2 * ROWS)
    assert abs(row["bias"]) < 4 * row["bias_mcse"]
    assert row["rmse"] == pytest.approx(math.sqrt(np.mean(size**2)), abs=4 * row["rmse_mcse"])
    assert row["rmse_mcse"] < 0.05 * row["rmse"]
    assert row["median_error"] == pytest.approx(np.median(size)) and row["gradients"] == 1e3 * ROWS


def test_errors_claimed_three_times_too_small_cover_too_little():
    noise = np.random.default_rng(5).normal(size=ROWS)
    (row,) = by_family(scored(submission(EXACT + 0.3 * noise, 0.1))).to_dict("records")
    for level in LEVELS:
        truth = 100 * (2 * stats.norm.cdf(stats.norm.ppf(0.5 + level / 200) / 3) - 1)
        low, high = band(truth)
        assert low < row[f"coverage_{level}"] < high < level / 100 - 0.2
    assert row["rms_z"] == pytest.approx(3, abs=0.2)


@pytest.mark.parametrize("bias", [-0.4, 0.05])
def test_a_bias_shows_within_its_error(bias):
    noise = np.random.default_rng(6).normal(size=ROWS)
    (row,) = by_family(scored(submission(EXACT + bias + 0.5 * noise, 0.5))).to_dict("records")
    assert abs(row["bias"] - bias) < 4 * row["bias_mcse"] and row["bias_mcse"] < 0.02
    assert abs(row["bias"]) > 3 * row["bias_mcse"]
    assert row["rmse"] == pytest.approx(math.hypot(bias, 0.5), abs=4 * row["rmse_mcse"])


@pytest.mark.slow
def test_the_error_of_an_exact_value_counts():
    """Value and reference are both off by 0.3: the difference is by 0.42, and its error with it."""
    random = np.random.default_rng(7)
    estimates = submission(EXACT + 0.3 * random.normal(size=ROWS), 0.3)
    rows = scored(estimates, 0.3, EXACT + 0.3 * random.normal(size=ROWS))
    (row,) = by_family(rows).to_dict("records")
    low, high = band(95)
    assert low < row["coverage_95"] < high and abs(row["rms_z"] - 1) < 0.1
    assert by_family(rows.assign(exact_error=0.0))["bias_mcse"].item() < row["bias_mcse"]
    lines = notes(rows)
    assert "wbic: exact values have errors up to 0.3, counted in z, by: known" in lines


def test_a_shared_exact_value_s_error_is_not_averaged_away():
    """A hundred methods on one data set have one exact value: its error is that of their bias too."""
    rows = pd.concat([submission([EXACT], 0.1, method=f"m{i}") for i in range(100)], ignore_index=True)
    table = joined(rows, {("tanh-2", 100, 0, "wbic", None): ExactValue(EXACT, 0.3, "known")})
    assert scores(table)["bias_mcse"] == pytest.approx(0.3)
    apart = scored(submission(np.full(100, EXACT), 0.1), exact_error=0.3)
    assert scores(apart)["bias_mcse"] == pytest.approx(0.03)


def test_without_claimed_errors_there_is_no_coverage():
    rows = scored(submission([70.0, 71.0], math.nan))
    (row,) = by_family(rows).to_dict("records")
    assert row["claimed"] == 0 and math.isnan(row["coverage_95"]) and math.isnan(row["rms_z"])
    assert (row["bias"], row["rmse"]) == (0.5, pytest.approx(math.sqrt(0.5)))
    assert math.isnan(by_family(rows.iloc[:1])["bias_mcse"].item())


def test_an_error_of_nothing_is_right_only_if_there_is_no_difference():
    rows = scored(submission([EXACT, EXACT + 1e-6], 0.0))
    assert rows["z"].tolist() == [0.0, math.inf]
    assert coverage(rows["z"].to_numpy(), 95)[0] == 0.5


def test_estimates_far_off_their_claims_are_told():
    rows = scored(submission([70.19, 70.6, 69.0], [0.05, 0.05, math.nan]))
    assert rows["flags"].tolist() == ["", "claimed 0.05, off by +0.6", ""]
    assert notes(rows) == ["* tanh-2, n = 100, seed 1, wbic, mine: claimed 0.05, off by +0.6"]
    many = notes(scored(submission(np.full(50, 80.0), 0.05)))
    assert len(many) == 21 and many[-1] == "* and 30 more: column flags of rows.csv"


def test_families_and_targets_are_kept_apart_and_summed_up():
    rows = scored(
        pd.concat(
            [
                submission([71.0, 72.0], 1.0, "tanh-2"),
                submission([70.0, 70.0], 1.0, "linear-2"),
                submission([75.0], 1.0, "linear-2", "free_energy"),
            ],
            ignore_index=True,
        )
    )
    table = by_family(rows)
    assert table[["quantity", "family", "bias"]].to_numpy().tolist() == [
        ["free_energy", "linear regression", 5.0],
        ["wbic", "tanh network", 1.5],
        ["wbic", "linear regression", 0.0],
        ["wbic", "all", 0.75],
    ]
    assert rows.loc[rows["quantity"] == "free_energy", "beta"].tolist() == [1.0]
    assert rows.loc[rows["quantity"] == "wbic", "beta"].unique() == pytest.approx(1 / math.log(100))
    assert by_problem(rows)[["quantity", "problem", "count"]].to_numpy().tolist() == [
        ["free_energy", "linear-2", 1], ["wbic", "linear-2", 2], ["wbic", "tanh-2", 2],
    ]  # fmt: skip


def test_the_picture_shows_a_row_of_panels_for_each_target():
    noise = np.random.default_rng(8).normal(size=20)
    estimates = [submission(EXACT + noise, 1.0, name, method=m) for name in ("tanh-2", "product") for m in ("a", "b")]
    rows = scored(pd.concat([*estimates, submission([70.0], math.nan, target="free_energy")], ignore_index=True))
    figure = score_figure(rows, by_family(rows))
    assert len(figure.axes) == 8
    errors, _, covered, cost = figure.axes[4:]
    assert [label.get_text() for label in errors.get_yticklabels()] == ["tanh network", "monomial regression"]
    assert errors.get_title(loc="left").startswith("WBIC")
    drawn = [line.get_ydata()[0] for line in covered.lines if len(line.get_xdata()) == 3]
    assert any(np.isclose(drawn, by_family(rows).query("family == 'all'")["coverage_50"].iloc[0]))
    assert cost.get_xscale() == "log"
    assert figure.axes[3].texts[0].get_text().startswith("no gradients told")


# --- the whole -------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_our_own_ladders_stand_beside_and_are_taken_again(tmp_path, monkeypatch):
    write(tmp_path / "mine.csv", [
        ("linear-2", 30, 0, "wbic", 40.0, 0.1, "", 100, ""),
        ("linear-2", 30, 0, "free_energy", 40.0, 0.1, "", 100, ""),
        ("linear-2", 30, 0, LOCAL, 1.0, 0.1, "", 100, GAMMA),
        ("linear-2", 30, 0, "learning_coefficient", 1.0, 0.1, "", 100, ""),
    ])  # fmt: skip
    told = []
    first = score([tmp_path / "mine.csv"], tmp_path / "out", **SHORT, progress=False, report=told.append)
    assert told == ["[1/1] linear-2, n = 30, seed 0"]
    own = first.rows.loc[first.rows["method"] == "singular"]
    assert own["quantity"].tolist() == ["wbic", "free_energy", LOCAL]
    assert (own["z"].abs() < 5).all() and (own["mcse"] > 0).all() and (own["gradients"] > 100).all()
    names = sorted(path.name for path in (tmp_path / "out" / "ladders").iterdir())
    assert names == ["linear-2-local-n30-seed0-gamma2.0.nc", "linear-2-n30-seed0.nc"]

    @functools.wraps(cases.ladder)  # its defaults are part of what a ladder is known by
    def refused(*_args, **_kwargs):
        pytest.fail("sampled again")

    monkeypatch.setattr(cases, "ladder", refused)
    second = score([tmp_path / "mine.csv"], tmp_path / "out", **SHORT, progress=False)
    pd.testing.assert_frame_equal(first.rows, second.rows)
    tables = shown_score(second)
    assert "linear regression" in tables[0].frame["family"].tolist()
    assert any("singular is our own ladder" in note for note in tables[-1].notes)


@pytest.mark.slow
def test_exported_optima_are_what_local_estimates_are_scored_at(tmp_path):
    """A flipped optimum, moved along the ridge: another local coefficient."""
    written = export("product", n=20, out=tmp_path)
    with np.load(written.arrays) as file:
        held = {name: file[name] for name in file.files}
    moved = held["optimum"] * [2.0, 0.5]
    np.savez(written.arrays, **{**held, "optimum": moved})
    problem = models.problem("product", n=20)
    value = exact_target(problem, LOCAL, GAMMA, moved).value
    write(tmp_path / "mine.csv", [("product", 20, 0, LOCAL, value, 0.0, "", "", GAMMA)])
    there, anew = (score([tmp_path / "mine.csv"], tmp_path / "out", ours=False, exports=e) for e in (tmp_path, None))
    assert there.families["rmse"].item() == 0.0 and anew.families["rmse"].item() > 1e-3
    with pytest.raises(StoreError, match="nowhere: there is no such folder"):
        score([tmp_path / "mine.csv"], tmp_path / "out", ours=False, exports=tmp_path / "nowhere")


def test_an_unknown_learning_coefficient_is_told_with_its_row(tmp_path):
    write(tmp_path / "mine.csv", [("tanh-4-1", 30, 0, "learning_coefficient", 1.0, 0.1, "", "", "")])
    with pytest.raises(InputError, match=r"mine.csv, line 2: .*λ of 'tanh-4-1' is not known"):
        score([tmp_path / "mine.csv"], tmp_path / "out", ours=False)


def test_a_full_disk_leaves_the_last_score(tmp_path, monkeypatch):
    write(tmp_path / "mine.csv", [("linear-2", 30, 0, "wbic", 40.0, 0.1, "", "", "")])
    score([tmp_path / "mine.csv"], tmp_path / "out", ours=False)
    before = {path.name: path.read_bytes() for path in (tmp_path / "out").glob("*.*")}
    assert sorted(before) == ["families.csv", "problems.csv", "rows.csv", "score.png"]
    write(tmp_path / "mine.csv", [("linear-2", 30, 0, "wbic", 41.0, 0.1, "", "", "")])

    def full(_descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StoreError, match=r"rows\.csv: could not be written"):
        score([tmp_path / "mine.csv"], tmp_path / "out", ours=False)
    assert {path.name: path.read_bytes() for path in (tmp_path / "out").glob("*") if path.is_file()} == before


def test_folders_are_looked_at_before_anything_is_computed(tmp_path, monkeypatch):
    write(tmp_path / "mine.csv", [("linear-2", 30, 0, "wbic", 40.0, 0.1, "", "", "")])
    (tmp_path / "taken").touch()
    monkeypatch.setattr(scoring, "exact_target", lambda *_: pytest.fail("computed"))
    with pytest.raises(StoreError, match="taken/ladders: this folder cannot be made"):
        score([tmp_path / "mine.csv"], tmp_path / "taken")
    with pytest.raises(StoreError, match=r"nowhere/a.png: there is no folder"):
        score([tmp_path / "mine.csv"], tmp_path / "out", picture=tmp_path / "nowhere" / "a.png")
