"""The committed pages of the catalogue are what the models say now, and the pictures show their optimal sets."""

from __future__ import annotations

import dataclasses
import re
from fractions import Fraction
from pathlib import Path

import jax
import numpy as np
import pytest

from singular import models
from singular.analysis import catalogue_folder, catalogue_pages, catalogue_pictures, catalogue_planes, figures
from singular.errors import StoreError
from singular.models import catalogue

FOLDER = Path(__file__).parent.parent.parent / "docs" / "catalogue"
AGAIN = f"run `{catalogue_folder.COMMAND}`"
NAMES = sorted(catalogue.MODELS)
DRAWN = sorted(model.name for model in catalogue_folder.pictured())
PAGES = catalogue_folder.pages()
BOUND = models.Bound(Fraction(5, 2), source="somebody (1999), theorem 1", conditions="prior positive")


@pytest.mark.parametrize("name", sorted(PAGES))
def test_the_committed_page_is_what_the_model_says(name):
    path = FOLDER / name
    assert path.exists(), f"{path.name} is missing: {AGAIN}"
    assert path.read_text(encoding="utf-8") == PAGES[name], f"{path.name} is stale: {AGAIN}"


@pytest.mark.parametrize("name", DRAWN)
def test_a_model_of_one_or_two_parameters_has_a_small_picture(name):
    path = FOLDER / f"{name}.png"
    assert path.exists(), f"{path.name} is missing: {AGAIN}"
    assert 5_000 < path.stat().st_size < 60_000


def test_nothing_is_left_over():
    assert catalogue_folder.left_over(FOLDER) == [], f"{AGAIN}, and remove these"


def test_every_link_leads_somewhere():
    for name, text in PAGES.items():
        headings = set(re.findall(r"^#+ (.*)$", text, flags=re.M))
        for target in re.findall(r"\]\(([^)]+)\)", text):
            here = target.startswith("#")
            assert target[1:] in headings if here else (FOLDER / target).exists(), f"{name} links {target}"
    linked = re.findall(r"\]\(([^)]+)\.md\)", PAGES[catalogue_folder.INDEX])
    assert set(NAMES) <= set(linked)


@pytest.mark.parametrize("name", NAMES)
def test_the_python_on_a_page_makes_the_model(name):
    made = {}
    exec("\n".join(re.findall(r"```python\n(.*?)```", PAGES[f"{name}.md"], flags=re.S)), made)
    assert models.describe(made["model"]) == models.describe(catalogue.get(name))
    assert made["problem"].n == 500


@pytest.mark.parametrize("name", NAMES)
def test_a_page_says_all_that_is_known(name):
    model, text = catalogue.get(name), PAGES[f"{name}.md"]
    known = model.exact or model.bound
    for fact in (model.description, model.prior, model.truth):
        assert fact in text
    if known is not None:
        assert str(known.value) in text
        assert catalogue_pages.escape(known.source) in text and catalogue_pages.escape(known.conditions) in text
    for phase in model.phases:
        assert catalogue_pages.escape(phase) in text


def test_a_bound_and_a_value_not_known_are_told_apart_from_an_exact_one():
    exact = catalogue.get("tanh-2")
    bounded = dataclasses.replace(exact, exact=None, bound=BOUND)
    unknown = dataclasses.replace(exact, exact=None)
    assert "| 4 | 2 | 2/3 | 1 |" in catalogue_pages.page(exact)
    assert "| 4 | 2 | ≤ 5/2 |  |" in catalogue_pages.page(bounded)
    assert "The exact λ is not known. The bound: somebody (1999), theorem 1." in catalogue_pages.page(bounded)
    assert "| 4 | 2 | ? |  |" in catalogue_pages.page(unknown)
    assert catalogue_pages.facts(bounded)["learning coefficient"].startswith("λ ≤ 5/2")
    assert catalogue_pages.facts(unknown)["learning coefficient"].startswith("not known")


def test_a_boundary_truth_is_told():
    model = dataclasses.replace(catalogue.get("product"), boundary=True)
    assert "λ may exceed d/2" in catalogue_pages.page(model)


def test_no_picture_of_many_parameters():
    assert catalogue_pictures.picture(catalogue.get("tanh-2")) is None


def optimal(name, side=61):
    with jax.enable_x64(True):
        plane = catalogue_planes.plane_of(catalogue.get(name))
        grid = [np.linspace(low, high, side) for low, high in zip(plane.low, plane.high, strict=True)]
        return catalogue_planes.optimal_points(plane, grid)


@pytest.mark.parametrize("name", ["product", "monomial-2-2"])
def test_two_crossing_lines_are_found_from_end_to_end(name):
    points = optimal(name)
    exponent = {"product": 2, "monomial-2-2": 4}[name]  # K = |w1 w2|^exponent / 2, zero below 1e-12
    assert (np.abs(points.prod(axis=1)) ** exponent / 2).max() < 1.01e-12
    for axis in (0, 1):
        along = np.sort(points[np.abs(points[:, 1 - axis]) < 1e-3][:, axis])
        assert np.diff(along).max() < 0.1 and along[0] < -2.4 and along[-1] > 2.4


@pytest.mark.slow
def test_isolated_points_are_found():
    pair = np.unique(optimal("tanh-1-1").round(3), axis=0)
    np.testing.assert_array_equal(pair, [[-1, -1], [1, 1]])
    assert sorted(round(float(w), 2) for w in np.unique(optimal("two-wells").round(2))) == [-1, 3]
    np.testing.assert_allclose(optimal("linear-2"), np.tile([1, -0.5], (len(optimal("linear-2")), 1)), atol=1e-5)


def test_a_probability_vector_is_drawn_without_its_last_coordinate_and_only_where_it_is_one():
    with jax.enable_x64(True):
        plane = catalogue_planes.plane_of(catalogue.get("trinomial-boundary"))
        points = np.array([[0.5, 0.5], [0.25, 0.25], [0.7, 0.7]])
        excess, log_prior = plane.excess(points), plane.log_prior(points)
    assert plane.axes == ["theta[0]", "theta[1]"]
    np.testing.assert_allclose(excess[:2], [0, np.log(2)], atol=1e-12)
    assert np.isnan(excess[2]) and log_prior[1] == pytest.approx(np.log(2)) and log_prior[2] == -np.inf


def test_the_box_holds_a_truth_on_the_edge():
    with jax.enable_x64(True):
        plane = catalogue_planes.plane_of(catalogue.get("half-line"))
    assert plane.low[0] == 0 and 2 < plane.high[0] < 3


@pytest.mark.slow
def test_a_picture_is_the_same_twice_and_names_its_axes_by_site():
    model = catalogue.get("product")
    one, two = catalogue_pictures.picture(model), catalogue_pictures.picture(model)
    axes = one.axes[0]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("w1", "w2")
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["crossing", "w1-axis", "w2-axis"]
    assert figures.png(one) == figures.png(two)


def test_pages_are_written_whole_or_not_at_all(tmp_path):
    written = catalogue_folder.write_pages(tmp_path, pictures=False)
    assert {path.name for path in written} == {path.name for path in tmp_path.iterdir()} == set(PAGES)
    (tmp_path / "gone.md").write_text("")
    (tmp_path / "CHECKS.md").write_text("")
    assert catalogue_folder.left_over(tmp_path) == ["gone.md"]
    with pytest.raises(StoreError):
        catalogue_folder.write_pages(tmp_path / "nowhere", pictures=False)
