"""Regular models, redundant parametrisations and truths on an edge."""

from __future__ import annotations

import numpy as np
from scipy.special import logsumexp
from scipy.stats import multivariate_normal, poisson

from tests.by_hand.noise import normal


def linear(arguments, w, data):
    return normal(data["y"], w["w"] @ data["x"].T)


def logistic(arguments, w, data):
    logits = w["w"] @ data["x"].T
    return np.sum(np.logaddexp(0, logits) - data["y"] * logits, axis=1)


def poisson_counts(arguments, w, data):
    return -np.sum(poisson.logpmf(data["y"], np.exp(w["w"] @ data["x"].T)), axis=1)


def normal_covariance(arguments, w, data):
    covariances = np.linalg.inv(w["T"] @ w["T"].transpose(0, 2, 1))
    pairs = zip(w["mu"], covariances, strict=True)
    return np.array([-np.sum(multivariate_normal(m, c).logpdf(data["y"])) for m, c in pairs])


def softmax(arguments, w, data):
    logits = w["W"] @ data["x"].T
    chosen = np.take_along_axis(logits, np.broadcast_to(data["y"].astype(int), logits[:, :1].shape), axis=1)
    return np.sum(logsumexp(logits, axis=1) - chosen[:, 0], axis=1)


def categories(arguments, w, data):
    return -np.sum(np.log(w["theta"][:, data["y"].astype(int)]), axis=1)


def half_line(arguments, w, data):
    return normal(data["y"], np.repeat(w["w"][:, None], len(data["y"]), axis=1))


def zero_inflated_poisson(arguments, w, data):
    share = w["pi"][:, None]
    chances = (1 - share) * poisson.pmf(data["y"], w["mu"][:, None]) + share * (data["y"] == 0)
    return -np.sum(np.log(chances), axis=1)


LIKELIHOODS = {
    "linear_regression": linear,
    "logistic_regression": logistic,
    "poisson_regression": poisson_counts,
    "rank_deficient_regression": linear,
    "normal_unknown_covariance": normal_covariance,
    "softmax_regression": softmax,
    "boundary_multinomial": categories,
    "half_line": half_line,
    "zero_inflated_poisson": zero_inflated_poisson,
}
