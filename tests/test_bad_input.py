"""Bad input gets an error that names the argument and says what is allowed."""

import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
import pytest

from singular import analysis, models, posteriors
from singular.errors import InputError, SingularError, StoreError
from singular.models import Problem, coefficients
from tests.ladders import GammaLadder

Y = np.array([0.3, -1.2, 0.7])


def normal(y):
    w = numpyro.sample("w", dist.Normal(0, 1))
    numpyro.sample("y", dist.Normal(w, 1), obs=y)


def unobserved(y):
    numpyro.sample("w", dist.Normal(0, 1))


def nothing_to_sample(y):
    numpyro.sample("y", dist.Normal(0, 1), obs=y)


def improper(y):
    w = numpyro.sample("w", dist.ImproperUniform(dist.constraints.real, (), ()))
    numpyro.sample("y", dist.Normal(w, 1), obs=y)


def subsampled(y):
    w = numpyro.sample("w", dist.Normal(0, 1))
    with numpyro.plate("batch", y.shape[0], subsample_size=2) as index:
        numpyro.sample("y", dist.Normal(w, 1), obs=y[index])


def learnt(y):
    w = numpyro.sample("w", dist.Normal(0, 1)) + numpyro.param("shift", 0.0)
    numpyro.sample("y", dist.Normal(w, 1), obs=y)


def counted(y):
    k = numpyro.sample("k", dist.Poisson(3.0))
    w = numpyro.sample("w", dist.Normal(0, 1))
    numpyro.sample("y", dist.Normal(w + k, 1), obs=y)


def unplated(y):
    means = numpyro.sample("means", dist.Normal(0, 1).expand([2]))
    with numpyro.plate("data", y.shape[0]):
        label = numpyro.sample("label", dist.Bernoulli(0.5))
        numpyro.sample("y", dist.Normal(means[label], 1), obs=y)


def impossible(y):
    top = numpyro.sample("top", dist.Exponential(1.0))
    numpyro.factor("y_given_top", jnp.where(jnp.max(y) < top, 0.0, -jnp.inf))


def takes_two(x, y):
    w = numpyro.sample("w", dist.Normal(0, 1))
    numpyro.sample("y", dist.Normal(w * x, 1), obs=y)


def from_numpyro(fn, *args):
    return lambda: Problem.from_numpyro(fn, *args)


def run(**settings):
    return lambda: posteriors.ladder(Problem.from_numpyro(normal, Y), **settings)


def on_tree(function):
    return lambda: function(GammaLadder(draws=20).one(0))


def broken_tree():
    tree = GammaLadder(draws=20).one(0)
    tree["sample_stats"]["nll"][0, 3, 1] = np.nan
    return tree


