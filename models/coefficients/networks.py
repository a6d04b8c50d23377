"""Networks of one hidden layer."""

from __future__ import annotations

import math
from fractions import Fraction

from singular.errors import whole
from singular.models.base import LearningCoefficient


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
