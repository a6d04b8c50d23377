"""The study of early stopping: its exact parts against draws, its sampled ones against quadrature, its page."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.linalg import expm

from singular import models, posteriors
from singular.analysis.figures import png
from singular.analysis.studies import early_stopping as study
from singular.analysis.studies import early_stopping_exact as exact
from singular.analysis.studies import early_stopping_risk as risk
from singular.analysis.studies import early_stopping_text as told
from singular.analysis.studies.workshop import Workshop
from singular.models.problem import Problem
from singular.posteriors.precision import x64

SIZE = (3, 8)


def test_quadratics_and_flow_against_simulation():
    for frame in (exact.quadratic(2000, 1), exact.flow(4, 1000, 1), exact.flow(3, 1000, 1)):
        drawn = frame[frame["kind"] == "simulated"]
        assert len(drawn) >= 3 and drawn["z"].abs().max() < 4
    known = exact.quadratic(10, 0)
    assert known.loc[known["quantity"] == exact.GENERALISED, "value"].max() < 1e-14


def test_powers_of_flow_are_not_those_of_gibbs():
    for degree, power in ((3, 3.0), (4, 2.0), (6, 1.5)):
        frame = exact.flow(degree, 2, 0)
        assert frame.loc[frame["quantity"] == exact.LIMIT, "value"].tolist() == [power]
        loss = frame[(frame["quantity"] == exact.EXCESS) & (frame["kind"] == "exact")].sort_values(by="time")[-4:]
        slope = np.polyfit(np.log(loss["time"]), np.log(loss["value"]), 1)[0]
        assert slope == pytest.approx(-power, abs=0.03)


def test_ridge_bounds():
    frame = exact.ridge(41)
    largest = frame[frame["quantity"] == exact.LARGEST].set_index("problem")["value"]
    ratio = frame[frame["quantity"] == exact.RATIO]
    for name, rows in ratio.groupby("problem"):
        assert rows["value"].between(1.0, largest[name] + 1e-9).all()
    assert largest["flow"] == pytest.approx(1.29843, abs=1e-5) and largest["1 steps"] == pytest.approx(2.0)


def test_test_losses_of_linear_regression_against_draws():
    p, n = SIZE
    frame = risk.linear_risk(p, n, 5, 7)
    model = models.linear_regression(p)
    problem = Problem.from_model(model, n=n, seed=5)
    x, y, truth = problem.kwargs["x"], problem.kwargs["y"], np.asarray(model.optimum["w"])
    rng = np.random.default_rng(0)
    least, hessian = np.linalg.lstsq(x, y, rcond=None)[0], x.T @ x / n
    starts = rng.standard_normal((20_000, p))
    for time in sorted(set(frame.loc[frame["quantity"] == risk.MEMBER_LOSS, "time"]))[1:-1]:
        flow = least + (starts - least) @ expm(-hessian * time)
        precision = np.eye(p) + time * hessian
        covariance = np.linalg.inv(precision)
        tempered = rng.multivariate_normal(covariance @ (time * x.T @ y / n), covariance, 20_000)
        for kind, draws in ((risk.DESCENT, flow), (risk.TEMPERED, tempered)):
            at = frame[(frame["kind"] == kind) & np.isclose(frame["time"], time)].set_index("quantity")["value"]
            loss = 0.5 * np.sum((draws - truth) ** 2, axis=1)
            assert abs(at[risk.MEMBER_LOSS] - loss.mean()) < 4 * loss.std() / np.sqrt(len(loss)) + 1e-12
            off = draws - truth
            middle = off.mean(axis=0)
            error = np.std(off @ middle) / np.sqrt(len(off)) + np.trace(np.cov(off.T)) / len(off)
            assert abs(at[risk.MEAN_LOSS] - 0.5 * middle @ middle) < 4 * error + 1e-12


def test_the_best_of_a_curve():
    frame = risk.linear_risk(*SIZE, 5, 400)
    for kind in (risk.DESCENT, risk.TEMPERED):
        own = frame[frame["kind"] == kind].set_index("quantity")
        curve, best = own.loc[risk.MEAN_LOSS], own.loc[risk.BEST]
        lowest = curve.loc[[risk.MEAN_LOSS]].iloc[int(np.argmin(curve["value"]))]
        assert best["value"] == pytest.approx(lowest["time"], rel=0.04) and best["flags"] == ""
        assert own.loc[risk.BEST_LOSS, "value"] <= lowest["value"] + 1e-12
    times = np.geomspace(0.1, 10, 9)
    assert risk.lowest_of(times, np.log(times / 2.0) ** 2)[0] == pytest.approx(2.0)
    assert risk.lowest_of(times, -times)[2] == risk.EDGE


@pytest.mark.slow
def test_the_colder_problem_is_the_same_at_another_beta():
    for name in risk.NETWORKS:
        problem = risk.problem_of(name, 1)
        cold = risk.colder(problem)
        z = np.random.default_rng(0).standard_normal((2, problem.dim))
        with x64():
            warm, much = ([float(p.parts.split(point)[1]) for point in z] for p in (problem, cold))
        assert much[0] - much[1] == pytest.approx(risk.COLDER * (warm[0] - warm[1]), rel=1e-6)


@pytest.mark.slow
def test_the_ladder_of_the_colder_problem_against_quadrature(monkeypatch):
    monkeypatch.setattr(risk, "LADDER", {"chains": 4, "draws": 300, "warmup": 150})
    monkeypatch.setattr(risk, "RUNGS", 8)
    problem = risk.problem_of("tanh-2-1", 0)
    cold = risk.colder(problem)
    ladder, rungs = risk.tempered(cold, 10.0, 0)
    held = posteriors.quadrature(cold, rungs[[3, 7]])
    for beta in rungs[[3, 7]]:
        nll = ladder["sample_stats"]["nll"].sel(beta=beta).values
        error = risk.monte_carlo_error(nll - nll.mean())
        assert abs(nll.mean() - held.at(beta)["mean_nll"]) < 4 * error + 1e-12


@pytest.mark.parametrize("name", risk.NETWORKS)
def test_test_losses_of_networks_are_the_excess_loss(name):
    problem = risk.problem_of(name, 0)
    test, weights, truth = risk.test_of(problem)
    z = np.random.default_rng(1).standard_normal((4, 10, 1, problem.dim))
    rows = risk._curve(name, 0, risk.DESCENT, [1.0], z, test, weights, truth, [""])
    found = {row["quantity"]: row["value"] for row in rows}
    with x64():
        parameters = [problem.parts.constrain(point) for point in z.reshape(-1, problem.dim)]
        own = [float(problem.model.excess_loss(one)) for one in parameters]
    assert found[risk.MEMBER_LOSS] == pytest.approx(np.mean(own), rel=1e-5)
    if name.startswith("deep"):
        products = [np.linalg.multi_dot([np.asarray(one[site]) for site in ("W3", "W2", "W1")]) for one in parameters]
        optimum = problem.model.optimum
        off = np.mean(products, axis=0) - optimum["W3"] @ optimum["W2"] @ optimum["W1"]
        assert found[risk.MEAN_LOSS] == pytest.approx(0.5 * np.sum(off**2), rel=1e-5)
    assert found[risk.MEAN_LOSS] < found[risk.MEMBER_LOSS]


def test_the_product_of_best_stop_and_best_temperature():
    frame = pd.DataFrame({"stop": [1.0, 4.0, 9.0], "heat": [2.0, 2.0, 1.0], "inside": [True, True, False]})
    mean, error = told.product(frame)
    assert mean == pytest.approx(1.0) and error == pytest.approx(np.log(4) / np.sqrt(2) / np.sqrt(2))


@pytest.fixture(scope="module")
def committed():
    frame = pd.read_csv(Path(__file__).parents[3] / "docs" / "studies" / "early-stopping.csv")
    return frame.assign(flags=frame["flags"].fillna(""))


def scaled(table, rows, factor):
    return table.assign(value=table["value"].where(~rows, table["value"] * factor))


@pytest.mark.slow
def test_every_verdict_has_two_sides(committed):
    """A table with the contrary result gives the contrary sentence, and only that."""
    table, says = committed, told.text(committed)
    quantity, kind = table["quantity"], table["kind"]
    stopped = (kind == risk.DESCENT) & table["problem"].isin(told.problems())
    late = table["time"] > 1.0
    networks = table["problem"].isin(list(risk.NETWORKS)) & (quantity == risk.PARAMETERS)
    warm = table[networks & (kind != risk.DESCENT)].set_index(["problem", "seed", "time"])["value"]
    same = table.copy()
    rows = quantity.isin([risk.BEST])
    heat = table[rows & (kind != risk.DESCENT)].set_index(["problem", "seed"])["value"]
    at = pd.MultiIndex.from_frame(table.loc[rows & stopped, ["problem", "seed"]])
    same.loc[rows & stopped, "value"] = heat.reindex(at).to_numpy()
    same.loc[rows, "flags"] = ""
    calibrated = table.copy()
    for name in risk.NETWORKS:
        own = networks & (table["problem"] == name)
        curve = warm.loc[name].droplevel("seed").groupby(level=0).mean()
        times = np.log(table.loc[own & stopped, "time"])
        calibrated.loc[own & stopped, "value"] = 1.1 * np.interp(times, np.log(curve.index), curve)
    contrary = {
        "two opposite meanings": (
            table.assign(value=table["value"].where((quantity != exact.PUSHED) | ~late, 3.0)),
            "do not go opposite ways"),
        "ηN, within bounds": (scaled(table, quantity == exact.LEARNED, 0.5), "but not within the bounds"),
        "the qualitative claim holds": (
            table.assign(value=table["value"].where(~networks, 3.0)), "the qualitative claim does not hold"),
        "is no calibration of networks": (calibrated, "Nothing speaks against 1/T = ηN"),
        "on 3 of 3 models. ηN* = 1/T* is a rule": (scaled(table, rows & stopped, 10.0), ", not on linear-8"),
        ", not 1 on linear-8": (same, "all of them 1 within two errors"),
        "nearer on every model": (
            scaled(table, (quantity == risk.BEST_PARAMETERS) & stopped, 9.0), "only: neither axis is the better one"),
        "stopping is no Gibbs law.": (
            table.assign(value=table["value"].where(quantity != exact.EXPONENT, 1.0)), "not told from a Gibbs law"),
        "colder than 1/s": (
            table.assign(value=table["value"].where(quantity != exact.EXPONENT, 0.5)), "warmer than 1/s"),
    }  # fmt: skip
    for usual, (other, instead) in contrary.items():
        moved = told.text(other)
        assert usual in says and instead not in says.replace(usual, ""), usual
        assert instead in moved and usual not in moved, usual
    like = table.assign(value=table["value"].where(quantity != exact.EXPONENT, 1.0))
    gibbs = table.loc[quantity == exact.GIBBS_VOLUME].set_index("time")["value"]
    descent = quantity == exact.VOLUME
    like.loc[descent, "value"] = gibbs.reindex(like.loc[descent, "time"]).to_numpy()
    assert "*It fails* as a statement" in says and "*It does not fail* as a statement" in told.text(like)


@pytest.mark.slow
def test_the_study_at_a_tiny_size(tmp_path, monkeypatch):
    for name, value in {"RUNS": 40, "TANGENT_RUNS": 3, "TANGENT_RECORDS": 6, "RECORDS": 20, "RUNGS": 6}.items():
        monkeypatch.setattr(risk, name, value)
    monkeypatch.setattr(risk, "LADDER", {"chains": 4, "draws": 40, "warmup": 30})
    for about in risk.NETWORKS.values():
        monkeypatch.setitem(about, "times", (about["times"][0], 12.0))
    monkeypatch.setattr(exact, "FLOW_TIMES", (1.0,))
    for name, value in {"STARTS": 300, "POINTS": 11, "DATA_SETS": 4, "NETWORK_DATA_SETS": 2}.items():
        monkeypatch.setattr(study, name, value)
    finding = study.run(Workshop(tmp_path, jobs=1))
    assert set(finding.table["part"]) == {"quadratic", "ridge", "flow", "risk"}
    assert "What this says of the claim" in finding.text and finding.shown["data sets"].tolist() == [4, 2, 2]
    assert len(finding.figure.axes) == 6 and png(finding.figure).startswith(b"\x89PNG")
    # the page is made from the table: with the optima of descent moved, so is what it says
    moved = finding.table.copy()
    stops = (moved["quantity"] == risk.BEST) & (moved["kind"] == risk.DESCENT)
    moved.loc[stops, "value"] *= 10
    before, after = (told.product(told.pairs(t, "linear-8"))[0] for t in (finding.table, moved))
    assert after == pytest.approx(10 * before) and f"{after:.2f}" in told.text(moved)
