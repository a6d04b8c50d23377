"""The command line: cheap to ask for help, one line for an error, JSON and nothing else where JSON was asked for."""

from __future__ import annotations

import json
import math
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from singular.cli import app

RUNNER = CliRunner()
COMMANDS = ("study", "models", "sample", "estimate", "compare")
SMALL = ["--n", "20", "--draws", "20", "--warmup", "30", "--chains", "2"]
BRIDGED = ["--n", "20", "--draws", "40", "--warmup", "30", "--chains", "2"]
"""As many draws as bridge sampling needs."""


def run(*arguments: str):
    return RUNNER.invoke(app, list(arguments), catch_exceptions=False)


def tidy() -> pd.DataFrame:
    row = {"problem": "tanh-2", "n": 500, "seed": 0, "beta": 1.0, "quantity": "free_energy", "method": "mbar"}
    row |= {"value": 703.12345, "mcse": 0.0123, "exact": math.nan, "flags": "", "discretisation_error": 0.0}
    return pd.DataFrame([row])


def test_help_imports_nothing_heavy():
    code = (
        "import sys; import singular.cli; print(sorted({'jax','numpy','pandas','xarray','numpyro'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_teaches_by_example(command):
    shown = run(command, "--help")
    assert shown.exit_code == 0
    assert "Examples" in shown.output and f"singular {command}" in shown.output and "--json" in shown.output


def test_the_module_runs_as_the_command():
    done = subprocess.run([sys.executable, "-m", "singular", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("singular 0.")


def test_no_arguments_show_the_help():
    assert "study" in run().output


def test_models_lists_made_and_real_ones_with_exact_values():
    rows = {row["name"]: row for row in json.loads(run("models", "--json").stdout)}
    assert rows["tanh-2"]["learning_coefficient"] == pytest.approx(2 / 3)
    assert rows["tanh-2"]["multiplicity"] == 1 and rows["tanh-2"]["source"]
    assert rows["galaxies-3"]["d"] == 8 and rows["galaxies-3"]["learning_coefficient"] is None
    assert "2/3" in run("models").stdout


@pytest.mark.parametrize(
    ("options", "holds"),
    [
        (["--family", "Tanh"], lambda row: "tanh" in row["family"]),
        (["--dim", "2"], lambda row: row["d"] == 2),
        (["--max-dim", "3", "--oracle"], lambda row: row["d"] <= 3 and row["oracle"]),
        (["--no-oracle"], lambda row: not row["oracle"]),
        (["--singular"], lambda row: row["singular"] is True),
        (["--regular"], lambda row: row["singular"] is False),
        (["--made"], lambda row: row["singular"] is not None),
        (["--real", "--family", "mixture"], lambda row: row["singular"] is None and "mixture" in row["family"]),
    ],
)
def test_models_are_filtered(options, holds):
    every = json.loads(run("models", "--json").stdout)
    assert json.loads(run("models", *options, "--json").stdout) == [row for row in every if holds(row)] != []


def test_a_filter_that_nothing_passes_says_so():
    assert run("models", "--dim", "9999").stdout == "no model is like that\n"
    assert json.loads(run("models", "--dim", "9999", "--json").stdout) == []


@pytest.mark.parametrize("width", [80, 120])
def test_the_catalogue_takes_one_line_a_model_on_a_terminal(width, monkeypatch):
    from rich.console import Console

    from singular import cli, printing

    for module in (cli, printing):
        monkeypatch.setattr(module, "console", lambda *_: Console(width=width))
    lines = run("models").stdout.splitlines()
    rows = json.loads(run("models", "--json").stdout)
    assert max(map(len, lines)) <= width
    for row in rows:
        (line,) = [line for line in lines if line.split()[:1] == [row["name"]]]
        assert str(row["d"]) in line.split() and row["family"][:8] in line
    assert len(lines) < len(rows) + 6


def test_one_model_is_told_in_full():
    shown = " ".join(run("models", "product").stdout.split())
    for text in ("monomial regression", "d = 2", "λ = 1/2", "m = 2", "Watanabe (2009)", "crossing, w1-axis, w2-axis",
                 "w1 in closed form", "models.monomial(exponents=[1, 1])", "singular sample product"):  # fmt: skip
        assert text in shown


def test_one_model_as_json_is_its_description():
    from singular import models

    assert json.loads(run("models", "tanh-2", "--json").stdout) == models.describe(models.get("tanh-2"))


def test_a_real_data_set_is_told_too():
    shown = " ".join(run("models", "galaxies-3").stdout.split())
    assert "Postman" in shown and "singular sample galaxies-3" in shown
    assert "licence measured facts" in shown and "galaxies(components=3)" in shown and "d = 8" in shown
    assert json.loads(run("models", "galaxies-3", "--json").stdout)["d"] == 8
    assert "nile(hidden=0)" in run("models", "nile-0").stdout
    whole = run("models", "galaxies").stdout
    assert "d = 17 at 6" in whole and "singular sample galaxies-6" in whole


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["sample", "tanh-22"], "model='tanh-22' is not known; did you mean 'tanh-2'?"),
        (["models", "tanh-22"], "model='tanh-22' is not known; did you mean 'tanh-2'?"),
        (["models", "galaxies-33", "--json"], "did you mean 'galaxies-3'?"),
        (["models", "--family", "tanh netwrk"], "did you mean 'tanh network'?"),
        (["models", "tanh-2", "--dim", "4"], "model='tanh-2' and a filter: allowed is one or the other"),
        (["sample", "galaxies-7"], "did you mean 'galaxies-"),
        (["sample", "product", "--betas", "0,x,1"], "betas='0,x,1' must be numbers apart by commas"),
        (["sample", "product", "--betas", "0.1,1"], "must begin with 0"),
        (["sample", "product", "--out", "nowhere/at/all.nc"], "nowhere/at/all.nc: there is no folder"),
        (["sample", "product", "--out", "."], "is a folder, not a file"),
        (["compare", "product", "logistic2"], "did you mean 'logistic-2'?"),
        (["compare", "product", "--n", "2"], "n=2 must be at least 3"),
        (["compare", "product", "--out", "nowhere/rows.csv"], "there is no folder"),
        (["estimate", "missing.nc"], "missing.nc: no such file"),
        (["estimate", "."], "is a folder, not a stored ladder"),
        (["estimate", "taken"], "taken: is empty"),
        (["estimate", "foreign.nc"], "foreign.nc: is not a netCDF-4 file"),
        (["estimate", "missing.nc", "--picture", "nowhere/a.png"], "nowhere/a.png: there is no folder"),
        (["estimate", "missing.nc", "--csv", "nowhere/a.csv"], "nowhere/a.csv: there is no folder"),
        (["study", "--n", "2"], "n=2 must be at least 3"),
        (["study", "--out", "taken"], "taken/ladders: this folder cannot be made"),
    ],
)
def test_bad_input_gets_one_line_and_exit_code_2(arguments, says, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "taken").touch()
    (tmp_path / "foreign.nc").write_text("a,b\n1,2\n")
    done = run(*arguments)
    assert done.exit_code == 2
    assert done.stdout == ""
    assert done.stderr.startswith("singular: ") and done.stderr.count("\n") == 1
    assert says in done.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ["sample"],
        ["sample", "product", "--n", "0"],
        ["sample", "product", "--draws", "x"],
        ["prove"],
        ["models", "--dim", "0"],
    ],
)
def test_wrong_usage_is_exit_code_2(arguments):
    done = run(*arguments)
    assert done.exit_code == 2 and "Traceback" not in done.stderr


