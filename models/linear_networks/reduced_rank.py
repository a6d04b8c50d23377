"""Reduced-rank regression, a linear network of one hidden layer."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import jax.numpy as jnp
import numpyro
import numpyro.distributions as dist

from singular.errors import InputError
from singular.models.base import Data, Integral, Model, Nodes, family
from singular.models.coefficients import reduced_rank as coefficient
from singular.models.draws import standard_normals
from singular.models.integrals.collapse import log_gaussian_block, log_noise
from singular.models.linear_networks.layer_moves import layer_moves
from singular.models.linear_networks.linear_oracle import integrals
from singular.models.linear_networks.linear_truth import balanced_factors, best_loss, true_matrix, truth_in_words
from singular.models.linear_networks.smaller_factor import probability_of_smaller
from singular.models.linear_networks.sobol_ridge import LOG2_POINTS, ROUTE, ridge_nodes
from singular.models.small_product import product
from singular.models.structure import NormalBlock, matrix_of, regression
from singular.models.symmetries import flips, general_linear, swaps


@family
def reduced_rank(
    inputs: int, outputs: int, hidden: int, rank: int, input_sd: float = 1.0, noise: float = 1.0, prior: float = 1.0
) -> Model:
    """Return y ~ N(B A x, noise² I) with normal A, B, x and a fixed true matrix of the given rank.

    A (site ``A``) is hidden × inputs, B (site ``B``) outputs × hidden; the true matrix has singular
    values 1, 1/2, 1/3, … up to its rank, on directions that no coordinate axis singles out. With hidden < rank
    the truth is out of reach, and K is the excess over the best matrix of rank hidden.

    B is integrated in closed form (A, where there is one output). What is left depends on A up to rotation of its
    rows: one to three dimensions for one hidden unit and up to 3 inputs, for 1 or 2 inputs, and for one output;
    for hidden = 2, inputs = 3, rank = 1 five, done by randomised quasi-Monte Carlo in coordinates that follow the
    posterior's ridge. Other sizes have no oracle.

    Phases, for hidden = 1 and rank 0: ``A=0`` (|A| < |B|) and ``B=0``, the branch that is nearer. Their masses
    are exact for 1 or 2 outputs and up to 2 inputs.

    Parameters
    ----------
    inputs, outputs, hidden, rank : int
    input_sd, noise, prior : float
        Standard deviations of the inputs, of the noise and of the entries of A and B; where one is not 1 there is no
        oracle. Watanabe (2013) has 3, 0.1 and 10.

    Raises
    ------
    InputError
        As `singular.models.coefficients.reduced_rank`; if a standard deviation is not positive.
    """
    exact = coefficient(inputs, outputs, hidden, rank)
    scales = {"input_sd": input_sd, "noise": noise, "prior": prior}
    for argument, value in scales.items():
        if not (math.isfinite(value) and value > 0):
            raise InputError(f"{argument}={value!r}: allowed is a positive number")
    plain = all(value == 1.0 for value in scales.values())
    truth = true_matrix(inputs, outputs, rank)
    least = best_loss(rank, hidden)

    def density(x, y=None):
        a = numpyro.sample("A", dist.Normal(0.0, prior).expand([hidden, inputs]).to_event(2))
        b = numpyro.sample("B", dist.Normal(0.0, prior).expand([outputs, hidden]).to_event(2))
        numpyro.sample("y", dist.Normal(x @ jnp.matmul(b, a).T, noise).to_event(1), obs=y)

    def simulate(key, n: int) -> Data:
        drawn = standard_normals(key, n, inputs + outputs)
        x = input_sd * drawn[:, :inputs]
        return {"x": x, "y": x @ truth.T + noise * drawn[:, inputs:]}

    def excess_loss(w):
        gap = jnp.matmul(w["B"], w["A"]) - truth
        return (input_sd / noise) ** 2 * (0.5 * jnp.sum(gap**2, axis=(-2, -1)) - least)

    a, b = balanced_factors([inputs, hidden, outputs], rank)
    integral, population = integrals([inputs, hidden, outputs], truth) if plain else (None, None)
    if plain and (hidden, inputs, rank) == (2, 3, 1):
        integral = _ridge(inputs, hidden)
    phases: dict[str, Callable[..., Any]] = {}
    if hidden == 1 and rank == 0:
        phases = {"A=0": lambda w: _squares(w["A"]) < _squares(w["B"]),
                  "B=0": lambda w: _squares(w["A"]) >= _squares(w["B"])}  # fmt: skip
        if integral is not None and inputs <= 2 and outputs <= 2:
            integral = replace(integral, regions=_regions(outputs))
    return Model(
        name=f"reduced-rank-{inputs}-{outputs}-{hidden}-{rank}"
        + ("" if plain else f"-x{input_sd:g}-noise{noise:g}-prior{prior:g}"),
        family="reduced-rank regression",
        density=density,
        simulate=simulate,
        dim=hidden * (inputs + outputs),
        exact=exact,
        optimum={"A": a, "B": b},
        phases=phases,
        symmetries={f"GL({hidden}) between B and A": general_linear("B", "A")},
        discrete_symmetries={**swaps({"A": -2, "B": -1}, hidden), **flips({"A": -2, "B": -1}, hidden)},
        sufficient=regression(lambda w: product(w["A"].T, w["B"].T), noise),
        block=NormalBlock(
            "B",
            lambda w, x: product(x, w["A"].T),
            jnp.transpose,
            matrix_of("x"),
            matrix_of("y"),
            noise,
            prior,
            linear=True,
        ),
        moves=layer_moves(["A", "B"], [inputs, hidden, outputs], prior),
        excess_loss=excess_loss,
        integral=integral,
        population=population,
        description=f"y ~ N(B A x, {_square(noise)}I), A {hidden} × {inputs}, B {outputs} × {hidden}",
        prior="A_ij ~ N(0, 1), B_ij ~ N(0, 1)" if prior == 1.0 else f"A_ij, B_ij ~ N(0, {prior:g}²)",
        truth=truth_in_words(rank) + ("" if plain else f", inputs of standard deviation {input_sd:g}"),
        note=_note(inputs, outputs, hidden, rank),
    )


def _square(deviation: float) -> str:
    return "" if deviation == 1.0 else f"{deviation:g}² "


def _squares(matrix):
    return (matrix**2).sum(axis=(-2, -1))


def _regions(outputs: int) -> dict[str, Callable[..., Any]]:
    """Return the phase masses given A: B is then normal about the ridge estimate, equal in all directions."""

    def b_smaller(points, beta, data):
        x, y = data["x"], data["y"]
        precision = 1 + beta * jnp.einsum("Ni,ij,Nj->N", points, x.T @ x, points)
        mean = beta * (points @ (x.T @ y)) / precision[:, None]
        return probability_of_smaller(mean, precision, jnp.sqrt(jnp.sum(points**2, axis=1)))

    return {"A=0": lambda *a: 1 - b_smaller(*a), "B=0": b_smaller}


def _ridge(inputs: int, hidden: int) -> Integral:
    def nodes(data: Data, level: int) -> Nodes:
        return ridge_nodes(data["x"], data["y"], LOG2_POINTS + level)

    def log_likelihood(points, beta, data):
        x, y = data["x"], data["y"]
        a = points.reshape(-1, hidden, inputs)
        gram = jnp.einsum("Nhi,ij,Nkj->Nhk", a, x.T @ x, a)
        return log_gaussian_block(gram, a @ (x.T @ y), beta) + log_noise(y, beta)

    return Integral(nodes, log_likelihood, ROUTE)


def _note(inputs: int, outputs: int, hidden: int, rank: int) -> str:
    if hidden < rank:
        return (
            "Under-specified: the best matrix of rank hidden is unique, but its factors are free up to an invertible "
            "matrix, so λ is half the dimension of the matrices of that rank, below d/2."
        )
    if hidden == rank:
        return (
            "Exactly specified: every optimal pair is one pair (A, B) turned to (G⁻¹ A, B G). The optimal set is "
            "smooth, λ is half the number of independent coordinates of B A, and m = 1."
        )
    if hidden > min(inputs, outputs):
        return "More hidden units than a matrix of this shape can use: the product is never held back by its rank."
    return (
        "Over-specified: spare hidden units can be switched off in A or in B. The optimal set is singular where both "
        "are off at once, and that corner decides λ."
    )
