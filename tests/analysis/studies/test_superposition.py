"""The study of superposition: exact critical points, the rule by the hull, sums of data, laws and shifts."""

from __future__ import annotations

import itertools
import math
from types import SimpleNamespace

import jax
import numpy as np
import pandas as pd
import pytest

from singular import models, posteriors
from singular.analysis.phases import region_of
from singular.analysis.studies import superposition as study
from singular.analysis.studies.superposition_data import foretold_crossings, row_losses, shifts
from singular.analysis.studies.superposition_laws import crossings, flat_mass, hexagon_mass, laws, published
from singular.analysis.studies.superposition_points import (
    FEATURES,
    HULL,
    POINTS,
    PUBLISHED,
    critical_point,
    critical_table,
    descend,
    loss,
    nearest_point,
    rules,
    told_apart,
)
from singular.analysis.studies.superposition_text import (
    CROSSING,
    DESCENT,
    ENDS,
    FORETOLD,
    MOVED,
    ODDS,
    SHIFT,
    data_crossings,
    text,
)
from singular.errors import InputError
from singular.models.networks.superposition_sums import noise_free, on_sums
from singular.posteriors.precision import x64


def sites(z):
    z = np.asarray(z)
    return {"W": z[..., :12].reshape(*z.shape[:-1], 2, FEATURES), "b": z[..., 12:]}


@pytest.mark.parametrize("n", [1, 7, 300])
@pytest.mark.parametrize("variance", [1.0, 0.5])
@pytest.mark.slow
def test_the_sums_give_the_nll_and_gradient_of_all_rows(n, variance):
    problem = models.problem("superposition-2-6", n=n, seed=3)
    small = on_sums(problem, variance)
    x = problem.kwargs["x"]
    rng = np.random.default_rng(n)
    with x64():
        for z in rng.normal(size=(20, 18)):
            w, b = sites(z)["W"], sites(z)["b"]
            off = x - np.maximum(x @ w.T @ w + b, 0.0)
            by_hand = 0.5 * np.sum(off**2) / variance + 0.5 * x.size * np.log(2 * np.pi * variance)
            assert float(small.parts.split(z)[1]) == pytest.approx(by_hand, rel=1e-12)
        if variance == 1.0:
            both = [np.asarray(jax.grad(lambda v, p=p: p.parts.split(v)[1])(z)) for p in (problem, small)]
            assert np.allclose(*both, rtol=1e-9, atol=1e-9)
    assert (small.n, small.seed, small.name) == (n, 3, "superposition-2-6")


def test_without_noise_the_nll_is_half_the_mean_squared_error():
    problem = noise_free(FEATURES, 40.0)
    z = np.random.default_rng(0).normal(size=18)
    with x64():
        assert float(problem.parts.split(z)[1]) == pytest.approx(20.0 * float(loss(z)), rel=1e-12)
    assert problem.n == 40


def test_what_is_no_problem_of_this_kind_is_refused():
    with pytest.raises(InputError, match="family superposition"):
        on_sums(models.problem("tanh-1", n=10))
    with pytest.raises(InputError, match="variance=0"):
        on_sums(models.problem("superposition-2-6", n=10), 0.0)
    with pytest.raises(InputError, match="size=-1"):
        noise_free(6, -1.0)


def test_critical_points_have_no_slope_and_the_published_losses():
    table = critical_table().set_index("phase")
    assert table["slope"].max() < 1e-12
    for name, known in PUBLISHED.items():
        assert table.loc[name, "loss"] == pytest.approx(known, abs=6e-6)
    assert table.loc[["6-gon", "5-gon", "5+-gon"], "half_rank"].tolist() == [8.5, 7.0, 8.5]


def test_every_critical_point_is_told_as_itself_turned_mirrored_and_relabelled():
    rng = np.random.default_rng(1)
    for name in POINTS:
        told = sites(critical_point(name))
        for _ in range(10):
            angle, order = rng.uniform(0, 2 * np.pi), rng.permutation(FEATURES)
            turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
            w = (turn @ np.diag([1, rng.choice([-1, 1])]) @ told["W"])[:, order]
            label = region_of(rules()[HULL], {"W": w[None], "b": told["b"][order][None]})
            assert list(rules()[HULL])[label[0]] == name


def test_the_corners_are_those_of_a_convex_hull():
    from scipy.spatial import ConvexHull

    w = np.random.default_rng(2).normal(size=(300, 2, FEATURES))
    found, _, around = told_apart({"W": w, "b": np.zeros((300, FEATURES))})
    for one, corners, inside in zip(w, found, around, strict=True):
        hull = ConvexHull(one.T)
        assert len(hull.vertices) == corners
        assert bool((hull.equations[:, -1] < 0).all()) == inside


def test_descent_from_beside_a_critical_point_comes_back_to_it():
    names = ["6-gon", "5+-gon"]
    rng = np.random.default_rng(3)
    starts = np.stack([critical_point(name) + 0.03 * rng.normal(size=18) for name in names])
    assert nearest_point(descend(starts)).tolist() == names


