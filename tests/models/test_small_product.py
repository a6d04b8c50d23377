"""Products of small matrices are those of a library, on both sides of the size where the way changes."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from singular.models.small_product import MOST, product
from singular.posteriors.precision import x64


@pytest.mark.parametrize("shape", [(1, 1, 1), (2, 3, 5), (12, 6, 6), (8, 16, 8), (9, 16, 8), (40, 1, 40), (100, 3, 4)])
def test_products_and_gradients_are_those_of_a_library(shape):
    rows, inner, columns = shape
    rng = np.random.default_rng(0)
    left, right = rng.standard_normal((rows, inner)), rng.standard_normal((inner, columns))
    weights = rng.standard_normal((rows, columns))
    with x64():
        np.testing.assert_allclose(jax.jit(product)(left, right), left @ right, rtol=1e-13, atol=1e-13)
        slopes = jax.grad(lambda a, b: jnp.sum(weights * product(a, b)), argnums=(0, 1))(left, right)
    np.testing.assert_allclose(slopes[0], weights @ right.T, rtol=1e-13, atol=1e-13)
    np.testing.assert_allclose(slopes[1], left.T @ weights, rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize(("rows", "called"), [(MOST // 16, False), (MOST // 16 + 1, True)])
def test_a_library_is_called_for_large_ones_alone(rows, called):
    traced = jax.make_jaxpr(product)(np.ones((rows, 4)), np.ones((4, 4)))
    assert ("dot_general" in str(traced)) == called
