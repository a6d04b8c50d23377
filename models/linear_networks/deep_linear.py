"""Deep linear networks: products of three and more matrices."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import jax.numpy as jnp
import numpyro
import numpyro.distributions as dist

from singular.errors import InputError
from singular.models.base import Data, Model, family
from singular.models.coefficients import deep_linear as coefficient
from singular.models.draws import standard_normals
from singular.models.linear_networks.deep_population import three_layers_of_two
from singular.models.linear_networks.layer_moves import layer_moves
from singular.models.linear_networks.linear_oracle import integrals
from singular.models.linear_networks.linear_truth import balanced_factors, true_matrix, truth_in_words
from singular.models.small_product import product
from singular.models.structure import NormalBlock, matrix_of, regression
from singular.models.symmetries import general_linear


@family
def deep_linear(widths: Sequence[int], rank: int) -> Model:
    """Return y ~ N(W_L ⋯ W_1 x, I) with standard normal weights and inputs and a true matrix of the given rank.

    W_s (site ``Ws``) is widths[s] × widths[s − 1]; the true matrix is that of `reduced_rank`, and the optimum
    shares its singular values evenly among the layers. Where the network is one unit wide, at an end or inside,
    its product is a product of χ variables times a Gaussian vector, and the evidence an integral of one or two
    dimensions for up to 2 inputs; other networks have no oracle.

    Phases, for all widths 1 and rank 0: ``W1=0``, …, ``WL=0``, the smallest weight. Their masses are all 1/L, since
    the likelihood knows the product alone.

    Parameters
    ----------
    widths : sequence of int
        Inputs, hidden widths, outputs: at least three.
    rank : int
        From 0 to the smallest width.

    Raises
    ------
    InputError
        As `singular.models.coefficients.deep_linear`.

    Examples
    --------
    >>> deep_linear([2, 2, 2, 2], rank=0).exact.multiplicity
    3
    """
    sizes = list(widths)
    exact = coefficient(sizes, rank)
    if len(sizes) < 3:
        raise InputError(f"widths={sizes!r}: allowed are at least three, with one hidden layer")
    layers = len(sizes) - 1
    sites = [f"W{s}" for s in range(1, layers + 1)]
    shapes = dict(zip(sites, zip(sizes[1:], sizes[:-1], strict=True), strict=True))
    truth = true_matrix(sizes[0], sizes[-1], rank)

    def density(x, y=None):
        mean = x.T
        for site in sites:
            mean = jnp.matmul(numpyro.sample(site, dist.Normal(0.0, 1.0).expand(shapes[site]).to_event(2)), mean)
        numpyro.sample("y", dist.Normal(mean.T, 1.0).to_event(1), obs=y)

    def simulate(key, n: int) -> Data:
        drawn = standard_normals(key, n, sizes[0] + sizes[-1])
        x = drawn[:, : sizes[0]]
        return {"x": x, "y": x @ truth.T + drawn[:, sizes[0] :]}

    def excess_loss(w):
        product = w[sites[0]]
        for site in sites[1:]:
            product = jnp.matmul(w[site], product)
        return 0.5 * jnp.sum((product - truth) ** 2, axis=(-2, -1))

    def design(w, x):
        for site in sites[:-1]:
            x = product(x, w[site].T)
        return x

    def weights(w):
        return product(design(w, jnp.eye(sizes[0])), w[sites[-1]].T)

    integral, population = integrals(sizes, truth)
    if population is None and rank == 0 and layers == 3 and sizes[:2] == [2, 2] and sizes[3] == 2:
        population = three_layers_of_two(sizes[2])
    phases: dict[str, Callable[..., Any]] = {}
    if max(sizes) == 1 and rank == 0 and integral is not None:
        phases = {f"{site}=0": partial(_smallest, sites, i) for i, site in enumerate(sites)}
        integral = replace(integral, regions=dict.fromkeys(phases, partial(_equal, layers)))
    return Model(
        name="deep-linear-" + "-".join(map(str, sizes)) + f"-r{rank}",
        family="deep linear network",
        density=density,
        simulate=simulate,
        dim=sum(rows * columns for rows, columns in shapes.values()),
        exact=exact,
        optimum=dict(zip(sites, balanced_factors(sizes, rank), strict=True)),
        phases=phases,
        symmetries={
            f"GL({width}) between {outer} and {inner}": general_linear(outer, inner)
            for inner, outer, width in zip(sites, sites[1:], sizes[1:], strict=False)
        },
        sufficient=regression(weights),
        block=NormalBlock(sites[-1], design, jnp.transpose, matrix_of("x"), matrix_of("y"), linear=True),
        moves=layer_moves(sites, sizes),
        excess_loss=excess_loss,
        integral=integral,
        population=population,
        description=f"y ~ N({' '.join(reversed(sites))} x, I), widths {' → '.join(map(str, sizes))}",
        prior="every weight ~ N(0, 1)",
        truth=truth_in_words(rank),
        note="λ is decided by the narrow layers alone and stays bounded however many layers are added, while d/2 "
        "grows. The more layers are equally narrow, the larger m can be: a slope in log n then reads too small a λ, "
        "by about (m − 1)/log n.",
    )


def _smallest(sites: list[str], index: int, w: Any) -> Any:
    sizes = [abs(w[site][..., 0, 0]) for site in sites]
    return jnp.argmin(jnp.stack(sizes), axis=0) == index


def _equal(count: int, points: Any, beta: Any, data: Data) -> Any:
    return jnp.full(points.shape[0], 1.0 / count)
