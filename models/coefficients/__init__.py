"""Exact learning coefficients by formula: every value a Fraction, every one with its source."""

from singular.models.coefficients.crossings import (
    hadamard,
    normal_crossing,
    product_of_blocks,
    squares,
    sum_of_blocks,
    sum_of_powers,
)
from singular.models.coefficients.factors import factor_analysis, stochastic_matrix_factorisation
from singular.models.coefficients.hidden import hidden_spin, naive_bayes
from singular.models.coefficients.linear_networks import deep_linear, reduced_rank
from singular.models.coefficients.mixtures import (
    binomial_mixture,
    fixed_weights,
    known_component,
    location_scale_mixture,
    mixture,
    multinomial_mixture,
    normal_mixture,
    poisson_mixture,
    symmetric_pair,
)
from singular.models.coefficients.moments import polynomial_network, radial_basis, vandermonde_cut
from singular.models.coefficients.networks import relu_one_unit, relu_zero, tanh_network, tanh_zero, vandermonde
from singular.models.coefficients.regular import multinomial_boundary, rank_deficient, regular, softmax, zero_inflated

__all__ = [
    "binomial_mixture",
    "deep_linear",
    "factor_analysis",
    "fixed_weights",
    "hadamard",
    "hidden_spin",
    "known_component",
    "location_scale_mixture",
    "mixture",
    "multinomial_boundary",
    "multinomial_mixture",
    "naive_bayes",
    "normal_crossing",
    "normal_mixture",
    "poisson_mixture",
    "polynomial_network",
    "product_of_blocks",
    "radial_basis",
    "rank_deficient",
    "reduced_rank",
    "regular",
    "relu_one_unit",
    "relu_zero",
    "softmax",
    "squares",
    "stochastic_matrix_factorisation",
    "sum_of_blocks",
    "sum_of_powers",
    "symmetric_pair",
    "tanh_network",
    "tanh_zero",
    "vandermonde",
    "vandermonde_cut",
    "zero_inflated",
]
