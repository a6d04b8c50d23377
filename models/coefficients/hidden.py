"""Models with one hidden binary variable: naive Bayes and the hidden spin."""

from __future__ import annotations

from fractions import Fraction

from singular.errors import InputError, unknown_name, whole
from singular.models.base import LearningCoefficient

TRUTHS = ("generic", "independent", "pair")


def naive_bayes(features: int, truth: str = "independent") -> LearningCoefficient:
    """Return (λ, m) of n binary features that are independent given a hidden binary class (d = 2 n + 1).

    ======================  =============  =====================================
    truth                   λ              m
    ======================  =============  =====================================
    ``"generic"``, n ≥ 3    (2 n + 1) / 2  1
    ``"pair"``, n ≥ 3       (2 n − 1) / 2  1
    ``"pair"``, n = 2       3 / 2          1
    ``"independent"``       (n + 1) / 2    1; 3 if n = 2 (n = 1: λ = 1/2, m = 1)
    ======================  =============  =====================================

    Parameters
    ----------
    features : int
        n ≥ 1.
    truth : str
        ``"generic"``: at least three features depend on the class; ``"pair"``: exactly one pair of features is
        dependent, the others independent of everything; ``"independent"``: all features independent.

    Raises
    ------
    InputError
        If the truth is unknown or needs more features.

    Examples
    --------
    >>> coefficient = naive_bayes(2)
    >>> coefficient.value, coefficient.multiplicity
    (Fraction(3, 2), 3)
    """
    n = whole("features", features, least=1)
    if truth not in TRUTHS:
        raise unknown_name("truth", truth, TRUTHS)
    least = {"generic": 3, "pair": 2, "independent": 1}[truth]
    if n < least:
        raise InputError(f"features={n}: allowed with truth={truth!r} is at least {least}")
    multiplicity = 1
    if truth == "generic":
        value = Fraction(2 * n + 1, 2)
    elif truth == "pair":
        value = Fraction(2 * n - 1, 2)
    elif n == 1:
        value = Fraction(1, 2)
    else:
        value, multiplicity = Fraction(n + 1, 2), 3 if n == 2 else 1
    return LearningCoefficient(
        value,
        multiplicity,
        source="Rusakov & Geiger (2005), JMLR 6, 1-35, asymptotic model selection for naive Bayesian networks",
        conditions="every true probability strictly between 0 and 1, prior positive on the whole cube",
    )


def hidden_spin(visible: int, connected: int = 0) -> LearningCoefficient:
    """Return (λ, m) of n visible ±1 spins joined to one hidden ±1 spin, without biases.

    With t_i the hyperbolic tangent of the weight, the moments are t_i t_j, t_i t_j t_k t_l, …, so that
    K ≍ Σ_(i<j) (t_i t_j − t*_i t*_j)². With no spin joined in the truth (one alone makes no difference) a blow-up
    of the origin gives n/4, which at n = 2 meets the 1/2 of the axes: m = 2. With two joined, t_1 t_2 is fixed
    and the others are 0: (n − 1)/2. With three or more all weights are known up to one sign: n/2.

    Parameters
    ----------
    visible : int
        n ≥ 2.
    connected : int
        How many spins have a weight other than 0 in the truth, 0 to n.

    Raises
    ------
    InputError
        If a number is out of range.

    Examples
    --------
    >>> hidden_spin(3).value, hidden_spin(2).multiplicity
    (Fraction(3, 4), 2)
    """
    n = whole("visible", visible, least=2)
    s = whole("connected", connected, least=0, most=n)
    value = Fraction(n, 4) if s < 2 else Fraction(n - 1, 2) if s == 2 else Fraction(n, 2)
    return LearningCoefficient(
        value,
        2 if n == 2 and s < 2 else 1,
        source="blow-up of the ideal of the products t_i t_j at the origin; cf. Yamazaki & Watanabe (2005), UAI, "
        "on Boltzmann machines",
        conditions="no biases, finite true weights, prior positive",
    )
