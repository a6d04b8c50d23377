"""Networks with true units and units to spare: a spare unit lies beside a true one, or elsewhere."""

from __future__ import annotations

import functools
from collections.abc import Callable
from fractions import Fraction
from typing import NamedTuple

from singular.models.base import Bound, LearningCoefficient


class Words(NamedTuple):
    """What a family calls its parts, for sources and conditions.

    Attributes
    ----------
    truth : str
        What true units must be, and what else must hold.
    independent : str
        Which functions are linearly independent where there is no unit to spare.
    inner : str
        What two units must share to be the same function.
    alone : str
        What a spare unit elsewhere costs.
    elsewhere : str
        Where spare units lie that are not beside a true one.
    cited : str
        Who showed the independence.
    """

    truth: str
    independent: str
    inner: str
    alone: str
    elsewhere: str
    cited: str = ""


def with_true_units(
    hidden: int, true_units: int, zero: Callable[[int], Fraction], words: Words
) -> LearningCoefficient | Bound:
    """Return (λ, m) of H units when the truth has 0 < r ≤ H, or a bound of λ.

    H = r is regular, λ = H; H − r = 1 has λ = r + 1/4, m = 1: the spare unit shares what is inside a true unit,
    and only the squared distance is felt. For more spare units the least of the ways to divide them among the
    true units and one group elsewhere is a bound.

    Parameters
    ----------
    hidden, true_units : int
        H and r.
    zero : k -> λ
        Of k units and truth 0.
    words : Words
    """
    spare = hidden - true_units
    conditions = f"truth of exactly r units, {words.truth}"
    if spare == 0:
        source = f"regular: {words.independent}, and the optimal points are finitely many{words.cited}"
        return LearningCoefficient(Fraction(hidden), 1, source=source, conditions=conditions)
    if spare == 1:
        return LearningCoefficient(
            true_units + Fraction(1, 4),
            1,
            source=f"K is equivalent to 2 r squares and (a d²)², d the distance of the spare unit's {words.inner} from "
            "a true one: a regular part and a normal crossing of exponents 1 and 2 (Watanabe 2009); for the spare "
            f"unit elsewhere {words.alone}, 1/2",
            conditions=conditions,
        )
    return Bound(
        true_units + cheapest_division(spare, true_units, zero),
        source="weighted blow-up: k spare units at a true one cost min_i (2 k + i (i + 1)) / (4 (i + 2)), k units "
        f"{words.elsewhere} cost that of the zero truth, and the division of the spare units that costs least is taken",
        conditions=conditions,
    )


def cheapest_division(spare: int, true_units: int, elsewhere: Callable[[int], Fraction]) -> Fraction:
    """Return the least of λ0(k0) + Σ_i λ1(k_i) over k0 + Σ_i k_i = spare, with at most ``true_units`` terms.

    ``elsewhere`` is λ0, what k units cost that make nothing together; λ1 is what k units beside a true one cost.
    """

    @functools.cache
    def sharing(left: int, places: int) -> Fraction:
        if left == 0:
            return Fraction(0)
        if places == 0:
            return elsewhere(left)
        return min(_beside_a_true_unit(k) + sharing(left - k, places - 1) for k in range(left + 1))

    return sharing(spare, true_units)


def _beside_a_true_unit(spare: int) -> Fraction:
    if spare == 0:
        return Fraction(0)
    return min(Fraction(2 * spare + i * (i + 1), 4 * (i + 2)) for i in range(spare + 1))
