"""The covariance of one observation's gradient at a point, what it has to do with the Hessian, and both along runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from singular.analysis.fisher import point_of
from singular.analysis.spectrum import Spectrum, spectrum_of_matrix
from singular.errors import InputError, whole
from singular.models.density import compiled
from singular.posteriors.ensemble import ensemble_points
from singular.posteriors.precision import x64

if TYPE_CHECKING:
    import xarray as xr

    from singular.models.problem import Problem


@dataclass(frozen=True)
class GradientNoise:
    """Gradient noise of one observation and curvature of the mean loss at one point, unconstrained coordinates.

    Attributes
    ----------
    covariance : (d, d) float
        C, of the gradient of −log p(y_i | z) over the observations, normalised 1/n; nats².
    hessian : (d, d) float
        H, of the mean loss; nats.
    gradient : (d,) float
        Of the mean loss.
    """

    covariance: np.ndarray
    hessian: np.ndarray
    gradient: np.ndarray

    @cached_property
    def spectrum(self) -> Spectrum:
        """Eigenvalues and vectors of H."""
        return spectrum_of_matrix(self.hessian)

    @property
    def trace(self) -> float:
        """tr C."""
        return float(np.trace(self.covariance))

    @property
    def alignment(self) -> float:
        """tr(CH)/(‖C‖‖H‖), Frobenius norms: 1 where C ∝ H; NaN where either is 0."""
        return _ratio(self._inner, np.linalg.norm(self.covariance) * np.linalg.norm(self.hessian))

    @property
    def proportionality(self) -> float:
        """tr(CH)/tr(H²): the σ² for which σ²H is nearest to C. For a well-specified model at its truth, 1."""
        return _ratio(self._inner, np.linalg.norm(self.hessian) ** 2)

    @property
    def proportional_misfit(self) -> float:
        """‖C − σ²H‖/‖C‖ at that σ²: 0 where C ∝ H, and √(1 − alignment²)."""
        return _ratio(
            np.linalg.norm(self.covariance - self.proportionality * self.hessian), np.linalg.norm(self.covariance)
        )

    @property
    def variance(self) -> float:
        """tr(PC)/rank(H), P the projection on the range of H: the σ² of the isotropic noise nearest to C there."""
        return _ratio(np.trace(self._seen), self.spectrum.rank)

    @property
    def isotropic_misfit(self) -> float:
        """‖PCP − σ²P‖/‖PCP‖ at that σ²: 0 where the noise is isotropic on the range of H."""
        return _ratio(np.linalg.norm(self._seen - self.variance * np.eye(len(self._seen))), np.linalg.norm(self._seen))

    @property
    def _inner(self) -> float:
        return float(np.sum(self.covariance * self.hessian))

    @property
    def _seen(self) -> np.ndarray:
        """C in an orthonormal basis of the range of H."""
        return self.spectrum.range.T @ self.covariance @ self.spectrum.range


def gradient_noise(problem: Problem, parameters: Mapping[str, Any] | np.ndarray) -> GradientNoise:
    """Return the covariance of one observation's gradient and the Hessian of the mean loss at a point.

    The mean gradient of a minibatch of B has covariance ρC, ρ = 1/B with replacement, (n − B)/(B (n − 1)) without.

    Parameters
    ----------
    problem : Problem
    parameters : mapping or (d,) float
        Site name to value, on the sites' own supports, or a point of the unconstrained space.

    Raises
    ------
    InputError
        If the point is no point of the problem or lies on the edge of a support, or the likelihood is no product over
        n observations.

    Examples
    --------
    >>> from singular import models
    >>> problem = models.problem("linear-2", n=50)
    >>> x, y = problem.kwargs["x"], problem.kwargs["y"]
    >>> found = gradient_noise(problem, problem.reference.z)
    >>> residual = y - x @ problem.reference.z
    >>> bool(np.allclose(found.covariance, (x * residual[:, None] ** 2).T @ x / 50, atol=1e-6))
    True
    """
    return _noise_at(problem, point_of(problem, parameters)[None])[0]


def observation_gradients(problem: Problem, points: ArrayLike) -> np.ndarray:
    """Return the gradient of −log p(y_i | z) for each observation at each of some points, nats.

    Parameters
    ----------
    problem : Problem
    points : (m, d) float
        Unconstrained.

    Returns
    -------
    (m, n, d) float

    Raises
    ------
    InputError
        If the points have another shape or are not finite, or the likelihood is no product over n observations.

    Examples
    --------
    >>> from singular import models
    >>> problem = models.problem("linear-2", n=50)
    >>> gradients = observation_gradients(problem, [problem.reference.z])
    >>> gradients.shape, bool(np.abs(gradients.mean(axis=1)).max() < 1e-6)
    ((1, 50, 2), True)
    """
    z = np.asarray(points, dtype=np.float64)
    if z.ndim != 2 or z.shape[1] != problem.dim or not np.isfinite(z).all():
        raise InputError(f"points has shape {z.shape}: allowed are finite numbers, (m, {problem.dim})")

    def make(pointwise):
        return lambda rows: jax.lax.map(jax.jacfwd(lambda v: -_logs(problem, pointwise(v))), rows)

    with x64():
        rows = jnp.asarray(z)
        return np.asarray(compiled(f"observation gradients of {problem.n}", make, _pointwise(problem))(rows))


def noise_along(
    ensemble: xr.DataTree, problem: Problem, runs: int = 8, steps: np.ndarray | list[int] | None = None
) -> pd.DataFrame:
    """Return gradient noise and Hessian along the first runs of an ensemble.

    Parameters
    ----------
    ensemble : DataTree
        From ``posteriors.sgd``.
    problem : Problem
        The one it was run on.
    runs : int
        How many runs; fewer if the ensemble has fewer.
    steps : sequence of int, optional
        Some of the recorded steps; all if not given.

    Returns
    -------
    DataFrame
        ``run, step, trace, alignment, proportionality, proportional_misfit, variance, isotropic_misfit, hessian_trace,
        rank, drawn_trace``: one row a run and step, numbers as in `GradientNoise`; ``rank`` is that of H.
        ``drawn_trace`` is ‖ξ‖²/ρ of the noise ξ that the run met at that very step: one draw, whose mean is ``trace``
        if the noise was the minibatch's; NaN where there was none. Points at which a run had left are left out.

    Raises
    ------
    InputError
        As `gradient_noise` and ``posteriors.ensemble_points``, or if a step was not recorded.
    """
    whole("runs", runs, 1)
    recorded = ensemble["sample_stats"]["step"].to_numpy()
    chosen = recorded if steps is None else np.asarray(steps)
    if not np.isin(chosen, recorded).all():
        raise InputError(f"steps={steps!r}: allowed are recorded steps, {np.array2string(recorded, threshold=8)}")
    places = np.searchsorted(recorded, chosen)
    z = ensemble_points(ensemble, problem)[:runs, places]
    at = [(i, j) for i in range(z.shape[0]) for j in range(z.shape[1]) if np.isfinite(z[i, j]).all()]
    drawn = np.full(z.shape[:2], np.nan)
    if "gradient_noise" in ensemble["sample_stats"]:
        noise = ensemble["sample_stats"]["gradient_noise"].to_numpy()[:runs, places]
        drawn = (noise**2).sum(axis=-1) / float(ensemble.attrs["spread"])
    found = _noise_at(problem, np.array([z[i, j] for i, j in at]).reshape(-1, problem.dim))
    names = ("trace", "alignment", "proportionality", "proportional_misfit", "variance", "isotropic_misfit")
    rows = [
        {
            "run": i,
            "step": int(chosen[j]),
            **{name: getattr(noise, name) for name in names},
            "hessian_trace": float(np.trace(noise.hessian)),
            "rank": noise.spectrum.rank,
            "drawn_trace": float(drawn[i, j]),
        }
        for (i, j), noise in zip(at, found, strict=True)
    ]
    return pd.DataFrame(rows, columns=["run", "step", *names, "hessian_trace", "rank", "drawn_trace"])


def _noise_at(problem: Problem, points: np.ndarray) -> list[GradientNoise]:
    """Return the noise at each of the points, (m, d)."""
    n = problem.n

    def make(pointwise, split):
        def one(z):
            scores = jax.jacfwd(lambda v: _logs(problem, pointwise(v)))(z)
            gradient = -scores.mean(axis=0)
            deviations = scores + gradient
            hessian = jax.hessian(lambda v: split(v)[1])(z) / n
            return deviations.T @ deviations / n, hessian, gradient

        return lambda rows: jax.lax.map(one, rows)

    pointwise = _pointwise(problem)
    if not len(points):
        return []
    with x64():
        parts = compiled(f"gradient noise of {n}", make, pointwise, problem.parts.split)(jnp.asarray(points))
    return [GradientNoise(*(np.asarray(part[i]) for part in parts)) for i in range(len(points))]


def _pointwise(problem: Problem) -> Any:
    pointwise = problem.parts.pointwise
    if pointwise is None:
        raise InputError(f"problem={problem.name!r} sums over discrete sites: its observations have no gradients apart")
    return pointwise


def _logs(problem: Problem, pointwise: Mapping[str, Any]) -> Any:
    """Return log p(y_i | z) of each observation, (n,), from its observed sites."""
    sites = [value.reshape(value.shape[0], -1).sum(axis=1) for value in pointwise.values() if value.ndim]
    if not sites or any(len(site) != problem.n for site in sites):
        raise InputError(
            f"problem={problem.name!r} has observed sites of lengths {[len(s) for s in sites]}: allowed are"
            f" such as have one row for each of n={problem.n} observations"
        )
    return sum(sites)


def _ratio(above: Any, below: Any) -> float:
    return float(above) / float(below) if float(below) else np.nan
