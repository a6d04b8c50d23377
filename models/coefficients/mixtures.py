"""Mixtures whose components are identified by polynomial moments: normal, binomial, Poisson, multinomial.

All values come from one reduction. Let r true components have distinct interior parameters θ_k and positive
weights, and let the model have H components with weights a_j and parameters b_j in R^N. Put
q(b) = Π_k |b − θ_k|². Where the moments of b up to degree 2 r are linear functionals of the distribution of the
data, Σ_j a_j q(b_j) is at most a constant times √K; it is of the order of V = Σ_j a_j min_k |b_j − θ_k|², and no
terms cancel, because weights are positive. Taylor's formula gives the other inequality, so

    K ≍ Σ_k (weight near θ_k − true weight)² + Σ_k |first moment about θ_k|² + V²,

where V may be taken over the H − r components that are not the heaviest near their θ_k. The first two sums are
r − 1 + r N regular directions. Under a Dirichlet(φ, …, φ) prior each term a |u|² of V has
P(a |u|² < ε) ~ ε^min(φ, N/2), with one factor log(1/ε) if φ = N/2; hence the formula in `mixture`. Signed
weights would allow cancellation: the Vandermonde values of networks do not hold here.
"""

from __future__ import annotations

from fractions import Fraction

from singular.errors import whole
from singular.models.base import Bound, LearningCoefficient
from singular.models.coefficients.arguments import rational

DERIVATION = (
    "polynomial moments bound K from below and Taylor's formula from above, so that a redundant component adds "
    "the block (a |u|²)² (module text of coefficients.mixtures)"
)

Concentration = int | float | str | Fraction


def mixture(
    components: int, true_components: int = 1, parameters: int = 1, concentration: Concentration = 1
) -> LearningCoefficient:
    """Return (λ, m) of a finite mixture identified by its moments.

    λ = (r N + r − 1 + (H − r) min(φ, N/2)) / 2; m = 1, or H − r + 1 if φ = N/2.

    Parameters
    ----------
    components : int
        H ≥ 1, components of the model.
    true_components : int
        r, from 1 to H.
    parameters : int
        N ≥ 1, parameters of one component.
    concentration : int, Fraction, str or float
        φ > 0 of the Dirichlet(φ, …, φ) prior of the weights. A string is read as a fraction (``"1/2"``), a
        float is taken at its exact binary value.

    Raises
    ------
    InputError
        If a size or the concentration is out of range.

    Examples
    --------
    >>> coefficient = mixture(2, concentration="1/2")
    >>> coefficient.value, coefficient.multiplicity
    (Fraction(3, 4), 2)
    """
    h, r, n, phi = _checked(components, true_components, parameters, concentration)
    half = Fraction(n, 2)
    return LearningCoefficient(
        (r * n + r - 1 + (h - r) * min(phi, half)) / 2,
        h - r + 1 if phi == half else 1,
        source=f"{DERIVATION}; cf. Yamazaki & Watanabe (2004) for binomial, Sato & Watanabe (2019) for Poisson and "
        "T. Watanabe & S. Watanabe (2022) for multinomial mixtures",
        conditions="true components distinct, interior and of positive weight; Dirichlet(φ, …, φ) weights; prior of "
        "the components positive; moments to degree 2 r identified",
    )


def normal_mixture(
    components: int, true_components: int = 1, dimension: int = 1, concentration: Concentration = 1
) -> LearningCoefficient:
    """Return (λ, m) of a mixture of normal distributions of known covariance in some dimension.

    Parameters
    ----------
    components, true_components, concentration
        As for `mixture`.
    dimension : int
        N ≥ 1.

    Examples
    --------
    >>> normal_mixture(2).value, normal_mixture(3, 1).value, normal_mixture(2, 2).value
    (Fraction(3, 4), Fraction(1, 1), Fraction(3, 2))
    """
    return mixture(components, true_components, whole("dimension", dimension, least=1), concentration)


def poisson_mixture(components: int, true_components: int = 1, concentration: Concentration = 1) -> LearningCoefficient:
    """Return (λ, m) of a mixture of Poisson distributions whose true means are positive.

    Examples
    --------
    >>> poisson_mixture(3, 2).value
    Fraction(7, 4)
    """
    return mixture(components, true_components, 1, concentration)


