"""What stands beside a choice among sizes: other priors, and prediction with its paired error over the data."""

from __future__ import annotations

import math
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from singular.analysis.criterion import criterion
from singular.analysis.estimate import Estimate
from singular.analysis.further import Further
from singular.analysis.model_choice import CHOICE, PREDICTION, PRIOR, findings, size_table
from singular.analysis.moved_prior import Moved
from singular.analysis.study_sections import over_sizes
from singular.analysis.tables import narrow, readable

RNG = np.random.default_rng(5)


def outcome(size: int, free_energy: float, shifts: tuple[float, float], elpd: np.ndarray, failed: tuple[str, ...] = ()):
    noise = RNG.standard_normal((2, 200))
    loo = criterion(elpd, noise - noise.mean(), averaged=False, target="t", method="psis-loo", beta=1.0)
    moved = [
        Moved(factor, Estimate(shift, 0.01, "t", "m"), Estimate(free_energy + shift, 0.1, "t", "m"), failed)
        for factor, shift in zip((0.5, 2.0), shifts, strict=True)
    ]
    return SimpleNamespace(
        job=SimpleNamespace(name=f"nile-{size}"), dim=3 * size + 2, n=len(elpd), bic=free_energy + 1.0, bic_flags="",
        free_energy={"value": free_energy, "mcse": 0.1}, wbic={"value": free_energy - 0.5, "mcse": 0.2}, flags="",
        further=Further({"waic": loo, "cross_validation": loo}, tuple(moved), pd.DataFrame(), b""),
    )  # fmt: skip


@pytest.fixture
def sizes() -> pd.DataFrame:
    elpd = RNG.standard_normal(50)
    better = elpd + 0.1 + 0.05 * RNG.standard_normal(50)
    return size_table(
        [outcome(0, 10.0, (0.0, 1.0), elpd), outcome(1, 10.5, (1.0, -1.0), better, ("Pareto k 0.9 > 0.7",))]
    )


def test_probabilities_follow_the_free_energy_under_each_prior(sizes):
    assert sizes["probability_half"][1] == pytest.approx(1 / (1 + math.exp(1.5)))
    assert sizes["probability_double"][1] == pytest.approx(1 / (1 + math.exp(-1.5)))
    assert sizes["probability_double"].sum() == pytest.approx(1.0)
    assert (sizes["probability_double_mcse"] > 0).all()


def test_prediction_is_compared_observation_by_observation(sizes):
    assert sizes["loo_behind"][1] == 0.0
    assert sizes["loo_behind"][0] == pytest.approx(sizes["loo"][0] - sizes["loo"][1])
    assert 0 < sizes["loo_behind_se_data"][0] < 0.2 * sizes["loo_se_data"][0]


def test_the_sentences_say_what_the_table_says(sizes):
    prior, loo = findings(sizes)
    assert prior == (
        "nile: the free energy favours 0, 0 with all prior scales halved and 1 with all prior scales doubled; "
        "reweighting to these priors is flagged at 1."
    )
    assert loo.startswith("nile: leave-one-out prediction is best at 1")


def test_the_three_views_hold_all_flags(sizes):
    for columns in (CHOICE, PRIOR, PREDICTION):
        assert set(columns) <= set(sizes)
    _, notes = narrow(readable(sizes.loc[:, list(PRIOR)]))
    assert notes == ["* nile-1: half: Pareto k 0.9 > 0.7; double: Pareto k 0.9 > 0.7"]


def test_the_two_errors_over_data_stay_apart(sizes):
    shown, _ = narrow(readable(sizes.loc[:, list(PREDICTION)]))
    own, paired = float(shown["± over data"][0]), float(shown["± over data, paired"][0])
    assert own == pytest.approx(sizes["loo_se_data"][0], rel=0.05)
    assert paired == pytest.approx(sizes["loo_behind_se_data"][0], rel=0.05)


def test_sizes_without_a_log_likelihood_for_each_observation_have_no_prediction():
    bare = outcome(0, 1.0, (0.0, 0.0), np.zeros(3))
    bare.further = Further({}, bare.further.moved, pd.DataFrame(), b"")
    table = size_table([bare])
    assert table["loo"].isna().all() and len(findings(table)) == 1


def test_one_data_set_over_n_gives_increments_and_a_slope():
    n = np.array([10, 100, 1000])
    frame = pd.DataFrame({"n": n, "seed": 0, "free_energy": 5 + 0.5 * np.log(n), "mcse": 0.01, "reference_nll": 5.0})
    rows = over_sizes(frame)
    assert rows["method"].tolist() == ["free-energy-increment", "free-energy-increment", "evidence-slope"]
    assert rows["value"].iloc[-1] == pytest.approx(0.5)
    assert rows["data_error"].isna().all() and (rows["next_n"] > rows["n"]).all()
