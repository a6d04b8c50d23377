"""Bayesian statistics on singular models: tempered ladders, free energy and learning coefficients, held to truth."""

from importlib.metadata import version

__version__ = version("singular")
__all__ = ["__version__"]
