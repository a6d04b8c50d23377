"""The null space of the Fisher information against the symmetries of the model: what they explain and what is over."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import jax
import numpy as np
from scipy.linalg import subspace_angles

from singular.analysis.fisher import Information, fisher_information, point_of
from singular.analysis.spectrum import Spectrum, spectrum_of_factor
from singular.analysis.vanishing import Order, vanishing_order
from singular.errors import InputError
from singular.models.density import map_rows
from singular.posteriors.precision import x64

if TYPE_CHECKING:
    from singular.models.problem import Problem

LARGEST_ANGLE = 1e-6
"""Principal angle, radians, above which a generator does not lie in the null space."""
NAMED = 0.3
"""Entries of a direction that its name tells, over the largest."""
MOST_NAMED = 3
WITHIN = 1e-8
"""What a direction within one site may have outside of it."""
GENERIC = 3
"""Seed of the combination of left-over directions that is taken as generic."""


@dataclass(frozen=True)
class Match:
    """Tangents against a null space.

    Attributes
    ----------
    dimension : int
        Of the span of the tangents.
    largest_angle : float
        Radians: the largest principal angle of that span to the null space; 0 without tangents, π/2 if there are
        more of them than null vectors.
    explained : (d, dimension) float
        Orthonormal basis of the span of the tangents.
    left_over : (d, k) float
        Orthonormal basis of what the tangents leave of the null space.
    """

    dimension: int
    largest_angle: float
    explained: np.ndarray
    left_over: np.ndarray


@dataclass(frozen=True)
class NullSpace:
    """The null space of the Fisher information at one point, and what explains it.

    Attributes
    ----------
    information : Information
    spectrum : Spectrum
        Of the information.
    dimensions : name of a symmetry -> int
        Dimension of the span of its tangents here.
    match : Match
        All tangents together.
    names : tuple of str
        Of the left-over directions: their largest entries.
    orders : tuple of Order
        Of the left-over directions, at an optimum of a catalogue model; else empty.
    generic : Order or None
        Along a combination of all left-over directions, if there are two or more.
    flags : tuple of str
    """

    information: Information
    spectrum: Spectrum
    dimensions: Mapping[str, int]
    match: Match
    names: tuple[str, ...]
    orders: tuple[Order, ...]
    generic: Order | None
    flags: tuple[str, ...]


def tangents(problem: Problem, parameters: Mapping[str, Any] | np.ndarray) -> dict[str, np.ndarray]:
    """Return the tangent vectors of each declared symmetry at a point: name -> (G, d), unconstrained coordinates.

    Raises
    ------
    InputError
        If the point is none of the problem's.
    """
    z = point_of(problem, parameters)
    if problem.model is None:
        return {}
    parts = problem.parts
    found = {}
    with x64():
        every = {site: value[0] for site, value in map_rows(parts.constrain, z[None]).items()}
        w = {site: every[site] for site in parts.sites.latent}
        for name, field in problem.model.symmetries.items():
            moves = {site: np.asarray(value) for site, value in field(w).items()}
            count = len(next(iter(moves.values())))
            push = jax.jit(jax.vmap(lambda move: jax.jvp(parts.invert, (w,), (move,))[1]))
            found[name] = np.asarray(push(moves)) if count else np.zeros((0, problem.dim))
    return found


def match(null: np.ndarray, tangent_vectors: np.ndarray) -> Match:
    """Match the span of tangents to a null space by principal angles.

    Parameters
    ----------
    null : (d, k) float
        Orthonormal columns.
    tangent_vectors : (G, d) float
        Rows; their lengths do not matter unless some are 1e-8 of the longest.

    Raises
    ------
    InputError
        If the lengths differ.

    Examples
    --------
    >>> found = match(np.eye(3)[:, 1:], np.array([[0.0, 2.0, 2.0]]))
    >>> found.dimension, round(found.largest_angle, 12), found.left_over.shape
    (1, 0.0, (3, 1))
    """
    if null.ndim != 2 or tangent_vectors.ndim != 2 or null.shape[0] != tangent_vectors.shape[1]:
        raise InputError(
            f"tangent_vectors has shape {tangent_vectors.shape} and null {null.shape}: allowed are (G, d) and (d, k)"
        )
    basis = spectrum_of_factor(tangent_vectors).range if len(tangent_vectors) else np.zeros((len(null), 0))
    k, dimension = null.shape[1], basis.shape[1]
    angle = np.pi / 2 if dimension > k else 0.0
    if 0 < dimension <= k:
        angle = float(subspace_angles(null, basis).max())
    turned, values, _ = np.linalg.svd(null.T @ basis) if dimension and k else (np.eye(k), np.zeros(0), None)
    taken = int((values > 0.5).sum())
    return Match(dimension, angle, basis, null @ turned[:, taken:])


def null_space(
    problem: Problem,
    parameters: Mapping[str, Any] | np.ndarray,
    kind: str = "expected",
    orders: bool = True,
) -> NullSpace:
    """Return the null space of the Fisher information at a point, matched to the model's symmetries.

    Parameters
    ----------
    problem : Problem
    parameters : mapping or (d,) float
        As for `fisher_information`.
    kind : {"expected", "empirical"}
    orders : bool
        Whether to take the order of vanishing along what is left over; needs an optimum of a catalogue model.

    Raises
    ------
    InputError
        As `fisher_information` and `vanishing_order`.

    Examples
    --------
    >>> from singular import models
    >>> found = null_space(models.problem("monomial-1-2", n=20), {"w1": 1.0, "w2": 0.0})
    >>> found.match.dimension, found.names, found.orders[0].straight
    (1, ('w2',), 4.0)
    """
    z = point_of(problem, parameters)
    information = fisher_information(problem, z, kind)
    spectrum = information.spectrum
    moves = tangents(problem, z)
    dimensions = {name: spectrum_of_factor(rows).rank if len(rows) else 0 for name, rows in moves.items()}
    found = match(spectrum.null, np.concatenate([np.zeros((0, len(z))), *moves.values()]))
    left = _readable(problem, found.left_over)
    found = replace(found, left_over=left)
    told: list[Order] = []
    generic = None
    if orders and left.shape[1]:
        told = [vanishing_order(problem, z, v, spectrum.range) for v in left.T]
        if left.shape[1] > 1:
            mixed = left @ np.random.default_rng(GENERIC).standard_normal(left.shape[1])
            generic = vanishing_order(problem, z, mixed, spectrum.range)
    flags = [*information.flags, *spectrum.flags]
    if found.largest_angle > LARGEST_ANGLE:
        flags.append(f"a declared symmetry leaves the null space by {found.largest_angle:.2g} radians")
    flags += [flag for order in (*told, *([generic] if generic else [])) for flag in order.flags]
    names = tuple(_name(v, labels_of(problem)) for v in left.T)
    return NullSpace(information, spectrum, dimensions, found, names, tuple(told), generic, tuple(dict.fromkeys(flags)))


def labels_of(problem: Problem) -> list[str]:
    """Return the name of each unconstrained coordinate: its site, with its place in the site's array."""
    labels = []
    for site, shape in sorted(problem.parts.sites.latent.items()):
        labels += [site + (f"[{','.join(map(str, place))}]" if shape else "") for place in np.ndindex(shape)]
    return labels


