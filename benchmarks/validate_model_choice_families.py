"""Four families of nested singular models, a truth in each, and problems of every size on one data set."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
from scipy.stats import norm
from validate_model_choice_sums import factor_analysis_by_sums, factor_sums, reduced_rank_by_sums, regression_sums

from singular import analysis, models
from singular.models import coefficients
from singular.models.base import Data, Model
from singular.models.draws import standard_normals

MEANS = (-0.75, 0.75)
OUTER = 0.5
OBSERVED = 5


@dataclass(frozen=True)
class Family:
    """Models of one family, fitted to data of one of them.

    Attributes
    ----------
    name, counts : str
        The family, and what its size counts.
    sizes : tuple of int
        Fitted, ascending.
    truth : int
        The true size, one of ``sizes``.
    told : str
        Model, prior and truth in a line.
    simulate : (key, n) -> data
        Row by row, so that a smaller n gives the first rows of a larger one.
    fitted : size -> Model or density
        A catalogue model where there is one, else a NumPyro density; None for a model without parameters.
    table : list of rows of (λ, m)
        As `singular.analysis.singular_bic` takes it.
    gain : float
        Kullback–Leibler divergence from the truth to the best model one size smaller, nats an observation.
    by_sums : (data -> sums, size -> density) or None
        The same nll by sufficient statistics, for the ladders.
    note : str
        What is to be said of the table's entries.
    """

    name: str
    counts: str
    sizes: tuple[int, ...]
    truth: int
    told: str
    simulate: Callable[[Any, int], Data]
    fitted: Callable[[int], Model | Callable[..., Any] | None]
    table: Sequence[Sequence[tuple[Fraction, int]]]
    gain: float
    by_sums: tuple[Callable[[Data], Data], Callable[[int], Callable[..., Any]]] | None = None
    note: str = ""


def data_of(family: Family, n: int, seed: int) -> Data:
    """Return n observations of the family's truth, in 64 bit."""
    with jax.enable_x64(True):
        return {name: np.asarray(value) for name, value in family.simulate(jax.random.key(seed), n).items()}


def problem_of(family: Family, size: int, data: Data) -> models.Problem | None:
    """Return the model of one size on these data; None if it has no parameters."""
    fitted = family.fitted(size)
    name, n = f"{family.name}, {size} {family.counts}", len(data["y"])
    if isinstance(fitted, Model):
        return models.Problem(name, fitted.density, (), data, model=fitted, sample_size=n)
    return None if fitted is None else models.Problem(name, fitted, (), data, sample_size=n)


def sampled_problem(family: Family, size: int, data: Data, problem: models.Problem) -> models.Problem:
    """Return what is sampled for a problem: the same by its sufficient statistics, where the family has some."""
    if family.by_sums is None:
        return problem
    sums, density = family.by_sums
    return models.Problem(problem.name, density(size), (), sums(data), model=problem.model, sample_size=problem.n)


def nll_of_noise(data: Data) -> np.ndarray:
    """Return −log p(y_i) under N(0, 1): the network without units."""
    return -norm.logpdf(data["y"])


def price(family: Family) -> float:
    """Return how much λ grows from the best smaller size, were that the truth, to the true size."""
    at = family.sizes.index(family.truth)
    return float(family.table[at][at][0] - family.table[at - 1][at - 1][0])


def one_component(y):
    """y ~ N(b, 1), b ~ N(0, 2²): the mixture of one component."""
    mean = numpyro.sample("means", dist.Normal(0.0, 2.0))
    with numpyro.plate("observations", y.shape[0]):
        numpyro.sample("y", dist.Normal(mean, 1.0), obs=y)


def no_factor(y):
    """y ~ N(0, Ψ), Ψ diagonal, log Ψ_ii ~ N(0, 1): factor analysis without a factor."""
    log_variances = numpyro.sample("log_variances", dist.Normal(0.0, 1.0).expand([y.shape[1]]).to_event(1))
    with numpyro.plate("observations", y.shape[0]):
        numpyro.sample("y", dist.Normal(0.0, jnp.exp(jnp.asarray(log_variances) / 2)).to_event(1), obs=y)


