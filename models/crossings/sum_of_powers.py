"""Several observations, each with a power of its own parameter for a mean: a degenerate point, no crossing."""

from __future__ import annotations

from collections.abc import Sequence

import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist

from singular.errors import InputError
from singular.models.base import Data, Integral, Model, Nodes, family
from singular.models.coefficients import sum_of_powers as coefficient
from singular.models.draws import standard_normals
from singular.models.integrals import rules
from singular.models.integrals.closed_form import one_node
from singular.models.integrals.collapse import log_noise
from singular.models.structure import repeated


@family
def sum_of_powers(exponents: Sequence[int]) -> Model:
    """Return y_i ~ N(w_i^k_i, 1), i = 1 … d, with w ~ N(0, I) and truth 0.

    K = ½ Σ w_i^(2 k_i), so λ = Σ 1 / (2 k_i) and m = 1. Parameters with exponent 1 are integrated in closed
    form; at most two others may be left for quadrature.

    Parameters
    ----------
    exponents : sequence of int
        k_i ≥ 1.

    Raises
    ------
    InputError
        If an exponent is less than 1, or more than two are above 1.

    Examples
    --------
    >>> sum_of_powers([2, 3]).exact.value
    Fraction(5, 12)
    """
    exact = coefficient(exponents)
    powers = np.array(exponents)
    rest = np.flatnonzero(powers > 1)
    if len(rest) > 2:
        raise InputError(f"exponents={list(exponents)!r}: allowed are at most two above 1")
    linear = np.flatnonzero(powers == 1)
    odd = [bool(powers[i] % 2) for i in rest]

    def density(y=None, n=1):
        w = numpyro.sample("w", dist.Normal(0.0, 1.0).expand([len(powers)]).to_event(1))
        with numpyro.plate("observations", n if y is None else y.shape[0]):
            numpyro.sample("y", dist.Normal(w**powers, 1.0).to_event(1), obs=y)

    def simulate(key, n: int) -> Data:
        return {"y": standard_normals(key, n, len(powers))}

    def nodes(data: Data, level: int) -> Nodes:
        if not len(rest):
            return one_node(data, level)
        edges = np.concatenate([rules.graded_edges(2.0**-12, 0.5), [0.75, 1.0, 1.5, 2.0, 3.0, 4.5, 6.5, 9.0]])
        one = rules.panels(edges, (18, 14)[-level])
        fold = len(rest) * np.log(2.0)
        return Nodes(*rules.tensor(*[one] * len(rest), log_density=lambda *w: rules.log_normal_density(*w) + fold))

    def log_likelihood(points, beta, data):
        y = data["y"]
        n, totals = y.shape[0], jnp.sum(y, axis=0)
        value = jnp.full(points.shape[:1], log_noise(y, beta))
        for i in linear:
            value += 0.5 * (beta * totals[i]) ** 2 / (1 + beta * n) - 0.5 * jnp.log1p(beta * n)
        for column, i in enumerate(rest):
            mean = points[:, column] ** powers[i]
            tilt = beta * mean * totals[i]
            value += jnp.logaddexp(tilt, -tilt) - jnp.log(2.0) if odd[column] else tilt
            value -= 0.5 * beta * n * mean**2
        return value

    def population(points, t, data):
        value = jnp.full(points.shape[:1], -0.5 * len(linear) * jnp.log1p(t))
        for column, i in enumerate(rest):
            value -= 0.5 * t * points[:, column] ** (2 * powers[i])
        return value

    def excess_loss(w):
        return 0.5 * jnp.sum(w["w"] ** (2 * powers), axis=-1)

    route = f"{len(rest)}-D panels" if len(rest) else "closed form"
    return Model(
        name="sum-of-powers-" + "-".join(map(str, powers)),
        family="sum of powers",
        density=density,
        simulate=simulate,
        dim=len(powers),
        exact=exact,
        optimum={"w": np.zeros(len(powers))},
        singular=bool(len(rest)),
        sufficient=repeated(lambda w: w["w"] ** powers),
        excess_loss=excess_loss,
        integral=Integral(nodes, log_likelihood, route=route + (", the rest in closed form" if len(linear) else "")),
        population=Integral(nodes, population, route=route),
        description="y_i ~ N(w_i^k_i, 1), k = (" + ", ".join(map(str, powers)) + ")",
        prior="w ~ N(0, I)",
        truth="y ~ N(0, I)",
        note="The optimal set is one point, and yet the model is singular: the loss is flat there, w_i^(2k). Blocks "
        "that do not touch add their coefficients, and m stays 1. A sampler finds a posterior with as many widths as "
        "exponents, n^(−1/2), n^(−1/4), n^(−1/6).",
    )
