"""λ and m of one hidden layer with truth 0 by linear programs, without the formula.

For y ~ N(Σ_j a_j φ(b_j x), 1) with φ(z) = z + c_2 z^(1+Q) + …, K is of the order of Σ_n M_n², n = 1 … H, with
M_n = Σ_j a_j b_j^(1+Q(n−1)) (Aoyagi 2010: the ideal of all moments is that of the first H). With a ~ N(0, I) integrated
out, Z(t) is the mean over b of det(I + t V Vᵀ)^(−1/2), V_jn = b_j^(1+Q(n−1)), and by the formula of Cauchy and Binet

    det(I + t V Vᵀ) ≍ Σ_S t^|S| Π_{j ∈ S} b_j² Π_{i<j ∈ S} (b_i^Q − b_j^Q)²

over the subsets S of the units: minors are Vandermonde determinants times Schur polynomials, which have positive
coefficients and are 1 for the lowest powers. (Where weights differ in sign and Q is odd the differences are only
larger, so that one sign decides; where Q is even a sign goes over to a_j.) Let b_1 ≥ … ≥ b_H > 0, b_{j+1} = r_j b_j.
In a chart each r_j is near 0 or near 1; with b_1 = t^(−u_0) and r_j or 1 − r_j = t^(−u_j) every term is a power of t,
whose exponent is piecewise linear in u ≥ 0. So Z(t) ≍ t^(−λ) (log t)^(m−1), where λ is the least of a convex
piecewise linear function, a linear program, and m − 1 the dimension of the face on which it is least.

Of p moments there are minors of p rows at most. Units of φ(0) ≠ 0 have the moment Σ_j a_j too: one square more, and the
moments of the others about the first (`charted_with_sum`).
"""

from __future__ import annotations

from itertools import combinations, product

import numpy as np
from scipy.optimize import linprog

SAME = 1e-9
"""How far apart two exponents must be to differ: more than the solver's error, less than any two fractions here."""
DIRECTIONS = 24
"""Random directions in which the extreme points of the face are sought."""


def charted(units: int, step: int, moments: int | None = None) -> tuple[float, int]:
    """Return λ and m of H = ``units`` hidden units with exponents 1, 1 + Q, 1 + 2Q, …, Q = ``step``.

    ``moments`` is how many of the moments there are, if not all: V then has so many columns, and no larger minors.

    Examples
    --------
    >>> value, multiplicity = charted(1, 2)
    >>> round(value, 9), multiplicity
    (0.5, 2)
    """
    most = units if moments is None else min(units, moments)
    found = [_chart(units, step, merging, most) for merging in product([False, True], repeat=units - 1)]
    least = min(value for value, _ in found)
    return least, 1 + max(dimension for value, dimension in found if value < least + SAME)


def charted_with_sum(units: int, degree: int | None = None) -> tuple[float, int]:
    """Return λ and m of Σ_j (Σ_h a_h b_h^j)², j = 0, 1, …, ``degree`` (None: ∞), of H = ``units`` hidden units.

    s = Σ_h a_h in the place of a_1 and b_h − b_1 in that of b_h: s², and the moments of H − 1 units.

    Examples
    --------
    >>> value, multiplicity = charted_with_sum(2, 3)
    >>> round(value, 9), multiplicity
    (1.0, 2)
    """
    value, multiplicity = (0.0, 1) if units == 1 else charted(units - 1, 1, degree)
    return 0.5 + value, multiplicity


def _chart(units: int, step: int, merging: tuple[bool, ...], most: int) -> tuple[float, int]:
    """Return the least exponent of one chart and the dimension of its face.

    ``merging``: which r_j are near 1; ``most``: the size of the largest minors.

    Variables: u (H), the order q_ij of 1 − b_j/b_i for each pair, and τ, the order of the determinant.
    """
    pairs = list(combinations(range(units), 2))
    size = units + len(pairs) + 1
    order_of_b = np.zeros((units, size))  # as linear forms of the variables
    for j in range(units):
        order_of_b[j, 0] = 1
        order_of_b[j, [1 + k for k in range(j) if not merging[k]]] = 1
    cost = order_of_b.sum(axis=0)
    cost[[1 + k for k in range(units - 1) if merging[k]]] += 1
    cost[-1] = 0.5
    rows, limits = [], []
    for index, (i, j) in enumerate(pairs):
        between = range(i, j)
        apart = not all(merging[k] for k in between)  # then 1 − b_j/b_i is of order 1
        for k in between[:1] if apart else between:
            row = np.zeros(size)
            row[units + index] = 1
            if not apart:
                row[1 + k] = -1
            rows.append(row)
            limits.append(0.0)
    for count in range(1, most + 1):
        for chosen in combinations(range(units), count):
            row = 2 * order_of_b[list(chosen)].sum(axis=0)
            for i, j in combinations(chosen, 2):
                row += 2 * step * order_of_b[i]
                row[units + pairs.index((i, j))] += 2
            row = -row
            row[-1] = -1
            rows.append(row)
            limits.append(-float(count))
    program = {"A_ub": np.array(rows), "b_ub": np.array(limits), "bounds": (0, None), "method": "highs"}
    least = linprog(cost, **program).fun
    return least, _dimension(cost, least, units, program)


def _dimension(cost: np.ndarray, least: float, units: int, program: dict) -> int:
    """Return the dimension, in u, of the face on which the cost is least, from its extreme points."""
    on_face = {
        **program,
        "A_ub": np.vstack([program["A_ub"], cost]),
        "b_ub": np.append(program["b_ub"], least + SAME),
    }
    ends = []
    for direction in np.random.default_rng(0).standard_normal((DIRECTIONS, units)):
        tilt = np.append(direction, np.zeros(cost.size - units))
        ends.append(linprog(tilt, **{**on_face, "bounds": (0, 10.0)}).x[:units])
    return int(np.linalg.matrix_rank(np.array(ends) - ends[0], tol=1e-6))
