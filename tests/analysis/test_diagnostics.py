"""Flags: raised by what is wrong, and by nothing else."""

import numpy as np
import pytest

from singular import analysis
from singular.analysis.agreement import slope_departures
from singular.analysis.checks import round_trip_flags
from tests.ladders import GammaLadder, tree

TRUTH = GammaLadder(swaps=True, persistence=0.3, draws=500)
LADDER = TRUTH.one(0)


def changed(**sample_stats):
    held = {name: LADDER["sample_stats"][name].values for name in ("nll", "replica", "swap_probability")}
    return tree(TRUTH.betas, **{**held, **sample_stats})


def test_a_good_ladder_has_no_flags():
    assert analysis.flags(LADDER) == ()
    assert analysis.free_energy(LADDER).flags == ()
    table = analysis.diagnostics(LADDER)
    assert table.beta.tolist() == TRUTH.betas.tolist()
    assert (table.rhat < 1.01).all() and (table.ess_bulk > 400).all()
    assert table.swap_acceptance[:-1].between(0.3, 1).all() and np.isnan(table.swap_acceptance.iloc[-1])
    assert table.diverging.isna().all()


def test_few_effective_draws_are_flagged_on_their_rung_alone():
    slow = GammaLadder(persistence=0.99).one(0)["sample_stats"]["nll"].values
    nll = LADDER["sample_stats"]["nll"].values.copy()
    nll[..., 3] = slow[..., 3]
    ladder = changed(nll=nll)
    found = analysis.flags(ladder)
    assert found and all(f"beta={TRUTH.betas[3]:.3g}" in flag for flag in found)
    assert any(flag.startswith("ess ") and "< 400" in flag for flag in found)
    assert analysis.flags(ladder, [0.0, 1.0]) == ()
    assert analysis.wbic(ladder).flags == ()
    frame = analysis.effective_learning_coefficient(ladder)
    assert (frame["flags"] != "").tolist() == [k == 3 for k in range(1, TRUTH.betas.size)]


def test_chains_that_disagree():
    nll = LADDER["sample_stats"]["nll"].values + np.array([0, 0, 0, 300.0])[:, None, None]
    assert any(flag.startswith("rhat") for flag in analysis.flags(changed(nll=nll)))


def test_divergences():
    diverging = np.zeros(LADDER["sample_stats"]["nll"].shape, dtype=bool)
    diverging[0, :30, 4] = True
    assert analysis.flags(changed(diverging=diverging)) == ()
    diverging[0, :300, 4] = True
    (flag,) = analysis.flags(changed(diverging=diverging))
    assert flag == f"300 of 2000 steps diverged at beta={TRUTH.betas[4]:.3g}"


def warped(stretch):
    """Return nll of a rung that was not sampled at its β: one that is spread too widely about its mean."""
    nll = LADDER["sample_stats"]["nll"].values.copy()
    nll[..., 4] = nll[..., 4].mean() + stretch * (nll[..., 4] - nll[..., 4].mean())
    return nll


def test_neighbours_that_do_not_fit():
    found = analysis.flags(changed(nll=warped(1.3)))
    assert found and all("do not fit each other" in flag and f"{TRUTH.betas[4]:.3g}" in flag for flag in found)
    assert len(set(found)) == len(found)
    assert analysis.flags(changed(nll=warped(1.3)), [TRUTH.betas[0], TRUTH.betas[-1]]) == ()
    assert analysis.free_energy(changed(nll=warped(1.3))).flags == found


def test_a_few_divergences_count_where_neighbours_do_not_fit():
    nll = LADDER["sample_stats"]["nll"].values
    stretches = np.linspace(1.0, 1.3, 31)
    departures = [slope_departures(warped(s), TRUTH.betas) for s in stretches]
    worst = np.array([np.max(np.abs(d / e)) for d, e in departures])
    doubtful = stretches[(worst > 3.1) & (worst < 3.9)][0]
    diverging = np.zeros(nll.shape, dtype=bool)
    assert analysis.flags(changed(nll=warped(doubtful), diverging=diverging)) == ()
    diverging[0, :30, 4] = True
    (flag,) = analysis.flags(changed(nll=warped(doubtful), diverging=diverging))
    assert flag.startswith(f"1.5% of steps diverged at beta={TRUTH.betas[4]:.3g}, and its draws do not fit")


