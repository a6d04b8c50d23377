"""Markov moves of a swarm of particles that keep the prior conditioned on K < ε.

The set {K < ε} is a thin tube about a curved set, thinner in some directions and places than in others. No single
scale serves: each proposal takes a random kind and a random scale out of many, and how often a pair of kind and
scale is drawn is learnt from how often it was accepted.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax.scipy.special import ndtri

ONE, SOME, ALL, STRETCH, ALONG = range(5)
KINDS = 5
"""Steps of one coordinate, of a random half, of all; multiplication of some; steps along a difference of two."""
SCALES = 22
LARGEST, PER_DECADE = 1.0, 2.0
"""Scales are 10^LARGEST downwards, this many a decade, in standard deviations of the prior."""
FLOOR = 0.2
"""Share of the proposals that is spread over all kinds and scales alike."""

Swarm = tuple[Any, Any, Any]
"""Positions (N, d), K (N,), log prior density (N,)."""


def propose(
    target: Callable[[Any], tuple[Any, Any]], swarm: Swarm, epsilon: Any, table: Any, spread: Any, sweeps: int, key: Any
) -> tuple[Swarm, Any]:
    """Move every particle ``sweeps`` times; half of them at a time, so that the others can be leant on.

    Parameters
    ----------
    target : z (n, d) -> (K (n,), log prior (n,))
    swarm : Swarm
        An even number of particles, all with K < ε.
    epsilon : float
    table : (KINDS · SCALES,) float
        Probability of each kind and scale.
    spread : (d,) float
        Standard deviation of each coordinate under the prior.
    sweeps : int
    key

    Returns
    -------
    Swarm
    (2, KINDS · SCALES) float
        Moves accepted, and proposed, of each kind and scale.
    """
    size, dim = swarm[0].shape
    half = size // 2
    cumulative = (jnp.cumsum(table) / jnp.sum(table)).astype(jnp.float32)

    def move(moving: Swarm, others, key):
        z, excess, log_prior = moving
        # random numbers are what a move costs: 23 bits of each make a uniform, two of the other nine are coins
        bits = jax.random.bits(key, (half, 7 + dim), jnp.uint32)
        u = ((bits >> 9).astype(jnp.float32) + 0.5) * jnp.float32(2.0**-23)
        coins = bits[:, 7:]
        some, signs = (coins & 1) == 1, jnp.where((coins & 2) == 2, 1.0, -1.0)
        cell = jnp.minimum(jnp.searchsorted(cumulative, u[:, 0], side="right"), KINDS * SCALES - 1)
        kind, rank = cell[:, None] // SCALES, cell % SCALES
        scale = 10.0 ** (LARGEST - (rank + u[:, 1]) / PER_DECADE)[:, None]
        noise = ndtri(u[:, 7:])
        one = jnp.arange(dim) == jnp.floor(u[:, 2:3] * dim)
        pair = jnp.minimum(jnp.floor(u[:, 3:5] * half).astype(int), half - 1)
        touched = jnp.select([kind == ONE, kind == ALL], [one, jnp.ones_like(one)], some)
        stretch = jnp.where((kind == STRETCH) & some, scale * signs * ndtri(u[:, 5:6]), 0.0)
        along = scale * (others[pair[:, 0]] - others[pair[:, 1]])
        step = jnp.select(
            [kind == ALONG, kind == STRETCH], [along, jnp.zeros_like(z)], touched * scale * noise * spread
        )
        new = z * jnp.exp(stretch) + step
        new_excess, new_log_prior = target(new)
        odds = new_log_prior - log_prior + jnp.sum(stretch, axis=1)
        accept = (new_excess < epsilon) & (jnp.log(u[:, 6]) < odds)
        kept = (
            jnp.where(accept[:, None], new, z),
            jnp.where(accept, new_excess, excess),
            jnp.where(accept, new_log_prior, log_prior),
        )
        return kept, jnp.zeros((2, KINDS * SCALES)).at[:, cell].add(jnp.stack([accept, jnp.ones(half)]))

    def turn(carry, key):
        """Move one half, and make the other the next to move."""
        (moving, resting), counts = carry
        moved, added = move(moving, resting[0], key)
        return ((resting, moved), counts + added), None

    halves = (jax.tree.map(lambda a: a[0::2], swarm), jax.tree.map(lambda a: a[1::2], swarm))
    start = (halves, jnp.zeros((2, KINDS * SCALES)))
    (halves, counts), _ = jax.lax.scan(turn, start, jax.random.split(key, 2 * sweeps))
    return jax.tree.map(lambda a, b: jnp.concatenate([a, b]), *halves), counts


def table_of(counts: Any, table: Any) -> Any:
    """Return the probabilities of kinds and scales that suit the counts of the level before.

    Moves that are always or never accepted teach nothing: probability goes as a (1 − a), a the share accepted.
    """
    accepted, proposed = counts
    share = (accepted + 0.1) / (proposed + 0.2)
    worth = share * (1 - share)
    return 0.5 * table + 0.5 * (FLOOR / table.size + (1 - FLOOR) * worth / jnp.sum(worth))
