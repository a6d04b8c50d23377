"""Normal mixtures in the plane and in four dimensions: Old Faithful, irises.

As on the line, the likelihood has no maximum from two components on.
"""

from __future__ import annotations

from functools import partial

from singular.models.problem import Problem
from singular.models.real.data_set import DataSet, size_in, standardised
from singular.models.real.normal_mixture import mixture_density

FAITHFUL = range(1, 5)
IRIS = range(1, 5)


def faithful(components: int) -> Problem:
    """Return Old Faithful's eruptions under a mixture of ``components`` normals in the plane.

    y_i ~ Σ_k w_k N(μ_k1, σ²_k1) N(μ_k2, σ²_k2), y the length of an eruption and the wait for the next one, both
    standardised, with

    - weights w ~ Dirichlet(1, …, 1),
    - means μ_kj ~ N(0, 1),
    - variances σ²_kj ~ InverseGamma(3, 1), of mean 1/2.

    Within a component the two are independent: what correlation the data have must come from having more
    components, so that the number chosen need not be that of the visible groups.

    Parameters
    ----------
    components : int
        1 to 4; the model has 5 · components − 1 parameters.

    References
    ----------
    Azzalini and Bowman (1990), A look at some data on the Old Faithful geyser, Applied Statistics 39, 357–365.

    Examples
    --------
    >>> faithful(2).n, faithful(2).dim
    (272, 9)
    """
    components = size_in("components", components, FAITHFUL)
    density = partial(mixture_density, components=components, centre=0.0, spread=1.0)
    data = {"y": standardised("faithful", "eruption_min", "waiting_min")}
    return Problem(f"faithful-{components}", density, (), data, sample_size=272, unbounded=components > 1)


def iris(components: int) -> Problem:
    """Return the four measurements of 150 irises under a mixture of ``components`` normals.

    y_i ~ Σ_k w_k Π_j N(μ_kj, σ²_kj), y the lengths and widths of sepals and petals, standardised, with

    - weights w ~ Dirichlet(1, …, 1),
    - means μ_kj ~ N(0, 1),
    - variances σ²_kj ~ InverseGamma(3, 1), of mean 1/2.

    Parameters
    ----------
    components : int
        1 to 4; the model has 9 · components − 1 parameters.

    References
    ----------
    Fisher (1936), The use of multiple measurements in taxonomic problems, Annals of Eugenics 7, 179–188.

    Examples
    --------
    >>> iris(3).n, iris(3).dim
    (150, 26)
    """
    components = size_in("components", components, IRIS)
    density = partial(mixture_density, components=components, centre=0.0, spread=1.0)
    columns = ("sepal_length_cm", "sepal_width_cm", "petal_length_cm", "petal_width_cm")
    data = {"y": standardised("iris", *columns)}
    return Problem(f"iris-{components}", density, (), data, sample_size=150, unbounded=components > 1)


DATA_SETS = (
    DataSet(
        name="faithful",
        title="272 eruptions of the Old Faithful geyser",
        family="normal mixture",
        n=272,
        data="length of an eruption and waiting time to the next, minutes, each standardised",
        argument="components",
        counts="normal components",
        sizes=FAITHFUL,
        dim=lambda components: 5 * components - 1,
        likelihood="y_i ~ Σ_k w_k Π_j N(μ_kj, σ²_kj), j = 1, 2",
        prior="w ~ Dirichlet(1, …, 1), μ_kj ~ N(0, 1), σ²_kj ~ InverseGamma(3, 1)",
        note="Two groups are plain to see, short eruptions with short waits and long with long. Coordinates are "
        "independent within a component, so what correlation is left in a group asks for one component more.",
        source="272 eruptions: Azzalini and Bowman (1990)",
        licence="measured facts, without claim of copyright; cite the paper",
        references=(
            "Azzalini and Bowman (1990), A look at some data on the Old Faithful geyser, Applied Statistics 39, "
            "357–365",
            "Härdle (1991), Smoothing Techniques with Implementation in S, for this version of the data",
        ),
        build=faithful,
        unbounded_from=2,
    ),
    DataSet(
        name="iris",
        title="Sepals and petals of 150 irises of three species",
        family="normal mixture",
        n=150,
        data="length and width of sepal and petal, cm, each standardised; the species is not shown to the model",
        argument="components",
        counts="normal components",
        sizes=IRIS,
        dim=lambda components: 9 * components - 1,
        likelihood="y_i ~ Σ_k w_k Π_j N(μ_kj, σ²_kj), j = 1, …, 4",
        prior="w ~ Dirichlet(1, …, 1), μ_kj ~ N(0, 1), σ²_kj ~ InverseGamma(3, 1)",
        note="Three species, of which two overlap: many criteria see two groups. The species in the file are there "
        "to look at afterwards.",
        source="150 irises: Anderson (1935), Fisher (1936)",
        licence="measured facts; the numbers are those of scikit-learn 1.9 (BSD 3-clause)",
        references=(
            "Anderson (1935), The irises of the Gaspé Peninsula, Bulletin of the American Iris Society 59, 2–5",
            "Fisher (1936), The use of multiple measurements in taxonomic problems, Annals of Eugenics 7, 179–188",
        ),
        build=iris,
        unbounded_from=2,
    ),
)
