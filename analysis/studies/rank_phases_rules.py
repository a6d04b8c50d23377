"""The rank of a product of matrices at a draw, the part of the optimal set it is nearest to, and λ of each."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial, reduce
from typing import Any, NamedTuple

import numpy as np

from singular.analysis.phases import Predicate
from singular.errors import InputError
from singular.models.base import Model

NOISE = 4.0
"""A direction counts if its singular value, times √(nβ), is above this: it is then worth more than 8 nats."""
FIXED = 0.25
"""Singular value above which a direction counts, whatever n; the true ones are 1."""
RESOLUTION, THRESHOLD, STRATUM = "rank at resolution", "rank at 0.25", "stratum"
RULES = (RESOLUTION, THRESHOLD, STRATUM)


class Network(NamedTuple):
    """The shape of a linear network: y ~ N(W_L ⋯ W_1 x, I).

    Attributes
    ----------
    name : str
    sites : tuple of str
        W_1, …, W_L.
    widths : tuple of int
        Inputs, hidden widths, outputs.
    rank : int
        Of the truth.
    """

    name: str
    sites: tuple[str, ...]
    widths: tuple[int, ...]
    rank: int

    @property
    def spare(self) -> int:
        """Directions that the narrowest layer could let through beyond those of the truth."""
        return min(self.widths) - self.rank


def network_of(model: Model) -> Network:
    """Return the shape of a catalogue model of the families ``reduced_rank`` and ``deep_linear``."""
    told = model.arguments
    if model.builder == "deep_linear":
        widths = tuple(told["widths"])
        return Network(model.name, tuple(f"W{s}" for s in range(1, len(widths))), widths, told["rank"])
    return Network(model.name, ("A", "B"), (told["inputs"], told["hidden"], told["outputs"]), told["rank"])


def product_values(network: Network, parameters: Mapping[str, Any]) -> np.ndarray:
    """Return the singular values of W_L ⋯ W_1, (…, narrowest width), largest first."""
    place = int(np.argmin(network.widths))
    into = _product([np.asarray(parameters[site]) for site in network.sites[:place]])
    out = _product([np.asarray(parameters[site]).swapaxes(-1, -2) for site in network.sites[place:][::-1]])
    return _paired_values(into, out)


def singular_values(matrix: np.ndarray) -> np.ndarray:
    """Return the singular values, (…, k), largest first, quicker than by a decomposition for k ≤ 2."""
    return _paired_values(matrix if matrix.shape[-2] <= matrix.shape[-1] else matrix.swapaxes(-1, -2), None)


def _product(matrices: Sequence[np.ndarray]) -> np.ndarray | None:
    """Return the last of them times … times the first, None for none."""
    return reduce(lambda total, matrix: matrix @ total, matrices) if matrices else None


def _paired_values(into: np.ndarray | None, out: np.ndarray | None) -> np.ndarray:
    """Return the singular values of outᵀ into for matrices (…, k, ·), None for the identity."""
    grams = [half @ half.swapaxes(-1, -2) for half in (into, out) if half is not None]
    size = grams[0].shape[-1]
    if size == 1:
        return np.sqrt(math.prod(gram[..., 0] for gram in grams))
    if size > 2:
        both = out.swapaxes(-1, -2) @ into if into is not None and out is not None else into
        return np.linalg.svd(both, compute_uv=False)[..., :size]
    trace = np.einsum("...ij,...ji->...", grams[0], grams[-1]) if len(grams) == 2 else np.trace(grams[0], 0, -2, -1)
    determinant = np.sqrt(math.prod(np.maximum(_determinant(gram), 0.0) for gram in grams))
    spread = np.sqrt(np.maximum(trace + 2 * determinant, 0.0)), np.sqrt(np.maximum(trace - 2 * determinant, 0.0))
    larger = 0.5 * (spread[0] + spread[1])  # (s₁ + s₂)² = trace + 2 s₁ s₂
    return np.stack([larger, np.divide(determinant, larger, out=np.zeros_like(larger), where=larger > 0)], axis=-1)


def _determinant(gram: np.ndarray) -> np.ndarray:
    return gram[..., 0, 0] * gram[..., 1, 1] - gram[..., 0, 1] ** 2


def ranks(network: Network, threshold: float) -> Mapping[str, Predicate]:
    """Return ``rank 0``, ``rank 1``, …: how many singular values of the product are above the threshold."""
    return {f"rank {k}": partial(_has_rank, network, threshold, k) for k in range(min(network.widths) + 1)}


def _has_rank(network: Network, threshold: float, rank: int, parameters: Mapping[str, Any]) -> np.ndarray:
    return (product_values(network, parameters) > threshold).sum(axis=-1) == rank


def strata(network: Network) -> Mapping[str, Predicate]:
    """Return the parts of the optimal set as predicates: the part that a draw is nearest to.

    With one spare direction (d = smallest width − rank = 1, all hidden widths equal), W_s dies in it: the layer whose
    singular value number rank + 1 is the smallest is the one whose distance from dying is. For rank 0 and two layers
    with hidden width H, the part where A has rank i and B the rank H − i, with B A = 0, is at the squared distance

    ‖A‖² − (sum of the i largest eigenvalues of A Aᵀ − Bᵀ B),

    as minimising ‖(I − E) A‖² + ‖B E‖² over the projections E of rank i shows: the nearest part has as many
    directions alive in A as A Aᵀ − Bᵀ B has positive eigenvalues, and no threshold is needed. With one hidden unit
    this is |A| < |B|. For widths 2 → 2 → 1 → 2 the same is said of the first two layers, and their distance compared
    with that of the third.
    """
    label, names = _labeller(network)
    return {name: partial(_is_nearest, label, place) for place, name in enumerate(names)}


def _is_nearest(label: Callable[..., np.ndarray], place: int, parameters: Mapping[str, Any]) -> np.ndarray:
    return label(parameters) == place


def _labeller(network: Network) -> tuple[Callable[..., np.ndarray], list[str]]:
    if len(network.sites) == 2 and network.rank == 0 and network.widths[1] > 1:
        hidden = network.widths[1]
        names = [f"{site} dead" for site in network.sites]
        between = ["one each"] if hidden == 2 else [f"{i} of {hidden} alive in A" for i in range(1, hidden)]
        return partial(_alive, network), [names[0], *between, names[1]]
    if network.widths == (2, 2, 1, 2) and network.rank == 0:
        return partial(_nearest_of_three, network), ["W1 dead", "W2 dead", "W3 dead"]
    return partial(_weakest, network), [f"{site} dead" for site in network.sites]


def _alive(network: Network, parameters: Mapping[str, Any]) -> np.ndarray:
    return (_imbalance(*(parameters[site] for site in network.sites)) > 0).sum(axis=-1)


def _nearest_of_three(network: Network, parameters: Mapping[str, Any]) -> np.ndarray:
    first, second, third = (np.asarray(parameters[site]) for site in network.sites)
    values = _imbalance(first, second)
    distance = (first**2).sum(axis=(-2, -1)) - np.maximum(values, 0).sum(axis=-1)
    inner = np.where((values > 0).all(axis=-1), 1, 0)
    return np.where((third**2).sum(axis=(-2, -1)) < distance, 2, inner)


def _weakest(network: Network, parameters: Mapping[str, Any]) -> np.ndarray:
    values = [singular_values(np.asarray(parameters[site]))[..., network.rank] for site in network.sites]
    return np.stack(values).argmin(axis=0)


def _imbalance(first: Any, second: Any) -> np.ndarray:
    """Return the eigenvalues of W_1 W_1ᵀ − W_2ᵀ W_2, rising; gradient flow leaves this matrix as it is."""
    one, two = np.asarray(first), np.asarray(second)
    return np.linalg.eigvalsh(one @ one.swapaxes(-1, -2) - two.swapaxes(-1, -2) @ two)


def rules(network: Network, resolution: float) -> Mapping[str, Mapping[str, Predicate]]:
    """Return the three divisions, by name, at the resolution n β > 0."""
    return {
        RESOLUTION: ranks(network, NOISE / math.sqrt(resolution)),
        THRESHOLD: ranks(network, FIXED),
        STRATUM: strata(network),
    }


class Law(NamedTuple):
    """λ at the generic point of a part of the optimal set, and λ and m of its region."""

    generic: float
    coefficient: float
    multiplicity: int


def laws(network: Network) -> dict[str, Law]:
    """Return λ of each part by itself and as the rule cuts it, where parts meet.

    The r true directions cost r (M + N − r)/2; what is left is a network with all widths less r, and truth 0.

    At a generic point of a part, m = 1. One spare direction: the e_s entries of W_s, less r rows and columns, are as
    many coordinates, e_s/2. Two layers and i of H − r directions alive in A: B must kill these, i rows of N − r, and
    A must be dead in the others, (H − r − i) (M − r − i), half of each. Widths 2 → 2 → 1 → 2: the row W_2 W_1 and the
    column W_3 are of two, as is W_2: e = 2 for each.

    As a region: the other layers may be small too, |W_t| ~ n^(−α_t), Σ α_t = 1/2, as long as W_s is the smallest,
    α_s ≥ α_t. The volume is n^(−Σ e_t α_t), and its largest term has α_s and those of the k layers of fewest entries
    equal: (e_s + the k smallest others)/(2 (k + 1)), the least over k, and m one more than the number of layers that
    can be added without a change. Two layers of width 2 and truth 0: with B alive in both directions, its smaller
    singular value b n^(−α) and two entries of A of n^(−1/2 + α), α ≤ 1/4, M = N = 2 gives 2 − α = 7/4, and 3/2 for
    one each.
    """
    inputs, *_, outputs = network.widths
    r = network.rank
    true = r * (inputs + outputs - r) / 2
    names = list(strata(network))
    if len(network.sites) == 2 and network.widths[1] - r == 2:
        if (inputs - r, outputs - r) != (2, 2):
            raise InputError(f"network={network.name!r}: two spare directions are known for 2 → 2 → 2 alone")
        costs = [(2.0, 1.75), (1.5, 1.5), (2.0, 1.75)]
        return {name: Law(true + a, true + b, 1) for name, (a, b) in zip(names, costs, strict=True)}
    sizes = [width - r for width in network.widths]
    entries = [a * b for a, b in itertools.pairwise(sizes)]
    if network.widths == (2, 2, 1, 2):
        entries = [2, 2, 2]
    found = {}
    for place, name in enumerate(names):
        others = sorted(entries[:place] + entries[place + 1 :])
        means = [(entries[place] + sum(others[:k])) / (k + 1) for k in range(len(others) + 1)]
        least = min(means)
        found[name] = Law(true + entries[place] / 2, true + least / 2, sum(mean == least for mean in means))
    return found
