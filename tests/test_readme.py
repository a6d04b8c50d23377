"""What the README shows runs, as it stands there."""

import re
from pathlib import Path

import numpy as np
import pytest

README = (Path(__file__).parent.parent / "README.md").read_text()


@pytest.fixture(scope="module")
def namespace():
    names = {}
    for block in re.findall(r"```python\n(.*?)```", README, flags=re.S):
        exec(compile(block, "README.md", "exec"), names)
    return names


@pytest.mark.slow
def test_a_model_of_ones_own_goes_through(namespace):
    assert namespace["problem"].name == "tanh-2"
    free_energy, wbic, ladder = namespace["free_energy"], namespace["wbic"], namespace["ladder"]
    assert ladder.posterior["share"].shape[-1] == 3
    assert (ladder.posterior["spread"].values > 0).all()
    assert np.allclose(ladder.posterior["share"].values.sum(-1), 1)
    assert 0 < free_energy.mcse < 0.1
    assert 0 < wbic.mcse < 1


def test_its_free_energy_is_that_of_plain_importance_sampling(namespace):
    """A second route: the effects integrate out given spread, the kinds are Dirichlet-multinomial."""
    from scipy import integrate, stats
    from scipy.special import gammaln, logsumexp

    effects, errors = namespace["effects"], namespace["errors"]
    spread = np.linspace(1e-6, 80, 40001)
    log_like = stats.norm(0, np.hypot(spread[:, None], errors)).logpdf(effects).sum(1)
    log_post = log_like + stats.halfnorm(scale=10).logpdf(spread)
    top = logsumexp(log_post)
    log_effects = np.log(integrate.trapezoid(np.exp(log_post - top), spread)) + top
    counts = np.array([4, 3, 1])
    log_kinds = gammaln(3) - gammaln(3 + 8) + gammaln(1 + counts).sum()
    estimate = namespace["free_energy"]
    assert abs(estimate.value + log_effects + log_kinds) < 4 * estimate.mcse


def test_the_routes_of_one_ladder_agree(namespace):
    mbar, bridge = namespace["mbar"], namespace["bridge"]
    assert abs(mbar.value - bridge.value) < 4 * np.hypot(mbar.mcse, bridge.mcse)
    assert abs(namespace["waic"].value - namespace["loo"].value) < 0.5
    assert {"effective_learning_coefficient", "excess_coefficient"} <= set(namespace["coefficients"].quantity)
    assert len(namespace["moved"]) == 2
