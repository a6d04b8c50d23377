"""A local problem in coordinates in which its posterior is nearly a standard normal, so that samplers move freely."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from functools import cached_property

import jax
import jax.numpy as jnp
import numpy as np

from singular.errors import InputError
from singular.models.density import Density, compiled, hoist
from singular.models.reference import Reference, find_reference
from singular.posteriors.localise import LocalProblem
from singular.posteriors.precision import x64


@dataclass(frozen=True, eq=False, repr=False)
class WhitenedProblem(LocalProblem):
    """A `LocalProblem` whose flat vector is v, z = z* + S v; made by `whiten`.

    The densities are those of z at that point: the constant Jacobian |S| is left out, so that nll, log prior and all
    that estimators read off them are what they are without whitening.

    Attributes
    ----------
    scale : (d, d) nested tuple of float
        S.
    point : (d,) tuple of float
        z*; ``centre`` is the same point in the coordinates of v, 0.
    """

    scale: tuple[tuple[float, ...], ...] = ()
    point: tuple[float, ...] = ()

    @cached_property
    def parts(self) -> Density:
        """The parts of the problem as functions of v."""
        with x64():
            local = LocalProblem(**_shared(self), centre=self.point, gamma=self.gamma)
            parts = local.parts
            scale, point = jnp.asarray(self.scale), jnp.asarray(self.point)
            inverse = jnp.asarray(np.linalg.inv(np.asarray(self.scale)))

            def constrain(v):
                return parts.constrain(point + scale @ v)

            changes = {
                "split": hoist(lambda v: parts.split(point + scale @ v), point),
                "prior_draw": hoist(lambda key: inverse @ (parts.prior_draw(key) - point), jax.random.PRNGKey(0)),
                "constrain": hoist(constrain, point),
                "unconstrain": lambda values: np.asarray(inverse @ (parts.unconstrain(values) - point)),
                "invert": lambda values: inverse @ (parts.invert(values) - point),
            }
            if parts.pointwise is not None:
                pointwise = parts.pointwise
                changes["pointwise"] = hoist(lambda v: pointwise(point + scale @ v), point)
            return dataclasses.replace(parts, **changes)

    @cached_property
    def reference(self) -> Reference:
        """The best point that an optimiser finds, in the coordinates of v."""
        return find_reference(self.parts, np.zeros(len(self.centre)), self.unbounded)


def whiten(problem: LocalProblem, beta: float) -> WhitenedProblem:
    """Return a local problem in coordinates v, z = z* + S v, S = (β ∇²nL_n(z*) + γ)^(−1/2).

    Where the loss is quadratic the posterior at β is a standard normal in v, and a step size of order one suits every
    direction. Curvatures below 0 count as 0. The target is the same as before: ``log_prior`` is still that of the
    isotropic localiser, and `analysis.local_learning_coefficient` takes the whitened problem with its draws.

    Parameters
    ----------
    problem : LocalProblem
    beta : float
        Above 0.

    Raises
    ------
    InputError
        If the problem is not local or whitened already, β is not a finite number above 0, or the Hessian is not finite.

    Examples
    --------
    >>> from singular import models
    >>> from singular.posteriors.localise import localise
    >>> problem = models.problem("linear-2", n=50)
    >>> local = whiten(localise(problem, problem.reference.z, gamma=1.0), beta=0.5)
    >>> bool(np.isclose(local.centre_nll, problem.reference.nll))
    True
    """
    if not isinstance(problem, LocalProblem) or isinstance(problem, WhitenedProblem):
        raise InputError(f"problem={problem!r}: allowed is a problem made by posteriors.localise")
    if isinstance(beta, bool) or not isinstance(beta, int | float | np.number) or not 0 < beta < math.inf:
        raise InputError(f"beta={beta!r} must be a finite number above 0")
    with x64():
        curvature = compiled("nll hessian", lambda split: jax.hessian(lambda z: split(z)[1]), problem.parts.split)
        matrix = np.asarray(curvature(jnp.asarray(problem.centre)))
    if not np.isfinite(matrix).all():
        raise InputError(f"problem={problem.name!r} has no finite Hessian at its centre")
    values, vectors = np.linalg.eigh((matrix + matrix.T) / 2)
    scale = (vectors / np.sqrt(beta * np.maximum(values, 0.0) + problem.gamma)) @ vectors.T
    return WhitenedProblem(
        **_shared(problem),
        centre=(0.0,) * problem.dim,
        gamma=problem.gamma,
        scale=tuple(tuple(row) for row in scale.tolist()),
        point=problem.centre,
    )


def _shared(problem: LocalProblem) -> dict:
    """Return the fields of a problem that do not depend on its coordinates."""
    names = ("name", "density", "args", "kwargs", "model", "seed", "sample_size", "unbounded")
    return {name: getattr(problem, name) for name in names}
