"""`singular export` and `singular score`: files in, tables and JSON out, one line for an error."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from singular.cli import app

RUNNER = CliRunner()
HEADER = "problem,n,seed,target,value,error,gradients\n"
SHORT = ["--draws", "40", "--warmup", "40", "--chains", "2"]


def run(*arguments: str):
    return RUNNER.invoke(app, list(arguments), catch_exceptions=False)


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rows = [f"linear-2,30,{seed},wbic,{50 + seed},0.5,1000\n" for seed in range(2)]
    (tmp_path / "mine.csv").write_text(HEADER + "".join(rows))


@pytest.mark.parametrize("command", ["export", "score"])
def test_the_new_commands_teach_by_example(command):
    shown = run(command, "--help")
    assert shown.exit_code == 0
    assert "Examples" in shown.output and f"singular {command}" in shown.output and "--json" in shown.output
    assert "docs/SCORING.md" in shown.output


def test_export_writes_two_files_and_says_so(tmp_path):
    shown = run("export", "linear-2", "--n", "30", "--seed", "4").stdout
    base = tmp_path / "exported" / "linear-2-n30-seed4"
    assert shown.count("written: exported/linear-2-n30-seed4.") == 2
    about = json.loads(base.with_suffix(".json").read_text())
    with np.load(base.with_suffix(".npz")) as file:
        assert file["x"].shape == (30, 2) and file["optimum"].shape == (2,)
    assert run("export", "linear-2", "--n", "30", "--seed", "4").stdout.count("unchanged: ") == 2
    printed = run("export", "linear-2", "--n", "30", "--seed", "4", "--json")
    assert json.loads(printed.stdout) == about and printed.stderr == ""


def test_score_prints_its_tables_and_keeps_them(tmp_path):
    shown = run("score", "mine.csv", "--no-ours", "--picture", "mine.png").stdout
    for text in ("wbic, WBIC in nats", "linear regression", "linear-2", "bias", "RMSE", "rms z", "in 95 %", "1e+03",
                 "claimed 0.5, off by", "out/score/*.csv", "picture: mine.png"):  # fmt: skip
        assert text in shown
    assert (tmp_path / "mine.png").read_bytes().startswith(b"\x89PNG")
    assert pd.read_csv(tmp_path / "out" / "score" / "families.csv")["count"].tolist() == [2]


@pytest.mark.slow
def test_score_as_json_is_tidy_rows_and_nothing_else():
    printed = run("score", "mine.csv", "--no-ours", "--json")
    rows = json.loads(printed.stdout)
    assert printed.stderr == "" and [row["seed"] for row in rows] == [0, 1]
    first = ["problem", "n", "seed", "beta", "quantity", "method", "value", "mcse", "exact", "flags"]
    assert list(rows[0])[:10] == first
    assert rows[0]["method"] == "mine" and rows[0]["gamma"] is None
    assert rows[0]["difference"] == pytest.approx(rows[0]["value"] - rows[0]["exact"])


@pytest.mark.slow
def test_our_lines_stand_beside():
    rows = json.loads(run("score", "mine.csv", *SHORT, "--json").stdout)
    assert [row["method"] for row in rows] == ["mine", "mine", "singular", "singular"]
    assert all(row["gradients"] > 1000 and abs(row["z"]) < 5 for row in rows[2:])


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["export", "tanh-22"], "model='tanh-22' is not known; did you mean 'tanh-2'?"),
        (["export", "product", "--n", "2"], "n=2 must be at least 3"),
        (["export", "product", "--out", "mine.csv"], "mine.csv: this folder cannot be made"),
        (["score", "missing.csv"], "missing.csv: cannot be read"),
        (["score", "mine.csv", "mine.csv"], "stands in mine.csv, line 2 already"),
        (["score", "bad.csv"], "bad.csv, line 2: target='lambda' is not known"),
        (["score", "mine.csv", "--out", "bad.csv"], "bad.csv/ladders: this folder cannot be made"),
        (["score", "mine.csv", "--picture", "nowhere/a.png"], "nowhere/a.png: there is no folder"),
        (["score", "mine.csv", "--exports", "nowhere"], "nowhere: there is no such folder of exported problems"),
    ],
)
def test_bad_input_gets_one_line_and_exit_code_2(arguments, says, tmp_path):
    (tmp_path / "bad.csv").write_text(HEADER + "linear-2,30,0,lambda,50,0.5,1000\n")
    done = run(*arguments)
    assert done.exit_code == 2 and done.stdout == ""
    assert done.stderr.startswith("singular: ") and done.stderr.count("\n") == 1
    assert says in done.stderr


@pytest.mark.parametrize("arguments", [["score"], ["export"], ["export", "product", "--seed", "-1"]])
def test_wrong_usage_is_exit_code_2(arguments):
    done = run(*arguments)
    assert done.exit_code == 2 and "Traceback" not in done.stderr


def test_control_c_is_exit_code_130(monkeypatch):
    from singular.analysis import scoring

    def interrupted(*_args, **_kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr(scoring, "score", interrupted)
    done = run("score", "mine.csv")
    assert done.exit_code == 130 and done.stderr == "singular: interrupted; what was finished is kept\n"
