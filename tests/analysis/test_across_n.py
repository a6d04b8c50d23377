"""Coefficients across n: exact evidences as data, and noise of known size added to them."""

import functools

import numpy as np
import pandas as pd
import pytest

from singular import models, posteriors
from singular.analysis.across_n import evidence_increments, evidence_slope, learning_curve, slope_contrast
from singular.analysis.excess_coefficient import nll_at
from singular.errors import InputError

SIZES = (50, 100, 200, 400)
SEEDS = 8
NOISE = {50: 0.05, 100: 0.1, 200: 0.15, 400: 0.2}


@functools.cache
def exact(name="linear-2"):
    rows = []
    for seed in range(SEEDS):
        for n in SIZES:
            problem = models.problem(name, n=n, seed=seed)
            rows.append(
                {
                    "n": n,
                    "seed": seed,
                    "free_energy": posteriors.quadrature(problem, 1.0).frame.free_energy[0],
                    "reference_nll": nll_at(problem, problem.model.optimum),
                    "mcse": 0.0,
                }
            )
    return pd.DataFrame(rows)


def noisy(rng, frame):
    mcse = frame.n.map(NOISE)
    return frame.assign(free_energy=frame.free_energy + mcse * rng.standard_normal(len(frame)), mcse=mcse)


def by_hand(frame):
    """The slope of each seed by an independent least-squares routine."""
    excess = frame.free_energy - frame.reference_nll
    return np.array(
        [np.polyfit(np.log(frame.n[own]), excess[own], 1)[0] for own in frame.groupby("seed").groups.values()]
    )


@pytest.mark.slow
def test_the_slope_of_exact_evidences():
    slopes = by_hand(exact())
    found = evidence_slope(exact())["slope"]
    assert found.value == pytest.approx(slopes.mean(), rel=1e-9)
    assert found.mcse == 0.0
    assert found.data_error == pytest.approx(slopes.std(ddof=1) / np.sqrt(SEEDS), rel=1e-9)
    assert abs(found.value - 1.0) < 4 * found.data_error  # λ = d/2 = 1; the prior's pull at n ≥ 50 is below the error


@pytest.mark.slow
def test_the_monte_carlo_error_covers_the_exact_slope():
    rng, target = np.random.default_rng(0), evidence_slope(exact())
    for name in ("slope", "constant"):
        found = [evidence_slope(noisy(rng, exact()))[name] for _ in range(400)]
        z = np.array([(f.value - target[name].value) / f.mcse for f in found])
        assert abs(z.mean()) < 0.2 and 0.9 < z.std(ddof=1) < 1.1


@pytest.mark.slow
def test_both_errors_together_cover_the_mean_over_data():
    """Every seed has a slope of its own: errors tied over the sizes of one seed, as nested data have them."""
    rng, n = np.random.default_rng(1), np.array(SIZES, dtype=float)
    z, apart = [], []
    for _ in range(400):
        slopes = 0.75 + 0.3 * rng.standard_normal(12)
        excess = 2 + slopes[:, None] * np.log(n)
        frame = pd.DataFrame(
            {
                "n": np.tile(n, 12),
                "seed": np.repeat(np.arange(12), n.size),
                "free_energy": excess.ravel() + 1e3,
                "reference_nll": 1e3,
            }
        )
        found = evidence_slope(noisy(rng, frame))["slope"]
        z.append((found.value - 0.75) / found.total_error)
        apart.append(found.data_error)
    assert abs(np.mean(z)) < 0.2 and 0.9 < np.std(z) < 1.2
    # the error over data is told apart from the Monte Carlo noise that is in the spread too
    assert np.sqrt(np.mean(np.square(apart))) == pytest.approx(0.3 / np.sqrt(12), rel=0.1)


@pytest.mark.parametrize("multiplicity", [False, True])
def test_the_asymptotic_law_is_fitted_without_error(multiplicity):
    n = np.array([50, 100, 500, 2000, 10000])
    law = 0.5 * np.log(n) - multiplicity * np.log(np.log(n)) + 3
    frame = pd.DataFrame({"n": n, "seed": 0, "free_energy": law + 1.4 * n, "reference_nll": 1.4 * n, "mcse": 0.01})
    found = evidence_slope(frame, multiplicity, dict.fromkeys(n.tolist(), 2.0))
    assert found["slope"].value == pytest.approx(0.5, abs=1e-9)
    assert found["constant"].value == pytest.approx(3, abs=1e-8)
    if multiplicity:
        assert found["multiplicity"].value == pytest.approx(1, abs=1e-8)
    assert np.isnan(found["slope"].data_error) and "one data set" in found["slope"].flags[0]
    assert found["slope"].mcse == pytest.approx(0.01 * np.linalg.norm(slope_contrast(n, multiplicity)[0]), rel=1e-9)


