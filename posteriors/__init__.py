"""Every way to get a tempered posterior, the exact oracles beside it, and the store."""

from singular.posteriors.ladder import ladder, wbic_beta
from singular.posteriors.layout import problem_of, rung
from singular.posteriors.precision import x64
from singular.posteriors.quadrature import Exact, population, quadrature
from singular.posteriors.store import load, save
from singular.posteriors.temper import temper

__all__ = [
    "Exact",
    "ladder",
    "load",
    "population",
    "problem_of",
    "quadrature",
    "rung",
    "save",
    "temper",
    "wbic_beta",
    "x64",
]
