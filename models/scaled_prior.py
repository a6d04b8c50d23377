"""The same model with its priors widened or narrowed: an effect handler over latent sites."""

from __future__ import annotations

from typing import Any

import numpyro.distributions as dist
from numpyro.distributions.distribution import ExpandedDistribution, Independent, MaskedDistribution
from numpyro.primitives import Messenger

from singular.errors import InputError

LOCATION_SCALE = (dist.Normal, dist.Cauchy, dist.StudentT, dist.Laplace, dist.Logistic)
SCALE = (dist.HalfNormal, dist.HalfCauchy)


class scaled_prior(Messenger):
    """Multiply the scale of the prior of latent sites by ``factor``.

    Scaled are Normal, Cauchy, StudentT, Laplace and Logistic (about their location), HalfNormal and HalfCauchy (about
    0), and MultivariateNormal (its covariance by factor²), whatever their batch and event shapes. Each is scaled given
    the sites before it: where a site's scale is itself a scaled site, as in a hierarchy, the factor counts for both.
    All other sites are left as they are, bounded ones such as Uniform, Beta and Dirichlet among them.

    Parameters
    ----------
    fn : callable
        A NumPyro model.
    factor : float
        Positive; above 1 widens.

    Attributes
    ----------
    scaled, left : dict of str to None
        The latent sites that were scaled and that were left alone, in order, once the model has run.

    Raises
    ------
    InputError
        If ``factor`` is not a positive number.

    Examples
    --------
    >>> import numpyro, numpy as np
    >>> from numpyro.infer.util import log_density
    >>> def model():
    ...     numpyro.sample("w", dist.Normal(1.0, 1.0))
    >>> wide = scaled_prior(model, 2.0)
    >>> bool(np.isclose(log_density(wide, (), {}, {"w": 3.0})[0], dist.Normal(1, 2).log_prob(3.0)))
    True
    >>> list(wide.scaled), list(wide.left)
    (['w'], [])
    """

    def __init__(self, fn=None, factor: float = 1.0) -> None:
        if isinstance(factor, bool) or not isinstance(factor, int | float) or not 0 < factor < float("inf"):
            raise InputError(f"factor={factor!r} must be a positive finite number")
        self.factor = float(factor)
        self.scaled: dict[str, None] = {}
        self.left: dict[str, None] = {}
        super().__init__(fn)

    def process_message(self, msg: dict[str, Any]) -> None:
        if msg["type"] != "sample" or msg["is_observed"]:
            return
        changed = rescaled(msg["fn"], self.factor)
        if changed is None:
            self.left[msg["name"]] = None
        else:
            self.scaled[msg["name"]] = None
            msg["fn"] = changed


def rescaled(fn: Any, factor: float) -> Any:
    """Return the distribution with its scale multiplied, or None if its family has no scale of that kind."""
    if isinstance(fn, ExpandedDistribution | Independent | MaskedDistribution):
        inner = rescaled(fn.base_dist, factor)
        if inner is None:
            return None
        if isinstance(fn, ExpandedDistribution):
            return inner.expand(fn.batch_shape)
        return inner.to_event(fn.reinterpreted_batch_ndims) if isinstance(fn, Independent) else inner.mask(fn._mask)
    exact = type(fn)  # a truncated or otherwise derived family is another one
    if exact is dist.StudentT:
        return dist.StudentT(fn.df, fn.loc, factor * fn.scale)
    if exact in LOCATION_SCALE:
        return exact(fn.loc, factor * fn.scale)
    if exact in SCALE:
        return exact(factor * fn.scale)
    if exact is dist.MultivariateNormal:
        return dist.MultivariateNormal(fn.loc, scale_tril=factor * fn.scale_tril)
    return None
