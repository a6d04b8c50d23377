"""Factor analysis: a normal covariance of a few factors plus independent noise."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist

from singular.models.base import Data, Model, family
from singular.models.coefficients import factor_analysis as coefficient
from singular.models.draws import standard_normals
from singular.models.small_product import product
from singular.models.structure import Move, Sufficient
from singular.models.symmetries import communality, flips, rotation, swaps


@family
def factor_analysis(observed: int, factors: int, true_factors: int) -> Model:
    """Return y ~ N(0, Λ Λᵀ + Ψ) with N(0, 1) loadings and log variances, and a truth of fewer or as many factors.

    Λ (site ``loadings``) is observed × factors, log Ψ (site ``log_variances``) one number for each variable. The
    true loadings are cos(1 + i (j + 1)) for variable i = 0, 1, … and factor j, the true Ψ is I.

    The rows of Λ may be turned by any rotation of the factors, so more than one factor is singular even when all
    are true. Nothing has a closed form: there is no oracle.

    Phases, for one factor and a diagonal truth: ``on y1``, ``on y2``, …, the variable with the largest loading. On
    the optimal set all other loadings are 0.

    Parameters
    ----------
    observed, factors, true_factors : int

    Raises
    ------
    InputError
        As `singular.models.coefficients.factor_analysis`: where no exact coefficient is known.
    """
    exact = coefficient(observed, factors, true_factors)
    row, column = np.arange(observed)[:, None], np.arange(true_factors)
    true_loadings = np.cos(1.0 + row * (column + 1.0))
    true_covariance = true_loadings @ true_loadings.T + np.eye(observed)
    true_log_determinant = float(np.linalg.slogdet(true_covariance)[1])

    def density(y=None, n=1):
        loadings = numpyro.sample("loadings", dist.Normal(0.0, 1.0).expand([observed, factors]).to_event(2))
        log_variances = numpyro.sample("log_variances", dist.Normal(0.0, 1.0).expand([observed]).to_event(1))
        normal = dist.LowRankMultivariateNormal(jnp.zeros(observed), loadings, jnp.exp(log_variances))
        with numpyro.plate("observations", n if y is None else y.shape[0]):
            numpyro.sample("y", normal, obs=y)

    def simulate(key, n: int) -> Data:
        drawn = standard_normals(key, n, true_factors + observed)
        return {"y": drawn[:, :true_factors] @ true_loadings.T + drawn[:, true_factors:]}

    def excess_loss(w):
        loadings, variances = jnp.asarray(w["loadings"]), jnp.exp(jnp.asarray(w["log_variances"]))
        covariance = jnp.matmul(loadings, jnp.swapaxes(loadings, -1, -2)) + variances[..., None] * jnp.eye(observed)
        log_determinant = jnp.linalg.slogdet(covariance)[1]
        ratio = jnp.linalg.solve(covariance, jnp.broadcast_to(true_covariance, covariance.shape))
        trace = jnp.trace(ratio, axis1=-2, axis2=-1)
        return 0.5 * (trace - observed + log_determinant - true_log_determinant)

    phases: dict[str, Callable[..., Any]] = {}
    if factors == 1 and true_factors == 0:
        phases = {f"on y{i + 1}": partial(_largest, i) for i in range(observed)}
    spare = np.zeros((observed, factors - true_factors))
    return Model(
        name=f"factor-analysis-{observed}-{factors}-{true_factors}",
        family="factor analysis",
        density=density,
        simulate=simulate,
        dim=observed * (factors + 1),
        exact=exact,
        singular=factors > 1 or true_factors < factors,
        optimum={"loadings": np.hstack([true_loadings, spare]), "log_variances": np.zeros(observed)},
        phases=phases,
        symmetries={
            **({f"rotation of the {factors} factors": rotation("loadings", 1)} if factors > 1 else {}),
            "loading against noise, where a factor is on one variable alone": communality("loadings", "log_variances"),
        },
        discrete_symmetries={**swaps({"loadings": -1}, factors), **flips({"loadings": -1}, factors)},
        sufficient=Sufficient(_products, _nll),
        moves={"rotation of the factors": Move((), _rotated)} if factors > 1 else {},
        excess_loss=excess_loss,
        description=f"y ~ N(0, Λ Λᵀ + Ψ), Λ {observed} × {factors}, Ψ diagonal",
        prior="Λ_ij ~ N(0, 1), log Ψ_ii ~ N(0, 1)",
        truth=f"y ~ N(0, Λ Λᵀ + I) with {true_factors} factors" if true_factors else "y ~ N(0, I)",
        note=_note(factors, true_factors),
    )


def _products(data: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return YᵀY and n, as arrays."""
    y = np.asarray(data["y"], dtype=np.float64)
    return y.T @ y, np.array([float(len(y))])


def _nll(w: Any, sums: Any) -> Any:
    """Return ½ (n log |2π Σ| + tr Σ⁻¹ YᵀY) by Woodbury's identity, M = I + Λᵀ Ψ⁻¹ Λ."""
    products, n = (jnp.asarray(part) for part in sums)
    scaled = w["loadings"] * jnp.exp(-0.5 * w["log_variances"])[:, None]
    whitened = products * jnp.exp(-0.5 * (w["log_variances"][:, None] + w["log_variances"]))
    root = jnp.linalg.cholesky(jnp.eye(scaled.shape[1]) + product(scaled.T, scaled))
    half = jax.scipy.linalg.solve_triangular(root, scaled.T, lower=True)
    explained = jnp.sum(product(half, whitened) * half)
    log_determinant = jnp.sum(w["log_variances"]) + 2 * jnp.sum(jnp.log(jnp.diag(root)))
    size = scaled.shape[0] * jnp.log(2 * jnp.pi)
    return 0.5 * (jnp.sum(n) * (size + log_determinant) + jnp.trace(whitened) - explained)


def _rotated(key: Any, w: Any, beta: Any, sums: Any) -> dict[str, Any]:
    """Turn the factors by a uniform rotation, which neither likelihood nor prior sees."""
    return {"loadings": w["loadings"] @ jax.random.orthogonal(key, w["loadings"].shape[1], dtype=w["loadings"].dtype)}


def _largest(index: int, w: Any) -> Any:
    return jnp.argmax(abs(w["loadings"][..., 0]), axis=-1) == index


def _note(factors: int, true_factors: int) -> str:
    if factors == true_factors:
        return (
            "All factors are real. With one factor the model is regular but for the sign of the loadings; with more, "
            "regular once the rotation of the factors is divided out. A control for the over-fitted ones."
        )
    return (
        "A spare factor is seen only through products of its loadings, which the noise variances absorb on the "
        "diagonal: a loading on one variable alone costs nothing, and each spare loading adds 1/4 to λ instead of 1/2. "
        "Choosing the number of factors by BIC therefore asks too much of the larger model."
    )