CASES = [
    ("model that is no function", from_numpyro(3, Y), r"fn=3.*NumPyro model"),
    ("NaN in the data", from_numpyro(normal, np.array([0.1, np.nan])), r"argument 0.*NaN.*finite"),
    ("infinite data", from_numpyro(normal, np.array([0.1, np.inf])), r"argument 0.*infinite"),
    ("empty data", from_numpyro(normal, np.zeros(0)), r"argument 0 is empty.*at least one"),
    ("data of objects", from_numpyro(normal, np.array(["a", None])), r"argument 0.*objects.*numbers"),
    ("shapes that disagree", from_numpyro(takes_two, np.ones(2), Y), r"takes_two.*could not be run"),
    ("missing argument", from_numpyro(takes_two, Y), r"takes_two.*could not be run.*argument"),
    ("no observed site", from_numpyro(unobserved, Y), r"no observed site.*obs="),
    ("no latent site", from_numpyro(nothing_to_sample, Y), r"no continuous latent site"),
    ("improper prior", from_numpyro(improper, Y), r"'w'.*improper.*proper"),
    ("subsampled plate", from_numpyro(subsampled, Y), r"'batch' subsamples 2 of 3.*subsample_size"),
    ("numpyro.param", from_numpyro(learnt, Y), r"'shift'.*sample site"),
    ("discrete site without end", from_numpyro(counted, Y), r"'k'.*Poisson.*Categorical"),
    ("batch without a plate", from_numpyro(unplated, Y), r"'means'.*plate"),
    ("likelihood of zero at the prior", from_numpyro(impossible, Y), r"likelihood.*not finite.*prior"),
    ("n of nothing", lambda: Problem.from_numpyro(normal, Y).replace(n=0), r"n=0.*at least 1"),
    ("unknown field", lambda: Problem.from_numpyro(normal, Y).replace(colour=1), r"colour.*allowed"),
    ("unknown model", lambda: models.problem("tanh-22"), r"'tanh-22'.*did you mean 'tanh-2'"),
    ("n not whole", lambda: models.problem("tanh-2", n=10.5), r"n=10\.5.*whole"),
    ("n negative", lambda: models.problem("tanh-2", n=-3), r"n=-3.*at least 1"),
    ("data seed negative", lambda: models.problem("tanh-2", seed=-1), r"seed=-1.*at least 0"),
    ("galaxies of no component", lambda: models.galaxies(0), r"components=0"),
    ("rank above the sizes", lambda: coefficients.reduced_rank(3, 3, 2, 4), r"rank=4"),
    ("negative hidden", lambda: coefficients.tanh_zero(-1), r"hidden=-1"),
    ("problem that is none", lambda: posteriors.ladder("tanh-2"), r"problem='tanh-2'.*models\.problem"),
    ("no chains", run(chains=0), r"chains=0.*at least 1"),
    ("chains not whole", run(chains=2.5), r"chains=2\.5.*whole"),
    ("no draws", run(draws=0), r"draws=0.*at least"),
    ("warm-up negative", run(warmup=-1), r"warmup=-1.*at least 0"),
    ("sampler seed negative", run(seed=-1), r"seed=-1.*at least 0"),
    ("swap acceptance of one", run(swap_acceptance=1.0), r"swap_acceptance=1\.0.*between 0 and 1"),
    ("target acceptance of two", run(target_acceptance=2), r"target_acceptance=2.*between 0 and 1"),
    ("tree depth of zero", run(max_tree_depth=0), r"max_tree_depth=0.*at least 1"),
    ("tree depth of thirty", run(max_tree_depth=30), r"max_tree_depth=30.*at most 20"),
    ("unknown mapping", run(mapping="pmap"), r"mapping='pmap'.*Allowed: map, vmap"),
    ("no cores", run(cores=0), r"cores=0.*at least 1"),
    ("beta above one", run(betas=[0, 0.5, 1.5]), r"betas=.*\[0, 1\]"),
    ("beta negative", run(betas=[-0.1, 0, 1]), r"betas=.*\[0, 1\]"),
    ("beta NaN", run(betas=[0, np.nan, 1]), r"betas=.*finite"),
    ("betas out of order", run(betas=[0, 0.5, 0.3, 1]), r"betas=.*ascending"),
    ("beta twice", run(betas=[0, 0.5, 0.5, 1]), r"betas=.*ascending"),
    ("no prior rung", run(betas=[0.1, 0.5, 1]), r"betas=.*begin with 0"),
    ("no posterior rung", run(betas=[0, 0.5]), r"betas=.*end with 1"),
    ("one beta", run(betas=[1.0]), r"betas=.*at least two"),
    ("unknown site to keep", run(keep=["v"]), r"keep='v'.*Allowed: w"),
    ("start without a site", run(init={"v": 1.0}), r"lacks.*w"),
    ("start of the wrong size", run(init={"w": np.ones(3)}), r"init.*3 values.*1"),
    ("start that is not finite", run(init={"w": np.inf}), r"init\['w'\]=inf must be finite"),
    ("temper below zero", lambda: posteriors.temper(normal, -0.5), r"beta=-0\.5.*\[0, 1\]"),
    ("rung between rungs", on_tree(lambda t: posteriors.rung(t, 0.123)), r"beta=0\.123.*no rung"),
    ("rung of unknown label", on_tree(lambda t: posteriors.rung(t, "hot")), r"which='hot'.*Allowed"),
    (
        "rung with another problem",
        on_tree(lambda t: posteriors.rung(t, 1.0, Problem.from_numpyro(normal, Y))),
        r"problem='normal'.*data",
    ),
    (
        "quadrature without an integral",
        lambda: posteriors.quadrature(Problem.from_numpyro(normal, Y), [1.0]),
        r"(?i)integral|oracle",
    ),
    ("quadrature above one", lambda: posteriors.quadrature(models.problem("linear-2", n=20), [2.0]), r"beta.*2\.0"),
    ("unknown free-energy method", on_tree(lambda t: analysis.free_energy(t, "magic")), r"method='magic'.*mbar"),
    ("free energy above one", on_tree(lambda t: analysis.free_energy(t, beta=1.5)), r"beta=1\.5.*\[0, 1\]"),
    ("unknown coefficient method", on_tree(lambda t: analysis.learning_coefficient(t, "svd")), r"method='svd'"),
    ("NaN energies", lambda: analysis.wbic(broken_tree()), r"nll.*(NaN|finite)"),
    ("no tree at all", lambda: analysis.free_energy(3), r"ladder"),
]


def test_there_are_enough_cases():
    assert len(CASES) >= 40
    assert len({name for name, *_ in CASES}) == len(CASES)


@pytest.mark.parametrize(("call", "message"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_bad_input_is_named(call, message):
    with pytest.raises(InputError, match=message):
        call()


def test_a_missing_file_is_a_store_error(tmp_path):
    with pytest.raises(StoreError, match="nowhere"):
        posteriors.load(tmp_path / "nowhere.nc")
    assert issubclass(StoreError, SingularError)
