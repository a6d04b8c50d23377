"""Laws of occupancy against closed forms: Gibbs, Student's t, linear recursions, and chains of SGD step by step."""

import numpy as np
import pytest
from scipy.stats import t as student

from singular import models, posteriors
from singular.analysis.gradient_noise import gradient_noise, observation_gradients
from singular.analysis.occupancy_law import chain_law, diffusion_law
from singular.analysis.resolution import square_model_law
from singular.errors import InputError
from singular.models.crossings.two_wells import FLAT, HEIGHT, SHARP, SPREAD, SUMMIT
from singular.models.problem import Problem


def nodes(spacing, low=-5.0, high=8.0):
    return SUMMIT + (np.arange(round((low - SUMMIT) / spacing), round((high - SUMMIT) / spacing)) + 0.5) * spacing


@pytest.fixture(scope="module")
def wells():
    return Problem.from_model(models.uneven_wells(0.1), n=200, seed=0)


@pytest.mark.parametrize("temperature", [0.05, 0.3])
def test_constant_noise_gives_the_tempered_posterior(wells, temperature):
    w = nodes(0.005)
    slope = observation_gradients(wells, w[:, None])[:, :, 0].mean(axis=1) + temperature * w / SPREAD**2
    law = diffusion_law(w, slope, np.full(len(w), 2 * temperature / 0.1), 0.1)
    beta = 1 / (wells.n * temperature)
    exact = posteriors.quadrature(wells, [beta]).at(beta)["phase:flat"]
    assert law.share(low=SUMMIT) == pytest.approx(exact, abs=2e-5) and law.flags == ()


def test_noise_that_grows_gives_students_t():
    """D = T (1 + w²), slope h w: p ∝ (1 + w²)^(−1 − h/(2T))."""
    w = (np.arange(-20_000, 20_000) + 0.5) * 0.002
    temperature, curvature = 0.2, 1.0
    law = diffusion_law(w, curvature * w, 2 * temperature / 0.1 * (1 + w**2), 0.1)
    nu = 1 + curvature / temperature
    exact = student(nu, scale=nu**-0.5)
    for cut in (-0.5, 0.2, 1.0):
        assert law.share(high=cut) == pytest.approx(exact.cdf(cut), abs=2e-6)


def test_it_is_the_law_of_the_square_model():
    eta, batch, t0 = 0.01, 4, 0.01
    known = square_model_law(eta, batch, t0)
    w = (np.arange(-2000, 2000) + 0.5) * 1e-3
    noise = 4 * w**2 / batch * (1 + 2 * w**4) + 2 * t0 / eta
    law = diffusion_law(w, 2 * w**3, noise, eta)
    assert np.sum(0.5 * w**4 * law.density) * 1e-3 == pytest.approx(known.excess, rel=1e-4)


def test_a_gate_is_passed_one_way():
    """Noise vanishes at 0 and a constant slope pulls down: nothing is left above."""
    w = (np.arange(-1500, 500) + 0.5) * 0.01
    law = diffusion_law(w, np.full(len(w), 0.3), w**2, 1.0)
    assert law.share(low=0.0) < 1e-12


def test_a_law_without_an_integral_is_flagged():
    """Slope and noise vanish in proportion: p ∝ w^(−2 − …) at 0."""
    w = (np.arange(-800, 800) + 0.5) * 0.005
    assert "do not resolve" in diffusion_law(w, w, w**2 * np.where(w < 0, 1.0, 3.0), 1.0).flags[0]


def test_the_chain_of_a_linear_recursion():
    step, curvature, sigma = 0.8, 1.5, 0.7
    w = np.linspace(-5, 5, 401)
    law = chain_law(w, w - step * curvature * w, step * sigma)
    factor = 1 - step * curvature
    variance = np.sum(w**2 * law.density) * (w[1] - w[0])
    assert variance == pytest.approx((step * sigma) ** 2 / (1 - factor**2), rel=1e-7)
    assert law.relaxation == pytest.approx(-1 / np.log(abs(factor)), rel=1e-6)
    assert law.escape < 1e-9 and law.flags == ()


