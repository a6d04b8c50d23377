"""Continuous symmetries of the families as vector fields, and their discrete ones as maps.

A field takes the parameters at one point (site -> array, no batch dimension) and returns G tangent vectors there,
site -> (G, …), zero where a site does not move. Along each of its vectors the model's function does not
change. A field that says *where* something holds is zero everywhere else: it is a symmetry of that part of parameter
space alone, and the flow does not leave it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import combinations
from typing import Any

import jax.numpy as jnp

Field = Callable[[Mapping[str, Any]], dict[str, Any]]
Map = Callable[[Mapping[str, Any]], dict[str, Any]]

SAME = 1e-9
"""Parameters closer than that count as equal, or as 0: points of a degenerate set are given exactly, and come back from
the unconstrained space with a few roundings."""


def general_linear(outer: str, inner: str) -> Field:
    """Return the generators of GL(h) between two factors: (outer, inner) → (outer g⁻¹, g inner), h² of them.

    Parameters
    ----------
    outer, inner : str
        Sites of matrices (o, h) and (h, i), of whose product alone the likelihood knows.

    Examples
    --------
    >>> moved = general_linear("B", "A")({"A": jnp.ones((2, 3)), "B": jnp.ones((1, 2))})
    >>> moved["A"].shape, moved["B"].shape
    ((4, 2, 3), (4, 1, 2))
    """

    def field(w):
        h = w[inner].shape[0]
        generators = jnp.eye(h * h).reshape(-1, h, h)
        return _moved(w, {inner: jnp.matmul(generators, w[inner]), outer: -jnp.matmul(w[outer], generators)})

    return field


def stochastic_linear(outer: str, inner: str) -> Field:
    """Return the generators of (outer g⁻¹, g inner) with g 1 = 1, which keep the sums of rows: h (h − 1) of them."""

    def field(w):
        h = w[inner].shape[0]
        units = jnp.eye(h * h).reshape(h, h, h, h)
        pairs = [units[i, j] - units[i, i] for i in range(h) for j in range(h) if i != j]
        generators = jnp.stack(pairs)
        return _moved(w, {inner: jnp.matmul(generators, w[inner]), outer: -jnp.matmul(w[outer], generators)})

    return field


def rotation(site: str, axis: int) -> Field:
    """Return the generators of SO(k) on one axis, 0 or 1, of a matrix: k (k − 1)/2 of them."""

    def field(w):
        matrix = jnp.asarray(w[site])
        k = matrix.shape[axis]
        unit = jnp.eye(k)
        turns = [jnp.outer(unit[i], unit[j]) - jnp.outer(unit[j], unit[i]) for i, j in combinations(range(k), 2)]
        moves = [jnp.matmul(turn, matrix) if axis == 0 else jnp.matmul(matrix, turn) for turn in turns]
        return _moved(w, {site: jnp.stack(moves) if moves else jnp.zeros((0, *matrix.shape))})

    return field


def unit_scaling(outer: str, inner: Sequence[str]) -> Field:
    """Return (outer_h, inner_h) → (outer_h / s, s inner_h), s > 0: one generator a unit that is homogeneous.

    Parameters
    ----------
    outer : str
        Site (H,).
    inner : sequence of str
        Sites (H, …): weights and bias of the units.
    """

    def field(w):
        rows = jnp.eye(w[outer].shape[0])
        return _moved(w, {outer: -rows * w[outer], **{site: _spread(rows, w[site]) for site in inner}})

    return field


def factor_scaling(first: str, second: str) -> Field:
    """Return (u_j, v_j) → (s u_j, v_j / s), for models of the products u_j v_j alone: one generator a product."""

    def field(w):
        rows = jnp.eye(w[first].shape[0])
        return _moved(w, {first: rows * w[first], second: -rows * w[second]})

    return field


def monomial_scaling(powers: Mapping[str, int]) -> Field:
    """Return the scalings of scalar sites that keep Π w_i^k_i: one generator fewer than there are sites."""

    def field(w):
        steps = [w[site] / power for site, power in powers.items()]
        moves = {site: jnp.zeros(len(steps) - 1) for site in powers}
        for i, (one, two) in enumerate(zip(list(powers), list(powers)[1:], strict=False)):
            moves[one] = moves[one].at[i].set(steps[i])
            moves[two] = moves[two].at[i].set(-steps[i + 1])
        return _moved(w, moves)

    return field


def shift(site: str) -> Field:
    """Return the addition of one vector to every row of a matrix (K, p): p generators."""

    def field(w):
        rows, columns = w[site].shape
        return _moved(w, {site: jnp.broadcast_to(jnp.eye(columns)[:, None, :], (columns, rows, columns))})

    return field


def translation(site: str, directions: Any) -> Field:
    """Return fixed directions (G, …) in which a site may move."""
    return lambda w: _moved(w, {site: jnp.asarray(directions)})


def free_where(site: str, holds: Callable[[Mapping[str, Any]], Any]) -> Field:
    """Return the unit vectors of a site, as long as ``holds`` says that it does not matter: one for each entry."""

    def field(w):
        value = jnp.asarray(w[site])
        units = jnp.eye(value.size).reshape(value.size, *value.shape)
        return _moved(w, {site: units * holds(w)})

    return field


def scaling_where(site: str, holds: Callable[[Mapping[str, Any]], Any]) -> Field:
    """Return the scaling of a site, as long as ``holds``: one generator."""
    return lambda w: _moved(w, {site: jnp.asarray(w[site])[None] * holds(w)})


def silent_scaling(outer: str, inner: str, odd: bool) -> Field:
    """Return the scaling of what does not matter of units that contribute nothing: two generators a unit.

    Where the inner weight of a unit is 0, its outer weight may be scaled. Where the outer weights of all units of one
    inner weight add up to 0 (one unit: its outer weight is 0), that inner weight may be.

    Parameters
    ----------
    outer, inner : str
        Sites (H,): Σ_h outer_h φ(inner_h x) with φ(0) = 0.
    odd : bool
        Whether φ is odd, so that units of opposite inner weights share it.
    """

    def field(w):
        a, b = jnp.asarray(w[outer]), jnp.asarray(w[inner])
        h = a.shape[0]
        equal = (abs(b[:, None] - b) < SAME) * 1.0
        opposite = (abs(b[:, None] + b) < SAME) * (abs(b) >= SAME) * 1.0 if odd else jnp.zeros((h, h))
        silent = abs((equal - opposite) @ a) < SAME
        of_outer = jnp.eye(h) * (a * (abs(b) < SAME))
        of_inner = (equal + opposite) * b * silent[:, None]
        nothing = jnp.zeros((h, h))
        return _moved(w, {outer: jnp.concatenate([of_outer, nothing]), inner: jnp.concatenate([nothing, of_inner])})

    return field


def silent_shift(outer: str, inner: str) -> Field:
    """Return the shift of an inner weight where the outer weights of all units that share it add up to 0: one a unit.

    Parameters
    ----------
    outer, inner : str
        Sites (H,): Σ_h outer_h φ(inner_h, x), φ not 0 at any inner weight.
    """

    def field(w):
        a, b = jnp.asarray(w[outer]), jnp.asarray(w[inner])
        equal = (abs(b[:, None] - b) < SAME) * 1.0
        return _moved(w, {inner: equal * (abs(equal @ a) < SAME)[:, None]})

    return field


def centred_linear(outer: str, inner: str) -> Field:
    """Return the generators of GL(H − 1) on what the entries of two sites (H,) differ from their means: (H − 1)².

    (outer, inner) → (g⁻ᵀ outer, g inner) off the means: Σ outer, Σ inner and Σ outer · inner stay.
    """

    def field(w):
        h = w[inner].shape[0]
        # orthonormal and of sum 0: (1, …, 1, −j, 0, …)/√(j (j + 1))
        rows = jnp.tril(jnp.ones((h - 1, h))) - jnp.eye(h - 1, h, 1) * jnp.arange(h)
        rows = rows / jnp.linalg.norm(rows, axis=1, keepdims=True)
        turned = jnp.einsum("ih,jk->ijhk", rows, rows).reshape(-1, h, h)
        return _moved(w, {inner: turned @ w[inner], outer: -jnp.swapaxes(turned, 1, 2) @ w[outer]})

    return field


def exchange(outer: str, inner: Sequence[str], kind: str) -> Field:
    """Return what units that share their inner weights may give to each other: one generator a pair of units.

    Parameters
    ----------
    outer : str
        Site (H,) of outer weights, or of the weights of a mixture.
    inner : sequence of str
        Sites (H, …).
    kind : {"equal", "odd", "homogeneous"}
        Inner weights count as shared if they are equal; equal or opposite; positive multiples of each other.
    """

    def field(w):
        h = w[outer].shape[0]
        units = jnp.concatenate([jnp.reshape(w[site], (h, -1)) for site in inner], axis=1)
        return _moved(w, {outer: jnp.stack([_traded(units, i, j, kind) for i, j in combinations(range(h), 2)])
                          if h > 1 else jnp.zeros((0, h))})  # fmt: skip

    return field


def communality(loadings: str, log_variances: str) -> Field:
    """Return the trade of a factor that loads on one variable alone with that variable's noise: one for each loading.

    λ_ij² + ψ_i stays as it is: dλ = ψ λ, d log ψ = −2 λ². Zero where the factor loads on other variables too.
    """

    def field(w):
        matrix, psi = jnp.asarray(w[loadings]), jnp.exp(jnp.asarray(w[log_variances]))
        p, k = matrix.shape
        others = jnp.sum(abs(matrix), axis=0) - abs(matrix)
        alone = (others < SAME) * matrix
        loads = (jnp.eye(p * k).reshape(p * k, p, k)) * (alone * psi[:, None])
        entry = jnp.eye(p)[:, None, :] * (-2 * alone[:, :, None] * matrix[:, :, None])
        return _moved(w, {loadings: loads, log_variances: entry.reshape(p * k, p)})

    return field


def agree(first: str, second: str) -> Callable[[Mapping[str, Any]], Any]:
    """Return the predicate that two sites are equal."""
    return lambda w: jnp.all(abs(jnp.asarray(w[first]) - jnp.asarray(w[second])) < SAME)


def is_at(site: str, value: float) -> Callable[[Mapping[str, Any]], Any]:
    """Return the predicate that a site has this value."""
    return lambda w: jnp.all(abs(jnp.asarray(w[site]) - value) < SAME)


def at_most_one_nonzero(site: str) -> Callable[[Mapping[str, Any]], Any]:
    """Return the predicate that at most one entry of a site differs from 0."""
    return lambda w: jnp.sum(abs(jnp.asarray(w[site])) >= SAME) <= 1


def swaps(sites: Mapping[str, int], count: int) -> dict[str, Map]:
    """Return the swaps of neighbouring units, which generate all permutations.

    Parameters
    ----------
    sites : name -> axis
        Which axis of each site counts the units, from the end (−1 is the last).
    count : int
        Units.
    """
    return {f"swap of units {h + 1} and {h + 2}": partial(_swap, sites, h, h + 1) for h in range(count - 1)}


def flips(sites: Mapping[str, int], count: int) -> dict[str, Map]:
    """Return the changes of sign of all that belongs to one unit; arguments as `swaps`."""
    return {f"sign of unit {h + 1}": partial(_flip, sites, h) for h in range(count)}


def exchanged(first: str, second: str, weight: str | None = None) -> Map:
    """Return the swap of two sites, the weight of the first going over into one less it."""

    def swapped(w):
        other = {first: w[second], second: w[first]}
        return {**w, **other, **({} if weight is None else {weight: 1 - jnp.asarray(w[weight])})}

    return swapped


def _moved(w: Mapping[str, Any], moves: Mapping[str, Any]) -> dict[str, Any]:
    count = len(next(iter(moves.values())))
    return {site: moves.get(site, jnp.zeros((count, *jnp.shape(value)))) for site, value in w.items()}


def _spread(rows: Any, value: Any) -> Any:
    """Return (H, H, …): the h-th has the h-th row of ``value`` and zeros."""
    value = jnp.asarray(value)
    return rows.reshape(*rows.shape, *(1,) * (value.ndim - 1)) * value


def _traded(units: Any, i: int, j: int, kind: str) -> Any:
    """Return the move of the outer weights of units i and j that cancels, 0 if they do not share their inner ones."""
    one, two = units[i], units[j]
    square = one @ one
    both_silent = (square < SAME**2) & (two @ two < SAME**2)
    ratio = jnp.where(square < SAME**2, 1.0, (one @ two) / jnp.where(square < SAME**2, 1.0, square))
    if kind == "equal":
        ratio = jnp.ones(())
    elif kind == "odd":
        ratio = jnp.where(ratio < 0, -1.0, 1.0)
    shared = (abs(two - ratio * one).max() < SAME) & ((ratio > SAME) | (kind == "odd")) | both_silent
    rows = jnp.eye(units.shape[0])
    return shared * (ratio * rows[i] - rows[j])


def _swap(sites: Mapping[str, int], h: int, k: int, w: Mapping[str, Any]) -> dict[str, Any]:
    moved = dict(w)
    for site, axis in sites.items():
        value = jnp.asarray(w[site])
        order = list(range(value.shape[axis]))
        order[h], order[k] = order[k], order[h]
        moved[site] = jnp.take(value, jnp.asarray(order), axis=axis)
    return moved


def _flip(sites: Mapping[str, int], h: int, w: Mapping[str, Any]) -> dict[str, Any]:
    moved = dict(w)
    for site, axis in sites.items():
        value = jnp.asarray(w[site])
        signs = jnp.ones(value.shape[axis]).at[h].set(-1.0)
        moved[site] = value * signs.reshape(-1, *(1,) * (-axis - 1))
    return moved
