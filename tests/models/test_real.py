"""The real data are the published ones, and their models have the densities and evidences written down for them."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats
from scipy.special import logsumexp

from singular.errors import InputError
from singular.models import real


def test_the_galaxies_are_those_of_postman_and_not_the_mistyped_copy():
    velocity = real.read("galaxies")["velocity_km_per_s"]
    assert velocity.shape == (82,) and (np.diff(velocity) > 0).all()
    assert velocity[77] == 26960
    assert velocity[[0, 81]].tolist() == [9172, 34279]
    assert velocity.sum() == 1708180


def test_the_nile_is_that_of_cobb():
    nile = real.read("nile")
    assert nile["year"].tolist() == list(range(1871, 1971))
    assert nile["flow_1e8_m3"].sum() == 91935
    assert nile["flow_1e8_m3"][[0, 27, 28, 42, 99]].tolist() == [1120, 1100, 774, 456, 740]


@pytest.mark.parametrize("name", real.NAMES)
def test_every_name_makes_its_problem(name):
    problem = real.problem(name)
    size = int(name[-1])
    assert (problem.name, problem.model, problem.seed) == (name, None, None)
    assert problem.n == (82 if name.startswith("galaxies") else 100)
    assert problem.dim == (3 * size - 1 if name.startswith("galaxies") else 3 * size + 2)


def test_the_mixture_density_is_the_formula():
    problem = real.galaxies(3)
    w = {"mean": [9.0, 21.0, 33.0], "variance": [0.5, 4.0, 1.5], "weight": [0.1, 0.85, 0.05]}
    v = problem.kwargs["velocity"][:, None]
    terms = np.log(w["weight"]) + stats.norm.logpdf(v, w["mean"], np.sqrt(w["variance"]))
    log_prior = stats.norm.logpdf(w["mean"], 20, 10).sum() + stats.invgamma.logpdf(w["variance"], 3, scale=20).sum()
    log_prior += np.log(2) + np.log(w["variance"]).sum() + np.log(w["weight"]).sum()
    with jax.enable_x64(True):
        z = jnp.asarray(problem.parts.unconstrain({k: np.asarray(x) for k, x in w.items()}))
        found_prior, nll = problem.parts.split(z)
    assert nll == pytest.approx(-logsumexp(terms, axis=1).sum(), rel=1e-10)
    assert found_prior == pytest.approx(log_prior, rel=1e-10)


def test_a_far_galaxy_does_not_underflow():
    problem = real.galaxies(2)
    w = {"mean": np.full(2, -300.0), "variance": np.full(2, 0.01), "weight": np.full(2, 0.5)}
    with jax.enable_x64(True):
        nll, slope = jax.value_and_grad(lambda z: problem.parts.split(z)[1])(jnp.asarray(problem.parts.unconstrain(w)))
    assert np.isfinite(nll) and np.isfinite(slope).all()


def test_the_network_density_is_the_formula():
    problem = real.nile(2)
    w = {"level": 0.1, "amplitude": [-1.0, 0.3], "slope": [4.0, -1.0], "centre": [-0.8, 0.5], "variance": 0.6}
    x, y = problem.kwargs["x"], problem.kwargs["y"]
    assert x.mean() == pytest.approx(0, abs=1e-12) and y.std() == pytest.approx(1)
    mean = w["level"] + np.tanh(np.multiply(w["slope"], x[:, None] - w["centre"])) @ np.asarray(w["amplitude"])
    with jax.enable_x64(True):
        z = jnp.asarray(problem.parts.unconstrain({k: np.asarray(v) for k, v in w.items()}))
        nll = problem.parts.split(z)[1]
    assert nll == pytest.approx(-stats.norm.logpdf(y, mean, np.sqrt(0.6)).sum(), rel=1e-10)


def evidence_by_the_prior(problem, draws: int) -> tuple[float, float]:
    """Return log evidence and its standard error, averaging the likelihood over prior draws: no sampler at all."""
    with jax.enable_x64(True):
        parts = problem.parts
        one = jax.jit(lambda key: -parts.split(parts.prior_draw(key))[1])
        logs = np.asarray(jax.lax.map(one, jax.random.split(jax.random.PRNGKey(1), draws), batch_size=20_000))
    weights = np.exp(logs - logs.max())
    return float(np.log(weights.mean()) + logs.max()), float(weights.std() / weights.mean() / draws**0.5)


def test_the_one_component_evidence_agrees_with_quadrature():
    velocity = real.galaxies(1).kwargs["velocity"]
    mean, t = np.linspace(15, 27, 1201)[:, None], np.linspace(1.5, 5.5, 1201)[None, :]
    log = stats.norm.logpdf(mean, 20, 10) + stats.invgamma.logpdf(np.exp(t), 3, scale=20) + t
    log = log - 41 * np.log(2 * np.pi) - 41 * t - ((velocity - velocity.mean()) ** 2).sum() / (2 * np.exp(t))
    log = log - 82 * (velocity.mean() - mean) ** 2 / (2 * np.exp(t))
    exact = logsumexp(log) + np.log((mean[1, 0] - mean[0, 0]) * (t[0, 1] - t[0, 0]))
    value, error = evidence_by_the_prior(real.galaxies(1), 200_000)
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


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: real.galaxies(0), "components=0 must be a whole number from 1 to 6"),
        (lambda: real.galaxies(7), "components=7"),
        (lambda: real.galaxies(2.0), "components=2.0"),
        (lambda: real.galaxies(True), "components=True"),
        (lambda: real.nile(-1), "hidden=-1 must be a whole number from 0 to 4"),
        (lambda: real.nile("two"), "hidden='two'"),
        (lambda: real.problem("galaxies-9"), "did you mean 'galaxies-"),
        (lambda: real.problem("nil-2"), "did you mean 'nile-2'"),
        (lambda: real.read("nyle"), "did you mean 'nile'"),
    ],
)
def test_bad_input_is_named(call, says):
    with pytest.raises(InputError) as caught:
        call()
    assert says in str(caught.value)
