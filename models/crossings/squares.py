"""Regression with every coefficient a square: a diagonal network with tied weights."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist

from singular.models.base import Data, Integral, Model, Nodes, family
from singular.models.coefficients import squares as coefficient
from singular.models.draws import standard_normals
from singular.models.integrals import rules
from singular.models.integrals.collapse import log_noise
from singular.models.structure import regression
from singular.models.symmetries import flips


@family
def squares_regression(terms: int, nonzero: int) -> Model:
    """Return y ~ N(Σ_j u_j² x_j, 1) with u ~ N(0, I_J), x ~ N(0, I_J).

    Of the J true coefficients the first s are 1, 1/2, 1/3, …, the others 0. λ = s/2 + (J − s)/4, m = 1. The
    likelihood is even in each u_j. Phases, for s = 1: the two signs of u_1.

    Parameters
    ----------
    terms, nonzero : int
        J, and s from 0 to J. An oracle is there for J ≤ 2.

    Raises
    ------
    InputError
        If an argument is out of range.
    """
    exact = coefficient(terms, nonzero)
    truth = np.array([1.0 / (j + 1) if j < nonzero else 0.0 for j in range(terms)])

    def density(x, y=None):
        u = numpyro.sample("u", dist.Normal(0.0, 1.0).expand([terms]).to_event(1))
        numpyro.sample("y", dist.Normal(x @ u**2, 1.0), obs=y)

    def simulate(key, n: int) -> Data:
        drawn = standard_normals(key, n, terms + 1)
        x = drawn[:, :terms]
        return {"x": x, "y": x @ truth + drawn[:, terms]}

    def around(peaks: np.ndarray, finest: float, level: int) -> Nodes:
        lines = [rules.panels(_edges(peak, finest), (14, 10)[-level]) for peak in peaks]
        fold = terms * np.log(2.0)
        return Nodes(*rules.tensor(*lines, log_density=lambda *u: rules.log_normal_density(*u) + fold))

    def nodes(data: Data, level: int) -> Nodes:
        fitted, *_ = np.linalg.lstsq(data["x"], data["y"])
        return around(np.sqrt(np.maximum(fitted, 0.0)), 0.5 / np.sqrt(rules.observations(data["x"]) + 1.0), level)

    def population_nodes(data: Data, level: int) -> Nodes:
        return around(np.sqrt(truth), 2.0**-22, level)

    def log_likelihood(points, beta, data):
        x, y = data["x"], data["y"]
        c = points**2
        return beta * (c @ (x.T @ y) - 0.5 * jnp.einsum("Ni,ij,Nj->N", c, x.T @ x, c)) + log_noise(y, beta)

    def excess(u):
        return 0.5 * jnp.sum((u**2 - truth) ** 2, axis=-1)

    def population(points, t, data):
        return -t * excess(points)

    halves = {"u1>0": lambda w: w["u"][..., 0] > 0, "u1<0": lambda w: w["u"][..., 0] <= 0}
    phases = halves if nonzero == 1 else {}
    regions = {name: lambda points, beta, data: jnp.full(points.shape[0], 0.5) for name in phases}
    return Model(
        name=f"squares-{terms}-{nonzero}",
        family="squares regression",
        density=density,
        simulate=simulate,
        dim=terms,
        exact=exact,
        optimum={"u": np.sqrt(truth)},
        singular=nonzero < terms,
        phases=phases,
        discrete_symmetries=flips({"u": -1}, terms),
        sufficient=regression(lambda w: (w["u"] ** 2)[:, None]),
        excess_loss=lambda w: excess(w["u"]),
        integral=Integral(nodes, log_likelihood, f"{terms}-D panels", regions) if terms <= 2 else None,
        population=Integral(population_nodes, population, f"{terms}-D panels") if terms <= 2 else None,
        description="y ~ N(Σ_j u_j² x_j, 1)",
        prior="u ~ N(0, I)",
        truth=f"u² = ({', '.join(f'{c:g}' for c in truth)}), x ~ N(0, I)",
        note="A coefficient that is truly 0 costs 1/4 and one that is not costs 1/2: sparse truths are preferred "
        "without any sparse prior. The true coefficient sits on the edge of what squares can reach, so its maximum "
        "likelihood estimate is exactly 0 for half of all data sets. Each nonzero coefficient doubles the number of "
        "optima by a sign, and a chain must visit both.",
    )


def _edges(peak: float, finest: float) -> np.ndarray:
    """Return panel edges on (0, 9) graded towards 0 and towards the peak."""
    graded = rules.graded_edges(finest, 0.5)
    wide = np.array([0.0, 0.75, 1.0, 1.5, 2.0, 3.0, 4.5, 6.5, 9.0])
    edges = np.unique(np.concatenate([graded, wide, peak - graded, peak + graded]))
    edges = edges[(edges >= 0) & (edges <= 9)]
    return edges[np.concatenate([[True], np.diff(edges) > 1e-3 * finest])]
