"""The study of sharpness: its networks and their test losses, its correlations on made-up minima, its text."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest

from singular.analysis.studies import sharpness as study
from singular.analysis.studies.sharpness_figure import draw
from singular.analysis.studies.sharpness_names import (
    COLUMNS,
    FOUND,
    LAMBDA,
    LARGEST,
    LOG_DET,
    PREDICTORS,
    QUADRATIC,
    RANK,
    TEST,
    TRACE,
    TRAIN,
    VOLUMES,
    related,
    usable_rows,
)
from singular.analysis.studies.sharpness_problems import EDGE, NETWORKS, REGRESSION_NOISE
from singular.analysis.studies.sharpness_text import decided, minima_shown, shown, text
from singular.posteriors.precision import x64

NAME = "tanh, narrow"
SIZE = 20


def made_up(lost: int = 0):
    """Return rows of made-up minima of one network: test loss and trace follow the train loss, λ̂ is noise."""
    rng = np.random.default_rng(0)
    train = np.linspace(1.0, 2.0, SIZE)
    noise = rng.permutation(SIZE).astype(float)
    columns = {
        TRAIN: train, TEST: train**2, TRACE: np.exp(train), FOUND: (SIZE - np.arange(SIZE)) / 400,
        RANK: np.full(SIZE, 17.0),
        LAMBDA: noise / 10, QUADRATIC: noise / 10 + 0.01, LOG_DET: rng.permutation(SIZE).astype(float),
        **{name: rng.permutation(SIZE).astype(float) for name in VOLUMES},
        "runs from large starts": noise, "runs from small starts": -noise,
    }  # fmt: skip
    frames = [
        pd.DataFrame({"minimum": np.arange(SIZE), "quantity": quantity, "value": values, "mcse": 0.0, "flags": ""})
        for quantity, values in columns.items()
    ]
    census = {"runs": 512, "runs that ended in a minimum": 500, "distinct minima": 60, "minima found once": 30,
              "runs that ended in a minimum measured": 300}  # fmt: skip
    frames.append(
        pd.DataFrame(
            {"minimum": -1, "quantity": list(census), "value": list(census.values()), "mcse": 0.0, "flags": ""}
        )
    )
    table = pd.concat(frames, ignore_index=True).assign(problem=NAME)
    for place in range(lost):
        table.loc[(table["quantity"] == LAMBDA) & (table["minimum"] == place), "flags"] = (
            "rhat; draws left the centre: x"
        )
    return table


def whole(table):
    scaled = pd.DataFrame(
        {"problem": "relu-1-1", "given": "s = 1", "quantity": [TRACE, LARGEST], "value": [2.0, 1.5], "flags": ""}
    )
    found = study.correlations(table, resamples=200)
    return pd.concat([table, found, scaled], ignore_index=True).reindex(columns=list(COLUMNS))


def test_correlations_find_what_was_put_in():
    table = whole(made_up())
    raw, given = related(table, NAME, TEST), related(table, NAME, TEST, TRAIN)
    assert raw.loc[TRACE, "value"] == 1.0 and raw.loc[TRACE, "low"] > 0.9
    assert np.isnan(given.loc[TRACE, "value"])  # the trace says nothing that the train loss does not
    assert "not defined" in given.loc[TRACE, "flags"]
    assert related(table, NAME, FOUND).loc[TRACE, "value"] == -1.0
    assert raw.loc[LAMBDA, "value"] == pytest.approx(raw.loc[QUADRATIC, "value"])
    assert TRACE in decided(raw)[0]
    assert set(raw.index) == set(PREDICTORS)


def test_a_coefficient_of_draws_that_left_is_not_used():
    flags = pd.Series(["", "the localiser holds it", "ess 3 < 400; negative (-2): x", "draws left the centre"])
    assert list(usable_rows(flags)) == [True, True, False, False]
    table = whole(made_up(lost=4))
    assert related(table, NAME, TEST).loc[LAMBDA, "items"] == SIZE - 4
    assert related(table, NAME, TEST).loc[TRACE, "items"] == SIZE
    assert f"can be used at {SIZE - 4} of {SIZE} minima" in text(table)


def test_the_text_and_the_tables_follow_the_rows():
    table = whole(made_up())
    told = text(table)
    assert "512 runs, 500 of which ended in a minimum; 60 distinct minima, 30 of them found once" in told
    assert f"tanh, narrow: {TRACE}" in told
    assert "rank correlation of train and test loss is +1.00" in told
    assert "2.00 (largest eigenvalue 1.50) at s = 1" in told
    assert "-1.00 on tanh, narrow" in told
    rows = shown(table)
    assert len(rows) == len(PREDICTORS)
    assert rows.loc[rows["measure"] == TRACE, "ρ with test loss, given train loss"].item() == "not defined"
    assert minima_shown(table)["found"].iloc[0] == "0.050"
    worse = table.copy()
    ours = (worse["quantity"] == TRACE) & (worse["response"] == TEST) & (worse["given"] == "")
    worse.loc[ours, ["low", "high"]] = -1.0, 1.0
    assert f"tanh, narrow: {TRACE}" not in text(worse).split("**Test loss.**")[1].split("**Test loss, given")[0]


def test_the_picture_has_a_point_a_minimum():
    axes = draw(whole(made_up(lost=3))).axes
    assert f"{SIZE - 3} of {SIZE} minima" in axes[0].get_title(loc="left")
    assert [label.get_text() for label in axes[3].get_yticklabels()] == list(PREDICTORS)


def test_test_losses_are_those_of_fresh_data():
    """By quadrature and in closed form, against two hundred thousand inputs."""
    rng = np.random.default_rng(1)
    with x64():
        problem, loss = NETWORKS[NAME].make(50, 0)
        p = {"a": rng.normal(size=4), "b": rng.normal(size=(4, 2)), "c": rng.normal(size=4), "e": np.array(0.3)}
        x = rng.uniform(-EDGE, EDGE, size=(200_000, 2))
        gap = np.tanh(x @ p["b"].T + p["c"]) @ p["a"] + 0.3 - np.sin(2 * x).prod(axis=1)
        each = 0.5 * gap**2 / REGRESSION_NOISE**2
        assert abs(float(loss(p)) - each.mean()) < 4 * each.std() / np.sqrt(len(each))
        exact = jax.jit(NETWORKS["superposition"].make(20, 0)[1])
        w, b = 0.8 * rng.normal(size=(2, 6)), 0.2 * rng.normal(size=6)
        chosen, u = rng.integers(0, 6, size=200_000), rng.uniform(size=200_000)
        inputs = np.zeros((200_000, 6))
        inputs[np.arange(200_000), chosen] = u
        each = 50 * ((np.maximum(inputs @ w.T @ w + b, 0) - inputs) ** 2).sum(axis=1)
        assert abs(float(exact({"W": jnp.asarray(w), "b": jnp.asarray(b)})) - each.mean()) < 4 * each.std() / np.sqrt(
            len(each)
        )
    assert problem.n == 50


def test_the_trace_of_one_function_grows_with_its_scale():
    """Of ½ (a max(b x, 0) − y)² at (1/s, s): trace (b² + a²) mean of max(x, 0)², plus nothing on the diagonal."""
    rows = study.rescaled(0)
    trace = rows[rows["quantity"] == TRACE]["value"].to_numpy()
    scales = np.array(study.SCALES)
    assert trace / trace[0] == pytest.approx((scales**2 + scales**-2) / 2, rel=1e-6)


@pytest.mark.slow
def test_minima_of_a_network_are_measured():
    rows = study.measured(NAME, 0, 0, starts=16, most=1)
    got = rows[rows["minimum"] == 0].set_index("quantity")["value"]
    assert set(got.index) >= {*PREDICTORS, TEST, FOUND, TRAIN}
    assert rows.set_index("quantity")["value"]["runs"] == 16
    assert got["runs from large starts"] + got["runs from small starts"] == pytest.approx(16 * got[FOUND])
    assert got[VOLUMES[0]] > got[VOLUMES[1]] > got[VOLUMES[2]]
