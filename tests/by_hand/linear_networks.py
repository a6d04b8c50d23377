"""Products of matrices."""

from __future__ import annotations

import numpy as np
from scipy.stats import multivariate_normal

from tests.by_hand.noise import normal


def reduced_rank(arguments, w, data):
    return normal(data["y"], np.einsum("boh,bhi,ni->bno", w["B"], w["A"], data["x"]))


def deep_linear(arguments, w, data):
    mean = np.broadcast_to(data["x"], (len(w["W1"]), *data["x"].shape))
    for s in range(1, len(arguments["widths"])):
        mean = np.einsum("bni,boi->bno", mean, w[f"W{s}"])
    return normal(data["y"], mean)


def matrix_factor(arguments, w, data):
    product = np.einsum("brk,bkc->brc", w["A"], w["B"])
    return normal(data["y"], np.repeat(product[:, None], len(data["y"]), axis=1))


def factor_analysis(arguments, w, data):
    values = []
    for loadings, log_variances in zip(w["loadings"], w["log_variances"], strict=True):
        covariance = loadings @ loadings.T + np.diag(np.exp(log_variances))
        values.append(-np.sum(multivariate_normal(np.zeros(len(covariance)), covariance).logpdf(data["y"])))
    return np.array(values)


LIKELIHOODS = {
    "reduced_rank": reduced_rank,
    "deep_linear": deep_linear,
    "matrix_factor": matrix_factor,
    "factor_analysis": factor_analysis,
}