def _name(v: np.ndarray, labels: list[str]) -> str:
    large = np.flatnonzero(np.abs(v) > NAMED * np.abs(v).max())
    large = large[np.argsort(-np.abs(v[large]).round(6), kind="stable")]
    if len(large) > MOST_NAMED:
        return "within " + ", ".join(dict.fromkeys(labels[i].partition("[")[0] for i in large))
    v = v * np.sign(v[large[0]])
    text = "".join((" + " if v[i] > 0 else " − ") + _times(abs(v[i] / np.abs(v).max())) + labels[i] for i in large)
    return text.removeprefix(" + ")


def _times(size: float) -> str:
    return "" if abs(size - 1) < 5e-3 else f"{size:.2g} "


def _readable(problem: Problem, basis: np.ndarray) -> np.ndarray:
    """Return another orthonormal basis: directions within one site first, each with as few large entries as can be."""
    sites = np.array([label.partition("[")[0] for label in labels_of(problem)])
    done = []
    for site in dict.fromkeys(sites):
        if basis.shape[1]:
            _, values, turned = np.linalg.svd(basis[sites != site], full_matrices=True)
            outside = np.zeros(basis.shape[1])
            outside[: len(values)] = values[: basis.shape[1]]
            done.append(_sparse(basis @ turned.T[:, outside < WITHIN]))
            basis = basis @ turned.T[:, outside >= WITHIN]
    return np.concatenate([*done, _sparse(basis)], axis=1)


def _sparse(basis: np.ndarray, rounds: int = 100) -> np.ndarray:
    """Return the basis turned by varimax (Kaiser, 1958, Psychometrika 23, 187-200): few large entries a vector."""
    k = basis.shape[1]
    if k < 2:
        return basis
    turn, before = np.eye(k), 0.0
    for _ in range(rounds):
        turned = basis @ turn
        u, values, vt = np.linalg.svd(basis.T @ (turned**3 - turned * (turned**2).mean(axis=0)))
        turn = u @ vt
        if values.sum() <= before * (1 + 1e-12):
            break
        before = values.sum()
    return basis @ turn
