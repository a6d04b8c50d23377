"""The study end to end on a small set, its report in one file, its tables right, its ladders taken again."""

from __future__ import annotations

import base64
import functools
import json
import math
import re

import numpy as np
import pandas as pd
import pytest

from singular import models
from singular.analysis import cases, figures, figures_diagnostics, figures_real, study, tables
from singular.analysis.report import Picture, Section, Table, render
from singular.models import real
from singular.models.linear_networks import layer_moves
from singular.posteriors import kernels, store

PNG = b"\x89PNG\r\n\x1a\n"
SMALL = {"n": 30, "draws": 100, "warmup": 60, "chains": 2, "jobs": 1, "made": ("product",), "measured": ("nile-0",)}
SMALL |= {"grown": (10,), "exact_sizes": (10, 1000)}


def addresses(page: str) -> list[str]:
    """Return everything a browser would fetch."""
    found = re.findall(r"""(?:src|href|url)\s*[=(]\s*["']?([^"')> ]+)""", page)
    return [a for a in found if not a.startswith(("data:image/png;base64,", "#"))]


def test_a_page_is_whole_and_escaped():
    frame = pd.DataFrame({"model": ["<b>"], "F": ["1.2"], "flags": ["ess 3 < 400"]})
    inner = Section("inner", ["deep"], folded=True)
    page = render(
        "T & U", ["a < b"], [Section("One", ["p"], [Table("c", frame)], [Picture("x", PNG)], sections=[inner])], {}
    )
    assert addresses(page) == [] and "<script" not in page and "http" not in page
    assert "&lt;b&gt;" in page and "T &amp; U" in page and "a &lt; b" in page
    assert base64.b64encode(PNG).decode() in page
    assert '<td class="flag">ess 3 &lt; 400</td>' in page
    assert "<details><summary>inner</summary>" in page


def test_probabilities_follow_from_free_energies():
    share, error = tables.probabilities(np.array([10.0, 10.0 + math.log(3)]), np.array([0.0, 0.0]))
    assert share == pytest.approx([0.75, 0.25]) and error.tolist() == [0.0, 0.0]


def test_the_error_of_a_probability_is_that_of_a_simulation():
    rng = np.random.default_rng(0)
    centre, mcse = np.array([5.0, 5.5, 6.5]), np.array([0.05, 0.1, 0.08])
    drawn = np.array([tables.probabilities(centre + mcse * rng.standard_normal(3), mcse)[0] for _ in range(4000)])
    assert tables.probabilities(centre, mcse)[1] == pytest.approx(drawn.std(axis=0), rel=0.1)


def test_numbers_are_written_to_the_digits_their_error_leaves():
    frame = pd.DataFrame({"model": ["a"], "n": [500], "free_energy": [703.12345], "free_energy_mcse": [0.0123]})
    frame = frame.assign(free_energy_exact=703.1, wbic=math.nan, wbic_mcse=math.nan, learning_coefficient=2 / 3)
    shown = tables.readable(frame)
    assert shown.columns.tolist() == ["model", "n", "F", "±", "F exact", "WBIC", "±", "λ"]
    assert shown.iloc[0].tolist() == ["a", "500", "703.123", "0.012", "703.100", "", "", "2/3"]


def test_json_has_nulls_for_what_is_missing():
    frame = pd.DataFrame({"exact": [math.nan, math.inf, 1.5], "n": np.array([1, 2, 3]), "flags": ["", "a", "b"]})
    assert json.loads(tables.as_json(frame)) == [
        {"exact": None, "n": 1, "flags": ""},
        {"exact": None, "n": 2, "flags": "a"},
        {"exact": 1.5, "n": 3, "flags": "b"},
    ]


def curve(name: str, exact: bool = True) -> figures.Curve:
    beta = np.array([0.0, 0.01, 0.2, 1.0])
    value = np.array([0.0, 0.3, 0.5, 0.45])
    estimate = pd.DataFrame({"beta": beta, "value": value, "mcse": 0.01, "exact": [*value[:3], 0.55]})
    line = pd.DataFrame({"beta": beta[1:], "value": value[1:]}) if exact else None
    return figures.Curve(
        name, estimate if exact else estimate.assign(exact=np.nan), line, 0.2, 0.5 if exact else None, 1.0
    )


