"""Mixtures of counts and of yes or no: deaths in The Times, pathologists who see a carcinoma."""

from __future__ import annotations

from functools import partial

import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist

from singular.models.problem import Problem
from singular.models.real.data_set import DataSet, read, size_in

DEATHS = range(1, 5)
CARCINOMA = range(1, 5)


def deaths(components: int) -> Problem:
    """Return the daily death notices of elderly women under a mixture of ``components`` Poisson distributions.

    y_i ~ Σ_k w_k Poisson(μ_k) on each of 1096 days, with

    - weights w ~ Dirichlet(1, …, 1),
    - rates μ_k ~ Gamma(2, 1), of mean 2.

    Parameters
    ----------
    components : int
        1 to 4; the model has 2 · components − 1 parameters.

    References
    ----------
    Hasselblad (1969), Estimation of finite mixtures of distributions from the exponential family, JASA 64,
    1459–1471: the maximum of two components is at weight 0.360, rates 1.256 and 2.663.

    Examples
    --------
    >>> deaths(2).n, deaths(2).dim
    (1096, 3)
    """
    components = size_in("components", components, DEATHS)
    table = read("deaths")
    data = {"y": np.repeat(table["deaths"], table["days"].astype(int))}
    density = partial(poisson_mixture_density, components=components)
    return Problem(f"deaths-{components}", density, (), data, sample_size=1096)


def carcinoma(classes: int) -> Problem:
    """Return seven pathologists' verdicts on 118 slides under a latent-class model.

    y_i ~ Σ_k w_k Π_j Bernoulli(θ_kj), y_ij = 1 where pathologist j saw a carcinoma on slide i, with

    - weights w ~ Dirichlet(1, …, 1),
    - probabilities θ_kj ~ U(0, 1).

    Parameters
    ----------
    classes : int
        1 to 4; the model has 8 · classes − 1 parameters.

    References
    ----------
    Agresti (2002), Categorical Data Analysis, second edition, section 13.1.
    Linzer and Lewis (2011), poLCA, Journal of Statistical Software 42(10): maximum log-likelihoods −317.26, −293.71
    and −289.29 of two, three and four classes.

    Examples
    --------
    >>> carcinoma(3).n, carcinoma(3).dim
    (118, 23)
    """
    classes = size_in("classes", classes, CARCINOMA)
    table = read("carcinoma")
    density = partial(latent_class_density, classes=classes)
    return Problem(f"carcinoma-{classes}", density, (), {"y": np.stack(list(table.values()), axis=1)}, sample_size=118)


def poisson_mixture_density(y, components):
    """The NumPyro model of `deaths`."""
    rate = jnp.asarray(numpyro.sample("rate", dist.Gamma(2.0, 1.0).expand([components]).to_event(1)))
    if components == 1:
        numpyro.sample("y", dist.Poisson(rate[0]), obs=y)
        return
    weight = numpyro.sample("weight", dist.Dirichlet(jnp.ones(components)))
    numpyro.sample("y", dist.MixtureSameFamily(dist.Categorical(probs=weight), dist.Poisson(rate)), obs=y)


def latent_class_density(y, classes):
    """The NumPyro model of `carcinoma`; ``y`` is (n, p) of 0 and 1."""
    shape = (classes, y.shape[1])
    probability = jnp.asarray(numpyro.sample("probability", dist.Beta(1.0, 1.0).expand(shape).to_event(2)))
    if classes == 1:
        numpyro.sample("y", dist.Bernoulli(probs=probability[0]).to_event(1), obs=y)
        return
    weight = numpyro.sample("weight", dist.Dirichlet(jnp.ones(classes)))
    verdicts = dist.Bernoulli(probs=probability).to_event(1)
    numpyro.sample("y", dist.MixtureSameFamily(dist.Categorical(probs=weight), verdicts), obs=y)


DATA_SETS = (
    DataSet(
        name="deaths",
        title="Death notices of women of 80 and more in The Times, 1910–1912",
        family="Poisson mixture",
        n=1096,
        data="number of notices on each of 1096 days",
        argument="components",
        counts="Poisson components",
        sizes=DEATHS,
        dim=lambda components: 2 * components - 1,
        likelihood="y_i ~ Σ_k w_k Poisson(μ_k)",
        prior="w ~ Dirichlet(1, …, 1), μ_k ~ Gamma(2, 1)",
        note="Two rates, perhaps of summer and winter, fit better than one, and lie so close that EM is slow: the "
        "likelihood is nearly flat along a curve of weight and rates. The maximum does not rise with a third or "
        "a fourth component.",
        source="1096 days: Whitaker (1914), Hasselblad (1969)",
        licence="counted facts, without claim of copyright; cite the papers",
        references=(
            "Whitaker (1914), On the Poisson law of small numbers, Biometrika 10, 36–71",
            "Hasselblad (1969), Estimation of finite mixtures of distributions from the exponential family, JASA 64, "
            "1459–1471",
        ),
        build=deaths,
    ),
    DataSet(
        name="carcinoma",
        title="Seven pathologists' verdicts on 118 slides of the uterine cervix",
        family="latent class",
        n=118,
        data="seven verdicts a slide, 1 for carcinoma and 0 for none",
        argument="classes",
        counts="latent classes",
        sizes=CARCINOMA,
        dim=lambda classes: 8 * classes - 1,
        likelihood="y_i ~ Σ_k w_k Π_j Bernoulli(θ_kj), j = 1, …, 7",
        prior="w ~ Dirichlet(1, …, 1), θ_kj ~ U(0, 1)",
        note="Healthy, ill and disputed: the papers settle on three classes. Only 20 of 128 possible patterns "
        "occur, and with three classes some probabilities go to 0 or 1, the edge of the prior, where no regular "
        "approximation holds.",
        source="118 slides: Holmquist, McMahan and Williams (1967), Agresti (2002)",
        licence="measured facts, without claim of copyright; cite the papers",
        references=(
            "Holmquist, McMahan and Williams (1967), Variability in classification of carcinoma in situ of the uterine "
            "cervix, Archives of Pathology 84, 334–345",
            "Landis and Koch (1977), An application of hierarchical kappa-type statistics in the assessment of "
            "majority agreement among multiple observers, Biometrics 33, 363–374",
            "Agresti (2002), Categorical Data Analysis, second edition, table 13.1",
        ),
        build=carcinoma,
    ),
)
