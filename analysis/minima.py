"""Minima of the training loss: trained from many starts at once, and told apart by what they predict."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np

from singular.errors import InputError, whole
from singular.models.density import compiled, map_rows
from singular.posteriors.precision import keep_compiled_programs, x64

if TYPE_CHECKING:
    from singular.models.problem import Problem

NEWTON_STEPS = 200
HALVINGS = 20
"""A step of Newton's method is tried at full length, at half of it, and so on so often; the lowest loss is taken."""
SOFTEST = 1e-7
"""Curvature below which a direction is taken for this steep, over the largest: a step along a flat one is no longer."""
STATIONARY = 1e-8
"""Norm of the gradient of the mean loss, nats an observation, below which a point counts as stationary."""
DOWNHILL = 1e-6
"""Curvature over the largest, below minus which a stationary point is a saddle."""
MINIMUM, SADDLE, NOT_STATIONARY = "minimum", "saddle", "not stationary"


@dataclass(frozen=True)
class Trained:
    """Where training ended, one row a start.

    Attributes
    ----------
    z : (N, d) float
        On the unconstrained space.
    loss : (N,) float
        nL_n/n, nats an observation.
    gradient : (N,) float
        Norm of its gradient.
    curvature : (N, d) float
        Eigenvalues of its Hessian, ascending.
    kind : (N,) str
        ``minimum``, ``saddle`` or ``not stationary`` (the gradient is not below `STATIONARY`, or nothing is finite).
    """

    z: np.ndarray
    loss: np.ndarray
    gradient: np.ndarray
    curvature: np.ndarray
    kind: np.ndarray


@dataclass(frozen=True)
class Minima:
    """The distinct minima among the ends of training, most often found first.

    Attributes
    ----------
    index : (M,) int
        The end of the lowest gradient of each.
    count : (M,) int
        Ends in each.
    label : (N,) int
        Which minimum each end is in; −1 for ends that are no minima.
    """

    index: np.ndarray
    count: np.ndarray
    label: np.ndarray


def train(problem: Problem, starts: np.ndarray, steps: int = 2000, rate: float = 0.02) -> Trained:
    """Minimise nL_n/n from every start: Adam with a rate that falls to 0, then Newton's method to the bottom.

    Newton's method takes the curvatures by their size, so that it leaves saddles, and only steps that lower the loss:
    it finishes what Adam began and does not choose another valley, unless a full step falls into one.

    Parameters
    ----------
    problem : Problem
    starts : (N, d) float
        On the unconstrained space.
    steps : int
        Of Adam, at least 1.
    rate : float
        First learning rate, above 0; it falls like half a cosine.

    Returns
    -------
    Trained

    Raises
    ------
    InputError
        If the starts are not N × d finite numbers, or an argument is out of its range.

    References
    ----------
    Kingma and Ba (2015), ICLR: Adam. Dauphin et al. (2014), NeurIPS: Newton's method with |curvature|.
    """
    starts = np.asarray(starts, dtype=float)
    if starts.ndim != 2 or starts.shape[1] != problem.dim or not np.isfinite(starts).all():
        raise InputError(f"starts has shape {starts.shape}; allowed are finite numbers (N, {problem.dim})")
    whole("steps", steps, least=1)
    if not 0 < rate < math.inf:
        raise InputError(f"rate={rate!r} must be a finite number above 0")
    keep_compiled_programs()
    with x64():
        run = compiled(f"train {steps}", partial(_descent, steps, problem.n), problem.parts.split)
        z, loss, gradient, curvature = (np.asarray(a) for a in run(jnp.asarray(starts), rate))
    finite = np.isfinite(loss) & np.isfinite(gradient) & np.isfinite(curvature).all(axis=1)
    largest = np.abs(curvature).max(axis=1)
    kind = np.where(curvature[:, 0] < -DOWNHILL * largest, SADDLE, MINIMUM)
    kind = np.where(finite & (gradient < STATIONARY), kind, NOT_STATIONARY)
    return Trained(z, loss, gradient, curvature, kind)


