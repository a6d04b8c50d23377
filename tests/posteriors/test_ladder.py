"""The ladder: right at every rung, the same to the bit from the same seed, compiled once, stoppable."""

import os
import signal
import subprocess
import sys
import textwrap
import threading

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
import pytest
from arviz_stats.base import array_stats
from numpyro.infer import MCMC, NUTS
from scipy import stats

from singular import models, posteriors
from singular.models import Problem
from singular.models.crossings.two_wells import FLAT, SHARP
from singular.posteriors import exchange
from singular.posteriors.ladder import ladder

X = np.linspace(-1, 1, 40)
Y = 0.7 * X + np.random.default_rng(5).normal(size=40)


def line(x, y):
    slope = numpyro.sample("slope", dist.Normal(0, 1))
    numpyro.sample("y", dist.Normal(slope * x, 1), obs=y)


def exact_line(beta, y=Y):
    """Return mean and sd of the slope and E[nll] at β: the conjugate answer."""
    precision = 1 + beta * X @ X
    mean = beta * X @ y / precision
    residual = y - mean * X
    nll = 0.5 * y.size * np.log(2 * np.pi) + 0.5 * (residual @ residual + X @ X / precision)
    return mean, precision**-0.5, nll


def mcse(values):
    return float(array_stats.mcse(np.asarray(values), method="mean"))


@pytest.fixture(scope="module")
def tree():
    return ladder(Problem.from_numpyro(line, X, Y), chains=4, draws=1000, warmup=300, seed=1)


def test_layout(tree):
    assert tree.sample_stats.nll.dims == ("chain", "draw", "beta")
    assert tree.posterior.slope.shape == tree.sample_stats.nll.shape
    betas = tree.sample_stats.beta.values
    assert betas[0] == 0
    assert betas[-1] == 1
    assert tree.attrs["wbic_beta"] == pytest.approx(1 / np.log(40))
    assert np.isclose(betas, 1 / np.log(40)).sum() == 1
    assert np.array_equal(tree.prior.slope.values, tree.posterior.slope.values[:, :, 0])
    assert np.array_equal(tree.observed_data.y.values, Y)
    assert np.array_equal(tree.constant_data.argument_0.values, X)
    one = tree.sel(beta=1.0)
    assert one.posterior.slope.dims == ("chain", "draw")


def test_every_rung_has_the_exact_moments(tree):
    for k, beta in enumerate(tree.sample_stats.beta.values):
        mean, sd, nll = exact_line(beta)
        slope = tree.posterior.slope.values[:, :, k]
        draws = tree.sample_stats.nll.values[:, :, k]
        assert abs(slope.mean() - mean) < 4.5 * mcse(slope)
        assert abs((slope**2).mean() - mean**2 - sd**2) < 4.5 * mcse(slope**2)
        assert abs(draws.mean() - nll) < 4.5 * mcse(draws)
        assert mcse(slope) < 0.1 * sd


def test_nll_belongs_to_the_stored_draw(tree):
    slope = tree.posterior.slope.values[..., None]
    expected = -stats.norm(slope * X, 1).logpdf(Y).sum(-1)
    assert np.allclose(tree.sample_stats.nll.values, expected, atol=1e-8)
    log_prior = stats.norm.logpdf(tree.posterior.slope.values)
    assert np.allclose(tree.sample_stats.log_prior.values, log_prior, atol=1e-10)


def test_the_prior_rung_is_drawn_exactly(tree):
    slope = tree.posterior.slope.values[:, :, 0]
    assert stats.kstest(slope.ravel(), "norm").pvalue > 1e-3
    lagged = np.corrcoef(slope[:, :-1].ravel(), slope[:, 1:].ravel())[0, 1]
    assert abs(lagged) < 4 / np.sqrt(slope.size)


def test_replicas_are_a_permutation_and_follow_the_swaps(tree):
    replica = tree.sample_stats.replica.values
    accepted = tree.sample_stats.swap_accepted.values
    assert np.array_equal(np.sort(replica, axis=-1), np.broadcast_to(np.arange(replica.shape[-1]), replica.shape))
    for t in range(1, 50):
        before, expected = replica[0, t - 1], replica[0, t - 1].copy()
        for k in np.flatnonzero(accepted[0, t]):
            expected[[k, k + 1]] = before[[k + 1, k]]
        assert np.array_equal(replica[0, t], expected)


