"""Exact volumes against the population integral, prior draws, each other, and the learning coefficients."""

import jax
import numpy as np
import pytest
from scipy.special import logsumexp

from singular import models, posteriors
from singular.analysis import exact_volume, exactly_known
from singular.analysis.exact_volume_laws import product_law, quadratic_below, sum_law
from singular.analysis.phases import region_of
from singular.errors import InputError
from singular.models.catalogue import MODELS
from singular.posteriors.precision import x64

DRAWS = 20_000
WITHIN = 4.0
NESTED = ("sum-of-powers-1-2-3", "hadamard-2-0")
"""Sums whose terms are sums themselves: half a minute where the others take a second."""
KINKED = {"two-wells": 1e-7, "line-and-dot": 1e-5}
"""V has a kink where two parts of {K < ε} meet, which the trapezoid rule feels unless t is large."""

WITH_REGIONS = [name for name, regions in exactly_known().items() if regions]


def names(*slow):
    return [pytest.param(n, marks=[pytest.mark.slow] if n in slow else []) for n in exactly_known()]


@pytest.mark.parametrize("name", names(*NESTED))
def test_the_laplace_transform_is_the_population_integral(name):
    """Z(t) = ∫ exp(−t K) φ = ∫_0^∞ t e^(−tε) V(ε) dε, by the trapezoid rule in s = log tε: analytic, dies out twice."""
    model = MODELS[name]
    s = np.arange(-36.0, 4.6, 0.25)
    for t in (1e7,) if name in KINKED else (3.0, 1e3, 1e7):
        log_z = logsumexp(s - np.exp(s) + exact_volume(model, np.exp(s) / t)) + np.log(0.25)
        known = posteriors.population(model, [t]).iloc[0]
        assert abs(log_z - known["log_z"]) < KINKED.get(name, 1e-12) + 10 * known["error_log_z"]


def test_the_laplace_identity_sees_a_wrong_volume():
    """The check above fails by far more than its tolerance if the law has one degree of freedom too many."""
    s = np.arange(-36.0, 4.6, 0.25)
    wrong = np.log(product_law([(1, 1), (2, 1)]).below(2 * np.exp(s) / 1e3))
    log_z = logsumexp(s - np.exp(s) + wrong) + np.log(0.25)
    assert abs(log_z - posteriors.population(models.get("product"), [1e3])["log_z"].iloc[0]) > 0.1


@pytest.fixture(scope="module")
def drawn():
    """K and the region of prior draws of a member, by its own density."""

    def draw(name):
        model = MODELS[name]
        parts = models.problem(name, n=2, seed=0).parts
        with x64():
            z = jax.vmap(parts.prior_draw)(jax.random.split(jax.random.PRNGKey(11), DRAWS))
            w = {k: np.asarray(v) for k, v in jax.vmap(parts.constrain)(z).items()}
            return np.asarray(model.excess_loss(w)), region_of(model.phases, w)

    return draw


@pytest.mark.parametrize("name", WITH_REGIONS)
def test_large_volumes_are_the_shares_of_prior_draws(name, drawn):
    model, (excess, label) = MODELS[name], drawn(name)
    epsilon = np.quantile(excess, [0.05, 0.3, 0.8])
    for region in (None, *exactly_known()[name]):
        inside = np.ones(DRAWS, bool) if region is None else label == list(model.phases).index(region)
        mass = np.exp(exact_volume(model, epsilon, region))
        seen = np.mean((excess[:, None] < epsilon) & inside[:, None], axis=0)
        assert np.all(np.abs(seen - mass) < WITHIN * np.sqrt(mass * (1 - mass) / DRAWS) + 1e-12)


