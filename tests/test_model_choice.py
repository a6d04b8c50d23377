"""The arithmetic of `benchmarks/validate_model_choice.py`: choices, their counts, and nll by sufficient statistics."""

from __future__ import annotations

import math

import jax
import numpy as np
import pandas as pd
import pytest
from scipy.stats import binomtest

from singular.models.density import map_rows
from singular.models.linear_networks.linear_truth import true_matrix
from tests.programs import imported

NAMES = ("validate_model_choice", "validate_model_choice_families", "validate_model_choice_tables",
         "validate_model_choice_page", "validate_model_choice_picture")  # fmt: skip
TRUTHS = {"a": 1}


@pytest.fixture(scope="module")
def programs():
    with imported(NAMES) as modules:
        yield modules


@pytest.fixture(scope="module")
def tables(programs):
    return programs["validate_model_choice_tables"]


@pytest.fixture(scope="module")
def families(programs):
    return programs["validate_model_choice_families"]


def rows_of(**columns):
    """Three sizes, 0 to 2, of as many data sets as the columns have rows of three."""
    sets = len(next(iter(columns.values())))
    frame = pd.DataFrame({"family": "a", "n": 50, "seed": np.repeat(np.arange(sets), 3), "size": [0, 1, 2] * sets})
    for name, values in columns.items():
        frame[name.replace("_", " ")] = np.ravel(np.array(values, dtype=object if "flags" in name else float))
    return frame


class TestTables:
    @pytest.mark.parametrize(("successes", "total"), [(0, 20), (3, 20), (17, 40), (40, 40)])
    def test_the_interval_is_wilsons(self, tables, successes, total):
        one_error = binomtest(successes, total).proportion_ci(math.erf(1 / math.sqrt(2)), "wilson")
        low, high = tables.wilson(successes, total)
        assert (low, high) == pytest.approx((one_error.low, one_error.high), abs=1e-9)
        assert low <= successes / total <= high
        assert low < high

    def test_the_least_is_picked_with_the_error_of_the_margin(self, tables):
        rows = rows_of(F=[[5.0, 3.0, 3.5], [1.0, 2.0, 3.0]], mcse_of_F=[[0.1, 0.3, 0.4], [0.0, 0.2, 0.3]])
        chosen = tables.picks(rows, TRUTHS, ("F",))
        assert chosen["picked"].tolist() == [1, 0]
        assert chosen["excess"].tolist() == [0, -1]
        assert chosen["right"].tolist() == [True, False]
        assert chosen["margin"].tolist() == pytest.approx([0.5, 1.0])
        assert chosen["error"].tolist() == pytest.approx([0.5, 0.2])

    def test_a_missing_value_leaves_a_data_set_out_of_that_criterion_alone(self, tables):
        rows = rows_of(F=[[5.0, 3.0, 4.0], [1.0, np.nan, 3.0]], BIC=[[5.0, 3.0, 4.0], [1.0, 2.0, 3.0]])
        chosen = tables.picks(rows, TRUTHS, ("F", "BIC"))
        assert chosen.groupby("criterion").size().to_dict() == {"F": 1, "BIC": 2}

    def test_shares_sizes_and_means_count_the_same_choices(self, tables):
        rows = rows_of(F=[[2, 1, 3], [2, 1, 3], [1, 2, 3], [3, 2, 1]], BIC=[[1, 2, 3]] * 4)
        chosen = tables.picks(rows, TRUTHS, ("F", "BIC"))
        assert tables.share_table(chosen)["F"].tolist() == [tables.share(2, 4)]
        assert tables.sizes_table(chosen)[["F", "BIC"]].iloc[0].tolist() == ["1 / 2 / 1", "4 / 0 / 0"]
        assert tables.excess_table(chosen)["BIC"].tolist() == ["-1.00 ± 0.00"]
        assert tables.share(2, 4).startswith("0.50 ± ")

    def test_ties_are_margins_within_two_errors(self, tables):
        rows = rows_of(F=[[0.0, 1.0, 9.0], [0.0, 0.5, 9.0]], mcse_of_F=[[0.3, 0.4, 0.0], [0.3, 0.4, 0.0]])
        told = tables.tie_table(tables.picks(rows, TRUTHS, ("F",)))["F"].tolist()
        assert told == ["0.75, 0.50, 2 of 2"]
        assert "BIC" not in tables.tie_table(tables.picks(rows.assign(BIC=rows["F"]), TRUTHS, ("F", "BIC")))

    def test_the_sign_test_counts_where_only_one_is_right(self, tables):
        rows = rows_of(F=[[2, 1, 3]] * 5 + [[1, 2, 3]], BIC=[[1, 2, 3]] * 5 + [[1, 2, 3]])
        found = tables.paired_table(tables.picks(rows, TRUTHS, ("F", "BIC"))).iloc[0]
        assert (found["only F"], found["only the other"]) == (5, 0)
        assert found["p"] == pytest.approx(2 * 0.5**5)

    def test_changes_under_other_priors_are_told_from_flagged_and_close_ones(self, tables):
        half, double = tables.FACTORS
        sets = [[2.0, 1.0, 3.0]] * 3
        rows = rows_of(F=sets, mcse_of_F=[[0.1] * 3] * 3)
        rows[half] = np.ravel([[2.0, 1.0, 3.0], [0.9, 1.0, 3.0], [0.0, 1.0, 3.0]])
        rows[double] = np.ravel(sets)
        for name in (half, double):
            rows[f"mcse of {name}"] = 0.1
            rows[f"flags of {name}"] = ""
        rows.loc[8, f"flags of {half}"] = "Pareto k"
        moved = tables.prior_choices(rows, TRUTHS)
        own = moved[moved["criterion"] == half]
        assert own["changed"].tolist() == [False, True, True]
        assert own["close"].tolist() == [False, True, False]
        assert own["flagged"].tolist() == [False, False, True]
        assert not moved[moved["criterion"] == double]["changed"].any()
        found = tables.prior_table(moved).iloc[0]
        assert found["× 0.5: changed, of these close"] == "2, 1"
        assert found["× 0.5: flagged"] == found["× 0.5: changed without a flag"] == 1
        assert found["× 0.5: right"] == 1
        assert found["× 2: right"] == 3

    def test_errors_against_the_exact_evidence_are_in_units_of_the_claimed_one(self, tables):
        rows = rows_of(F=[[1.0, 2.0, 3.0]] * 2, mcse_of_F=[[0.1, 0.1, 0.1]] * 2)
        rows["exact F"] = [np.nan, 1.9, np.nan, np.nan, 2.3, np.nan]
        found = tables.exact_table(rows)
        assert found["size"].tolist() == [1]
        assert found["rms z"].tolist() == pytest.approx([math.sqrt(5)])
        assert found["largest error"].tolist() == pytest.approx([0.3])

    def test_a_larger_model_that_fits_worse_is_counted(self, tables):
        assert tables.worse_fits(rows_of(nll=[[3.0, 2.0, 2.005], [3.0, 2.0, 2.5]])) == 1


