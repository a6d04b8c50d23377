"""One hidden layer of polynomial units (1 + b x)^p: the moments of the weights end with the p-th."""

from __future__ import annotations

import math

import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
from scipy.special import ndtr

from singular.errors import whole
from singular.models import coefficients
from singular.models.base import Data, Integral, Model, Nodes, family
from singular.models.draws import standard_normals
from singular.models.integrals.collapse import log_gaussian_block
from singular.models.networks import hidden_layer, unit_pairs
from singular.models.structure import LinearGaussian, NormalBlock, matrix_of
from singular.models.symmetries import centred_linear, exchange, silent_shift, swaps

ORDERS = (12, 9)
"""Order of the panels at level 0 and at level −1."""
HIGHEST = 8
"""Largest degree."""


@family
def polynomial_network(hidden: int, degree: int) -> Model:
    """Return y ~ N(Σ_h a_h (1 + b_h x)^p, 1) with a, b ~ N(0, I), x ~ U(−1, 1) and truth 0.

    Linear in 1, x, …, x^p with the moments Σ_h a_h b_h^j as coefficients: λ is that of the radial basis as long as
    H − 1 ≤ p (p + 1)/2, and (p + 1)/2 for more units (`coefficients.polynomial_network`). Sums of the data suffice,
    and a is integrated in closed form; half sum and half difference of two inner weights go to quadrature, and mean
    and spread of any number of them for p = 1.

    Phases, for two units: ``silent`` (|a_1 − a_2| < |b_1 − b_2|) and ``cancelling``.

    Parameters
    ----------
    hidden : int
        H. An oracle is there for H ≤ 2, and for every H if p = 1.
    degree : int
        p, from 1 to 8.

    Raises
    ------
    InputError
        If ``hidden`` is not a positive whole number or ``degree`` none from 1 to 8.

    Examples
    --------
    >>> polynomial_network(2, 3).exact.value, polynomial_network(2, 3).exact.multiplicity
    (Fraction(1, 1), 2)
    """
    whole("hidden", hidden, least=1)
    whole("degree", degree, least=1, most=HIGHEST)
    powers = np.arange(degree + 1)
    binomial = np.array([float(math.comb(degree, j)) for j in powers])

    def density(x, y=None):
        a = numpyro.sample("a", dist.Normal(0.0, 1.0).expand([hidden]).to_event(1))
        b = numpyro.sample("b", dist.Normal(0.0, 1.0).expand([hidden]).to_event(1))
        numpyro.sample("y", dist.Normal((1 + x[:, None] * b) ** degree @ a, 1.0), obs=y)

    def simulate(key, n: int) -> Data:
        first, y = standard_normals(key, n, 2).T
        return {"x": 2 * ndtr(first) - 1, "y": y}

    def covariates(data):
        return np.asarray(data["x"], dtype=np.float64)[:, None] ** powers

    def rows(b):
        """Return the coefficients of the units in the powers of x, (p + 1, H)."""
        return binomial[:, None] * b ** powers[:, None]

    def nodes(data: Data, level: int) -> Nodes:
        order = ORDERS[-level]
        return unit_pairs.one_unit_nodes(order) if hidden == 1 else unit_pairs.pair_nodes(order, data, hidden - 1)

    def turned(points):
        """Return the coefficients of the outer weights as they are turned at the nodes, (N, k, p + 1)."""
        if hidden == 1:
            return binomial * points[:, :, None] ** powers
        return binomial * (_pair(points, degree) if degree > 1 else _line(points, hidden))

    def sums(points, data):
        x, units = data["x"][:, None] ** powers, turned(points)
        return jnp.einsum("Nhi,ij,Nkj->Nhk", units, x.T @ x, units), units @ (x.T @ data["y"])

    x, weights = np.polynomial.legendre.leggauss(degree + 1)
    features = np.sqrt(weights[:, None] / 2) * x[:, None] ** powers

    def population(points, t, data):
        square = turned(points) @ features.T
        gram = jnp.einsum("Nhq,Nkq->Nhk", square, square)
        return log_gaussian_block(gram, jnp.zeros(gram.shape[:2]), t)

    small = hidden <= 2 or degree == 1
    power = "" if degree == 1 else "⁰¹²³⁴⁵⁶⁷⁸"[degree]
    over = {1: "1-D panels", 2: "2-D panels"}.get(hidden, "2-D panels over mean and spread of b")
    route = f"outer weights in closed form, {over}"
    return Model(
        name=f"polynomial-{hidden}-degree-{degree}",
        family="polynomial network",
        density=density,
        simulate=simulate,
        dim=2 * hidden,
        exact=coefficients.polynomial_network(hidden, degree),
        optimum={"a": np.zeros(hidden), "b": np.zeros(hidden)},
        phases=unit_pairs.pair_phases("b") if hidden == 2 else {},
        symmetries={
            "shift of inner weights that nothing hangs on": silent_shift("a", "b"),
            "exchange between units that share an inner weight": exchange("a", ["b"], "equal"),
            **({"GL(H − 1) off the means of a and of b": centred_linear("a", "b")} if hidden > 1 == degree else {}),
        },
        discrete_symmetries=swaps({"a": -1, "b": -1}, hidden),
        sufficient=LinearGaussian(covariates, matrix_of("y"), lambda w: (rows(w["b"]) @ w["a"])[:, None]),
        block=NormalBlock(
            "a", lambda w, x: x @ rows(w["b"]), lambda c: c[:, 0], covariates, matrix_of("y"), linear=True
        ),
        excess_loss=hidden_layer.excess_loss(
            lambda b, x: (1 + b[..., None] * x) ** degree, x, weights / 2, np.zeros_like(x)
        ),
        integral=Integral(
            nodes,
            unit_pairs.log_likelihood(sums),
            route=route,
            regions=unit_pairs.pair_regions(sums) if hidden == 2 else {},
        )
        if small
        else None,
        population=Integral(nodes, population, route=route) if small else None,
        description=f"y ~ N(Σ_h a_h (1 + b_h x){power}, 1)" if hidden > 1 else f"y ~ N(a (1 + b x){power}, 1)",
        prior="a_h, b_h ~ N(0, 1)",
        truth="y ~ N(0, 1), x ~ U(−1, 1)",
        note=_note(hidden, degree),
    )


