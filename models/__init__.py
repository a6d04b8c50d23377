"""The catalogue: models, their truths, what is known exactly about them; and real data."""

from singular.models import coefficients
from singular.models.base import Bound, Integral, LearningCoefficient, Model, Nodes
from singular.models.catalogue import FAMILIES, MODELS, get, problem, table
from singular.models.crossings.hadamard import hadamard_regression
from singular.models.crossings.line_and_dot import line_and_dot
from singular.models.crossings.product import monomial
from singular.models.crossings.squares import squares_regression
from singular.models.crossings.sum_of_powers import sum_of_powers
from singular.models.crossings.two_wells import two_wells
from singular.models.crossings.uneven_wells import uneven_wells
from singular.models.description import describe, from_description
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
from singular.models.real import galaxies, nile
from singular.models.regular.boundary import boundary_multinomial, half_line
from singular.models.regular.linear import linear_regression
from singular.models.regular.logistic import logistic_regression
from singular.models.regular.misspecified import bent_truth, parabola
from singular.models.regular.normal import normal_unknown_covariance
from singular.models.regular.poisson import poisson_regression
from singular.models.regular.rank_deficient import rank_deficient_regression
from singular.models.regular.softmax import softmax_regression
from singular.models.regular.zero_inflated import zero_inflated_poisson

__all__ = [
    "FAMILIES",
    "MODELS",
    "Bound",
    "Integral",
    "LearningCoefficient",
    "Model",
    "Nodes",
    "Problem",
    "bent_truth",
    "binomial_mixture",
    "boundary_multinomial",
    "coefficients",
    "deep_linear",
    "describe",
    "exponential_network",
    "factor_analysis",
    "fixed_weights_mixture",
    "free_components_mixture",
    "from_description",
    "galaxies",
    "get",
    "hadamard_regression",
    "half_line",
    "hidden_spin",
    "known_component_mixture",
    "latent_class",
    "line_and_dot",
    "linear_regression",
    "location_scale_pair",
    "logistic_regression",
    "matrix_factor",
    "monomial",
    "multinomial_mixture",
    "nile",
    "normal_mixture",
    "normal_unknown_covariance",
    "parabola",
    "plane_mixture",
    "poisson_mixture",
    "poisson_regression",
    "polynomial_network",
    "problem",
    "radial_basis",
    "rank_deficient_regression",
    "reduced_rank",
    "relu_network",
    "softmax_regression",
    "squares_regression",
    "sum_of_powers",
    "superposition",
    "symmetric_mixture",
    "table",
    "tanh_network",
    "topic_model",
    "two_phase_relu",
    "two_wells",
    "uneven_wells",
    "zero_inflated_poisson",
]