def test_the_free_mass_of_the_pentagon_against_draws_of_the_prior():
    z = sites(critical_point("5-gon"))
    w, bias = z["W"][:, :5], z["b"][0]
    rng = np.random.default_rng(4)
    v, a = rng.normal(size=(400_000, 2)), rng.normal(size=400_000)
    over = v @ w
    free = (over <= -bias).all(axis=1) & (a <= -np.maximum(np.maximum(over.max(axis=1), 0.0), (v**2).sum(axis=1)))
    assert abs(free.mean() - flat_mass()) < 4 * free.std() / math.sqrt(free.size)


def test_the_free_mass_leaves_the_loss_as_it_is():
    point = critical_point("5-gon")
    moved = point.copy()
    moved[[5, 11, 17]] = [0.1, -0.15, -0.25]
    outside = point.copy()
    outside[[5, 11, 17]] = [0.3, 0.0, -0.6]
    with x64():
        assert float(loss(moved)) == pytest.approx(float(loss(point)), abs=1e-15)
        assert float(loss(outside)) > float(loss(point)) + 1e-5


def test_the_published_crossing_is_that_of_its_law():
    assert crossings().set_index("law").loc["½ |w|² kept, L", "n"] == pytest.approx(601, abs=0.5)
    law = published(False)
    assert law["6-gon"].constant - law["5-gon"].constant == pytest.approx(2.7535, abs=5e-5)


def test_the_mass_of_the_hexagon_at_a_finite_size_tends_to_its_law():
    gaps = [-hexagon_mass(size) - laws()["6-gon"].free_energy(size) for size in (1e4, 1e6)]
    assert abs(gaps[1]) < 0.01 and abs(gaps[1]) < abs(gaps[0])


def test_losses_of_rows_average_to_the_loss_and_a_left_out_feature_costs_half_its_square():
    u, weight = np.polynomial.legendre.leggauss(200)
    u, weight = (u + 1) / 2, weight / 2
    for name in ("6-gon", "5-gon", "5+-gon"):
        mean = np.mean([weight @ row_losses(name, corner, u) for corner in range(FEATURES)])
        with x64():
            assert mean == pytest.approx(0.5 * float(loss(critical_point(name))), abs=1e-5)
    assert np.allclose(row_losses("5-gon", 5, u), 0.5 * u**2)


def test_data_without_luck_do_not_shift_the_odds(monkeypatch):
    u = np.tile((np.arange(200) + 0.5) / 200, FEATURES)
    x = np.zeros((u.size, FEATURES))
    even = SimpleNamespace(kwargs={"x": x})
    x[np.arange(u.size), np.repeat(np.arange(FEATURES), 200)] = u

    monkeypatch.setattr("singular.analysis.studies.superposition_data.Problem.from_model", lambda *_, **__: even)
    assert abs(shifts(u.size, 0, 1.0, np.array([u.size]))[0]) < 0.01


def test_crossings_on_data_without_shift_are_those_of_the_odds(monkeypatch):
    monkeypatch.setattr(
        "singular.analysis.studies.superposition_data.shifts", lambda n, seed, variance, at: np.zeros(at.size)
    )
    sizes = np.array([100.0, 400.0, 1600.0])
    for variance in (1.0, 0.5):
        found = foretold_crossings(sizes, np.array([-1.0, 0.0, 1.0]), variance, range(2))
        assert np.allclose(found, 400 * variance, rtol=0.01)


def test_the_crossing_of_a_growing_data_set_is_interpolated_in_log_n():
    rows = [(n, seed, math.log(n / c)) for seed, c in ((0, 300.0), (1, 5000.0)) for n in (100, 200, 500, 1000)]
    table = pd.DataFrame(rows, columns=["n", "seed", "value"]).assign(
        method="mbar", quantity=ODDS, variance=1.0, rule=HULL, problem="superposition-2-6", mcse=0.1
    )
    ((seed, n, error),) = data_crossings(table)
    assert seed == 0 and n == pytest.approx(300) and 0.05 * 300 < error < 0.1 * 300


