"""Symmetry and the Fisher information: spectra, null spaces, what symmetries explain of them, and what is over.

The parts stand in modules of their own: `fisher` (information, Hessian, spectra along draws), `spectrum` (rank and
gap), `null_space` (principal angles to the declared generators), `vanishing` (orders along what is left over) and
`effective_dimension`.
"""

from __future__ import annotations

from singular.analysis.effective_dimension import effective_dimension
from singular.analysis.fisher import Information, along, fisher_information, hessian
from singular.analysis.null_space import Match, NullSpace, match, null_space, tangents
from singular.analysis.spectrum import Spectrum, spectrum_of_factor, spectrum_of_matrix
from singular.analysis.vanishing import Order, vanishing_order

__all__ = [
    "Information",
    "Match",
    "NullSpace",
    "Order",
    "Spectrum",
    "along",
    "effective_dimension",
    "fisher_information",
    "hessian",
    "match",
    "null_space",
    "spectrum_of_factor",
    "spectrum_of_matrix",
    "tangents",
    "vanishing_order",
]