def mixture_gain() -> float:
    """Return the divergence of the true mixture from N(0, 1), nats: from one component at the mean of the two."""
    y, step = np.linspace(-12.0, 12.0, 4801, retstep=True)
    density = np.mean([norm.pdf(y, mean) for mean in MEANS], axis=0)
    return float(np.sum(density * np.log(density / norm.pdf(y))) * step)


def factor_gain() -> float:
    """Return the divergence of the true one-factor normal from independent variables of the same variances, nats."""
    loadings = np.cos(1.0 + np.arange(OBSERVED))
    return float(np.log1p(loadings**2).sum() - np.log1p(loadings @ loadings)) / 2


def unit_gain() -> float:
    """Return the divergence of N(a tanh(x), 1) from N(0, 1), nats: a² E[tanh(x)²]/2."""
    x, weights = np.polynomial.hermite_e.hermegauss(80)
    return float(OUTER**2 * (weights @ np.tanh(x) ** 2) / weights.sum() / 2)


def _one_unit(key, n: int) -> Data:
    x, noise = standard_normals(key, n, 2).T
    return {"x": x, "y": OUTER * np.tanh(x) + noise}


def _tanh_pair(hidden: int, true: int) -> tuple[Fraction, int]:
    if hidden == 0:
        return Fraction(0), 1
    known = coefficients.tanh_network(hidden, true)
    return known.value, getattr(known, "multiplicity", 1)


FAMILIES = {
    family.name: family
    for family in (
        Family(
            "reduced-rank regression", "hidden units", (1, 2, 3), 2,
            "y ~ N(B A x, I), A H × 3, B 3 × H, all entries and x standard normal; true rank 2, singular values "
            "1 and 1/2",
            models.reduced_rank(3, 3, 2, 2).simulate,
            lambda hidden: models.reduced_rank(3, 3, hidden, 2),
            analysis.nested_coefficients("reduced_rank", [1, 2, 3], inputs=3, outputs=3),
            0.5 * 0.5**2,
            (regression_sums, reduced_rank_by_sums),
        ),
        Family(
            "normal mixture", "components", (1, 2, 3), 2,
            f"y ~ Σ_j a_j N(b_j, 1), a ~ Dirichlet(1, …, 1), b_j ~ N(0, 2²); truth ½ N({MEANS[0]}, 1) + "
            f"½ N({MEANS[1]}, 1)",
            models.normal_mixture(2, MEANS).simulate,
            lambda components: one_component if components == 1 else models.normal_mixture(components, MEANS),
            analysis.nested_coefficients("normal_mixture", [1, 2, 3]),
            mixture_gain(),
        ),
        Family(
            "factor analysis", "factors", (0, 1, 2), 1,
            f"y ~ N(0, Λ Λᵀ + Ψ), {OBSERVED} variables, Λ_ij and log Ψ_ii standard normal; truth one factor of "
            "loadings cos(1), cos(2), …, Ψ = I",
            models.factor_analysis(OBSERVED, 1, 1).simulate,
            lambda factors: models.factor_analysis(OBSERVED, factors, 1) if factors else no_factor,
            analysis.nested_coefficients("factor_analysis", [0, 1, 2], observed=OBSERVED),
            factor_gain(),
            (factor_sums, factor_analysis_by_sums),
        ),
        Family(
            "tanh network", "hidden units", (0, 1, 2, 3), 1,
            f"y ~ N(Σ_h a_h tanh(b_h x), 1), a_h, b_h and x standard normal; truth {OUTER} tanh(x)",
            _one_unit,
            lambda hidden: models.tanh_network(hidden, 1) if hidden else None,
            [[_tanh_pair(hidden, true) for true in range(hidden + 1)] for hidden in range(4)],
            unit_gain(),
            note="λ of three units at a truth of one is an upper bound, 3/2: no exact value is known.",
        ),
    )
}  # fmt: skip
"""Signals were set beforehand so that at n = 50 ``gain`` times n is about `price` times log n."""
