"""The exact prior volume of {K < ε} for members of the catalogue, to eight digits and better at any ε.

Laws that are used, w and z standard normal, C_ν a χ² variable of ν degrees of freedom:

- monomials: w² is C_1, so that K = ½ Π C_1^k_i;
- one unit wide somewhere, and a true matrix 0: each other layer multiplies K = ½ |W_L ⋯ W_1|² by a C_ν of its own, ν
  the layers' other widths, since |W v|² = |v|² C_ν for a vector v and a matrix W of ν normal rows;
- sums of squares of those: convolutions;
- linear and rank-deficient regression: K = ½ Σ a_i (z_i − b_i)², a weighted noncentral χ²;
- the half-line, two wells, a line and a dot, the multinomial on the boundary: one integral or none.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial

import numpy as np
from scipy.special import erf

from singular.analysis import exact_volume_planes as planes
from singular.analysis.exact_volume_laws import Factor, product_law, quadratic_below, sum_law
from singular.errors import InputError, unknown_name
from singular.models.base import Model
from singular.models.catalogue import MODELS
from singular.models.crossings.crossing_phases import CROSSING

Mass = Callable[[np.ndarray], np.ndarray]
"""ε (N,) -> prior mass (N,)."""
Masses = dict[str | None, Mass]
"""Region, None for the whole space -> its mass."""

LEAST = 1e-300
"""Smallest volume that is told: further down doubles have fewer digits, and then none."""


def exact_volume(model: Model, epsilons: Sequence[float] | np.ndarray, region: str | None = None) -> np.ndarray:
    """Return the log of the prior mass of {K < ε}, or of its part in a named region.

    Parameters
    ----------
    model : Model
        A member of a family that has a closed form, see `exactly_known`, whatever its arguments where that holds.
    epsilons : (N,) float
        ε, nats an observation, positive.
    region : str, optional
        One of the model's phases.

    Returns
    -------
    (N,) float
        log V(ε), nats.

    Raises
    ------
    InputError
        If no closed form is known for the model or the region, an ε is not positive, or V(ε) is below 1e-300.

    Examples
    --------
    >>> from singular import models
    >>> np.exp(exact_volume(models.get("monomial-2"), [0.5e-12])).round(10)  # Pr(w⁴ < 1e-12)
    array([0.00079788])
    """
    epsilon = np.atleast_1d(np.asarray(epsilons, dtype=float))
    if epsilon.ndim != 1 or not (np.isfinite(epsilon).all() and (epsilon > 0).all()):
        raise InputError(f"epsilons={epsilons!r}: allowed are positive, finite numbers")
    masses = _masses(model)
    if not masses:
        raise InputError(
            f"model={model.name!r}: its volume is not known exactly; those of the catalogue that are: "
            f"{', '.join(sorted(exactly_known()))}"
        )
    if region not in masses:
        raise unknown_name("region", region, [name for name in masses if name is not None])
    mass = np.asarray(masses[region](epsilon))
    if not (mass > LEAST).all():
        raise InputError(f"epsilons={epsilon[~(mass > LEAST)].min():.3g}: too small, its volume is below {LEAST:g}")
    return np.log(mass)


def exactly_known() -> dict[str, tuple[str, ...]]:
    """Return the members of the catalogue whose volume is known exactly, each with its regions that are."""
    every = {name: _masses(model) for name, model in MODELS.items()}
    return {name: tuple(r for r in masses if r is not None) for name, masses in every.items() if masses}


def _masses(model: Model) -> Masses:
    make = _BUILDERS.get(model.builder)
    return {} if make is None else make(dict(model.arguments))


def _linear(arguments: Mapping) -> Masses:
    truth = np.array([(-1.0) ** j / (j + 1) for j in range(arguments["p"])])
    return {None: lambda e: quadratic_below(2 * e, np.ones(truth.size), truth)}


def _rank_deficient(arguments: Mapping) -> Masses:
    """½ |Mᵀ(w − w0)|²: with MᵀM = Q diag(a) Qᵀ, Qᵀ Mᵀ w / √a is standard normal."""
    p, rank = arguments["p"], arguments["rank"]
    mixing = np.vstack([np.eye(rank), np.full((p - rank, rank), rank**-0.5)])
    truth = np.array([(-1.0) ** j / (j + 1) if j < rank else 0.0 for j in range(p)])
    weights, axes = np.linalg.eigh(mixing.T @ mixing)
    shifts = axes.T @ mixing.T @ truth / np.sqrt(weights)
    return {None: lambda e: quadratic_below(2 * e, weights, shifts)}


def _product(factors: Sequence[Factor]) -> Mass:
    law = product_law(factors)
    return lambda e: law.below(2 * e)


def _sum(terms: Sequence[Sequence[Factor]]) -> Mass:
    law = sum_law([product_law(factors) for factors in terms])
    return lambda e: law.below(2 * e)


def _monomial(arguments: Mapping) -> Masses:
    powers = tuple(arguments["exponents"])
    found: Masses = {None: _product([(1, k) for k in powers])}
    if powers == (1, 1):

        def crossing(e):
            return planes.square_below(2 * e, CROSSING)

        def one_axis(e):
            return (found[None](e) - crossing(e)) / 2

        found |= {"crossing": crossing, "w1-axis": one_axis, "w2-axis": one_axis}
    elif len(powers) == 2:
        first, second = ((1, k) for k in powers)
        found["w1=0"] = lambda e: planes.ordered_below(2 * e, first, second)
        found["w2=0"] = lambda e: planes.ordered_below(2 * e, second, first)
    return found


def _reduced_rank(arguments: Mapping) -> Masses:
    found = _narrow([arguments["inputs"], arguments["hidden"], arguments["outputs"]], arguments["rank"])
    if found and arguments["hidden"] == 1:
        a, b = (arguments["inputs"], 1), (arguments["outputs"], 1)
        found["A=0"] = lambda e: planes.ordered_below(2 * e, a, b)
        found["B=0"] = lambda e: planes.ordered_below(2 * e, b, a)
    return found


def _matrix_factor(arguments: Mapping) -> Masses:
    return _narrow([arguments["columns"], arguments["factors"], arguments["rows"]], arguments["rank"])


def _deep_linear(arguments: Mapping) -> Masses:
    widths = list(arguments["widths"])
    found = _narrow(widths, arguments["rank"])
    if found and max(widths) == 1:
        layers, whole = len(widths) - 1, found[None]
        found |= {f"W{s}=0": lambda e: whole(e) / layers for s in range(1, layers + 1)}
    return found


def _narrow(widths: Sequence[int], rank: int) -> Masses:
    """Return the masses of a product of matrices with truth 0 and a width of 1 somewhere."""
    if rank or min(widths) != 1:
        return {}
    others = list(widths)
    others.remove(1)
    return {None: _product([(nu, 1) for nu in others])}


def _hadamard(arguments: Mapping) -> Masses:
    if arguments["nonzero"]:
        return {}
    return {None: _sum([[(1, 1), (1, 1)]] * arguments["products"])}


def _squares(arguments: Mapping) -> Masses:
    if arguments["nonzero"]:
        return {}
    return {None: _sum([[(1, 2)]] * arguments["terms"])}


def _powers(arguments: Mapping) -> Masses:
    return {None: _sum([[(1, k)] for k in arguments["exponents"]])}


def _multinomial(arguments: Mapping) -> Masses:
    plain = (arguments["classes"], arguments["empty"], float(arguments["concentration"])) == (3, 1, 1.0)
    return {None: planes.trinomial_below} if plain else {}


_BUILDERS: dict[str, Callable[[Mapping], Masses]] = {
    "linear_regression": _linear,
    "rank_deficient_regression": _rank_deficient,
    "monomial": _monomial,
    "sum_of_powers": _powers,
    "hadamard_regression": _hadamard,
    "squares_regression": _squares,
    "reduced_rank": _reduced_rank,
    "matrix_factor": _matrix_factor,
    "deep_linear": _deep_linear,
    "half_line": lambda _: {None: lambda e: erf(np.sqrt(e))},
    "boundary_multinomial": _multinomial,
    "two_wells": lambda _: {region: partial(planes.wells_below, region=region) for region in (None, "sharp", "flat")},
    "line_and_dot": lambda _: {
        region: partial(planes.line_and_dot_below, region=region) for region in (None, "dot", "line")
    },
}