def test_a_title_counts_what_agrees_with_the_oracle():
    figure = figures.effective_coefficients([curve("a"), curve("b", exact=False)])
    assert "2 of 3 estimates lie within 2 mcse" in figure.get_suptitle()
    assert figures.png(figure).startswith(PNG)


def test_pictures_touch_no_global_state():
    import matplotlib.pyplot as plt

    before = plt.get_fignums(), dict(plt.rcParams)
    rungs = pd.DataFrame(
        {"beta": [0.0, 0.1, 1.0], "swap_acceptance": [0.5, 0.4, np.nan], "rhat": 1.0, "ess_bulk": 900.0}
    )
    nll = np.random.default_rng(0).gamma(2, size=(2, 200))
    worst = pd.DataFrame({"problem": ["a"], "n": [5], "rhat": [1.0], "ess_bulk": [9.0], "swap_acceptance": [0.5]})
    size = pd.DataFrame({"size": [1, 2], "free_energy": [3.0, 2.0], "free_energy_mcse": 0.1, "wbic": [3.1, 2.2]})
    size = size.assign(wbic_mcse=0.1, bic=[3.0, 2.5], probability=[0.3, 0.7], probability_mcse=0.1, probability_bic=0.5)
    size["bic_flags"] = ["", "unbounded likelihood"]
    other = {f"probability_{p}{e}": 0.5 for p in ("half", "double") for e in ("", "_mcse")}
    size = size.assign(**other, loo=[2.0, 1.0], loo_behind=[1.0, 0.0], loo_behind_mcse=0.1)
    size["loo_behind_se_data"] = [0.5, math.nan]
    for figure in (
        figures_diagnostics.ladder("a", rungs, nll),
        figures_diagnostics.overview(worst.assign(divergences=0.0)),
        figures_real.sizes(size, "nile: units"),
        figures.mean_energies([curve("a")], {"a": -1.0}),
    ):
        assert figures.png(figure).startswith(PNG)
    assert before == (plt.get_fignums(), dict(plt.rcParams))


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    out = tmp_path_factory.mktemp("study") / "out"
    lines: list[str] = []
    return study.study(out, report=lines.append, **SMALL), lines


@pytest.mark.slow
def test_the_study_writes_all_it_promises(done):
    result, lines = done
    names = {str(p.relative_to(result.out)) for p in result.out.rglob("*") if p.is_file()}
    assert {"report.html", "table.csv", "sizes.csv", "growth.csv", "summary.csv"} <= names
    assert {"ladders/product.nc", "ladders/nile-0.nc", "ladders/product-n10.nc"} <= names
    pictures = [p for p in names if p.endswith(".png")]
    assert len(pictures) == 10 and all((result.out / p).read_bytes().startswith(PNG) for p in pictures)
    assert len(lines) == 3 and lines[-1].startswith("[3/3]")


@pytest.mark.slow
def test_the_tables_agree_with_the_tidy_rows(done):
    result, _ = done
    row, rows = result.table.iloc[0], result.rows
    here = (rows["problem"] == "product") & (rows["n"] == 30) & (rows["quantity"] == "free_energy")
    found = rows[here & (rows["method"] == "mbar")].iloc[0]
    for column, name in (("free_energy", "value"), ("free_energy_mcse", "mcse"), ("free_energy_exact", "exact")):
        assert row[column] == found[name]
    assert abs(row["free_energy"] - row["free_energy_exact"]) < 5 * row["free_energy_mcse"]
    problem = cases.make_problem("product", 30, 0)
    assert row["bic"] == pytest.approx(problem.reference.nll + math.log(30))
    assert result.sizes["probability"].tolist() == [1.0]
    nile = rows[rows["problem"] == "nile-0"]
    size = result.sizes.iloc[0]
    for column, quantity, sign, factor in (
        ("waic", "waic", -1, None),
        ("loo", "cross_validation", -1, None),
        ("free_energy_half", "free_energy_other_prior", 1, 0.5),
        ("free_energy_double", "free_energy_other_prior", 1, 2.0),
    ):
        (right,) = nile.loc[(nile["quantity"] == quantity) & (factor is None or nile["factor"] == factor), "value"]
        assert size[column] == sign * right
    assert {"waic", "cross_validation"} <= set(rows.loc[rows["problem"] == "product", "quantity"])
    back = pd.read_csv(result.out / "table.csv")
    assert back["free_energy"][0] == pytest.approx(row["free_energy"])