def distinct(trained: Trained, fingerprints: np.ndarray, tolerance: float = 1e-4) -> Minima:
    """Tell minima apart by their fingerprints: two ends are one minimum if no entry differs by more than the tolerance.

    Ends are joined in the order of their losses to the first minimum that is near enough.

    Parameters
    ----------
    trained : Trained
    fingerprints : (N, k) float
        Numbers that symmetries leave alone, as `fingerprint` returns them.
    tolerance : float

    Raises
    ------
    InputError
        If there is not one fingerprint for each end, or the tolerance is not above 0.
    """
    fingerprints = np.asarray(fingerprints, dtype=float)
    if fingerprints.ndim != 2 or len(fingerprints) != len(trained.loss):
        raise InputError(f"fingerprints has shape {fingerprints.shape}; allowed is ({len(trained.loss)}, k)")
    if not 0 < tolerance < math.inf:
        raise InputError(f"tolerance={tolerance!r} must be a finite number above 0")
    label = np.full(len(trained.loss), -1)
    firsts: list[int] = []
    minima = np.flatnonzero(trained.kind == MINIMUM)
    for end in minima[np.argsort(trained.loss[minima], kind="stable")]:
        gaps = np.abs(fingerprints[firsts] - fingerprints[end]).max(axis=1) if firsts else np.zeros(0)
        near = np.flatnonzero(gaps < tolerance)
        if near.size:
            label[end] = near[0]
        else:
            label[end] = len(firsts)
            firsts.append(int(end))
    count = np.bincount(label[minima], minlength=len(firsts))
    order = np.argsort(-count, kind="stable")
    place = np.empty_like(order)
    place[order] = np.arange(len(order))
    label = np.where(label >= 0, place[label] if len(order) else -1, -1)
    best = [min(np.flatnonzero(label == m), key=lambda i: trained.gradient[i]) for m in range(len(order))]
    return Minima(np.array(best, dtype=int), count[order], label)


def fingerprint(problem: Problem, z: np.ndarray) -> np.ndarray:
    """Return the log-likelihood of every observation at every point, (N, k), nats.

    It is the same at points that any symmetry of the model's function, declared or not, discrete or continuous, maps
    to each other. Of irreducible tanh networks the converse holds as well: the same function means the same weights
    up to signs and the order of units.

    Raises
    ------
    InputError
        If the problem sums out discrete sites: its observations have no log-likelihoods apart.

    References
    ----------
    Sussmann (1992), Neural Networks 5, 589-593: uniqueness of the weights for minimal feedforward nets.
    """
    pointwise = problem.parts.pointwise
    if pointwise is None:
        raise InputError(f"{problem.name!r} sums out discrete sites: its observations have no log-likelihoods apart")
    with x64():
        values: Mapping[str, Any] = map_rows(pointwise, z)
    return np.concatenate([np.reshape(v, (len(z), -1)) for v in values.values()], axis=1)


def _descent(steps: int, n: int, split):
    """Return (starts, rate) -> ends, their losses, norms of gradients and curvatures."""
    import optax

    def mean_loss(z):
        return split(z)[1] / n

    gradient_of, hessian_of = jax.grad(mean_loss), jax.hessian(mean_loss)
    lengths = 0.5 ** jnp.arange(HALVINGS)

    def adam(z, rate):
        optimiser = optax.scale_by_adam()

        def step(carry, t):
            z, state = carry
            update, state = optimiser.update(gradient_of(z), state)
            return (z - rate * 0.5 * (1 + jnp.cos(jnp.pi * t / steps)) * update, state), None

        return jax.lax.scan(step, (z, optimiser.init(z)), jnp.arange(steps))[0][0]

    def newton(z):
        def going(carry):
            _, _, size, moved, count = carry
            return moved & (size > 0.01 * STATIONARY) & (count < NEWTON_STEPS)

        def step(carry):
            z, loss, _, _, count = carry
            gradient = gradient_of(z)
            values, vectors = jnp.linalg.eigh(hessian_of(z))
            sizes = jnp.maximum(jnp.abs(values), SOFTEST * jnp.max(jnp.abs(values)))
            direction = vectors @ ((vectors.T @ gradient) / sizes)
            tried = z - lengths[:, None] * direction
            losses = jax.vmap(mean_loss)(tried)
            best = jnp.argmin(jnp.where(jnp.isfinite(losses), losses, jnp.inf))
            lower = losses[best] < loss
            # at the bottom rounding hides that the loss falls: there the gradient decides
            full = jnp.linalg.norm(gradient_of(tried[0]))
            flat = ~lower & (losses[0] <= loss + 1e-14 * jnp.abs(loss)) & (full < jnp.linalg.norm(gradient))
            new = jnp.where(lower, tried[best], jnp.where(flat, tried[0], z))
            value = jnp.where(lower, losses[best], loss)
            return new, value, jnp.linalg.norm(gradient_of(new)), lower | flat, count + 1

        start = (z, mean_loss(z), jnp.linalg.norm(gradient_of(z)), jnp.array(True), jnp.array(0))
        return jax.lax.while_loop(going, step, start)[0]

    def one(z):
        return z, mean_loss(z), jnp.linalg.norm(gradient_of(z)), jnp.linalg.eigvalsh(hessian_of(z))

    def run(starts, rate):
        ends = jax.lax.map(newton, jax.vmap(lambda z: adam(z, rate))(starts))
        return jax.lax.map(one, ends)

    return run
