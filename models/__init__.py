"""The catalogue: models, their truths, what is known exactly about them; and real data."""

from singular.models import coefficients
from singular.models.base import Bound, Integral, LearningCoefficient, Model, Nodes
from singular.models.binomial_mixture import binomial_mixture
from singular.models.boundary import boundary_multinomial, half_line
from singular.models.catalogue import FAMILIES, MODELS, get, problem, table
from singular.models.deep_linear import deep_linear
from singular.models.description import describe, from_description
from singular.models.exponential_network import exponential_network
from singular.models.factor_analysis import factor_analysis
from singular.models.hadamard import hadamard_regression
from singular.models.hidden_spin import hidden_spin
from singular.models.latent_class import latent_class
from singular.models.line_and_dot import line_and_dot
from singular.models.linear import linear_regression
from singular.models.logistic import logistic_regression
from singular.models.matrix_factor import matrix_factor
from singular.models.misspecified import bent_truth, parabola
from singular.models.mixture import free_components_mixture, known_component_mixture
from singular.models.mixture_known_weights import fixed_weights_mixture, symmetric_mixture
from singular.models.mixture_many import normal_mixture
from singular.models.mixture_plane import plane_mixture
from singular.models.mixture_scale import location_scale_pair
from singular.models.multinomial_mixture import multinomial_mixture
from singular.models.normal import normal_unknown_covariance
from singular.models.poisson import poisson_regression
from singular.models.poisson_mixture import poisson_mixture
from singular.models.problem import Problem
from singular.models.product import monomial
from singular.models.rank_deficient import rank_deficient_regression
from singular.models.real import galaxies, nile
from singular.models.reduced_rank import reduced_rank
from singular.models.relu_network import relu_network
from singular.models.softmax import softmax_regression
from singular.models.squares import squares_regression
from singular.models.sum_of_powers import sum_of_powers
from singular.models.superposition import superposition
from singular.models.tanh_network import tanh_network
from singular.models.topic_model import topic_model
from singular.models.two_phase_relu import two_phase_relu
from singular.models.two_wells import two_wells
from singular.models.zero_inflated import zero_inflated_poisson

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
    "problem",
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
    "zero_inflated_poisson",
]
