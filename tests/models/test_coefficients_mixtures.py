"""Coefficients of mixtures and hidden states: tables, limits, and the volumes that the reduction rests on."""

from __future__ import annotations

import itertools
import math
from fractions import Fraction

import numpy as np
import pytest

from singular.errors import InputError
from singular.models import coefficients


def pair(coefficient):
    return coefficient.value, coefficient.multiplicity


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ((2, 1, 1, 1), (Fraction(3, 4), 1)),
        ((3, 1, 1, 1), (Fraction(1), 1)),
        ((3, 2, 1, 1), (Fraction(7, 4), 1)),
        ((2, 2, 1, 1), (Fraction(3, 2), 1)),
        ((2, 1, 2, 1), (Fraction(3, 2), 2)),
        ((4, 1, 2, 1), (Fraction(5, 2), 4)),
        ((2, 1, 3, 1), (Fraction(2), 1)),
        ((2, 1, 1, "1/2"), (Fraction(3, 4), 2)),
        ((2, 1, 1, 0.25), (Fraction(5, 8), 1)),
        ((2, 1, 1, Fraction(1, 4)), (Fraction(5, 8), 1)),
        ((3, 1, 1, "1/2"), (Fraction(1), 3)),
    ],
)
def test_mixtures(arguments, expected):
    assert pair(coefficients.mixture(*arguments)) == expected


def test_as_many_components_as_there_are_make_a_regular_model():
    for h, n in itertools.product(range(1, 5), repeat=2):
        assert pair(coefficients.mixture(h, h, n)) == (Fraction(h * (n + 1) - 1, 2), 1)


def test_no_mixture_is_above_half_its_dimension_and_more_true_components_never_lower_it():
    for h, n in itertools.product(range(1, 6), range(1, 5)):
        values = [coefficients.mixture(h, r, n).value for r in range(1, h + 1)]
        assert values == sorted(values) and values[-1] == Fraction(h * (n + 1) - 1, 2)


def test_one_spare_component_adds_the_volume_of_its_block():
    """P(a u² < ε) under a density a^(φ−1) on (0, 1) and u uniform on (0, 1), exactly: the ε-power is min(φ, 1/2)."""

    def volume(phi, epsilon):  # ∫ min(1, ε/u²)^φ du
        root = math.sqrt(epsilon)
        if phi == 0.5:
            return root * (1 + math.log(1 / root))
        return root + (epsilon**phi - root) / (1 - 2 * phi)

    small, smaller = 1e-60, 1e-70
    for phi in (0.25, 0.4, 0.6, 1.0, 2.0):
        slope = math.log(volume(phi, small) / volume(phi, smaller)) / math.log(small / smaller)
        block = coefficients.mixture(2, 1, 1, phi).value - Fraction(1, 2)
        assert slope / 2 == pytest.approx(float(block), abs=1e-3)
        assert coefficients.mixture(2, 1, 1, phi).multiplicity == 1
    logs = [math.log(volume(0.5, 10.0**-k) * 10 ** (k / 2)) for k in (100, 200, 300)]
    assert logs[2] - logs[0] == pytest.approx(math.log(3), abs=0.02)  # one factor of log(1/ε): m = 2


@pytest.mark.parametrize(("h", "centres"), [(2, (0.0,)), (4, (0.0,)), (3, (-1.0, 1.0)), (5, (-1.0, 1.0))])
def test_the_reduction_bounds_the_moments_from_both_sides(h, centres):
    """Moments to degree 2 r of random mixtures near the truth, over weights, first moments and V.

    From above by the constant of Taylor's formula; from below by no constant in particular, so that the test is
    that the smallest ratio does not shrink as the mixtures come nearer, over three powers of ten.
    """
    rng = np.random.default_rng(3)
    centres = np.asarray(centres)
    r, powers = len(centres), np.arange(1, 2 * len(centres) + 1)
    sizes = np.repeat([1e-1, 1e-2, 1e-3, 1e-4], 1500)
    ratios = []
    for size in sizes:
        at = np.concatenate([np.arange(r), rng.integers(0, r, h - r)])
        weights = np.where(np.arange(h) < r, 1.0, rng.uniform(size=h) ** rng.uniform(1, 6))
        weights = weights * np.array([1 / r / weights[at == k].sum() for k in at])
        away = 0.3 * np.sqrt(np.minimum(1, size / weights)) * rng.normal(size=h)
        means = np.array([r * np.sum(weights[at == k] * away[at == k]) for k in range(r)])
        places = centres[at] + away - (1 + size * rng.normal(size=r))[at] * means[at]
        nearest = abs(places[:, None] - centres).argmin(axis=1)
        away = places - centres[nearest]
        group = nearest[:, None] == np.arange(r)
        reduced = abs(weights @ group - 1 / r).sum() + abs((weights * away) @ group).sum() + weights @ away**2
        moments = (weights @ places[:, None] ** powers) - (centres[:, None] ** powers).mean(axis=0)
        reach = max(1.0, abs(places).max())
        taylor = np.maximum(reach**powers, np.maximum(powers, powers * (powers - 1) / 2) * reach ** (powers - 1.0))
        assert (abs(moments) <= taylor * reduced * (1 + 1e-9) + 1e-14).all()
        ratios.append(abs(moments).sum() / reduced)
    smallest = [min(np.array(ratios)[sizes == size]) for size in np.unique(sizes)]
    assert smallest[0] > 0.25 * smallest[-1] > 0


