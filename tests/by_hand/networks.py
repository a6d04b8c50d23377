"""Networks with one hidden layer."""

from __future__ import annotations

import numpy as np

from tests.by_hand.noise import normal


def tanh(arguments, w, data):
    hidden = np.tanh(w["b"][:, :, None] * data["x"])
    return normal(data["y"], np.einsum("bh,bhn->bn", w["a"], hidden))


def relu(arguments, w, data):
    z = w["b"][:, :, None] * data["x"]
    return normal(data["y"], np.einsum("bh,bhn->bn", w["a"], np.where(z > 0, z, 0.0)))


def exponential(arguments, w, data):
    hidden = np.exp(w["b"][:, :, None] * data["x"]) - 1
    return normal(data["y"], np.einsum("bh,bhn->bn", w["a"], hidden))


def radial_basis(arguments, w, data):
    total = np.zeros((len(w["a"]), len(data["y"])))
    for unit in range(arguments["hidden"]):
        distance = data["x"][None, :] - w["c"][:, unit, None]
        total = total + w["a"][:, unit, None] / np.exp(distance**2 / 2)
    return normal(data["y"], total)


def polynomial(arguments, w, data):
    z = 1 + w["b"][:, :, None] * data["x"]
    hidden = np.ones_like(z)
    for _ in range(arguments["degree"]):
        hidden = hidden * z
    return normal(data["y"], np.einsum("bh,bhn->bn", w["a"], hidden))


def two_phase_relu(arguments, w, data):
    total = np.repeat(w["c"][:, None], len(data["y"]), axis=1)
    for unit in range(2):
        z = w["w"][:, unit] @ data["x"].T + w["b"][:, unit, None]
        total = total + w["q"][:, unit, None] * np.where(z > 0, z, 0.0)
    return normal(data["y"], total)


def superposition(arguments, w, data):
    hidden = np.einsum("brc,nc->bnr", w["W"], data["x"])
    z = np.einsum("brc,bnr->bnc", w["W"], hidden) + w["b"][:, None, :]
    return normal(data["y"], np.where(z > 0, z, 0.0))


LIKELIHOODS = {
    "tanh_network": tanh,
    "relu_network": relu,
    "exponential_network": exponential,
    "radial_basis": radial_basis,
    "polynomial_network": polynomial,
    "two_phase_relu": two_phase_relu,
    "superposition": superposition,
}
