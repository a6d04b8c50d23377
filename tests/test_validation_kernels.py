"""The programs that hold kernels and moves against exact laws: they pass what is right and notice what is wrong."""

from __future__ import annotations

import math
from functools import partial

import jax
import numpy as np
import pandas as pd
import pytest

from singular import models
from singular.models import catalogue
from singular.models.density import hoist
from singular.posteriors import kernels
from tests.programs import imported

LEVEL = 1e-3
"""Of each test, divided by the number of its quantities."""
NAMES = (
    "kernels_law", "kernels_joint", "kernels_ranks", "kernels_agree", "kernels_page", "kernels_picture",
    "validate_kernels", "first_use",
)  # fmt: skip
KEPT = {"chains": 400, "turns": 12}


@pytest.fixture(scope="module")
def programs():
    with imported(NAMES) as modules:
        yield modules


def least_p(programs, name, what, beta=1.0, wrong="", **settings):
    """The smallest p of a move or kernel against the joint law, times the number of quantities."""
    joint_law = programs["kernels_joint"]
    alone = what in catalogue.get(name).moves
    make = partial(programs["validate_kernels"]._made, joint_law.move_step if alone else joint_law.kernel_step, what)
    with programs["kernels_ranks"].spoilt(wrong):
        found = joint_law.held(programs["kernels_law"].Joint.of(catalogue.get(name), beta), make, **(KEPT | settings))
    return float(found["p"].min()) * len(found)


class TestJointLaw:
    @pytest.mark.parametrize(
        "name", ["reduced-rank-1-2-2-0", "matrix-factor-3-2-2-r1", "factor-analysis-4-2-1", "tanh-2", "hadamard-2-1"]
    )
    def test_a_function_that_follows_the_response_is_that_of_its_problem(self, programs, name):
        joint = programs["kernels_law"].Joint.of(catalogue.get(name))
        with jax.enable_x64(True):
            z, y = joint.draw(jax.random.PRNGKey(5))
            found = joint.following(lambda problem: problem.parts.split)(y, z)
            anew = joint.problem.replace(kwargs={**joint.problem.kwargs, "y": np.asarray(y)})
            known = anew.parts.split(z)
        assert np.asarray(found) == pytest.approx(np.asarray(known), rel=1e-12)

    def test_what_follows_the_response_in_a_way_not_known_is_refused(self, programs):
        joint = programs["kernels_law"].Joint.of(catalogue.get("tanh-2"))

        def of_sines(problem):
            return hoist(lambda z: z[0] * np.sin(problem.kwargs["y"]), np.ones(4))

        def of_a_number(problem):
            return hoist(lambda z: z * float(problem.kwargs["y"][0]), np.ones(4))

        for make in (of_sines, of_a_number):
            with jax.enable_x64(True), pytest.raises(ValueError, match="follow"):
                joint.following(make)

    def test_tempered_data_have_noise_of_variance_one_over_beta(self, programs):
        joint = programs["kernels_law"].Joint.of(catalogue.get("reduced-rank-1-2-2-0"), 0.25)
        with jax.enable_x64(True):
            keys = jax.random.split(jax.random.PRNGKey(1), 4000)
            z = np.zeros(joint.problem.dim)
            y = np.asarray(jax.jit(jax.vmap(lambda key: joint.simulate(key, z)))(keys))
        assert abs(y.var() * 0.25 - 1.0) < 4 * math.sqrt(2 / y.size)

    def test_tempered_data_of_another_noise_are_refused(self, programs):
        joint = programs["kernels_law"].Joint.of(catalogue.get("factor-analysis-4-2-1"), 0.5)
        with jax.enable_x64(True), pytest.raises(ValueError, match="normal"):
            joint.draw(jax.random.PRNGKey(0))

    @pytest.mark.parametrize(
        ("name", "what", "beta"),
        [
            ("hadamard-2-1", "scaling between factors", 0.3),
            pytest.param("reduced-rank-1-2-2-0", "orbit of B and A", 1.0, marks=pytest.mark.slow),
            pytest.param("relu-2", "moves+collapsed", 0.3, marks=pytest.mark.slow),
            pytest.param("factor-analysis-4-2-1", "moves+nuts", 1.0, marks=pytest.mark.slow),
        ],
    )  # fmt: skip
    def test_it_is_kept(self, programs, name, what, beta):
        assert least_p(programs, name, what, beta) > LEVEL

    @pytest.mark.parametrize(
        ("name", "what"),
        [
            ("hadamard-2-1", "scaling between factors"),
            pytest.param("reduced-rank-1-2-2-0", "orbit of B and A", marks=pytest.mark.slow),
            pytest.param("relu-2", "scaling of units", marks=pytest.mark.slow),
            pytest.param("reduced-rank-1-2-2-0", "moves", marks=pytest.mark.slow),
        ],
    )  # fmt: skip
    def test_a_wrong_jacobian_is_noticed(self, programs, name, what):
        assert least_p(programs, name, what, wrong="Jacobian") < LEVEL

    @pytest.mark.slow
    @pytest.mark.parametrize(
        ("name", "settings"), [("reduced-rank-1-2-2-0", {}), ("tanh-2", {"chains": 1000, "turns": 20})]
    )
    def test_a_block_drawn_at_half_its_beta_is_noticed(self, programs, name, settings):
        """On tanh-2, where the block moves little, it takes as many chains as the program has."""
        assert least_p(programs, name, "collapsed", wrong="block", **settings) < LEVEL