class TestFamilies:
    def test_each_truth_is_a_fitted_size_and_the_table_has_its_shape(self, families):
        for family in families.FAMILIES.values():
            assert family.truth in family.sizes
            assert [len(row) for row in family.table] == list(range(1, len(family.sizes) + 1))

    @pytest.mark.parametrize(
        ("name", "expected"),
        [("reduced-rank regression", 1.5), ("normal mixture", 1.0), ("factor analysis", 2.5), ("tanh network", 1.0)],
    )
    def test_the_price_is_the_growth_of_lambda(self, families, name, expected):
        assert families.price(families.FAMILIES[name]) == expected

    def test_gains_are_divergences(self, families):
        gains = {name: family.gain for name, family in families.FAMILIES.items()}
        least = np.linalg.svd(true_matrix(3, 3, 2))[1][1]
        assert gains["reduced-rank regression"] == pytest.approx(0.5 * least**2)
        loadings = np.cos(1.0 + np.arange(5))
        covariance = np.outer(loadings, loadings) + np.eye(5)
        correlation = covariance / np.sqrt(np.outer(np.diag(covariance), np.diag(covariance)))
        assert gains["factor analysis"] == pytest.approx(-0.5 * np.linalg.slogdet(correlation)[1])
        y = families.data_of(families.FAMILIES["normal mixture"], 100_000, 0)["y"]
        ratio = -0.5 * 0.75**2 + np.logaddexp(0.75 * y, -0.75 * y) - math.log(2)
        assert abs(gains["normal mixture"] - ratio.mean()) < 4 * ratio.std() / math.sqrt(y.size)
        data = families.data_of(families.FAMILIES["tanh network"], 100_000, 0)
        ratio = 0.5 * (data["y"] ** 2 - (data["y"] - 0.5 * np.tanh(data["x"])) ** 2)
        assert abs(gains["tanh network"] - ratio.mean()) < 4 * ratio.std() / math.sqrt(y.size)

    def test_a_smaller_data_set_is_the_beginning_of_a_larger_one(self, families):
        for family in families.FAMILIES.values():
            few, many = (families.data_of(family, n, seed=3) for n in (20, 50))
            for name in few:
                np.testing.assert_array_equal(few[name], many[name][:20])

    @pytest.mark.parametrize("size", [0, 1, 2])
    @pytest.mark.parametrize("name", ["reduced-rank regression", "factor analysis"])
    def test_sums_have_the_nll_of_the_rows(self, families, name, size):
        family = families.FAMILIES[name]
        size = family.sizes[size]
        data = families.data_of(family, 40, seed=1)
        problem = families.problem_of(family, size, data)
        sums = families.sampled_problem(family, size, data, problem)
        assert sums.n == problem.n == 40
        with jax.enable_x64(True):
            z = map_rows(problem.parts.prior_draw, jax.random.split(jax.random.PRNGKey(2), 64))
            rows, summed = (map_rows(p.parts.split, z) for p in (problem, sums))
        np.testing.assert_allclose(summed[0], rows[0], atol=1e-10)
        np.testing.assert_allclose(summed[1], rows[1], rtol=1e-10)

    def test_a_network_without_units_has_no_parameters(self, programs, families):
        family = families.FAMILIES["tanh network"]
        data = families.data_of(family, 30, seed=0)
        assert families.problem_of(family, 0, data) is None
        row = programs["validate_model_choice"].without_parameters(families.nll_of_noise(data))
        assert row["F"] == row["LOO"] == pytest.approx(0.5 * np.sum(data["y"] ** 2) + 15 * math.log(2 * math.pi))


