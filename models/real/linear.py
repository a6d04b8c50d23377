"""Linear models: exercises of twenty men by reduced-rank regression, and the strength of pine as a regular control."""

from __future__ import annotations

from functools import partial

import jax.numpy as jnp
import numpyro
import numpyro.distributions as dist

from singular.models.problem import Problem
from singular.models.real.data_set import DataSet, read, size_in, standardised

LINNERUD = range(4)
PINE = range(1, 3)
BODY = ("weight_lb", "waist_in", "pulse_per_min")
EXERCISES = ("chin_ups", "sit_ups", "jumps")
COVARIATES = {1: "density_lb_per_cu_ft", 2: "resin_adjusted_density_lb_per_cu_ft"}


def linnerud(hidden: int) -> Problem:
    """Return three exercises of twenty men, given their bodies, under a regression of rank at most ``hidden``.

    y_ij ~ N((B A x_i)_j, σ²_j), x weight, waist and pulse, y chin-ups, sit-ups and jumps, all standardised, with

    - A (hidden × 3) and B (3 × hidden), entries ~ N(0, 1),
    - variances σ²_j ~ InverseGamma(3, 2), of mean 1.

    Parameters
    ----------
    hidden : int
        0 to 3; the model has 6 · hidden + 3 parameters.

    References
    ----------
    Tenenhaus (1998), La régression PLS, Technip.
    Aoyagi and Watanabe (2005), Neural Networks 18, 924–933, for the learning coefficient of the model with known
    variance.

    Examples
    --------
    >>> linnerud(1).n, linnerud(1).dim
    (20, 9)
    """
    hidden = size_in("hidden", hidden, LINNERUD)
    data = {"x": standardised("linnerud", *BODY), "y": standardised("linnerud", *EXERCISES)}
    return Problem(f"linnerud-{hidden}", partial(reduced_rank_density, hidden=hidden), (), data, sample_size=20)


def pine(covariate: int) -> Problem:
    """Return the strength of 42 specimens of radiata pine as a straight line in one of two covariates.

    y_i ~ N(α + γ (x_i − x̄), σ²), y the compression strength along the grain, x the density, or the density adjusted
    for the content of resin, with the conjugate prior of Friel and Pettitt (2008):

    - σ² ~ InverseGamma(3, 2 · 300²),
    - α ~ N(3000, σ² / 0.06), γ ~ N(185, σ² / 6), given σ².

    A regular model whose evidence has a closed form: a control. It is sampled as z = (α − 3000) √0.06 / σ and
    z' = (γ − 185) √6 / σ, both N(0, 1) under the prior.

    Parameters
    ----------
    covariate : int
        1: density; 2: density adjusted for resin. The model has 3 parameters.

    References
    ----------
    Williams (1959), Regression Analysis, Wiley, for the data.
    Friel and Pettitt (2008), Marginal likelihood estimation via power posteriors, JRSS B 70, 589–607, for the prior.

    Examples
    --------
    >>> pine(1).n, pine(1).dim
    (42, 3)
    """
    covariate = size_in("covariate", covariate, PINE)
    table = read("pine")
    x = table[COVARIATES[covariate]]
    data = {"x": x - x.mean(), "y": table["strength_psi"]}
    return Problem(f"pine-{covariate}", line_density, (), data, sample_size=42)


def reduced_rank_density(x, y, hidden):
    """The NumPyro model of `linnerud`; ``x`` is (n, p), ``y`` is (n, q)."""
    inputs, outputs = x.shape[1], y.shape[1]
    mean = jnp.zeros(y.shape)
    if hidden:
        a = jnp.asarray(numpyro.sample("A", dist.Normal(0.0, 1.0).expand([hidden, inputs]).to_event(2)))
        b = jnp.asarray(numpyro.sample("B", dist.Normal(0.0, 1.0).expand([outputs, hidden]).to_event(2)))
        mean = x @ a.T @ b.T
    variance = numpyro.sample("variance", dist.InverseGamma(3.0, 2.0).expand([outputs]).to_event(1))
    numpyro.sample("y", dist.Normal(mean, jnp.sqrt(variance)).to_event(1), obs=y)


def line_density(x, y):
    """The NumPyro model of `pine`; ``x`` has mean 0."""
    deviation = jnp.sqrt(numpyro.sample("variance", dist.InverseGamma(3.0, 2 * 300.0**2)))
    level = numpyro.sample("level", dist.Normal(0.0, 1.0))
    tilt = numpyro.sample("tilt", dist.Normal(0.0, 1.0))
    alpha = numpyro.deterministic("alpha", 3000.0 + level * deviation / 0.06**0.5)
    gamma = numpyro.deterministic("gamma", 185.0 + tilt * deviation / 6**0.5)
    numpyro.sample("y", dist.Normal(alpha + gamma * x, deviation), obs=y)


DATA_SETS = (
    DataSet(
        name="linnerud",
        title="Three exercises and the bodies of twenty middle-aged men",
        family="reduced-rank regression",
        n=20,
        data="weight (lb), waist (in) and pulse (1/min); numbers of chin-ups, sit-ups and jumps; each standardised",
        argument="hidden",
        counts="inner dimension: the rank is at most this",
        sizes=LINNERUD,
        dim=lambda hidden: 6 * hidden + 3,
        likelihood="y_ij ~ N((B A x_i)_j, σ²_j), A hidden × 3, B 3 × hidden",
        prior="A_hj, B_jh ~ N(0, 1), σ²_j ~ InverseGamma(3, 2)",
        note="A small n and one weak canonical correlation of note: rank 0 or 1. Beyond the true rank, what A and B "
        "say of the surplus dimension is not identified.",
        source="20 men: Linnerud, NC State University; Tenenhaus (1998)",
        licence="measured facts; the numbers are those of scikit-learn 1.9 (BSD 3-clause)",
        references=(
            "Tenenhaus (1998), La régression PLS: théorie et pratique, Technip",
            "Aoyagi and Watanabe (2005), Stochastic complexities of reduced rank regression in Bayesian estimation, "
            "Neural Networks 18, 924–933",
        ),
        build=linnerud,
    ),
    DataSet(
        name="pine",
        title="Strength and density of 42 specimens of radiata pine",
        family="linear regression",
        n=42,
        data="compression strength along the grain (lb/in²); density, and density adjusted for resin (lb/ft³), centred",
        argument="covariate",
        counts="which covariate: 1 the density, 2 the density adjusted for resin",
        sizes=PINE,
        dim=lambda covariate: 3,
        likelihood="y_i ~ N(α + γ (x_i − x̄), σ²)",
        prior="σ² ~ InverseGamma(3, 2 · 300²), α ~ N(3000, σ² / 0.06), γ ~ N(185, σ² / 6)",
        note="A regular control: both models have three parameters and evidences in closed form, −310.51 and −301.65, "
        "so the choice between them is known exactly. The evidences printed for these data are −310.13 and −301.70; "
        "the closed form does not give them for the numbers as they are here.",
        source="42 specimens: Williams (1959), Carlin and Chib (1995); prior of Friel and Pettitt (2008)",
        licence="measured facts, without claim of copyright; cite the book",
        references=(
            "Williams (1959), Regression Analysis, Wiley",
            "Carlin and Chib (1995), Bayesian model choice via Markov chain Monte Carlo methods, JRSS B 57, 473–484",
            "Friel and Pettitt (2008), Marginal likelihood estimation via power posteriors, JRSS B 70, 589–607",
        ),
        build=pine,
    ),
)