@pytest.mark.slow
def test_the_shares_are_shares_and_near_the_exact_ones(done):
    result, _ = done
    growth = result.growth
    assert growth.groupby("n")["exact"].sum().to_numpy() == pytest.approx([1, 1])
    sampled = growth.dropna(subset=["value"])
    assert set(sampled["n"]) == {10} and len(sampled) == 3
    assert ((sampled["value"] - sampled["exact"]).abs() < 5 * sampled["mcse"]).all()


@pytest.mark.slow
def test_the_report_is_one_file_without_paths(done):
    result, _ = done
    page = result.report.read_text(encoding="utf-8")
    assert addresses(page) == [] and page.count("data:image/png;base64,") == 10
    text = re.sub(r"data:image/png;base64,[A-Za-z0-9+/=]+", "", page)
    assert str(result.out) not in text and "/tmp" not in text and "http" not in text
    for word in ("product", "nile", "R̂", "Round trips", "numpyro", "flags", "WAIC", "prior × 0.5", "scaled are"):
        assert word in text


@pytest.mark.slow
def test_stored_ladders_are_taken_again_and_only_damaged_or_other_ones_sampled(done, monkeypatch):
    result, _ = done
    sampled: list[str] = []
    real_ladder = cases.ladder

    @functools.wraps(real_ladder)
    def counting(problem, *arguments, **keywords):
        sampled.append(f"{problem.name}-n{problem.n}")
        return real_ladder(problem, *arguments, **keywords)

    monkeypatch.setattr(cases, "ladder", counting)
    again = study.study(result.out, **SMALL)
    assert sampled == []
    pd.testing.assert_frame_equal(again.rows, result.rows)
    broken = result.out / "ladders" / "nile-0.nc"
    broken.write_bytes(broken.read_bytes()[:2000])
    study.study(result.out, **SMALL)
    assert sampled == ["nile-0-n100"]
    assert store.load(broken).attrs["problem"] == "nile-0"
    job = cases.Job("product", 30, 1, cases.Settings(2, 100, 60, 0), result.out / "ladders" / "product.nc")
    assert cases.stored(job.path, cases.fingerprint(job.problem(), job.settings)) is None


def test_an_interrupted_ladder_is_not_stored_as_a_whole_one(tmp_path, monkeypatch):
    class Tree:
        attrs = {"complete": 0}  # noqa: RUF012

    monkeypatch.setattr(cases, "ladder", lambda *_args, **_kwargs: Tree())
    job = cases.Job("nile-0", 0, 0, cases.Settings(), tmp_path / "nile-0.nc")
    with pytest.raises(KeyboardInterrupt):
        cases.sample(job, job.problem())
    assert not job.path.exists()


def test_a_fingerprint_tells_models_data_and_settings_apart():
    one = cases.fingerprint(real.nile(0), cases.Settings())
    assert one == cases.fingerprint(real.nile(0), cases.Settings())
    others = [
        cases.fingerprint(real.nile(1), cases.Settings()),
        cases.fingerprint(real.nile(0), cases.Settings(draws=7)),
        cases.fingerprint(real.nile(0).replace(name="other"), cases.Settings()),
    ]
    assert len({one, *others}) == 4


def test_a_fingerprint_tells_kernels_and_moves_apart(monkeypatch):
    problem = models.problem("reduced-rank-2-2-2-1", n=20)
    shown = [cases.fingerprint(problem, cases.Settings())]
    monkeypatch.setattr(layer_moves, "TURNS", 2)
    shown.append(cases.fingerprint(problem, cases.Settings()))
    monkeypatch.setattr(kernels, "FROM", 100)
    shown.append(cases.fingerprint(problem, cases.Settings()))
    assert len(set(shown)) == 3
