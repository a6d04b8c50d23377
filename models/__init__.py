"""The catalogue: models, their truths, and what is known exactly about them."""

from singular.models.base import Integral, LearningCoefficient, Model, Nodes
from singular.models.problem import Problem

__all__ = ["Integral", "LearningCoefficient", "Model", "Nodes", "Problem"]
