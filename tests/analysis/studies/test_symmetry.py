"""The study of symmetry: its points are optima, its rows hold together, its text follows them."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest

from singular import models
from singular.analysis.studies import symmetry as study
from singular.analysis.studies.symmetry_figure import draw
from singular.analysis.studies.symmetry_points import POINTS, REGULAR, parameters_at
from singular.analysis.studies.symmetry_text import shown, text
from singular.posteriors.precision import x64

CROSSING, ON_A_LINE, CONTROL = (
    ("product", "where the lines cross"),
    ("monomial-1-2", "on the line w2 = 0"),
    ("tanh-1-1", "regular: one sign"),
)


@pytest.mark.parametrize(("name", "point"), POINTS)
def test_every_point_is_an_optimum(name, point):
    with x64():
        w = {site: jnp.asarray(value, float) for site, value in parameters_at(name, point).items()}
        assert abs(float(jax.jit(models.get(name).excess_loss)(w))) < 1e-9


def test_there_are_points_enough():
    """Of at least six models with continuous symmetries, and regular controls; no point twice."""
    symmetric = {name for name, point in POINTS if models.get(name).symmetries}
    assert len(symmetric) >= 6 and len(set(POINTS)) == len(POINTS)
    controls = [models.get(name) for name, point in POINTS if point.startswith(REGULAR)]
    assert all(not model.singular for model in controls)
    assert any(not model.discrete_symmetries for model in controls)
    assert any(model.discrete_symmetries for model in controls)


@pytest.fixture(scope="module")
def table():
    """Rows of three points, and of one model's dimensions made up."""
    points = [study.at_point(name, point, 0) for name, point in (CROSSING, ON_A_LINE, CONTROL)]
    ways = {"d": 2, "rank": 0, "spectrum": 0.0, "2 λ": 1.0, "2 λ by WBIC": 1.2, "median rank over posterior draws": 1}
    about = {"problem": "product", "point": "posterior", "n": 500, "quantity": "effective dimension", "flags": ""}
    rows = pd.DataFrame([{**about, "method": way, "value": value} for way, value in ways.items()])
    ours = rows["method"] == "2 λ by WBIC"
    rows.loc[ours, ["mcse", "exact", "z"]] = 0.1, 1.1, 1.0
    return pd.concat([*points, rows.reindex(columns=study.COLUMNS)], ignore_index=True)


def numbers(table, point):
    own = table[(table["problem"] == point[0]) & (table["point"] == point[1])]
    return own.set_index(["quantity", "method"])["value"].sort_index()


@pytest.mark.slow
def test_rows_of_a_point(table):
    crossing, line, control = (numbers(table, point) for point in (CROSSING, ON_A_LINE, CONTROL))
    told = ["rank", "null", "tangents", "left over", "discrete maps"]
    assert [crossing[name, ""] for name in told] == [0, 2, 0, 2, 0]
    assert [line[name, ""] for name in told] == [0, 2, 1, 1, 0]
    assert [control[name, ""] for name in told] == [2, 0, 0, 0, 1]
    assert control["images of another rank", ""] == 0
    assert line["coefficient", "½ rank + 1/order"] == line["coefficient", "exact λ of the model"] == 0.25
    assert ("coefficient", "½ rank + 1/order") not in crossing.index
    assert np.isinf(crossing["order", "straight along w1"]) and crossing["order", "generic straight"] == 4
    assert (np.array(control["eigenvalue", "range"]) > 0).all()


def test_the_text_follows_the_rows(table):
    told = text(table)
    assert "At 1 of the 1 points with flat directions" in told
    assert "1 of order 4" in told and "2 are lines of optima" in told
    assert "tanh-1-1: 1 map)" in told and "each has the rank of its original" in told
    worse = table.copy()
    worse.loc[(worse["problem"] == "monomial-1-2") & (worse["quantity"] == "largest angle"), "value"] = 0.5
    assert "(not at monomial-1-2 (on the line w2 = 0))" in text(worse)
    assert list(shown(table)["left over"]) == ["2", "1", "0"]


def test_the_picture_has_a_row_a_point(table):
    spectra, dimensions = draw(table).axes
    assert [label.get_text() for label in spectra.get_yticklabels()] == [
        f"{name}: {point}" for name, point in (CROSSING, ON_A_LINE, CONTROL)
    ]
    assert [label.get_text() for label in dimensions.get_yticklabels()] == ["product"]
