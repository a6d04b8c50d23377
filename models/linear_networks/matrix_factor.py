"""Matrix factorisation: one matrix, seen n times under noise, as a product of two thin ones."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist

from singular.models.base import Data, Integral, LearningCoefficient, Model, family
from singular.models.coefficients import reduced_rank as coefficient
from singular.models.draws import standard_normals
from singular.models.integrals.collapse import log_noise
from singular.models.linear_networks.layer_moves import layer_moves
from singular.models.linear_networks.linear_oracle import integrals
from singular.models.linear_networks.linear_truth import balanced_factors, best_loss, true_matrix, truth_in_words
from singular.models.small_product import product
from singular.models.structure import LinearGaussian
from singular.models.symmetries import flips, general_linear, swaps


@family
def matrix_factor(rows: int, columns: int, factors: int, rank: int) -> Model:
    """Return Y ~ N(A B, 1) in each entry, A rows × factors and B factors × columns with N(0, 1) entries.

    One observation is one noisy copy of the whole matrix. K = ½ ‖A B − C‖², so (λ, m) are those of reduced-rank
    regression with columns inputs and rows outputs; and the evidence is that of such a regression whose inputs
    are exactly orthogonal. The true matrix C is that of `reduced_rank`.

    Parameters
    ----------
    rows, columns, factors, rank : int

    Raises
    ------
    InputError
        As `singular.models.coefficients.reduced_rank`, whose outputs, inputs and hidden are the first three.
    """
    known = coefficient(inputs=columns, outputs=rows, hidden=factors, rank=rank)
    exact = LearningCoefficient(
        known.value,
        known.multiplicity,
        source=known.source,
        conditions="true matrix of the given rank, entries seen under independent noise, prior positive",
    )
    truth = true_matrix(columns, rows, rank)
    least = best_loss(rank, factors)

    def density(y=None, n=1):
        a = numpyro.sample("A", dist.Normal(0.0, 1.0).expand([rows, factors]).to_event(2))
        b = numpyro.sample("B", dist.Normal(0.0, 1.0).expand([factors, columns]).to_event(2))
        with numpyro.plate("observations", n if y is None else y.shape[0]):
            numpyro.sample("y", dist.Normal(jnp.matmul(a, b), 1.0).to_event(2), obs=y)

    def simulate(key, n: int) -> Data:
        return {"y": truth + standard_normals(key, n, rows * columns).reshape(n, rows, columns)}

    def excess_loss(w):
        gap = jnp.matmul(w["A"], w["B"]) - truth
        return 0.5 * jnp.sum(gap**2, axis=(-2, -1)) - least

    integral, population = integrals([columns, factors, rows], truth)
    b, a = balanced_factors([columns, factors, rows], rank)
    return Model(
        name=f"matrix-factor-{rows}-{columns}-{factors}-r{rank}",
        family="matrix factorisation",
        density=density,
        simulate=simulate,
        dim=factors * (rows + columns),
        exact=exact,
        optimum={"A": a, "B": b},
        symmetries={f"GL({factors}) between A and B": general_linear("A", "B")},
        discrete_symmetries={**swaps({"A": -1, "B": -2}, factors), **flips({"A": -1, "B": -2}, factors)},
        sufficient=LinearGaussian(
            lambda data: np.tile(np.eye(columns), (len(data["y"]), 1)), _columns, lambda w: product(w["A"], w["B"]).T
        ),
        moves=layer_moves(["B", "A"], [columns, factors, rows]),
        excess_loss=excess_loss,
        integral=None if integral is None else _of_copies(integral),
        population=population,
        description=f"Y ~ N(A B, 1) entry by entry, A {rows} × {factors}, B {factors} × {columns}",
        prior="A_ij ~ N(0, 1), B_ij ~ N(0, 1)",
        truth=truth_in_words(rank, inputs=False),
        note="Factorisation of a matrix has the singularities of reduced-rank regression: the inputs were never the "
        "point. Seen n times, the matrix has λ log n of free energy, however n is arranged.",
    )


def _columns(data: Any) -> np.ndarray:
    """Return the columns of all copies as rows."""
    return np.swapaxes(data["y"], 1, 2).reshape(-1, data["y"].shape[1])


def _as_regression(data: Data) -> dict[str, Any]:
    """Return the regression with orthogonal inputs that has the same sufficient statistics."""
    y = data["y"]
    root = math.sqrt(len(y))
    return {"x": root * np.eye(y.shape[2]), "y": y.sum(axis=0).T / root}


def _of_copies(integral: Integral) -> Integral:
    def log_likelihood(points, beta, data):
        regression = _as_regression(data)
        left_out = log_noise(data["y"], beta) - log_noise(regression["y"], beta)
        return integral.log_likelihood(points, beta, regression) + left_out

    return replace(
        integral,
        nodes=lambda data, level: integral.nodes(_as_regression(data), level),
        log_likelihood=log_likelihood,
    )
