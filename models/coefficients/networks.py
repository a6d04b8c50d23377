"""Networks of one hidden layer."""

from __future__ import annotations

import math
from fractions import Fraction

from singular.errors import whole
from singular.models.base import Bound, LearningCoefficient
from singular.models.coefficients.spare_units import Words, with_true_units

PLAIN = "one input, one output, no biases, prior positive on the optimal set"
TANH = Words(
    truth=f"inner weights nonzero and of different sizes, {PLAIN}",
    independent="tanh(b_h x) and x / cosh²(b_h x) are linearly independent for inner weights that differ in size",
    inner="inner weight",
    alone="a squared normal crossing",
    elsewhere="near zero",
    cited=" (Sussmann 1992, Neural Networks 5, 589-593)",
)


def tanh_zero(hidden: int) -> LearningCoefficient:
    """Return (λ, m) of y ~ N(Σ_h a_h tanh(b_h x), 1) when the truth is the zero function.

    λ = (H + i² + i) / (4 i + 2) with i = ⌊√H⌋; m = 2 if i² = H, else 1.

    Parameters
    ----------
    hidden : int
        H ≥ 1, the number of hidden units.

    Raises
    ------
    InputError
        If ``hidden`` is not a positive integer.

    Examples
    --------
    >>> [str(tanh_zero(h).value) for h in (1, 2, 3, 4)]
    ['1/2', '2/3', '5/6', '1']
    """
    h = whole("hidden", hidden, least=1)
    i = math.isqrt(h)
    return LearningCoefficient(
        Fraction(h + i * i + i, 4 * i + 2),
        2 if i * i == h else 1,
        source="Aoyagi & Watanabe (2005), IEICE Trans. J88-D-II, 2112-2124; Aoyagi (2019), Entropy 21, 561 "
        "(Vandermonde matrix type, Q = 2)",
        conditions="truth 0, one input, one output, no biases, prior positive at the origin",
    )


def tanh_network(hidden: int, true_units: int) -> LearningCoefficient | Bound:
    """Return (λ, m) of a tanh network of H units whose truth is a network of r units, or a bound of λ.

    r = 0 is `tanh_zero`; r = H is regular, λ = H; H − r = 1 has λ = r + 1/4, m = 1: the spare unit shares a
    true unit, and only the squared distance of their inner weights is felt. For more spare units the least of
    the ways to divide them among the true units and the zero unit is a bound.

    Parameters
    ----------
    hidden : int
        H ≥ 1.
    true_units : int
        r, from 0 to H: units of nonzero outer and of nonzero inner weights that differ in size.

    Raises
    ------
    InputError
        If a size is no whole number or out of range.

    Examples
    --------
    >>> tanh_network(2, 1).value, type(tanh_network(3, 1)).__name__, tanh_network(3, 1).value
    (Fraction(5, 4), 'Bound', Fraction(3, 2))
    """
    h = whole("hidden", hidden, least=1)
    r = whole("true_units", true_units, least=0, most=h)
    return tanh_zero(h) if r == 0 else with_true_units(h, r, lambda units: tanh_zero(units).value, TANH)


def vandermonde(hidden: int, step: int) -> LearningCoefficient:
    """Return (λ, m) of Σ_n (Σ_h a_h b_h^(1 + Q (n − 1)))², a sum over n = 1, 2, …, at the origin.

    The form of the excess loss of a one-input network without biases and with truth 0, if the activation's
    Taylor series has the exponents 1, 1 + Q, 1 + 2 Q, …: Q = 2 for tanh, Q = 1 for exp(z) − 1.
    λ = (Q k (k + 1) + 2 H) / (4 (1 + k Q)), k the largest i with 2 H ≥ Q i (i − 1) + 2 i; m = 2 on equality.

    Parameters
    ----------
    hidden : int
        H ≥ 1, the number of units.
    step : int
        Q ≥ 1.

    Raises
    ------
    InputError
        If an argument is no positive whole number.

    Examples
    --------
    >>> [(str(vandermonde(h, 1).value), vandermonde(h, 1).multiplicity) for h in (1, 2, 3)]
    [('1/2', 2), ('3/4', 1), ('1', 2)]
    """
    h = whole("hidden", hidden, least=1)
    q = whole("step", step, least=1)
    k = max(i for i in range(h + 1) if 2 * h >= q * i * (i - 1) + 2 * i)
    return LearningCoefficient(
        Fraction(q * k * (k + 1) + 2 * h, 4 * (1 + k * q)),
        2 if 2 * h == q * k * (k - 1) + 2 * k else 1,
        source="Aoyagi (2009), Int. J. Pure Appl. Math. 52, 177-204, and (2010), Comm. Statist. Theory Methods 39, "
        "2667-2687: Vandermonde matrix type",
        conditions=f"truth 0, activation with the exponents 1, 1 + Q, 1 + 2 Q, …, {PLAIN}",
    )


def relu_zero(hidden: int) -> LearningCoefficient:
    """Return (λ, m) of y ~ N(Σ_h a_h max(b_h x, 0), 1) when the truth is the zero function.

    λ = 1/2; m = 2 for one unit and 1 for more.

    Parameters
    ----------
    hidden : int
        H ≥ 1.

    Raises
    ------
    InputError
        If ``hidden`` is not a positive whole number.

    Examples
    --------
    >>> relu_zero(1).multiplicity, relu_zero(2).multiplicity
    (2, 1)
    """
    h = whole("hidden", hidden, least=1)
    return LearningCoefficient(
        Fraction(1, 2),
        2 if h == 1 else 1,
        source="K is a quarter of s² + t², s and t the sums of a_h |b_h| over the units of b_h > 0 and b_h < 0: "
        "with one sign for all b_h it is the square of a nondegenerate quadratic form in 2 H variables, which is a "
        "normal crossing for H = 1 and costs min(1/2, H/2) for more (Watanabe 2009)",
        conditions=f"truth 0, inputs of both signs, {PLAIN}",
    )


def relu_one_unit(hidden: int) -> LearningCoefficient:
    """Return (λ, m) of y ~ N(Σ_h a_h max(b_h x, 0), 1) when the truth is one unit: 1/2 and 1.

    Parameters
    ----------
    hidden : int
        H ≥ 1.

    Raises
    ------
    InputError
        If ``hidden`` is not a positive whole number.

    Examples
    --------
    >>> relu_one_unit(2).value
    Fraction(1, 2)
    """
    whole("hidden", hidden, least=1)
    return LearningCoefficient(
        Fraction(1, 2),
        1,
        source="with all b_h of the true unit's sign K is (Σ_h a_h b_h − c)² times a constant, c not 0, and vanishes "
        "on a smooth hypersurface; with both signs it has a second square, so that no point has less",
        conditions=f"truth one unit, its two weights not 0, inputs of both signs, {PLAIN}",
    )
