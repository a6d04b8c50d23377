"""Optima of catalogue models, generic and not, at which the null space of the Fisher information is taken."""

from __future__ import annotations

from types import MappingProxyType

import numpy as np

from singular import models
from singular.models.base import Parameters

AT_THE_OPTIMUM = MappingProxyType(
    {
        "linear-4": "regular: no symmetry",
        "tanh-1-1": "regular: one sign",
        "mixture-2-2": "regular: two labels",
        "factor-analysis-4-1-1": "regular: one sign",
        "softmax-3-2": "truth",
        "superposition-2-6": "hexagon",
        "reduced-rank-3-3-2-2": "balanced, no unit spare",
        "reduced-rank-3-3-2-1": "balanced, both sides of the spare unit off",
        "matrix-factor-3-2-2-r1": "balanced, both sides of the spare factor off",
        "deep-linear-3-2-2-3-r1": "balanced, all of the spare units off",
        "two-phase-relu-1.00": "truth",
        "factor-analysis-4-2-1": "spare factor off",
        "mixture-2": "components merged",
        "mixture-3-2": "components merged",
        "poisson-mixture-2": "components merged",
        "latent-class-2": "classes merged",
        "topic-2-2-2": "topics equal",
    }
)
"""Model -> what its ``optimum`` is like."""
BY_HAND = MappingProxyType(
    {
        ("product", "on one line"): {"w1": 1.0, "w2": 0.0},
        ("product", "where the lines cross"): {"w1": 0.0, "w2": 0.0},
        ("monomial-1-2", "on the line w2 = 0"): {"w1": 1.0, "w2": 0.0},
        ("line-and-dot", "on the line"): {"w1": 1.0, "w2": 0.5},
        ("line-and-dot", "on the dot"): {"w1": 0.0, "w2": 0.0},
        ("hidden-spin-3", "on an axis"): {"w": [1.2, 0.0, 0.0]},
        ("hidden-spin-3", "where the axes meet"): {"w": [0.0, 0.0, 0.0]},
        ("tanh-2-1", "output of the spare unit off"): {"a": [1.0, 0.0], "b": [1.0, 0.6]},
        ("tanh-2-1", "input of the spare unit off"): {"a": [1.0, 0.7], "b": [1.0, 0.0]},
        ("tanh-2-1", "both off"): {"a": [1.0, 0.0], "b": [1.0, 0.0]},
        ("tanh-2-1", "units merged"): {"a": [0.6, 0.4], "b": [1.0, 1.0]},
        ("tanh-2", "a pair that cancels"): {"a": [0.7, -0.7], "b": [0.9, 0.9]},
        ("relu-2-1", "both units at work"): {"a": [0.6, 0.5], "b": [1.0, 0.8]},
        ("factor-analysis-3-1-0", "factor off"): {"loadings": [[0.0], [0.0], [0.0]], "log_variances": [0.0, 0.0, 0.0]},
        ("factor-analysis-3-1-0", "factor on one variable"): {
            "loadings": [[0.6], [0.0], [0.0]],
            "log_variances": [float(np.log(1 - 0.36)), 0.0, 0.0],
        },
    }
)
"""(Model, what the point is like) -> parameters."""
POINTS = (*((name, point) for name, point in AT_THE_OPTIMUM.items()), *BY_HAND, ("reduced-rank-3-3-2-1", "spare on"))
REGULAR = "regular"
"""What the points of the controls begin with."""


def parameters_at(name: str, point: str) -> Parameters:
    """Return the parameters of one of `POINTS`, on the sites' own supports."""
    if (name, point) in BY_HAND:
        return {site: np.asarray(value) for site, value in BY_HAND[name, point].items()}
    optimum = models.get(name).optimum
    assert optimum is not None
    if point == "spare on":  # the spare unit listens and is not heard
        return {**optimum, "A": np.asarray(optimum["A"]) + np.array([[0.0, 0.0, 0.0], [0.5, -0.4, 0.3]])}
    return optimum