def test_the_chain_of_a_random_linear_recursion():
    """w ← (1 − η x_k²) w + η x_k ε_k + s ξ with K equally likely k: the second moment is a geometric series."""
    rng = np.random.default_rng(0)
    x, noise = rng.standard_normal(20), rng.standard_normal(20)
    noise -= x * (x @ noise) / (x @ x)  # no slope at 0
    step, spread = 0.2, 0.1
    factor, shift = 1 - step * x**2, step * x * noise
    w = np.linspace(-4, 4, 161)
    law = chain_law(w, w[:, None] * factor + shift, spread)
    density = law.density * (w[1] - w[0])
    mean = np.mean(shift) / (1 - np.mean(factor))
    second = (np.mean(shift**2) + spread**2 + 2 * mean * np.mean(factor * shift)) / (1 - np.mean(factor**2))
    assert np.sum(w * density) == pytest.approx(mean, abs=1e-7)
    assert np.sum(w**2 * density) == pytest.approx(second, rel=1e-6)


def test_small_steps_of_the_chain_are_the_law_of_small_steps():
    temperature, w = 0.3, nodes(0.04, -4, 7)
    f, rise = HEIGHT * (w - SHARP) * (w - FLAT) ** 2, HEIGHT * (w - FLAT) * (3 * w - 1)
    slope = f * rise + temperature * w / SPREAD**2
    gaps = []
    for step in (0.01, 0.02):
        spread = (2 * step * temperature) ** 0.5
        small = diffusion_law(w, slope, np.full(len(w), 2 * temperature / step), step)
        gaps.append(chain_law(w, w - step * slope, spread).share(low=SUMMIT) - small.share(low=SUMMIT))
    assert 0 < abs(gaps[0]) < 0.01 and gaps[1] / gaps[0] == pytest.approx(2, rel=0.2)


@pytest.mark.parametrize(("noise", "sigma"), [("isotropic", 2.0), ("mixed", 2.0)])
def test_runs_of_sgd_have_the_chains_law(wells, noise, sigma):
    """Hot, so that the wells mix in hundreds of steps."""
    step, runs = 0.1, 400
    tree = posteriors.sgd(
        wells, learning_rate=step, batch_size=1, noise=noise, sigma=sigma, weight_decay=0.1, runs=runs, steps=2000,
        keep=np.arange(1000, 2001, 50), start="prior", seed=1, progress=False,
    )  # fmt: skip
    share = (tree["posterior"]["w"].to_numpy() > SUMMIT).mean(axis=1)
    w = nodes(0.09)
    each = observation_gradients(wells, w[:, None])[:, :, 0] + 0.1 * w[:, None]
    each = each.mean(axis=1, keepdims=True) if noise == "isotropic" else each
    law = chain_law(w, w[:, None] - step * each, step * sigma)
    error = share.std(ddof=1) / runs**0.5
    assert law.relaxation < 250
    assert abs(share.mean() - law.share(low=SUMMIT)) < 4 * error and error < 0.03


def test_a_chain_that_leaves_is_told():
    w = np.linspace(-3, 3, 121)
    law = chain_law(w, 0.9 * w, 0.6)
    assert law.escape > 1e-4 and "leaves" in law.flags[0]


def test_gradients_of_observations(wells):
    points = np.array([[-1.2], [0.4]])
    each = observation_gradients(wells, points)
    for gradients, point in zip(each, points, strict=True):
        noise = gradient_noise(wells, point)
        assert gradients.mean(axis=0) == pytest.approx(noise.gradient, rel=1e-10)
        assert gradients.var(axis=0) == pytest.approx(noise.covariance[0], rel=1e-10)


def test_bad_input():
    w = np.linspace(-1, 1, 21)
    with pytest.raises(InputError, match="equally spaced"):
        diffusion_law(w**3, w, np.ones(21), 0.1)
    with pytest.raises(InputError, match="variance is 0 at w=-1"):
        diffusion_law(w, w, np.where(w > -1, 1.0, 0.0), 0.1)
    with pytest.raises(InputError, match="slope has shape"):
        diffusion_law(w, w[1:], np.ones(21), 0.1)
    with pytest.raises(InputError, match="step_size"):
        diffusion_law(w, w, np.ones(21), -0.1)
    with pytest.raises(InputError, match="at least the spacing"):
        chain_law(w, w, 0.05)
    with pytest.raises(InputError, match="moved has shape"):
        chain_law(w, w[1:], 0.5)
    with pytest.raises(InputError, match="points has shape"):
        observation_gradients(models.problem("linear-2", n=50), [[1.0]])
