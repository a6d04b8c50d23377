"""Truths on the edge of what the prior allows."""

from __future__ import annotations

import math

import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
from jax.scipy.special import gammaln, log_ndtr
from scipy.special import ndtr

from singular.errors import whole
from singular.models.base import Data, Integral, LearningCoefficient, Model, family
from singular.models.coefficients import multinomial_boundary, normal_crossing
from singular.models.coefficients.arguments import rational
from singular.models.draws import standard_normals
from singular.models.integrals.closed_form import one_node, stirling_remainder
from singular.models.integrals.collapse import log_noise


@family
def boundary_multinomial(classes: int, empty: int, concentration: float | str = 1) -> Model:
    """Return y ~ Categorical(θ) with θ ~ Dirichlet(α, …, α) and a truth in which some categories never occur.

    The first K − s categories are equally likely, the last s have probability 0. K(θ) is linear in their θ_k,
    so λ = s α + (K − 1 − s)/2, more than d/2 for α > 1/2. The evidence is a ratio of Beta functions at every β.

    Parameters
    ----------
    classes, empty : int
        K ≥ 2, and s from 1 to K − 1.
    concentration : int, float or str
        α > 0; a string such as ``"1/3"`` is read as a fraction.

    Raises
    ------
    InputError
        If an argument is out of range.
    """
    exact = multinomial_boundary(classes, empty, concentration)
    whole("empty", empty, least=1, most=classes - 1)
    alpha = float(rational("concentration", concentration))
    seen = classes - empty
    truth = np.where(np.arange(classes) < seen, 1.0 / seen, 0.0)

    def density(y=None, n=1):
        theta = numpyro.sample("theta", dist.Dirichlet(jnp.full(classes, alpha)))
        with numpyro.plate("observations", n if y is None else y.shape[0]):
            numpyro.sample("y", dist.CategoricalProbs(theta), obs=None if y is None else y.astype(int))

    def simulate(key, n: int) -> Data:
        uniform = ndtr(standard_normals(key, n, 1)[:, 0])
        return {"y": np.minimum(np.floor(seen * uniform), seen - 1.0)}

    def log_likelihood(points, beta, data):
        counts = jnp.sum(data["y"][:, None] == jnp.arange(classes), axis=0)
        after = alpha + beta * counts
        log_z = jnp.sum(gammaln(after)) - gammaln(jnp.sum(after)) + math.lgamma(classes * alpha)
        return jnp.broadcast_to(log_z - classes * math.lgamma(alpha), points.shape[:1])

    def population(points, t, data):
        """log B(α + t θ0) − log B(α) − t Σ θ0 log θ0, by Stirling, so that nothing cancels."""
        after, total = alpha + t / seen, classes * alpha + t
        log_z = seen * (after - 0.5) * jnp.log1p((seen - classes) * alpha / total) - seen * alpha * math.log(seen)
        log_z += 0.5 * seen * math.log(seen) - (empty * alpha + 0.5 * (seen - 1)) * jnp.log(total) + empty * alpha
        log_z += seen * stirling_remainder(after) - stirling_remainder(total)
        log_z += 0.5 * (seen - 1) * math.log(2 * math.pi) + math.lgamma(classes * alpha) - seen * math.lgamma(alpha)
        return jnp.broadcast_to(log_z, points.shape[:1])

    def excess_loss(w):
        return -jnp.sum(jnp.log(seen * w["theta"][..., :seen]), axis=-1) / seen

    tail = f"-{str(concentration).replace('/', '-')}" if alpha != 1 else ""
    return Model(
        name=("trinomial-boundary" if (classes, empty) == (3, 1) else f"multinomial-boundary-{classes}-{empty}") + tail,
        family="multinomial on the boundary",
        density=density,
        simulate=simulate,
        dim=classes - 1,
        exact=exact,
        singular=False,
        boundary=True,
        optimum={"theta": truth},
        excess_loss=excess_loss,
        integral=Integral(one_node, log_likelihood, route="closed form"),
        population=Integral(one_node, population, route="closed form"),
        description=f"y ~ Categorical(θ), {classes} categories",
        prior=f"θ ~ Dirichlet({concentration}, …)",
        truth=f"{seen} categories of probability 1/{seen}, {empty} of probability 0",
        note="Not everything on an edge gets smaller: λ exceeds d/2. The loss has a slope and not a curvature across "
        "the edge, so the posterior of the empty category is exponential, of width 1/n and not n^(−1/2), and each one "
        "costs α log n. BIC is too kind to it.",
    )


@family
def half_line() -> Model:
    """Return y ~ N(w, 1) with w ~ HalfNormal(1) and truth w = 0, the end of the half-line.

    The loss is quadratic at the edge and the prior positive on its one side, so λ = 1/2 as in the interior: an
    edge costs half of the peak, a constant factor 2 in the evidence. Closed form at every β.
    """

    def density(y=None, n=1):
        w = numpyro.sample("w", dist.HalfNormal(1.0))
        with numpyro.plate("observations", n if y is None else y.shape[0]):
            numpyro.sample("y", dist.Normal(w, 1.0), obs=y)

    def simulate(key, n: int) -> Data:
        return {"y": standard_normals(key, n, 1)[:, 0]}

    def log_likelihood(points, beta, data):
        y = data["y"]
        precision, pull = 1 + beta * y.size, beta * jnp.sum(y)
        inside = math.log(2) + log_ndtr(pull / jnp.sqrt(precision))
        log_z = inside + 0.5 * pull**2 / precision - 0.5 * jnp.log(precision) + log_noise(y, beta)
        return jnp.broadcast_to(log_z, points.shape[:1])

    def population(points, t, data):
        return jnp.broadcast_to(-0.5 * jnp.log1p(t), points.shape[:1])

    crossing = normal_crossing([1])
    return Model(
        name="half-line",
        family="half-line",
        density=density,
        simulate=simulate,
        dim=1,
        exact=LearningCoefficient(
            crossing.value,
            crossing.multiplicity,
            source="∫ over w > 0 of exp(−n w²/2) φ(w) is half of the integral over the line; " + crossing.source,
            conditions="truth on the edge w = 0, prior positive on its inner side",
        ),
        singular=False,
        boundary=True,
        optimum={"w": np.array(0.0)},
        excess_loss=lambda w: 0.5 * w["w"] ** 2,
        integral=Integral(one_node, log_likelihood, route="closed form"),
        population=Integral(one_node, population, route="closed form"),
        description="y ~ N(w, 1), w ≥ 0",
        prior="w ~ HalfNormal(1)",
        truth="y ~ N(0, 1)",
        note="The smallest truth on an edge. λ is that of the interior, but the random term is not: in half of the "
        "data sets the maximum of the likelihood is at the edge and the posterior is the tail of a normal. On the "
        "unconstrained scale (log w) the optimum lies at minus infinity.",
    )
