"""Monomials and other functions of few parameters, truths outside the model among them."""

from __future__ import annotations

import numpy as np

from tests.by_hand.noise import normal


def monomial(arguments, w, data):
    slope = np.prod([w[f"w{i + 1}"] ** k for i, k in enumerate(arguments["exponents"])], axis=0)
    return normal(data["y"], slope[:, None] * data["x"])


def two_wells(arguments, w, data):
    v = w["w"]
    return normal(data["y"], np.repeat((0.08 * (v + 1) * (v - 3) ** 2)[:, None], len(data["y"]), axis=1))


def sum_of_powers(arguments, w, data):
    means = np.stack([w["w"][:, i] ** k for i, k in enumerate(arguments["exponents"])], axis=1)
    return normal(data["y"], np.repeat(means[:, None], len(data["y"]), axis=1))


def hadamard(arguments, w, data):
    return normal(data["y"], np.einsum("bj,bj,nj->bn", w["u"], w["v"], data["x"]))


def squares(arguments, w, data):
    return normal(data["y"], np.einsum("bj,nj->bn", w["u"] ** 2, data["x"]))


def line_and_dot(arguments, w, data):
    slope = (w["w1"] - 1) * (w["w1"] ** 2 + w["w2"] ** 2) ** 2
    return normal(data["y"], slope[:, None] * data["x"])


def straight_line(arguments, w, data):
    return normal(data["y"], w["w"][:, :1] + w["w"][:, 1:] * data["x"])


def parabola(arguments, w, data):
    means = np.stack([w["w"], w["w"] ** 2], axis=1)
    return normal(data["y"], np.repeat(means[:, None], len(data["y"]), axis=1))


LIKELIHOODS = {
    "monomial": monomial,
    "two_wells": two_wells,
    "sum_of_powers": sum_of_powers,
    "hadamard_regression": hadamard,
    "squares_regression": squares,
    "line_and_dot": line_and_dot,
    "bent_truth": straight_line,
    "parabola": parabola,
}