@pytest.mark.parametrize("truth", ["independent", "pair", "generic"])
def test_naive_bayes_rises_with_what_the_truth_needs(truth):
    for n in range(3, 9):
        coefficient = coefficients.naive_bayes(n, truth)
        assert coefficient.value <= Fraction(2 * n + 1, 2) and coefficient.multiplicity == 1
        assert coefficients.naive_bayes(n + 1, truth).value > coefficient.value
    assert pair(coefficients.naive_bayes(2)) == (Fraction(3, 2), 3)
    assert pair(coefficients.naive_bayes(1)) == (Fraction(1, 2), 1)
    assert [coefficients.naive_bayes(4, t).value for t in ("independent", "pair", "generic")] == [
        Fraction(5, 2),
        Fraction(7, 2),
        Fraction(9, 2),
    ]


def test_hidden_spins():
    assert [pair(coefficients.hidden_spin(n)) for n in (2, 3, 4)] == [
        (Fraction(1, 2), 2),
        (Fraction(3, 4), 1),
        (Fraction(1), 1),
    ]
    assert pair(coefficients.hidden_spin(3, 2)) == (Fraction(1), 1)
    assert pair(coefficients.hidden_spin(3, 3)) == (Fraction(3, 2), 1)


def test_the_others():
    assert pair(coefficients.known_component()) == (Fraction(1, 2), 2)
    assert pair(coefficients.known_component(2)) == (Fraction(1, 2), 1)
    assert pair(coefficients.known_component(1, "1/2")) == (Fraction(1, 4), 1)
    assert pair(coefficients.fixed_weights(2)) == (Fraction(3, 4), 1)
    assert pair(coefficients.symmetric_pair(2)) == (Fraction(1, 2), 1)
    assert coefficients.location_scale_mixture(2).value == Fraction(3, 2)


@pytest.mark.parametrize(
    ("call", "named"),
    [
        (lambda: coefficients.mixture(0), "components=0"),
        (lambda: coefficients.mixture(2, 3), "true_components=3"),
        (lambda: coefficients.mixture(2, 1, 0), "parameters=0"),
        (lambda: coefficients.mixture(2, concentration=0), "concentration=0"),
        (lambda: coefficients.mixture(2, concentration="a"), "concentration='a'"),
        (lambda: coefficients.mixture(2, concentration=math.nan), "concentration=nan"),
        (lambda: coefficients.mixture(2, concentration=math.inf), "concentration=inf"),
        (lambda: coefficients.mixture(2, concentration=True), "concentration=True"),
        (lambda: coefficients.mixture(2, concentration=None), "concentration=None"),
        (lambda: coefficients.normal_mixture(2, dimension=0), "dimension=0"),
        (lambda: coefficients.binomial_mixture(3, 2, 3), "trials=3"),
        (lambda: coefficients.multinomial_mixture(2, 1, 4, 1), "categories=1"),
        (lambda: coefficients.naive_bayes(2, "generic"), "features=2"),
        (lambda: coefficients.naive_bayes(3, "none"), "truth='none'"),
        (lambda: coefficients.hidden_spin(1), "visible=1"),
        (lambda: coefficients.hidden_spin(3, 4), "connected=4"),
    ],
)
def test_what_no_formula_takes_is_refused_by_name(call, named):
    with pytest.raises(InputError, match=r"[Aa]llowed") as caught:
        call()
    assert named in str(caught.value)
