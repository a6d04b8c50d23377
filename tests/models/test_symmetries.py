"""Every field a model declares leaves its loss alone, everywhere; and so does every discrete map."""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpyro import handlers
from numpyro.distributions import biject_to, constraints

from singular.models import catalogue
from singular.models import symmetries as fields
from singular.posteriors.precision import x64

SYMMETRIC = sorted(name for name, model in catalogue.MODELS.items() if model.symmetries)
DISCRETE = sorted(name for name, model in catalogue.MODELS.items() if model.discrete_symmetries)
ONE_OF_EACH = sorted({catalogue.get(name).builder: name for name in SYMMETRIC[::-1]}.values())
STEP = 1e-5
REAL = (constraints.real, constraints.real_vector)
SPECIAL = {
    "line-and-dot": [{"w1": 1.0, "w2": 0.7}],
    "hidden-spin-3": [{"w": [0.0, -1.3, 0.0]}],
    "tanh-2": [{"a": [0.0, 0.6], "b": [0.8, 0.0]}, {"a": [0.7, 0.7], "b": [0.9, -0.9]}],
    "tanh-3-1": [{"a": [0.4, 0.3, 0.8], "b": [1.1, -1.1, 0.5]}, {"a": [0.4, 0.4, 0.8], "b": [1.1, -1.1, 0.5]}],
    "exponential-2": [{"a": [0.0, 0.6], "b": [0.8, 0.5]}, {"a": [0.7, -0.7], "b": [0.9, 0.9]}],
    "radial-basis-3": [
        {"a": [0.7, -0.7, 0.4], "c": [0.9, 0.9, -0.3]},
        {"a": [0.0, 0.6, 0.1], "c": [0.8, 0.5, 0.5]},
        {"a": [0.0, 0.6, 0.1], "c": [0.5, 0.5, -0.3]},
    ],
    "polynomial-2-degree-3": [{"a": [0.7, -0.7], "b": [0.9, 0.9]}, {"a": [0.0, 0.6], "b": [0.8, 0.5]}],
    "relu-3": [{"a": [0.3, -0.6, 0.2], "b": [0.8, 0.5, -0.4]}],
    "two-phase-relu-1.57": [{"w": [[0.3, 0.8], [0.6, 1.6]], "b": [-0.2, -0.4], "q": [0.7, 0.2], "c": 0.1}],
    "factor-analysis-4-2-1": [{"loadings": [[0, 0.5], [0, 0.9], [0.7, 0.3], [0, -0.4]], "log_variances": [0.1] * 4}],
    "mixture-3-1": [{"weights": [0.2, 0.5, 0.3], "means": [0.4, -0.3, 0.4]}],
    "mixture-2-scale": [{"a": 0.3, "means": [0.4, 0.4], "variances": [1.2, 1.2]}],
    "latent-class-2": [{"a": 0.3, "b": [0.2, 0.7], "c": [0.2, 0.7]}],
}
"""Points off the optimal set where a field that holds on a part of parameter space alone is not 0."""


def supports_of(model, data) -> dict:
    """Return the support of every latent site, without running anything."""
    found = {}

    def look():
        trace = handlers.trace(handlers.seed(model.density, jax.random.key(0))).get_trace(**data)
        found.update({site: trace[site]["fn"].support for site in model.optimum})

    jax.eval_shape(look)
    return found


@functools.cache
def points_of(name: str) -> dict[str, np.ndarray]:
    """Return three random points, then the special points, then the optimum; site -> (P, …)."""
    model = catalogue.get(name)
    random = np.random.default_rng(1)
    with x64():
        data = model.simulate(jax.random.key(0), 2)
        supports = supports_of(model, data)
        points = []
        for _ in range(3):
            free = {site: np.asarray(value, float) for site, value in model.optimum.items()}
            points.append({})
            for site, value in free.items():
                into = biject_to(supports[site])
                z = random.standard_normal(into.inverse_shape(value.shape))
                points[-1][site] = z if supports[site] in REAL else np.asarray(into(z))
    points += [*SPECIAL.get(name, []), model.optimum]
    return {site: np.stack([np.asarray(point[site], float) for point in points]) for site in model.optimum}


def changes(model, field, points) -> np.ndarray:
    """Return dK along each unit vector of a field by central differences, one after the other from each point."""
    both = [[], []]
    with x64():
        moves = {s: np.asarray(v) for s, v in jax.jit(jax.vmap(field))(points).items()}
        rows, count = next(iter(moves.values())).shape[:2]
        assert {s: v.shape for s, v in moves.items()} == {s: (rows, count, *v.shape[1:]) for s, v in points.items()}
        for i, j in np.ndindex(rows, count):
            length = np.sqrt(sum(np.sum(v[i, j] ** 2) for v in moves.values()))
            if length > 0:
                for end, step in zip(both, (STEP, -STEP), strict=True):
                    end.append({s: points[s][i] + step / length * moves[s][i, j] for s in points})
        if not both[0]:
            return np.zeros(0)
        ends = {s: np.stack([w[s] for end in both for w in end]) for s in points}
        up, down = np.split(np.asarray(jax.jit(model.excess_loss)(ends)), 2)
    return (up - down) / (2 * STEP)


