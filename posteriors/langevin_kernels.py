"""One step of each Langevin sampler, in one convention of step size and temperature.

All leave exp(−U) invariant in the limit of small steps, U(z) = β nL_n(z) − log φ(z): nβ multiplies the mean loss
L_n, and no temperature stands anywhere else. The step size ε is the variance of the noise in a step that begins
without momentum, z ← z − (ε/2) ∇U + √ε ξ, whatever the sampler: those with momenta take leaps of length h = √ε.

A kernel is ``init`` and a pure ``step``. ``log_density(z, batch)`` is −U estimated from the observations at
``batch``; a kernel that accepts and rejects is only given all of them. blackjax is imported where it is used: importing
it starts JAX's backend.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from singular.errors import InputError

Array = Any
LogDensity = Callable[[Array, Array], Array]
LEAPS = 10
"""Leaps of SGHMC between two draws of the momentum."""


class Kernel(NamedTuple):
    """A sampler.

    Attributes
    ----------
    init : (key, z, log_density, batch, options) -> state
    step : (key, state, log_density, batch, step_size, options) -> (state, acceptance)
        ``acceptance`` is 1 where nothing is rejected.
    position : state -> z
    options : name -> default
    gradients : int
        Evaluations of the gradient in a step.
    adjusted : bool
        Whether steps are accepted or rejected, so that exp(−U) is invariant for every step size.
    source : str
    """

    init: Callable[..., Any]
    step: Callable[..., tuple[Any, Array]]
    position: Callable[[Any], Array]
    options: Mapping[str, float]
    gradients: int
    adjusted: bool
    source: str


class Preconditioned(NamedTuple):
    """State of RMSprop-preconditioned SGLD: position, and the running mean of the squared gradient."""

    z: Array
    square: Array


class Underdamped(NamedTuple):
    """State of underdamped Langevin dynamics; the force is kept, so that a step takes one gradient."""

    z: Array
    momentum: Array
    force: Array


def _sgld() -> Kernel:
    def step(key, z, log_density, batch, step_size, options):
        from blackjax.sgmcmc import sgld

        return sgld.build_kernel()(key, z, jax.grad(log_density), batch, step_size / 2), 1.0

    return Kernel(
        lambda key, z, *_: z, step, lambda z: z, {}, 1, False, "Welling and Teh (2011), ICML; kernel of blackjax"
    )


def _psgld() -> Kernel:
    def init(key, z, log_density, batch, options):
        return Preconditioned(z, jnp.ones_like(z))  # not the squared gradient, which is 0 where chains begin

    def step(key, state, log_density, batch, step_size, options):
        force = jax.grad(log_density)(state.z, batch)
        square = options["memory"] * state.square + (1 - options["memory"]) * force**2
        metric = 1 / (options["damping"] + jnp.sqrt(square))
        noise = jax.random.normal(key, state.z.shape, state.z.dtype)
        z = state.z + 0.5 * step_size * metric * force + jnp.sqrt(step_size * metric) * noise
        return Preconditioned(z, square), 1.0

    return Kernel(
        init, step, lambda s: s.z, {"memory": 0.99, "damping": 1e-5}, 1, False,
        "Li, Chen, Carlson and Carin (2016), AAAI, without the term of the metric's divergence, as it is mostly run",
    )  # fmt: skip


def _sghmc() -> Kernel:
    def step(key, z, log_density, batch, step_size, options):
        from blackjax.sgmcmc import sghmc

        leap = jnp.sqrt(step_size)
        kernel = sghmc.build_kernel(alpha=(1 - options["persistence"]) / leap)
        return kernel(key, z, jax.grad(log_density), batch, leap, LEAPS), 1.0

    return Kernel(
        lambda key, z, *_: z, step, lambda z: z, {"persistence": 0.9}, LEAPS, False,
        "Chen, Fox and Guestrin (2014), ICML; kernel of blackjax, momenta drawn anew every 10 leaps",
    )  # fmt: skip


def _sgnht() -> Kernel:
    def init(key, z, log_density, batch, options):
        from blackjax.sgmcmc import sgnht

        return sgnht.init(z, key, 0.0)

    def step(key, state, log_density, batch, step_size, options):
        from blackjax.sgmcmc import sgnht

        leap = jnp.sqrt(step_size)
        friction = (1 - options["persistence"]) / leap
        kernel = sgnht.build_kernel(alpha=friction)
        # the thermostat is kept as its excess over the friction, so that it can begin at 0 whatever the step
        moved = kernel(key, state._replace(xi=state.xi + friction), jax.grad(log_density), batch, leap)
        return moved._replace(xi=moved.xi - friction), 1.0

    return Kernel(
        init, step, lambda s: s.position, {"persistence": 0.9}, 1, False,
        "Ding, Fang, Babbush, Chen, Skeel and Neven (2014), NeurIPS; kernel of blackjax",
    )  # fmt: skip


def _mala() -> Kernel:
    def init(key, z, log_density, batch, options):
        from blackjax.mcmc import mala

        return mala.init(z, lambda z: log_density(z, batch))

    def step(key, state, log_density, batch, step_size, options):
        from blackjax.mcmc import mala

        moved, info = mala.build_kernel()(key, state, lambda z: log_density(z, batch), step_size / 2)
        return moved, jnp.where(jnp.isnan(info.acceptance_rate), 0.0, info.acceptance_rate)

    return Kernel(
        init,
        step,
        lambda s: s.position,
        {},
        1,
        True,
        "Roberts and Tweedie (1996), Bernoulli 2, 341; kernel of blackjax",
    )


def _underdamped() -> Kernel:
    def init(key, z, log_density, batch, options):
        return Underdamped(z, jax.random.normal(key, z.shape, z.dtype), jax.grad(log_density)(z, batch))

    def step(key, state, log_density, batch, step_size, options):
        leap, kept = jnp.sqrt(step_size), options["persistence"]
        half = state.momentum + 0.5 * leap * state.force
        z = state.z + 0.5 * leap * half
        noise = jax.random.normal(key, z.shape, z.dtype)
        half = kept * half + jnp.sqrt(1 - kept**2) * noise
        z = z + 0.5 * leap * half
        force = jax.grad(log_density)(z, batch)
        return Underdamped(z, half + 0.5 * leap * force, force), 1.0

    return Kernel(
        init, step, lambda s: s.z, {"persistence": 0.9}, 1, False,
        "Leimkuhler and Matthews (2013), Appl. Math. Res. Express 2013, 34: BAOAB, without bias on a quadratic",
    )  # fmt: skip


KERNELS = {
    "sgld": _sgld(),
    "psgld": _psgld(),
    "sghmc": _sghmc(),
    "sgnht": _sgnht(),
    "mala": _mala(),
    "underdamped": _underdamped(),
}
"""The Langevin samplers by name."""


def checked_options(sampler: str, given: Mapping[str, float]) -> dict[str, float]:
    """Return the options of a sampler, the given ones in place of its defaults.

    Raises
    ------
    InputError
        If the sampler has no such option, or its value is not a number from 0 to below 1 (``damping``: above 0).
    """
    options = dict(KERNELS[sampler].options)
    for name, value in given.items():
        if name not in options:
            allowed = ", ".join(options) or "none"
            raise InputError(f"{name}={value!r} is no option of sampler={sampler!r}; its options: {allowed}")
        real = isinstance(value, int | float) and not isinstance(value, bool)
        if name == "damping" and not (real and 0 < value < float("inf")):
            raise InputError(f"damping={value!r} must be a finite number above 0")
        if name != "damping" and not (real and 0 <= value < 1):
            raise InputError(f"{name}={value!r} must be a number from 0 to below 1")
        options[name] = float(value)
    return options
