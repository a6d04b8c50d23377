"""λ = d/2: regular models, and those that are regular once a redundancy is divided out."""

from __future__ import annotations

from fractions import Fraction

from singular.errors import whole
from singular.models.base import LearningCoefficient


def regular(d: int) -> LearningCoefficient:
    """Return λ = d/2, m = 1: a regular model with d free parameters.

    Parameters
    ----------
    d : int
        Number of free parameters, at least 1.

    Raises
    ------
    InputError
        If ``d`` is not a positive integer.

    Examples
    --------
    >>> regular(3).value
    Fraction(3, 2)
    """
    whole("d", d, least=1)
    return LearningCoefficient(
        Fraction(d, 2),
        1,
        source="Schwarz (1978), Ann. Statist. 6, 461-464; Watanabe (2009), Algebraic Geometry and "
        "Statistical Learning Theory, regular case",
        conditions="Fisher information positive definite at the one optimal point, prior positive there",
    )
