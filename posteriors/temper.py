"""The tempering effect handler: the likelihood to the power β, the prior left alone."""

from __future__ import annotations

from typing import Any

from numpyro.primitives import Messenger

from singular.errors import InputError
from singular.models.density import JACOBIAN_SITE


class temper(Messenger):
    """Scale the log-probability of observed sites by ``beta``.

    The tempered posterior p_β(w) ∝ φ(w) p(D | w)^β of Watanabe (2013), JMLR 14, 867-897, eq. 5, as an
    effect handler: ``NUTS(temper(model, 0.1))`` samples it. ``numpyro.factor`` sites are scaled (they count
    with the likelihood); changes of variables of latent sites are not.

    Parameters
    ----------
    fn : callable
        A NumPyro model.
    beta : float
        Inverse temperature, dimensionless, in [0, 1].

    Raises
    ------
    InputError
        If ``beta`` is outside [0, 1], or on running a model with discrete latent sites: for those the power
        is that of the sum over them, which scaling a site cannot give. `Problem` and the ladder take them.

    Examples
    --------
    >>> import numpy as np, numpyro, numpyro.distributions as dist
    >>> from numpyro.infer.util import log_density
    >>> def model(y):
    ...     w = numpyro.sample("w", dist.Normal(0, 1))
    ...     numpyro.sample("y", dist.Normal(w, 1), obs=y)
    >>> prior = log_density(temper(model, 0.0), (np.ones(3),), {}, {"w": 0.0})[0]
    >>> bool(np.isclose(prior, -0.9189385))
    True
    """

    def __init__(self, fn=None, beta: float = 1.0) -> None:
        if isinstance(beta, int | float) and not 0.0 <= beta <= 1.0:
            raise InputError(f"beta={beta!r} must be an inverse temperature in [0, 1]")
        self.beta = beta
        super().__init__(fn)

    def process_message(self, msg: dict[str, Any]) -> None:
        if msg["type"] != "sample":
            return
        if msg["is_observed"]:
            if not JACOBIAN_SITE.match(msg["name"]):
                msg["scale"] = self.beta if msg["scale"] is None else self.beta * msg["scale"]
        elif msg["fn"].support.is_discrete:
            raise InputError(
                f"temper cannot scale a model with the discrete latent site {msg['name']!r}: p(D | w)^β sums over "
                "it first. Use Problem.from_numpyro and posteriors.ladder, which do"
            )
