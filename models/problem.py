"""A problem: one NumPyro model and one data set, with prior and likelihood apart."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar

import jax
import numpy as np

from singular.errors import InputError
from singular.models.base import Model
from singular.models.density import Density, map_rows, trace_density
from singular.models.reference import Reference, find_reference


@dataclass(frozen=True, eq=False)
class Problem:
    """A model and its data: what every sampler and every oracle takes.

    Build one with `Problem.from_numpyro` (any NumPyro model) or ``models.problem`` (the catalogue).

    ``numpyro.factor`` sites count with the likelihood, as every observed site does: the prior is what can
    be drawn by running the model forward, and a factor cannot. Discrete latent sites are summed out.

    Attributes
    ----------
    name : str
    density : callable
        The NumPyro model, called as ``density(*args, **kwargs)``.
    args, kwargs
        Its arguments, arrays as NumPy arrays (floats in 64 bit).
    model : Model or None
        The catalogue member, if it is one.
    seed : int or None
        Seed of the simulated data, None for data of the user's.
    sample_size : int or None
        Overrides ``n``.
    unbounded : bool
        Whether the likelihood is known to grow without limit somewhere; the reference is flagged then.
    """

    name: str
    density: Callable[..., Any]
    args: tuple = ()
    kwargs: dict[str, Any] = field(default_factory=dict)
    model: Model | None = None
    seed: int | None = None
    sample_size: int | None = None
    unbounded: bool = False
    own_prior: ClassVar[bool] = True
    """Whether the prior is that of the density."""

    @classmethod
    def from_numpyro(cls, fn: Callable[..., Any], *args, **kwargs) -> Problem:
        """Take any NumPyro model with its data.

        Parameters
        ----------
        fn : callable
            A NumPyro model: sample sites, at least one with ``obs``. Constrained supports, plates, several
            observed sites, masks, ``numpyro.factor``, deterministic sites and enumerable discrete latent
            sites are all taken.
        *args, **kwargs
            Handed to ``fn`` as they are; arrays must be finite.

        Raises
        ------
        InputError
            If ``fn`` is no NumPyro model, has no observed site, an improper prior, a subsampled plate, a
            ``numpyro.param``, or a discrete latent site that cannot be enumerated; if data are NaN,
            infinite or empty; or if the likelihood is not finite at draws from the prior.

        Examples
        --------
        >>> import numpy as np, numpyro, numpyro.distributions as dist
        >>> def coin(y):
        ...     p = numpyro.sample("p", dist.Beta(1, 1))
        ...     numpyro.sample("y", dist.Bernoulli(p), obs=y)
        >>> Problem.from_numpyro(coin, y=np.array([0, 1, 1])).n
        3
        """
        if not callable(fn):
            raise InputError(f"fn={fn!r} is not callable; it must be a NumPyro model function")
        name = getattr(fn, "__name__", type(fn).__name__).strip("<>")
        problem = cls(name, fn, tuple(_clean(f"argument {i}", a) for i, a in enumerate(args)),
                      {k: _clean(k, v) for k, v in kwargs.items()})  # fmt: skip
        problem.check()
        return problem

    @classmethod
    def from_model(cls, model: Model, n: int = 500, seed: int = 0) -> Problem:
        """Simulate ``n`` observations from a catalogue model's truth with data seed ``seed``."""
        if isinstance(n, bool) or not isinstance(n, int | np.integer) or n < 1:
            raise InputError(f"n={n!r} must be a whole number of observations, at least 1")
        if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or seed < 0:
            raise InputError(f"seed={seed!r} must be a whole number, at least 0")
        with jax.enable_x64(True):
            data = model.simulate(jax.random.key(int(seed)), int(n))
        kwargs = {k: _clean(k, v) for k, v in data.items()}
        return cls(model.name, model.density, (), kwargs, model, int(seed), int(n))

    def replace(self, **changes) -> Problem:
        """Return a copy with ``name``, ``n`` or other fields changed."""
        if "n" in changes:
            n = changes.pop("n")
            if isinstance(n, bool) or not isinstance(n, int | np.integer) or n < 1:
                raise InputError(f"n={n!r} must be a whole number of observations, at least 1")
            changes["sample_size"] = int(n)
        allowed = {f.name for f in dataclasses.fields(self)}
        for key in changes:
            if key not in allowed:
                raise InputError(f"{key!r} is no field of a problem; allowed: n, {', '.join(sorted(allowed))}")
        return dataclasses.replace(self, **changes)

    @cached_property
    def parts(self) -> Density:
        """Log prior, nll, prior draws and transforms, traced once in 64-bit arithmetic."""
        with jax.enable_x64(True):
            try:
                sufficient = None if self.declared is None else self.declared.sufficient
                return trace_density(self.density, self.args, self.kwargs, sufficient, self.sums)
            except InputError:
                raise
            except Exception as error:
                raise InputError(
                    f"model {self.name!r} could not be run with these arguments: {type(error).__name__}: {error}"
                ) from error

    @cached_property
    def sums(self) -> Any:
        """What the model declares to suffice of the data, from one pass over them; None if it declares nothing."""
        sufficient = None if self.declared is None else self.declared.sufficient
        return None if sufficient is None else sufficient.summarise(self.kwargs)

    @property
    def declared(self) -> Model | None:
        """The model, if its density is the one sampled: what it declares of its likelihood then holds."""
        return self.model if self.model is not None and self.density is self.model.density else None

    @property
    def dim(self) -> int:
        """d, the number of free parameters (the length of the unconstrained vector)."""
        return self.parts.dim

    @cached_property
    def n(self) -> int:
        """Number of observations: the leading axis of the observed sites, masked ones not counted."""
        if self.sample_size is not None:
            return self.sample_size
        sizes = set(self.parts.sites.sample_sizes.values())
        if len(sizes) != 1:
            raise InputError(
                f"n is not clear from the observed sites ({self.parts.sites.sample_sizes or 'factors only'}); "
                "say it with problem.replace(n=...)"
            )
        return sizes.pop()

    @cached_property
    def data_hash(self) -> str:
        """SHA-256 of the arguments and of every array the model captures, 16 hexadecimal digits."""
        digest = hashlib.sha256()
        leaves = [a for a in jax.tree.leaves((self.args, self.kwargs)) if isinstance(a, np.ndarray)]
        # sums of the data would differ between machines by rounding, and the data themselves are among the leaves
        sums = self.declared is not None and self.declared.sufficient is not None
        for array in [*leaves, *(self.parts.prior_draw if sums else self.parts.split).constants]:
            digest.update(str((array.shape, array.dtype)).encode())
            digest.update(np.ascontiguousarray(array).tobytes())
        return digest.hexdigest()[:16]

    @cached_property
    def reference(self) -> Reference:
        """The maximum-likelihood point: best of several optimiser starts, the known optimum among them."""
        start = None
        if self.model is not None and self.model.optimum is not None:
            with jax.enable_x64(True):
                start = self.parts.unconstrain(dict(self.model.optimum))
        return find_reference(self.parts, start, self.unbounded)

    def check(self, draws: int = 128) -> None:
        """Refuse a model whose likelihood is not finite at draws from the prior."""
        parts = self.parts
        with jax.enable_x64(True):
            z = map_rows(parts.prior_draw, jax.random.split(jax.random.PRNGKey(0), draws))
            log_prior, nll = map_rows(parts.split, z)
        for what, values in (("log prior", log_prior), ("likelihood", nll)):
            bad = int((~np.isfinite(np.asarray(values))).sum())
            if bad:
                raise InputError(
                    f"the {what} of model {self.name!r} is not finite at {bad} of {draws} draws from its prior; "
                    "the prior must only propose parameters under which the data are possible"
                )

    def __repr__(self) -> str:
        return f"Problem({self.name!r}, n={self.n}, dim={self.dim})"


def _clean(name: str, value: Any) -> Any:
    """Return arrays as NumPy, floats in 64 bit, and refuse NaN, infinite and empty ones."""

    def leaf(x):
        if not isinstance(x, np.ndarray | jax.Array):
            return x
        array = np.asarray(x)
        if array.dtype == object:
            raise InputError(f"{name} is an array of objects; allowed: numbers and booleans")
        if array.size == 0:
            raise InputError(f"{name} is empty (shape {array.shape}); at least one observation is needed")
        if np.issubdtype(array.dtype, np.inexact):
            array = array.astype(np.float64)
            if not np.isfinite(array).all():
                bad = int((~np.isfinite(array)).sum())
                raise InputError(f"{name} has {bad} values that are NaN or infinite; all must be finite")
        return array

    return jax.tree.map(leaf, value)
