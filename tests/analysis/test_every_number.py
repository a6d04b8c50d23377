"""Every number of one ladder: the rows are those of the functions, and a ladder is taken for no other model's."""

from __future__ import annotations

import numpy as np
import numpyro
import numpyro.distributions as dist
import pandas as pd
import pytest

from singular import analysis, models, posteriors
from singular.analysis.every_number import COLUMNS, every_number, exact_at
from singular.analysis.moved_prior import moved_free_energies
from singular.analysis.number_tables import coefficient_picture, heading, shown_comparison, shown_numbers
from singular.models.scaled_prior import scaled_prior
from singular.posteriors import store
from singular.posteriors.recognised import problem_behind

SAMPLED = {"chains": 2, "draws": 60, "warmup": 60, "progress": False}


@pytest.fixture(scope="module")
def problem():
    return models.problem("linear-2", n=30, seed=1)


@pytest.fixture(scope="module")
def ladder(problem):
    return posteriors.ladder(problem, **SAMPLED, seed=2)


@pytest.fixture(scope="module")
def numbers(ladder):
    return every_number(ladder, fine=True)


def one(rows: pd.DataFrame, quantity: str, method: str | None = None, **more) -> pd.Series:
    here = rows["quantity"] == quantity
    for name, value in ({} if method is None else {"method": method}).items() | more.items():
        here &= rows[name] == value
    (row,) = rows.loc[here].to_dict("records")
    return pd.Series(row)


@pytest.mark.slow
def test_the_rows_are_tidy_and_of_one_problem(numbers):
    assert list(numbers.rows) == list(COLUMNS)
    assert list(COLUMNS[:10]) == [
        "problem",
        "n",
        "seed",
        "beta",
        "quantity",
        "method",
        "value",
        "mcse",
        "exact",
        "flags",
    ]
    labels = numbers.rows[["problem", "n", "seed"]].drop_duplicates()
    assert labels.to_numpy().tolist() == [["linear-2", 30, 1]]
    assert not numbers.rows.duplicated(["quantity", "method", "beta", "factor"]).any()
    assert numbers.left_out == ()


@pytest.mark.parametrize("method", ["mbar", "ti", "ti-interpolant", "ti-trapezoid", "stepping-stone"])
def test_every_route_to_the_evidence_is_that_of_its_function(numbers, ladder, method):
    row, right = one(numbers.rows, "free_energy", method), analysis.free_energy(ladder, method)
    assert (row["value"], row["mcse"], row["target"]) == (right.value, right.mcse, right.target)
    assert row["flags"] == "; ".join(right.flags)


def test_what_needs_the_problem_is_that_of_its_function(numbers, ladder, problem):
    rows = numbers.rows
    pairs = [
        (one(rows, "free_energy", "bridge"), analysis.bridge(ladder, problem)),
        (one(rows, "free_energy", "bic"), analysis.bic(problem)),
        (one(rows, "free_energy", "laplace"), analysis.laplace(problem)),
        (one(rows, "adjusted_wbic"), analysis.adjusted_wbic(ladder, problem)),
        (one(rows, "wbic_offset"), analysis.wbic_offset(ladder)),
        (one(rows, "waic"), analysis.waic(ladder, problem)),
        (one(rows, "cross_validation"), analysis.loo(ladder, problem)),
        (one(rows, "free_energy_shift", factor=0.5), analysis.prior_shift(ladder, problem, 0.5)),
    ]
    for row, right in pairs:
        assert (row["value"], row["mcse"]) == (
            pytest.approx(right.value, abs=1e-9),
            pytest.approx(right.mcse, rel=1e-6),
        )
    waic, right = one(rows, "waic"), analysis.waic(ladder, problem)
    assert waic["se_data"] == right.se_data > 10 * waic["mcse"]


def test_exact_values_stand_beside_what_they_belong_to(numbers, problem):
    wbic = 1 / np.log(30)
    exact = posteriors.quadrature(problem, [wbic, 1.0]).frame
    rows = numbers.rows
    assert one(rows, "free_energy", "bridge")["exact"] == pytest.approx(exact["free_energy"][1], abs=1e-9)
    offset = exact["mean_nll"][0] - exact["free_energy"][1]
    assert one(rows, "wbic_offset")["exact"] == pytest.approx(offset, abs=1e-9)
    excess = one(rows, "excess_coefficient", "excess-mbar")
    assert excess["exact"] == pytest.approx(wbic * (exact["mean_nll"][0] - problem.reference.nll), abs=1e-9)
    assert np.isfinite(one(rows, "learning_coefficient", "regression")["exact"])
    assert np.isnan(one(rows, "adjusted_wbic")["exact"])