class TestChecks:
    @pytest.mark.parametrize(
        ("what", "quantity", "can"),
        [
            ("A given the others", "‖A‖", True), ("A given the others", "B, first entry", False),
            ("A given the others", "nL_n", True), ("orbit of B and A", "‖B‖", True), ("nuts", "‖B‖", True),
        ],
    )  # fmt: skip
    def test_a_site_left_alone_is_no_test_of_a_move(self, programs, what, quantity, can):
        program = programs["validate_kernels"]
        assert program.touched(program.Check("reduced-rank-1-2-2-0", what, 1.0), quantity) == can


class TestRanks:
    def test_nothing_stays_spoilt(self, programs):
        from singular.models import scaling_move
        from singular.models.linear_networks import layer_moves

        before = scaling_move.log_scalings, layer_moves.log_scalings, kernels.draw_block
        for wrong in programs["kernels_ranks"].WRONG:
            with programs["kernels_ranks"].spoilt(wrong):
                assert (scaling_move.log_scalings, layer_moves.log_scalings, kernels.draw_block) != before
            assert (scaling_move.log_scalings, layer_moves.log_scalings, kernels.draw_block) == before

    @pytest.mark.slow
    @pytest.mark.parametrize("wrong", ["", "Jacobian"])
    def test_calibration_passes_moves_as_they_are_and_notices_a_wrong_jacobian(self, programs, wrong):
        case = programs["kernels_ranks"].Case("hadamard-2-1", "moves+nuts", wrong)
        found = pd.concat([programs["kernels_ranks"].ranks(case, seed) for seed in range(100)])
        table = programs["kernels_page"].rank_table(found)
        assert programs["kernels_page"].verdict(table["p"])[1] == (wrong != "")


class TestAgreement:
    def test_every_family_that_declares_is_there(self, programs):
        declaring = {m.family for m in catalogue.MODELS.values() if m.block is not None or m.moves}
        there = programs["kernels_agree"].every_family(("tanh-1",))
        assert declaring <= {catalogue.get(name).family for name in there}

    def test_ways_are_the_kernels_allowed(self, programs):
        ways = programs["kernels_agree"].ways
        assert ways("mixture-2") == ["nuts", "mclmc"]
        assert set(ways("tanh-1")) == {"nuts", "mclmc", "collapsed"}
        assert set(ways("matrix-factor-2-2-1-r0")) == {"nuts", "mclmc", "moves", "moves+nuts", "moves+mclmc"}
        assert "collapsed SMC" in ways("reduced-rank-2-2-1-0")

    def test_references_and_joint_errors(self, programs):
        rows = pd.DataFrame(
            [
                ("a", "nuts", "free_energy", 1.0, 0.3, 2.5, 0.0), ("a", "moves", "x=0", 1.0, 0.0, 1.0, 0.0),
                ("b", "nuts", "free_energy", 5.0, 0.3, math.nan, math.nan),
                ("b", "moves", "free_energy", 6.0, 0.4, math.nan, math.nan),
            ],
            columns=["model", "way", "quantity", "value", "mcse", "exact", "exact error"],
        ).assign(beta=1.0, flags="")  # fmt: skip
        found = programs["kernels_agree"].held_against(rows)
        assert found["reference"].tolist() == ["quadrature", "quadrature", "", "nuts"]
        assert found["z"].tolist() == pytest.approx([-5.0, math.nan, math.nan, 2.0], nan_ok=True)
        tally = programs["kernels_page"].by_kernel(found).set_index("kernel")
        assert tally.loc["nuts", "numbers held"] == "1"
        assert tally.loc["nuts", "of these not flagged"] == "1"
        assert tally.loc["moves", "beyond 4"] == "0"


