"""The table of all coefficients of one ladder, and its picture."""

import numpy as np
import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from singular import analysis
from singular.analysis.across_n import evidence_increments, learning_curve
from singular.analysis.coefficient_table import coefficient_table
from singular.analysis.excess_coefficient import excess_coefficient
from singular.analysis.figures import png
from singular.analysis.figures_coefficients import learning_coefficients
from singular.analysis.regression_coefficient import regression_learning_coefficient
from tests.ladders import WBIC_BETA, GammaLadder

TRUTH = GammaLadder(persistence=0.3, swaps=True)
LADDER = TRUTH.one(0)
REFERENCE = TRUTH.offset
TABLE = coefficient_table(LADDER, REFERENCE, TRUTH.exact)


def over_n():
    frame = pd.DataFrame({"n": np.tile([50, 100, 200], 6), "seed": np.repeat(np.arange(6), 3), "mcse": 0.05})
    noise = np.random.default_rng(0).standard_normal(18)
    curve = frame.assign(generalisation_loss=0.5 / frame.n * (1 + 0.3 * noise), entropy=0.0, mcse=0.05 / frame.n)
    evidence = frame.assign(free_energy=0.5 * np.log(frame.n) + 0.1 * noise, reference_nll=0.0)
    return pd.concat([evidence_increments(evidence), learning_curve(curve)], ignore_index=True)


def test_the_table_has_every_way_once_with_its_exact_value():
    z = (TABLE.value - TABLE.exact) / TABLE.mcse
    assert np.isfinite(z).all() and (z.abs() < 4.5).all()
    windows = TABLE[TABLE.quantity == "learning_coefficient"].set_index("method")
    assert windows.index.tolist() == ["two-temperature", "regression", "regression-multiplicity"]
    secant = analysis.learning_coefficient(LADDER, "two-temperature")
    assert windows.value["two-temperature"] == secant.value
    assert windows.value["regression"] == regression_learning_coefficient(LADDER).slope.value
    assert (windows.beta_low < windows.beta).all() and (windows.beta < windows.beta_high).all()
    excess = TABLE[TABLE.method == "excess-rung"].set_index("beta")
    assert excess.value[WBIC_BETA] == excess_coefficient(LADDER, REFERENCE).value
    assert TABLE[TABLE.quantity == "excess_coefficient"].target.str.contains("excess form").all()
    assert not TABLE[TABLE.quantity != "excess_coefficient"].target.str.contains("excess").any()


def test_without_a_reference_or_an_oracle():
    table = coefficient_table(LADDER)
    assert "excess_coefficient" not in set(table.quantity) and table.exact.isna().all()
    figure = learning_coefficients(table, WBIC_BETA)
    assert len(figure.axes) == 1
    assert png(figure).startswith(b"\x89PNG")


@pytest.fixture(scope="module")
def figure():
    figure = learning_coefficients(
        TABLE, WBIC_BETA, over_n=over_n(), learning_coefficient=TRUTH.shape, half_dim=1.5, name="gamma"
    )
    FigureCanvasAgg(figure).draw()
    return figure


def test_the_two_forms_have_panels_of_their_own(figure):
    assert [a.get_title(loc="left") for a in figure.axes] == ["Variance form", "Excess form", "Over n"]
    assert all(a.get_xlabel() and a.get_ylabel() for a in figure.axes)
    variance, excess, _ = figure.axes
    for axes, method in ((variance, "rung"), (excess, "excess-rung")):
        (points,) = [line.get_ydata() for line in axes.lines if line.get_marker() == "o" and len(line.get_ydata())]
        np.testing.assert_allclose(np.asarray(points, dtype=float), TABLE.value[TABLE.method == method])


def test_every_number_and_line_is_within_its_panel_and_in_the_legend(figure):
    for axes in figure.axes:
        low, high = axes.get_ylim()
        for line in axes.lines:
            values = np.asarray(line.get_ydata(), dtype=float)
            upright = len(set(line.get_xdata())) == 1 and values.tolist() == [0, 1]  # the mark at 1/log n
            assert upright or ((values >= low) & (values <= high)).all()
    (legend,) = figure.legends
    labels = [text.get_text() for text in legend.get_texts()]
    assert len(labels) == len(set(labels))
    for word in ("MBAR", "exact at this n", "two temperatures", "regression", "λ", "d/2", "increments", "n (Gₙ − S)"):
        assert any(word in label for label in labels)


def test_nothing_overlaps(figure):
    renderer = figure.canvas.get_renderer()
    boxes = [axes.get_tightbbox(renderer) for axes in figure.axes]
    boxes += [figure.legends[0].get_window_extent(renderer), figure._suptitle.get_window_extent(renderer)]
    for i, box in enumerate(boxes):
        assert box.x0 >= -1 and box.y0 >= -1 and box.x1 <= figure.bbox.x1 + 1 and box.y1 <= figure.bbox.y1 + 1
        assert not any(box.overlaps(other) for other in boxes[i + 1 :])


def test_the_title_counts_what_lies_within_two_errors(figure):
    assert "learning coefficients within 2 mcse of their exact finite-n value" in figure.get_suptitle()
    rungs = TRUTH.betas.size - 1
    assert f"of {2 * rungs + 3} " in figure.get_suptitle()
