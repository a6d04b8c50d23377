"""Second routes to the exact numbers, in plain NumPy and SciPy: none shares mathematics with the package.

Each returns log Z(β) of a data set (nats), or what is said.
"""

from __future__ import annotations

import itertools
import math

import numpy as np
from scipy.special import betaln, kve, logsumexp
from scipy.stats import norm

from singular.models import catalogue
from tests.by_hand import LIKELIHOODS
from tests.by_hand.noise import LOG_2PI


def negative_log_likelihood(name: str, parameters: dict, data: dict) -> np.ndarray:
    """Return nL_n(w) of a catalogue model for parameters with one leading batch dimension (B, …), by hand."""
    model = catalogue.get(name)
    return LIKELIHOODS[model.builder](model.arguments, parameters, data)


def from_prior_draws(nll: np.ndarray, beta: float) -> tuple[float, float]:
    """Return F(β) and its standard error from nll at independent prior draws."""
    terms = np.exp(-beta * (nll - nll.min()))
    mean = terms.mean()
    return beta * nll.min() - math.log(mean), terms.std(ddof=1) / mean / math.sqrt(len(nll))


def grid_moments(log_prior_weights: np.ndarray, nll: np.ndarray, beta: float) -> tuple[float, float, float]:
    """Return F, E[nL_n] and Var(nL_n) at β by moments of nll over a brute-force grid."""
    logs = log_prior_weights - beta * nll
    total = logsumexp(logs)
    share = np.exp(logs - total)
    mean = np.sum(share * nll)
    return -total, mean, np.sum(share * (nll - mean) ** 2)


def trapezoid(low: float, high: float, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Return nodes and log weights of the plain trapezoid rule, ends at full weight."""
    nodes = np.linspace(low, high, count)
    return nodes, np.full(count, math.log(nodes[1] - nodes[0]))


def product_by_bessel(data: dict, beta: float) -> tuple[float, float, float]:
    """Return F, E, Var of product regression: w1 w2 has density K_0(|t|) / π."""
    x, y = data["x"], data["y"]
    sxx, sxy, syy = x @ x, x @ y, y @ y
    log_t, log_step = trapezoid(-45.0, 3.7, 9741)
    t = np.exp(log_t)
    log_prior = np.log(kve(0, t)) - t - math.log(math.pi) + log_t + log_step
    slopes = np.concatenate([t, -t])
    nll = 0.5 * len(y) * LOG_2PI + 0.5 * syy - slopes * sxy + 0.5 * slopes**2 * sxx
    return grid_moments(np.concatenate([log_prior, log_prior]), nll, beta)


def outer_weights(features: np.ndarray, y: np.ndarray, beta: float) -> np.ndarray:
    """Return log ∫ N(a; 0, I) p(y | Φ a)^β da for features (B, H, n), by LAPACK."""
    gram = np.eye(features.shape[1]) + beta * features @ features.transpose(0, 2, 1)
    moment = features @ y
    solved = np.linalg.solve(gram, moment[..., None])[..., 0]
    log_det = np.linalg.slogdet(gram)[1]
    fit = 0.5 * beta**2 * np.sum(moment * solved, axis=1) - 0.5 * log_det
    return fit - 0.5 * beta * (len(y) * LOG_2PI + y @ y)


def reduced_rank_given_outer(b: np.ndarray, data: dict, beta: float) -> np.ndarray:
    """Return log ∫ N(A; 0, I) p(D | B A)^β dA for B (S, outputs, hidden).

    The other factor than the package integrates: vec(A) has precision I + β (BᵀB ⊗ XᵀX), diagonal in
    the two eigenbases.
    """
    x, y = data["x"], data["y"]
    s, u = np.linalg.eigh(x.T @ x)
    t, v = np.linalg.eigh(b.transpose(0, 2, 1) @ b)
    moment = v.transpose(0, 2, 1) @ b.transpose(0, 2, 1) @ (y.T @ x) @ u
    precision = 1 + beta * t[:, :, None] * s
    inside = 0.5 * beta**2 * moment**2 / precision - 0.5 * np.log(precision)
    return inside.sum(axis=(1, 2)) - 0.5 * beta * (y.size * LOG_2PI + np.sum(y**2))


def mixture_by_assignments(y: np.ndarray, spread: float, both_free: bool) -> float:
    """Return F(1) of a two-component mixture: the sum over all 2^n assignments of points."""
    total = []
    for assignment in itertools.product([False, True], repeat=len(y)):
        first = np.array(assignment)
        k = int(first.sum())
        log_p = betaln(1 + k, 1 + len(y) - k) + _normal_marginal(y[first], spread)
        rest = y[~first]
        log_p += _normal_marginal(rest, spread) if both_free else norm.logpdf(rest).sum()
        total.append(log_p)
    return -float(logsumexp(total))


def _normal_marginal(y: np.ndarray, spread: float) -> float:
    n = len(y)
    shrink = 1 + n * spread**2
    quadratic = y @ y - spread**2 * y.sum() ** 2 / shrink
    return -0.5 * (n * LOG_2PI + math.log(shrink) + quadratic)


def log_crossing_integral(exponents: tuple[int, int], n: float) -> float:
    """Return log ∫∫ over [0, 1]² of exp(−n u^(2 k1) v^(2 k2)), in log coordinates."""
    t = np.linspace(0.0, 60.0, 1001)
    step = t[1] - t[0]
    ends = np.where((t == t[0]) | (t == t[-1]), math.log(0.5), 0.0)
    k1, k2 = exponents
    u, v = np.meshgrid(t, t, indexing="ij")
    logs = -u - v - n * np.exp(-2 * k1 * u - 2 * k2 * v) + ends[:, None] + ends[None, :]
    return float(logsumexp(logs)) + 2 * math.log(step)


def log_wishart_integral(inputs: int, outputs: int, n: float) -> float:
    """Return log E (1 + n s)^(−outputs / 2), s ~ χ²_inputs: reduced rank with hidden = 1, rank 0."""
    t, log_step = trapezoid(-60.0, 6.0, 20001)
    s = np.exp(t)
    log_chi = (inputs / 2) * t - s / 2 - (inputs / 2) * math.log(2) - math.lgamma(inputs / 2)
    return float(logsumexp(log_chi + log_step - 0.5 * outputs * np.log1p(n * s)))
