"""Exact learning coefficients by formula: every value a Fraction, every one with its source."""

from singular.models.coefficients.crossings import normal_crossing
from singular.models.coefficients.linear_networks import reduced_rank
from singular.models.coefficients.networks import tanh_zero
from singular.models.coefficients.regular import regular

__all__ = ["normal_crossing", "reduced_rank", "regular", "tanh_zero"]
