"""Factor analysis: nine school tests, the chemistry of wine."""

from __future__ import annotations

from functools import partial

import jax.numpy as jnp
import numpyro
import numpyro.distributions as dist

from singular.models.problem import Problem
from singular.models.real.data_set import DataSet, size_in, standardised

HOLZINGER = range(5)
WINE = range(4)
TESTS = (
    "visual_perception",
    "cubes",
    "lozenges",
    "paragraph_comprehension",
    "sentence_completion",
    "word_meaning",
    "addition",
    "counting_dots",
    "straight_curved_capitals",
)
CHEMISTRY = ("alcohol", "flavanoids", "colour_intensity", "hue", "od280_od315", "proline")


def holzinger(factors: int) -> Problem:
    """Return nine tests of 301 school children under a factor analysis with ``factors`` factors.

    y_i ~ N(0, Λ Λᵀ + diag(ψ)), y the nine scores, standardised, with

    - loadings Λ_jk ~ N(0, 1), nine for each factor,
    - uniquenesses ψ_j ~ InverseGamma(3, 1), of mean 1/2.

    The factors are integrated out. Λ enters by Λ Λᵀ only: every rotation of it fits as well.

    Parameters
    ----------
    factors : int
        0 to 4; the model has 9 · (factors + 1) parameters.

    References
    ----------
    Holzinger and Swineford (1939), A study in factor analysis, University of Chicago.
    Jöreskog (1969), A general approach to confirmatory maximum likelihood factor analysis, Psychometrika 34, 183–202.

    Examples
    --------
    >>> holzinger(3).n, holzinger(3).dim
    (301, 36)
    """
    factors = size_in("factors", factors, HOLZINGER)
    data = {"y": standardised("holzinger", *TESTS)}
    return Problem(f"holzinger-{factors}", partial(factor_density, factors=factors), (), data, sample_size=301)


def wine(factors: int) -> Problem:
    """Return six measurements of 178 Italian wines under a factor analysis with ``factors`` factors.

    y_i ~ N(0, Λ Λᵀ + diag(ψ)), y alcohol, flavanoids, intensity of colour, hue, OD280/OD315 and proline, standardised,
    with

    - loadings Λ_jk ~ N(0, 1), six for each factor,
    - uniquenesses ψ_j ~ InverseGamma(3, 1), of mean 1/2.

    Parameters
    ----------
    factors : int
        0 to 3; the model has 6 · (factors + 1) parameters.

    References
    ----------
    Forina, Armanino, Castino and Ubigli (1986), Multivariate data analysis as a discriminating method of the origin
    of wines, Vitis 25, 189–201.

    Examples
    --------
    >>> wine(2).n, wine(2).dim
    (178, 18)
    """
    factors = size_in("factors", factors, WINE)
    data = {"y": standardised("wine", *CHEMISTRY)}
    return Problem(f"wine-{factors}", partial(factor_density, factors=factors), (), data, sample_size=178)


def factor_density(y, factors):
    """The NumPyro model of `holzinger` and `wine`; ``y`` is (n, p), with column means 0."""
    tests = y.shape[1]
    unique = numpyro.sample("uniqueness", dist.InverseGamma(3.0, 1.0).expand([tests]).to_event(1))
    if not factors:
        numpyro.sample("y", dist.Normal(0.0, jnp.sqrt(unique)).to_event(1), obs=y)
        return
    loading = numpyro.sample("loading", dist.Normal(0.0, 1.0).expand([tests, factors]).to_event(2))
    numpyro.sample("y", dist.LowRankMultivariateNormal(jnp.zeros(tests), loading, unique), obs=y)


DATA_SETS = (
    DataSet(
        name="holzinger",
        title="Nine tests of 301 school children",
        family="factor analysis",
        n=301,
        data="scores in nine tests (three visual, three verbal, three of speed), each standardised",
        argument="factors",
        counts="factors",
        sizes=HOLZINGER,
        dim=lambda factors: 9 * (factors + 1),
        likelihood="y_i ~ N(0, Λ Λᵀ + diag(ψ)), Λ 9 × factors",
        prior="Λ_jk ~ N(0, 1), ψ_j ~ InverseGamma(3, 1)",
        note="The standard example of factor analysis: three factors by design of the tests. Rotations make each size "
        "from two on degenerate; a factor too many makes it singular.",
        source="301 children: Holzinger and Swineford (1939), the nine tests of Jöreskog (1969)",
        licence="measured facts, without claim of copyright; cite the papers",
        references=(
            "Holzinger and Swineford (1939), A study in factor analysis: the stability of a bi-factor solution, "
            "Supplementary Educational Monographs 48, University of Chicago",
            "Jöreskog (1969), A general approach to confirmatory maximum likelihood factor analysis, Psychometrika "
            "34, 183–202",
        ),
        build=holzinger,
    ),
    DataSet(
        name="wine",
        title="Chemistry of 178 wines from three cultivars of one Italian region",
        family="factor analysis",
        n=178,
        data="alcohol, flavanoids, intensity of colour, hue, OD280/OD315 and proline, each standardised; the cultivar "
        "is not shown to the model",
        argument="factors",
        counts="factors",
        sizes=WINE,
        dim=lambda factors: 6 * (factors + 1),
        likelihood="y_i ~ N(0, Λ Λᵀ + diag(ψ)), Λ 6 × factors",
        prior="Λ_jk ~ N(0, 1), ψ_j ~ InverseGamma(3, 1)",
        note="Three cultivars lie in a plane or so of the six measurements, which two factors give. With three "
        "factors the model has as many parameters, up to rotation, as a free covariance matrix has: 21.",
        source="178 wines: Forina, Armanino, Castino and Ubigli (1986)",
        licence="Creative Commons Attribution 4.0; the numbers are those of scikit-learn 1.9 (BSD 3-clause)",
        references=(
            "Forina, Armanino, Castino and Ubigli (1986), Multivariate data analysis as a discriminating method of the "
            "origin of wines, Vitis 25, 189–201",
            "Aeberhard and Forina (1992), Wine, UCI Machine Learning Repository, doi 10.24432/C5PC7J",
        ),
        build=wine,
    ),
)
