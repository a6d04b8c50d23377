"""Monomials and other functions of few parameters."""

from __future__ import annotations

import numpy as np

from tests.by_hand.noise import normal


def monomial(arguments, w, data):
    slope = np.prod([w[f"w{i + 1}"] ** k for i, k in enumerate(arguments["exponents"])], axis=0)
    return normal(data["y"], slope[:, None] * data["x"])


def two_wells(arguments, w, data):
    v = w["w"]
    return normal(data["y"], np.repeat((0.08 * (v + 1) * (v - 3) ** 2)[:, None], len(data["y"]), axis=1))


LIKELIHOODS = {"monomial": monomial, "two_wells": two_wells}