def _pair(points, degree: int):
    """Return (b_1^j ± b_2^j)/√2, (N, 2, p + 1), at s, r = (b_1 ± b_2)/√2: the difference as r times a sum."""
    s, r = points[:, 0], points[:, 1]
    first, second = (s + r) / math.sqrt(2), (s - r) / math.sqrt(2)
    quotient = [jnp.zeros_like(s)]  # (b_1^j − b_2^j)/(b_1 − b_2)
    for j in range(1, degree + 1):
        quotient.append(quotient[-1] * first + second ** (j - 1))
    total = [(first**j + second**j) / math.sqrt(2) for j in range(degree + 1)]
    return jnp.stack([jnp.stack(total, axis=1), r[:, None] * jnp.stack(quotient, axis=1)], axis=1)


def _line(points, hidden: int):
    """Return (√H, s) and (0, r), (N, 2, 2): Σ_h a_h and Σ_h a_h b_h are z √H and z s + z′ r, z and z′ ~ N(0, 1)."""
    s, r = points[:, 0], points[:, 1]
    root = jnp.full_like(s, math.sqrt(hidden))
    return jnp.stack([jnp.stack([root, s], axis=1), jnp.stack([jnp.zeros_like(r), r], axis=1)], axis=1)


def _note(hidden: int, degree: int) -> str:
    if hidden == 1:
        return (
            "No inner weight silences the unit: the optimal set is the line a = 0 alone, without a crossing. The model "
            "is linear in powers of x, so that sums of the data suffice."
        )
    enough = (
        "so many that those of higher powers would change nothing"
        if 2 * (hidden - 1) <= degree * (degree + 1)
        else "so few that λ is half their number, which more units do not raise"
    )
    if degree == 1:
        enough += (
            ". Of what a and b differ from their means only the inner product counts, so that they may trade places"
        )
    if hidden == 2 and degree == 1:
        enough += ", and each phase has one half of every posterior"
    return (
        f"The coefficients of the polynomial are the moments Σ_h a_h b_h^j, j = 0 to {degree}, {enough}. "
        "The model is linear in powers of x, so that sums of the data suffice, and the outer weights are integrated "
        "out at a cost that does not grow with n."
    )
