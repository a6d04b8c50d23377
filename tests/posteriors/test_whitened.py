"""A whitened problem is the same target in other coordinates."""

from __future__ import annotations

import numpy as np
import pytest

from singular import models, posteriors
from singular.analysis.local_coefficient import local_learning_coefficient
from singular.errors import InputError
from singular.models.density import map_rows
from singular.posteriors.local_exact import quadratic_local_coefficient


@pytest.fixture(scope="module")
def local():
    problem = models.problem("linear-4", n=60, seed=2)
    stretched = problem.replace(kwargs={**problem.kwargs, "x": problem.kwargs["x"] * [1.0, 10.0, 0.1, 40.0]})
    return posteriors.localise(stretched, stretched.reference.z, 3.0)


def test_densities_are_those_of_the_point(local):
    white = posteriors.whiten(local, 0.4)
    v = np.random.default_rng(0).normal(size=(3, 4))
    z = np.asarray(local.centre) + v @ np.asarray(white.scale).T
    with posteriors.x64():
        for ours, theirs in zip(map_rows(white.parts.split, v), map_rows(local.parts.split, z), strict=True):
            assert ours == pytest.approx(theirs, rel=1e-10)
        sites = map_rows(white.parts.constrain, v)
        assert np.concatenate([np.reshape(s, (3, -1)) for s in sites.values()], axis=1) == pytest.approx(z)
        assert white.parts.unconstrain({k: s[0] for k, s in sites.items()}) == pytest.approx(v[0])


def test_a_quadratic_loss_is_exact_and_needs_no_tuning(local):
    """Curvatures of six orders of magnitude, one step size, the exact coefficient."""
    white = posteriors.whiten(local, 0.4)
    tree = posteriors.langevin(white, 0.4, 1.0, sampler="mala", chains=8, draws=500, burn_in=100, thin=4,
                               progress=False)  # fmt: skip
    got = local_learning_coefficient(tree, white, 0.4)
    x = local.kwargs["x"]
    exact = quadratic_local_coefficient(np.linalg.eigvalsh(x.T @ x), gamma=3.0, t=0.4)
    assert abs(got.value - exact) < 4 * got.mcse
    assert got.mcse < 0.05
    assert not [flag for flag in got.flags if "localiser" not in flag]


def test_what_is_refused(local):
    with pytest.raises(InputError, match="allowed is a problem made by"):
        posteriors.whiten(posteriors.whiten(local, 0.4), 0.4)
    with pytest.raises(InputError, match="beta=0"):
        posteriors.whiten(local, 0)
