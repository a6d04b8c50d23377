"""Normal crossings y = w1^a w2^b x: λ̂ exactly, by a ladder, and as the notebook of devinterp prints it."""

from __future__ import annotations

import math
from fractions import Fraction

import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
import pandas as pd
from replicates import printed
from scipy.special import logsumexp

from singular import analysis, posteriors
from singular.models.integrals import rules
from singular.models.problem import Problem

CROSSINGS = {
    (0, 1): (Fraction(1, 2), 0.524100, 0.041511, 0.524466, 0.027638),
    (0, 2): (Fraction(1, 4), 0.191117, 0.055614, 0.263785, 0.025438),
    (0, 3): (Fraction(1, 6), 0.160964, 0.095923, 0.169278, 0.014060),
    (1, 1): (Fraction(1, 2), 0.412496, 0.099038, 0.364667, 0.049218),
    (1, 2): (Fraction(1, 4), 0.197618, 0.227567, 0.231239, 0.016513),
    (1, 3): (Fraction(1, 6), 0.158449, 0.054497, 0.144448, 0.011654),
    (2, 2): (Fraction(1, 4), 0.114830, 0.109579, 0.169836, 0.018092),
    (2, 3): (Fraction(1, 6), 0.064240, 0.085991, 0.100171, 0.014492),
    (3, 3): (Fraction(1, 6), 0.050441, 0.029744, 0.091435, 0.031536),
}
"""Exponents -> λ; mean and standard deviation over three chains of SGLD, then of SGNHT, as the notebook prints them."""
PUBLISHED_CHAINS = 3
CROSSING_N = 1000
INPUT_SD, LABEL_SD = 2.0, 0.25
CROSSING_DATA_SETS = 200


def crossing_moments(powers: tuple[int, int], inputs: float, labels: float, n_beta: float) -> tuple[float, float]:
    """Return nβ E[g] and log E₀[exp(−nβ g)], g = c² ``inputs`` − 2 c ``labels``, c = w1^a w2^b.

    ``inputs`` is the mean of x², ``labels`` that of x y: g is the excess mean squared loss of y = c x. The prior, of
    which E₀ is the mean, is uniform on [−1, 1]²; if an exponent is odd, c and −c are as likely, and signs are folded.
    """
    first, second = _crossing_rule()
    c = first.points[:, None] ** powers[0] * second.points[None, :] ** powers[1]
    weights = first.log_weights[:, None] + second.log_weights[None, :]
    parts = []
    for sign in (1.0, -1.0) if max(powers[0] % 2, powers[1] % 2) else (1.0,):
        g = c**2 * inputs - 2 * sign * c * labels
        parts.append((weights - n_beta * g, g))
    top = max(float(logs.max()) for logs, _ in parts)
    mass = sum(float(np.exp(logs - top).sum()) for logs, _ in parts)
    mean = sum(float((np.exp(logs - top) * g).sum()) for logs, g in parts) / mass
    return n_beta * mean, top + math.log(mass / len(parts))


def _crossing_rule() -> tuple[rules.Rule, rules.Rule]:
    rule = rules.panels(rules.graded_edges(2.0**-14, 1.0), 10)
    return rule, rule


def crossing_by_densities(powers: tuple[int, int], n_beta: float) -> float:
    """Return nβ E[4 w1^(2a) w2^(2b)] over [0, 1]² by another route: the density of s = −log of the monomial.

    Each −log w is exponential, so s is a sum of two exponentials of rates 1/(2a) and 1/(2b): one integral is left.
    """
    rates = [1 / (2 * k) for k in powers if k]
    rule = rules.panels(np.linspace(0.0, 40.0 * sum(1 / r for r in rates), 1601), 8)
    s = rule.points
    if len(rates) == 1:
        log_density = math.log(rates[0]) - rates[0] * s
    elif rates[0] == rates[1]:
        log_density = 2 * math.log(rates[0]) + np.log(s) - rates[0] * s
    else:
        slow, fast = sorted(rates)
        log_density = math.log(slow * fast / (fast - slow)) - slow * s + np.log(-np.expm1(-(fast - slow) * s))
    k = 4 * np.exp(-s)
    logs = rule.log_weights + log_density - n_beta * k
    return n_beta * float(np.sum(np.exp(logs - logsumexp(logs)) * k))


def crossing_ladder(powers: tuple[int, int], seed: int):
    """Return our estimate of nβ E_β[K] at β = 1/log n from a ladder at default settings, loss without noise."""

    def density():
        w1 = jnp.asarray(numpyro.sample("w1", dist.Uniform(-1.0, 1.0)))
        w2 = jnp.asarray(numpyro.sample("w2", dist.Uniform(-1.0, 1.0)))
        numpyro.factor("loss", -CROSSING_N * INPUT_SD**2 * (w1 ** powers[0] * w2 ** powers[1]) ** 2)

    problem = Problem.from_numpyro(density).replace(n=CROSSING_N, name=f"crossing-{powers[0]}-{powers[1]}")
    tree = posteriors.ladder(problem, seed=seed, progress=False, cores=1)
    found = analysis.wbic(tree)
    beta = tree.attrs["wbic_beta"]
    return beta * found.value, beta * found.mcse, "; ".join(found.flags)


