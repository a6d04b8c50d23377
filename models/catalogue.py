"""The named members of the families."""

from __future__ import annotations

import math
from fractions import Fraction
from types import MappingProxyType

import pandas as pd

from singular.errors import unknown_name
from singular.models.base import Model
from singular.models.crossings.hadamard import hadamard_regression
from singular.models.crossings.line_and_dot import line_and_dot
from singular.models.crossings.product import monomial
from singular.models.crossings.squares import squares_regression
from singular.models.crossings.sum_of_powers import sum_of_powers
from singular.models.crossings.two_wells import two_wells
from singular.models.linear_networks.deep_linear import deep_linear
from singular.models.linear_networks.factor_analysis import factor_analysis
from singular.models.linear_networks.matrix_factor import matrix_factor
from singular.models.linear_networks.reduced_rank import reduced_rank
from singular.models.mixtures.binomial_mixture import binomial_mixture
from singular.models.mixtures.hidden_spin import hidden_spin
from singular.models.mixtures.latent_class import latent_class
from singular.models.mixtures.mixture import free_components_mixture, known_component_mixture
from singular.models.mixtures.mixture_known_weights import fixed_weights_mixture, symmetric_mixture
from singular.models.mixtures.mixture_many import normal_mixture
from singular.models.mixtures.mixture_plane import plane_mixture
from singular.models.mixtures.mixture_scale import location_scale_pair
from singular.models.mixtures.multinomial_mixture import multinomial_mixture
from singular.models.mixtures.poisson_mixture import poisson_mixture
from singular.models.mixtures.topic_model import topic_model
from singular.models.networks.exponential_network import exponential_network
from singular.models.networks.polynomial_network import polynomial_network
from singular.models.networks.radial_basis import radial_basis
from singular.models.networks.relu_network import relu_network
from singular.models.networks.superposition import superposition
from singular.models.networks.tanh_network import tanh_network
from singular.models.networks.two_phase_relu import two_phase_relu
from singular.models.problem import Problem
from singular.models.regular.boundary import boundary_multinomial, half_line
from singular.models.regular.linear import linear_regression
from singular.models.regular.logistic import logistic_regression
from singular.models.regular.misspecified import bent_truth, parabola
from singular.models.regular.normal import normal_unknown_covariance
from singular.models.regular.poisson import poisson_regression
from singular.models.regular.rank_deficient import rank_deficient_regression
from singular.models.regular.softmax import softmax_regression
from singular.models.regular.zero_inflated import zero_inflated_poisson

FAMILIES = MappingProxyType(
    {
        function.__name__: function
        for function in (
            linear_regression,
            logistic_regression,
            monomial,
            tanh_network,
            relu_network,
            exponential_network,
            radial_basis,
            polynomial_network,
            two_phase_relu,
            superposition,
            reduced_rank,
            known_component_mixture,
            free_components_mixture,
            two_wells,
            poisson_regression,
            rank_deficient_regression,
            normal_unknown_covariance,
            softmax_regression,
            deep_linear,
            sum_of_powers,
            hadamard_regression,
            squares_regression,
            line_and_dot,
            boundary_multinomial,
            half_line,
            zero_inflated_poisson,
            bent_truth,
            parabola,
            factor_analysis,
            fixed_weights_mixture,
            symmetric_mixture,
            normal_mixture,
            plane_mixture,
            location_scale_pair,
            matrix_factor,
            binomial_mixture,
            poisson_mixture,
            multinomial_mixture,
            latent_class,
            hidden_spin,
            topic_model,
        )
    }
)
"""Name of the function -> the function that makes the models of one family."""

