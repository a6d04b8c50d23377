"""The catalogue: models, their truths, what is known exactly about them; and real data."""

from singular.models import coefficients
from singular.models.base import Bound, Integral, LearningCoefficient, Model, Nodes
from singular.models.catalogue import FAMILIES, MODELS, get, problem, table
from singular.models.deep_linear import deep_linear
from singular.models.description import describe, from_description
from singular.models.exponential_network import exponential_network
from singular.models.linear import linear_regression
from singular.models.logistic import logistic_regression
from singular.models.mixture import free_components_mixture, known_component_mixture
from singular.models.normal import normal_unknown_covariance
from singular.models.poisson import poisson_regression
from singular.models.problem import Problem
from singular.models.product import monomial
from singular.models.rank_deficient import rank_deficient_regression
from singular.models.real import galaxies, nile
from singular.models.reduced_rank import reduced_rank
from singular.models.relu_network import relu_network
from singular.models.softmax import softmax_regression
from singular.models.tanh_network import tanh_network
from singular.models.two_wells import two_wells

__all__ = [
    "FAMILIES",
    "MODELS",
    "Bound",
    "Integral",
    "LearningCoefficient",
    "Model",
    "Nodes",
    "Problem",
    "coefficients",
    "deep_linear",
    "describe",
    "exponential_network",
    "free_components_mixture",
    "from_description",
    "galaxies",
    "get",
    "known_component_mixture",
    "linear_regression",
    "logistic_regression",
    "monomial",
    "nile",
    "normal_unknown_covariance",
    "poisson_regression",
    "problem",
    "rank_deficient_regression",
    "reduced_rank",
    "relu_network",
    "softmax_regression",
    "table",
    "tanh_network",
    "two_wells",
]