def test_swaps_are_tried_on_even_and_odd_pairs_in_turn(tree):
    tried = np.isfinite(tree.sample_stats.swap_probability.values)
    even, odd = tried[:, :, 0:-1:2], tried[:, :, 1:-1:2]
    assert np.array_equal(even[:, 1:, 0], ~even[:, :-1, 0])
    if odd.size:
        assert np.array_equal(odd[:, :, 0], ~even[:, :, 0])
    assert not tried[:, :, -1].any()


def test_same_seed_same_draws_whatever_the_cores(tree):
    problem = Problem.from_numpyro(line, X, Y)
    again = ladder(problem, chains=4, draws=1000, warmup=300, seed=1, cores=1)
    assert np.array_equal(again.sample_stats.nll.values, tree.sample_stats.nll.values)
    other = ladder(problem, chains=4, draws=1000, warmup=300, seed=2)
    assert not np.array_equal(other.sample_stats.nll.values[:, :10, -1], tree.sample_stats.nll.values[:, :10, -1])


@pytest.mark.slow
def test_vmap_and_map_agree_in_law(tree):
    betas = tree.sample_stats.beta.values
    batch = ladder(Problem.from_numpyro(line, X, Y), betas, draws=1000, warmup=300, seed=1, mapping="vmap")
    for k in range(1, betas.size):
        a, b = tree.sample_stats.nll.values[:, :, k], batch.sample_stats.nll.values[:, :, k]
        error = np.hypot(mcse(a), mcse(b))
        assert abs(a.mean() - b.mean()) < 4.5 * error
        assert error < 0.1
    assert abs(batch.posterior.slope.values[..., -1].mean() - exact_line(1.0)[0]) < 0.05


@pytest.mark.slow
def test_rungs_follow_the_problem_and_the_target():
    def known(y):
        w = numpyro.sample("w", dist.Normal(0, 1).expand([4]).to_event(1))
        numpyro.sample("y", dist.Normal(w, 0.1).to_event(1), obs=y)

    data = np.random.default_rng(0).normal(size=(50, 4)) * 0.1
    problem = Problem.from_numpyro(known, data)
    sparse = ladder(problem, draws=200, warmup=200, swap_acceptance=0.4)
    dense = ladder(problem, draws=200, warmup=200, swap_acceptance=0.75)
    easy = ladder(Problem.from_numpyro(line, X, Y), draws=200, warmup=200, swap_acceptance=0.4)
    counts = [run.sample_stats.sizes["beta"] for run in (easy, sparse, dense)]
    assert counts[0] < counts[1] < counts[2]
    for run, target in ((sparse, 0.4), (dense, 0.75)):
        rates = run.sample_stats.swap_probability.mean(("chain", "draw")).values[:-1]
        assert rates.min() > target - 0.15
        assert abs(np.median(rates) - target) < 0.12


def test_a_second_data_set_compiles_nothing_and_gets_its_own_answer():
    first = Problem.from_numpyro(line, X, Y)
    second = Problem.from_numpyro(line, X, Y + 3 * X)
    settings = {"chains": 2, "draws": 400, "warmup": 200}
    ladder(first, **settings)
    programs = list(exchange._programs.values())
    before = [program.traces for program in programs]
    tree = ladder(second, **settings)
    assert list(exchange._programs.values()) == programs or set(map(id, exchange._programs.values())) == set(
        map(id, programs)
    )
    assert [program.traces for program in programs] == before
    assert sum(before) >= 1
    slope = tree.posterior.slope.values[..., -1]
    assert abs(slope.mean() - exact_line(1.0, Y + 3 * X)[0]) < 4.5 * mcse(slope)


def test_more_draws_or_other_rungs_compile_nothing():
    problem = Problem.from_numpyro(line, X, Y)
    ladder(problem, chains=2, draws=50, warmup=50)
    before = sum(program.traces for program in exchange._programs.values())
    ladder(problem, [0, 0.1, 0.5, 1], chains=3, draws=333, warmup=77, seed=9)
    assert sum(program.traces for program in exchange._programs.values()) == before


def test_no_warmup_is_allowed():
    tree = ladder(Problem.from_numpyro(line, X, Y), [0, 0.2, 1], chains=1, draws=4, warmup=0)
    assert tree.sample_stats.nll.shape == (1, 4, 3)


def run_python(code, **environment):
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
        check=True,
        timeout=300,
    ).stdout


