"""A problem written for others: what is read back gives the same likelihood, and a full disk leaves nothing."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import numpy as np
import pytest

from singular import models
from singular.analysis import exact_target, export
from singular.analysis.cases import make_problem
from singular.analysis.excess_coefficient import nll_at
from singular.analysis.exported import exported_optimum
from singular.analysis.submission import read_submissions
from singular.analysis.targets import TARGETS
from singular.errors import InputError, StoreError

PAGE = (Path(__file__).parents[2] / "docs" / "SCORING.md").read_text()
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", PAGE, flags=re.S)
NUMPY, TORCH = (code for kind, code in BLOCKS if kind == "python")
LOSSES = {"linear-4": "linear_regression", "reduced-rank-3-3-2-1": "reduced_rank", "tanh-2": "tanh_network"}


def loaded(written):
    with np.load(written.arrays) as file:
        return {name: file[name] for name in file.files}, json.loads(written.description.read_text())


@pytest.fixture
def page(tmp_path, monkeypatch):
    """What the NumPy code of docs/SCORING.md defines, run as it stands there."""
    monkeypatch.chdir(tmp_path)
    export("reduced-rank-2-2-1-1", n=200, seed=0)
    names = {}
    exec(compile(NUMPY, "SCORING.md", "exec"), names)
    return names


@pytest.mark.parametrize("name", LOSSES)
def test_the_loss_on_the_page_is_the_problem_s_own(name, page, tmp_path):
    written = export(name, n=40, seed=2, out=tmp_path)
    held, about = page["load"](written.arrays.with_suffix(""))
    problem = models.problem(name, n=40, seed=2)
    loss = page[LOSSES[name]]
    for point in [held["optimum"], *held["check"]]:
        mine = about["n"] * loss(page["by_site"](point, about), held["x"], held["y"])
        assert mine == pytest.approx(nll_at(problem, point), rel=1e-12)
    assert about["nll_at_optimum"] == pytest.approx(nll_at(problem, held["optimum"]), rel=1e-12)
    assert about["mean_loss_at_optimum"] == pytest.approx(about["nll_at_optimum"] / 40)


def test_the_torch_loss_on_the_page_runs(page):
    pytest.importorskip("torch")
    exec(compile(TORCH, "SCORING.md", "exec"), page)


@pytest.mark.parametrize("kind", ["csv", "json"])
def test_the_submissions_on_the_page_are_allowed(kind, tmp_path):
    (text,) = (code for name, code in BLOCKS if name == kind)
    path = tmp_path / f"mine.{kind}"
    path.write_text(text)
    rows = read_submissions([path])
    assert len(rows) == {"csv": 3, "json": 1}[kind] and np.isnan(rows["error"].iloc[-1])


def test_every_target_is_defined_on_the_page():
    for name in TARGETS:
        assert f"| `{name}` |" in PAGE


@pytest.mark.slow
@pytest.mark.parametrize("name", ["linear-2", "mixture-known", "trinomial-boundary", "normal-mean-variance"])
def test_what_is_read_back_is_the_problem(name, tmp_path):
    held, about = loaded(export(name, n=30, seed=1, out=tmp_path))
    problem = models.problem(name, n=30, seed=1)
    again = problem.replace(kwargs={key: held[key] for key in about["data"]})
    assert again.data_hash == problem.data_hash == about["data_hash"]
    assert not any(array.dtype == object for array in held.values())
    assert [nll_at(again, z) for z in held["check"]] == pytest.approx(held["check_nll"].tolist(), rel=1e-12)
    for place in range(5):  # each point on the sites' supports is the flat one
        by_site = {site["name"]: held[f"check_{site['name']}"][place] for site in about["sites"]}
        assert nll_at(problem, by_site) == pytest.approx(held["check_nll"][place], rel=1e-9)
    assert sum(int(np.prod(site["unconstrained_shape"])) for site in about["sites"]) == about["d"] == problem.dim
    assert about["beta"] == pytest.approx(1 / np.log(30)) and about["n_beta"] == pytest.approx(30 / np.log(30))
    assert about["truth"] and about["prior"] and set(about["targets"]) <= set(TARGETS)


def test_a_flat_vector_is_cut_where_the_sites_say(tmp_path):
    held, about = loaded(export("tanh-3-1", n=20, out=tmp_path))
    for site in about["sites"]:
        assert (site["support"], site["transform"]) == ("real", "identity")
        stop = site["offset"] + int(np.prod(site["unconstrained_shape"]))
        assert held["check"][:, site["offset"] : stop] == pytest.approx(held[f"check_{site['name']}"])


def test_supports_are_told_in_words(tmp_path):
    _, about = loaded(export("zip-0", n=20, out=tmp_path))
    told = {site["name"]: (site["support"], site["transform"]) for site in about["sites"]}
    assert ("positive", "exp") in told.values()
    assert ("interval from 0 to 1", "logistic function, then times 1 plus 0") in told.values()


@pytest.mark.slow
def test_real_data_have_their_own_size_and_no_learning_coefficient(tmp_path):
    written = export("galaxies-2", n=500, seed=7, out=tmp_path)
    assert written.arrays.name == "galaxies-2-n82-seed0.npz"
    held, about = loaded(written)
    assert held["velocity"].shape == (82,) and about["n"] == 82 and about["truth"].startswith("unknown")
    assert "learning_coefficient" not in about["targets"] and about["optimum_flags"] == ["unbounded likelihood"]


def test_a_second_export_changes_nothing_and_says_so(tmp_path):
    first = export("product", n=20, out=tmp_path / "new" / "folder")
    before = first.arrays.read_bytes(), first.description.read_bytes()
    second = export("product", n=20, out=tmp_path / "new" / "folder")
    assert (first.unchanged, second.unchanged) == (False, True)
    assert before == (second.arrays.read_bytes(), second.description.read_bytes())


@pytest.mark.parametrize("failing", [1, 2])
def test_a_full_disk_leaves_what_was_there(failing, tmp_path, monkeypatch):
    """The disk is full at the first or the second file."""
    old = tmp_path / "product-n20-seed0.npz"
    old.write_bytes(b"old")
    calls = []

    def full(descriptor):
        calls.append(descriptor)
        if len(calls) == failing:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StoreError, match=r"product-n20-seed0\.(npz|json).*No space left"):
        export("product", n=20, out=tmp_path)
    left = sorted(path.name for path in tmp_path.iterdir())
    assert left == ["product-n20-seed0.npz"]


def test_a_folder_that_cannot_be_made_is_told(tmp_path):
    (tmp_path / "taken").touch()
    with pytest.raises(StoreError, match="taken: this folder cannot be made"):
        export("product", n=20, out=tmp_path / "taken")


def test_too_few_observations_are_refused(tmp_path):
    with pytest.raises(InputError, match="n=2 must be at least 3"):
        export("product", n=2, out=tmp_path)
    assert not list(tmp_path.iterdir())


def test_the_exported_optimum_is_the_one_that_counts(tmp_path):
    problem = models.problem("product", n=20)
    assert exported_optimum(tmp_path, problem, "product") is None
    written = export("product", n=20, out=tmp_path)
    assert exported_optimum(tmp_path, problem, "product") == pytest.approx(problem.reference.z)
    with np.load(written.arrays) as file:
        held = {name: file[name] for name in file.files}
    np.savez(written.arrays, **{**held, "optimum": -held["optimum"]})  # the flipped point is as good
    assert exported_optimum(tmp_path, problem, "product") == pytest.approx(-problem.reference.z)
    moved = exact_target(problem, "local_learning_coefficient", 1.0, np.array([2.0, 0.0]))
    assert abs(moved.value - exact_target(problem, "local_learning_coefficient", 1.0).value) > 0.01
    np.savez(written.arrays, **{**held, "y": held["y"] + 1e-3})
    with pytest.raises(InputError, match="its data 'y' are not those of 'product', n=20"):
        exported_optimum(tmp_path, problem, "product")
    np.savez(written.arrays, **{**held, "optimum": np.zeros(3)})
    with pytest.raises(InputError, match=r"its optimum has shape \(3,\)"):
        exported_optimum(tmp_path, problem, "product")
    for damaged in (written.arrays.read_bytes()[:200], b"no zip file", b""):
        written.arrays.write_bytes(damaged)
        with pytest.raises(StoreError, match="is damaged or was not written by singular"):
            exported_optimum(tmp_path, make_problem("product", 20), "product")
