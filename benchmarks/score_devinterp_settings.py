"""What the score of devinterp runs: problems, and the settings of devinterp and of lambda_hat's formula.

One convention for all: a step of size ε is w ← w − (ε/2)(nβ ∇L(w) + γ(w − w*)) + √ε ξ, and nβ multiplies the mean
loss. devinterp calls ε ``lr``, γ ``localization`` and nβ ``nbeta``; lambda_hat has β and n apart.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from singular.analysis.targets import ASYMPTOTIC, LOCAL

N = 500
SEEDS = 3
PROBLEMS = (
    "linear-4", "reduced-rank-2-2-2-1", "reduced-rank-3-3-2-1", "deep-linear-2-2-1-2-r0", "tanh-1", "tanh-2", "tanh-3",
    "tanh-2-1",
)  # fmt: skip
WITH_LOCAL = ("linear-4", "reduced-rank-2-2-2-1", "deep-linear-2-2-1-2-r0", "tanh-1", "tanh-2-1")
"""Problems whose local coefficient is scored too: the others' ladders at γ = 1 take minutes each."""
DEVINTERP, LAMBDA_HAT = "devinterp", "lambda_hat"
BATCH = 256
FAR = 10.0
"""A weight beyond this many standard deviations of its prior: the maximum-likelihood point lies far out."""
FAR_OUT = ", w* far out"
"""What the family of such a data set is called after."""
NEAR = "all but far out"


class Setting(NamedTuple):
    """How one tool is called.

    ``draws`` steps follow ``burn_in`` in each of ``chains``; ``batch`` rows a step, all of them if None. A γ of 0 is no
    localisation at all. ``source`` says where the numbers are from.
    """

    tool: str
    label: str
    source: str
    step: float
    gamma: float
    chains: int
    draws: int
    burn_in: int
    batch: int | None = None


_SIGNATURE = "signatures of estimate_learning_coeff_with_summary and SGLD"
_INTRODUCTION = "examples/introduction.ipynb"
_SWEEP = "step grid of this page"
_PACKAGE = "its configuration"
SETTINGS = (
    Setting(DEVINTERP, "defaults, batch", _SIGNATURE, 1e-2, 0.0, 10, 100, 0, BATCH),
    Setting(DEVINTERP, "defaults, full batch", _SIGNATURE, 1e-2, 0.0, 10, 100, 0),
    Setting(DEVINTERP, "introduction, batch", _INTRODUCTION, 4e-4, 100.0, 3, 100, 0, BATCH),
    Setting(DEVINTERP, "introduction, full batch", _INTRODUCTION, 4e-4, 100.0, 3, 100, 0),
    Setting(DEVINTERP, "diagnostics", "examples/diagnostics.ipynb, 4 of its 20 chains", 5e-4, 1.0, 4, 2000, 0),
    *(Setting(DEVINTERP, f"step {step:g}", _SWEEP, step, 1.0, 4, 1000, 250) for step in (1e-4, 1e-3, 1e-2)),
    Setting(LAMBDA_HAT, "defaults, step 1e-06", _PACKAGE, 1e-6, 1.0, 4, 15000, 1000, BATCH),
    *(Setting(LAMBDA_HAT, f"step {step:g}", _SWEEP, step, 1.0, 4, 15000, 1000, BATCH) for step in (1e-4, 1e-3)),
)
"""Every setting. A batch of 256 is that of the introduction; the signature names none, as the loader brings it."""


def proper_n_beta(n: int) -> float:
    """Return n/log n, the factor of the mean loss at which learning coefficients are defined."""
    return n / math.log(n)


def n_beta(setting: Setting, n: int) -> float:
    """Return the factor of the mean loss that the tool takes by default: devinterp builds it from the batch size.

    Examples
    --------
    >>> [round(n_beta(setting, 500), 1) for setting in SETTINGS[:2]]
    [46.2, 80.5]
    """
    return proper_n_beta(n if setting.tool == LAMBDA_HAT else _rows(setting, n))


def method(setting: Setting, n: int) -> str:
    """Return the name of a setting among the methods of a score; it says so where nβ is not n/log n."""
    taken, proper = n_beta(setting, n), proper_n_beta(n)
    other = "" if taken == proper else f" (nβ = {taken:.1f}, not {proper:.1f})"
    return f"{setting.tool}: {setting.label}{other}"


def targets(setting: Setting, problem: str, n: int) -> list[str]:
    """Return what an estimate is scored as: λ, as users read it, and the coefficient its chains are meant to sample.

    Without localisation, or at another nβ, the second is none that is scored.
    """
    local = setting.gamma > 0 and n_beta(setting, n) == proper_n_beta(n) and problem in WITH_LOCAL
    return [ASYMPTOTIC, LOCAL] if local else [ASYMPTOTIC]


def calls(setting: Setting) -> int:
    """Return how many gradients are computed, of whatever batch."""
    return setting.chains * (setting.burn_in + setting.draws)


def gradients(setting: Setting, n: int) -> float:
    """Return how many gradients of the whole loss that is.

    devinterp's loader goes through all rows, the last batch being a smaller one; lambda_hat draws with replacement.
    """
    rows = _rows(setting, n)
    return calls(setting) * (rows / n if setting.tool == LAMBDA_HAT else 1 / math.ceil(n / rows))


def _rows(setting: Setting, n: int) -> int:
    return n if setting.batch is None else min(setting.batch, n)
