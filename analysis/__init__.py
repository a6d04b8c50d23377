"""Every number read off draws, each with its Monte Carlo error."""

from singular.analysis.across_n import AcrossDataSets, evidence_increments, evidence_slope, learning_curve
from singular.analysis.asymptotics import Asymptotics, decay
from singular.analysis.bridge import bridge
from singular.analysis.coefficient_table import coefficient_table
from singular.analysis.criteria import functional_variance, singular_fluctuation, training_loss, waic
from singular.analysis.criteria_table import criteria
from singular.analysis.criterion import Criterion, paired_difference
from singular.analysis.cross_validation import cross_validation, loo
from singular.analysis.data_sets import OverDataSets, over_data_sets
from singular.analysis.diagnostics import diagnostics, flags, round_trips
from singular.analysis.effective_dimension import effective_dimension
from singular.analysis.effective_temperature import EffectiveTemperature, effective_temperature
from singular.analysis.estimate import Estimate, difference
from singular.analysis.every_number import EveryNumber, every_number
from singular.analysis.excess_coefficient import excess_coefficient, excess_coefficient_curve, excess_offset, nll_at
from singular.analysis.exported import Exported, export
from singular.analysis.fisher import Information, fisher_information, hessian
from singular.analysis.free_energy import free_energy, free_energy_curve
from singular.analysis.generalisation import generalisation_loss
from singular.analysis.gradient_noise import GradientNoise, gradient_noise, noise_along
from singular.analysis.joint import covariance
from singular.analysis.learning_coefficient import effective_learning_coefficient, learning_coefficient
from singular.analysis.local_coefficient import local_learning_coefficient, localiser_pull
from singular.analysis.loss_traces import local_coefficient_from_losses
from singular.analysis.null_space import NullSpace, null_space
from singular.analysis.penalised import bic, laplace
from singular.analysis.phase_law import PhaseLaw, crossing, predicted_shares
from singular.analysis.phases import occupancy, phase_free_energy, phase_odds, phase_share, region_of
from singular.analysis.pointwise import held_out_log_likelihood, log_likelihood_at, pointwise_log_likelihood
from singular.analysis.prior_sensitivity import prior_sensitivity, prior_shift
from singular.analysis.regression_coefficient import regression_contrast, regression_learning_coefficient
from singular.analysis.richardson import richardson
from singular.analysis.sampler_comparison import compare_samplers
from singular.analysis.scoring import Score, score
from singular.analysis.sgld_coefficient import Extrapolated, sgld_coefficient
from singular.analysis.singular_bic import nested_coefficients, singular_bic, singular_bics
from singular.analysis.smc import free_energy_smc
from singular.analysis.spectrum import Spectrum
from singular.analysis.submission import read_submissions
from singular.analysis.summary import summary
from singular.analysis.targets import TARGETS, ExactValue, exact_target
from singular.analysis.vanishing import Order, vanishing_order
from singular.analysis.volume import Volume, volume
from singular.analysis.volume_law import Growth, growth
from singular.analysis.wbic import wbic
from singular.analysis.wbic_offset import adjusted_wbic, wbic_offset

__all__ = [
    "TARGETS",
    "AcrossDataSets",
    "Asymptotics",
    "Criterion",
    "EffectiveTemperature",
    "Estimate",
    "EveryNumber",
    "ExactValue",
    "Exported",
    "Extrapolated",
    "GradientNoise",
    "Growth",
    "Information",
    "NullSpace",
    "Order",
    "OverDataSets",
    "PhaseLaw",
    "Score",
    "Spectrum",
    "Volume",
    "adjusted_wbic",
    "bic",
    "bridge",
    "coefficient_table",
    "compare_samplers",
    "covariance",
    "criteria",
    "cross_validation",
    "crossing",
    "decay",
    "diagnostics",
    "difference",
    "effective_dimension",
    "effective_learning_coefficient",
    "effective_temperature",
    "every_number",
    "evidence_increments",
    "evidence_slope",
    "exact_target",
    "excess_coefficient",
    "excess_coefficient_curve",
    "excess_offset",
    "export",
    "fisher_information",
    "flags",
    "free_energy",
    "free_energy_curve",
    "free_energy_smc",
    "functional_variance",
    "generalisation_loss",
    "gradient_noise",
    "growth",
    "held_out_log_likelihood",
    "hessian",
    "laplace",
    "learning_coefficient",
    "learning_curve",
    "local_coefficient_from_losses",
    "local_learning_coefficient",
    "localiser_pull",
    "log_likelihood_at",
    "loo",
    "nested_coefficients",
    "nll_at",
    "noise_along",
    "null_space",
    "occupancy",
    "over_data_sets",
    "paired_difference",
    "phase_free_energy",
    "phase_odds",
    "phase_share",
    "pointwise_log_likelihood",
    "predicted_shares",
    "prior_sensitivity",
    "prior_shift",
    "read_submissions",
    "region_of",
    "regression_contrast",
    "regression_learning_coefficient",
    "richardson",
    "round_trips",
    "score",
    "sgld_coefficient",
    "singular_bic",
    "singular_bics",
    "singular_fluctuation",
    "summary",
    "training_loss",
    "vanishing_order",
    "volume",
    "waic",
    "wbic",
    "wbic_offset",
]
