"""The ways in which a tanh network makes zero: regions by a rule, and λ and m of each."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, NamedTuple

import numpy as np

from singular.models.coefficients import tanh_network
from singular.models.networks.hidden_layer import normal_inputs

RESOLUTION = 3.0
"""A function is small if its root mean square, times √(nβ), is below this: it moves β nL_n by less than 4.5 nats."""
NEARLY_LINEAR = 0.5
"""tanh(b x) is called nearly linear for |b| below this: a tenth off a line at one standard deviation of x."""
OUTPUTS, INPUTS, MIXED, LINEAR, CURVED = "outputs-dead", "inputs-dead", "mixed", "cancel-linear", "cancel-curved"


class Law(NamedTuple):
    """λ and m of a region, and of the generic point of the optimal set's part that it surrounds."""

    coefficient: float
    multiplicity: int
    generic: float
    generic_multiplicity: int


def regions(hidden: int, resolution: float) -> Mapping[str, Callable[[Mapping[str, Any]], Any]]:
    """Return the regions as predicates of ``a`` and ``b``, at the resolution n β.

    With s_h the root mean square of a_h tanh(b_h x) and s that of the sum, x ~ N(0, 1), and τ = 3/√(nβ):

    - all s_h < τ, every unit dead by itself: ``outputs-dead`` if all |a_h| < |b_h|, ``inputs-dead`` if all
      |a_h| ≥ |b_h|, else ``mixed``;
    - some s_h ≥ τ but s < τ, the large units cancel: ``cancel-linear`` if all large units have |b_h| < 1/2, else
      ``cancel-curved``;
    - what is left, s ≥ τ, is not zero at this resolution.

    Parameters
    ----------
    hidden : int
        H. One unit cannot cancel, nor be mixed.
    resolution : float
        n β, more than 0.

    Examples
    --------
    >>> w = {"a": np.array([1.0, -1.0]), "b": np.array([0.2, 0.2])}
    >>> [name for name, inside in regions(2, 1e4).items() if inside(w)]
    ['cancel-linear']
    """
    threshold = RESOLUTION / math.sqrt(resolution)

    def parts(w):
        a, b = np.asarray(w["a"]), np.asarray(w["b"])
        large = np.abs(a) * size(b) >= threshold
        return a, b, large, ~large.any(axis=-1)

    def dead(w):
        a, b, _, small = parts(w)
        by_output = np.abs(a) < np.abs(b)
        return small, by_output.all(axis=-1), (~by_output).all(axis=-1)

    def cancelling(w, linear):
        a, b, large, small = parts(w)
        near = (np.abs(b) < NEARLY_LINEAR) | ~large
        held = ~small & (near.all(axis=-1) == linear)
        zero = np.zeros(held.shape, dtype=bool)
        zero[held] = size_of_sum(a[held], b[held]) < threshold
        return zero

    found: dict[str, Callable[[Mapping[str, Any]], Any]] = {
        OUTPUTS: lambda w: dead(w)[0] & dead(w)[1],
        INPUTS: lambda w: dead(w)[0] & dead(w)[2],
    }
    if hidden > 1:
        found |= {
            MIXED: lambda w: dead(w)[0] & ~dead(w)[1] & ~dead(w)[2],
            LINEAR: lambda w: cancelling(w, True),
            CURVED: lambda w: cancelling(w, False),
        }
    return found


def laws(hidden: int) -> dict[str, Law]:
    """Return λ and m of each region, and of the generic points of the part of the optimal set that is its name.

    Dead units: at a = 0 and different b_h the H functions are independent, λ = H/2. As a region, all of its units
    small, each is a squared normal crossing, V(ε) ~ (√ε log 1/ε)^H: λ = H/2, m = H + 1, whichever weight is the
    smaller. At b = 0 the sum is u x + v x³ + …, u = Σ a_h b_h, v = −Σ a_h b_h³/3: for a generic a, u is one
    coordinate (1/2), v is cubic in the H − 1 others (1/6 each), and where it vanishes the fifth powers decide, as at
    a = 0: λ is that of the whole network, (H + i² + i)/(4 i + 2). Only m may be smaller: 1 for one unit, where m = 2
    comes from a = 0. There |b| ~ n^(−1/6) and s_h ~ n^(−1/6) for H = 2, 3, far above the resolution n^(−1/2): the
    mass of this part is in ``cancel-linear``. Part dead by outputs (k), part by inputs: k/2 + λ(H − k).

    Units that share one |b| > 0 with outer weights that cancel: Σ a_h and Σ a_h d_h, d the distances of the b_h from
    one of them, are two coordinates (1/2 each), and what the other H − 2 cost is what spare units cost beside a true
    one, min_i (2 k + i² + i)/(4 (i + 2)), k = H − 2. As a region, two units: V(ε) ~ ε log 1/ε, the logarithm from the
    a between the resolution and 1. Of three units the cheaper way is one output dead beside two inputs that are not
    told from linear, 1/2 + λ(H − 1), which the region holds where a_h is just large.

    Parameters
    ----------
    hidden : int

    References
    ----------
    Aoyagi (2019), Entropy 21, 561, for the λ at the origin.
    """
    whole = tanh_network(hidden, 0)
    total, order = float(whole.value), int(getattr(whole, "multiplicity", 1))
    at_inputs = (total, 1 if hidden == 1 else order)
    each = (hidden / 2, hidden + 1)
    found = {OUTPUTS: Law(*each, hidden / 2, 1), INPUTS: Law(*each, *at_inputs)}
    if hidden > 1:
        ways = [k / 2 + float(tanh_network(hidden - k, 0).value) for k in range(1, hidden)]
        spare = hidden - 2
        shared = 1 + (min((2 * spare + i * i + i) / (4 * (i + 2)) for i in range(spare + 1)) if spare else 0.0)
        curved = (1.0, 2) if hidden == 2 else (min(shared, ways[0]), 1)
        found |= {
            MIXED: Law(*each, min(ways), 1),
            LINEAR: Law(total, order, *at_inputs),
            CURVED: Law(*curved, shared, 1),
        }
    return found


def size(b: np.ndarray) -> np.ndarray:
    """Return the root mean square of tanh(b x), x ~ N(0, 1), to 1e-6."""
    knots, values = _table()
    return np.interp(np.abs(b), knots, values)


def size_of_sum(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return the root mean square of Σ_h a_h tanh(b_h x), x ~ N(0, 1), of weights (N, H)."""
    x, weights = normal_inputs(step=0.2)
    total = np.zeros((len(a), len(x)))
    for h in range(a.shape[1]):
        total += a[:, h : h + 1] * np.tanh(b[:, h : h + 1] * x)
    return np.sqrt(total**2 @ weights)


@cache
def _table() -> tuple[np.ndarray, np.ndarray]:
    x, weights = normal_inputs()
    knots = np.concatenate([np.linspace(0, 10, 4001), [100.0]])
    return knots, np.sqrt(np.tanh(np.outer(knots, x)) ** 2 @ weights)
