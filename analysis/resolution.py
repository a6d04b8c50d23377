"""Exact laws of what posteriors, gradient descent and SGD see of a loss, on one axis of temperature.

`tempered_quadratic` is Bayes at T = 1/(nβ); `gradient_descent`, `gradient_flow` and early stopping lie at T = 1/(ηN)
(with a unit prior precision); `additive_sgd` with isotropic noise at T = ησ²/(2B(1−μ)). Departures from the axis, each
with its own law: `streaming_sgd`, `minibatch_regression` and `square_model_law`, a model's own noise, which is not
isotropic; `reshuffled_sgd`, whose steps are not independent.

Two opposite things have been called the effective parameters of early stopping. `learned_directions` grow with N from 0
to the rank; `DescentLaw.pushforward_coefficient`, the learning coefficient with the law of the trained parameters as
prior, falls with N to 0.

`axis` lays all of these on one axis for one problem: exact where there is an oracle, run where there is none.
"""

from singular.analysis.balance_law import SquareModelLaw, balance_after, balance_rate, square_model_law
from singular.analysis.early_stopping import (
    flow_shares,
    largest_ridge_ratio,
    learned_directions,
    learned_shares,
    matching_penalties,
    ridge_shares,
)
from singular.analysis.gradient_descent_law import DescentLaw, gradient_descent, gradient_flow
from singular.analysis.law_inputs import batch_factor
from singular.analysis.minibatch_law import minibatch_largest_step, minibatch_regression
from singular.analysis.occupancy_law import OccupancyLaw, chain_law, diffusion_law
from singular.analysis.reshuffled_law import reshuffled_sgd
from singular.analysis.resolution_axis import Axis, axis
from singular.analysis.sgd_law import (
    SGDLaw,
    additive_sgd,
    heat_capacity,
    largest_step,
    natural_gradient_sgd,
    natural_gradient_temperature,
)
from singular.analysis.singular_flow import (
    FlowLoss,
    monomial_flow,
    monomial_flow_loss,
    product_flow_loss,
    product_flow_loss_at,
)
from singular.analysis.starts import Box, Gaussian, Start
from singular.analysis.streaming_law import streaming_largest_step, streaming_sgd
from singular.analysis.tempered_quadratic import TemperedLaw, tempered_quadratic

__all__ = [
    "Axis",
    "Box",
    "DescentLaw",
    "FlowLoss",
    "Gaussian",
    "OccupancyLaw",
    "SGDLaw",
    "SquareModelLaw",
    "Start",
    "TemperedLaw",
    "additive_sgd",
    "axis",
    "balance_after",
    "balance_rate",
    "batch_factor",
    "chain_law",
    "diffusion_law",
    "flow_shares",
    "gradient_descent",
    "gradient_flow",
    "heat_capacity",
    "largest_ridge_ratio",
    "largest_step",
    "learned_directions",
    "learned_shares",
    "matching_penalties",
    "minibatch_largest_step",
    "minibatch_regression",
    "monomial_flow",
    "monomial_flow_loss",
    "natural_gradient_sgd",
    "natural_gradient_temperature",
    "product_flow_loss",
    "product_flow_loss_at",
    "reshuffled_sgd",
    "ridge_shares",
    "square_model_law",
    "streaming_largest_step",
    "streaming_sgd",
    "tempered_quadratic",
]