@pytest.mark.parametrize("arguments", [["sample", "product"], ["compare", "product"], ["study"]])
def test_control_c_is_exit_code_130(arguments, monkeypatch, tmp_path):
    from singular.analysis import compare, study

    def interrupted(*_args, **_kwargs):
        raise KeyboardInterrupt

    for module, name in ((study, "sample_one"), (compare, "compare"), (study, "study")):
        monkeypatch.setattr(module, name, interrupted)
    monkeypatch.chdir(tmp_path)
    done = run(*arguments)
    assert done.exit_code == 130
    assert done.stderr == "singular: interrupted; what was finished is kept\n"


def test_json_is_all_that_is_printed_and_missing_values_are_null(monkeypatch):
    from singular.analysis import study

    monkeypatch.setattr(study, "sample_one", lambda *_args, **_kwargs: tidy())
    done = run("sample", "tanh-2", "--json")
    assert done.stderr == ""
    (row,) = json.loads(done.stdout)
    assert row["exact"] is None and row["value"] == 703.12345
    assert list(row)[:10] == ["problem", "n", "seed", "beta", "quantity", "method", "value", "mcse", "exact", "flags"]


def test_people_get_as_many_digits_as_the_error_leaves(monkeypatch):
    from singular.analysis import study

    monkeypatch.setattr(study, "sample_one", lambda *_args, **_kwargs: tidy())
    shown = run("sample", "tanh-2").stdout
    assert "703.123" in shown and "703.1234" not in shown and "0.012" in shown


