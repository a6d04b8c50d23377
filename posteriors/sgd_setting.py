"""One setting of gradient descent, checked: optimiser, minibatch, added noise, weight decay, and their temperature."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import count
from typing import Any

import jax.numpy as jnp
import numpy as np
import optax

from singular.errors import InputError, unknown_name, whole

OPTIMISERS = ("adam", "momentum", "sgd")
NOISES = ("isotropic", "mixed")
HEAVY_BALL = 0.9
"""Momentum of ``optimiser="momentum"`` where none is given."""


@dataclass(frozen=True)
class Setting:
    """What one ensemble is run with; made by `checked_setting`.

    Attributes
    ----------
    optimiser : {"sgd", "momentum", "adam"} or optax.GradientTransformation
    learning_rate : float
        η; NaN where the transformation has its own.
    batch_size : int or None
        B; None: all data and, where noise is added, B = 1.
    momentum : float
    replacement : bool
    weight_decay : float or "prior"
    noise : {"none", "minibatch", "isotropic", "mixed", "matrix"}
    sigma : float
    root : (d, d) float
        R, with C = σ² R Rᵀ the covariance of the added noise per observation; only where one is given.
    minibatch_spread : float
        Covariance of a minibatch's mean gradient over that of one observation's: 1/B with replacement,
        (n − B)/(B (n − 1)) without, 0 without a minibatch.
    """

    optimiser: Any
    learning_rate: float
    batch_size: int | None
    momentum: float
    replacement: bool
    weight_decay: float | str
    noise: str
    sigma: float
    minibatch_spread: float
    root: np.ndarray | None = field(default=None, repr=False)

    @property
    def minibatch(self) -> bool:
        """Whether gradients are those of minibatches."""
        return self.noise in ("minibatch", "mixed")

    @property
    def added(self) -> bool:
        """Whether normal noise is added to gradients."""
        return self.noise in ("isotropic", "mixed", "matrix")

    @property
    def spread(self) -> float:
        """Covariance of a step's gradient noise over that of one observation, ρ."""
        return self.minibatch_spread if self.noise in ("minibatch", "none") else 1 / (self.batch_size or 1)

    @property
    def temperature_scale(self) -> float:
        """ηρ/(2(1 − μ)): the temperature per unit variance of one observation's gradient; NaN where there is none."""
        if self.optimiser not in ("sgd", "momentum"):
            return math.nan
        return self.learning_rate * self.spread / (2 * (1 - self.momentum))

    @property
    def temperature(self) -> float:
        """ησ²/(2B(1 − μ)) under isotropic noise, 0 without noise, else NaN."""
        if self.noise == "none":
            return 0.0 * self.temperature_scale
        return self.sigma**2 * self.temperature_scale if self.noise == "isotropic" else math.nan

    @property
    def temperature_note(self) -> str:
        """Why the temperature is NaN; empty where it is not."""
        if self.optimiser not in ("sgd", "momentum"):
            return f"{self.optimiser_name} rescales the gradient by its own history: no temperature is defined"
        if not math.isnan(self.temperature):
            return ""
        return f"{self.noise} noise is not known to be isotropic: measure it with analysis.effective_temperature"

    @property
    def optimiser_name(self) -> str:
        """The optimiser in words."""
        return self.optimiser if isinstance(self.optimiser, str) else "an optax transformation"

    @property
    def structure(self) -> str:
        """What tells two compiled programs apart, numbers left out."""
        one = self.optimiser if isinstance(self.optimiser, str) else f"own {_number(self.optimiser)}"
        size = f"{self.batch_size} {self.replacement}" if self.minibatch else "all"
        return f"{one}, batch {size}, {self.noise} noise, prior decay {self.weight_decay == 'prior'}"

    def numbers(self, dim: int) -> dict[str, Any]:
        """Return what a compiled program takes as arguments."""
        decay = self.temperature if self.weight_decay == "prior" else self.weight_decay
        root = np.eye(dim) if self.root is None else self.root
        return {
            "learning_rate": jnp.asarray(self.learning_rate),
            "momentum": jnp.asarray(self.momentum),
            "decay": jnp.asarray(float(decay)),
            "root": jnp.asarray(self.sigma * math.sqrt(1 / (self.batch_size or 1)) * root),
        }

    def described(self) -> dict[str, Any]:
        """Return the setting as plain values, for JSON and attributes."""
        return {
            "optimiser": self.optimiser if isinstance(self.optimiser, str) else "optax.GradientTransformation",
            "learning_rate": self.learning_rate,
            "batch_size": self.batch_size,
            "momentum": self.momentum,
            "replacement": self.replacement,
            "weight_decay": self.weight_decay,
            "noise": self.noise,
            "sigma": self.sigma,
        }


