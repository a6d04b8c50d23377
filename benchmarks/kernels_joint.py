"""Does a move, or a kernel, keep the joint law of parameters and data?

Parameters from the prior and data at them are an exact draw of the joint law. Turn by turn data are drawn anew given
the parameters and the parameters are moved given the data: if the move keeps the posterior, the joint law is kept
however long this goes on, and a wrong one drifts away (Geweke 2004, J. Am. Stat. Assoc. 99, 799-804). Chains are
independent and start in the law, so that nothing has to converge, and what they end with is held against fresh draws of
the joint law by Kolmogorov and Smirnov's test of two samples. At β < 1 the data come from the tempered likelihood,
which for normal noise is normal with noise of variance σ²/β.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
import pandas as pd
from numpyro import handlers
from scipy.stats import ks_2samp

from singular.models.base import Model
from singular.models.density import Traced
from singular.models.problem import Problem
from singular.models.structure import LinearGaussian
from singular.posteriors.kernels import kernel_of, sweep_of
from singular.posteriors.nuts import evaluate, initial_tuning
from singular.posteriors.precision import x64

CHAINS, TURNS, FRESH = 1000, 20, 20_000
"""Chains, turns of each, and fresh draws of the joint law that their ends are held against."""
ROWS, SPREAD = 20, 2.0
"""Observations, and standard deviation of covariates: enough for data to bind the parameters."""
STEP_SIZE, DEPTH = 0.2, 4
"""Of NUTS, which keeps its law at any: nothing is adapted here."""


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


Step = Callable[[Any, Any, Any], Any]
"""(key, z, y) -> z."""


def move_step(joint: Joint, name: str) -> Step:
    """Return one move of the family, alone. Call inside a 64-bit scope."""

    def make(problem: Problem) -> Traced:
        assert problem.model is not None
        return sweep_of(problem.replace(model=replace(problem.model, moves={name: problem.model.moves[name]})))

    sweep = joint.following(make)
    return lambda key, z, y: sweep(y, key, z, joint.beta)


def kernel_step(joint: Joint, name: str) -> Step:
    """Return one step of a kernel at a fixed step size. Call inside a 64-bit scope."""
    kernel = kernel_of(joint.problem, name)
    functions = [
        joint.following(lambda problem, place=place: kernel_of(problem, name).traced[place])
        for place in range(len(kernel.traced))
    ]
    split = joint.following(lambda problem: problem.parts.split)
    tuning = initial_tuning(kernel.dim, STEP_SIZE)

    def step(key, z, y):
        at = [lambda *arguments, f=f: f(y, *arguments) for f in functions]
        here = lambda z: split(y, z)  # noqa: E731
        point = evaluate(here, z)
        return kernel.step(at, here, key, point, tuning, joint.beta, DEPTH, DEPTH)[0].z

    return step


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


def held(
    joint: Joint, make: Callable[[Joint], Step], chains: int = CHAINS, turns: int = TURNS, seed: int = 0
) -> pd.DataFrame:
    """Return a row for each quantity: its mean after all turns less that of the law, in deviations, and p.

    Parameters
    ----------
    joint : Joint
    make : Joint -> Step
        Called inside a 64-bit scope.
    chains, turns, seed : int
    """
    with x64():
        step, parts = make(joint), joint.problem.parts
        ours, others = jax.random.split(jax.random.PRNGKey(seed))
        split = joint.following(lambda problem: problem.parts.split)

        def ended(key):
            def turn(number, state):
                z, _ = state
                of_y, of_z = jax.random.split(jax.random.fold_in(key, number))
                y = joint.simulate(of_y, z)
                return step(of_z, z, y), y

            z, y = jax.lax.fori_loop(1, turns + 1, turn, joint.draw(jax.random.fold_in(key, 0)))
            return parts.constrain(z), split(y, z)[1]

        def fresh(key):
            z, y = joint.draw(key)
            return parts.constrain(z), split(y, z)[1]

        ends = jax.jit(lambda keys: jax.lax.map(ended, keys))(jax.random.split(ours, chains))
        law = jax.jit(lambda keys: jax.lax.map(fresh, keys, batch_size=500))(jax.random.split(others, FRESH))
    sites = parts.sites.latent
    found, known = (
        quantities(joint.problem.model, {site: values[site] for site in sites}, nll) for values, nll in (ends, law)
    )
    return pd.DataFrame(
        {
            "quantity": name, "shift": (found[name].mean() - known[name].mean()) / known[name].std(),
            "p": float(ks_2samp(found[name], known[name], method="asymp").pvalue), "chains": chains, "turns": turns,
        }
        for name in found
    )  # fmt: skip