def test_the_kernel_can_be_forced():
    made = run("sample", "tanh-2", "--kernel", "hmc", *SMALL)
    assert made.exit_code == 2 and "kernel='hmc'" in made.stderr and "mclmc" in made.stderr


@pytest.mark.slow
def test_sample_prints_numbers_beside_the_exact_ones_and_keeps_the_ladder(tmp_path):
    from singular.posteriors import store

    target = tmp_path / "run.nc"
    rows = pd.DataFrame(
        json.loads(run("sample", "linear-2", *SMALL, "--seed", "3", "--out", str(target), "--json").stdout)
    )
    assert np.isfinite(rows.loc[rows["quantity"] == "free_energy", ["value", "mcse", "exact"]].to_numpy(float)).all()
    assert set(rows["seed"]) == {3} and set(rows["n"]) == {20}
    tree = store.load(target)
    assert (tree.attrs["problem"], tree.attrs["sampler_seed"], tree["posterior"].sizes["draw"]) == ("linear-2", 3, 20)


@pytest.mark.slow
def test_estimate_tells_every_number_of_a_stored_ladder(tmp_path):
    from singular import analysis, models, posteriors

    target, table, picture = tmp_path / "run.nc", tmp_path / "rows.csv", tmp_path / "over-beta.png"
    shown = run("sample", "linear-2", *BRIDGED, "--seed", "3", "--out", str(target), "-q").stdout
    assert f"singular estimate {target}" in shown and "linear-2 (replica exchange, nuts)" in shown
    printed = run("estimate", str(target), "--json", "--csv", str(table), "--picture", str(picture))
    assert printed.stderr == ""
    rows = pd.DataFrame(json.loads(printed.stdout))
    first = ["problem", "n", "seed", "beta", "quantity", "method", "value", "mcse", "exact", "flags"]
    assert rows.columns[:10].tolist() == first
    problem, ladder = models.problem("linear-2", n=20, seed=3), posteriors.load(target)
    for quantity, method, right in (
        ("free_energy", "stepping-stone", analysis.free_energy(ladder, "stepping-stone")),
        ("free_energy", "bridge", analysis.bridge(ladder, problem)),
        ("waic", "waic", analysis.waic(ladder, problem)),
        ("free_energy_shift", "reweighted", analysis.prior_shift(ladder, problem, 0.5)),
    ):
        row = rows[(rows["quantity"] == quantity) & (rows["method"] == method)].iloc[0]
        assert (row["value"], row["mcse"]) == pytest.approx((right.value, right.mcse), rel=1e-9)
    assert pd.read_csv(table)["value"].to_numpy() == pytest.approx(rows["value"].to_numpy(dtype=float), nan_ok=True)
    assert picture.read_bytes().startswith(b"\x89PNG")
    whole = run("estimate", str(target)).stdout
    for text in ("Evidence", "bridge", "WBIC − F", "regression", "PSIS-LOO", "± over data", "× 0.5", "* "):
        assert text in whole
    target.write_bytes(target.read_bytes()[:3000])
    cut = run("estimate", str(target))
    assert cut.exit_code == 2 and cut.stderr.count("\n") == 1 and "is cut short or damaged" in cut.stderr


@pytest.mark.slow
def test_compare_holds_every_method_against_the_oracle(tmp_path):
    target = tmp_path / "rows.csv"
    rows = pd.DataFrame(json.loads(run("compare", "linear-2", *BRIDGED, "--out", str(target), "--json").stdout))
    assert rows["method"].tolist() == [
        *("mbar", "ti", "ti-interpolant", "ti-trapezoid", "stepping-stone", "bridge", "wbic", "bic", "laplace"),
        *("mbar", "variance", "two-temperature", "regression", "regression-multiplicity"),
    ]
    sampled = rows[~rows["method"].isin(["bic", "laplace"])].astype(
        {"value": float, "mcse": float, "exact": float, "z": float}
    )
    assert np.allclose(sampled["z"], (sampled["value"] - sampled["exact"]) / sampled["mcse"])
    assert rows.loc[rows["method"].isin(["bic", "laplace"]), "z"].isna().all()
    assert sampled["exact"].notna().all()
    assert pd.read_csv(target)["method"].tolist() == rows["method"].tolist()
