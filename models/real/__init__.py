"""Real data, each set with a family of models of growing size: the choice of the size is the singular problem.

`DATA_SETS` is the table of them, and `problem` makes one by name: ``galaxies-3`` is the 82 galaxies under three
normals. Sources and licences are told in ``models/data/README.md`` and by each `DataSet`. Every prior is proper and
gives E_0[nL_n] a finite value (variances are inverse gamma, so 1/σ² has moments under the prior): the evidence is
well defined and thermodynamic integration may start at β = 0.
"""

from __future__ import annotations

from types import MappingProxyType

from singular.errors import unknown_name
from singular.models.problem import Problem
from singular.models.real import counts, factors, linear, multivariate_mixtures, networks, univariate_mixtures
from singular.models.real.counts import carcinoma, deaths
from singular.models.real.data_set import DataSet, read
from singular.models.real.factors import holzinger, wine
from singular.models.real.linear import linnerud, pine
from singular.models.real.multivariate_mixtures import faithful, iris
from singular.models.real.networks import diabetes, mcycle, nile
from singular.models.real.univariate_mixtures import acidity, galaxies

DATA_SETS = MappingProxyType(
    {
        data_set.name: data_set
        for module in (univariate_mixtures, multivariate_mixtures, counts, networks, factors, linear)
        for data_set in module.DATA_SETS
    }
)
"""Name of the data -> `DataSet`."""

NAMES = tuple(name for data_set in DATA_SETS.values() for name in data_set.names)
"""Names that `problem` takes."""

__all__ = [
    "DATA_SETS",
    "NAMES",
    "DataSet",
    "acidity",
    "carcinoma",
    "deaths",
    "diabetes",
    "faithful",
    "galaxies",
    "holzinger",
    "iris",
    "linnerud",
    "mcycle",
    "members",
    "nile",
    "pine",
    "problem",
    "read",
    "unbounded",
    "wine",
]


def problem(name: str) -> Problem:
    """Return the real problem called ``name``: data and size, as in ``galaxies-3`` or ``nile-0``.

    Raises
    ------
    InputError
        If there is none of that name; the message has the nearest one.

    Examples
    --------
    >>> problem("nile-0").dim
    2
    """
    data_set, size = _find(name)
    return data_set.build(size)


def members() -> list[tuple[str, str, int, str]]:
    """Return (name, family, number of parameters, source) of each problem here.

    Examples
    --------
    >>> members()[2][:3]
    ('galaxies-3', 'normal mixture, real data', 8)
    """
    return [
        (f"{d.name}-{size}", f"{d.family}, real data", d.dim(size), d.source)
        for d in DATA_SETS.values()
        for size in d.sizes
    ]


def unbounded(name: str) -> bool:
    """Say whether the likelihood of a problem has no maximum, as where a mixture's component may close in on one datum.

    False for a name that is none of `NAMES`.

    Examples
    --------
    >>> unbounded("galaxies-1"), unbounded("galaxies-2"), unbounded("deaths-2")
    (False, True, False)
    """
    if name not in NAMES:
        return False
    data_set, size = _find(name)
    return data_set.unbounded(size)


def _find(name: str) -> tuple[DataSet, int]:
    if name not in NAMES:
        raise unknown_name("name", name, NAMES)
    data_set, size = name.rsplit("-", 1)
    return DATA_SETS[data_set], int(size)
