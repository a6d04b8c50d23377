"""The arithmetic of the cost benchmark, and one small measurement of each kind."""

from __future__ import annotations

import math

import jax
import numpy as np
import pandas as pd
import pytest

from singular import models
from singular.models.problem import Problem
from singular.posteriors.precision import x64
from tests.programs import imported

NAMES = ("cost_exponents", "cost_page", "cost_picture", "cost_rounds")
ROWS = (100, 1_000, 10_000, 100_000, 1_000_000)


@pytest.fixture(scope="module")
def programs():
    with imported(NAMES) as modules:
        yield modules


@pytest.fixture(scope="module")
def fits(programs):
    return programs["cost_exponents"]


@pytest.fixture(scope="module")
def rounds(programs):
    return programs["cost_rounds"]


def curve(panel: str, kernel: str, seconds, sums: bool = True, cores: int = 1, xs=ROWS, model: str = "reduced rank"):
    """Return rows as `alternate` makes them; ``seconds`` is a function of what is varied."""
    return [
        {"panel": panel, "model": model, "kernel": kernel, "unit": "gradient", "x": x, "sums": sums, "d": 48, "n": 1000,
         "rungs": 8, "chains": 1, "cores": cores, "capacity": 32, "clock": "processor", "repeats": 3, "rounds": 10,
         "units a round": 7.0, "seconds a unit": seconds(x), "least": 0.9 * seconds(x), "most": 1.2 * seconds(x),
         "seconds a round": 7 * seconds(x), "least wall a round": 6.5 * seconds(x)}
        for x in xs
    ]  # fmt: skip


@pytest.fixture(scope="module")
def rows():
    """A machine on which a gradient costs nearly the same at every n, a round as much as its rungs, and so on."""
    few = (8, 16, 32)
    return pd.DataFrame(
        curve("n", "nuts", lambda n: 1e-5 * (n / 100) ** 0.01)
        + curve("n", "moves", lambda n: 5e-5 * n**0.2)
        + curve("n", "all rows, NumPyro", lambda n: 1e-6 + 1e-8 * n)
        + curve("n", "summing up", lambda n: 2e-8 * n)
        + curve("n", "start and end of a ladder", lambda n: 0.1)
        + curve("n", "nuts", lambda n: 3e-8 * n, sums=False, model="tanh")
        + curve("rungs", "nuts", lambda k: 1e-4 * k, xs=few)
        + curve("padding", "nuts", lambda k: 8e-4 + 2e-6 * k, xs=few)
        + curve("chains", "nuts", lambda c: 1e-3 * c, xs=(1, 2, 4))
        + curve("chains", "nuts", lambda c: 4e-4 * c, cores=2, xs=(1, 2, 4))
        + curve("depth", "nuts", lambda s: 1e-5 * s, xs=(2, 4, 8))
        + curve("width", "nuts", lambda w: 1e-5 * w**2, xs=(2, 4, 8))
    )


class TestExponents:
    @pytest.mark.parametrize("exponent", [-0.5, 0.0, 1.0, 2.5])
    def test_a_power_is_found_exactly(self, fits, exponent):
        x = np.array(ROWS, dtype=float)
        value, error = fits.slope(x, 3e-7 * x**exponent)
        assert value == pytest.approx(exponent, abs=1e-12)
        assert error == pytest.approx(0.0, abs=1e-7)

    def test_the_error_is_that_of_a_straight_line(self, fits):
        rng = np.random.default_rng(0)
        x = np.geomspace(1, 1e4, 9)
        y = x * np.exp(0.1 * rng.standard_normal(9))
        value, error = fits.slope(x, y)
        design = np.stack([np.ones(9), np.log(x)], axis=1)
        coefficients, squares, *_ = np.linalg.lstsq(design, np.log(y))
        covariance = np.linalg.inv(design.T @ design) * squares[0] / 7
        assert value == pytest.approx(coefficients[1])
        assert error == pytest.approx(math.sqrt(covariance[1, 1]))

    def test_each_curve_is_held_against_what_it_should_be(self, fits, rows):
        found = fits.exponents(rows).set_index(["panel", "model", "kernel", "cores"])
        told = {key: (row["expected"], row["met"]) for key, row in found.iterrows()}
        rank = "reduced rank"
        assert told["n", rank, "nuts", 1] == ("flat", True)
        assert told["n", rank, "moves", 1] == ("flat", False)
        assert told["n", rank, "all rows, NumPyro", 1] == ("linear", True)
        assert told["n", rank, "start and end of a ladder", 1] == ("", None)
        assert told["n", "tanh", "nuts", 1] == ("linear", True)
        assert told["rungs", rank, "nuts", 1] == ("linear", True)
        assert told["chains", rank, "nuts", 1] == ("linear", True)
        assert told["chains", rank, "nuts", 2] == ("", None)
        assert told["depth", rank, "nuts", 1] == ("", None)
        assert fits.count(found, "flat") == "1 of 2"

    def test_what_takes_all_rows_is_fitted_where_they_are_many(self, fits, rows):
        found = fits.exponents(rows).set_index(["panel", "kernel", "model"])
        exact = math.log((1e-6 + 1e-2) / (1e-6 + 1e-4)) / math.log(
            100
        )  # of three even points the middle one has no say
        assert found.loc[("n", "all rows, NumPyro", "reduced rank"), "exponent"] == pytest.approx(exact)


