"""The joint law of the parameters and the response of a model, and functions that follow the response."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
from numpyro import handlers

from singular.models.base import Model
from singular.models.density import Traced
from singular.models.problem import Problem
from singular.models.structure import LinearGaussian
from singular.posteriors.precision import x64

ROWS, SPREAD = 20, 2.0
"""Observations, and standard deviation of covariates: enough for data to bind the parameters."""


class Joint(NamedTuple):
    """A model with covariates: the joint law of its parameters and its response.

    Attributes
    ----------
    problem : Problem
        With a response that is replaced.
    other : Problem
        The same with another response, by which it is found out what of a function is made of the response.
    simulate : (key, z) -> y
        A response at β.
    beta : float
    """

    problem: Problem
    other: Problem
    simulate: Callable[[Any, Any], Any]
    beta: float

    @classmethod
    def of(cls, model: Model, beta: float = 1.0) -> Joint:
        """Return the joint law of a model with as few rows as tell all that many would."""
        first, second = (Problem.from_model(model, n=ROWS, seed=seed) for seed in (0, 1))
        given = {name: SPREAD * value for name, value in first.kwargs.items() if name != "y"}
        rows = ROWS if not isinstance(model.sufficient, LinearGaussian) else _few(model.sufficient, given, first)
        given = {name: value[:rows] for name, value in given.items()}
        first, second = (p.replace(kwargs={**given, "y": p.kwargs["y"][:rows]}, n=rows) for p in (first, second))
        return cls(first, second, _simulator(first, given or {"n": rows}, beta), beta)

    def draw(self, key: Any) -> tuple[Any, Any]:
        """Return (z, y), an exact draw."""
        of_z, of_y = jax.random.split(key)
        z = self.problem.parts.prior_draw(of_z)
        return z, self.simulate(of_y, z)

    def following(self, make: Callable[[Problem], Traced]) -> Callable[..., Any]:
        """Return ``make(problem)`` as a function of the response and of its own arguments.

        Raises
        ------
        ValueError
            If one of its arrays changes with the response and is neither the response laid out nor its products, or a
            number made of it is written into the function.
        """
        first, second = make(self.problem), make(self.other)
        if first.text != second.text:
            raise ValueError(f"{self.problem.name}: the function itself follows the response, not only its arrays")
        views = [_view(*pair, self) for pair in zip(first.constants, second.constants, strict=True)]

        def call(y, *arguments):
            pairs = zip(first.constants, views, strict=True)
            return first.call(tuple(fixed if view is None else view(y) for fixed, view in pairs), *arguments)

        return call


def _few(form: LinearGaussian, given: dict[str, Any], problem: Problem) -> int:
    """Return how many rows are as many as the sums of a regression have: then the response is kept as it is.

    Where the covariates are those of the data, they become the triangular factor of all rows, which tells as much.
    """
    one = {name: value[:1] for name, value in problem.kwargs.items()}
    x, y = (np.asarray(part(one)) for part in (form.covariates, form.response))
    if "x" in given and x.shape[1] == given["x"].reshape(ROWS, -1).shape[1]:
        given["x"] = np.linalg.qr(given["x"].reshape(ROWS, -1), mode="r").reshape(-1, *given["x"].shape[1:])
        return len(given["x"])
    return max(1, (x.shape[1] + y.shape[1]) // len(x))


VIEWS: tuple[Callable[[Any], Any], ...] = (
    lambda y: y,
    lambda y: y[:1],
    lambda y: y.reshape(len(y), -1),
    lambda y: y.T @ y,
    lambda y: jnp.swapaxes(y, 1, 2).reshape(-1, y.shape[1]),
)
"""What functions know of a response."""


def _view(first: np.ndarray, second: np.ndarray, joint: Joint) -> Callable[[Any], Any] | None:
    if np.array_equal(first, second):
        return None
    ours, others = (problem.kwargs["y"] for problem in (joint.problem, joint.other))
    for view in VIEWS:
        try:
            pairs = [(np.asarray(view(y)), array) for y, array in ((ours, first), (others, second))]
        except (IndexError, ValueError, TypeError):
            continue
        if all(seen.shape == array.shape and np.allclose(seen, array, rtol=1e-12) for seen, array in pairs):
            return view
    raise ValueError(f"{joint.problem.name}: an array of shape {first.shape} follows the response, it is unknown how")


def _simulator(problem: Problem, given: Mapping[str, Any], beta: float) -> Callable[[Any, Any], Any]:
    density, parts = problem.density, problem.parts

    def simulate(key, z):
        values = parts.constrain(z)
        values = {site: values[site] for site in parts.sites.latent}
        site = handlers.trace(handlers.seed(handlers.substitute(density, data=values), key)).get_trace(**given)["y"]
        if beta == 1.0:
            return site["value"]
        noise = site["fn"]
        while hasattr(noise, "base_dist"):
            noise = noise.base_dist
        if not isinstance(noise, dist.Normal):
            raise ValueError(f"{problem.name}: noise is {type(noise).__name__}; tempered data need a normal one")
        mean = site["fn"].mean
        return mean + (site["value"] - mean) / math.sqrt(beta)

    return simulate


def quantities(model: Model, values: Mapping[str, Any], nll: Any) -> dict[str, np.ndarray]:
    """Return what is ranked and compared, one number a draw.

    Parameters
    ----------
    model : Model
    values : site -> (draws, …)
    nll : (draws,)
    """
    flat = {site: np.asarray(value).reshape(len(value), -1) for site, value in values.items()}
    norms = {site: np.sqrt(np.sum(value**2, axis=1)) for site, value in flat.items()}
    found = {"nL_n": np.asarray(nll), "‖w‖": np.sqrt(sum(norm**2 for norm in norms.values()))}
    found |= {f"‖{site}‖": norm for site, norm in norms.items()}
    found |= {f"{site}, first entry": value[:, 0] for site, value in flat.items()}
    if isinstance(model.sufficient, LinearGaussian) and len(flat) > 1:
        with x64():
            product = jax.vmap(model.sufficient.weights)({site: jnp.asarray(value) for site, value in values.items()})
        found["‖product‖"] = np.sqrt(np.sum(np.asarray(product).reshape(len(nll), -1) ** 2, axis=1))
    elif len({value.shape for value in flat.values()}) == 1 and len(flat) > 1:
        found["Σ product"] = np.sum(np.prod(list(flat.values()), axis=0), axis=1)
    return found
