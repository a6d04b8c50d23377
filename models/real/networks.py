"""Networks of one hidden layer: the Nile, the course of diabetes, a motorcycle helmet."""

from __future__ import annotations

from functools import partial

import jax.numpy as jnp
import numpyro
import numpyro.distributions as dist

from singular.models.problem import Problem
from singular.models.real.data_set import DataSet, size_in, standardised

NILE = range(5)
DIABETES = range(4)
MCYCLE = range(5)


def nile(hidden: int) -> Problem:
    """Return the annual flow of the Nile under a tanh network with ``hidden`` units.

    y_i ~ N(c + Σ_h a_h tanh(b_h (x_i − t_h)), σ²), x the year and y the flow, both standardised
    (mean 0, standard deviation 1), with

    - level c ~ N(0, 1),
    - amplitude a_h ~ N(0, 1),
    - slope b_h ~ N(0, 3²), steep enough for a step within a few years,
    - centre t_h ~ N(0, 1),
    - variance σ² ~ InverseGamma(3, 2), of mean 1.

    Parameters
    ----------
    hidden : int
        0 to 4; the model has 3 · hidden + 2 parameters.

    Examples
    --------
    >>> nile(2).n, nile(2).dim
    (100, 8)
    """
    hidden = size_in("hidden", hidden, NILE)
    data = {"x": standardised("nile", "year")[:, 0], "y": standardised("nile", "flow_1e8_m3")[:, 0]}
    return Problem(f"nile-{hidden}", partial(step_network_density, hidden=hidden), (), data, sample_size=100)


def diabetes(hidden: int) -> Problem:
    """Return the course of diabetes under a tanh network with ``hidden`` units and two covariates.

    y_i ~ N(c + Σ_h a_h tanh(b_h · x_i + t_h), σ²), x the body mass index and the log of serum triglycerides, y the
    progression of the disease within a year, all standardised, with

    - level c ~ N(0, 1),
    - amplitude a_h ~ N(0, 1),
    - slopes b_h ~ N(0, I), two for each unit,
    - shift t_h ~ N(0, 1),
    - variance σ² ~ InverseGamma(3, 2), of mean 1.

    Parameters
    ----------
    hidden : int
        0 to 3; the model has 4 · hidden + 2 parameters.

    References
    ----------
    Efron, Hastie, Johnstone and Tibshirani (2004), Least angle regression, Annals of Statistics 32, 407–499.

    Examples
    --------
    >>> diabetes(2).n, diabetes(2).dim
    (442, 10)
    """
    hidden = size_in("hidden", hidden, DIABETES)
    x = standardised("diabetes", "bmi", "log_triglycerides")
    data = {"x": x, "y": standardised("diabetes", "progression")[:, 0]}
    return Problem(f"diabetes-{hidden}", partial(plane_network_density, hidden=hidden), (), data, sample_size=442)


def mcycle(hidden: int) -> Problem:
    """Return the acceleration of a head in a crash under a ReLU network with ``hidden`` units.

    y_i ~ N(c + Σ_h a_h max(0, b_h (x_i − t_h)), σ²), x the time after the impact and y the acceleration, both
    standardised, with

    - level c ~ N(0, 1),
    - amplitude a_h ~ N(0, 2²),
    - slope b_h ~ N(0, 3²), so that a_h b_h reaches the steep fall of the data,
    - kink t_h ~ N(0, 1),
    - variance σ² ~ InverseGamma(3, 2), of mean 1.

    a_h and b_h come in as their product and the sign of b_h only: each unit has a direction that nothing tells.

    Parameters
    ----------
    hidden : int
        0 to 4; the model has 3 · hidden + 2 parameters.

    References
    ----------
    Silverman (1985), Some aspects of the spline smoothing approach to non-parametric regression curve fitting,
    JRSS B 47, 1–52.

    Examples
    --------
    >>> mcycle(3).n, mcycle(3).dim
    (133, 11)
    """
    hidden = size_in("hidden", hidden, MCYCLE)
    data = {"x": standardised("mcycle", "time_ms")[:, 0], "y": standardised("mcycle", "acceleration_g")[:, 0]}
    return Problem(f"mcycle-{hidden}", partial(kink_network_density, hidden=hidden), (), data, sample_size=133)


def step_network_density(x, y, hidden):
    """The NumPyro model of `nile`."""
    mean = numpyro.sample("level", dist.Normal(0.0, 1.0))
    if hidden:
        amplitude, slope, centre = _units(hidden, amplitude=1.0, slope=3.0, last="centre")
        mean = mean + jnp.tanh(slope * (x[:, None] - centre)) @ amplitude
    _observe(mean, y)


