"""A topic model (latent Dirichlet allocation, stochastic matrix factorisation) on documents that are all alike."""

from __future__ import annotations

import math
from typing import Any

import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
from scipy.special import log_expit, logit, ndtr

from singular.errors import whole
from singular.models import coefficients
from singular.models.base import Data, Integral, Model, Nodes, family
from singular.models.draws import standard_normals
from singular.models.integrals import rules
from singular.models.symmetries import stochastic_linear, swaps

FARTHEST = 38.0
"""Largest sum or difference of two logits that nodes reach."""


@family
def topic_model(words: int = 2, documents: int = 2, topics: int = 2) -> Model:
    """Return P(word | document j) = Σ_h θ_jh τ_h(word), uniform Dirichlet priors, all words equally likely in truth.

    One observation is a document, drawn uniformly, and a word of it, both as indicator rows (``x``, ``y``).
    With M words, N documents, H topics, λ = (M − 1)/2 + λ_RRR(M − 1, N − 1, H − 1, 0). For (2, 2, 2) the two
    documents' word probabilities p_1, p_2 have prior density −2 log(1 − exp(−|logit p_1 − logit p_2|)), and the
    oracle is two-dimensional. Its phases: ``topics equal`` where |τ_1 − τ_2| < |θ_1 − θ_2|, else ``documents equal``.

    Parameters
    ----------
    words, documents, topics : int
        M ≥ 2, N ≥ 2, H ≥ 2.

    Raises
    ------
    InputError
        If a number is out of range.
    """
    m, n_documents, h = (
        whole(name, value, least=2) for name, value in (("words", words), ("documents", documents), ("topics", topics))
    )
    smallest = (m, n_documents, h) == (2, 2, 2)

    def density(x, y=None):
        of_topics = numpyro.sample("topics", dist.Dirichlet(jnp.ones(m)).expand([h]).to_event(1))
        mixing = numpyro.sample("mixing", dist.Dirichlet(jnp.ones(h)).expand([n_documents]).to_event(1))
        with numpyro.plate("observations", x.shape[0]):
            numpyro.sample("y", dist.Multinomial(1, probs=x @ mixing @ of_topics), obs=y)

    def simulate(key, n: int) -> Data:
        uniform = ndtr(standard_normals(key, n, 2))
        sizes = (n_documents, m)
        chosen = [np.floor(k * u)[:, None] == np.arange(k) for k, u in zip(sizes, uniform.T, strict=True)]
        return {"x": chosen[0].astype(np.float64), "y": chosen[1].astype(np.float64)}

    def excess_loss(w):
        return -jnp.mean(jnp.log(m * jnp.matmul(w["mixing"], w["topics"])), axis=(-2, -1))

    def topics_closer(w):
        gap = abs(w["topics"][..., 0, 0] - w["topics"][..., 1, 0])
        return gap < abs(w["mixing"][..., 0, 0] - w["mixing"][..., 1, 0])

    middle = np.linspace(0.3, 0.7, n_documents)[:, None]
    return Model(
        name=f"topic-{m}-{n_documents}-{h}",
        family="topic model",
        density=density,
        simulate=simulate,
        dim=h * (m - 1) + n_documents * (h - 1),
        exact=coefficients.stochastic_matrix_factorisation(m, n_documents, h, 0),
        optimum={
            "topics": np.full((h, m), 1 / m),
            "mixing": np.concatenate([middle, np.repeat((1 - middle) / (h - 1), h - 1, axis=1)], axis=1),
        },
        phases={"topics equal": topics_closer, "documents equal": lambda w: ~topics_closer(w)} if smallest else {},
        symmetries={f"matrices of row sums 1 between documents and {h} topics": stochastic_linear("mixing", "topics")},
        discrete_symmetries=swaps({"topics": -2, "mixing": -1}, h),
        excess_loss=excess_loss,
        integral=_oracle() if smallest else None,
        population=_population() if smallest else None,
        description="P(word | document j) = Σ_h θ_jh τ_h(word)",
        prior="θ_j ~ Dirichlet(1, …, 1), τ_h ~ Dirichlet(1, …, 1)",
        truth=f"every document has every one of the {m} words with probability 1/{m}",
        note="Documents that are all alike need one topic: either all topics are equal, or all documents mix them "
        "alike. In the smallest model the difference of the documents is a product of two factors, and m = 2.",
    )


