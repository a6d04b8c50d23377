"""The free energy from independent replicates of sequential Monte Carlo."""

from __future__ import annotations

import math

import numpy as np
from scipy.special import logsumexp

from singular.analysis.estimate import Estimate
from singular.analysis.thresholds import FEW_REPLICATES, MAXIMUM_SPREAD, MINIMUM_ACCEPTANCE, MINIMUM_EFFECTIVE_SHARE
from singular.errors import InputError
from singular.posteriors.smc import SequentialMonteCarlo


def free_energy_smc(run: SequentialMonteCarlo, beta: float = 1.0) -> Estimate:
    """Estimate F_n(β) = −log Z(β) as minus the log of the mean of the replicates' unbiased estimates of Z(β).

    The bias of the log of a mean is taken off by the jackknife over replicates. The error is the jackknife's, times
    √((R − 1)/(R − 3)): with R replicates a standardised error has Student's t distribution with R − 1 degrees of
    freedom, and this makes its variance 1, so that ``mcse`` is on average what it is for more replicates.

    Parameters
    ----------
    run : SequentialMonteCarlo
        What ``posteriors.smc`` returned: at least 4 replicates.
    beta : float
        One of ``run.betas``.

    Returns
    -------
    Estimate
        In nats. ``influence`` is (1, replicate), each replicate Z_r/mean Z: the run is independent of any ladder, so
        errors of a difference add in squares. Flags: few replicates, replicates that differ too much for the error
        of the log to be that of a normal, moves seldom accepted, particles of little effect.

    Raises
    ------
    InputError
        If there are fewer than 4 replicates, or β is none of the temperatures.
    """
    logs = _at(run, beta)
    replicates = logs.size
    if replicates < 4:
        raise InputError(f"run: {replicates} replicates; at least 4 are needed for an error")
    if beta == 0.0:
        value, mcse = 0.0, 0.0
        share = np.ones(replicates)
    else:
        whole = _log_mean(logs)
        without = np.array([_log_mean(np.delete(logs, i)) for i in range(replicates)])
        value = -(replicates * whole - (replicates - 1) * without.mean())
        spread = math.sqrt((replicates - 1) / replicates * float(np.sum((without - without.mean()) ** 2)))
        mcse = spread * math.sqrt((replicates - 1) / (replicates - 3))
        share = np.exp(logs - whole)
    return Estimate(
        value,
        mcse,
        "F_n(1), the negative log evidence" if beta == 1.0 else f"F_n(beta) at beta={beta:.3g}",
        "smc",
        float(beta),
        flags=tuple(_flags(run, beta, logs)),
        influence=(1.0 - share)[None],
    )


def _at(run: SequentialMonteCarlo, beta: float) -> np.ndarray:
    match = np.flatnonzero(np.isclose(run.betas, beta, rtol=1e-6, atol=1e-15))
    if match.size == 0:
        held = ", ".join(f"{b:.4g}" for b in run.betas)
        raise InputError(f"beta={beta!r} is no temperature of this run; its temperatures are {held}")
    return np.asarray(run.log_evidence[:, match[0]], dtype=np.float64)


def _log_mean(logs: np.ndarray) -> float:
    return np.asarray(logsumexp(logs)).item() - math.log(logs.size)


def _flags(run: SequentialMonteCarlo, beta: float, logs: np.ndarray) -> list[str]:
    found = []
    if logs.size < FEW_REPLICATES:
        found.append(f"{logs.size} replicates < {FEW_REPLICATES}: their spread is poorly known")
    spread = float(np.std(logs, ddof=1))
    if not spread <= MAXIMUM_SPREAD:
        found.append(
            f"log evidence differs by {spread:.2g} nats between replicates (sd > {MAXIMUM_SPREAD}): take more particles"
        )
    reached = (run.betas > 0) & (run.betas <= beta * (1 + 1e-6))
    if reached.any():
        accepted = run.acceptance[:, reached].mean(axis=0)
        if not accepted.min() >= MINIMUM_ACCEPTANCE:
            at = run.betas[reached][int(np.argmin(accepted))]
            found.append(f"{accepted.min():.2f} < {MINIMUM_ACCEPTANCE} of the moves accepted at beta={at:.3g}")
        share = run.effective_share[:, reached]
        if not share.min() >= MINIMUM_EFFECTIVE_SHARE:
            at = run.betas[reached][int(np.argmin(share.min(axis=0)))]
            found.append(
                f"effective share {share.min():.2f} < {MINIMUM_EFFECTIVE_SHARE} of the particles at beta={at:.3g}"
            )
    return found