@pytest.mark.parametrize("name", WITH_REGIONS)
def test_regions_add_up(name):
    epsilon = np.geomspace(1e-20, 3.0, 24)
    parts = [exact_volume(MODELS[name], epsilon, region) for region in exactly_known()[name]]
    assert np.allclose(np.logaddexp.reduce(parts), exact_volume(MODELS[name], epsilon), rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", names(*NESTED))
def test_the_slope_is_the_learning_coefficient(name):
    """d log V / d log ε = λ + (m − 1) / log ε + …: one more term is fitted, the rest is of the order of 1/log³."""
    model = MODELS[name]
    logs = np.log(10.0) * np.array([-200.0, -190.0, -180.0, -170.0, -160.0])
    if name in KINKED or model.exact.value > 1:  # ends of intervals are not sought, or V is no double, further down
        logs = logs / 4
    value = exact_volume(model, np.exp(logs))
    order = model.exact.multiplicity
    columns = np.stack([logs, np.ones(5), 1 / logs], axis=1)
    slope = np.linalg.lstsq(columns, value - (order - 1) * np.log(-logs), rcond=None)[0][0]
    assert abs(slope - float(model.exact.value)) < 2e-4


@pytest.mark.parametrize(
    ("name", "region", "value", "order"),
    [
        ("two-wells", "sharp", 1 / 2, 1),
        ("two-wells", "flat", 1 / 4, 1),
        ("line-and-dot", "line", 1 / 2, 1),
        ("line-and-dot", "dot", 1 / 4, 1),
        ("product", "crossing", 1 / 2, 2),
        ("product", "w1-axis", 1 / 2, 1),
        ("reduced-rank-1-2-1-0", "A=0", 1 / 2, 1),
        ("reduced-rank-1-2-1-0", "B=0", 3 / 4, 1),  # Pr(C1 C2 < y, C2 < C1): ∫_√y s^(1/2 − 1) (y/s) ds = y^(3/4) · 4
        ("monomial-1-2", "w2=0", 1 / 4, 1),
        ("monomial-1-2", "w1=0", 1 / 3, 1),  # |w1| < w2, w1 w2² < √y: two conditions meet at w1 = w2 = y^(1/6)
    ],
)
def test_the_slope_of_a_region(name, region, value, order):
    logs = np.log(10.0) * np.array([-60.0, -55.0, -50.0, -45.0])
    log_volume = exact_volume(MODELS[name], np.exp(logs), region)
    columns = np.stack([logs, np.ones(4), 1 / logs], axis=1)
    slope = np.linalg.lstsq(columns, log_volume - (order - 1) * np.log(-logs), rcond=None)[0][0]
    assert abs(slope - value) < 2e-3


def test_laws_against_their_simplest_cases():
    y = np.geomspace(1e-12, 9.0, 7)
    assert np.allclose(product_law([(2, 1)]).below(y), -np.expm1(-y / 2), rtol=1e-14)
    two = sum_law([product_law([(2, 1)]), product_law([(2, 1)])])  # χ² of 4 degrees of freedom
    assert np.allclose(two.below(y), quadratic_below(y, np.ones(4), np.zeros(4)), rtol=1e-12)
    moved = quadratic_below(y, [1.0, 2.0], [0.3, -0.4])
    scaled = quadratic_below(5 * y, [5.0, 10.0], [0.3, -0.4])
    assert np.allclose(moved, scaled, rtol=1e-13)


@pytest.mark.parametrize("epsilons", [[0.0], [-1.0], [np.nan], [np.inf], [[0.1]]])
def test_a_bad_epsilon_is_refused(epsilons):
    with pytest.raises(InputError, match="epsilons"):
        exact_volume(models.get("product"), epsilons)


def test_what_is_not_known_is_refused():
    with pytest.raises(InputError, match=r"1e-200.*too small"):
        exact_volume(models.get("linear-4"), [0.1, 1e-200])
    with pytest.raises(InputError, match="not known exactly"):
        exact_volume(models.get("tanh-1"), [0.1])
    with pytest.raises(InputError, match=r"region='axis'.*w1-axis"):
        exact_volume(models.get("product"), [0.1], "axis")
    assert "tanh-1" not in exactly_known() and len(exactly_known()) >= 20
