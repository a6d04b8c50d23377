"""Every way to get a tempered posterior, the exact oracles beside it, and the store."""

from singular.posteriors.ensemble import ensemble_points
from singular.posteriors.ladder import ladder, wbic_beta
from singular.posteriors.langevin import langevin, sgld
from singular.posteriors.langevin_exact import quadratic_sgld_coefficient, regression_sgld_coefficient
from singular.posteriors.langevin_step import StepSize, langevin_step_size
from singular.posteriors.layout import rung
from singular.posteriors.local_exact import local_quadrature, monomial_local_coefficient, quadratic_local_coefficient
from singular.posteriors.localise import LocalProblem, localise
from singular.posteriors.precision import x64
from singular.posteriors.quadrature import Exact, population, quadrature
from singular.posteriors.recognised import problem_behind, problem_of
from singular.posteriors.sgd import sgd, sgd_settings
from singular.posteriors.smc import SequentialMonteCarlo, smc
from singular.posteriors.store import load, save
from singular.posteriors.temper import temper
from singular.posteriors.unconstrained import unconstrained

__all__ = [
    "Exact",
    "LocalProblem",
    "SequentialMonteCarlo",
    "StepSize",
    "ensemble_points",
    "ladder",
    "langevin",
    "langevin_step_size",
    "load",
    "local_quadrature",
    "localise",
    "monomial_local_coefficient",
    "population",
    "problem_behind",
    "problem_of",
    "quadratic_local_coefficient",
    "quadratic_sgld_coefficient",
    "quadrature",
    "regression_sgld_coefficient",
    "rung",
    "save",
    "sgd",
    "sgd_settings",
    "sgld",
    "smc",
    "temper",
    "unconstrained",
    "wbic_beta",
    "x64",
]
