"""Monomial regression: y ~ N(w1^k1 ⋯ wd^kd x, 1) with truth 0, the normal crossing in the flesh."""

from __future__ import annotations

import math
from collections.abc import Sequence

import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
from jax.scipy.special import ndtr

from singular.errors import InputError
from singular.models.base import Data, Integral, Model, Nodes, family
from singular.models.coefficients import normal_crossing
from singular.models.crossings.crossing_phases import CROSSING, phases_of, regions_of
from singular.models.draws import standard_normals
from singular.models.integrals import rules
from singular.models.integrals.collapse import log_gaussian_block, log_noise
from singular.models.structure import regression
from singular.models.symmetries import monomial_scaling


@family
def monomial(exponents: Sequence[int]) -> Model:
    """Return y ~ N(Π_i w_i^k_i · x, 1) with w_i ~ N(0, 1), x ~ N(0, 1) and truth 0.

    λ = 1 / (2 max k) and m is how many exponents attain the maximum. One parameter with exponent 1,
    if there is one, is integrated in closed form; at most two may be left for quadrature.

    Phases, for two parameters: with k = (1, 1), ``crossing`` (both |w_i| < 0.5), ``w1-axis`` and
    ``w2-axis`` (elsewhere, nearer to that axis); otherwise ``w1=0`` and ``w2=0``, the line that is
    nearer. With k = (1, 1, 1), ``corner``, ``edge`` and ``face``: all three, two, or fewer |w_i| < 0.5.

    Parameters
    ----------
    exponents : sequence of int
        k_i ≥ 1.

    Raises
    ------
    InputError
        If an exponent is less than 1, or more than two parameters are left for quadrature.

    Examples
    --------
    >>> monomial([1, 2]).exact.value
    Fraction(1, 4)
    """
    powers = tuple(exponents)
    exact = normal_crossing(powers)
    if min(powers) < 1:
        raise InputError(f"exponents={list(powers)!r}: allowed are whole numbers of at least 1")
    pivot = powers.index(1) if 1 in powers else None
    rest = [i for i in range(len(powers)) if i != pivot]
    if len(rest) > 2:
        raise InputError(f"exponents={list(powers)!r}: allowed are at most two besides one exponent 1")
    sites = [f"w{i + 1}" for i in range(len(powers))]
    odd = any(powers[i] % 2 for i in rest)

    def density(x, y=None):
        mean = x
        for site, k in zip(sites, powers, strict=True):
            mean = mean * numpyro.sample(site, dist.Normal(0.0, 1.0)) ** k
        numpyro.sample("y", dist.Normal(mean, 1.0), obs=y)

    def simulate(key, n: int) -> Data:
        x, y = standard_normals(key, n, 2).T
        return {"x": x, "y": y}

    def nodes(data: Data, level: int) -> Nodes:
        edges = rules.graded_edges(2.0**-26, CROSSING)
        edges = np.concatenate([edges, [0.75, 1.0, 1.5, 2.0, 3.0, 4.5, 6.5, 9.0]])
        unequal = pivot is None and len(set(powers)) == 2
        order = (16, 12)[-level] if len(rest) == 1 or unequal else (12, 9)[-level]
        if not rest:
            return Nodes(np.zeros((1, 0)), np.zeros(1))
        one = rules.panels(edges, order)
        if unequal:  # one half-plane at a time, cut where the phases meet
            return _either_larger(one, rules.panels(rules.graded_edges(2.0**-18, 1.0), order))
        folded = len(rest) * np.log(2.0)
        return Nodes(*rules.tensor(*[one] * len(rest), log_density=lambda *w: rules.log_normal_density(*w) + folded))

    def slope(points):
        product = jnp.ones(points.shape[0])
        for column, i in enumerate(rest):
            product = product * points[:, column] ** powers[i]
        return product

    def log_likelihood(points, beta, data):
        x, y = data["x"], data["y"]
        s = slope(points)
        sxx, sxy = x @ x, x @ y
        if pivot is not None:
            block = log_gaussian_block((s**2 * sxx)[:, None, None], (s * sxy)[:, None], beta)
        else:
            sign = jnp.logaddexp(s * sxy * beta, -s * sxy * beta) - jnp.log(2.0) if odd else s * sxy * beta
            block = sign - 0.5 * beta * s**2 * sxx
        return block + log_noise(y, beta)

    def population(points, t, data):
        s = slope(points)
        if pivot is not None:
            return -0.5 * jnp.log1p(t * s**2)
        return -0.5 * t * s**2

    def excess_loss(w):
        mean = 1.0
        for site, k in zip(sites, powers, strict=True):
            mean = mean * w[site] ** k
        return 0.5 * mean**2

    def within(points, beta, data, half_width):
        s, x, y = slope(points), data["x"], data["y"]
        precision = 1 + beta * s**2 * (x @ x)
        mean, scale = beta * s * (x @ y) / precision, precision**-0.5
        return ndtr((half_width - mean) / scale) - ndtr((-half_width - mean) / scale)

    return Model(
        name="product" if powers == (1, 1) else "monomial-" + "-".join(map(str, powers)),
        family="monomial regression",
        density=density,
        simulate=simulate,
        dim=len(powers),
        exact=exact,
        optimum={site: np.array(0.0) for site in sites},
        phases=phases_of(powers),
        integral=Integral(
            nodes,
            log_likelihood,
            route=f"{len(rest)}-D panels" + ("" if pivot is None else f", {sites[pivot]} in closed form"),
            regions=regions_of(powers, within),
        ),
        singular=powers != (1,),
        symmetries={"scaling between factors": monomial_scaling(dict(zip(sites, powers, strict=True)))}
        if len(powers) > 1
        else {},
        sufficient=regression(
            lambda w: jnp.reshape(math.prod(w[site] ** k for site, k in zip(sites, powers, strict=True)), (1, 1))
        ),
        excess_loss=excess_loss,
        population=Integral(nodes, population, route=f"{len(rest)}-D panels"),
        description="y ~ N(" + " ".join(f"w{i + 1}^{k}" for i, k in enumerate(powers)) + " x, 1)",
        prior="w_i ~ N(0, 1)",
        truth="y ~ N(0, 1), x ~ N(0, 1)",
        note="The normal form of every singularity: resolution turns any K into such monomials. The factor with the "
        "highest exponent sets λ, as many factors as share it set m, and the others do not count at all. With m > 1 "
        "the slope of the free energy against log n is too small by (m − 1) / log n, still 0.15 at n = 500 for m = 2.",
    )


def _either_larger(radius: rules.Rule, ratio: rules.Rule) -> Nodes:
    """Return nodes on the quarter-plane as (r, r u) and (r u, r), 0 < u < 1, for a prior even in both."""

    def log_density(r, u):
        return rules.log_normal_density(r, r * u) + np.log(r) + np.log(4.0)

    points, log_weights = rules.tensor(radius, ratio, log_density=log_density)
    first, second = points[:, 0], points[:, 0] * points[:, 1]
    both = np.concatenate([np.stack([first, second], axis=1), np.stack([second, first], axis=1)])
    return Nodes(both, np.concatenate([log_weights, log_weights]))
