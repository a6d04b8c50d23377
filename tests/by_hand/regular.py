"""Regular models and redundant parametrisations."""

from __future__ import annotations

import numpy as np

from tests.by_hand.noise import normal


def linear(arguments, w, data):
    return normal(data["y"], w["w"] @ data["x"].T)


def logistic(arguments, w, data):
    logits = w["w"] @ data["x"].T
    return np.sum(np.logaddexp(0, logits) - data["y"] * logits, axis=1)


LIKELIHOODS = {"linear_regression": linear, "logistic_regression": logistic}
