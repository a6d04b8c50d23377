"""The study of two ReLU units: exact draws held against others, regions, what is read off a table, a tiny run."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from scipy.special import logsumexp

from singular import models
from singular.analysis.studies import relu_phases as study
from singular.analysis.studies import relu_phases_exact as exact
from singular.analysis.studies import relu_phases_read as read
from singular.analysis.studies.relu_phases_regions import (
    ASIDE,
    EDGE,
    LOSS,
    NORM,
    OFF,
    ONE,
    TWO,
    best_units,
    divisions,
    laws,
    smaller_and_larger,
)
from singular.analysis.studies.workshop import Workshop
from singular.errors import InputError
from singular.models.problem import Problem
from singular.posteriors.exact_draws import weighted_share


def weighed_prior(problem: Problem, beta: float, count: int, seed: int = 0):
    """Return draws of the whole prior and their weights by the likelihood: no integral is done in closed form."""
    rng = np.random.default_rng(seed)
    w, b, q, c = (rng.standard_normal((count, *shape)) for shape in ((2, 2), (2,), (2,), ()))
    x, y = problem.kwargs["x"], problem.kwargs["y"]
    f = c[:, None] + np.einsum("ni,nij->nj", q, np.maximum(w @ x.T + b[..., None], 0.0))
    return {"w": w, "b": b, "q": q}, -0.5 * beta * np.sum((y - f) ** 2, axis=1)


@pytest.mark.parametrize(("n", "beta"), [(30, 1.0), (60, 0.4)])
@pytest.mark.slow
def test_exact_draws_against_weighed_draws_of_the_prior(n, beta):
    problem = Problem.from_model(models.two_phase_relu(0.9), n=n, seed=2)
    parameters, logs = weighed_prior(problem, beta, 400_000)
    weights = np.exp(logs - logs.max())
    found = exact.exact_draws(exact.regression_of(problem), beta, 20_000, np.random.default_rng(1))
    for division in divisions():
        for inside in division.values():
            share, error = weighted_share(np.asarray(inside(found.parameters)), found.weights)
            other, other_error = weighted_share(np.asarray(inside(parameters)), weights / weights.mean())
            assert abs(share - other) < 4 * math.hypot(error, other_error)
            assert error < 0.01
    free_energy = -(float(logsumexp(logs)) - math.log(len(logs)))
    error = math.hypot(weights.std() / weights.mean() / math.sqrt(len(logs)), found.weights.std() / math.sqrt(20_000))
    assert abs(found.free_energy_drawn - free_energy) < 4 * error
    assert error < 0.03


def test_outputs_have_the_mean_of_their_normal_law():
    """E[q] by the draws against the posterior mean of a linear regression at the same units."""
    problem = Problem.from_model(models.two_phase_relu(1.1), n=200, seed=0)
    found = exact.exact_draws(exact.regression_of(problem), 1.0, 4_000, np.random.default_rng(3))
    x, y = problem.kwargs["x"], problem.kwargs["y"]
    w, b = found.parameters["w"], found.parameters["b"]
    design = np.maximum(w @ x.T + b[..., None], 0.0)
    design = np.concatenate([design, np.ones_like(design[:, :1])], axis=1)
    gram = np.eye(3) + design @ design.swapaxes(1, 2)
    mean = np.linalg.solve(gram, (design @ y)[..., None])[:, :2, 0]
    spread = np.diagonal(np.linalg.inv(gram), axis1=1, axis2=2)[:, :2]
    z = (found.parameters["q"] - mean) / np.sqrt(spread)
    assert np.abs(z.mean(axis=0)).max() < 4 / math.sqrt(4_000)
    assert np.abs((z**2).mean(axis=0) - 1).max() < 4 * math.sqrt(2 / 4_000)


@pytest.mark.parametrize("covered", [0.3, 0.9])
def test_cells_change_the_error_and_not_the_answer(monkeypatch, covered):
    rows = exact.without_noise(models.two_phase_relu(1.3), 3_000)
    usual = exact.exact_draws(rows, 1.0, 4_000, np.random.default_rng(0))
    monkeypatch.setattr(exact, "COVERED", covered)
    other = exact.exact_draws(rows, 1.0, 4_000, np.random.default_rng(1))
    for inside in divisions()[1].values():
        (a, e), (b, f) = (weighted_share(inside(d.parameters), d.weights) for d in (usual, other))
        assert abs(a - b) < 4 * math.hypot(e, f)
    errors = [d.weights.std() / math.sqrt(len(d.weights)) for d in (usual, other)]
    assert abs(usual.free_energy_drawn - other.free_energy_drawn) < 4 * math.hypot(*errors)
    assert abs(usual.free_energy_drawn - usual.free_energy) < 0.5  # the sum over centres is a rule of first order


@pytest.mark.slow
def test_free_energies_of_regions_add_up_and_their_errors_are_the_spread_of_replicates():
    rows = exact.without_noise(models.two_phase_relu(1.1), 300)
    runs = [exact.exact_draws(rows, 1.0, 300, np.random.default_rng(seed)) for seed in range(40)]
    energies = [study.exact_free_energies(run) for run in runs]
    for division in divisions():
        whole = -logsumexp([-energies[0][name][0] for name in division if name in energies[0]])
        assert whole == pytest.approx(runs[0].free_energy_drawn, abs=1e-9)
    for name in (ONE, ASIDE, "non-degenerate"):
        values, errors = np.array([found[name] for found in energies]).T
        assert values.std(ddof=1) == pytest.approx(np.sqrt(np.mean(errors**2)), rel=4 / math.sqrt(2 * 39))


def test_rows_without_noise_give_the_excess_loss():
    model = models.two_phase_relu(0.8)
    rows = exact.without_noise(model, 7.0)
    rng = np.random.default_rng(0)
    w, b, q = rng.standard_normal((2, 2)), rng.standard_normal(2), rng.standard_normal(2)
    units = np.maximum(rows.inputs @ np.column_stack([w, b]).T, 0.0) @ q
    loss = 0.5 * float(rows.weights @ (units - rows.target) ** 2)
    assert model.excess_loss is not None
    assert loss == pytest.approx(7 * float(model.excess_loss({"w": w, "b": b, "q": q, "c": np.array(0.0)})), rel=1e-4)


@pytest.mark.parametrize(("beta", "draws", "named"), [(0.0, 100, "beta"), (1.0, 1, "draws")])
def test_exact_draws_refuse(beta, draws, named):
    rows = exact.without_noise(models.two_phase_relu(1.0), 10)
    with pytest.raises(InputError, match=named):
        exact.exact_draws(rows, beta, draws, np.random.default_rng(0))


def test_regions_are_disjoint_and_complete():
    rng = np.random.default_rng(0)
    p = {"w": rng.standard_normal((500, 2, 2)), "b": rng.standard_normal((500, 2)), "q": rng.standard_normal((500, 2))}
    for division in divisions():
        assert (np.sum([np.asarray(inside(p)) for inside in division.values()], axis=0) == 1).all()
    smaller, larger = smaller_and_larger(p)
    assert (smaller <= larger).all()
    assert (divisions()[2][OFF](p) == (smaller == 0)).all()


def test_truth_is_two_units_and_one_unit_of_twice_the_slope_is_one():
    one, two, aside = (divisions()[1][name] for name in (ONE, TWO, ASIDE))
    optimum = models.two_phase_relu(1.2).optimum
    assert optimum is not None
    merged = {"w": np.array([[0.0, 1.0], [0.0, 1.0]]), "b": np.array([-0.3, -3.0]), "q": np.array([2.0, 1.0])}
    assert two(optimum)
    assert one(merged)
    assert aside(merged | {"q": np.array([1.2, 1.0])})


@pytest.mark.slow
def test_best_units_against_the_excess_loss_and_the_merged_truth():
    found = best_units(1.2).set_index("quantity")["value"]
    assert 0 < found[EDGE] < found[LOSS]
    model = models.two_phase_relu(1.2)
    assert model.excess_loss is not None
    rng = np.random.default_rng(0)
    near = {"w": np.array([[0.0, found[NORM]], [0.0, 1.0]]), "q": np.array([1.0, 0.0])}
    tried = [
        float(model.excess_loss(near | {"b": np.array([b, -1.0]), "c": np.array(c)}))
        for b, c in zip(rng.normal(-0.35, 0.1, 200), rng.normal(0.0, 0.05, 200), strict=True)
    ]
    assert found[LOSS] < min(tried) < 3 * found[LOSS]
    merged = best_units(math.pi / 2).set_index("quantity")["value"]
    assert merged[LOSS] < 1e-12
    assert merged[NORM] == pytest.approx(2.0, abs=1e-4)


def made(law_constant: float, sizes=(1_000, 10_000)) -> pd.DataFrame:
    """Return a table whose odds of one unit over two are those of the laws, with losses that fall like a power."""
    rows = []
    for angle in np.linspace(0.6, 1.5, 46):
        loss = 0.02 * (math.pi / 2 - angle) ** 3
        rows.append({"quantity": LOSS, "value": loss, "angle": angle, "method": ""})
        for n in sizes:
            both = laws(loss, law_constant)
            odds = both[TWO].free_energy(n) - both[ONE].free_energy(n)
            share = 1 / (1 + math.exp(-odds))
            for phase, value in ((ONE, share), (TWO, 1 - share), ("degenerate", share)):
                rows.append(
                    {"quantity": "share", "value": value, "angle": angle, "method": read.EXACT, "n": n, "seed": -1}
                    | {"phase": phase}
                )
    return pd.DataFrame(rows)


def test_predictions_find_the_crossings_of_a_table_made_by_the_laws():
    table = made(-4.0)
    for n in (1_000, 10_000):
        at = read.even_odds(table, n)
        assert at == pytest.approx(read.predicted(table, n, 10_000), abs=0.01)
        assert read.crossing(table, n, -1) == pytest.approx(at, abs=1e-6)
        quarter = read.crossing(table, n, -1, 0.25)
        assert at is not None
        assert quarter is not None
        assert quarter < at
    few, many = (read.even_odds(table, n) for n in (1_000, 10_000))
    assert few is not None
    assert many is not None
    assert few < many
    assert read.even_odds(made(-400.0), 1_000) is None


def test_a_chain_that_never_saw_a_region_is_told():
    about = {"problem": "p", "n": 10, "seed": 0, "beta": 1.0, "angle": 1.0}
    chain = {"quantity": read.CHAIN, "round_trips": 0}
    rows = [
        about | {"quantity": "share", "method": read.PLAIN, "phase": p, "exact": e}
        for p, e in ((ONE, 0.3), (TWO, 0.01))
    ]
    rows += [about | chain | {"method": f"{read.PLAIN}, chain 1", "phase": p, "value": 0.0} for p in (ONE, TWO)]
    rows += [about | chain | {"method": f"{read.PLAIN}, chain 2", "phase": p, "value": 0.5} for p in (ONE, TWO)]
    many, stuck = read.chains(pd.DataFrame(rows), read.PLAIN)
    assert many == 2
    assert len(stuck) == 1
    assert "chain 1" in stuck[0]
    assert ONE in stuck[0]


def test_dip_of_a_law_with_two_peaks():
    heights = [0.3, 0.05, 0.02, 0.03, 0.05, 0.1, 0.2, 0.25, *[0.0] * 8]
    rows = [
        {"quantity": read.HISTOGRAM, "n": 10, "seed": 0, "angle": 1.0, "phase": f"{k / 10:.1f}", "value": v}
        for k, v in enumerate(heights)
    ]
    assert read.dip(pd.DataFrame(rows), 10, 0, 1.0) == (0.25, 0.3, 0.02)


@pytest.mark.slow
def test_ladder_agrees_with_exact_draws():
    rows = study.sampled(0.9, 40, 0, draws=150, exact=2_000)
    held = rows[rows["z"].notna()]
    assert len(held) >= 8
    assert held["z"].abs().max() < 4
    assert (held.loc[held["quantity"] == "share", "mcse"] < 0.1).all()
    assert set(rows.loc[rows["quantity"] == read.CHAIN, "method"]) == {
        f"{read.LADDER}, chain {k}" for k in (1, 2, 3, 4)
    }


@pytest.mark.slow
def test_study_at_tiny_settings(tmp_path, monkeypatch):
    monkeypatch.setattr(study, "ANGLES", (0.8, 1.1, 1.3, 1.4))
    monkeypatch.setattr(study, "SIZES", {100: 1, 1_000: 0})
    monkeypatch.setattr(study, "SAMPLED", ((1.1, 100, 0),))
    monkeypatch.setattr(study, "ALL_RUNGS", 1.1)
    monkeypatch.setattr(study, "PLAINLY", ((1.1, 100, 0),))
    monkeypatch.setattr(study, "SETTINGS", {"chains": 4, "draws": 60, "warmup": 60})
    monkeypatch.setattr(study, "PLAIN_SETTINGS", {"chains": 2, "draws": 60, "warmup": 60})
    monkeypatch.setattr(study, "DRAWS", 1_000)
    finding = study.run(Workshop(tmp_path, seed=0, jobs=1))
    assert len(finding.figure.axes) == 6
    assert "**Of first order?**" in finding.text
    assert "nan" not in finding.text
    shares = finding.table[(finding.table["method"] == read.EXACT) & (finding.table["quantity"] == "share")]
    total = shares[shares["phase"].isin([ONE, TWO, ASIDE])].groupby(["angle", "n", "seed"])["value"].sum()
    np.testing.assert_allclose(total, 1.0, atol=1e-6)