def plane_network_density(x, y, hidden):
    """The NumPyro model of `diabetes`; ``x`` is (n, 2)."""
    mean = numpyro.sample("level", dist.Normal(0.0, 1.0))
    if hidden:
        amplitude = numpyro.sample("amplitude", dist.Normal(0.0, 1.0).expand([hidden]).to_event(1))
        slope = numpyro.sample("slope", dist.Normal(0.0, 1.0).expand([hidden, x.shape[1]]).to_event(2))
        shift = numpyro.sample("shift", dist.Normal(0.0, 1.0).expand([hidden]).to_event(1))
        mean = mean + jnp.tanh(x @ jnp.asarray(slope).T + shift) @ amplitude
    _observe(mean, y)


def kink_network_density(x, y, hidden):
    """The NumPyro model of `mcycle`."""
    mean = numpyro.sample("level", dist.Normal(0.0, 1.0))
    if hidden:
        amplitude, slope, kink = _units(hidden, amplitude=2.0, slope=3.0, last="kink")
        mean = mean + jnp.maximum(0.0, slope * (x[:, None] - kink)) @ amplitude
    _observe(mean, y)


def _units(hidden, amplitude, slope, last):
    scales = {"amplitude": amplitude, "slope": slope, last: 1.0}
    return [numpyro.sample(k, dist.Normal(0.0, s).expand([hidden]).to_event(1)) for k, s in scales.items()]


def _observe(mean, y):
    variance = numpyro.sample("variance", dist.InverseGamma(3.0, 2.0))
    numpyro.sample("y", dist.Normal(mean, jnp.sqrt(variance)), obs=y)


DATA_SETS = (
    DataSet(
        name="nile",
        title="Annual flow of the Nile at Aswan, 1871–1970",
        family="tanh network",
        n=100,
        data="calendar year and flow, 10⁸ m³ a year, each standardised",
        argument="hidden",
        counts="hidden units",
        sizes=NILE,
        dim=lambda hidden: 3 * hidden + 2,
        likelihood="y_i ~ N(c + Σ_h a_h tanh(b_h (x_i − t_h)), σ²)",
        prior="c, a_h, t_h ~ N(0, 1), b_h ~ N(0, 3²), σ² ~ InverseGamma(3, 2)",
        note="One step, near 1898. A unit beyond the first has amplitude 0, or slope 0, or equals another one: the "
        "textbook singularity of networks, and free energy charges far less for it than BIC does.",
        source="100 years of flow: Cobb (1978)",
        licence="public domain, as declared by statsmodels 0.15",
        references=("Cobb (1978), The problem of the Nile, Biometrika 65, 243–251",),
        build=nile,
    ),
    DataSet(
        name="diabetes",
        title="Progress of diabetes in 442 patients",
        family="tanh network",
        n=442,
        data="body mass index (kg/m²), log of serum triglycerides, progression after a year (a score), each "
        "standardised",
        argument="hidden",
        counts="hidden units",
        sizes=DIABETES,
        dim=lambda hidden: 4 * hidden + 2,
        likelihood="y_i ~ N(c + Σ_h a_h tanh(b_h · x_i + t_h), σ²)",
        prior="c, a_h, b_hj, t_h ~ N(0, 1), σ² ~ InverseGamma(3, 2)",
        note="The dependence is nearly linear, which one wide tanh gives. What a second unit costs, once the first "
        "has taken the signal, is a question of the learning coefficient.",
        source="442 patients: Efron, Hastie, Johnstone and Tibshirani (2004)",
        licence="measured facts; the numbers are those of scikit-learn 1.9 (BSD 3-clause)",
        references=(
            "Efron, Hastie, Johnstone and Tibshirani (2004), Least angle regression, Annals of Statistics 32, 407–499",
        ),
        build=diabetes,
    ),
    DataSet(
        name="mcycle",
        title="Acceleration of a helmet in 133 readings of simulated motorcycle crashes",
        family="ReLU network",
        n=133,
        data="time after the impact (ms) and acceleration of the head (g), each standardised",
        argument="hidden",
        counts="hidden units",
        sizes=MCYCLE,
        dim=lambda hidden: 3 * hidden + 2,
        likelihood="y_i ~ N(c + Σ_h a_h max(0, b_h (x_i − t_h)), σ²)",
        prior="c, t_h ~ N(0, 1), a_h ~ N(0, 2²), b_h ~ N(0, 3²), σ² ~ InverseGamma(3, 2)",
        note="A flat line, a fall, a rise and a rest: each kink is a unit. Only a_h b_h counts for a unit that looks "
        "one way, so every size from one on is singular. The noise grows after the impact, which none of the sizes "
        "says.",
        source="133 readings: Schmidt, Mattern and Schüler (1981), Silverman (1985)",
        licence="measured facts, without claim of copyright; cite the papers",
        references=(
            "Silverman (1985), Some aspects of the spline smoothing approach to non-parametric regression curve "
            "fitting, JRSS B 47, 1–52",
        ),
        build=mcycle,
    ),
)