class TestPage:
    @pytest.fixture
    def frames(self, programs):
        numbers = [("a", way, quantity, beta, 2.0, 0.1, 1.9, 0.0, "")
                   for way in ("nuts", "moves") for quantity, beta in
                   (("free_energy", 1.0), ("mean_nll", 0.2), ("mean_nll", 1.0), ("x=0", 1.0))]  # fmt: skip
        numbers.append(("b", "nuts", "free_energy", 1.0, 3.0, 0.1, 2.0, 0.0, ""))
        numbers += [
            ("b", "nuts", "mean_nll", beta, 3.0, 0.1, 3.0, 0.0, "few draws; poor overlap; more") for beta in (0.2, 1.0)
        ]
        columns = ["model", "way", "quantity", "beta", "value", "mcse", "exact", "exact error", "flags"]
        agreeing = programs["kernels_agree"].held_against(
            pd.DataFrame(numbers, columns=columns).assign(d=4, seconds=1.0)
        )
        both = {"wrong": ["", "Jacobian"], "p": [0.4, 1e-9]}
        joint = pd.DataFrame(
            {"model": "a", "what": "m", "kind": "move", "beta": 1.0, "quantity": "‖w‖", "shift": 0.0, **both}
        )
        rng = np.random.default_rng(0)
        ranking = pd.DataFrame(
            {"model": "a", "kernel": "moves", "wrong": wrong, "beta": 1.0, "seed": seed, "quantity": "‖w‖", "draws": 49,
             "rank": rng.integers(0, 50 if not wrong else 10)}
            for wrong in ("", "Jacobian") for seed in range(60)
        )  # fmt: skip
        return agreeing, joint, ranking

    def test_it_says_what_is_off_what_is_flagged_and_what_is_noticed(self, programs, frames):
        text = " ".join(programs["kernels_page"].page(*frames).split())
        assert "**1 of 2 models agree on every number**" in text
        assert "1 are further off, **1 of them without a flag**" in text
        assert "few draws; poor overlap; and 1 more" in text
        assert "**1 of 1 wrong moves are noticed**" in text
        assert "by ranks 1 of 1" in text
        assert text.count("no departure") == 2

    def test_the_picture_has_a_panel_for_each_kernel_and_the_wrong_one(self, programs, frames):
        figure = programs["kernels_picture"].picture(*frames)
        assert [axes.get_title(loc="left") for axes in figure.axes][2:] == [
            "moves:\nranks of ‖w‖", "wrong Jacobian:\nranks of ‖w‖"
        ]  # fmt: skip


class TestFirstUse:
    def test_structure_is_what_the_choice_would_be_without_a_least_size(self, programs):
        least = kernels.FROM
        assert programs["first_use"].structured("relu-1") == "moves+collapsed"
        assert least == kernels.FROM > 0
        assert kernels.automatic(models.problem("relu-1", n=20)) == "nuts"

    def test_it_pays_from_where_no_larger_model_is_behind(self, programs):
        table = pd.DataFrame({"use": "first", "d": [2, 4, 4, 6, 8], "gain": [1.5, 0.8, 1.2, 1.1, 3.0]})
        assert programs["first_use"].pays_from(table, "first", "gain") == 6
        assert programs["first_use"].pays_from(table.assign(gain=2.0), "first", "gain") == 2
        assert programs["first_use"].pays_from(table.assign(gain=0.5), "first", "gain") is None

    def test_ratios_are_of_the_quickest_calls(self, programs):
        def row(what, seconds, ess):
            return {"model": "m", "d": 4, "kernel": what, "what": what, "use": "first", "repeat": 0, "seconds": seconds,
                    "core seconds": seconds, "sampling": 1.0, "ess": ess}  # fmt: skip

        rows = pd.DataFrame([row("nuts", 4.0, 100.0), row("nuts", 5.0, 100.0), row("structure", 8.0, 600.0)])
        found = programs["first_use"].compared(rows).iloc[0]
        assert found["quicker"] == pytest.approx(0.5)
        assert found["gain"] == pytest.approx(3.0)
        assert found["structure sampling rate"] == pytest.approx(600.0)
