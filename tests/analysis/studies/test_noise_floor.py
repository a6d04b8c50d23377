"""The study of the noise floor: its problems and exact laws, its ensembles at a tiny size, its flags and its page."""

from __future__ import annotations

import jax
import numpy as np
import pandas as pd
import pytest

from singular import models
from singular.analysis.studies import floor_rows, noise_floor
from singular.analysis.studies import noise_floor_quadratics as quadratics
from singular.analysis.studies import noise_floor_singular as singular_models
from singular.analysis.studies.floor_rows import COEFFICIENT, mean_over_runs, quadratic, scaled_regression
from singular.analysis.studies.workshop import Workshop


@pytest.fixture
def tiny(monkeypatch):
    monkeypatch.setattr(quadratics, "EFFORT", 2e4)
    monkeypatch.setattr(quadratics, "RUNS", (100, 200))
    monkeypatch.setattr(singular_models, "EFFORT", {"isotropic": 1e5, "tanh": 2e4, "minibatch": 1e5})
    monkeypatch.setattr(singular_models, "RUNS", (60, 200))


def loss(problem, z):
    with jax.enable_x64(True):
        return np.array([float(problem.parts.split(row)[1]) for row in z]) / problem.n


def test_the_quadratic_is_one():
    h = (3.0, 0.5, 0.0)
    z = np.random.default_rng(0).standard_normal((5, 3))
    problem = quadratic(h)
    values = loss(problem, np.vstack([z, np.zeros((1, 3))]))
    np.testing.assert_allclose(values[:-1] - values[-1], 0.5 * (z**2) @ np.array(h), rtol=1e-12)


def test_the_regression_has_unit_residuals():
    problem = scaled_regression((2.0, 0.1), 200, 3)
    x, y = problem.kwargs["x"], problem.kwargs["y"]
    rest = y - x @ np.linalg.lstsq(x, y, rcond=None)[0]
    assert np.mean(rest**2) == pytest.approx(1.0, rel=1e-12)


def test_the_rows_of_the_square_model_have_the_noise_of_normal_data():
    data = singular_models.square_problem().kwargs
    x, y, w = data["x"], data["y"], 0.7
    gradient = -2 * w * x * (y - w**2 * x)
    assert gradient.mean() == pytest.approx(2 * w**3, rel=1e-12)
    assert gradient.var() == pytest.approx(4 * w**2 * (1 + 2 * w**4), rel=1e-12)


def test_the_gibbs_value_is_an_integral():
    temperature = 0.05
    w = np.linspace(-6, 6, 20001)
    energy = 0.5 * w**4
    mass = np.exp(-energy / temperature - 0.5 * w**2)
    got = singular_models.gibbs_coefficient(singular_models.square_problem(), temperature)
    assert got == pytest.approx(mass @ energy / mass.sum() / temperature, rel=1e-6)


def test_small_steps_count_directions_or_curvatures():
    small = {noise: quadratics.law(noise, 1e-5, 1, 0.0).excess_coefficient for noise in quadratics.NOISES[:3]}
    assert small["isotropic"] == pytest.approx(2.0, rel=1e-4)
    assert small["as the Hessian"] == pytest.approx(2.2, rel=1e-4)
    assert quadratics.law("preconditioned", 1.7, 1, 0.0).excess_coefficient == pytest.approx(2.0, rel=1e-10)


@pytest.mark.parametrize(
    ("noise", "rate", "size", "momentum"),
    [
        ("isotropic", 0.4, 1, 0.0),
        ("isotropic", 0.3, 8, 0.9),
        ("as the Hessian", 0.5, 1, 0.0),
        ("preconditioned", 1.5, 1, 0.0),
        ("minibatch", 0.08, 1, 0.0),
    ],
)
def test_ensembles_have_the_exact_law(tiny, noise, rate, size, momentum):
    row = quadratics.simulated(noise, rate, size, momentum, 1).iloc[0]
    assert abs(row["z"]) < 4
    assert row["mcse"] < 0.06 * row["value"]


