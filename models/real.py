"""Real data: the 82 galaxy velocities as a normal mixture, the Nile's flow as a tanh network.

Sources and licences of the data are in ``data/README.md``. Every prior is proper and gives E_0[nL_n] a finite
value (variances are inverse gamma, so 1/σ² has moments under the prior): the evidence is well defined and
thermodynamic integration may start at β = 0.
"""

from __future__ import annotations

import re
from functools import partial
from importlib import resources

import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist

from singular.errors import InputError, unknown_name
from singular.models.problem import Problem

COMPONENTS = range(1, 7)
GALAXIES_SOURCE = "82 velocities: Postman, Huchra and Geller (1986), Roeder (1990); prior of Carlin and Chib (1995)"
NILE_SOURCE = "100 years of flow: Cobb (1978)"
HIDDEN = range(5)
NAMES = (*(f"galaxies-{k}" for k in COMPONENTS), *(f"nile-{h}" for h in HIDDEN))
"""Names that `problem` takes."""


def read(name: str) -> dict[str, np.ndarray]:
    """Read one of the data files as float64 columns.

    Parameters
    ----------
    name : {"galaxies", "nile"}

    Returns
    -------
    dict of (n,) float64 arrays
        ``velocity_km_per_s``; or ``year`` and ``flow_1e8_m3``.

    Examples
    --------
    >>> float(read("nile")["flow_1e8_m3"].mean())
    919.35
    """
    if name not in ("galaxies", "nile"):
        raise unknown_name("name", name, ("galaxies", "nile"))
    text = resources.files("singular.models").joinpath("data", f"{name}.csv").read_text(encoding="utf-8")
    header, *rows = text.split()
    table = np.array([row.split(",") for row in rows], dtype=np.float64)
    return dict(zip(header.split(","), table.T, strict=True))


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
    components = _size("components", components, COMPONENTS)
    density = partial(normal_mixture_density, components=components)
    velocity = read("galaxies")["velocity_km_per_s"] / 1000
    return Problem(f"galaxies-{components}", density, (), {"velocity": velocity}, sample_size=len(velocity))


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
    hidden = _size("hidden", hidden, HIDDEN)
    density = partial(step_network_density, hidden=hidden)
    columns = read("nile")
    data = {"x": _standardise(columns["year"]), "y": _standardise(columns["flow_1e8_m3"])}
    return Problem(f"nile-{hidden}", density, (), data, sample_size=len(data["y"]))


def problem(name: str) -> Problem:
    """Return the real problem called ``name``: ``galaxies-1`` to ``galaxies-6``, ``nile-0`` to ``nile-4``.

    Raises
    ------
    InputError
        If there is none of that name; the message has the nearest one.

    Examples
    --------
    >>> problem("nile-0").dim
    2
    """
    if name not in NAMES:
        raise unknown_name("name", name, NAMES)
    family, size = re.fullmatch(r"([a-z]+)-(\d+)", name).groups()  # pyright: ignore[reportOptionalMemberAccess]
    return {"galaxies": galaxies, "nile": nile}[family](int(size))


def members() -> list[tuple[str, str, int, str]]:
    """Return (name, family, number of parameters, source) of each problem here.

    Examples
    --------
    >>> members()[2][:3]
    ('galaxies-3', 'normal mixture, real data', 8)
    """
    mixtures = [(f"galaxies-{k}", "normal mixture, real data", 3 * k - 1, GALAXIES_SOURCE) for k in COMPONENTS]
    networks = [(f"nile-{h}", "tanh network, real data", 3 * h + 2, NILE_SOURCE) for h in HIDDEN]
    return mixtures + networks


def unbounded(name: str) -> bool:
    """Say whether the likelihood of a problem has no maximum: a mixture's component may close in on one datum."""
    return name in NAMES and name.startswith("galaxies-") and name != "galaxies-1"


def normal_mixture_density(velocity, components):
    """The NumPyro model of `galaxies`."""
    mean = numpyro.sample("mean", dist.Normal(20.0, 10.0).expand([components]).to_event(1))
    variance = numpyro.sample("variance", dist.InverseGamma(3.0, 20.0).expand([components]).to_event(1))
    normals = dist.Normal(mean, jnp.sqrt(variance))
    if components == 1:
        numpyro.sample("velocity", dist.Normal(jnp.asarray(mean)[0], jnp.sqrt(jnp.asarray(variance)[0])), obs=velocity)
        return
    weight = numpyro.sample("weight", dist.Dirichlet(jnp.ones(components)))
    mixture = dist.MixtureSameFamily(dist.Categorical(probs=weight), normals)
    numpyro.sample("velocity", mixture, obs=velocity)


def step_network_density(x, y, hidden):
    """The NumPyro model of `nile`."""
    mean = numpyro.sample("level", dist.Normal(0.0, 1.0))
    if hidden:
        amplitude = numpyro.sample("amplitude", dist.Normal(0.0, 1.0).expand([hidden]).to_event(1))
        slope = numpyro.sample("slope", dist.Normal(0.0, 3.0).expand([hidden]).to_event(1))
        centre = numpyro.sample("centre", dist.Normal(0.0, 1.0).expand([hidden]).to_event(1))
        mean = mean + jnp.tanh(slope * (x[:, None] - centre)) @ amplitude
    variance = numpyro.sample("variance", dist.InverseGamma(3.0, 2.0))
    numpyro.sample("y", dist.Normal(mean, jnp.sqrt(variance)), obs=y)


def _standardise(column: np.ndarray) -> np.ndarray:
    return (column - column.mean()) / column.std()


def _size(argument: str, value: int, allowed: range) -> int:
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value not in allowed:
        raise InputError(f"{argument}={value!r} must be a whole number from {allowed.start} to {allowed.stop - 1}")
    return int(value)
