"""Every member of the catalogue says of itself what is true."""

from __future__ import annotations

import subprocess
import sys
from fractions import Fraction

import jax
import numpy as np
import numpyro
import pytest
from numpyro.infer.util import log_density

from singular.errors import InputError
from singular.models import catalogue
from tests import oracles

NAMES = sorted(catalogue.MODELS)
ENTROPY = 0.5 * (1 + np.log(2 * np.pi))


def prior_draws(model, data, count, seed):
    """Draw parameters by running the density forward, as (count, …) float64 arrays by site."""
    inputs = {name: value for name, value in data.items() if name != "y"}

    def draw(key):
        trace = numpyro.handlers.trace(numpyro.handlers.seed(model.density, key)).get_trace(**inputs)
        return {k: site["value"] for k, site in trace.items() if site["type"] == "sample" and k != "y"}

    with jax.enable_x64(True):
        drawn = jax.vmap(draw)(jax.random.split(jax.random.key(seed), count))
        return {k: np.asarray(v, dtype=np.float64) for k, v in drawn.items()}


@pytest.fixture(params=NAMES)
def model(request):
    return catalogue.get(request.param)


def test_the_name_is_the_key(model):
    assert catalogue.MODELS[model.name] is model


def test_the_data_are_float64_and_grow_row_by_row(model):
    short, long = (model.simulate(jax.random.key(3), n) for n in (7, 20))
    for name, values in long.items():
        assert values.dtype == np.float64
        assert len(values) == 20
        np.testing.assert_array_equal(values[:7], short[name])
    assert any(np.any(model.simulate(jax.random.key(4), 7)[k] != v) for k, v in short.items())


def test_the_density_has_d_parameters_and_the_likelihood_written_by_hand(model):
    data = model.simulate(jax.random.key(0), 12)
    draws = prior_draws(model, data, 3, seed=1)
    assert sum(v[0].size for v in draws.values()) == model.dim
    by_hand = oracles.negative_log_likelihood(model.name, draws, data)

    def unobserved(**kwargs):
        with numpyro.handlers.block(hide=["y"]):
            model.density(**kwargs)

    with jax.enable_x64(True):
        for i, expected in enumerate(by_hand):
            at = {k: v[i] for k, v in draws.items()}
            joint = log_density(model.density, (), data, at)[0]
            prior = log_density(unobserved, (), data, at)[0]
            assert float(prior - joint) == pytest.approx(expected, rel=1e-9)


def test_the_optimum_is_the_truth(model):
    n = 20_000
    data = model.simulate(jax.random.key(5), n)
    at = {k: np.asarray(v)[None] for k, v in model.optimum.items()}
    per_observation = oracles.negative_log_likelihood(model.name, at, data)[0] / n
    if model.family == "logistic regression":
        logits = data["x"] @ model.optimum["w"]
        chance = 1 / (1 + np.exp(-logits))
        expected = -np.mean(chance * np.log(chance) + (1 - chance) * np.log1p(-chance))
        spread = 1.0
    else:
        outputs = data["y"].size / n
        expected, spread = outputs * ENTROPY, np.sqrt(outputs / 2)
    assert abs(per_observation - expected) < 4 * spread / np.sqrt(n)


@pytest.mark.parametrize("name", [name for name in NAMES if catalogue.MODELS[name].phases])
def test_phases_are_disjoint_cover_everything_and_trace(name):
    model = catalogue.get(name)
    draws = prior_draws(model, model.simulate(jax.random.key(0), 3), 2000, seed=2)
    inside = np.stack([phase(draws) for phase in model.phases.values()])
    assert inside.dtype == bool
    np.testing.assert_array_equal(inside.sum(axis=0), 1)
    assert np.all(inside.any(axis=1))
    assert set(model.integral.regions) <= set(model.phases)
    traced = jax.jit(lambda w: [phase(w) for phase in model.phases.values()])(draws)
    assert np.mean(np.stack(traced) == inside) > 0.999  # float32 may round across a border


def test_exact_values_in_the_table():
    table = catalogue.table().set_index("name")
    assert list(catalogue.table().columns) == [
        "name", "family", "d", "d/2", "learning_coefficient", "multiplicity", "oracle", "source",
    ]  # fmt: skip
    expected = {
        "linear-2": (2, Fraction(1), 1),
        "linear-4": (4, Fraction(2), 1),
        "logistic-2": (2, Fraction(1), 1),
        "monomial-2": (1, Fraction(1, 4), 1),
        "product": (2, Fraction(1, 2), 2),
        "monomial-1-2": (2, Fraction(1, 4), 1),
        "monomial-2-2": (2, Fraction(1, 4), 2),
        "tanh-1": (2, Fraction(1, 2), 2),
        "tanh-2": (4, Fraction(2, 3), 1),
        "tanh-3": (6, Fraction(5, 6), 1),
        "reduced-rank-3-3-2-1": (12, Fraction(7, 2), 2),
        "mixture-known": (2, Fraction(1, 2), 2),
        "mixture-2": (3, Fraction(3, 4), 1),
        "two-wells": (1, Fraction(1, 4), 1),
    }
    assert set(table.index) == set(expected)
    for name, (d, value, multiplicity) in expected.items():
        row = table.loc[name]
        assert (row["d"], row["learning_coefficient"], row["multiplicity"]) == (d, value, multiplicity)
        assert row["d/2"] == Fraction(d, 2) >= value
        assert row["source"]
        assert row["oracle"]


@pytest.mark.parametrize(("wrong", "near"), [("tanh2", "tanh-2"), ("produkt", "product"), ("", "")])
def test_an_unknown_name_is_refused_with_the_nearest(wrong, near):
    for call in (catalogue.get, catalogue.problem):
        with pytest.raises(InputError, match="model=") as caught:
            call(wrong)
        assert near in str(caught.value)


@pytest.mark.parametrize("n", [0, -1, 2.5, "10"])
def test_a_problem_refuses_an_impossible_size(n):
    with pytest.raises(InputError, match="n="):
        catalogue.problem("product", n=n)


def test_a_problem_carries_its_data_in_float64():
    one, again, other = (catalogue.problem("tanh-2", n=30, seed=seed) for seed in (1, 1, 2))
    assert (one.n, one.seed, one.model.name) == (30, 1, "tanh-2")
    assert one.kwargs["y"].dtype == np.float64
    np.testing.assert_array_equal(one.kwargs["y"], again.kwargs["y"])
    assert np.all(one.kwargs["y"] != other.kwargs["y"])


def test_importing_the_catalogue_starts_no_backend():
    code = (
        "import singular.models.catalogue\n"
        "from jax._src import xla_bridge\n"
        "assert not xla_bridge._backends, xla_bridge._backends"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)