class TestPage:
    def test_verdicts_are_those_of_the_table(self, programs, rows):
        text = programs["cost_page"].page(rows)
        assert "**Flat in n: 1 of 2 kernels of 1 models.**" in text
        assert (
            "reduced rank, nuts: exponent 0.010 ± 0.000, flat; a gradient takes 10 µs at 100, 11 µs at 1,000,000"
            in text
        )
        assert "reduced rank, moves: exponent 0.200 ± 0.000, not flat" in text
        assert "**Linear in rungs: 1 of 1.**" in text
        assert "an empty rung costs, of what a live one does, nuts 2.0%" in text
        assert "On 2 cores 4 chains are done so many times sooner, by the wall's least times: nuts 2.50." in text
        assert "at n = 100 and at n = 1,000,000: reduced rank 0.2 and 912." in text

    @pytest.mark.parametrize(("seconds", "text"), [(2.5, "2.5 s"), (0.0123, "12.3 ms"), (4.56e-7, "0.456 µs")])
    def test_times_are_told_in_a_unit_that_suits(self, programs, seconds, text):
        assert programs["cost_page"].time_of(seconds) == text

    def test_the_picture_has_four_panels_with_every_curve(self, programs, rows):
        figure = programs["cost_picture"].picture(rows)
        drawn = [len(axes.containers) for part in figure.subfigs for axes in part.axes]
        assert drawn == [5, 1, 0, 1]
        assert len(figure.subfigs[1].axes[1].lines) == 3  # one core, two cores, in proportion


class Metronome:
    """A timer whose clock is exact: 2 ms a round and a tenth more at each call, 4 units a round."""

    unit = "gradient"

    def __init__(self, case) -> None:
        self.case, self.calls = case, 0

    def timed(self, count: int) -> tuple[float, float]:
        self.calls += 1
        return 0.002 * count * (1 + 0.1 * self.calls), 4.0 * count


@pytest.fixture(scope="module")
def problem():
    return Problem.from_model(models.reduced_rank(2, 2, 2, 1), n=300, seed=1)


class TestMeasurements:
    def test_rows_hold_median_least_and_greatest_of_a_unit(self, rounds, problem):
        timer = Metronome(rounds.Case("n", "a", 300, problem, "nuts", rounds=5))
        row = rounds.alternate([timer], 3)[0]
        assert (row["least"], row["seconds a unit"], row["most"]) == pytest.approx((0.00055, 0.0006, 0.00065))
        assert row["seconds a round"] == pytest.approx(0.0024)
        assert 0 < row["least wall a round"] < 0.01
        assert (row["units a round"], row["rounds"], row["n"], row["sums"]) == (4.0, 5, 300, True)

    def test_as_many_rounds_are_run_as_take_the_time_wanted(self, rounds, problem):
        row = rounds.alternate([Metronome(rounds.Case("n", "a", 300, problem, "nuts"))], 1)[0]
        assert 0.5 * rounds.SECONDS < 0.002 * row["rounds"] < 2 * rounds.SECONDS

    def test_rounds_are_those_of_a_ladder(self, rounds, problem):
        case = rounds.Case("n", "a", 300, problem, "moves", rungs=4, chains=2, warmup=12)
        timer = rounds.Rounds(case)
        seconds, sweeps = timer.timed(3)
        assert timer.unit == "sweep"
        assert sweeps == 3 * 2 * 3
        assert seconds > 0
        assert timer.team.gradients == (12 + 3) * 2 * 4

    def test_the_plain_gradient_is_that_of_the_sums(self, rounds, problem):
        timer = rounds.PlainGradient(rounds.Case("n", "a", 300, problem))
        assert timer.timed(2)[1] == 2
        rng = np.random.default_rng(0)
        w = {site: rng.standard_normal(np.shape(value)) for site, value in problem.model.optimum.items()}
        with x64():
            moved = timer.descend(timer.data, {k: jax.numpy.asarray(v) for k, v in w.items()}, 1, 1.0)
            z = problem.parts.unconstrain(w)
            gradient = jax.grad(lambda z: problem.parts.split(z)[1] - problem.parts.split(z)[0])(z)
            step = problem.parts.unconstrain({k: w[k] - np.asarray(moved[k]) for k in w})
        np.testing.assert_allclose(step, gradient, rtol=1e-9)

    def test_summing_up_and_the_start_of_a_ladder_are_timed(self, rounds, problem):
        case = rounds.Case("n", "a", 300, problem, rungs=3)
        assert rounds.SummingUp(case).timed(4)[1] == 4
        seconds, ladders = rounds.Start(case).timed(1)
        assert ladders == 1
        assert seconds > 0