MODELS = MappingProxyType(
    {
        model.name: model
        for model in (
            linear_regression(2),
            linear_regression(4),
            logistic_regression(2),
            monomial([2]),
            monomial([1, 1]),
            monomial([1, 2]),
            monomial([2, 2]),
            tanh_network(1),
            tanh_network(2),
            tanh_network(3),
            tanh_network(4),
            tanh_network(1, 1),
            tanh_network(2, 1),
            tanh_network(3, 1),
            tanh_network(4, 1),
            relu_network(1),
            relu_network(2),
            relu_network(3),
            relu_network(1, 1),
            relu_network(2, 1),
            exponential_network(1),
            exponential_network(2),
            radial_basis(1),
            radial_basis(2),
            radial_basis(3),
            radial_basis(1, 1),
            radial_basis(2, 1),
            polynomial_network(1, 2),
            polynomial_network(2, 1),
            polynomial_network(2, 3),
            polynomial_network(3, 1),
            polynomial_network(4, 2),
            two_phase_relu(1.0),
            two_phase_relu(math.pi / 2),
            superposition(5),
            superposition(6),
            reduced_rank(inputs=3, outputs=3, hidden=2, rank=1),
            known_component_mixture(),
            free_components_mixture(),
            two_wells(),
            poisson_regression(2),
            rank_deficient_regression(4, 2),
            rank_deficient_regression(2, 1),
            normal_unknown_covariance(1),
            normal_unknown_covariance(2),
            softmax_regression(3, 0),
            softmax_regression(3, 1),
            softmax_regression(3, 2),
            reduced_rank(inputs=3, outputs=3, hidden=2, rank=2),
            reduced_rank(inputs=3, outputs=3, hidden=1, rank=2),
            reduced_rank(inputs=1, outputs=2, hidden=1, rank=0),
            reduced_rank(inputs=2, outputs=1, hidden=1, rank=0),
            reduced_rank(inputs=2, outputs=2, hidden=1, rank=0),
            reduced_rank(inputs=2, outputs=2, hidden=1, rank=1),
            reduced_rank(inputs=1, outputs=2, hidden=2, rank=0),
            reduced_rank(inputs=2, outputs=2, hidden=2, rank=0),
            reduced_rank(inputs=2, outputs=2, hidden=2, rank=1),
            deep_linear([1, 1, 1, 1], rank=0),
            deep_linear([1, 2, 2, 1], rank=0),
            deep_linear([2, 2, 1, 2], rank=0),
            deep_linear([2, 2, 2, 2], rank=0),
            deep_linear([3, 2, 2, 3], rank=1),
            deep_linear([1, 1, 1, 1, 1], rank=0),
            deep_linear([2, 2, 1, 2, 2], rank=1),
            deep_linear([2, 2, 2, 2, 2], rank=1),
            monomial([3]),
            monomial([2, 3]),
            monomial([1, 1, 1]),
            monomial([1, 2, 2]),
            sum_of_powers([2, 3]),
            sum_of_powers([1, 2, 3]),
            hadamard_regression(2, 0),
            hadamard_regression(2, 1),
            squares_regression(2, 0),
            squares_regression(2, 1),
            line_and_dot(),
            boundary_multinomial(3, 1),
            half_line(),
            zero_inflated_poisson(),
            bent_truth(),
            parabola(),
            factor_analysis(3, 1, 0),
            factor_analysis(4, 1, 1),
            factor_analysis(4, 2, 1),
            fixed_weights_mixture(),
            symmetric_mixture(),
            normal_mixture(2, [-2.0, 2.0]),
            normal_mixture(3),
            normal_mixture(3, [-2.0, 2.0]),
            plane_mixture(),
            location_scale_pair(),
            free_components_mixture("1/2"),
            matrix_factor(2, 2, 1, 0),
            matrix_factor(3, 2, 2, 1),
            binomial_mixture(),
            poisson_mixture(),
            multinomial_mixture(),
            latent_class(),
            latent_class([0.3, 0.6, 0.5]),
            hidden_spin(),
            topic_model(),
            topic_model(3, 3, 2),
        )
    }
)
"""Catalogue name -> model."""


def get(name: str) -> Model:
    """Return the catalogue's model of this name.

    Raises
    ------
    InputError
        If there is none; the error lists the names and the nearest one.

    Examples
    --------
    >>> get("tanh-2").exact.value
    Fraction(2, 3)
    """
    if name not in MODELS:
        raise unknown_name("model", name, MODELS)
    return MODELS[name]


def problem(name: str, n: int = 500, seed: int = 0) -> Problem:
    """Return a catalogue model with one data set simulated from its truth.

    Parameters
    ----------
    name : str
        A name in `MODELS`.
    n : int
        Number of observations. For one seed, a smaller n gives the first rows of a larger one.
    seed : int
        Seed of the data.

    Raises
    ------
    InputError
        If the name is unknown, or ``n`` or ``seed`` is no allowed whole number.
    """
    return Problem.from_model(get(name), n=n, seed=seed)


def table() -> pd.DataFrame:
    """Return one row for each model of the catalogue.

    Columns ``name, family, d, d/2, learning_coefficient, multiplicity, oracle, source``: d/2 and the
    learning coefficient are `fractions.Fraction`, ``oracle`` says how the evidence is computed exactly
    (empty if it is not), and what is unknown is None. Then ``upper_bound``, a Fraction where only a bound is
    known (``source`` is that of the bound), ``singular``, ``boundary`` (the truth lies on the edge of the prior's
    support) and ``phases``, their names.
    """
    rows = [
        {
            "name": model.name,
            "family": model.family,
            "d": model.dim,
            "d/2": Fraction(model.dim, 2),
            "learning_coefficient": model.exact.value if model.exact else None,
            "multiplicity": model.exact.multiplicity if model.exact else None,
            "oracle": model.integral.route if model.integral else "",
            "source": known.source if (known := model.exact or model.bound) else "",
            "upper_bound": model.bound.value if model.bound else None,
            "singular": model.singular,
            "boundary": model.boundary,
            "phases": ", ".join(model.phases),
        }
        for model in MODELS.values()
    ]
    return pd.DataFrame(rows)
