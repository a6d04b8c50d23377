"""The study of two wells at the noise floor: its counting, its flags, its laws, and a small table of it."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from singular import models, posteriors
from singular.analysis.studies import free_energy_at_the_floor as study
from singular.models.crossings.two_wells import SUMMIT
from singular.models.problem import Problem


@pytest.fixture(scope="module")
def table():
    """Six cells of few and short runs, and the exact curves at few places."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(study, "RUNS", 200)
        patch.setattr(study, "TIME", 150.0)
        patch.setattr(study, "SPACING", 0.01)
        patch.setattr(study, "CURVE", {"temperature": (0.05, 0.2), "step": (0.05, 0.2), "own": (0.1, 0.15)})
        cells = [
            (study.ISOTROPIC, 0.1, 0.3, 0.05, 0.0),
            (study.ISOTROPIC, 0.1, 0.03, 0.05, 0.0),
            (study.ISOTROPIC, 0.1, 0.3, 0.2, 0.0),
            (study.ISOTROPIC, 0.1, 0.3, 0.01, 0.9),
            (study.OWN, 0.0, 0.025, 0.05, 0.0),
            (study.MIXED, 0.1, 0.1, 0.15, 0.0),
        ]
        drawn = [study.occupied(*cell, 0).assign(curve="") for cell in cells]
        lines = [study.curves(what, 0.1, 0) for what in study.CURVE]
        return pd.concat([*drawn, *lines], ignore_index=True)


@pytest.mark.slow
def test_isotropic_noise_follows_the_free_energy_where_it_crosses(table):
    hot = table.iloc[0]
    assert hot["flags"] == "" and hot["up"] + hot["down"] > 1
    assert abs(hot["z_gibbs"]) < 4 and abs(hot["z_chain"]) < 4 and hot["mcse"] < 0.03
    assert hot["small"] == pytest.approx(hot["gibbs"], abs=1e-4)


def test_momentum_at_equal_temperature_follows_it_too(table):
    heavy = table.iloc[3]
    assert abs(heavy["z_gibbs"]) < 4 and np.isnan(heavy["chain"]) and heavy["steps"] == 1500


def test_runs_that_do_not_cross_are_flagged(table):
    for i in (1, 4):
        cold = table.iloc[i]
        assert cold["from_sharp"] == 0 and cold["from_flat"] == 1 and cold["value"] == 0.5
        assert "no run crossed" in cold["flags"]
        assert cold["mcse"] == 1 / 200
    assert "relaxations" in table.iloc[1]["flags"]


def test_own_noise_has_another_law_than_gibbs(table):
    mixed = table.iloc[5]
    assert mixed["own"] == pytest.approx(0.75)
    assert mixed["chain"] > mixed["small"] > mixed["gibbs"] + 0.3
    assert mixed["z_gibbs"] > 4


def test_page_and_picture_are_made_of_the_table(table):
    words = study.text(table)
    row = table.iloc[0]
    assert f"{row['value']:.3f} ± {row['mcse']:.3f}" in words and "no run crossed" in words
    assert "nan" not in words
    assert len(study.shown(table)) == 6
    assert len(study.draw(table).axes) == 6


def test_temperature_of_a_cell_is_that_of_its_ensemble():
    problem = Problem.from_model(models.uneven_wells(0.1), n=20, seed=0)
    for momentum in (0.0, 0.9):
        sigma = study.added_noise(study.ISOTROPIC, 0.07, 0.01, momentum) ** 0.5
        optimiser = {"optimiser": "momentum", "momentum": momentum} if momentum else {}
        tree = posteriors.sgd(
            problem, learning_rate=0.01, noise="isotropic", sigma=sigma, runs=2, steps=1, progress=False, **optimiser
        )
        assert tree.attrs["temperature"] == pytest.approx(0.07, rel=1e-12)
    assert study.added_noise(study.OWN, 0.1, 0.2, 0.0) == pytest.approx(0)
    for kind, _, temperature, step, momentum in study.CELLS:
        assert study.added_noise(kind, temperature, step, momentum) >= -1e-12


def test_crossings_go_from_core_to_core():
    top = SUMMIT
    assert study.crossings(np.array([-1, top - 0.1, top + 0.1, -1])) == (0, 0)
    assert study.crossings(np.array([-1, top, 3, top, 2, -1, 3])) == (2, 1)


def test_shares_count_both_starts_alike_and_leave_out_runs_that_left():
    """Three runs from the sharp well, one of which left, and two from the flat one."""
    w = np.array([[-1, -1, 3, 3], [-1, -1, -1, -1], [-1, np.nan, np.nan, np.nan], [3, 3, 3, 3], [3, 3, 3, -1]])
    tree = xr.DataTree.from_dict(
        {
            "/posterior": xr.Dataset({"w": (("run", "step"), w)}),
            "/sample_stats": xr.Dataset({"diverged": ("run", np.isnan(w).any(axis=1))}),
        }
    )
    found = study.measure(tree)
    assert found["from_sharp"] == 0.5 and found["from_flat"] == 0.75 and found["value"] == 0.625
    assert found["mcse"] == pytest.approx(0.5 * np.sqrt(0.5 / 2 + 0.125 / 2))
    assert found["diverged"] == 1 and (found["up"], found["down"]) == (0.25, 0.25)


def test_flags():
    good = {"up": 1.0, "down": 1.0, "z_starts": 1.0, "steps": 1000, "relaxation": 100.0, "diverged": 0, "runs": 9}
    assert study.flags(good) == []
    assert "0.5 relaxations" in study.flags(good | {"relaxation": 1000.0})[0]
    assert "up only" in study.flags(good | {"down": 0.0})[0]
    assert "differ by 9 errors" in study.flags(good | {"z_starts": 9.0})[0]
    assert "1 of 9 runs left" in study.flags(good | {"diverged": 1})[0]