def _log_ratio(d: Any, numbers: Any) -> Any:
    """Return log p₊ (1 − p₋) / (p₊ − p₋) = −log(1 − exp(−|d|)), d the difference of the two logits."""
    size = abs(d)
    small = size < 1
    near = numbers.log(-numbers.expm1(-numbers.where(small, size, 1.0)))
    return -numbers.where(small, near, numbers.log1p(-numbers.exp(-numbers.where(small, 1.0, size))))


def _pairs(total: rules.Rule, edges: np.ndarray, order: int) -> Nodes:
    """Return points (logit p_1, logit p_2) by their sum and difference, under the prior."""

    def log_density(s, d):
        x, y = (s + d) / 2, (s - d) / 2
        uniform = log_expit(x) + log_expit(-x) + log_expit(y) + log_expit(-y) - math.log(2.0)
        return uniform + np.log(2 * _log_ratio(d, np))

    points, log_weights = rules.tensor(total, rules.panels(edges, order), log_density=log_density)
    return Nodes(np.stack([points.sum(axis=1) / 2, (points[:, 0] - points[:, 1]) / 2], axis=1), log_weights)


def _oracle() -> Integral:
    def nodes(data: Data, level: int) -> Nodes:
        sizes, hits = data["x"].sum(axis=0), data["x"].T @ data["y"][:, 0]
        best = logit((hits + 1) / (sizes + 2))
        width = 4 / math.sqrt(len(data["x"]) + 4)
        side = np.concatenate([rules.graded_edges(2.0**-40, 1.0), 2.0 ** np.arange(1, 6), [FARTHEST]])
        away = width * 2.0 ** np.arange(-1, 8)
        edges = np.concatenate([-side, side, best[0] - best[1] - away, best[0] - best[1] + away])
        edges = np.unique(edges[abs(edges) <= FARTHEST])
        total = rules.whole_line((0.12, 0.15)[-level], float(best.sum()), width, reach=FARTHEST)
        return _pairs(total, edges, (10, 8)[-level])

    def log_likelihood(points, beta, data):
        x, y = data["x"], data["y"]
        first, second = (x.T @ y).T  # how often each word, in each document
        logs = -first * jnp.logaddexp(0.0, -points) - second * jnp.logaddexp(0.0, points)
        return beta * jnp.sum(logs, axis=1)

    def topics_equal(points, beta, data):
        return _closer_than_documents(points)

    def documents_equal(points, beta, data):
        return 1 - _closer_than_documents(points)

    return Integral(
        nodes,
        log_likelihood,
        route="2-D panels over the word probabilities, whose prior density has a closed form",
        regions={"topics equal": topics_equal, "documents equal": documents_equal},
    )


def _closer_than_documents(points):
    """Return P(|τ_1 − τ_2| < |θ_1 − θ_2|) given p_1, p_2, that is of |τ_1 − τ_2| < s = √|p_1 − p_2|.

    The lower topic A < p_− and the upper one B > p_+ have joint density ∝ (B − A)^(−2). Over B < A + s,
    B < 1 the integral is 1/(p_+ − A) − 1/min(1 − A, s), and that over A, from max(0, p_+ − s) to p_−, is logs.
    """
    low, high = (1 / (1 + jnp.exp(-f(points, axis=1))) for f in (jnp.min, jnp.max))
    log_ratio = _log_ratio(points[:, 0] - points[:, 1], jnp)
    gap = high * (1 - low) * jnp.exp(-log_ratio)
    reach = jnp.sqrt(gap)
    start = jnp.maximum(0.0, high - reach)
    inside = jnp.log((high - start) / gap)
    flat = jnp.maximum(0.0, jnp.minimum(low, 1 - reach) - start) / reach
    bend = jnp.log((1 - jnp.minimum(low, jnp.maximum(start, 1 - reach))) / (1 - low))
    return jnp.clip((inside - flat - bend) / log_ratio, 0.0, 1.0)


def _population() -> Integral:
    def nodes(data: Data, level: int) -> Nodes:
        side = np.concatenate([rules.graded_edges(2.0**-40, 1.0), 2.0 ** np.arange(1, 6), [FARTHEST]])
        total = rules.whole_line((0.15, 0.2)[-level], 0.0, 1e-6, reach=FARTHEST)
        return _pairs(total, np.unique(np.concatenate([-side, side])), (8, 7)[-level])

    def log_likelihood(points, t, data):
        both = jnp.logaddexp(0.0, -points) + jnp.logaddexp(0.0, points)  # −log p (1 − p)
        return -0.25 * t * jnp.sum(both - 2 * math.log(2.0), axis=1)

    return Integral(
        nodes, log_likelihood, route="2-D panels over the word probabilities, whose prior density has a closed form"
    )
