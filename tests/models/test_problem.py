"""Any NumPyro model becomes a problem: its prior and likelihood come apart as they should."""

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
import pytest
from numpyro import handlers
from numpyro.infer.util import potential_energy
from scipy import stats

from singular.errors import InputError
from singular.models import Problem
from singular.posteriors import temper, x64

Y = np.array([0.3, -1.2, 0.7, 2.1, 0.4])


def parts(problem, z):
    with x64():
        return [float(v) for v in problem.parts.split(jnp.asarray(z))]


def normal(y):
    mean = numpyro.sample("mean", dist.Normal(0, 2))
    scale = numpyro.sample("scale", dist.HalfNormal(1))
    numpyro.sample("y", dist.Normal(mean, scale), obs=y)


def test_prior_with_its_change_of_variables_and_nll_come_apart():
    problem = Problem.from_numpyro(normal, y=Y)
    z = [0.5, np.log(0.8)]
    log_prior, nll = parts(problem, z)
    expected = stats.norm(0, 2).logpdf(0.5) + stats.halfnorm(0, 1).logpdf(0.8) + np.log(0.8)
    assert log_prior == pytest.approx(expected, abs=1e-12)
    assert nll == pytest.approx(-stats.norm(0.5, 0.8).logpdf(Y).sum(), abs=1e-12)


def test_unconstrain_inverts_constrain():
    problem = Problem.from_numpyro(normal, y=Y)
    z = np.array([0.5, -0.2])
    with x64():
        values = problem.parts.constrain(jnp.asarray(z))
        assert np.allclose(problem.parts.unconstrain(values), z, atol=1e-12)


def simplex_and_correlation(y):
    weights = numpyro.sample("weights", dist.Dirichlet(jnp.ones(3)))
    factor = numpyro.sample("factor", dist.LKJCholesky(2, 1.5))
    scale = numpyro.sample("scale", dist.LogNormal(0.0, 0.5).expand([2]).to_event(1))
    numpyro.deterministic("spread", scale.sum())
    mean = weights[:2] - weights[2]
    numpyro.sample("y", dist.MultivariateNormal(mean, scale_tril=scale[:, None] * factor), obs=y)


@pytest.mark.parametrize(
    ("model", "data"),
    [(normal, Y), (simplex_and_correlation, np.array([[0.1, 0.2], [0.5, -0.4], [1.0, 0.3]]))],
)
def test_the_two_parts_add_up_to_numpyros_own_potential(model, data):
    problem = Problem.from_numpyro(model, data)
    with x64():
        z = problem.parts.prior_draw(jax.random.PRNGKey(3))
        log_prior, nll = problem.parts.split(z)
        values = problem.parts.constrain(z)
        unconstrained = handlers.trace(handlers.seed(model, 0)).get_trace(data)
        names = {k: s["fn"].support for k, s in unconstrained.items() if s["type"] == "sample" and not s["is_observed"]}
        u = {k: dist.biject_to(support).inv(values[k]) for k, support in names.items()}
        expected = float(potential_energy(model, (data,), {}, u))
        tempered = float(potential_energy(temper(model, 0.3), (data,), {}, u))
    log_prior, nll = float(log_prior), float(nll)
    assert nll - log_prior == pytest.approx(expected, rel=1e-12)
    assert 0.3 * nll - log_prior == pytest.approx(tempered, rel=1e-12)


@pytest.mark.slow
def test_deterministic_sites_are_kept():
    problem = Problem.from_numpyro(simplex_and_correlation, np.ones((3, 2)))
    with x64():
        values = {k: np.asarray(v) for k, v in problem.parts.constrain(jnp.zeros(problem.dim)).items()}
    assert float(values["spread"]) == pytest.approx(values["scale"].sum())


def mixture_by_labels(y):
    weights = numpyro.sample("weights", dist.Dirichlet(jnp.ones(3)))
    means = numpyro.sample("means", dist.Normal(0, 5).expand([3]).to_event(1))
    with numpyro.plate("data", y.shape[0]):
        label = numpyro.sample("label", dist.Categorical(weights))
        numpyro.sample("y", dist.Normal(means[label], 1.0), obs=y)


def mixture_by_sum(y):
    weights = numpyro.sample("weights", dist.Dirichlet(jnp.ones(3)))
    means = numpyro.sample("means", dist.Normal(0, 5).expand([3]).to_event(1))
    numpyro.sample("y", dist.MixtureSameFamily(dist.Categorical(weights), dist.Normal(means, 1.0)), obs=y)


@pytest.mark.slow
def test_discrete_labels_are_summed_out_before_tempering():
    z = np.array([0.1, -0.4, 1.0, -2.0, 0.5])
    by_labels = Problem.from_numpyro(mixture_by_labels, Y)
    by_sum = Problem.from_numpyro(mixture_by_sum, Y)
    assert by_labels.dim == by_sum.dim == 5
    assert by_labels.n == 5
    assert np.allclose(parts(by_labels, z), parts(by_sum, z), atol=1e-10)


