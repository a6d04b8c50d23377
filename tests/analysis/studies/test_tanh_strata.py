"""The study of tanh strata: its rule, its rows, its exact draws against quadrature, its text."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from singular import models, posteriors
from singular.analysis.phases import region_of
from singular.analysis.studies import tanh_strata as study
from singular.analysis.studies.tanh_strata_regions import CURVED, LINEAR, MIXED, laws, regions, size, size_of_sum
from singular.analysis.studies.tanh_strata_rows import exact_draws, few_rows, without_noise
from singular.analysis.studies.tanh_strata_text import NO_NOISE, arrival, slope, text
from singular.posteriors.exact_draws import weighted_share
from singular.posteriors.quadrature import population


@pytest.mark.parametrize(
    ("a", "b", "region"),
    [
        ([1e-4, 1e-4], [1.0, -2.0], "outputs-dead"),
        ([1.0, -2.0], [1e-4, 1e-4], "inputs-dead"),
        ([1e-4, 1.0], [1.0, 1e-4], "mixed"),
        ([1.0, -1.0], [0.2, 0.2], "cancel-linear"),
        ([1.0, 1.0], [0.2, -0.2], "cancel-linear"),
        ([1.0, -1.0], [0.8, 0.8], "cancel-curved"),
        ([1.0, -1.0], [0.8, 0.9], "rest"),
        ([1.0, 1e-4], [0.5, 0.5], "rest"),
    ],
)
def test_points_of_every_region(a, b, region):
    phases = regions(2, 1e5)
    names = [*phases, "rest"]
    assert names[int(region_of(phases, {"a": np.array(a), "b": np.array(b)}))] == region


def test_a_coarser_resolution_calls_more_zero():
    weights = {"a": np.array([1.0, -1.0]), "b": np.array([0.8, 0.9])}
    assert regions(2, 1e3)[CURVED](weights)
    assert regions(2, 4.0)[MIXED](weights) or regions(2, 4.0)["inputs-dead"](weights)


def test_sizes_are_root_mean_squares():
    x = np.random.default_rng(0).standard_normal(400_000)
    for b in (0.01, 0.7, 3.0):
        square = np.tanh(b * x) ** 2
        assert abs(size(np.array(b)) ** 2 - square.mean()) < 4 * square.std() / np.sqrt(x.size)
    one = size_of_sum(np.array([[0.3, 0.4]]), np.array([[0.7, 0.7]]))
    assert one[0] == pytest.approx(0.7 * size(np.array(0.7)), rel=1e-4)


def test_few_rows_keep_differences_of_nll():
    whole = models.problem("tanh-3", n=3000, seed=1)
    small = few_rows(whole)
    assert small.n == 3000
    assert len(small.kwargs["y"]) < 30
    rng = np.random.default_rng(0)
    x, root, y = (small.kwargs[name] for name in ("x", "root", "y"))
    constant = 0.5 * (np.sum(whole.kwargs["y"] ** 2) - y @ y)
    for scale in (1e-3, 0.1, 1.0, 2.0):  # of the outer weights: the inner ones reach 2 standard deviations of the prior
        for _ in range(20):
            a, b = scale * rng.standard_normal(3), 2 * rng.standard_normal(3)
            function = np.tanh(np.outer(whole.kwargs["x"], b)) @ a
            full = 0.5 * np.sum((whole.kwargs["y"] - function) ** 2)
            gap = full - 0.5 * np.sum((y - root @ np.tanh(np.outer(x, b)) @ a) ** 2) - constant
            size = np.linalg.norm(function)
            assert abs(gap) < 1e-7 * (size**2 + size) + 1e-9  # the function is changed by less than 1e-7 of itself


@pytest.mark.parametrize("hidden", [1, 2])
@pytest.mark.slow
def test_exact_draws_against_quadrature(hidden):
    problem = models.problem(f"tanh-{hidden}", n=100, seed=0)
    found = exact_draws(few_rows(problem), 0.5, 100_000, np.random.default_rng(0))
    known = posteriors.quadrature(problem, [0.5]).at(0.5)
    y = problem.kwargs["y"]
    zero = 0.5 * (len(y) * np.log(2 * np.pi) + y @ y)
    assert found.free_energy == pytest.approx(known["free_energy"] - 0.5 * zero, abs=1e-6)
    nll = 0.5 * np.sum((y[:, None] - _functions(problem.kwargs["x"], found.parameters)) ** 2, axis=0)
    nll += 0.5 * len(y) * np.log(2 * np.pi)
    error = np.std(nll) / np.sqrt(nll.size)
    assert abs(np.average(nll, weights=found.weights) - known["mean_nll"]) < 4 * error
    if hidden == 1:  # the catalogue's own regions
        for name, inside in problem.model.phases.items():
            value, error = weighted_share(np.asarray(inside(found.parameters)), found.weights)
            assert abs(value - known[f"phase:{name}"]) < 4 * error


def _functions(x, parameters):
    a, b = parameters["a"], parameters["b"]
    return sum(np.tanh(np.outer(x, b[:, h])) * a[:, h] for h in range(a.shape[1]))


def test_without_noise_is_the_population():
    problem = without_noise(models.problem("tanh-2", n=10, seed=0), 10_000)
    found = exact_draws(problem, 1.0, 1000, np.random.default_rng(0))
    known = population(models.get("tanh-2"), [1e4])
    assert found.free_energy == pytest.approx(-known["log_z"][0], abs=1e-6)


@pytest.mark.slow
def test_denser_cells_give_the_same_shares():
    problem = without_noise(models.problem("tanh-3", n=10, seed=0), 1000)
    phases = regions(3, 1000)
    seen = []
    for step, draws in ((1.0, 60_000), (0.8, 60_001)):
        found = exact_draws(problem, 1.0, draws, np.random.default_rng(draws), step)
        label = region_of(phases, found.parameters)
        seen.append([weighted_share(label == place, found.weights) for place in range(len(phases) + 1)])
    (one, one_error), (two, two_error) = (np.array(shares).T for shares in seen)
    assert (np.abs(one - two) < 4 * np.hypot(one_error, two_error)).all()


def test_least_coefficient_of_the_parts_is_that_of_the_network():
    for hidden in (1, 2, 3, 4):
        exact = models.get(f"tanh-{hidden}").exact
        best = min((law.coefficient, -law.multiplicity) for law in laws(hidden).values())
        assert best == (pytest.approx(float(exact.value)), -exact.multiplicity)


@pytest.mark.slow
def test_laws_of_two_units_against_exact_slopes():
    rows = [study.exactly(2, 10**k, NO_NOISE, 100_000) for k in (10, 11, 12)]
    table = pd.concat(rows, ignore_index=True)
    for phase in regions(2, 1.0):
        measured, error, expected = slope(table, 2, phase)
        assert abs(measured - expected) < 4 * error + 0.01


def test_a_ladder_and_its_text(monkeypatch):
    monkeypatch.setattr(study, "LADDER", {"chains": 2, "draws": 60, "warmup": 60})
    rows = study.sampled(2, 10, 0, 20_000)
    assert set(rows["beta"]) == {1.0, rows["beta"].min()}
    top = rows[rows["beta"] == 1.0]
    assert abs(top["value"].sum() - 1.0) < 4 * np.linalg.norm(top["mcse"])
    assert top["exact"].sum() == pytest.approx(1.0, abs=0.02)
    assert (rows["z"].abs() < 6).all()


def _table(linear: float) -> pd.DataFrame:
    """Make a table in which `cancel-linear` ends with this share."""
    rows = []
    for hidden in (1, 2, 3, 4):
        for n in (10, 1000, 100_000, 10**8):
            shares = dict.fromkeys([*regions(hidden, 1.0), "rest"], 0.02)
            if hidden > 1 and n > 1000:
                shares |= {LINEAR: linear, CURVED: 0.9 - linear}
            for seed, method in ((NO_NOISE, "exact draws"), (0, "exact draws"), (0, "mbar")):
                about = {"hidden": hidden, "n": n, "seed": seed, "beta": 1.0, "problem": f"tanh-{hidden}"}
                about |= {"method": method, "flags": "", "mcse": 0.01, "round_trips": 50.0}
                for phase, value in shares.items():
                    exact = {"exact": value, "z": 0.1} if method == "mbar" and hidden < 4 else {"z": np.nan}
                    rows.append(about | exact | {"phase": phase, "quantity": "share", "value": value})
    return pd.DataFrame(rows).assign(exact=lambda f: f["exact"].astype(float))


def test_text_tells_whether_the_winner_of_the_limit_has_arrived():
    there, not_there = text(_table(0.88)), text(_table(0.1))
    assert "By λ the winner should be `cancel-linear`; it is. It has 50% at n ≈ " in there
    assert "By λ the winner should be `cancel-linear`; `cancel-curved` still holds more." in not_there
    assert arrival(_table(0.1), 2, LINEAR) is None
    assert 1000 < arrival(_table(0.88), 2, LINEAR) < 100_000
