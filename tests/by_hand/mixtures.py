"""Mixtures and models with hidden states."""

from __future__ import annotations

import numpy as np
from scipy.stats import binom, multinomial, multivariate_normal, norm, poisson


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


def two_of_counts(mass):
    def nll(arguments, w, data):
        a, b, c = (w[name][:, None] for name in ("a", "b", "c"))
        return -np.sum(np.log(a * mass(arguments, data["y"], b) + (1 - a) * mass(arguments, data["y"], c)), axis=1)

    return nll


def two_multinomials(arguments, w, data):
    def one(a, b, c):
        trials = arguments["trials"]
        both = [multinomial.pmf(data["y"], trials, p) for p in (b, c)]
        return -np.sum(np.log(a * both[0] + (1 - a) * both[1]))

    return np.array([one(*parameters) for parameters in zip(w["a"], w["b"], w["c"], strict=True)])


def two_classes(arguments, w, data):
    def of_class(p):
        p = p[:, None, :]
        return np.prod(np.where(data["y"] == 1, p, 1 - p), axis=2)

    a = w["a"][:, None]
    return -np.sum(np.log(a * of_class(w["b"]) + (1 - a) * of_class(w["c"])), axis=1)


def spins(arguments, w, data):
    field = (2 * data["y"] - 1) @ w["w"].T
    return -np.sum(np.log(np.cosh(field)), axis=0) + len(data["y"]) * np.sum(np.log(2 * np.cosh(w["w"])), axis=1)


def topics(arguments, w, data):
    table = np.einsum("bjh,bhm->bjm", w["mixing"], w["topics"])
    chosen = table[:, data["x"].argmax(axis=1), data["y"].argmax(axis=1)]
    return -np.sum(np.log(chosen), axis=1)


LIKELIHOODS = {
    "known_component_mixture": two_normals,
    "free_components_mixture": two_normals,
    "fixed_weights_mixture": two_halves,
    "symmetric_mixture": two_halves,
    "normal_mixture": many_normals,
    "plane_mixture": plane_normals,
    "location_scale_pair": normals_of_any_scale,
    "binomial_mixture": two_of_counts(lambda arguments, y, p: binom.pmf(y, arguments["trials"], p)),
    "poisson_mixture": two_of_counts(lambda arguments, y, rate: poisson.pmf(y, rate)),
    "multinomial_mixture": two_multinomials,
    "latent_class": two_classes,
    "hidden_spin": spins,
    "topic_model": topics,
}