def binomial_mixture(
    components: int, true_components: int, trials: int, concentration: Concentration = 1
) -> LearningCoefficient:
    """Return (λ, m) of a mixture of binomial distributions of a known number of trials.

    The trials must be at least 2 r, which is when r components are identified among any number.

    Examples
    --------
    >>> binomial_mixture(2, 1, trials=4).value
    Fraction(3, 4)
    """
    return multinomial_mixture(components, true_components, trials, 2, concentration)


def multinomial_mixture(
    components: int, true_components: int, trials: int, categories: int, concentration: Concentration = 1
) -> LearningCoefficient:
    """Return (λ, m) of a mixture of multinomial distributions; N is one less than the categories.

    Parameters
    ----------
    components, true_components, concentration
        As for `mixture`.
    trials : int
        Trials of each observation, at least 2 r.
    categories : int
        At least 2.

    Examples
    --------
    >>> coefficient = multinomial_mixture(2, 1, trials=4, categories=3)
    >>> coefficient.value, coefficient.multiplicity
    (Fraction(3, 2), 2)
    """
    whole("categories", categories, least=2)
    h, r, _, _ = _checked(components, true_components, categories - 1, concentration)
    whole("trials", trials, least=2 * r)
    return mixture(h, r, categories - 1, concentration)


def known_component(parameters: int = 1, concentration: Concentration = 1) -> LearningCoefficient:
    """Return (λ, m) of (1 − a) p(y | θ) + a p(y | b), where θ is known and is the truth.

    K ≍ (a |b − θ|)², so λ = min(φ, N) / 2 and m = 2 if φ = N, where a has density ∝ a^(φ−1) near 0.

    Examples
    --------
    >>> known_component().value, known_component().multiplicity, known_component(2).multiplicity
    (Fraction(1, 2), 2, 1)
    """
    _, _, n, phi = _checked(1, 1, parameters, concentration)
    return LearningCoefficient(
        min(phi, Fraction(n)) / 2,
        2 if phi == n else 1,
        source="Watanabe (2009), Algebraic Geometry and Statistical Learning Theory: K(a, b) is equivalent to "
        "(a |b|)², a normal crossing",
        conditions="one component known, and the truth; prior ∝ a^(φ−1) at a = 0 and positive in b",
    )


def fixed_weights(components: int, parameters: int = 1) -> LearningCoefficient:
    """Return (λ, m) of a mixture with known positive weights when the truth is one component.

    The mean is regular, and V = Σ_j a_j |b_j − θ|² has H − 1 blocks |u|²: λ = N/2 + (H − 1) N/4.

    Examples
    --------
    >>> fixed_weights(2).value
    Fraction(3, 4)
    """
    h, _, n, _ = _checked(components, 1, parameters, 1)
    return LearningCoefficient(
        Fraction(n, 2) + Fraction((h - 1) * n, 4),
        1,
        source=f"{DERIVATION}, with the weights a held fixed",
        conditions="known positive weights, one true component, prior of the components positive",
    )


def symmetric_pair(parameters: int = 1) -> LearningCoefficient:
    """Return (λ, m) of ½ N(b, I) + ½ N(−b, I) when the truth is N(0, I): K ≍ |b|⁴, so λ = N/4.

    Examples
    --------
    >>> symmetric_pair().value
    Fraction(1, 4)
    """
    return LearningCoefficient(
        Fraction(whole("parameters", parameters, least=1), 4),
        1,
        source="direct: the second moment 1 + b² is the first that differs, so that K is of the order of |b|⁴",
        conditions="truth b = 0, prior positive there",
    )


def location_scale_mixture(components: int, true_components: int = 1, concentration: Concentration = 1) -> Bound:
    """Return an upper bound of λ for normal mixtures in which means and variances are free.

    Taylor's formula alone gives K ≤ C (regular² + V²), with N = 2 parameters a component, so that the value of
    `mixture` bounds λ. No lower bound follows: ∂p/∂(variance) = ½ ∂²p/∂(mean)², and the terms can cancel.

    Examples
    --------
    >>> location_scale_mixture(2).value
    Fraction(3, 2)
    """
    return Bound(
        mixture(components, true_components, 2, concentration).value,
        source="Taylor's formula about the true components, of the kind of Yamazaki & Watanabe (2003), Neural "
        "Networks 16, 1029-1038",
        conditions="true components distinct and of positive weight, prior positive at them",
    )


def _checked(components, true_components, parameters, concentration) -> tuple[int, int, int, Fraction]:
    h = whole("components", components, least=1)
    r = whole("true_components", true_components, least=1, most=h)
    n = whole("parameters", parameters, least=1)
    return h, r, n, rational("concentration", concentration)
