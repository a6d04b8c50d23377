"""What a catalogue model is: a NumPyro density, its truth, and what is known exactly about it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import numpy as np

Data = dict[str, np.ndarray]
"""Keyword arguments of a density: covariates and observations alike."""

Parameters = Mapping[str, Any]
"""Site name -> value, on the constrained space, with any leading batch dimensions."""


@dataclass(frozen=True)
class LearningCoefficient:
    """An exact learning coefficient (real log canonical threshold).

    F_n(1) = n L_n(w0) + value * log n - (multiplicity - 1) * log log n + O_p(1).

    Attributes
    ----------
    value : Fraction
        λ, dimensionless.
    multiplicity : int
        m, the order of the largest pole of the zeta function.
    source : str
        Author, year and equation, theorem or section.
    conditions : str
        When the value holds (truth, prior, inputs).
    """

    value: Fraction
    multiplicity: int
    source: str
    conditions: str = ""


@dataclass(frozen=True)
class Nodes:
    """Quadrature nodes for the parameters that no closed form integrates out.

    Attributes
    ----------
    points : (N, k) float
        Values of the k remaining parameters; (1, 0) when nothing remains.
    log_weights : (N,) float
        Log of quadrature weight times prior density at each node. Every node set integrates the
        prior to one, up to its own error.
    replicates : int
        1 for a deterministic rule. For randomised quasi-Monte Carlo the N nodes are this many
        equal consecutive blocks, each an independent estimate, so that their spread gives an error.
    """

    points: np.ndarray
    log_weights: np.ndarray
    replicates: int = 1


@dataclass(frozen=True)
class Integral:
    """How the evidence integral of a model is done exactly at every β.

    Z(β) = Σ_i exp(log_weights_i + log_likelihood(points_i, β)), where ``log_likelihood`` is
    log ∫ φ(a) p(D | a, b_i)^β da, the block ``a`` having a closed form.

    Attributes
    ----------
    nodes : (data, level) -> Nodes
        ``level`` 0 is the rule that is reported; -1 is a coarser one, and the difference between
        the two is the stated error.
    log_likelihood : (points, beta, data) -> (N,)
        JAX function, twice differentiable in ``beta`` (a scalar), nats.
    regions : name -> ((points, beta, data) -> (N,))
        Posterior probability at β of the phase, given the node. Phases not named here have no
        exact mass.
    route : str
        One line for tables: what is integrated in closed form and what numerically.
    """

    nodes: Callable[[Data, int], Nodes]
    log_likelihood: Callable[..., Any]
    route: str
    regions: Mapping[str, Callable[..., Any]] = field(default_factory=dict)


@dataclass(frozen=True)
class Model:
    """A statistical model with a known truth.

    Attributes
    ----------
    name, family : str
        Catalogue name (``"tanh-2"``) and the family it belongs to (``"tanh network"``).
    density : callable
        An ordinary NumPyro model, called as ``density(**data)`` with the observations in ``data``.
    simulate : (key, n) -> Data
        n observations from the truth, as float64 NumPy arrays; ``key`` is a JAX key.
    dim : int
        d, the number of free parameters.
    exact : LearningCoefficient or None
        None where the value is unknown: never a guess.
    optimum : mapping or None
        Parameters (constrained, by site) of one point of the optimal set; None if unrealisable
        and unknown.
    phases : name -> (parameters -> bool array)
        Disjoint named regions of parameter space; what none claims is ``"rest"``.
    integral : Integral or None
        The exact finite-n oracle, if there is one.
    description : str
        The model in one line, as a formula.
    """

    name: str
    family: str
    density: Callable[..., None]
    simulate: Callable[[Any, int], Data]
    dim: int
    exact: LearningCoefficient | None = None
    optimum: Parameters | None = None
    phases: Mapping[str, Callable[[Parameters], Any]] = field(default_factory=dict)
    integral: Integral | None = None
    description: str = ""
