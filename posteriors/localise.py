"""A problem near one point: its prior replaced by a Gaussian around it, its likelihood left alone."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from singular.errors import InputError
from singular.models.density import Density, hoist
from singular.models.problem import Problem
from singular.models.reference import Reference, find_reference
from singular.posteriors.precision import x64


@dataclass(frozen=True, eq=False, repr=False)
class LocalProblem(Problem):
    """A problem whose prior is a Gaussian of precision ``gamma`` around ``centre``; made by `localise`.

    Attributes
    ----------
    centre : (d,) tuple of float
        On the unconstrained space.
    gamma : float
        Precision of the prior in each of the d unconstrained coordinates.
    """

    centre: tuple[float, ...] = ()
    gamma: float = 1.0

    own_prior = False

    @cached_property
    def parts(self) -> Density:
        """The parts of the problem, with another prior on the same unconstrained space."""
        with x64():
            parts = super().parts
            # vectors, for a scalar would be written into the program: compiled anew, and left out of data_hash
            centre, precision = jnp.asarray(self.centre), jnp.full(parts.dim, self.gamma)

            def split(z):
                shift = z - centre
                log_prior = 0.5 * jnp.sum(jnp.log(precision / (2 * math.pi)) - precision * shift**2)
                return log_prior, parts.split(z)[1]

            def prior_draw(key):
                return centre + jax.random.normal(key, centre.shape, centre.dtype) / jnp.sqrt(precision)

            return dataclasses.replace(
                parts,
                split=hoist(split, centre),
                prior_draw=hoist(prior_draw, jax.random.PRNGKey(0)),
            )

    @cached_property
    def reference(self) -> Reference:
        """The best point that an optimiser finds from the centre and from draws of the Gaussian around it."""
        return find_reference(self.parts, np.asarray(self.centre), self.unbounded)

    @property
    def centre_nll(self) -> float:
        """nL_n at the centre, nats."""
        with x64():
            return float(self.parts.split(jnp.asarray(self.centre))[1])


def localise(problem: Problem, centre: Mapping[str, Any] | np.ndarray, gamma: float) -> LocalProblem:
    """Replace the prior of a problem by a Gaussian around a point.

    The tempered posteriors of what is returned are

        p_β(z) ∝ exp(−β nL_n(z) − (γ/2) ‖z − z*‖²),

    those of the local learning coefficient (Lau et al., 2023), with z the flat unconstrained vector: for
    sites on the real line the parameters themselves, for others their images under
    ``numpyro.distributions.biject_to``, without a Jacobian term. The model's own prior does not count. An
    ordinary ladder samples them: β = 0 is the Gaussian.

    Parameters
    ----------
    problem : Problem
        Its likelihood and data are taken over. Catalogue facts are not (``model`` is None), since they hold
        under the model's own prior.
    centre : mapping or (d,) float
        z*: site name to value, on the sites' own supports, or a point of the unconstrained space
        (``problem.reference.z``).
    gamma : float
        γ > 0, precision in each unconstrained coordinate.

    Returns
    -------
    LocalProblem
        For `posteriors.ladder` as any other.

    Raises
    ------
    InputError
        If the problem is itself local, sites are missing, the centre is not d finite numbers or has no
        finite likelihood, or γ is not a finite number above 0.

    References
    ----------
    Lau, Furman, Wang, Murfet and Wei (2023), arXiv:2308.12108: the local learning coefficient.
    """
    if isinstance(problem, LocalProblem) or not isinstance(problem, Problem):
        raise InputError(f"problem={problem!r}: allowed is a Problem with its own prior")
    if isinstance(gamma, bool) or not isinstance(gamma, int | float | np.number) or not 0 < gamma < math.inf:
        raise InputError(f"gamma={gamma!r} must be a finite number above 0")
    with x64():
        point = problem.parts.unconstrain(dict(centre)) if isinstance(centre, Mapping) else centre
    z = np.asarray(point, dtype=np.float64)
    if z.shape != (problem.dim,) or not np.isfinite(z).all():
        raise InputError(f"centre={centre!r} must be {problem.dim} finite numbers once unconstrained, got {z}")
    local = LocalProblem(
        name=f"{problem.name}-local",
        density=problem.density,
        args=problem.args,
        kwargs=problem.kwargs,
        model=None,
        seed=problem.seed,
        sample_size=problem.sample_size,
        unbounded=problem.unbounded,
        centre=tuple(z.tolist()),
        gamma=float(gamma),
    )
    if not math.isfinite(local.centre_nll):
        raise InputError(f"centre={centre!r} has no finite likelihood in {problem.name!r}")
    return local
