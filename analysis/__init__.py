"""Every number read off draws, each with its Monte Carlo error."""

from singular.analysis.asymptotics import Asymptotics, decay
from singular.analysis.diagnostics import diagnostics, flags, round_trips
from singular.analysis.estimate import Estimate, difference
from singular.analysis.free_energy import free_energy, free_energy_curve
from singular.analysis.learning_coefficient import effective_learning_coefficient, learning_coefficient
from singular.analysis.summary import summary
from singular.analysis.volume import Volume, volume
from singular.analysis.volume_law import Growth, growth
from singular.analysis.wbic import wbic

__all__ = [
    "Asymptotics",
    "Estimate",
    "Growth",
    "Volume",
    "decay",
    "diagnostics",
    "difference",
    "effective_learning_coefficient",
    "flags",
    "free_energy",
    "free_energy_curve",
    "growth",
    "learning_coefficient",
    "round_trips",
    "summary",
    "volume",
    "wbic",
]