def test_weights_move_the_fit_to_the_sizes_they_favour():
    frame = exact()
    uneven = evidence_slope(frame, weights={50: 1e-9, 100: 1e-9, 200: 1.0, 400: 1.0})["slope"]
    last = evidence_slope(frame[frame.n >= 200])["slope"]
    assert uneven.value == pytest.approx(last.value, rel=1e-6)


def test_increments_are_the_mean_generalisation_loss():
    """F_{n+1} − F_n = −log p(next | data): for a linear model the predictive density is known."""
    rows, by_density = [], []
    for seed in range(6):
        whole = models.problem("linear-2", n=41, seed=seed)
        x, y = whole.kwargs["x"], whole.kwargs["y"]
        for n in (40, 41):
            problem = models.problem("linear-2", n=n, seed=seed)
            np.testing.assert_array_equal(problem.kwargs["y"], y[:n])
            rows.append(
                {
                    "n": n,
                    "seed": seed,
                    "free_energy": posteriors.quadrature(problem, 1.0).frame.free_energy[0],
                    "reference_nll": nll_at(problem, problem.model.optimum),
                    "mcse": 0.02,
                }
            )
        covariance = np.linalg.inv(np.eye(2) + x[:40].T @ x[:40])
        variance = 1 + x[40] @ covariance @ x[40]
        gap = y[40] - x[40] @ covariance @ x[:40].T @ y[:40]
        at_truth = y[40] - x[40] @ whole.model.optimum["w"]
        by_density.append(40 * 0.5 * (np.log(variance) + gap**2 / variance - at_truth**2))
    (row,) = evidence_increments(pd.DataFrame(rows)).to_dict("records")
    assert (row["n"], row["next_n"]) == (40, 41)
    assert row["value"] == pytest.approx(np.mean(by_density), abs=1e-8)
    assert row["mcse"] == pytest.approx(40 * 0.02 * np.sqrt(2 / 6), rel=1e-9)
    spread = np.var(by_density, ddof=1) / 6
    assert row["data_error"] == pytest.approx(np.sqrt(max(0, spread - row["mcse"] ** 2)), rel=1e-6)


def test_increments_over_an_interval_read_a_pure_power_law_without_error():
    n = np.array([10, 25, 300])
    losses = 0.5 / np.arange(1, 300)
    law = np.array([losses[: k - 1].sum() for k in n])
    frame = pd.DataFrame({"n": n, "seed": 3, "free_energy": law, "reference_nll": 0.0, "mcse": 0.1})
    table = evidence_increments(frame)
    np.testing.assert_allclose(table.value, 0.5, rtol=1e-12)
    assert table.target.iloc[1] == "mean of k (E[G_k] - S) over 25 <= k < 300, weights 1/k"


@pytest.mark.slow
def test_the_learning_curve_of_measured_losses():
    rng, n = np.random.default_rng(5), np.array([100.0, 200.0])
    z = []
    for _ in range(400):
        frame = pd.DataFrame({"n": np.tile(n, 10), "seed": np.repeat(np.arange(10), 2)})
        over_data = 0.5 / frame.n * (1 + 0.8 * rng.standard_normal(20))
        frame["mcse"] = 0.2 / frame.n
        frame["generalisation_loss"] = 1.4 + over_data + frame.mcse * rng.standard_normal(20)
        frame["entropy"] = 1.4
        table = learning_curve(frame)
        z.append((table.value - 0.5) / np.hypot(table.mcse, table.data_error))
    assert abs(np.mean(z)) < 0.2 and 0.9 < np.std(z) < 1.25
    assert table.target.tolist() == ["n (E[G_n] - S) at n=100", "n (E[G_n] - S) at n=200"]


def test_bad_input():
    frame = exact()
    with pytest.raises(InputError, match="lacks the columns"):
        evidence_slope(frame.drop(columns="mcse"))
    with pytest.raises(InputError, match="every seed needs every n"):
        evidence_slope(frame.iloc[1:])
    with pytest.raises(InputError, match="two rows"):
        evidence_slope(pd.concat([frame, frame.iloc[:1]]))
    with pytest.raises(InputError, match="different sizes"):
        evidence_slope(frame[frame.n == 50])
    with pytest.raises(InputError, match="must name the sizes"):
        evidence_slope(frame, weights={50: 1.0})
    with pytest.raises(InputError, match="above 0"):
        evidence_slope(frame, weights=dict.fromkeys(SIZES, 0.0))
    with pytest.raises(InputError, match="mcse must be"):
        evidence_slope(frame.assign(mcse=-1.0))
    with pytest.raises(InputError, match="whole numbers"):
        evidence_increments(frame.assign(n=frame.n + 0.5))
    with pytest.raises(InputError, match="lacks the columns"):
        learning_curve(frame)