def test_a_wider_prior_moves_the_evidence_by_the_exact_amount(ladder, problem):
    """linear-2: prior N(0, 1) on w, so the evidence under another scale is that of a normal in closed form."""
    x, y = (np.asarray(problem.kwargs[name]) for name in ("x", "y"))
    for moved in moved_free_energies(ladder, problem):
        law = np.eye(len(y)) + moved.factor**2 * x @ x.T
        right = 0.5 * (y @ np.linalg.solve(law, y) + np.linalg.slogdet(law)[1] + len(y) * np.log(2 * np.pi))
        e = moved.free_energy
        assert abs(e.value - right) < 5 * e.mcse, (moved.factor, e, right)
        assert e.mcse < 0.5


@pytest.mark.slow
def test_a_users_model_gives_what_its_draws_give_and_says_what_is_left_out(problem):
    def coin(y):
        p = numpyro.sample("p", dist.Beta(1.0, 1.0))
        with numpyro.plate("data", y.shape[0]):
            numpyro.sample("y", dist.Bernoulli(p), obs=y)

    own = models.Problem.from_numpyro(coin, y=np.array([0, 1, 1, 1, 0, 1, 0, 1, 1, 1]))
    tree = posteriors.ladder(own, **SAMPLED, seed=0)
    found = every_number(tree)
    assert found.problem is None and found.exact is None
    assert "'coin' is no catalogue model" in found.left_out[0]
    held = set(found.rows["quantity"])
    assert {"free_energy", "wbic", "wbic_offset", "learning_coefficient"} <= held
    assert not held & {"waic", "free_energy_shift", "excess_coefficient", "adjusted_wbic"}
    assert found.rows["exact"].isna().all()
    assert coefficient_picture(found).startswith(b"\x89PNG")
    assert [table.title.split(":")[0].split(" at ")[0] for table in shown_numbers(found)] == [
        *("Evidence", "WBIC", "Learning coefficients", "Learning coefficients")
    ]
    told = every_number(tree, own)  # the problem may be given
    assert "waic" in set(told.rows["quantity"])


@pytest.mark.slow
def test_real_data_are_recognised_and_other_data_are_not(tmp_path):
    real = models.real.problem("nile-0")
    tree = posteriors.ladder(real, **SAMPLED, seed=0)
    found, why = problem_behind(store.load(store.save(tree, tmp_path / "nile.nc")))
    assert found is not None and found.name == "nile-0" and why == ""
    tree.attrs["data_hash"] = "0" * 16
    found, why = problem_behind(tree)
    assert found is None and "its data are not those of the ladder" in why


def test_a_known_name_with_another_prior_is_not_taken_for_the_catalogues(ladder, problem):
    other = problem.replace(density=scaled_prior(problem.density, 3.0))
    tree = ladder.copy()  # name, n, seed and data are the catalogue's: the densities alone tell
    z = posteriors.unconstrained(ladder, problem, 1.0)
    with posteriors.x64():
        log_prior = np.array([[float(other.parts.split(draw)[0]) for draw in chain[:4]] for chain in z])
    stored = tree["sample_stats"].dataset["log_prior"].copy()
    stored.loc[{"beta": 1.0, "draw": slice(0, 3)}] = log_prior
    tree["sample_stats"] = tree["sample_stats"].to_dataset().assign(log_prior=stored)
    found, why = problem_behind(tree)
    assert found is None and "prior or likelihood" in why
    assert problem_behind(ladder)[0] is not None


def test_the_tables_hold_every_flag_in_full(numbers):
    tables = shown_numbers(numbers)
    notes = " ".join(note for table in tables for note in table.notes)
    evidence = numbers.rows.loc[numbers.rows["quantity"] == "free_energy", "flags"]
    flags = {flag for joined in evidence for flag in joined.split("; ") if flag}
    assert flags and all(flag in notes for flag in flags)
    assert (
        heading(numbers) == "linear-2, n = 30, data seed 1: 2 chains × 60 draws on " + heading(numbers).split(" on ")[1]
    )


def test_a_comparison_has_a_table_for_each_problem(numbers):
    rows = numbers.rows.loc[numbers.rows["quantity"] == "free_energy"].assign(z=0.0)
    first, second = shown_comparison(pd.concat([rows, rows.assign(problem="other")]))
    assert first.title.startswith("linear-2") and second.title.startswith("other, n = 30, seed 1")
    assert str(first.frame["number"].iloc[0]).removesuffix(" *") == "F by mbar"


def test_an_oracle_is_looked_up_where_it_holds_a_beta():
    held = pd.DataFrame({"beta": [0.0, 0.3], "free_energy": [0.0, 2.0], "mean_nll": [9.0, 5.0]})
    rows = exact_at(held)(np.array([0.3, 0.5, 0.0]))
    assert rows["mean_nll"].tolist()[::2] == [5.0, 9.0] and np.isnan(rows["mean_nll"][1])
    assert exact_at(None)(np.array([1.0])).drop(columns="beta").isna().all(axis=None)
