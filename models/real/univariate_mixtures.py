"""Normal mixtures on the line: the velocities of galaxies, the acidity of lakes.

The variances are free, so from two components on a component may close in on one observation: the likelihood has
no maximum, and BIC no value. The posterior and the evidence are well defined all the same: the inverse gamma prior
of the variances keeps such spikes small.
"""

from __future__ import annotations

from functools import partial

from singular.models.problem import Problem
from singular.models.real.data_set import DataSet, read, size_in
from singular.models.real.normal_mixture import galaxies_density, mixture_density

GALAXIES = range(1, 7)
ACIDITY = range(1, 6)


def galaxies(components: int) -> Problem:
    """Return the galaxy velocities under a mixture of ``components`` normals.

    v_i ~ Σ_k w_k N(μ_k, σ²_k), v in 1000 km/s, with the fixed prior of Carlin and Chib (1995):

    - weights w ~ Dirichlet(1, …, 1),
    - means μ_k ~ N(20, 10²),
    - variances σ²_k ~ InverseGamma(3, 20).

    It is the form of Richardson and Green (1997), but with fixed numbers and no hyperprior: published evidences
    exist for it, to check against. The components are exchangeable, so the posterior has components! copies
    of each mode; the likelihood is unbounded from two components on.

    Parameters
    ----------
    components : int
        1 to 6; the model has 3 · components − 1 parameters.

    References
    ----------
    Chib (1995), Marginal likelihood from the Gibbs output, JASA 90, 1313–1321, section 4.2.1, for prior and data.
    Neal (1999), on the ln(components!) that the evidences printed there lack.
    Richardson and Green (1997), JRSS B 59, 731–792.

    Examples
    --------
    >>> galaxies(3).n, galaxies(3).dim
    (82, 8)
    """
    components = size_in("components", components, GALAXIES)
    density = partial(galaxies_density, components=components)
    data = {"velocity": read("galaxies")["velocity_km_per_s"] / 1000}
    return Problem(f"galaxies-{components}", density, (), data, sample_size=82, unbounded=components > 1)


def acidity(components: int) -> Problem:
    """Return the acidity of 155 lakes, on a log scale, under a mixture of ``components`` normals.

    y_i ~ Σ_k w_k N(μ_k, σ²_k), with

    - weights w ~ Dirichlet(1, …, 1),
    - means μ_k ~ N(5, 2²): the data run from 2.9 to 7.1,
    - variances σ²_k ~ InverseGamma(3, 1), of mean 1/2.

    Parameters
    ----------
    components : int
        1 to 5; the model has 3 · components − 1 parameters.

    References
    ----------
    Crawford, DeGroot, Kadane and Small (1992), Modeling lake-chemistry distributions, Technometrics 34, 441–453.
    Richardson and Green (1997), On Bayesian analysis of mixtures with an unknown number of components, JRSS B 59,
    731–792.

    Examples
    --------
    >>> acidity(2).n, acidity(2).dim
    (155, 5)
    """
    components = size_in("components", components, ACIDITY)
    density = partial(mixture_density, components=components, centre=5.0, spread=2.0)
    data = {"y": read("acidity")["log_acidity_index"]}
    return Problem(f"acidity-{components}", density, (), data, sample_size=155, unbounded=components > 1)


DATA_SETS = (
    DataSet(
        name="galaxies",
        title="Velocities of 82 galaxies in the Corona Borealis region",
        family="normal mixture",
        n=82,
        data="recession velocity, 1000 km/s",
        argument="components",
        counts="normal components",
        sizes=GALAXIES,
        dim=lambda components: 3 * components - 1,
        likelihood="v_i ~ Σ_k w_k N(μ_k, σ²_k)",
        prior="w ~ Dirichlet(1, …, 1), μ_k ~ N(20, 10²), σ²_k ~ InverseGamma(3, 20)",
        note="The data on which most ways to choose the number of components have been tried; published answers run "
        "from three to seven, and depend on the prior of the variances. Labels can be permuted, and a component with "
        "weight 0 or equal to another one is not identified.",
        source="82 velocities: Postman, Huchra and Geller (1986), Roeder (1990); prior of Carlin and Chib (1995)",
        licence="measured facts, without claim of copyright; cite the papers",
        references=(
            "Postman, Huchra and Geller (1986), Probes of large-scale structures in the Corona Borealis region, "
            "Astronomical Journal 92, 1238–1247",
            "Roeder (1990), Density estimation with confidence sets exemplified by superclusters and voids in the "
            "galaxies, JASA 85, 617–624",
            "Chib (1995), Marginal likelihood from the Gibbs output, JASA 90, 1313–1321",
            "Richardson and Green (1997), On Bayesian analysis of mixtures with an unknown number of components, "
            "JRSS B 59, 731–792",
        ),
        build=galaxies,
        unbounded_from=2,
    ),
    DataSet(
        name="acidity",
        title="Acidity of 155 lakes in north-central Wisconsin",
        family="normal mixture",
        n=155,
        data="acidity index on a log scale, dimensionless",
        argument="components",
        counts="normal components",
        sizes=ACIDITY,
        dim=lambda components: 3 * components - 1,
        likelihood="y_i ~ Σ_k w_k N(μ_k, σ²_k)",
        prior="w ~ Dirichlet(1, …, 1), μ_k ~ N(5, 2²), σ²_k ~ InverseGamma(3, 1)",
        note="Two groups of lakes are plain to see; the upper one is skewed, and a third normal only mends its shape. "
        "Where the truth is no mixture of normals, the number of components that is chosen grows with n.",
        source="155 lakes: Crawford, DeGroot, Kadane and Small (1992)",
        licence="measured facts, without claim of copyright; cite the paper",
        references=(
            "Crawford, DeGroot, Kadane and Small (1992), Modeling lake-chemistry distributions: approximate Bayesian "
            "methods for estimating a finite-mixture model, Technometrics 34, 441–453",
            "Richardson and Green (1997), On Bayesian analysis of mixtures with an unknown number of components, "
            "JRSS B 59, 731–792",
        ),
        build=acidity,
        unbounded_from=2,
    ),
)
