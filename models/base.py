"""What a catalogue model is: a NumPyro density, its truth, and what is known exactly about it."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Any

import numpy as np

from singular.models.structure import LinearGaussian, Move, NormalBlock, Sufficient

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
class Bound:
    """An upper bound of a learning coefficient whose exact value is not known.

    Attributes
    ----------
    value : Fraction
        λ ≤ value, dimensionless.
    source : str
        Author, year and equation, theorem or section; or the argument in a line.
    conditions : str
        When the bound holds (truth, prior, inputs).
    """

    value: Fraction
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
    bound : Bound or None
        An upper bound of λ, given only where ``exact`` is None.
    singular : bool
        Whether the Fisher information is degenerate at ``optimum``.
    boundary : bool
        Whether the truth lies on the edge of the prior's support, where λ may exceed d/2.
    optimum : mapping or None
        Parameters (constrained, by site) of one point of the optimal set.
    phases : name -> (parameters -> bool array)
        Disjoint named regions of parameter space that cover the optimal set; what none claims is ``"rest"``.
    symmetries : name -> (parameters -> tangent vectors)
        The continuous symmetries of the function as vector fields (`singular.models.symmetries`): at one point
        (site -> value, no batch dimension), site -> (G, …), G tangent vectors along which no density
        of the model changes. What holds on a part of parameter space alone says so in its name, and is 0 elsewhere.
    discrete_symmetries : name -> (parameters -> parameters)
        Maps that leave every density as it is and are no member of a continuous family: swaps of units, signs.
    sufficient : LinearGaussian, Sufficient or None
        The likelihood as a linear regression in known functions of the data, or as a function of some other summary
        of them: nL_n and its gradient then cost the same at every n. The prior must not depend on the data: it is read
        off the first row alone.
    block : NormalBlock or None
        A site that can be integrated out given the others, at every β.
    moves : name -> Move
        Steps that keep p_β, in the order in which they are made (`singular.models.structure`).
    excess_loss : (parameters -> array) or None
        K(w) = L(w) − L(w0), nats an observation, in closed form or by a fixed rule: the Kullback–Leibler
        divergence from the truth if the model contains it. A JAX function; parameters with any leading
        batch dimensions give as many values.
    integral : Integral or None
        The exact finite-n oracle, if there is one.
    population : Integral or None
        The same for infinite data: ``log_likelihood(points, t, {})`` is log ∫ φ(a) exp(−t K(a, b_i)) da,
        so that the sum over ``nodes({}, level)`` is log Z(t), the integral whose decay defines λ and m.
    description : str
        The likelihood in one line, as a formula.
    prior, truth : str
        The prior and the true distribution, each in one line.
    note : str
        What to know about the model: a paragraph, empty if there is nothing.
    builder, arguments : str, mapping
        The function that made the model and what it was called with: they make it again. Set by `family`.
    """

    name: str
    family: str
    density: Callable[..., None]
    simulate: Callable[[Any, int], Data]
    dim: int
    exact: LearningCoefficient | None = None
    bound: Bound | None = None
    singular: bool = True
    boundary: bool = False
    optimum: Parameters | None = None
    phases: Mapping[str, Callable[[Parameters], Any]] = field(default_factory=dict)
    symmetries: Mapping[str, Callable[[Parameters], Mapping[str, Any]]] = field(default_factory=dict)
    discrete_symmetries: Mapping[str, Callable[[Parameters], Parameters]] = field(default_factory=dict)
    sufficient: LinearGaussian | Sufficient | None = None
    block: NormalBlock | None = None
    moves: Mapping[str, Move] = field(default_factory=dict)
    excess_loss: Callable[[Parameters], Any] | None = None
    integral: Integral | None = None
    population: Integral | None = None
    description: str = ""
    prior: str = ""
    truth: str = ""
    note: str = ""
    builder: str = ""
    arguments: Mapping[str, Any] = field(default_factory=dict)


def family(function: Callable[..., Model]) -> Callable[..., Model]:
    """Decorate a function that returns a `Model`: the model remembers how it was made.

    Arguments must be JSON values (numbers, strings, sequences of them), so that a description written to
    a file makes the same model again.
    """
    signature = inspect.signature(function)

    @functools.wraps(function)
    def build(*args: Any, **kwargs: Any) -> Model:
        bound = signature.bind(*args, **kwargs)
        bound.apply_defaults()
        plain = {name: list(v) if isinstance(v, tuple) else v for name, v in bound.arguments.items()}
        return replace(function(*args, **kwargs), builder=function.__name__, arguments=plain)

    return build
