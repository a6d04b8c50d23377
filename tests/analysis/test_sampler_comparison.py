"""The comparison of samplers: exact values, the columns of bias, runs whose chains leave."""

import numpy as np
import pandas as pd
import pytest

from singular import models, posteriors
from singular.analysis.sampler_comparison import COLUMNS, KIN, SHARES, Size, compare_samplers
from singular.analysis.sampler_tables import shown_samplers

SMALL = Size(chains=16, draws=100, thin=5, burn_in=300)


@pytest.fixture(scope="module")
def problem():
    return models.problem("linear-2", n=60, seed=0)


@pytest.fixture(scope="module")
def rows(problem):
    return compare_samplers(problem, gammas=(0.0, 10.0), samplers=("sgld", "mala"), size=SMALL)


@pytest.mark.slow
def test_exact_values_are_those_of_closed_forms(rows, problem):
    beta = 1 / np.log(problem.n)
    x = problem.kwargs["x"]
    exact = posteriors.quadratic_local_coefficient(np.linalg.eigvalsh(x.T @ x), 10.0, beta)
    local = rows[rows["gamma"] == 10.0]
    assert np.allclose(local["exact"], exact)
    own = posteriors.quadrature(problem, [beta]).frame["mean_nll"].iloc[0]
    assert np.allclose(rows["own_exact"], beta * (own - problem.reference.nll), atol=1e-6)
    assert np.allclose(local["localisation_bias"], exact - rows["own_exact"].iloc[0])


@pytest.mark.slow
def test_biases_are_those_of_the_exact_law(rows, problem):
    x, y = problem.kwargs["x"], problem.kwargs["y"]
    beta = 1 / np.log(problem.n)
    exact = rows["exact"][rows["gamma"] == 10.0].iloc[0]
    sgld = rows[(rows["gamma"] == 10.0) & (rows["sampler"] == "sgld")]
    for row in sgld.to_dict("records"):
        law = posteriors.regression_sgld_coefficient(x, y, beta, 10.0, row["step_size"], int(row["batch_size"]))
        assert abs(row["value"] - law) < 4 * row["mcse"]
        if row["batch_size"] == problem.n:
            assert abs(row["discretisation_bias"] - (law - exact)) < 4 * row["discretisation_error"]
        else:
            whole = posteriors.regression_sgld_coefficient(x, y, beta, 10.0, row["step_size"])
            assert abs(row["minibatch_bias"] - (law - whole)) < 4 * row["minibatch_error"]
    largest = sgld[(sgld["share"] == max(SHARES)) & (sgld["batch_size"] == problem.n)].iloc[0]
    assert largest["discretisation_bias"] > 4 * largest["discretisation_error"]


@pytest.mark.slow
def test_samplers_without_a_bias_show_none(rows):
    unbiased = rows[rows["sampler"].isin(["NUTS ladder", "NUTS local", "mala", "sgld-richardson"])]
    assert len(unbiased) == 6
    assert (unbiased["z"].abs() < 4).all()


@pytest.mark.slow
def test_the_table_has_a_row_for_every_run(rows, problem):
    assert tuple(rows.columns) == COLUMNS
    assert (rows["sampler"] == "sgld").sum() == 2 * 2 * len(SHARES)
    shown = shown_samplers(rows)
    assert len(shown.frame) == len(rows)
    assert "own prior" in set(shown.frame["γ"])
    assert all(isinstance(cell, str) for cell in shown.frame.to_numpy().ravel())


@pytest.mark.slow
def test_chains_that_leave_are_told_and_have_no_value():
    steep = models.problem("monomial-3", n=200, seed=0)  # its loss grows as w^6: a large step throws chains out
    rows = compare_samplers(steep, gammas=(0.0,), samplers=("sgld",), size=SMALL._replace(burn_in=2000))
    left = rows[rows["flags"] == "chains left for infinity"]
    assert len(left) > 0
    assert left["value"].isna().all()
    assert shown_samplers(rows).frame["gradients"].eq("chains left").sum() >= len(left)


def test_every_other_sampler_has_a_step():
    assert set(KIN) == set(posteriors.langevin_kernels.KERNELS) - {"sgld"}
    assert all(0 < share <= 1 for share in KIN.values())


def test_a_frame_of_one_row_is_shown():
    row = dict.fromkeys(COLUMNS, np.nan) | {
        "problem": "x", "n": 10, "sampler": "sgld", "gamma": 1.0, "batch_size": 5, "exact": 0.5, "flags": "",
    }  # fmt: skip
    shown = shown_samplers(pd.DataFrame([row]))
    assert shown.frame.iloc[0]["batch"] == "5"
    assert shown.frame.iloc[0]["gradients"] == "chains left"
