"""The workshop keeps what is done and takes it again; the two studies of wells and lines at a tiny size."""

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from singular import models, posteriors
from singular.analysis.pointwise import log_likelihood_at
from singular.analysis.studies import QUESTIONS, concentration, load, two_wells
from singular.analysis.studies.cells import COLUMNS, agreement
from singular.analysis.studies.workshop import Workshop
from singular.cli import app
from singular.errors import InputError
from singular.models.problem import Problem
from singular.models.sufficient import equivalent_rows

CALLS = []


def part(name, size):
    CALLS.append((name, size))
    return pd.DataFrame({"name": [name, ""], "value": [1 / size, np.nan], "odd": [np.inf, 0.1 + 0.2]})


def test_parts_are_kept_and_read_back_to_the_bit(tmp_path, monkeypatch):
    monkeypatch.setattr("singular.analysis.studies.workshop._program", lambda: "text")
    CALLS.clear()
    told = []
    shop = Workshop(tmp_path, jobs=1, report=told.append)
    monkeypatch.setattr("singular.analysis.studies.workshop.import_module", lambda name: type("M", (), {"part": part}))
    first = shop.parts(part, [("a", 3), ("b", 7)])
    again = shop.parts(part, [("b", 7), ("a", 3)])
    assert CALLS == [("a", 3), ("b", 7)] and "2 of 2 parts are there already" in told[-1]
    pd.testing.assert_frame_equal(first[0], part("a", 3), check_exact=True)
    pd.testing.assert_frame_equal(again[1], first[0], check_exact=True)
    monkeypatch.setattr("singular.analysis.studies.workshop._program", lambda: "other text")
    shop.parts(part, [("a", 3)])
    assert CALLS[-1] == ("a", 3) and len(CALLS) == 4


def test_every_study_can_be_loaded_and_has_its_name():
    assert all(load(name).name == name for name in QUESTIONS)
    with pytest.raises(InputError, match="did you mean 'two-wells'"):
        load("two-well")


@pytest.mark.parametrize(
    "name", ["product", "line-and-dot", "reduced-rank-2-2-1-1", "reduced-rank-3-3-2-1", "squares-2-1"]
)
def test_equivalent_rows_have_the_same_shares_and_differences_of_nll(name):
    problem = models.problem(name, n=5000, seed=2)
    small = equivalent_rows(problem)
    full, few = (posteriors.quadrature(p, [0.0, 0.3, 1.0]).frame for p in (problem, small))
    for column in full:
        if column.startswith(("phase:", "variance")):
            np.testing.assert_allclose(few[column], full[column], rtol=1e-7, atol=1e-9)
    left_out = problem.kwargs["y"].size - small.kwargs["y"].size
    constant = full["beta"] * 0.5 * left_out * np.log(2 * np.pi)
    np.testing.assert_allclose(few["free_energy"] + constant, full["free_energy"], rtol=0, atol=1e-7)
    assert small.n == 5000 and len(small.kwargs["x"]) < 10
    with pytest.raises(InputError, match="rows that stand for 5000 observations"):
        log_likelihood_at(small, problem.model.optimum)
    with pytest.raises(InputError, match="at least"):
        equivalent_rows(Problem.from_model(models.get("reduced-rank-2-2-1-1"), n=2))


def test_uneven_wells_without_advantage_have_the_laws_odds():
    laws = two_wells.laws(0.0)
    table = two_wells.exactly(0.0, -1)
    odds = table[table["quantity"] == two_wells.ODDS]
    last = odds.iloc[-1]
    law = laws["sharp"].free_energy(last["n"]) - laws["flat"].free_energy(last["n"])
    assert last["value"] == pytest.approx(law, abs=0.01)
    with pytest.raises(InputError, match="advantage"):
        models.uneven_wells(0.5)


@pytest.mark.slow
def test_two_wells_at_a_small_size(monkeypatch):
    monkeypatch.setattr(two_wells, "LADDER", {"chains": 2, "draws": 200, "warmup": 100})
    monkeypatch.setattr(two_wells, "SAMPLED", {0.0: (50,), 1e-2: (50,)})
    monkeypatch.setattr(two_wells, "EXACT", (30, 100, 300, 1000))
    drawn = [two_wells.sampled(c, n, 0) for c, sizes in two_wells.SAMPLED.items() for n in sizes]
    known = [two_wells.exactly(c, s) for c in (0.0, 1e-2) for s in (-1, 0)]
    table = pd.concat([*drawn, *known], ignore_index=True)
    held = table[table["z"].notna()]
    assert (held["z"].abs() < 4).all() and len(held) == 12
    words = two_wells.text(table)
    assert "c = 0.01" in words and "12 of 12 numbers" in words
    assert set(COLUMNS) <= set(table.columns)
    assert two_wells.draw(table, two_wells.laws, two_wells.ODDS).axes


@pytest.mark.slow
def test_concentration_at_a_small_size(monkeypatch):
    monkeypatch.setattr(concentration, "LADDER", {"chains": 2, "draws": 200, "warmup": 100})
    drawn = concentration.sampled("monomial-1-2", 50, 0)
    assert set(drawn["quantity"]) == {"share", concentration.SQUARE}
    assert (drawn["z"].abs() < 4).all()
    known = concentration.exactly("monomial-1-2", 10_000_000, 0)
    square = known.loc[known["quantity"] == concentration.SQUARE, "value"].iloc[0]
    assert square == pytest.approx(concentration.LIMIT, abs=0.02)


def test_agreement_tells_what_is_off():
    row = {"problem": "p", "n": 10, "beta": 1.0, "phase": "a", "z": 9.0, "flags": ""}
    told = agreement(pd.DataFrame([row, row | {"z": 0.5, "phase": "b"}]))
    assert told.startswith("1 of 2") and "a of p at n = 10" in told and "not flagged" in told


def test_the_command_lists_and_refuses():
    run = CliRunner()
    listed = run.invoke(app, ["study", "--list"])
    assert listed.exit_code == 0 and all(name in listed.output for name in QUESTIONS)
    wrong = run.invoke(app, ["study", "nothing"])
    assert wrong.exit_code == 2 and "study='nothing'" in wrong.output
    both = run.invoke(app, ["study", "two-wells", "--draws", "9"])
    assert both.exit_code == 2 and "main job alone" in both.output


def test_one_target_makes_every_study():
    root = Path(__file__).resolve().parents[3]
    listed = re.search(r"for name in (concentration[^;]+); do", (root / "Makefile").read_text(encoding="utf-8"))
    assert listed and sorted(listed[1].replace("\\", " ").split()) == sorted(QUESTIONS)
    for name in QUESTIONS:
        assert all((root / "docs" / "studies" / f"{name}.{kind}").exists() for kind in ("md", "png", "csv"))