def test_trees_cut_off():
    depth = np.full(LADDER["sample_stats"]["nll"].shape, 3)
    depth[:, :100, 4] = 6
    ladder = changed(tree_depth=depth)
    assert analysis.flags(ladder) == ()  # it does not say what the limit was
    ladder.attrs["settings"] = '{"max_tree_depth": 6}'
    assert analysis.flags(ladder) == (f"20% of trees were cut off at max_tree_depth at beta={TRUTH.betas[4]:.3g}",)
    ladder.attrs["settings"] = '{"max_tree_depth": 7}'
    assert analysis.flags(ladder) == ()


def test_few_round_trips():
    replica = LADDER["sample_stats"]["replica"].values.copy()
    trips = analysis.round_trips(LADDER)
    assert trips.sum() > 100
    replica[:, 60:] = replica[:, 59:60]
    few = analysis.round_trips(changed(replica=replica))
    (flag,) = analysis.flags(changed(replica=replica))
    assert flag == (
        f"{few.sum()} round trips in all < 25" if few.all() else f"no round trip in {sum(few == 0)} of 4 chains"
    )
    assert round_trip_flags(np.array([10, 9, 5, 0])) == ["no round trip in 1 of 4 chains"]
    assert round_trip_flags(np.array([10, 9, 4, 1])) == ["24 round trips in all < 25"]
    assert round_trip_flags(np.array([10, 9, 5, 1])) == []


def test_swaps_that_fail():
    probability = LADDER["sample_stats"]["swap_probability"].values.copy()
    probability[..., 2] *= 0.01
    (flag,) = analysis.flags(changed(swap_probability=probability))
    assert "swap acceptance" in flag and f"{TRUTH.betas[2]:.3g} and {TRUTH.betas[3]:.3g}" in flag


def test_an_interrupted_ladder():
    ladder = changed()
    ladder.attrs["complete"] = 0
    assert analysis.flags(ladder) == ("ladder incomplete: the run was interrupted",)


def brute_force_round_trips(replica):
    count, top = 0, replica.shape[1] - 1
    for r in range(replica.shape[1]):
        stage = None
        for row in replica:
            rung = int(np.flatnonzero(row == r)[0])
            if rung == 0:
                count += stage == "came from the top"
                stage = "left the bottom"
            elif rung == top and stage == "left the bottom":
                stage = "came from the top"
    return count


def test_round_trips_by_a_slow_count():
    replica = LADDER["sample_stats"]["replica"].values
    expected = [brute_force_round_trips(chain) for chain in replica]
    assert min(expected) > 0
    assert analysis.round_trips(LADDER).tolist() == expected


def test_a_known_round_trip():
    replica = np.array([[[0, 1], [0, 1], [1, 0], [1, 0], [0, 1], [1, 0]]])
    # replica 0: bottom, top, bottom, top: one trip; replica 1: top, bottom, top, bottom: one trip
    ladder = tree([0.0, 1.0], nll=np.random.default_rng(0).gamma(2, 1, replica.shape), replica=replica)
    assert analysis.round_trips(ladder).tolist() == [2]
    still = np.tile(np.arange(TRUTH.betas.size), (4, 500, 1))
    assert "no round trip in 4 of 4 chains" in analysis.flags(changed(replica=still))


def test_what_a_ladder_does_not_hold_is_not_flagged():
    bare = tree(TRUTH.betas, nll=LADDER["sample_stats"]["nll"].values)
    assert analysis.flags(bare) == ()
    assert analysis.round_trips(bare) is None


@pytest.mark.parametrize("nll", [np.full((4, 50, 2), 3.0), np.full((1, 50, 2), 3.0)])
def test_a_constant_nll_has_no_error(nll):
    e = analysis.free_energy(tree([0.0, 1.0], nll=nll))
    assert (e.value, e.mcse) == (pytest.approx(3.0), 0.0)
