"""Reduced-rank regression, a linear network of one hidden layer."""

from __future__ import annotations

import math

import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
from scipy.stats import qmc

from singular.models.base import Data, Integral, Model, Nodes, family
from singular.models.coefficients import reduced_rank as coefficient
from singular.models.collapse import log_gaussian_block, log_noise
from singular.models.draws import standard_normals

REPLICATES = 16
LOG2_POINTS = 15
"""Each of the independently scrambled Sobol' sequences has 2 ** LOG2_POINTS points."""
REACH = 6.5
"""Largest coordinate, in prior standard deviations."""


@family
def reduced_rank(inputs: int, outputs: int, hidden: int, rank: int) -> Model:
    """Return y ~ N(B A x, I) with standard normal A, B, x and a fixed true matrix of the given rank.

    A (site ``A``) is hidden × inputs, B (site ``B``) outputs × hidden; the true matrix has singular
    values 1, 1/2, 1/3, … up to its rank, on directions that no coordinate axis singles out. B is
    integrated in closed form. What is left depends on AᵀA alone, and for hidden = 2, inputs = 3 is a
    5-dimensional integral, done by randomised quasi-Monte Carlo in coordinates that follow the
    posterior's ridge; other sizes have no oracle.

    Parameters
    ----------
    inputs, outputs, hidden, rank : int

    Raises
    ------
    InputError
        As `singular.models.coefficients.reduced_rank`.
    """
    exact = coefficient(inputs, outputs, hidden, rank)
    right, left = _frame(inputs)[:, :rank], _frame(outputs)[:, :rank]
    strengths = 1.0 / np.arange(1, rank + 1)
    truth = (left * strengths) @ right.T

    def density(x, y=None):
        a = numpyro.sample("A", dist.Normal(0.0, 1.0).expand([hidden, inputs]).to_event(2))
        b = numpyro.sample("B", dist.Normal(0.0, 1.0).expand([outputs, hidden]).to_event(2))
        numpyro.sample("y", dist.Normal(x @ jnp.matmul(b, a).T, 1.0).to_event(1), obs=y)

    def simulate(key, n: int) -> Data:
        drawn = standard_normals(key, n, inputs + outputs)
        x = drawn[:, :inputs]
        return {"x": x, "y": x @ truth.T + drawn[:, inputs:]}

    def nodes(data: Data, level: int) -> Nodes:
        return _ridge_nodes(data["x"], data["y"], LOG2_POINTS + level)

    def log_likelihood(points, beta, data):
        x, y = data["x"], data["y"]
        a = points.reshape(-1, hidden, inputs)
        gram = jnp.einsum("Nhi,ij,Nkj->Nhk", a, x.T @ x, a)
        return log_gaussian_block(gram, a @ (x.T @ y), beta) + log_noise(y, beta)

    optimum = None
    if hidden >= rank:
        idle = hidden - rank
        optimum = {
            "A": np.vstack([np.sqrt(strengths)[:, None] * right.T, np.zeros((idle, inputs))]),
            "B": np.hstack([left * np.sqrt(strengths), np.zeros((outputs, idle))]),
        }
    route = f"B in closed form, 5-D scrambled Sobol', {REPLICATES} replicates of 2^{LOG2_POINTS}"
    return Model(
        name=f"reduced-rank-{inputs}-{outputs}-{hidden}-{rank}",
        family="reduced-rank regression",
        density=density,
        simulate=simulate,
        dim=hidden * (inputs + outputs),
        exact=exact,
        optimum=optimum,
        integral=Integral(nodes, log_likelihood, route) if (hidden, inputs) == (2, 3) else None,
        description="y ~ N(B A x, I), A hidden × inputs, B outputs × hidden",
    )


def _frame(size: int) -> np.ndarray:
    """Return a fixed orthonormal basis as columns, the first along (1, 1, …, 1)."""
    grid = np.vander(np.linspace(-1.0, 1.0, size) if size > 1 else np.ones(1), increasing=True)
    q, r = np.linalg.qr(grid)
    return q * np.sign(np.diag(r))


def _ridge_nodes(x: np.ndarray, y: np.ndarray, log2_points: int) -> Nodes:
    """Draw A up to rotation of its two rows, in a basis whose first axis the data single out.

    In that basis A is (r, p; 0, q) with r and s = |q| Rayleigh and the angle of q uniform; p has a part
    along q and one across it, standard normal. The data hold the part across q to O((β n)^(−1/2)), and
    s, when it is small, the part along it. Each coordinate is scale · sinh of a uniform, so every scale
    between the two ends is met about equally often, at every β.
    """
    n = len(x)
    fitted, *_ = np.linalg.lstsq(x, y)
    basis = np.linalg.svd(fitted)[0]
    narrow = 1.0 / math.sqrt(n + 1.0)
    blocks, weights = [], []
    for replicate in range(REPLICATES):
        u = qmc.Sobol(5, scramble=True, rng=np.random.default_rng([20050901, replicate])).random_base2(log2_points)
        r, log_r = _stretched(u[:, 0], 0.7, linear=1.0)
        s, log_s = _stretched(u[:, 1], narrow)
        along, log_along = _stretched(u[:, 2], 3 * narrow, signed=True)
        across, log_across = _stretched(u[:, 3], narrow, signed=True)
        angle = math.pi * u[:, 4]
        cosine, sine, zero = np.cos(angle), np.sin(angle), np.zeros_like(angle)
        top = np.stack([r, along * cosine - across * sine, along * sine + across * cosine], axis=1)
        bottom = np.stack([zero, s * cosine, s * sine], axis=1)
        blocks.append(np.concatenate([top @ basis.T, bottom @ basis.T], axis=1))
        log_prior = np.log(r) + np.log(s) - 0.5 * (r**2 + s**2 + along**2 + across**2) - math.log(2 * math.pi)
        weights.append(log_prior + log_r + log_s + log_along + log_across)
    log_weights = np.concatenate(weights) - math.log(REPLICATES) - log2_points * math.log(2.0)
    return Nodes(np.concatenate(blocks), log_weights, REPLICATES)


def _stretched(u: np.ndarray, scale: float, signed: bool = False, linear: float = 0.6) -> tuple[np.ndarray, np.ndarray]:
    """Return scale · sinh(t) out to ``REACH``, and log |d/du|, for u uniform on (0, 1).

    t is a cubic in u with the given share of its linear term: below 1, small values, where the
    posterior is, are met more often.
    """
    v = 2 * u - 1 if signed else u
    extent = math.asinh(REACH / scale)
    t = extent * (linear * v + (1 - linear) * v**3)
    slope = extent * (linear + 3 * (1 - linear) * v**2) * (2.0 if signed else 1.0)
    return scale * np.sinh(t), np.log(scale * np.cosh(t) * slope)
