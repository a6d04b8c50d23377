"""Training loss, functional variance, singular fluctuation and WAIC, at any rung of a ladder."""

from __future__ import annotations

from typing import TYPE_CHECKING

from singular.analysis.criterion import Criterion, criterion
from singular.analysis.rung_likelihoods import (
    Moments,
    Rung,
    check_scale,
    finish,
    moments,
    read_rung,
    scaled,
    shared_flags,
)
from singular.analysis.thresholds import LARGE_VARIANCE

if TYPE_CHECKING:
    import xarray as xr

    from singular.models.problem import Problem


def training_loss(ladder: xr.DataTree, problem: Problem, beta: float = 1.0) -> Criterion:
    """Estimate the training loss T_n = −(1/n) Σ_i log E_w[p(y_i | x_i, w)], w drawn at β.

    Parameters
    ----------
    ladder : DataTree
    problem : Problem
        The problem it was sampled from, with a log-likelihood for each observation.
    beta : float
        A rung above 0.

    Returns
    -------
    Criterion
        Nats an observation.

    Raises
    ------
    InputError
        As for `pointwise_log_likelihood`, or if β is 0.

    References
    ----------
    Watanabe (2010), J. Mach. Learn. Res. 11, 3571: the Bayes training loss.
    """
    rung = read_rung(ladder, problem, beta)
    return training_loss_of(rung, moments(rung.values))


def functional_variance(ladder: xr.DataTree, problem: Problem, beta: float = 1.0) -> Criterion:
    """Estimate the functional variance V_n = Σ_i Var_w(log p(y_i | x_i, w)), w drawn at β.

    At β = 1 it is the effective number of parameters that WAIC counts.

    Parameters
    ----------
    ladder, problem, beta
        As for `training_loss`.

    Returns
    -------
    Criterion
        Nats².

    Raises
    ------
    InputError
        As for `training_loss`.

    References
    ----------
    Watanabe (2010), J. Mach. Learn. Res. 11, 3571.
    """
    rung = read_rung(ladder, problem, beta)
    return functional_variance_of(rung, moments(rung.values))


def singular_fluctuation(ladder: xr.DataTree, problem: Problem, beta: float = 1.0) -> Criterion:
    """Estimate the singular fluctuation ν(β), the limit of (β/2) E[V_n], by (β/2) V_n.

    One data set's value: ν is the mean over data sets in the limit of large n, and ``mcse`` is Monte Carlo error
    only. Where the model is regular and holds the truth ν = λ = d/2; elsewhere the two differ.

    Parameters
    ----------
    ladder, problem, beta
        As for `training_loss`.

    Returns
    -------
    Criterion
        Dimensionless.

    Raises
    ------
    InputError
        As for `training_loss`.

    References
    ----------
    Watanabe (2010), J. Mach. Learn. Res. 11, 3571.
    """
    rung = read_rung(ladder, problem, beta)
    return singular_fluctuation_of(rung, moments(rung.values))


def waic(ladder: xr.DataTree, problem: Problem, beta: float = 1.0, scale: str = "log") -> Criterion:
    """Estimate the widely applicable information criterion, T_n + β V_n / n as a loss.

    Its mean over data sets is that of the generalisation loss of the posterior at β, up to o(1/n), whether the model
    is regular or not.

    Parameters
    ----------
    ladder, problem, beta
        As for `training_loss`.
    scale : {"log", "deviance", "loss"}
        ``"loss"``: T_n + β V_n / n, nats an observation. ``"log"``: −n times that, the expected log predictive
        density of n fresh observations (higher is better), as ArviZ has it. ``"deviance"``: 2n times it.

    Returns
    -------
    Criterion
        On that scale; ``mcse`` is the joint one of T_n and V_n.

    Raises
    ------
    InputError
        As for `training_loss`, or if the scale is unknown.

    References
    ----------
    Watanabe (2010), J. Mach. Learn. Res. 11, 3571: the criterion, at any β.
    Vehtari, Gelman and Gabry (2017), Stat. Comput. 27, 1413: the standard error, and when not to trust it.
    """
    check_scale(scale)
    rung = read_rung(ladder, problem, beta)
    return waic_of(rung, moments(rung.values), scale)


def training_loss_of(rung: Rung, found: Moments) -> Criterion:
    """Return T_n."""
    return finish(
        criterion(
            found.loss,
            found.loss_influence / found.loss.size,
            averaged=True,
            target=f"training loss T_n at beta={rung.beta:.3g} (nats an observation)",
            method="training-loss",
            beta=rung.beta,
            flags=(*rung.flags, *shared_flags(found.shared)),
        )
    )


def functional_variance_of(rung: Rung, found: Moments) -> Criterion:
    """Return V_n."""
    return finish(
        criterion(
            found.variance,
            found.variance_influence,
            averaged=False,
            target=f"functional variance V_n at beta={rung.beta:.3g}",
            method="variance",
            beta=rung.beta,
            flags=rung.flags,
        )
    )


def singular_fluctuation_of(rung: Rung, found: Moments) -> Criterion:
    """Return (β/2) V_n."""
    half = rung.beta / 2
    return finish(
        criterion(
            half * found.variance,
            half * found.variance_influence,
            averaged=False,
            target=f"(beta/2) V_n at beta={rung.beta:.3g}; its mean over data sets tends to the singular fluctuation",
            method="variance",
            beta=rung.beta,
            flags=rung.flags,
        )
    )


def waic_of(rung: Rung, found: Moments, scale: str) -> Criterion:
    """Return WAIC on one of the `SCALES`."""
    large = int((found.variance > LARGE_VARIANCE).sum())
    count = found.variance.size
    flags = [f"variance of the log-likelihood > {LARGE_VARIANCE} at {large} of {count} observations"] if large else []
    return scaled(
        found.loss + rung.beta * found.variance,
        found.loss_influence + rung.beta * found.variance_influence,
        scale,
        name="WAIC",
        method="waic",
        beta=rung.beta,
        flags=(*rung.flags, *shared_flags(found.shared), *flags),
    )
