"""A normal distribution with unknown mean and covariance under the conjugate prior."""

from __future__ import annotations

import math

import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
from jax.scipy.special import gammaln

from singular.errors import whole
from singular.models.base import Data, Integral, Model, family
from singular.models.coefficients import regular
from singular.models.draws import standard_normals
from singular.models.integrals.closed_form import one_node, stirling_remainder

CONFIDENCE = 0.5
"""κ: the mean has this many observations' worth of prior."""


@family
def normal_unknown_covariance(p: int) -> Model:
    """Return y ~ N(μ, Λ⁻¹) with Λ ~ Wishart(p + 2, I) and μ | Λ ~ N(0, (κ Λ)⁻¹), κ = 1/2.

    Λ = T Tᵀ with T lower triangular (site ``T``), and μ is site ``mu``. λ = d/2, d = p + p (p + 1) / 2. The prior
    is conjugate (Bishop 2006, Pattern Recognition and Machine Learning, section 2.3.6), at every β.

    Parameters
    ----------
    p : int
        Dimension of an observation; p = 1 is a normal with unknown mean and variance.

    Raises
    ------
    InputError
        If ``p`` is not a positive integer.
    """
    whole("p", p, least=1)
    dim = p + p * (p + 1) // 2
    freedom, kappa = p + 2.0, CONFIDENCE
    centre = np.array([(-1.0) ** j / (j + 1) for j in range(p)])
    covariance = 0.6 * np.eye(p) + 0.4
    factor = np.linalg.cholesky(covariance)
    variances, vectors = np.linalg.eigh(covariance)
    log_variance = float(np.sum(np.log(variances)))

    def density(y=None, n=1):
        root = jnp.asarray(numpyro.sample("T", dist.WishartCholesky(freedom, scale_tril=jnp.eye(p))))
        noise = dist.MultivariateNormal(jnp.zeros(p), precision_matrix=kappa * root @ root.T)
        mu = numpyro.sample("mu", noise)
        with numpyro.plate("observations", n if y is None else y.shape[0]):
            numpyro.sample("y", dist.MultivariateNormal(mu, precision_matrix=root @ root.T), obs=y)

    def simulate(key, n: int) -> Data:
        return {"y": centre + standard_normals(key, n, p) @ factor.T}

    def log_likelihood(points, beta, data):
        y = data["y"]
        count = beta * y.shape[0]
        mean = jnp.mean(y, axis=0)
        scatter = (y - mean).T @ (y - mean)
        shift = kappa * count / (kappa + count)
        scale = jnp.eye(p) + beta * scatter + shift * mean[:, None] * mean
        after = freedom + count
        gammas = sum(gammaln((after - i) / 2) - gammaln((freedom - i) / 2) for i in range(p))
        log_z = gammas - 0.5 * after * jnp.linalg.slogdet(scale)[1] - 0.5 * count * p * math.log(math.pi)
        return jnp.broadcast_to(log_z + 0.5 * p * jnp.log(kappa / (kappa + count)), points.shape[:1])

    def population(points, t, data):
        """The same with every sum at its mean, less t times the entropy; by Stirling, so that nothing cancels."""
        after = freedom + t
        log_z = 0.5 * p * jnp.log(kappa / (kappa + t)) - 0.5 * freedom * (log_variance + p * math.log(2) + p)
        for i in range(p):
            z = (after - i) / 2
            log_z += (z - 0.5) * jnp.log1p(-i / after) - 0.5 * (i + 1) * jnp.log(after / 2) + 0.5 * i
            log_z += stirling_remainder(z) + 0.5 * math.log(2 * math.pi) - math.lgamma((freedom - i) / 2)
        along = jnp.sum((centre @ vectors) ** 2 / (1 + t * variances))
        spread = jnp.sum(jnp.log1p((1 / variances - freedom) / after)) + jnp.log1p(kappa * t / (kappa + t) * along)
        return jnp.broadcast_to(log_z - 0.5 * after * spread, points.shape[:1])

    def excess_loss(w):
        mu, root = w["mu"], w["T"]
        halves = jnp.swapaxes(root, -1, -2) @ factor
        offset = jnp.einsum("...ji,...j->...i", root, mu - centre)
        log_det = 2 * jnp.sum(jnp.log(jnp.diagonal(root, axis1=-2, axis2=-1)), axis=-1) + log_variance
        return 0.5 * (jnp.sum(halves**2, axis=(-1, -2)) - p - log_det + jnp.sum(offset**2, axis=-1))

    return Model(
        name=f"normal-mean-covariance-{p}" if p > 1 else "normal-mean-variance",
        family="normal distribution",
        density=density,
        simulate=simulate,
        dim=dim,
        exact=regular(dim),
        optimum={"T": np.linalg.cholesky(np.linalg.inv(covariance)), "mu": centre},
        singular=False,
        excess_loss=excess_loss,
        integral=Integral(one_node, log_likelihood, route="closed form"),
        population=Integral(one_node, population, route="closed form"),
        description="y ~ N(μ, (T Tᵀ)⁻¹), T lower triangular",
        prior="T Tᵀ ~ Wishart(p + 2, I), μ ~ N(0, 2 (T Tᵀ)⁻¹)",
        truth="y ~ N((1, −1/2, 1/3, …), 0.6 I + 0.4 · 1 1ᵀ)",
        note="A regular control with scale parameters: a constraint, a heavy-tailed nL_n under the prior, and a closed "
        "form for the evidence at every β all the same.",
    )