@pytest.fixture(scope="module")
def measured(programs):
    """Criteria of one small data set of each of two families, from short ladders."""
    program = programs["validate_model_choice"]
    before = dict(program.SETTINGS)
    program.SETTINGS.update(draws=60, warmup=50)
    try:
        return pd.concat([program.one_set(program.Job(name, 30, seed))
                          for name, seed in (("tanh network", 0), ("factor analysis", 0), ("factor analysis", 1))],
                         ignore_index=True)  # fmt: skip
    finally:
        program.SETTINGS.update(before)


@pytest.mark.slow
class TestProgram:
    def test_the_evidence_is_right(self, measured):
        known = measured[measured["exact F"].notna() & (measured["mcse of F"] > 0)]
        assert known["size"].tolist() == [1, 2, 3]
        assert (abs(known["F"] - known["exact F"]) < 5 * known["mcse of F"]).all()
        assert (known["mcse of F"] < 0.3).all()

    def test_criteria_lie_on_one_scale(self, measured):
        for name in ("WBIC", "sBIC", "BIC", "WAIC", "LOO", "F, prior × ½", "F, prior × 2"):
            assert (abs(measured[name] - measured["F"]) < 15).all()

    def test_an_empty_model_and_a_full_one_differ_in_bic_by_its_dimension(self, measured):
        own = measured[measured["family"] == "tanh network"]
        np.testing.assert_allclose(own["BIC"] - own["nll"], np.array([0, 1, 2, 3]) * math.log(30), atol=1e-9)

    def test_the_page_tells_what_the_rows_hold(self, programs, families, measured):
        rows = pd.concat([measured, measured.assign(n=60)], ignore_index=True)
        both = [families.FAMILIES[name] for name in ("factor analysis", "tanh network")]
        text = programs["validate_model_choice_page"].page(rows, both, {"chains": 2, "draws": 60, "warmup": 50}, 8)
        chosen = programs["validate_model_choice_tables"].picks(rows, {f.name: f.truth for f in both})
        right = chosen[(chosen["criterion"] == "F") & (chosen["family"] == "factor analysis") & (chosen["n"] == 30)]
        assert (
            f"| factor analysis | 30 | 2 | {programs['validate_model_choice_tables'].share(right['right'].sum(), 2)}"
            in text
        )
        assert "Not finished: 6 of 8 data sets" in text
        assert "## F from the ladders against the exact evidence" in text
        assert programs["validate_model_choice_picture"].picture(rows, both).axes
