"""The networks without an oracle: their losses, Hessians and phases by routes of their own."""

from __future__ import annotations

import importlib
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree
from scipy.optimize import minimize

from singular.errors import InputError
from singular.models.networks.exponential_network import exponential_network
from singular.models.networks.polynomial_network import polynomial_network
from singular.models.networks.radial_basis import radial_basis
from singular.models.networks.relu_network import relu_network
from singular.models.networks.superposition import superposition
from singular.models.networks.superposition_loss import mean_squared_error, polygon
from singular.models.networks.tanh_network import tanh_network
from singular.models.networks.two_phase_relu import two_phase_relu


def eigenvalues(function, parameters):
    with jax.enable_x64(True):
        start, unravel = ravel_pytree({k: jnp.asarray(v, dtype=float) for k, v in parameters.items()})
        return np.linalg.eigvalsh(np.asarray(jax.hessian(lambda z: function(unravel(z)))(start)))


def gradient(function, parameters):
    with jax.enable_x64(True):
        start, unravel = ravel_pytree({k: jnp.asarray(v, dtype=float) for k, v in parameters.items()})
        return np.abs(np.asarray(jax.grad(lambda z: function(unravel(z)))(start))).max()


def corners(sides: int, features: int):
    length, bias = polygon(sides)
    turns = 2 * np.pi * np.arange(sides) / sides
    w, b = np.zeros((2, features)), np.full(features, bias)
    w[:, :sides] = length * np.stack([np.cos(turns), np.sin(turns)])
    b[sides:] = -1.0
    return {"W": w, "b": b}


def loss(p):
    return mean_squared_error(p["W"], p["b"])


@pytest.mark.parametrize("features", [5, 6])
def test_the_loss_of_superposition_against_a_sum_over_inputs(features):
    rng = np.random.default_rng(features)
    w, b = rng.standard_normal((8, 2, features)), 0.5 * rng.standard_normal((8, features))
    u = (np.arange(20_000) + 0.5) / 20_000
    with jax.enable_x64(True):
        exact = np.asarray(mean_squared_error(jnp.asarray(w), jnp.asarray(b)))
    for k in range(8):
        overlap, total = w[k].T @ w[k], 0.0
        for i in range(features):
            gap = np.maximum(overlap[:, i][:, None] * u + b[k][:, None], 0.0)
            gap[i] -= u
            total += np.mean(np.sum(gap**2, axis=0)) / features
        assert exact[k] == pytest.approx(total, rel=1e-7)


@pytest.mark.parametrize(
    ("sides", "features", "rank", "value"), [(6, 6, 17, 0.04819), (5, 6, 14, 0.06874), (5, 5, 14, 0.01583)]
)
@pytest.mark.slow
def test_polygons_are_critical_points_of_the_published_loss_and_rank(sides, features, rank, value):
    """Chen et al. (2023): losses 0.04819 and 0.06874 and local coefficients 8.5 and 7 for six features."""
    point = corners(sides, features)
    with jax.enable_x64(True):
        assert float(loss({k: jnp.asarray(v) for k, v in point.items()})) == pytest.approx(value, abs=6e-6)
    assert gradient(loss, point) < 1e-12
    spectrum = eigenvalues(loss, point)
    assert spectrum.min() > -1e-12
    assert (spectrum > 1e-3).sum() == rank
    if sides == features:
        assert float(superposition(features).bound.value) == rank / 2


def test_the_phases_of_superposition_count_corners():
    phases = superposition(6).phases
    for sides, expected in ((6, "6-gon"), (5, "5-gon")):
        point = {k: v[None] for k, v in corners(sides, 6).items()}
        assert [name for name, phase in phases.items() if np.asarray(phase(point))[0]] == [expected]


ANGLES = [1.0, 1.26, 1.36, 1.5]


@pytest.mark.parametrize("angle", ANGLES)
@pytest.mark.slow
def test_seven_of_nine_directions_are_felt_at_two_units(angle):
    model = two_phase_relu(angle)
    spectrum = eigenvalues(model.excess_loss, model.optimum)
    assert (spectrum > 1e-6).sum() == 7 and np.abs(spectrum[:2]).max() < 1e-12
    assert (model.exact.value, model.exact.multiplicity, model.bound) == (7 / 2, 1, None)


def test_four_of_nine_are_felt_where_one_unit_is_off():
    model = two_phase_relu(math.pi / 2)
    off = {"w": [[0.0, 1.0], [0.3, -0.4]], "b": [-0.3, -2.0], "q": [2.0, 2.0], "c": 0.0}
    assert gradient(model.excess_loss, off) < 1e-12
    spectrum = eigenvalues(model.excess_loss, off)
    assert (spectrum > 1e-6).sum() == 4 and np.abs(spectrum[:5]).max() < 1e-12
    assert model.exact is None and float(model.bound.value) == 4 / 2
    batch = {k: np.asarray(v, dtype=float)[None] for k, v in off.items()}
    assert bool(model.phases["degenerate"](batch)[0]) and not bool(model.phases["non-degenerate"](batch)[0])


def test_the_rule_for_the_square_against_a_finer_one(monkeypatch):
    module = importlib.import_module("singular.models.networks.two_phase_relu")
    rng = np.random.default_rng(0)
    p = {k: rng.standard_normal((20, *shape)) for k, shape in (("w", (2, 2)), ("b", (2,)), ("q", (2,)), ("c", ()))}
    used = np.asarray(two_phase_relu(1.26).excess_loss(p))
    monkeypatch.setattr(module, "PANELS", 120)
    np.testing.assert_allclose(used, np.asarray(two_phase_relu(1.26).excess_loss(p)), rtol=1e-3)


def test_the_loss_of_one_unit_alone_is_what_the_note_says():
    """The best single unit pointing up, by a search over its slope, bias and the constant."""
    for angle, value in ((1.0, 0.0036), (1.26, 0.0008)):
        model = two_phase_relu(angle)

        def lonely(v, model=model):
            slope, bias, c = v
            w = np.array([[0.0, slope], [0.0, 0.0]])
            p = {"w": w, "b": np.array([bias, -1.0]), "q": np.array([1.0, 0.0]), "c": np.array(c)}
            return float(model.excess_loss(p))

        best = minimize(lonely, [2.0, -0.5, 0.0], method="Nelder-Mead", options={"xatol": 1e-6, "fatol": 1e-10})
        assert best.fun == pytest.approx(value, abs=6e-5)


@pytest.mark.parametrize(
    ("build", "arguments", "named"),
    [
        (superposition, (4,), "features=4"),
        (superposition, (7,), "features=7"),
        (two_phase_relu, (0.0,), r"angle=0\.0"),
        (two_phase_relu, (2.0,), r"angle=2\.0"),
        (two_phase_relu, ("1",), "angle='1'"),
        (tanh_network, (0,), "hidden=0"),
        (tanh_network, (3, 2), "true_units=2"),
        (relu_network, (0,), "hidden=0"),
        (relu_network, (2, 2), "true_units=2"),
        (exponential_network, (-1,), "hidden=-1"),
        (radial_basis, (0,), "hidden=0"),
        (radial_basis, (2, 2), "true_units=2"),
        (polynomial_network, (0, 2), "hidden=0"),
        (polynomial_network, (2, 0), "degree=0"),
        (polynomial_network, (2, 9), "degree=9"),
    ],
)
def test_wrong_sizes_are_refused_by_name(build, arguments, named):
    with pytest.raises(InputError, match=named):
        build(*arguments)