@pytest.mark.parametrize("name", SYMMETRIC)
def test_no_field_changes_the_loss_at_any_point(name):
    model, points = catalogue.get(name), points_of(name)
    for label, field in model.symmetries.items():
        np.testing.assert_allclose(changes(model, field, points), 0.0, atol=1e-7, err_msg=label)


@pytest.mark.parametrize("name", SPECIAL)
def test_every_field_moves_some_point(name):
    model, points = catalogue.get(name), points_of(name)
    for label, field in model.symmetries.items():
        assert changes(model, field, points).size, f"no point of {name} moves by {label}"


@pytest.mark.parametrize("name", ONE_OF_EACH)
def test_the_flow_from_the_optimum_stays_optimal(name):
    """Fourth-order Runge–Kutta along each vector of each field, for a time of 0.1."""
    model = catalogue.get(name)
    h = 0.005

    def flow(w, field, which):
        def rate(v):
            return {site: moves[which] for site, moves in field(v).items()}

        def step(v, _):
            def moved(by, k):
                return {site: v[site] + by * k[site] for site in v}

            k1 = rate(v)
            k2 = rate(moved(h / 2, k1))
            k3 = rate(moved(h / 2, k2))
            k4 = rate(moved(h, k3))
            return {s: v[s] + h / 6 * (k1[s] + 2 * k2[s] + 2 * k3[s] + k4[s]) for s in v}, None

        return jax.lax.scan(step, w, length=20)[0]

    with x64():
        start = {site: jnp.asarray(value, float) for site, value in model.optimum.items()}
        for label, field in model.symmetries.items():
            count = len(next(iter(field(start).values())))
            if count:
                end = jax.jit(jax.vmap(lambda which, field=field: flow(start, field, which)))(jnp.arange(count))
                np.testing.assert_allclose(jax.jit(model.excess_loss)(end), 0.0, atol=2e-9, err_msg=label)


@pytest.mark.parametrize("name", DISCRETE)
def test_no_discrete_map_changes_the_loss(name):
    model = catalogue.get(name)
    with x64():
        loss = jax.jit(model.excess_loss)
        w = {site: jnp.asarray(values[:3]) for site, values in points_of(name).items()}
        for label, move in model.discrete_symmetries.items():
            moved = move(w)
            assert any(not np.array_equal(moved[s], w[s]) for s in w), label
            np.testing.assert_allclose(loss(moved), loss(w), rtol=1e-9, err_msg=label)


def test_a_field_with_a_wrong_sign_is_caught():
    model, points = catalogue.get("reduced-rank-2-2-2-1"), points_of("reduced-rank-2-2-2-1")
    right = fields.general_linear("B", "A")

    def wrong(w):
        return {**right(w), "B": -right(w)["B"]}

    assert abs(changes(model, right, points)).max() < 1e-7
    assert abs(changes(model, wrong, points)).max() > 0.1


@pytest.mark.slow
def test_the_numbers_of_generators():
    w = {"A": jnp.ones((3, 2)), "B": jnp.ones((4, 3)), "L": jnp.ones((5, 3))}
    assert fields.general_linear("B", "A")(w)["A"].shape == (9, 3, 2)
    assert fields.stochastic_linear("B", "A")(w)["B"].shape == (6, 4, 3)
    assert fields.rotation("L", 1)(w)["L"].shape == (3, 5, 3)
    assert fields.shift("L")(w)["L"].shape == (3, 5, 3)
    pair = {"a": jnp.array([0.3, -1.0, 2.0, 0.1]), "b": jnp.array([1.0, 0.5, -0.7, 0.2])}
    moves = fields.centred_linear("a", "b")(pair)
    assert moves["a"].shape == (9, 4)
    np.testing.assert_allclose([moves["a"].sum(axis=1), moves["b"].sum(axis=1)], 0.0, atol=1e-5)


def test_what_holds_in_a_part_of_parameter_space_is_zero_elsewhere():
    silent = fields.silent_scaling("a", "b", odd=True)
    for a, b, moving in (([0.5], [0.7], 0), ([0.0], [0.7], 1), ([0.5], [0.0], 1), ([0.0], [0.0], 0)):
        moves = silent({"a": jnp.array(a), "b": jnp.array(b)})
        assert np.linalg.matrix_rank(np.concatenate([moves["a"], moves["b"]], axis=1)) == moving
    a, b = jnp.array([0.7, -0.7, 0.0, 0.2]), jnp.array([0.9, 0.9, 0.4, 0.4])
    shifted = fields.silent_shift("a", "b")({"a": a, "b": b})["b"]
    np.testing.assert_array_equal(shifted, [[1, 1, 0, 0], [1, 1, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0]])
    traded = fields.exchange("a", ["b"], "odd")({"a": jnp.ones(3), "b": jnp.array([0.5, -0.5, 0.4])})["a"]
    np.testing.assert_array_equal(traded, [[-1.0, -1.0, 0.0], [0.0, 0.0, 0.0], [0.0, 0.0, 0.0]])