def checked_setting(
    n: int,
    dim: int,
    *,
    optimiser: Any = "sgd",
    learning_rate: Any = None,
    batch_size: Any = None,
    momentum: Any = None,
    replacement: Any = True,
    weight_decay: Any = 0.0,
    noise: Any = None,
    sigma: Any = 1.0,
) -> Setting:
    """Return the setting; arguments and errors are those of `posteriors.sgd`."""
    own = isinstance(optimiser, optax.GradientTransformation)
    if not own and optimiser not in OPTIMISERS:
        raise unknown_name("optimiser", optimiser, (*OPTIMISERS, "an optax.GradientTransformation"))
    if own and learning_rate is not None:
        raise InputError(f"learning_rate={learning_rate!r}: an optax.GradientTransformation has its own, leave it out")
    rate = math.nan if own else _number_in("learning_rate", learning_rate, 0.0, math.inf, open_left=True)
    if momentum is not None and optimiser != "momentum":
        raise InputError(f"momentum={momentum!r}: allowed is optimiser='momentum' only, not {optimiser!r}")
    mu = 0.0 if optimiser != "momentum" else _number_in("momentum", HEAVY_BALL if momentum is None else momentum, 0, 1)
    if not isinstance(replacement, bool):
        raise InputError(f"replacement={replacement!r}: allowed is True or False")
    kind, root = _noise(noise, dim)
    if kind is None:
        kind = "none" if batch_size is None else "minibatch"
    if batch_size is not None:
        batch_size = whole("batch_size", batch_size, 1, n if kind in ("minibatch", "mixed") else None)
    elif kind == "mixed":
        raise InputError("batch_size=None: noise='mixed' adds to the noise of minibatches, whose size is needed")
    minibatch_spread = 0.0
    if kind in ("minibatch", "mixed") and batch_size is not None:
        without = (n - batch_size) / (batch_size * max(n - 1, 1))
        minibatch_spread = 1 / batch_size if replacement else without
    sigma = _number_in("sigma", sigma, 0.0, math.inf)
    if kind in ("none", "minibatch") and sigma != 1.0:
        raise InputError(
            f"sigma={sigma!r}: nothing is added to the gradient with noise=None; allowed is to leave it out"
        )
    if weight_decay != "prior":
        if isinstance(weight_decay, str):
            raise unknown_name("weight_decay", weight_decay, ("prior", "a number of at least 0"))
        weight_decay = _number_in("weight_decay", weight_decay, 0.0, math.inf)
    setting = Setting(
        optimiser, rate, batch_size, mu, replacement, weight_decay, kind, sigma, minibatch_spread, root
    )  # fmt: skip
    if weight_decay == "prior" and math.isnan(setting.temperature):
        raise InputError(
            f"weight_decay='prior' is T times the prior's own, but {setting.temperature_note}; give a number"
        )
    return setting


def transformation(setting: Setting) -> Callable[[dict[str, Any]], optax.GradientTransformation]:
    """Return the function from `Setting.numbers` to the optax transformation of a setting."""
    kind = setting.optimiser
    if kind == "sgd":
        return lambda numbers: optax.sgd(numbers["learning_rate"])
    if kind == "momentum":
        return lambda numbers: optax.sgd(numbers["learning_rate"], momentum=numbers["momentum"])
    if kind == "adam":
        return lambda numbers: optax.adam(numbers["learning_rate"])
    return lambda _: kind


def _noise(noise: Any, dim: int) -> tuple[str | None, np.ndarray | None]:
    if noise is None:
        return None, None
    if isinstance(noise, str):
        if noise not in NOISES:
            raise unknown_name("noise", noise, (*NOISES, "a (d, d) covariance", "None"))
        return noise, None
    matrix = np.asarray(noise, dtype=np.float64)
    if matrix.shape != (dim, dim) or not np.isfinite(matrix).all():
        raise InputError(f"noise has shape {matrix.shape}: allowed is a covariance of {dim} × {dim} finite numbers")
    values, vectors = np.linalg.eigh((matrix + matrix.T) / 2)
    if not np.allclose(matrix, matrix.T) or values[0] < -1e-10 * max(values[-1], 0.0) or values[-1] <= 0:
        raise InputError(
            f"noise: a covariance is symmetric with no eigenvalue below 0, here the least is {values[0]:.3g}"
        )
    return "matrix", vectors * np.sqrt(np.maximum(values, 0.0))


def _number_in(name: str, value: Any, least: float, below: float, open_left: bool = False) -> float:
    allowed = f"a finite number {'above' if open_left else 'of at least'} {least:g}"
    allowed += "" if math.isinf(below) else f" and below {below:g}"
    if isinstance(value, bool) or not isinstance(value, int | float | np.integer | np.floating):
        raise InputError(f"{name}={value!r}: allowed is {allowed}")
    if not least <= value < below or (open_left and value == least):
        raise InputError(f"{name}={value!r}: allowed is {allowed}")
    return float(value)


_numbers = count()


@lru_cache(maxsize=64)
def _number(optimiser: Any) -> int:
    """Return a number of a transformation's own: two of them are told apart by their functions, and not by a name."""
    return next(_numbers)
