"""The studies: each one question, one command, one table, one figure, one page."""

from __future__ import annotations

from importlib import import_module
from types import MappingProxyType
from typing import TYPE_CHECKING

from singular.errors import unknown_name

if TYPE_CHECKING:
    from singular.analysis.studies.workshop import Study

QUESTIONS = MappingProxyType(
    {
        "concentration": "Two lines of optima cross. Which one holds the posterior as n grows?",
        "two-wells": "Equal loss, different λ: how fast does the flat well win, and what does a small loss buy back?",
        "rank-phases": "What rank has a posterior draw of a product of matrices, at every β and n?",
        "tanh-strata": "In which of its ways does a tanh network make zero?",
        "free-energy-at-the-floor": "Does the time that SGD spends in each of two wells follow exp(−ΔF/T)?",
        "symmetry": "Is every null direction of the Fisher information a symmetry?",
    }
)
"""Name -> the question it answers."""


def load(name: str) -> Study:
    """Return a study by its name.

    Raises
    ------
    InputError
        If there is none of this name.
    """
    if name not in QUESTIONS:
        raise unknown_name("study", name, QUESTIONS)
    module = import_module(f"{__name__}.{name.replace('-', '_')}")
    return module.STUDY
