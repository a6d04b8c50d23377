"""The study of rank phases: its rules, its exact draws against quadrature, its laws, its text."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from singular import models, posteriors
from singular.analysis.phases import region_of
from singular.analysis.studies import rank_phases as study
from singular.analysis.studies.rank_phases_exact import exact_draws
from singular.analysis.studies.rank_phases_rules import (
    RESOLUTION,
    STRATUM,
    THRESHOLD,
    laws,
    network_of,
    product_values,
    rules,
    singular_values,
)
from singular.analysis.studies.rank_phases_text import LIMITS, NO_NOISE, ORACLE, PROBLEMS, slope, text, winners
from singular.errors import InputError
from singular.models.problem import Problem

TWO, ONE, TRUE = "reduced-rank-2-2-2-0", "reduced-rank-2-2-1-0", "reduced-rank-2-2-2-1"
CHAIN, NARROW, DEEP = "deep-linear-1-1-1-1-r0", "deep-linear-2-2-1-2-r0", "deep-linear-3-2-2-3-r1"


def _region(name, rule, weights, resolution=1e4):
    phases = rules(network_of(models.get(name)), resolution)[rule]
    return [*phases, "rest"][int(region_of(phases, weights))]


@pytest.mark.parametrize(
    ("values", "resolution", "at_resolution", "at_threshold"),
    [
        ([0.03, 0.01], 1e4, "rank 0", "rank 0"),
        ([1.0, 0.01], 1e4, "rank 1", "rank 1"),
        ([1.0, 0.1], 1e4, "rank 2", "rank 1"),
        ([1.0, 0.3], 1e2, "rank 1", "rank 2"),
    ],
)
def test_rank_of_a_draw(values, resolution, at_resolution, at_threshold):
    turn = np.array([[0.6, -0.8], [0.8, 0.6]])
    weights = {"A": np.diag(values) @ turn, "B": turn}
    assert _region(TRUE, RESOLUTION, weights, resolution) == at_resolution
    assert _region(TRUE, THRESHOLD, weights, resolution) == at_threshold


@pytest.mark.parametrize("name", PROBLEMS)
def test_singular_values_of_factors_and_product(name):
    network = network_of(models.get(name))
    rng = np.random.default_rng(0)
    shapes = zip(network.widths[1:], network.widths[:-1], strict=True)
    weights = {site: rng.standard_normal((50, 4, *shape)) for site, shape in zip(network.sites, shapes, strict=True)}
    total = weights[network.sites[0]]
    for site in network.sites[1:]:
        total = weights[site] @ total
    known = np.linalg.svd(total, compute_uv=False)[..., : min(network.widths)]
    np.testing.assert_allclose(product_values(network, weights), known, atol=1e-10)
    for matrix in weights.values():
        np.testing.assert_allclose(singular_values(matrix), np.linalg.svd(matrix, compute_uv=False), atol=1e-10)


@pytest.mark.parametrize(
    ("name", "weights", "part"),
    [
        (ONE, {"A": [[0.1, 0.0]], "B": [[1.0], [1.0]]}, "A dead"),
        (ONE, {"A": [[1.0, 1.0]], "B": [[0.1], [0.0]]}, "B dead"),
        (TWO, {"A": 0.1 * np.eye(2), "B": np.eye(2)}, "A dead"),
        (TWO, {"A": np.diag([1.0, 0.1]), "B": np.diag([0.1, 1.0])}, "one each"),
        (TWO, {"A": np.eye(2), "B": 0.1 * np.eye(2)}, "B dead"),
        (TRUE, {"A": np.diag([1.0, 0.1]), "B": np.diag([1.0, 0.5])}, "A dead"),
        (TRUE, {"A": np.diag([1.0, 0.9]), "B": np.diag([1.0, 0.5])}, "B dead"),
        (CHAIN, {"W1": [[0.5]], "W2": [[-0.1]], "W3": [[2.0]]}, "W2 dead"),
        (NARROW, {"W1": np.diag([0.1, 2.0]), "W2": [[1.0, 0.0]], "W3": [[1.0], [1.0]]}, "W1 dead"),
        (NARROW, {"W1": np.eye(2), "W2": [[0.1, 0.1]], "W3": [[1.0], [1.0]]}, "W2 dead"),
        (NARROW, {"W1": np.eye(2), "W2": [[1.0, 0.0]], "W3": [[0.1], [0.0]]}, "W3 dead"),
        (DEEP, {"W1": np.eye(2, 3), "W2": np.diag([1.0, 0.1]), "W3": np.eye(3, 2)}, "W2 dead"),
    ],
)
def test_points_of_every_part(name, weights, part):
    assert _region(name, STRATUM, {site: np.asarray(w, dtype=float) for site, w in weights.items()}) == part


@pytest.mark.parametrize(("name", "outputs"), [(TWO, 2), (NARROW, 1)])
def test_the_part_is_the_nearest_one(name, outputs):
    rng = np.random.default_rng(0)
    angles = np.linspace(0, np.pi, 4001)
    line = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    told = list(rules(network_of(models.get(name)), 1.0)[STRATUM])
    seen = set()
    for _ in range(200):
        a, b, c = rng.standard_normal((2, 2)), rng.standard_normal((outputs, 2)), rng.standard_normal((2, 1))
        between = (a**2).sum() - ((line @ a) ** 2).sum(axis=1) + ((line @ b.T) ** 2).sum(axis=1)
        distances = [(a**2).sum(), between.min(), (b**2).sum()]
        if name == TWO:
            expected, weights = ["A dead", "one each", "B dead"], {"A": a, "B": b}
        else:
            expected, weights = ["W1 dead", "W1 dead", "W2 dead", "W3 dead"], {"W1": a, "W2": b, "W3": c}
            distances.append((c**2).sum())
        if np.diff(np.sort(distances))[0] > 1e-4:
            part = _region(name, STRATUM, weights)
            assert part == expected[int(np.argmin(distances))]
            seen.add(part)
    assert seen == set(told)


@pytest.mark.parametrize("name", ORACLE)
def test_exact_draws_against_quadrature(name):
    problem = models.problem(name, n=200, seed=1)
    network = network_of(problem.model)
    x, y = study._data(problem)
    found = exact_draws(network, x, y, 200, 0.7, 40_000, np.random.default_rng(0))
    known = posteriors.quadrature(problem, [0.7]).at(0.7)
    zero = 0.5 * (y.size * math.log(2 * math.pi) + np.sum(y**2))
    tolerance = 1e-5 if found.replicates == 1 else 0.02  # the points of the rule are fewer here than in the oracle
    assert found.free_energy == pytest.approx(known["free_energy"] - 0.7 * zero, abs=tolerance)
    total = found.parameters[network.sites[0]]
    for site in network.sites[1:]:
        total = found.parameters[site] @ total
    nll = zero - np.einsum("nij,ij->n", total, y.T @ x) + 0.5 * np.einsum("nij,jk,nik->n", total, x.T @ x, total)
    weights = found.weights / found.weights.sum()
    mean = weights @ nll
    blocks = (weights * (nll - mean)).reshape(len(nll) if found.replicates == 1 else found.replicates, -1).sum(axis=1)
    assert abs(mean - known["mean_nll"]) < 4 * np.sqrt((blocks**2).sum())
    for phase, inside in problem.model.phases.items():
        if f"phase:{phase}" in known:
            value, error = found.share(np.asarray(inside(found.parameters)))
            assert abs(value - known[f"phase:{phase}"]) < 4 * error


@pytest.mark.parametrize("name", [TRUE, NARROW])
def test_denser_cells_give_the_same_shares(name):
    problem = models.problem(name, n=1000, seed=0)
    network = network_of(problem.model)
    for rule, phases in rules(network, 1000).items():
        seen = []
        for step in (1.0, 0.7):
            found = exact_draws(network, *study._data(problem), 1000, 1.0, 30_000, np.random.default_rng(3), step)
            label = region_of(phases, found.parameters)
            seen.append([found.share(label == place) for place in range(len(phases))])
        (one, one_error), (two, two_error) = (np.array(shares).T for shares in seen)
        assert (np.abs(one - two) <= 4 * np.hypot(one_error, two_error) + 1e-9).all(), rule


@pytest.mark.parametrize("name", PROBLEMS)
def test_least_coefficient_of_the_parts_is_that_of_the_network(name):
    exact = models.get(name).exact
    known = laws(network_of(models.get(name))).values()
    best = min((law.coefficient, -law.multiplicity) for law in known)
    assert best == (pytest.approx(float(exact.value)), -exact.multiplicity)
    assert all(law.coefficient <= law.generic for law in known)


@pytest.mark.parametrize("name", [TWO, "reduced-rank-1-2-1-0", NARROW])
def test_laws_against_exact_slopes(name):
    table = pd.concat([study.exactly(name, 10**k, NO_NOISE, 60_000) for k in (5, 6, 7)], ignore_index=True)
    for phase in laws(network_of(models.get(name))):
        measured, error, expected = slope(table, name, phase)
        assert abs(measured - expected) < 4 * error + 0.03, phase


@pytest.mark.slow
def test_a_ladder_with_its_exact_shares(monkeypatch):
    monkeypatch.setattr(study, "LADDER", {"chains": 2, "draws": 80, "warmup": 60})
    monkeypatch.setattr(study, "ALL_RUNGS", 10)
    rows = study.sampled(TRUE, 10, 0, 20_000)
    assert set(rows["rule"]) == {RESOLUTION, THRESHOLD, STRATUM}
    lowest = rows[(rows["beta"] == rows["beta"].min()) & (rows["phase"] == "rank 0")].set_index("rule")["value"]
    assert lowest[RESOLUTION] > 0.95 > lowest[THRESHOLD]  # almost the prior: nothing is seen, though nothing is small
    for _, own in rows.groupby(["rule", "beta"]):
        assert abs(own["value"].sum() - 1) < 4 * np.linalg.norm(own["mcse"]) + 1e-9
        assert own["exact"].sum() == pytest.approx(1.0, abs=1e-6)
    assert (rows["z"].abs() < 6).all()


def _table(winner: float) -> pd.DataFrame:
    """Make a table in which the winners by λ together end with this share."""
    rows = []
    for name in PROBLEMS:
        network = network_of(models.get(name))
        best = winners(name)
        for n in (10, 100, 1000):
            for rule, phases in rules(network, n).items():
                shares = dict.fromkeys(phases, 1 / len(phases))
                if rule == STRATUM and n > 10 and len(best) < len(phases):
                    others = (1 - winner) / (len(phases) - len(best))
                    shares = {phase: winner / len(best) if phase in best else others for phase in phases}
                ways = [(0, "mbar")]
                ways += [(0, "exact draws")] if name in ORACLE else []
                ways += [(NO_NOISE, "exact draws")] if name in LIMITS else []
                for seed, method in ways:
                    about = {"problem": name, "n": n, "seed": seed, "beta": 1.0, "rule": rule, "method": method}
                    about |= {"flags": "", "mcse": 0.01, "round_trips": 50.0, "z": np.nan, "exact": np.nan}
                    if method == "mbar" and name in ORACLE:
                        about |= {"z": 0.1, "exact": 0.5}
                    rows += [about | {"phase": p, "quantity": "share", "value": v} for p, v in shares.items()]
    return pd.DataFrame(rows)


def test_text_tells_whether_the_winner_by_the_coefficient_has_the_mass():
    there, not_there = text(_table(0.9)), text(_table(0.1))
    assert "By λ `one each` should win; it has the most mass" in there
    assert "By λ `W2 dead` should win; it has the most mass" in there
    assert "By λ `one each` should win; `A dead` has the most." in not_there
    assert "By λ `W2 dead` should win; `W1 dead` has the most." in not_there


def test_oracle_problems_are_drawn_and_others_refused():
    problem = Problem.from_model(models.get(DEEP), n=20, seed=0)
    with pytest.raises(InputError, match="no exact draws"):
        exact_draws(network_of(problem.model), *study._data(problem), 20, 1.0, 10, np.random.default_rng(0))