def test_a_factor_counts_with_the_likelihood():
    def soft(y):
        w = numpyro.sample("w", dist.Normal(0, 1))
        numpyro.factor("push", -jnp.square(w))
        numpyro.sample("y", dist.Normal(w, 1), obs=y)

    def hard(y):
        w = numpyro.sample("w", dist.Normal(0, 1))
        numpyro.sample("y", dist.Normal(w, 1), obs=y)

    prior_soft, nll_soft = parts(Problem.from_numpyro(soft, Y), [0.7])
    prior_hard, nll_hard = parts(Problem.from_numpyro(hard, Y), [0.7])
    assert prior_soft == pytest.approx(prior_hard)
    assert nll_soft == pytest.approx(nll_hard + 0.49)


def test_masked_observations_do_not_count():
    seen = np.array([True, True, False, True, False])

    def masked(y, seen):
        w = numpyro.sample("w", dist.Normal(0, 1))
        with handlers.mask(mask=seen):
            numpyro.sample("y", dist.Normal(w, 1), obs=y)

    problem = Problem.from_numpyro(masked, Y, seen)
    assert problem.n == 3
    assert parts(problem, [0.2])[1] == pytest.approx(-stats.norm(0.2).logpdf(Y[seen]).sum())


def test_several_observed_sites_and_plates():
    def two(y, k):
        rate = numpyro.sample("rate", dist.Gamma(2, 1))
        with numpyro.plate("data", y.shape[0]):
            numpyro.sample("y", dist.Normal(rate, 1), obs=y)
            numpyro.sample("k", dist.Poisson(rate), obs=k)

    k = np.array([0, 1, 2, 1, 3])
    problem = Problem.from_numpyro(two, Y, k)
    expected = -stats.norm(1.0).logpdf(Y).sum() - stats.poisson(1.0).logpmf(k).sum()
    assert problem.n == 5
    assert parts(problem, [0.0])[1] == pytest.approx(expected)


def test_sites_of_different_length_need_n_said():
    def two(y, v):
        w = numpyro.sample("w", dist.Normal(0, 1))
        numpyro.sample("y", dist.Normal(w, 1), obs=y)
        numpyro.sample("v", dist.Normal(w, 1), obs=v)

    problem = Problem.from_numpyro(two, Y, Y[:2])
    with pytest.raises(InputError, match=r"replace\(n="):
        _ = problem.n
    assert problem.replace(n=7).n == 7


def test_a_support_that_depends_on_another_site():
    def ordered(y):
        low = numpyro.sample("low", dist.Normal(0, 1))
        high = numpyro.sample("high", dist.Uniform(low, low + 2))
        numpyro.sample("y", dist.Normal(high, 1), obs=y)

    problem = Problem.from_numpyro(ordered, Y)
    log_prior, nll = parts(problem, [0.0, 0.3])
    assert log_prior == pytest.approx(stats.norm.logpdf(0.3) + np.log(0.25))
    assert nll == pytest.approx(-stats.norm(1.3).logpdf(Y).sum())


def test_data_read_from_a_global_or_closure_are_hoisted_not_baked_in():
    values = {"y": Y}

    def reads_outside():
        w = numpyro.sample("w", dist.Normal(0, 1))
        numpyro.sample("y", dist.Normal(w, 1), obs=values["y"])

    first = Problem.from_numpyro(reads_outside)
    values["y"] = Y + 10
    second = Problem.from_numpyro(reads_outside)
    assert first.parts.split.text == second.parts.split.text
    assert first.data_hash != second.data_hash
    assert parts(first, [0.0])[1] == pytest.approx(-stats.norm(0).logpdf(Y).sum())
    assert parts(second, [0.0])[1] == pytest.approx(-stats.norm(0).logpdf(Y + 10).sum())


def test_reference_finds_the_maximum_likelihood():
    reference = Problem.from_numpyro(normal, y=Y).reference
    assert reference.nll == pytest.approx(-stats.norm(Y.mean(), Y.std()).logpdf(Y).sum(), abs=1e-6)
    assert reference.flags == ()


def test_an_unbounded_likelihood_is_flagged():
    def spiky(y):
        means = numpyro.sample("means", dist.Normal(0, 2).expand([2]))
        scales = numpyro.sample("scales", dist.LogNormal(-1, 2).expand([2]))
        parts = dist.Normal(means, scales)
        numpyro.sample("y", dist.MixtureSameFamily(dist.Categorical(jnp.ones(2) / 2), parts), obs=y)

    assert "unbounded likelihood" in Problem.from_numpyro(spiky, Y).reference.flags


def test_importing_and_tracing_leave_jax_in_32_bit():
    Problem.from_numpyro(normal, y=Y)
    assert not jax.config.jax_enable_x64


@pytest.mark.parametrize("beta", [-0.1, 1.5])
def test_temper_refuses_a_beta_outside_its_range(beta):
    with pytest.raises(InputError, match="beta"):
        temper(normal, beta)


@pytest.mark.slow
def test_temper_refuses_discrete_sites_by_name():
    with pytest.raises(InputError, match="label"):
        handlers.trace(handlers.seed(temper(mixture_by_labels, 0.5), 0)).get_trace(Y)
