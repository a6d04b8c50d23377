"""Normal mixtures of H components of unit variance, fitted to r of them."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import product
from typing import Any

import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist

from singular.errors import InputError, whole
from singular.models import coefficients
from singular.models.base import Data, Integral, Model, Nodes, family
from singular.models.integrals import rules
from singular.models.mixtures.normal_components import (
    SPREAD,
    excess_over_mixture,
    excess_over_one,
    observe,
    pair_log_likelihood,
    simulate_normals,
)
from singular.models.symmetries import exchange, swaps

CLOSE = 0.25
"""A component is at a true one if it is nearer than this part of their smallest distance (of 2 if there is one)."""


@family
def normal_mixture(components: int, true_means: Sequence[float] = (0.0,)) -> Model:
    """Return y ~ Σ_j a_j N(b_j, 1), a ~ Dirichlet(1, …, 1), b_j ~ N(0, 2²), fitted to r components.

    The truth gives the r means equal weights. λ = (3 r + H − 2) / 4, m = 1. Phases are told by how many
    components are at each true mean; one that is at none must be dead. With H = r = 2 they are the two labellings.

    Parameters
    ----------
    components : int
        H, at least r.
    true_means : sequence of float
        Distinct, ascending, in standard deviations of the noise.

    Raises
    ------
    InputError
        If the true means are not ascending and finite, or more than ``components``.

    Examples
    --------
    >>> normal_mixture(3).exact.value, normal_mixture(3).dim
    (Fraction(1, 1), 5)
    """
    centres = np.asarray(true_means, dtype=float)
    if centres.ndim != 1 or not centres.size or not np.isfinite(centres).all() or not (np.diff(centres) > 0).all():
        raise InputError(f"true_means={list(true_means)!r}: allowed are finite numbers in ascending order")
    r = len(centres)
    h = whole("components", components, least=r)

    def density(y=None, n=1):
        weights = numpyro.sample("weights", dist.Dirichlet(jnp.ones(h)))
        means = numpyro.sample("means", dist.Normal(0.0, SPREAD).expand([h]).to_event(1))
        observe(jnp.log(weights), means, y, n)

    def excess_loss(w):
        logs = jnp.log(w["weights"])
        if r == 1:
            return excess_over_one(logs, w["means"] - centres[0])
        return excess_over_mixture(logs, w["means"], centres)

    at = np.minimum(np.arange(h), r - 1)
    weights = np.array([1 / (r * np.sum(at == k)) for k in at])
    return Model(
        name=f"mixture-{h}-{r}",
        family="normal mixture",
        density=density,
        simulate=simulate_normals(centres),
        dim=2 * h - 1,
        exact=coefficients.normal_mixture(h, r),
        singular=h > r,
        optimum={"weights": weights, "means": centres[at]},
        phases=_labellings() if h == r == 2 else _occupations(h, centres),
        symmetries={"exchange between components that agree": exchange("weights", ["means"], "equal")},
        discrete_symmetries=swaps({"weights": -1, "means": -1}, h),
        excess_loss=excess_loss,
        integral=_two_apart() if h == r == 2 else None,
        description="y ~ " + " + ".join(f"a{j + 1} N(b{j + 1}, 1)" for j in range(h)),
        prior="a ~ Dirichlet(1, …, 1), b_j ~ N(0, 2²)",
        truth="y ~ " + " + ".join((f"1/{r} " if r > 1 else "") + f"N({c:g}, 1)" for c in centres),
        note="As many components as the truth has: a regular model but for the labels, whose two orders are two "
        "posterior modes of equal mass."
        if h == r
        else "Each spare component may be dead or merged with any true one; all these parts of the optimal set meet, "
        "and each spare component adds 1/4 to λ where it has 2 parameters.",
    )


def _labellings() -> dict[str, Callable[[Any], Any]]:
    return {
        "first lower": lambda w: w["means"][..., 0] < w["means"][..., 1],
        "second lower": lambda w: w["means"][..., 0] >= w["means"][..., 1],
    }


def _occupations(h: int, centres: np.ndarray) -> dict[str, Callable[[Any], Any]]:
    """Return phases by the number of components at each true mean, at least one at each."""
    if h == len(centres):
        return {}
    radius = CLOSE * (float(np.diff(centres).min()) if len(centres) > 1 else 2.0)

    def holds(counts):
        def phase(w):
            near = abs(w["means"][..., None] - centres) < radius
            return (near.sum(axis=-2) == np.array(counts)).all(axis=-1)

        return phase

    phases = {}
    for counts in product(range(1, h + 1), repeat=len(centres)):
        dead = h - sum(counts)
        if dead >= 0:
            places = ", ".join(f"{k} at {c:g}" for k, c in zip(counts, centres, strict=True))
            phases[places + (f", {dead} dead" if dead else "")] = holds(counts)
    return phases


def _two_apart() -> Integral:
    """Return the oracle of two components: the log odds, the midpoint and the distance about their best values."""

    def nodes(data: Data, level: int) -> Nodes:
        weight, upper, lower = _expectation_maximisation(data["y"])
        gap, scale = upper - lower, 2 / math.sqrt(len(data["y"]) + 1.0)
        away = scale * np.array([1.0, 3.0, 7.0])
        edges = np.concatenate([[0.0, 1.0, 2.0, 3.0, 4.0, 5.5, 7.5, 10.0, 14.0, 20.0], gap - away, gap + away, [gap]])
        edges = np.unique(edges[(edges >= 0) & (edges <= 20)])

        def log_density(logit, middle, distance):
            log_prior = rules.log_normal_density(middle - distance / 2, middle + distance / 2, scale=SPREAD)
            return log_prior - np.logaddexp(0.0, logit) - np.logaddexp(0.0, -logit) + math.log(2.0)

        points, log_weights = rules.tensor(
            rules.whole_line((0.27, 0.3)[-level], math.log(weight / (1 - weight)), scale, reach=30.0),
            rules.whole_line((0.23, 0.26)[-level], (upper + lower) / 2, scale / 2, reach=7 * SPREAD),
            rules.panels(edges, (7, 6)[-level]),
            log_density=log_density,
        )
        keep = log_weights > log_weights.max() - 40.0
        logit, middle, distance = points[keep].T
        return Nodes(np.stack([logit, middle + distance / 2, middle - distance / 2], axis=1), log_weights[keep])

    def log_likelihood(points, beta, data):
        return beta * pair_log_likelihood(points[:, 0], points[:, 1], points[:, 2], data["y"])

    def half(points, beta, data):
        return jnp.full(points.shape[0], 0.5)

    return Integral(
        nodes,
        log_likelihood,
        route="3-D: panels in the distance, double exponential in the log odds and the midpoint",
        regions={"first lower": half, "second lower": half},
    )


def _expectation_maximisation(y: np.ndarray, steps: int = 60) -> tuple[float, float, float]:
    """Return a weight, a mean and a lower mean near the best two components: where nodes are to be dense."""
    weight, upper, lower = 0.5, float(np.mean(y) + np.std(y) / 2), float(np.mean(y) - np.std(y) / 2)
    for _ in range(steps):
        d = math.log(weight / (1 - weight)) + 0.5 * (y - lower) ** 2 - 0.5 * (y - upper) ** 2
        share = 1 / (1 + np.exp(-np.clip(d, -500, 500)))
        weight = float(np.clip(np.mean(share), 0.02, 0.98))
        upper = float(np.sum(share * y) / np.maximum(np.sum(share), 1e-9))
        lower = float(np.sum((1 - share) * y) / np.maximum(np.sum(1 - share), 1e-9))
    return (weight, upper, lower) if upper >= lower else (1 - weight, lower, upper)