def crossing_row(powers: tuple[int, int]) -> dict:
    """Return exact, ours and published for one pair of exponents."""
    n_beta = CROSSING_N / math.log(CROSSING_N)
    exact = crossing_moments(powers, INPUT_SD**2, 0.0, n_beta)[0]
    other = crossing_by_densities(powers, n_beta)
    rng = np.random.default_rng(0)
    noisy = []
    for _ in range(CROSSING_DATA_SETS):
        x, y = INPUT_SD * rng.standard_normal(CROSSING_N), LABEL_SD * rng.standard_normal(CROSSING_N)
        noisy.append(crossing_moments(powers, float(x @ x) / CROSSING_N, float(x @ y) / CROSSING_N, n_beta)[0])
    ours, mcse, flags = crossing_ladder(powers, seed=1)
    value, sgld, sgld_sd, sgnht, sgnht_sd = CROSSINGS[powers]
    mean, spread = float(np.mean(noisy)), float(np.std(noisy, ddof=1))
    return {
        "a": powers[0], "b": powers[1], "λ": str(value), "exact": exact, "second route": other,
        "ladder": ours, "mcse": mcse, "z": (ours - exact) / mcse, "flags": flags,
        "with labels": mean, "sd of data": spread,
        "SGLD": sgld, "± SGLD": sgld_sd, "z SGLD": (sgld - mean) / math.hypot(sgld_sd / PUBLISHED_CHAINS**0.5, spread),
        "SGNHT": sgnht, "± SGNHT": sgnht_sd,
        "z SGNHT": (sgnht - mean) / math.hypot(sgnht_sd / PUBLISHED_CHAINS**0.5, spread),
        "z SGNHT from λ": (sgnht - float(value)) / math.hypot(sgnht_sd / PUBLISHED_CHAINS**0.5, spread),
    }  # fmt: skip


def section(table: pd.DataFrame) -> str:
    """Return the part of the page on normal crossings."""
    equal = table[table["a"] == table["b"]]
    from_limit = (equal["SGNHT"] - equal["λ"].map(Fraction).map(float)).abs()
    from_exact = (equal["SGNHT"] - equal["with labels"]).abs()
    far = table[["z SGLD", "z SGNHT"]].abs()
    ours = ["a", "b", "λ", "exact", "second route", "ladder", "mcse", "z", "flags"]
    theirs = ["a", "b", "λ", "with labels", "sd of data", "SGLD", "± SGLD", "z SGLD", "SGNHT", "± SGNHT", "z SGNHT",
              "z SGNHT from λ"]  # fmt: skip
    return f"""## Normal crossings

The notebook `examples/normal_crossing` of devinterp recreates the table of Lau et al. (arXiv:2308.12108): the model y
= w1^a w2^b x fitted to noise, n = {CROSSING_N}, x ~ N(0, 2²), labels ~ N(0, 0.25²), mean squared loss, λ̂ = nβ
(E_β[L] − L(0)) at nβ = n/log n on the box [−1, 1]². `exact` is that number by quadrature without label noise, `second
route` the same from the density of the monomial: they agree to {_relative(table):.0e}. `ladder` is ours at default
settings, z its distance from `exact` in its own errors: the largest of {len(table)} is {table["z"].abs().max():.1f},
the root mean square {float(np.sqrt(np.mean(table["z"] ** 2))):.2f}.

{printed(table[ours])}

With labels the number depends on the data set: `with labels` is its mean and `sd of data` its spread over
{CROSSING_DATA_SETS} data sets, each exact. The published columns are means over {PUBLISHED_CHAINS} chains on one data
set, ± their standard deviation over chains; z = (published − `with labels`)/√(sd²/{PUBLISHED_CHAINS} + `sd of data`²).
With {PUBLISHED_CHAINS} chains that sd is itself uncertain by half, so z follows no normal law: |z| above 2 in
{int((far["z SGLD"] > 2).sum())} of {len(table)} for SGLD (largest {far["z SGLD"].max():.1f}) and in
{int((far["z SGNHT"] > 2).sum())} for SGNHT (largest {far["z SGNHT"].max():.1f}).

With equal exponents (m = 2) SGNHT is {", ".join(f"{v:.3f}" for v in from_limit)} from λ and
{", ".join(f"{v:.3f}" for v in from_exact)} from the exact number; the exact number is the nearer in
{int((from_exact < from_limit).sum())} of {len(equal)}. The rest of the distance from λ is no error of a sampler: it is
the distance between λ and what the estimator aims at for n = {CROSSING_N}.

{printed(table[theirs])}
"""


def _relative(table: pd.DataFrame) -> float:
    return float((table["exact"] / table["second route"] - 1).abs().max())
