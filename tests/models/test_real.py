"""The models of the real data have the densities written down for them, and the evidences that are known."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats
from scipy.special import gammaln, logsumexp

from singular.errors import InputError
from singular.models import real

NORMAL, INVERSE_GAMMA = stats.norm.logpdf, stats.invgamma.logpdf
WEIGHT = np.array([0.5, 0.3, 0.2])


def mixture(terms, weight=WEIGHT):
    """log Σ_k w_k exp(terms_nk), summed over n."""
    return logsumexp(terms + np.log(weight), axis=1).sum()


def flat(weight):
    """Log density of a flat Dirichlet on the unconstrained space: (K − 1)! Π w."""
    return gammaln(len(weight)) + np.log(weight).sum()


def positive(x, log_density):
    """Log density of a positive parameter on the unconstrained space, where it is its logarithm."""
    return (log_density(x) + np.log(x)).sum()


def variances(x, scale):
    return positive(np.asarray(x), lambda v: INVERSE_GAMMA(v, 3, scale=scale))


def normal_mixture(data, w, centre, spread, scale):
    y = data["velocity" if "velocity" in data else "y"]
    y = y.reshape(len(y), 1, -1)
    mean, variance = (w[k].reshape(len(WEIGHT), -1) for k in ("mean", "variance"))
    likelihood = mixture(NORMAL(y, mean, np.sqrt(variance)).sum(axis=2))
    return likelihood, NORMAL(mean, centre, spread).sum() + variances(variance, scale) + flat(WEIGHT)


def poisson_mixture(data, w):
    rate = positive(w["rate"], lambda r: stats.gamma.logpdf(r, 2))
    return mixture(stats.poisson.logpmf(data["y"][:, None], w["rate"])), rate + flat(WEIGHT)


def latent_class(data, w):
    p = w["probability"]
    terms = stats.bernoulli.logpmf(data["y"][:, None, :], p).sum(axis=2)
    return mixture(terms), np.log(p * (1 - p)).sum() + flat(WEIGHT)


def network(data, w, activation, spreads):
    mean = w["level"] + activation(data["x"], w) @ w["amplitude"]
    prior = sum(NORMAL(w[k], 0, s).sum() for k, s in spreads.items()) + variances(w["variance"], 2)
    return NORMAL(data["y"], mean, np.sqrt(w["variance"])).sum(), prior


def steps(x, w):
    return np.tanh(w["slope"] * (x[:, None] - w["centre"]))


def planes(x, w):
    return np.tanh(x @ w["slope"].T + w["shift"])


def kinks(x, w):
    return np.clip(w["slope"] * (x[:, None] - w["kink"]), 0, None)


def factors(data, w):
    covariance = w["loading"] @ w["loading"].T + np.diag(w["uniqueness"])
    prior = NORMAL(w["loading"]).sum() + variances(w["uniqueness"], 1)
    return stats.multivariate_normal(np.zeros(len(covariance)), covariance).logpdf(data["y"]).sum(), prior


def reduced_rank(data, w):
    mean = np.einsum("oh,hi,ni->no", w["B"], w["A"], data["x"])
    prior = NORMAL(w["A"]).sum() + NORMAL(w["B"]).sum() + variances(w["variance"], 2)
    return NORMAL(data["y"], mean, np.sqrt(w["variance"])).sum(), prior


def line(data, w):
    alpha = 3000 + w["level"] * np.sqrt(w["variance"] / 0.06)
    gamma = 185 + w["tilt"] * np.sqrt(w["variance"] / 6)
    prior = NORMAL(w["level"]) + NORMAL(w["tilt"]) + variances(w["variance"], 2 * 300**2)
    return NORMAL(data["y"], alpha + gamma * data["x"], np.sqrt(w["variance"])).sum(), prior


def mixture_at(columns, centre):
    grid = np.linspace(-1, 1, 3 * columns).reshape(3, columns) if columns > 1 else np.linspace(-1, 1, 3)
    return {"mean": centre + 0.9 * grid, "variance": 0.6 + 0.4 * grid**2, "weight": WEIGHT}


UNITS = {"level": 0.1, "amplitude": np.array([-1.0, 0.3]), "variance": 0.6}
BY_HAND = {
    "galaxies-3": (mixture_at(1, 21.0), lambda d, w: normal_mixture(d, w, 20, 10, 20)),
    "acidity-3": (mixture_at(1, 5.0), lambda d, w: normal_mixture(d, w, 5, 2, 1)),
    "faithful-3": (mixture_at(2, 0.0), lambda d, w: normal_mixture(d, w, 0, 1, 1)),
    "iris-3": (mixture_at(4, 0.0), lambda d, w: normal_mixture(d, w, 0, 1, 1)),
    "deaths-3": ({"rate": np.array([0.7, 2.1, 3.5]), "weight": WEIGHT}, poisson_mixture),
    "carcinoma-3": (
        {"probability": np.linspace(0.03, 0.97, 21).reshape(3, 7), "weight": WEIGHT},
        latent_class,
    ),
    "nile-2": (
        {**UNITS, "slope": np.array([4.0, -1.0]), "centre": np.array([-0.8, 0.5])},
        lambda d, w: network(d, w, steps, {"level": 1, "amplitude": 1, "slope": 3, "centre": 1}),
    ),
    "diabetes-2": (
        {**UNITS, "slope": np.array([[0.4, -0.2], [1.5, 0.7]]), "shift": np.array([0.3, -0.6])},
        lambda d, w: network(d, w, planes, {"level": 1, "amplitude": 1, "slope": 1, "shift": 1}),
    ),
    "mcycle-2": (
        {**UNITS, "slope": np.array([4.0, -1.0]), "kink": np.array([-0.8, 0.5])},
        lambda d, w: network(d, w, kinks, {"level": 1, "amplitude": 2, "slope": 3, "kink": 1}),
    ),
    "holzinger-2": (
        {"loading": np.linspace(-1, 0.8, 18).reshape(9, 2), "uniqueness": np.linspace(0.2, 1.1, 9)},
        factors,
    ),
    "wine-3": ({"loading": np.sin(np.arange(18.0)).reshape(6, 3), "uniqueness": np.linspace(0.2, 1.1, 6)}, factors),
    "linnerud-2": (
        {"A": np.linspace(-1, 1, 6).reshape(2, 3), "B": np.cos(np.arange(6.0)).reshape(3, 2), "variance": WEIGHT},
        reduced_rank,
    ),
    "pine-2": ({"level": 0.05, "tilt": -0.1, "variance": 9e4}, line),
}
"""Problem -> parameters and the log-likelihood and log prior there, written with SciPy, without the package."""


def split_at(problem, w):
    """Return log prior and nll of the package at constrained parameters."""
    with jax.enable_x64(True):
        z = jnp.asarray(problem.parts.unconstrain({k: np.asarray(v, dtype=float) for k, v in w.items()}))
        return tuple(float(v) for v in problem.parts.split(z))


def test_the_table_is_large_enough_and_says_where_everything_is_from():
    assert len(real.DATA_SETS) >= 10
    assert len(set(real.NAMES)) == len(real.NAMES) == len(real.members())
    for name, data_set in real.DATA_SETS.items():
        assert data_set.name == name and data_set.build is getattr(real, name)
        words = ["title", "family", "data", "counts", "likelihood", "prior", "note", "source", "licence"]
        assert all(getattr(data_set, word) for word in words) and data_set.references
    assert {name.rsplit("-", 1)[0] for name in BY_HAND} == set(real.DATA_SETS)


@pytest.mark.parametrize("name", real.NAMES)
def test_every_name_makes_its_problem(name):
    problem = real.problem(name)
    data_set, size = real.DATA_SETS[name.rsplit("-", 1)[0]], int(name.rsplit("-", 1)[1])
    assert (problem.name, problem.model, problem.seed) == (name, None, None)
    assert (problem.n, problem.dim) == (data_set.n, data_set.dim(size))
    assert problem.unbounded == real.unbounded(name)


@pytest.mark.parametrize("name", sorted(BY_HAND))
@pytest.mark.slow
def test_the_density_is_the_formula(name):
    problem, (w, by_hand) = real.problem(name), BY_HAND[name]
    log_likelihood, log_prior = by_hand(problem.kwargs, w)
    found_prior, nll = split_at(problem, w)
    assert nll == pytest.approx(-log_likelihood, rel=1e-10)
    assert found_prior == pytest.approx(log_prior, rel=1e-10)


@pytest.mark.parametrize("name", sorted(BY_HAND))
@pytest.mark.slow
def test_likelihood_and_slope_are_finite_all_over_the_prior(name):
    problem = real.problem(name)
    problem.check()
    with jax.enable_x64(True):
        z = problem.parts.prior_draw(jax.random.PRNGKey(3))
        slope = jax.grad(lambda z: sum(problem.parts.split(z)))(z)
    assert np.isfinite(np.asarray(slope)).all()


@pytest.mark.parametrize("name", sorted(BY_HAND))
def test_standardised_columns_are(name):
    if real.DATA_SETS[name.rsplit("-", 1)[0]].data.endswith("standardised"):
        for values in real.problem(name).kwargs.values():
            assert values.mean(axis=0) == pytest.approx(0, abs=1e-12)
            assert values.std(axis=0) == pytest.approx(1, abs=1e-12)


@pytest.mark.slow
def test_the_smallest_sizes_are_the_plain_models():
    """One component, no unit, no factor: a formula without sums."""
    v = {name: real.problem(name).kwargs for name in ("acidity-1", "carcinoma-1", "wine-0", "linnerud-0")}
    cases = {
        "acidity-1": ({"mean": [5.0], "variance": [0.7]}, NORMAL(v["acidity-1"]["y"], 5, 0.7**0.5)),
        "carcinoma-1": (
            {"probability": np.linspace(0.2, 0.8, 7)[None]},
            stats.bernoulli.logpmf(v["carcinoma-1"]["y"], np.linspace(0.2, 0.8, 7)),
        ),
        "wine-0": ({"uniqueness": np.full(6, 0.9)}, NORMAL(v["wine-0"]["y"], 0, 0.9**0.5)),
        "linnerud-0": ({"variance": np.full(3, 0.9)}, NORMAL(v["linnerud-0"]["y"], 0, 0.9**0.5)),
    }
    for name, (w, terms) in cases.items():
        assert split_at(real.problem(name), w)[1] == pytest.approx(-terms.sum(), rel=1e-10)


@pytest.mark.parametrize(
    ("name", "far"),
    [
        ("galaxies-2", {"mean": np.full(2, -300.0), "variance": np.full(2, 0.01), "weight": np.full(2, 0.5)}),
        ("iris-2", {"mean": np.full((2, 4), 90.0), "variance": np.full((2, 4), 0.01), "weight": np.full(2, 0.5)}),
        ("deaths-2", {"rate": np.array([1e-6, 1e-5]), "weight": np.array([1 - 1e-9, 1e-9])}),
        ("carcinoma-2", {"probability": np.full((2, 7), 1e-12), "weight": np.full(2, 0.5)}),
        ("holzinger-3", {"loading": np.full((9, 3), 30.0), "uniqueness": np.full(9, 1e-4)}),
    ],
)
@pytest.mark.slow
def test_data_far_from_the_model_do_not_underflow(name, far):
    problem = real.problem(name)
    with jax.enable_x64(True):
        z = jnp.asarray(problem.parts.unconstrain(far))
        nll, slope = jax.value_and_grad(lambda z: problem.parts.split(z)[1])(z)
    assert np.isfinite(nll) and np.isfinite(slope).all()


def evidence_by_the_prior(problem, draws: int) -> tuple[float, float]:
    """Return log evidence and its standard error, averaging the likelihood over prior draws: no sampler at all."""
    with jax.enable_x64(True):
        parts = problem.parts
        one = jax.jit(lambda key: -parts.split(parts.prior_draw(key))[1])
        logs = np.asarray(jax.lax.map(one, jax.random.split(jax.random.PRNGKey(1), draws), batch_size=20_000))
    weights = np.exp(logs - logs.max())
    return float(np.log(weights.mean()) + logs.max()), float(weights.std() / weights.mean() / draws**0.5)


@pytest.mark.slow
def test_the_one_component_evidence_agrees_with_quadrature():
    velocity = real.galaxies(1).kwargs["velocity"]
    mean, t = np.linspace(15, 27, 1201)[:, None], np.linspace(1.5, 5.5, 1201)[None, :]
    log = NORMAL(mean, 20, 10) + INVERSE_GAMMA(np.exp(t), 3, scale=20) + t
    log = log - 41 * np.log(2 * np.pi) - 41 * t - ((velocity - velocity.mean()) ** 2).sum() / (2 * np.exp(t))
    log = log - 82 * (velocity.mean() - mean) ** 2 / (2 * np.exp(t))
    exact = logsumexp(log) + np.log((mean[1, 0] - mean[0, 0]) * (t[0, 1] - t[0, 0]))
    value, error = evidence_by_the_prior(real.galaxies(1), 200_000)
    assert error < 0.05
    assert abs(value - exact) < 4 * error


@pytest.mark.parametrize(("covariate", "noted"), [(1, "−310.51"), (2, "−301.65")])
@pytest.mark.slow
def test_the_evidence_of_the_pine_is_the_closed_form(covariate, noted):
    """y is a multivariate t: location and scale from the conjugate prior, 6 degrees of freedom."""
    problem = real.pine(covariate)
    x, y = problem.kwargs["x"], problem.kwargs["y"]
    design = np.stack([np.ones(42), x], axis=1)
    shape = (np.eye(42) + design @ np.diag([1 / 0.06, 1 / 6]) @ design.T) * 2 * 300**2 / 3
    exact = stats.multivariate_t(design @ [3000, 185], shape, df=6).logpdf(y)
    assert f"{exact:.2f}".replace("-", "−") == noted and noted in real.DATA_SETS["pine"].note
    value, error = evidence_by_the_prior(problem, 400_000)
    assert error < 0.1
    assert abs(value - exact) < 4 * error


@pytest.mark.slow
def test_the_evidence_of_one_poisson_is_the_closed_form():
    y = real.deaths(1).kwargs["y"]
    exact = gammaln(2 + y.sum()) - (2 + y.sum()) * np.log(1 + len(y)) - gammaln(y + 1).sum()
    value, error = evidence_by_the_prior(real.deaths(1), 200_000)
    assert error < 0.05
    assert abs(value - exact) < 4 * error


@pytest.mark.slow
def test_the_three_component_evidence_is_the_published_one():
    """Neal (1999) corrects Chib (1995) by ln 3! and by averaging over the prior: log evidence -226.80, to 0.03."""
    from singular.analysis import free_energy
    from singular.posteriors import ladder

    found = free_energy(ladder(real.galaxies(3), draws=400, warmup=300, progress=False))
    assert found.mcse < 0.15
    assert abs(found.value - 226.80) < 4 * np.hypot(found.mcse, 0.03)


def test_data_are_not_copied_into_the_answer():
    assert real.galaxies(2).data_hash == real.galaxies(3).data_hash
    assert real.nile(1).data_hash != real.galaxies(1).data_hash


@pytest.mark.slow
def test_a_spike_is_flagged_and_a_bounded_likelihood_is_not():
    assert [real.unbounded(f"galaxies-{k}") for k in range(1, 4)] == [False, True, True]
    assert [real.unbounded(name) for name in ("iris-2", "nile-4", "carcinoma-4", "wine-3", "product")] == [
        True, False, False, False, False,
    ]  # fmt: skip
    problem = real.iris(2)
    spike = {
        "mean": np.stack([problem.kwargs["y"][0], np.zeros(4)]),
        "variance": np.stack([np.full(4, 1e-40), np.ones(4)]),
        "weight": np.full(2, 0.5),
    }
    closer = {**spike, "variance": np.stack([np.full(4, 1e-80), np.ones(4)])}
    assert split_at(problem, closer)[1] < split_at(problem, spike)[1] - 100


@pytest.mark.parametrize("data_set", real.DATA_SETS.values(), ids=lambda d: d.name)
@pytest.mark.parametrize("wrong", [-1, 99, 2.0, True, "two", None])
def test_a_size_that_is_none_is_refused(data_set, wrong):
    first, last = data_set.sizes.start, data_set.sizes.stop - 1
    with pytest.raises(InputError) as caught:
        data_set.build(wrong)
    assert f"{data_set.argument}={wrong!r}: allowed is a whole number from {first} to {last}" in str(caught.value)


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: real.problem("galaxies-9"), "did you mean 'galaxies-"),
        (lambda: real.problem("nil-2"), "did you mean 'nile-2'"),
        (lambda: real.problem("iris"), "did you mean 'iris-"),
        (lambda: real.read("nyle"), "did you mean 'nile'"),
        (lambda: real.read("../data/nile"), "is not known"),
    ],
)
def test_a_name_that_is_none_is_refused(call, says):
    with pytest.raises(InputError) as caught:
        call()
    assert says in str(caught.value)