def made_table(crossing: float) -> pd.DataFrame:
    """Return a table as the study makes it, with hexagons ahead from a given n on."""
    free, about = "superposition-2-6 without noise", {"rule": HULL, "variance": 1.0, "method": "mbar", "beta": 1.0}
    frames = [study.critical_rows()]
    for seed in (0, 1):
        rows = [("6-gon", ODDS, size, 3 * math.log(size / crossing), 0.1) for size in (128.0, 256.0, 512.0, 1024.0)]
        rows += [("6-gon", "share", size, 0.4, 0.01) for size in (256.0, 512.0)]
        rows += [("5-gon", DESCENT + "5-gon", 512.0, 7.0, np.nan), ("6-gon", DESCENT + "5-gon", 512.0, 2.0, np.nan)]
        frame = pd.DataFrame(rows, columns=["phase", "quantity", "size", "value", "mcse"])
        frames.append(frame.assign(problem=free, seed=seed, n=frame["size"].astype(int), relaxation=2.0, **about))
        for rule in (HULL, "length"):
            row = {"phase": "6-gon", "quantity": CROSSING, "value": crossing, "mcse": 9.0, **about, "rule": rule}
            frames.append(pd.DataFrame([row]).assign(problem=free, seed=seed, size=crossing, n=round(crossing)))
        for quantity, value in ((ODDS, 3 * math.log(512 / crossing)), ("share", 0.4)):
            row = {"phase": "6-gon", "quantity": quantity, "value": value, "mcse": 0.1, **about, "method": "smc"}
            frames.append(pd.DataFrame([row]).assign(problem=free, seed=seed, size=512.0, n=512))
        for variance, n in ((1.0, 300), (1.0, 1000), (0.5, 200), (0.5, 600)):
            size = n / variance
            rows = [(ODDS, 3 * math.log(size / crossing) - 1), (SHIFT, -1.5), ("share", 0.3)]
            frame = pd.DataFrame(rows, columns=["quantity", "value"]).assign(**{**about, "variance": variance})
            frames.append(frame.assign(problem="superposition-2-6", phase="6-gon", seed=seed, size=size, n=n, mcse=0.1))
    for size in (128.0, 256.0, 1024.0):
        row = {"phase": "6-gon", "quantity": ODDS, "value": 3 * math.log(size / crossing), **about, "method": "laplace"}
        frames.append(pd.DataFrame([row]).assign(problem="superposition-2-6", seed=-1, size=size, n=int(size)))
    for name, quantity, value in (
        ("6-gon", ENDS, 5.0),
        ("any 5-gon", ENDS, 3.0),
        ("rest", ENDS, 0.0),
        ("6-gon", MOVED, 9.0),
    ):
        row = {"phase": name, "quantity": quantity, "value": value, **about, "method": "nuts"}
        frames.append(pd.DataFrame([row]).assign(problem=free, seed=0, size=600.0, n=600))
    many = pd.DataFrame({"value": [500.0, 650.0, 800.0], "seed": [0, 1, 2]}).assign(**about, quantity=FORETOLD)
    frames.append(many.assign(problem="superposition-2-6", phase="6-gon", method="laplace and data"))
    table = pd.concat(frames, ignore_index=True)
    table["round_trips"], table["flags"] = 30.0, ""
    return study.against_first(table.reset_index(drop=True), 0)


@pytest.mark.slow
def test_the_page_says_what_the_table_says_in_any_order_of_its_rows():
    table = made_table(560.0)
    page = text(table, 0)
    assert text(table.sample(frac=1, random_state=0), 0).split("| data |")[0] == page.split("| data |")[0]
    for said in (
        "Roughly, at unit noise",
        "n = 560 ± 9",
        "the published 601 with L",
        "445 with L and 1010 with K",
        "overstates",
    ):
        assert said in page, said
    assert "No, not at unit noise" in text(made_table(300.0), 0)
    assert "for 0 of 4 hexagons and 14 of 14 pentagons at n = 512" in page


def test_replicates_are_weighted_by_their_evidence():
    logs = np.log([1.0, 3.0, 1.0, 3.0, 2.0])
    share = np.array([0.0, 1.0, 0.0, 1.0, 0.5])
    found = study._weighted(logs, lambda w: float(w @ share))
    assert found["value"] == pytest.approx(0.7)
    values = [np.delete(np.exp(logs) * share, i).sum() / np.delete(np.exp(logs), i).sum() for i in range(5)]
    assert found["mcse"] == pytest.approx(np.sqrt(4 / 5 * np.sum((values - np.mean(values)) ** 2) * 4 / 2))


def test_rungs_hold_a_half_and_rise():
    for size in (20.0, 1024.0):
        grid = study.rungs(size)
        assert 0.5 in grid and grid[0] == 0.0 and grid[-1] == 1.0 and grid[1] <= 1 / size * 1.0001
        assert all(a < b for a, b in itertools.pairwise(grid))


@pytest.mark.slow
def test_shares_of_a_ladder_agree_with_particles():
    size = 64.0
    problem = noise_free(FEATURES, size)
    tree = posteriors.ladder(problem, study.rungs(size), chains=4, draws=300, warmup=100, seed=5, progress=False)
    run = posteriors.smc(problem, particles=512, replicates=8, seed=6)
    division = study.divide(tree, rules()[HULL])
    frame = study.share_rows(problem, division, [1.0], phases=rules()[HULL]).set_index("phase")
    parameters = {site: run.tree["posterior"][site].to_numpy() for site in ("W", "b")}
    for name in ("6-gon", "5-gon", "4-gon"):
        share = np.asarray(rules()[HULL][name](parameters)).mean(axis=1)
        other = study._weighted(run.log_evidence[:, -1], lambda w, share=share: float(w @ share))
        gap = frame.loc[name, "value"] - other["value"]
        assert abs(gap) < 4 * math.hypot(frame.loc[name, "mcse"], other["mcse"])
