"""Truths outside the model: one where the theory of K still holds, one where it does not."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist

from singular.models.base import Data, Integral, LearningCoefficient, Model, Nodes, family
from singular.models.coefficients import regular
from singular.models.draws import standard_normals
from singular.models.integrals import rules
from singular.models.integrals.closed_form import log_gaussian_population, one_node
from singular.models.integrals.collapse import log_gaussian_block, log_noise
from singular.models.structure import LinearGaussian, matrix_of, repeated

APEX = 1.5
"""Second coordinate of the true mean above the parabola."""


@family
def bent_truth() -> Model:
    """Return the line y ~ N(a + b x, 1), a, b ~ N(0, 1), fitted to y ~ N(x + x²/2, 1), x ~ N(0, 1).

    The best line is a = 1/2, b = 1, and K = ½ [(a − ½)² + (b − 1)²]: unique and quadratic, so the log density ratio
    is renormalisable and λ = d/2 = 1 as in a true model. The evidence is a Gaussian integral.
    """
    best = np.array([0.5, 1.0])

    def density(x, y=None):
        w = jnp.asarray(numpyro.sample("w", dist.Normal(0.0, 1.0).expand([2]).to_event(1)))
        numpyro.sample("y", dist.Normal(w[0] + w[1] * x, 1.0), obs=y)

    def simulate(key, n: int) -> Data:
        x, noise = standard_normals(key, n, 2).T
        return {"x": x, "y": x + 0.5 * x**2 + noise}

    def log_likelihood(points, beta, data):
        y = data["y"]
        design = jnp.stack([jnp.ones_like(y), data["x"]], axis=1)
        block = log_gaussian_block(design.T @ design, design.T @ y, beta)
        return jnp.broadcast_to(block + log_noise(y, beta), points.shape[:1])

    def population(points, t, data):
        return jnp.broadcast_to(log_gaussian_population(np.ones(2), best, t), points.shape[:1])

    line = regular(2)
    return Model(
        name="misspecified-line",
        family="misspecified regression",
        density=density,
        simulate=simulate,
        dim=2,
        exact=LearningCoefficient(
            line.value,
            line.multiplicity,
            source="K is a positive definite quadratic form about the one optimal point; Watanabe (2018), Mathematical "
            "Theory of Bayesian Statistics, regular case, unrealisable and renormalisable",
            conditions="optimal point unique, E[x xᵀ] positive definite, prior positive there",
        ),
        optimum={"w": best},
        singular=False,
        sufficient=LinearGaussian(
            lambda data: np.stack([np.ones_like(data["x"]), data["x"]], axis=1),
            matrix_of("y"),
            lambda w: w["w"][:, None],
        ),
        excess_loss=lambda w: 0.5 * jnp.sum((w["w"] - best) ** 2, axis=-1),
        integral=Integral(one_node, log_likelihood, route="closed form"),
        population=Integral(one_node, population, route="closed form"),
        description="y ~ N(w1 + w2 x, 1)",
        prior="w ~ N(0, I)",
        truth="y ~ N(x + x²/2, 1), x ~ N(0, 1): outside the model, nearest at w = (1/2, 1)",
        note="Outside the model, but with one best point: free energy and WBIC behave as in a regular model, λ = d/2. "
        "What changes is the variance of the score, which is no longer the curvature, so the singular fluctuation "
        "ν = ½ tr(J I⁻¹) exceeds λ, and WAIC and WBIC penalise by different amounts.",
    )


@family
def parabola() -> Model:
    """Return y ~ N((w, w²), I), w ~ N(0, 1), fitted to y ~ N((0, 3/2), I): two equally good, different answers.

    The points of the parabola nearest to (0, 3/2) are w = ±1. Their densities differ, so the difference of their log
    likelihoods has mean 0 but variance 4 an observation: relatively finite variance fails, the free energy has a random
    term of the order of √n, and no λ describes it (λ = 1/2 is only that of K). Phases: ``left`` and ``right``.
    """

    def density(y=None, n=1):
        w = jnp.asarray(numpyro.sample("w", dist.Normal(0.0, 1.0)))
        with numpyro.plate("observations", n if y is None else y.shape[0]):
            numpyro.sample("y", dist.Normal(jnp.stack([w, w**2]), 1.0).to_event(1), obs=y)

    def simulate(key, n: int) -> Data:
        return {"y": standard_normals(key, n, 2) + np.array([0.0, APEX])}

    def nodes(data: Data, level: int) -> Nodes:
        graded = rules.graded_edges(2.0**-22, 0.5)
        outward = np.array([1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.5, 8.0])
        right = np.concatenate([[0.0, 0.25], 1 - graded, 1 + graded, 1 + outward])
        rule = rules.panels(np.unique(np.concatenate([-right, right])), (16, 12)[-level])
        return Nodes(rule.points[:, None], rule.log_weights + rules.log_normal_density(rule.points))

    def log_likelihood(points, beta, data):
        y, w = data["y"], points[:, 0]
        first, second = jnp.sum(y, axis=0)
        squared = w**2 + w**4
        return beta * (w * first + w**2 * second - 0.5 * y.shape[0] * squared) + log_noise(y, beta)

    def excess(w):
        return 0.5 * (w**2 - APEX + 0.5) ** 2

    regions = {
        "left": lambda points, beta, data: jnp.where(points[:, 0] < 0, 1.0, 0.0),
        "right": lambda points, beta, data: jnp.where(points[:, 0] >= 0, 1.0, 0.0),
    }
    return Model(
        name="misspecified-parabola",
        family="misspecified curve",
        density=density,
        simulate=simulate,
        dim=1,
        exact=None,
        optimum={"w": np.array(1.0)},
        singular=False,
        phases={"left": lambda w: w["w"] < 0, "right": lambda w: w["w"] >= 0},
        sufficient=repeated(lambda w: jnp.stack([w["w"], w["w"] ** 2])),
        excess_loss=lambda w: excess(w["w"]),
        integral=Integral(nodes, log_likelihood, route="1-D panels", regions=regions),
        population=Integral(nodes, lambda points, t, data: -t * excess(points[:, 0]), "1-D panels", regions),
        description="y ~ N((w, w²), I)",
        prior="w ~ N(0, 1)",
        truth="y ~ N((0, 3/2), I): outside the model, equally near to w = −1 and w = 1",
        note="Watanabe's condition of relatively finite variance fails: two optimal parameters stand for different "
        "densities. K alone would give λ = 1/2, but the log odds of the two wells are 2 Σ y_i1, normal of variance "
        "4 n, so F_n − n L_n(w0) moves by √n and no λ log n describes it. The posterior makes up its mind at random, "
        "more firmly the more data there are. Its exact value at finite n is known all the same.",
    )
