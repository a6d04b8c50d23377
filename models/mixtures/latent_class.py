"""A latent class model: binary features that are independent given a hidden binary class (naive Bayes)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import product

import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
from scipy.special import expit, log_expit, logit, ndtri

from singular.errors import InputError
from singular.models import coefficients
from singular.models.base import Data, Integral, Model, Nodes, family
from singular.models.draws import standard_normals
from singular.models.integrals import rules
from singular.models.mixtures.ratios import divergence, pair_log_weights
from singular.models.symmetries import agree, exchanged, free_where

FARTHEST = 38.0
"""Largest sum or difference of two logits that nodes reach: a weight of exp(−38) is left out."""


@family
def latent_class(probabilities: Sequence[float] = (0.3, 0.6)) -> Model:
    """Return n binary features from two hidden classes, when in truth the features are independent.

    P(y) = a Π b_i^y_i (1 − b_i)^(1−y_i) + (1 − a) Π c_i^y_i (1 − c_i)^(1−y_i), all uniform on (0, 1), d = 2 n + 1.
    λ = (n + 1)/2; for two features m = 3. With two features the table is its two means and their covariance
    v = a (1 − a)(b_1 − c_1)(b_2 − c_2), whose prior density has a closed form: the oracle is three-dimensional.

    Parameters
    ----------
    probabilities : sequence of float
        P(y_i = 1) in truth, two to eight numbers strictly between 0 and 1.

    Raises
    ------
    InputError
        If they are not.
    """
    p = np.asarray(probabilities, dtype=float)
    if p.ndim != 1 or not 2 <= p.size <= 8 or not ((p > 0) & (p < 1)).all():
        raise InputError(f"probabilities={list(probabilities)!r}: allowed are two to eight strictly between 0 and 1")
    n_features = len(p)
    cells = np.array(list(product([0.0, 1.0], repeat=n_features)))
    truth = np.prod(np.where(cells == 1, p, 1 - p), axis=1)

    def density(y=None, n=1):
        a = jnp.asarray(numpyro.sample("a", dist.Uniform(0.0, 1.0)))
        b = numpyro.sample("b", dist.Uniform(0.0, 1.0).expand([n_features]).to_event(1))
        c = numpyro.sample("c", dist.Uniform(0.0, 1.0).expand([n_features]).to_event(1))
        choice = dist.Categorical(logits=jnp.stack([jnp.log(a), jnp.log1p(-a)]))
        components = dist.Bernoulli(probs=jnp.stack([b, c])).to_event(1)
        with numpyro.plate("observations", n if y is None else y.shape[0]):
            numpyro.sample("y", dist.MixtureSameFamily(choice, components), obs=y)

    def simulate(key, n: int) -> Data:
        return {"y": (standard_normals(key, n, n_features) < ndtri(p)).astype(np.float64)}

    def excess_loss(w):
        classes = jnp.stack([w["b"], w["c"]], axis=-2)[..., None, :, :]  # (..., cell, class, feature)
        on, off = jnp.log(classes) - jnp.log(p), jnp.log1p(-classes) - jnp.log1p(-p)
        log_ratios = jnp.sum(jnp.where(cells[:, None, :] == 1, on, off), axis=-1)
        return divergence(pair_log_weights(jnp.log(w["a"]) - jnp.log1p(-w["a"])), log_ratios, truth)

    two = n_features == 2
    return Model(
        name=f"latent-class-{n_features}",
        family="latent class",
        density=density,
        simulate=simulate,
        dim=2 * n_features + 1,
        exact=coefficients.naive_bayes(n_features),
        optimum={"a": np.array(0.5), "b": p.copy(), "c": p.copy()},
        symmetries={"weight, where the components agree": free_where("a", agree("b", "c"))},
        discrete_symmetries={"swap of the components": exchanged("b", "c", weight="a")},
        excess_loss=excess_loss,
        integral=_table_oracle() if two else None,
        population=_table_population(p) if two else None,
        description="y ~ a Π_i Bernoulli(b_i) + (1 − a) Π_i Bernoulli(c_i)",
        prior="a, b_i, c_i ~ U(0, 1)",
        truth="y_i ~ Bernoulli(p_i), independent, p = " + ", ".join(f"{q:g}" for q in p),
        note="Independence can be had by a class of weight 0 (two ways) or by classes that agree on all features but "
        "one. With two features all these sheets meet in one point and v is a product of three factors: m = 3.",
    )


def _tables(means: tuple[float, float], width: float, across_order: int, step: float, depth: rules.Rule) -> Nodes:
    """Return nodes (P00, P01, P10, P11) of the 2 × 2 tables under the prior.

    The means enter by the sum s and the difference d of their logits. For v > 0, with v₊ = min(m_1 (1 − m_2),
    m_2 (1 − m_1)) and T = log(v₊ / v), the density of v is 2 T (T + |d|): given the means, u_i = b_i − c_i is uniform
    on an interval, log of the product of its ends and of a (1 − a) is piecewise linear in the logit of a, and
    d(logit a) = da / (a (1 − a)). For v < 0 one feature is turned round, which swaps s and d.
    """
    sheets = []
    for sign in (1, -1):
        along = logit(means[0]) + sign * logit(means[1])
        across = logit(means[0]) - sign * logit(means[1])
        steps = width * 3.0 ** np.arange(math.ceil(math.log(FARTHEST / width, 3)) + 1)
        edges = np.concatenate([[0.0, across], across - steps, across + steps])
        edges = np.unique(np.clip(edges, -FARTHEST, FARTHEST))

        def log_density(s, d, t):
            x, y = (s + d) / 2, (s - d) / 2
            log_top = log_expit(-abs(d) / 2 + s / 2) + log_expit(-abs(d) / 2 - s / 2)
            jacobian = log_expit(x) + log_expit(-x) + log_expit(y) + log_expit(-y) - math.log(2.0)
            return jacobian + log_top - t + np.log(2 * t * (t + abs(d)))

        points, log_weights = rules.tensor(
            rules.whole_line(step, along, width, reach=FARTHEST),
            rules.panels(edges, across_order),
            depth,
            log_density=log_density,
        )
        keep = log_weights > log_weights.max() - 36.0
        s, d, t = points[keep].T
        first, second = expit((s + d) / 2), expit((s - d) / 2)
        top = expit(-abs(d) / 2 + s / 2) * expit(-abs(d) / 2 - s / 2)
        less = top * -np.expm1(-t)  # v₊ − v
        v = top * np.exp(-t)
        # the smaller of P10 and P01 is v₊ − v exactly; nothing cancels
        p10 = np.where(d < 0, less, first - second + less)
        p01 = np.where(d < 0, second - first + less, less)
        p11, p00 = first * second + v, (1 - first) * (1 - second) + v
        table = [p00, p01, p10, p11] if sign == 1 else [p01, p00, p11, p10]
        sheets.append(Nodes(np.stack([*table, sign * v], axis=1), log_weights[keep]))
    return Nodes(np.concatenate([s.points for s in sheets]), np.concatenate([s.log_weights for s in sheets]))


def _table_oracle() -> Integral:
    def nodes(data: Data, level: int) -> Nodes:
        y = data["y"]
        first, second = (y.sum(axis=0) + 1) / (len(y) + 2)
        depth = rules.half_line((0.11, 0.125)[-level], lowest=1e-9, highest=45.0)
        return _tables((first, second), 2 / math.sqrt(len(y) + 4), (9, 8)[-level], (0.22, 0.25)[-level], depth)

    def log_likelihood(points, beta, data):
        y = data["y"]
        hits = [jnp.sum((y[:, 0] == i) & (y[:, 1] == j)) for i in (0, 1) for j in (0, 1)]
        return beta * sum(k * jnp.log(points[:, cell]) for cell, k in enumerate(hits))

    return Integral(nodes, log_likelihood, route="3-D panels over the tables, whose prior density has a closed form")


def _table_population(p: np.ndarray) -> Integral:
    truth = np.array([(1 - p[0]) * (1 - p[1]), (1 - p[0]) * p[1], p[0] * (1 - p[1]), p[0] * p[1]])

    def nodes(data: Data, level: int) -> Nodes:
        edges = np.concatenate([np.arange(0.0, 14.0), [14.0, 18.0, 23.0, 30.0, 45.0]])
        depth = rules.panels(edges, (6, 5)[-level])
        return _tables((p[0], p[1]), 3e-4, (6, 5)[-level], (0.3, 0.35)[-level], depth)

    def log_likelihood(points, t, data):
        gain = points[:, :4] / truth - 1
        return -t * jnp.sum(truth * (gain - jnp.log1p(gain)), axis=1)

    return Integral(nodes, log_likelihood, route="3-D panels over the tables, whose prior density has a closed form")
