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
        "relu-phases": "As two ReLU units of the truth turn into one, when does one do the work of both?",
        "superposition": "Six features in two dimensions: at what n do pentagons give way to hexagons?",
        "symmetry": "Is every null direction of the Fisher information a symmetry?",
        "volume": "How fast does the prior volume of {K < ε} vanish, and does a Hessian know?",
        "sharpness": "λ̂, Hessian or volume: which flatness of a minimum tells its test loss, or how often it is found?",
        "early-stopping": "Descent is stopped after N steps. What has it learnt, and which temperature is that?",
        "noise-floor": "Is the noise of SGD a temperature, on regular and on singular models?",
        "pseudo-singular": "When is a regular model as good as singular to a learner that cannot see small curvatures?",
        "free-energy-at-the-floor": "Does the time that SGD spends in each of two wells follow exp(−ΔF/T)?",
        "temperature-axis": "Bayes, SGLD, SGD, stopped descent at one temperature: which of them read the same there?",
        "watanabe-2013": "What do WBIC, free energy and λ say of reduced-rank regression at its published size?",
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