def test_settings_are_stable_and_two_decades_wide():
    jobs = noise_floor.quadratic_jobs(0)
    assert all(rate < quadratics.largest(noise, size, mu, seed) for noise, rate, size, mu, seed in jobs)
    levels = {
        round(quadratics.law(noise, rate, size, mu, seed).temperature, 9)
        for noise, rate, size, mu, seed in jobs
        if noise == "isotropic"
    }
    assert set(noise_floor.TEMPERATURES) <= levels
    assert max(noise_floor.TEMPERATURES) / min(noise_floor.TEMPERATURES) >= 100


@pytest.mark.slow
def test_isotropic_noise_is_stationary_on_the_product(tiny):
    table = singular_models.isotropic("product", 0.1, 0.05, 0.0, 0)
    virial = table[table["quantity"] == singular_models.VIRIAL].iloc[0]
    assert float(virial["exact"]) == 2
    assert abs(float(virial["z"])) < 4
    row = table[table["quantity"] == COEFFICIENT].iloc[0]
    assert float(row["ratio"]) == pytest.approx(1.0, abs=4 * float(row["ratio_mcse"]) + 0.05)


def test_own_noise_collapses(tiny, monkeypatch):
    monkeypatch.setattr(singular_models, "TIMES", (0.125, 4.0))
    table = singular_models.own("product", 0.2, 4, 0, 0)
    ratio = table.loc[table["quantity"] == COEFFICIENT, "ratio"].to_numpy()
    assert ratio[1] < 0.2 < ratio[0]
    assert len(table[table["quantity"] == singular_models.FLOOR]) == 1


@pytest.mark.slow
def test_both_noises_have_the_law_of_the_square_model(tiny):
    row = singular_models.mixed(0.01, 4, 1e-2, 0).iloc[0]
    assert abs(float(row["z"])) < 4
    assert float(row["exact"]) == pytest.approx(0.2562, abs=1e-4)


def test_flags_of_a_mean_over_runs():
    rng = np.random.default_rng(0)
    still = rng.exponential(size=(400, 20))
    assert mean_over_runs(still).flags == ()
    assert abs(mean_over_runs(still).value - 1) < 4 * mean_over_runs(still).mcse
    assert "still moving" in mean_over_runs(still + 0.3 * np.arange(20)).flags[0]
    assert "2 of 402 runs left" in mean_over_runs(still, 2).flags[0]
    still[0] *= 100
    assert any("one run holds" in flag for flag in mean_over_runs(still).flags)
    assert any("runs <" in flag for flag in mean_over_runs(still[1:5]).flags)
    assert np.isnan(mean_over_runs(still[:1]).mcse)


@pytest.mark.slow
def test_the_study_at_a_tiny_size(tiny, monkeypatch, tmp_path):
    monkeypatch.setattr(noise_floor, "TEMPERATURES", (0.02, 0.2))
    monkeypatch.setattr(noise_floor, "SETTINGS", ((8, 0.0), (8, 0.9)))
    steps = {("isotropic", 0.0): (0.2,), ("as the Hessian", 0.0): (0.2,), ("preconditioned", 0.0): (0.5,)}
    monkeypatch.setattr(noise_floor, "STEP_SIZES", steps)
    monkeypatch.setattr(noise_floor, "SINGULAR", {"product": (0.1,), "monomial-2": (0.1,)})
    monkeypatch.setattr(noise_floor, "PRODUCT", ((0.2, 0.05, 0.0),))
    monkeypatch.setattr(noise_floor, "OWN", (("product", 0.2, 4),))
    monkeypatch.setattr(noise_floor, "MIXED", ((0.02, 4, 1e-2),))
    monkeypatch.setattr(singular_models, "TIMES", (0.125, 2.0))
    finding = noise_floor.run(Workshop(tmp_path, jobs=1))
    assert set(finding.table.columns) == set(floor_rows.COLUMNS)
    z = finding.table["z"].to_numpy(dtype=float)
    held = z[np.isfinite(z)]
    assert np.abs(held).max() < 4
    assert len(held) > 8
    assert f"{len(held) - 4} of {len(held) - 4} ensembles" in finding.text  # without two virials, mixed, and curves
    assert "So the claim" in finding.text and "nan" not in finding.text
    assert len(finding.figure.axes) == 6
    pd.testing.assert_index_equal(finding.table.index, pd.RangeIndex(len(finding.table)))
    assert models.get("product").dim == 2
