"""Quadrature rules for a mixing weight on (0, 1), as values of its log odds: small weights keep their digits."""

from __future__ import annotations

import math

import numpy as np

from singular.models.integrals import rules


def logits_of(step: float, extent: float = 2.9) -> rules.Rule:
    """Return the tanh-sinh rule of a weight on (0, 1) as values of its logit.

    Parameters
    ----------
    step : float
        Spacing in s, where the logit is π sinh s.
    extent : float
        |s| goes to this; 2.9 leaves weights below 1e-12 out.
    """
    count = math.floor(extent / step)
    s = step * np.arange(-count, count + 1)
    logit = math.pi * np.sinh(s)
    log_slope = math.log(math.pi * step) + np.log(np.cosh(s))
    return rules.Rule(logit, log_slope - np.logaddexp(0.0, logit) - np.logaddexp(0.0, -logit))


def log_odds(step: float, extent: float) -> rules.Rule:
    """Return the trapezoid rule in the logit itself, for weights that matter over many powers of ten."""
    logit = np.arange(-math.floor(extent / step), math.floor(extent / step) + 1) * step
    return rules.Rule(logit, math.log(step) - np.logaddexp(0.0, logit) - np.logaddexp(0.0, -logit))


def folded_log_odds(step: float, extent: float) -> rules.Rule:
    """Return the trapezoid rule in the logit of a weight below 1/2, at twice its weight.

    For integrands with the symmetry a → 1 − a, in which small weights matter over many powers of ten.
    """
    logit = -np.arange(math.floor(extent / step) + 1) * step
    twice = np.where(logit == 0, 0.0, math.log(2.0))
    return rules.Rule(logit, twice + math.log(step) - np.logaddexp(0.0, logit) - np.logaddexp(0.0, -logit))
