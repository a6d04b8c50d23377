"""Shares, free energies and odds of regions against exact masses, in units of their own errors; and what is refused."""

import math

import numpy as np
import pytest
import xarray as xr

from singular import analysis, models, posteriors
from singular.analysis.phase_law import PhaseLaw, crossing, predicted_shares
from singular.analysis.phases import divide, moves_of, occupancy, phase_free_energy, phase_odds, phase_share, region_of
from singular.errors import InputError

WITHIN = 4.0
WELLS = models.get("two-wells").phases


@pytest.fixture(scope="module")
def wells():
    problem = models.problem("two-wells", n=100, seed=0)
    tree = posteriors.ladder(problem, chains=4, draws=400, warmup=200, seed=1, progress=False)
    return problem, tree, divide(tree, problem.model.phases)


def test_shares_free_energies_and_odds_are_exact_within_their_errors(wells):
    problem, tree, division = wells
    beta = 1 / math.log(100)
    exact = posteriors.quadrature(problem, [beta, 1.0])
    for b in (beta, 1.0):
        row = exact.at(b)
        for phase in ("sharp", "flat"):
            for method in ("mbar", "rung"):
                share = phase_share(division, WELLS, phase, b, method)
                assert abs(share.value - row[f"phase:{phase}"]) < WITHIN * share.mcse
            energy = phase_free_energy(division, WELLS, phase, b)
            assert abs(energy.value - (row["free_energy"] - np.log(row[f"phase:{phase}"]))) < WITHIN * energy.mcse
            assert energy.mcse < 0.5
        odds = phase_odds(division, WELLS, "flat", "sharp", b)
        assert abs(odds.value - np.log(row["phase:flat"] / row["phase:sharp"])) < WITHIN * odds.mcse
    assert phase_share(tree, WELLS, "rest", 1.0).value == 0.0


def test_occupancy_tells_how_the_draws_moved(wells):
    _, tree, division = wells
    table = occupancy(tree, WELLS)
    assert len(table) == 3 * division.draws.betas.size
    for _, rung in table.groupby("beta"):
        assert rung["value"].sum() == pytest.approx(1.0, abs=1e-12)
    top = table[(table["beta"] == 1.0) & (table["phase"] == "flat")].iloc[0]
    assert top["round_trips"] > 25 and top["relaxation"] > 1.5 and top["origins"] > 25
    prior = table[(table["beta"] == 0.0) & (table["phase"] == "flat")].iloc[0]
    inside = division.inside("flat")[..., 0]
    assert prior["origins"] == inside.sum()  # every draw of the prior is one of its own
    assert 0.8 < prior["relaxation"] < 2.0  # swaps bring draws of the next rung down and up again


def test_round_trips_by_hand(wells):
    division = wells[2]
    label = np.ones_like(division.label)
    label[0, :6, -1] = [0, 1, 0, 0, 1, 0]  # begins inside: leaves and returns twice
    label[1, :6, -1] = [1, 0, 1, 1, 0, 1]  # begins outside: comes, leaves, comes again
    moves = moves_of(division._replace(label=label), "sharp", division.draws.betas.size - 1)
    assert moves.round_trips == 3


def test_chains_that_never_moved_are_flagged(wells):
    division = wells[2]
    label = division.label.copy()
    label[...] = np.array([0, 0, 0, 1])[:, None, None]
    share = phase_share(division._replace(label=label), WELLS, "sharp", 1.0, "rung")
    assert any("0 round trips into sharp" in flag for flag in share.flags)
    label[...] = 0
    share = phase_share(division._replace(label=label), WELLS, "flat", 1.0, "rung")
    assert share.value == 0.0 and any("all draws are outside flat" in flag for flag in share.flags)
    with pytest.raises(InputError, match="no draw is in it"):
        phase_free_energy(division._replace(label=label), WELLS, "flat")


def test_what_is_refused(wells):
    _, tree, division = wells
    with pytest.raises(InputError, match=r"'left' and in 'all'"):
        region_of({"left": lambda w: w["w"] < 0, "all": lambda w: w["w"] < 9}, {"w": np.array([-1.0, 2.0])})
    with pytest.raises(InputError, match="returned float64"):
        region_of({"a": lambda w: w["w"] * 1.0}, {"w": np.zeros(3)})
    with pytest.raises(InputError, match=r"phases\['a'\] failed: KeyError"):
        region_of({"a": lambda w: w["v"] > 0}, {"w": np.zeros(3)})
    with pytest.raises(InputError, match="'rest' is what no region claims"):
        region_of({"rest": lambda w: w["w"] > 0}, {"w": np.zeros(3)})
    with pytest.raises(InputError, match="at least one region"):
        region_of({}, {"w": np.zeros(3)})
    with pytest.raises(InputError, match="did you mean 'sharp'"):
        phase_share(division, WELLS, "shrap")
    with pytest.raises(InputError, match="method='wham'"):
        phase_share(division, WELLS, "sharp", method="wham")
    with pytest.raises(InputError, match="beta=2"):
        phase_share(division, WELLS, "sharp", beta=2.0)
    with pytest.raises(InputError, match="no rung"):
        occupancy(tree, WELLS, betas=[0.123])
    one = xr.DataTree.from_dict({k: tree[k].to_dataset().isel(beta=[-1]) for k in ("posterior", "sample_stats")})
    one.attrs.update(tree.attrs)
    with pytest.raises(InputError, match="one rung"):
        phase_odds(one, WELLS, "sharp", "flat")


def test_laws_cross_where_their_free_energies_agree():
    flat, sharp = PhaseLaw(1e-3, 0.25), PhaseLaw(0.0, 0.5, constant=0.3)
    n = crossing(flat, sharp, least=100)
    assert n is not None and flat.free_energy(n) == pytest.approx(sharp.free_energy(n), abs=1e-9)
    assert predicted_shares({"a": flat, "b": sharp}, n)["a"] == pytest.approx(0.5, abs=1e-9)
    assert crossing(PhaseLaw(0.0, 0.25), PhaseLaw(0.0, 0.5)) is None
    assert flat.through(50.0, 7.0).free_energy(50.0) == pytest.approx(7.0)
    assert PhaseLaw(0.0, 0.5, 3).free_energy(100.0) == pytest.approx(0.5 * math.log(100) - 2 * math.log(math.log(100)))
    with pytest.raises(InputError, match="n=2"):
        flat.free_energy(2)
    with pytest.raises(InputError, match="least=1"):
        crossing(flat, sharp, least=1)


def test_public_names():
    assert {"occupancy", "phase_share", "phase_free_energy", "phase_odds", "PhaseLaw", "crossing"} <= set(
        analysis.__all__
    )
