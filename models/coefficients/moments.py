"""Networks whose units are silent at no inner weight: the sum of the outer weights is one more moment."""

from __future__ import annotations

from fractions import Fraction

from singular.errors import whole
from singular.models.base import Bound, LearningCoefficient
from singular.models.coefficients.networks import PLAIN, vandermonde
from singular.models.coefficients.spare_units import Words, with_true_units

SAME_IDEAL = "by Σ a_h and, with the inner weights counted from that of the first unit, by the moments of the others"
FAR = "E exp(c²/6) finite under the prior of a centre (far units, of mean square exp(−c²/3)/√3, are rare)"
BUMPS = Words(
    truth=f"outer weights not 0 and centres different, x ~ N(0, 1), {PLAIN}, {FAR}",
    independent="Gaussians of different centres and their first derivatives are linearly independent",
    inner="centre",
    alone="its outer weight squared",
    elsewhere="elsewhere",
)


def vandermonde_cut(hidden: int, moments: int) -> LearningCoefficient:
    """Return (λ, m) of Σ_n (Σ_h a_h b_h^n)², a sum over n = 1, …, p alone, at the origin.

    For 2 H ≤ p (p + 1) the moments left out do not matter: that of `vandermonde` with Q = 1. For more units
    λ = p/2, m = 1: what p independent functions cost.

    With a ~ N(0, I) integrated out, Z(t) is the mean of det(I + t V Vᵀ)^(−1/2) over b, V_hn = b_h^n, and the
    determinant is no less than Σ_s t^s δ_s, s ≤ p, δ_s the sum of Π b_h² Π (b_h − b_i)² over the sets of s units
    (Cauchy and Binet, the lowest powers alone), homogeneous of degree s (s + 1). Let k be the largest whole number with
    k (k + 1) ≤ 2 H. If k < p the terms k and k + 1 bound Z by t^(−λ) with λ = (k (k + 1) + 2 H)/(4 (k + 1)); if
    k (k + 1) = 2 H the term k alone does, and leaves ∫ db/b, a logarithm; if 2 H > p (p + 1) the term p bounds Z by
    t^(−p/2). The integrals over directions that are left are finite under the conditions of Selberg's integral.
    From below Z is bounded by that of all moments, and at points where the p gradients are independent.

    Parameters
    ----------
    hidden, moments : int
        H ≥ 1, and p ≥ 1.

    Raises
    ------
    InputError
        If an argument is no positive whole number.

    Examples
    --------
    >>> [(str(vandermonde_cut(h, 2).value), vandermonde_cut(h, 2).multiplicity) for h in (1, 2, 3, 4)]
    [('1/2', 2), ('3/4', 1), ('1', 2), ('1', 1)]
    """
    h, p = whole("hidden", hidden, least=1), whole("moments", moments, least=1)
    everything = vandermonde(h, 1)
    enough = 2 * h <= p * (p + 1)
    return LearningCoefficient(
        everything.value if enough else Fraction(p, 2),
        everything.multiplicity if enough else 1,
        source=f"{everything.source}; that p moments of H units do for 2 H ≤ p (p + 1), and cost p/2 beyond, follows "
        "from their determinant by the conditions of Selberg's integral (1944, Norsk Mat. Tidsskr. 26, 71-78)",
        conditions=f"truth 0, {PLAIN}",
    )


def polynomial_network(hidden: int, degree: int) -> LearningCoefficient:
    """Return (λ, m) of y ~ N(Σ_h a_h (1 + b_h x)^p, 1) when the truth is the zero function.

    K is equivalent to Σ_j (Σ_h a_h b_h^j)² over j = 0, …, p, which a shift of all b_h leaves equivalent to itself:
    s = Σ_h a_h for a_1 and b_h − b_1 for b_h give s² and the first p moments of H − 1 units. So λ is 1/2 for H = 1 and
    1/2 more than that of `vandermonde_cut` else. Scaling a and b takes every optimal point to the neighbourhood of
    the origin, so that none has less.

    Parameters
    ----------
    hidden, degree : int
        H ≥ 1, and p ≥ 1.

    Raises
    ------
    InputError
        If an argument is no positive whole number.

    Examples
    --------
    >>> [(str(polynomial_network(h, 1).value), polynomial_network(h, 1).multiplicity) for h in (1, 2, 3)]
    [('1/2', 1), ('1', 2), ('1', 1)]
    """
    h, p = whole("hidden", hidden, least=1), whole("degree", degree, least=1)
    conditions = f"truth 0, inputs of more than p values, {PLAIN}"
    if h == 1:
        return _one_unit(conditions)
    others = vandermonde_cut(h - 1, p)
    return LearningCoefficient(
        Fraction(1, 2) + others.value,
        others.multiplicity,
        source=f"the ideal of K is generated {SAME_IDEAL}: 1/2 and, of H − 1 units in the place of H, {others.source}",
        conditions=conditions,
    )


def radial_basis(hidden: int, true_units: int) -> LearningCoefficient | Bound:
    """Return (λ, m) of y ~ N(Σ_h a_h exp(−(x − c_h)²/2), 1) when the truth has r units, or a bound of λ.

    r = 0: the ideal of all moments Σ_h a_h c_h^j, j = 0, 1, …, is that of the first H, and λ is that of
    `polynomial_network` of any degree p ≥ H − 1. r = H is regular, λ = H; H − r = 1 has λ = r + 1/4, m = 1: the spare
    unit shares a true centre and only the squared distance is felt. For more spare units the least of the
    ways to divide them among the true units and one group elsewhere is a bound.

    Parameters
    ----------
    hidden : int
        H ≥ 1.
    true_units : int
        r, from 0 to H: units of outer weights that are not 0 and of different centres.

    Raises
    ------
    InputError
        If a size is no whole number or out of range.

    Examples
    --------
    >>> [str(radial_basis(h, 0).value) for h in (1, 2, 3)], radial_basis(2, 1).value, radial_basis(3, 1).value
    (['1/2', '1', '5/4'], Fraction(5, 4), Fraction(3, 2))
    """
    h = whole("hidden", hidden, least=1)
    r = whole("true_units", true_units, least=0, most=h)
    if r == 0:
        conditions = f"truth 0, x ~ N(0, 1), {PLAIN}, {FAR}"
        if h == 1:
            return _one_unit(conditions)
        others = vandermonde(h - 1, 1)
        return LearningCoefficient(
            Fraction(1, 2) + others.value,
            others.multiplicity,
            source=f"the ideal of K is generated {SAME_IDEAL}, for Gaussians of different centres and all their "
            f"derivatives are linearly independent: 1/2 and, of H − 1 units in the place of H, {others.source}",
            conditions=conditions,
        )
    return with_true_units(h, r, lambda units: radial_basis(units, 0).value, BUMPS)


def _one_unit(conditions: str) -> LearningCoefficient:
    return LearningCoefficient(
        Fraction(1, 2),
        1,
        source="K is a² times a function that has no zero, and vanishes on a smooth hypersurface",
        conditions=conditions,
    )
