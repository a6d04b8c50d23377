"""Mixtures and models with hidden states."""

from __future__ import annotations

import numpy as np
from scipy.stats import multivariate_normal, norm


def two_normals(arguments, w, data):
    a = w["a"][:, None]
    second = w["c"][:, None] if "c" in w else np.zeros_like(a)
    weighted = a * norm.pdf(data["y"], w["b"][:, None]) + (1 - a) * norm.pdf(data["y"], second)
    return -np.sum(np.log(weighted), axis=1)


def two_halves(arguments, w, data):
    return two_normals(arguments, {"a": np.full(len(w["b"]), 0.5), "c": -w["b"], **w}, data)


def many_normals(arguments, w, data):
    densities = norm.pdf(data["y"], w["means"][:, :, None])
    return -np.sum(np.log(np.sum(w["weights"][:, :, None] * densities, axis=1)), axis=1)


def plane_normals(arguments, w, data):
    def one(a, b, c):
        both = [multivariate_normal.pdf(data["y"], mean) for mean in (b, c)]
        return -np.sum(np.log(a * both[0] + (1 - a) * both[1]))

    return np.array([one(*parameters) for parameters in zip(w["a"], w["b"], w["c"], strict=True)])


def normals_of_any_scale(arguments, w, data):
    a = w["a"][:, None]
    first, second = (norm.pdf(data["y"], w["means"][:, k, None], np.sqrt(w["variances"][:, k, None])) for k in (0, 1))
    return -np.sum(np.log(a * first + (1 - a) * second), axis=1)


LIKELIHOODS = {
    "known_component_mixture": two_normals,
    "free_components_mixture": two_normals,
    "fixed_weights_mixture": two_halves,
    "symmetric_mixture": two_halves,
    "normal_mixture": many_normals,
    "plane_mixture": plane_normals,
    "location_scale_pair": normals_of_any_scale,
}