PROCESS = """
    import jax, numpy as np, numpyro, numpyro.distributions as dist
    from jax import monitoring
    hits = []
    monitoring.register_event_listener(lambda name, **_: hits.append(name) if name.endswith("/cache_hits") else None)
    from singular.models import Problem
    from singular.posteriors import ladder

    def line(x, y):
        slope = numpyro.sample("slope", dist.Normal(0, 1))
        numpyro.sample("y", dist.Normal(slope * x, 1), obs=y)

    x = np.linspace(-1, 1, 40)
    y = 0.7 * x + np.random.default_rng(5).normal(size=40)
    tree = ladder(Problem.from_numpyro(line, x, y), [0, 0.1, 0.3, 1], chains=4, draws=1000, warmup=300)
    print(len(jax.devices()), len(hits), tree.sample_stats.nll.values[:, :, -1].mean())
"""


@pytest.mark.slow
def test_a_new_process_finds_the_compiled_program_on_disk(tmp_path):
    first = run_python(PROCESS, SINGULAR_CACHE_DIR=str(tmp_path)).split()
    assert int(first[1]) == 0
    assert any(tmp_path.iterdir())
    second = run_python(PROCESS, SINGULAR_CACHE_DIR=str(tmp_path)).split()
    assert int(second[1]) >= 1
    assert second[2] == first[2]


@pytest.mark.slow
def test_two_devices_agree_with_one(tmp_path):
    one = run_python(PROCESS, SINGULAR_CACHE_DIR="").split()
    two = run_python(PROCESS, SINGULAR_CACHE_DIR="", XLA_FLAGS="--xla_force_host_platform_device_count=2").split()
    assert [one[0], two[0]] == ["1", "2"]
    nll = exact_line(1.0)[2]
    for run in (one, two):
        assert abs(float(run[2]) - nll) < 0.06


@pytest.mark.slow
def test_two_wells_plain_nuts_stays_the_ladder_does_not():
    problem = models.problem("two-wells", n=200, seed=0)
    exact = posteriors.quadrature(problem, [1.0]).at(1.0)
    phases = problem.model.phases
    site = next(iter(problem.parts.sites.latent))
    starts = {"sharp": SHARP, "flat": FLAT}
    for name, point in starts.items():
        kernel = NUTS(problem.density, init_strategy=numpyro.infer.init_to_value(values={site: point}))
        mcmc = MCMC(kernel, num_warmup=300, num_samples=500, progress_bar=False)
        with posteriors.x64():
            mcmc.run(jax.random.PRNGKey(0), **problem.kwargs)
        stayed = np.asarray(phases[name]({site: np.asarray(mcmc.get_samples()[site])}))
        assert stayed.mean() == 1.0
    for seed, start in enumerate([None, *starts.values()]):
        init = None if start is None else {site: start}
        tree = posteriors.ladder(problem, chains=4, draws=1500, warmup=300, seed=seed, init=init)
        values = tree.posterior[site].values[..., -1]
        for name in starts:
            inside = np.asarray(phases[name]({site: values}), dtype=float)
            assert abs(inside.mean() - exact[f"phase:{name}"]) < 4 * mcse(inside)
            assert mcse(inside) < 0.05


@pytest.fixture
def interruptible():
    """Ctrl-C raises KeyboardInterrupt, also where the shell that started the tests ignores it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.slow
def test_ctrl_c_while_sampling_returns_what_is_done(interruptible):
    problem = Problem.from_numpyro(line, X, Y)
    ladder(problem, chains=2, draws=10, warmup=50)
    timer = threading.Timer(1.5, signal.raise_signal, [signal.SIGINT])
    timer.start()
    tree = ladder(problem, chains=2, draws=3_000_000, warmup=50)
    assert tree.attrs["complete"] == 0
    done = tree.sample_stats.sizes["draw"]
    assert 10 <= done < 3_000_000
    assert np.isfinite(tree.sample_stats.nll.values).all()


@pytest.mark.slow
def test_ctrl_c_before_sampling_goes_on_as_it_is(interruptible):
    timer = threading.Timer(1.5, signal.raise_signal, [signal.SIGINT])
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        ladder(Problem.from_numpyro(line, X, Y), chains=2, draws=10, warmup=3_000_000)


def test_rung_is_an_ordinary_tree_with_the_pointwise_log_likelihood(tree):
    problem = Problem.from_numpyro(line, X, Y)
    one = posteriors.rung(tree, "wbic", problem)
    assert one.attrs["beta"] == pytest.approx(1 / np.log(40))
    log_likelihood = one["log_likelihood"]["y"].values
    assert log_likelihood.shape == (4, 1000, 40)
    assert np.allclose(-log_likelihood.sum(-1), one.sample_stats.nll.values, atol=1e-8)


def test_sampling_leaves_jax_in_32_bit(tree):
    assert not jax.config.jax_enable_x64
    assert jnp.zeros(1).dtype == jnp.float32
