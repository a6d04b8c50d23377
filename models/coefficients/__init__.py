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
from singular.models.coefficients.linear_networks import deep_linear, reduced_rank
from singular.models.coefficients.networks import tanh_zero
from singular.models.coefficients.regular import multinomial_boundary, rank_deficient, regular, softmax, zero_inflated

__all__ = [
    "deep_linear",
    "factor_analysis",
    "hadamard",
    "multinomial_boundary",
    "normal_crossing",
    "product_of_blocks",
    "rank_deficient",
    "reduced_rank",
    "regular",
    "softmax",
    "squares",
    "stochastic_matrix_factorisation",
    "sum_of_blocks",
    "sum_of_powers",
    "tanh_zero",
    "zero_inflated",
]
