"""Linear regression on inputs that are linear functions of fewer: a singular model with nothing to it."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
from scipy.linalg import null_space

from singular.errors import whole
from singular.models.base import Data, Integral, Model, family
from singular.models.coefficients import rank_deficient
from singular.models.draws import standard_normals
from singular.models.integrals.closed_form import log_gaussian_population, one_node
from singular.models.integrals.collapse import log_gaussian_block, log_noise
from singular.models.structure import regression
from singular.models.symmetries import translation


@family
def rank_deficient_regression(p: int, rank: int) -> Model:
    """Return y ~ N(x·w, 1) with w ~ N(0, I_p) and inputs of which only ``rank`` are independent.

    The first ρ inputs are independent N(0, 1), each of the others is their sum over √ρ; with p = 2, ρ = 1 the
    second input is a copy of the first. The truth is w0 = (1, −1/2, …) on the first ρ and 0 on the others.
    λ = ρ/2, and the evidence is a Gaussian integral at every β.

    Parameters
    ----------
    p, rank : int
        p parameters, and ρ from 1 to p − 1.

    Raises
    ------
    InputError
        If a size is out of range.
    """
    exact = rank_deficient(rank)
    whole("p", p, least=rank + 1)
    mixing = np.vstack([np.eye(rank), np.full((p - rank, rank), rank**-0.5)])
    truth = np.array([(-1.0) ** j / (j + 1) if j < rank else 0.0 for j in range(p)])
    curvatures, vectors = np.linalg.eigh(mixing @ mixing.T)
    curvatures[: p - rank] = 0.0

    def density(x, y=None):
        w = numpyro.sample("w", dist.Normal(0.0, 1.0).expand([p]).to_event(1))
        numpyro.sample("y", dist.Normal(x @ w, 1.0), obs=y)

    def simulate(key, n: int) -> Data:
        drawn = standard_normals(key, n, rank + 1)
        x = drawn[:, :rank] @ mixing.T
        return {"x": x, "y": x @ truth + drawn[:, rank]}

    def log_likelihood(points, beta, data):
        x, y = data["x"], data["y"]
        block = log_gaussian_block(x.T @ x, x.T @ y, beta)
        return jnp.broadcast_to(block + log_noise(y, beta), points.shape[:1])

    def population(points, t, data):
        return jnp.broadcast_to(log_gaussian_population(curvatures, truth @ vectors, t), points.shape[:1])

    def excess_loss(w):
        return 0.5 * jnp.sum(((w["w"] - truth) @ mixing) ** 2, axis=-1)

    return Model(
        name=f"rank-deficient-{p}-{rank}",
        family="rank-deficient regression",
        density=density,
        simulate=simulate,
        dim=p,
        exact=exact,
        optimum={"w": truth},
        symmetries={"null space of the inputs": translation("w", null_space(mixing.T).T)},
        sufficient=regression(lambda w: w["w"][:, None]),
        excess_loss=excess_loss,
        integral=Integral(one_node, log_likelihood, route="closed form"),
        population=Integral(one_node, population, route="closed form"),
        description="y ~ N(x·w, 1), E[x xᵀ] of rank ρ < p",
        prior="w ~ N(0, I)",
        truth="w = (1, −1/2, …) on ρ independent inputs x ~ N(0, I), 0 on their copies",
        note="The optimal set is a flat of dimension p − ρ without any corner: the Fisher information is degenerate, "
        "yet λ = ρ/2 is just half its rank. Counting parameters, as BIC does, is wrong here, but no blow-up is "
        "needed to see by how much.",
    )
