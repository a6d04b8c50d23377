"""The study of pseudo-singular models: exact laws and partings, its ensembles at a tiny size, and its page."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from singular import models
from singular.analysis.studies import pseudo_singular as study
from singular.analysis.studies.pseudo_singular_laws import (
    LEARNERS,
    SPECTRA,
    coefficient,
    near_product_coefficient,
    near_product_parting,
    parting,
)
from singular.analysis.studies.pseudo_singular_text import told_apart
from singular.analysis.studies.workshop import Workshop
from singular.posteriors.quadrature import population

GIBBS, HOT, EARLY, STOPPED, HESSIAN = LEARNERS


@pytest.fixture
def tiny(monkeypatch):
    monkeypatch.setattr(study, "EFFORT", 4e4)
    monkeypatch.setattr(study, "RUNS", (100, 200))
    monkeypatch.setattr(study, "SAMPLED", (1e-2, 1e-1))
    monkeypatch.setattr(study, "STOPS", (1e-2, 1e-1))


@pytest.mark.parametrize("t", [1e-5, 1e-2, 1.0])
def test_gibbs_is_a_sum_over_directions(t):
    h = np.array(SPECTRA["regular"])
    assert coefficient(GIBBS, SPECTRA["regular"], t) == pytest.approx(0.5 * np.sum(h / (h + t)), rel=1e-12)


@pytest.mark.parametrize("h", SPECTRA["regular"][1:])
def test_directions_come_into_sight_where_they_should(h):
    assert parting(GIBBS, h) == pytest.approx(h, rel=1e-5)
    assert parting(HOT, h) == pytest.approx(h, rel=0.01)
    for learner in (EARLY, STOPPED):  # whole steps, and ηh = 0.0025 at most
        assert parting(learner, h) == pytest.approx(h / math.log(2), rel=0.01)
    assert math.isnan(parting(HESSIAN, h))


def test_a_direction_under_its_own_noise_never_adds_more_than_half_its_curvature():
    for t in (1e-6, 1e-4, 1e-2):
        gap = coefficient(HESSIAN, SPECTRA["regular"], t) - coefficient(HESSIAN, SPECTRA["rank 2"], t)
        assert 0 < gap < 0.51e-4


def test_the_product_and_its_regular_neighbour():
    for t in (10.0, 1e4):
        exact = population(models.get("product"), [t])["mean_excess"].iloc[0] * t
        assert near_product_coefficient(0.0, 1 / t) == pytest.approx(exact, rel=1e-8)
    w = np.linspace(-6, 6, 2401)
    x, y = np.meshgrid(w, w)
    energy = 0.5 * ((x * y) ** 2 + 0.3**2 * (x**2 + y**2))
    mass = np.exp(-energy / 0.02 - 0.5 * (x**2 + y**2))
    assert near_product_coefficient(0.3, 0.02) == pytest.approx(np.sum(mass * energy) / mass.sum() / 0.02, rel=1e-8)
    assert near_product_coefficient(0.1, 1e-9) == pytest.approx(1.0, abs=1e-3)


@pytest.mark.parametrize("scale", [0.03, 0.01])
def test_the_neighbour_parts_far_below_its_curvature(scale):
    at = near_product_parting(scale)
    gap = near_product_coefficient(scale, at) - near_product_coefficient(0.0, at)
    assert gap == pytest.approx(study.HALF, abs=1e-5)
    assert 10 * scale**4 < at < 60 * scale**4 < 0.1 * scale**2


@pytest.mark.parametrize("model", ["regular", "rank 1"])
@pytest.mark.slow
def test_ensembles_have_the_exact_law(tiny, monkeypatch, model):
    monkeypatch.setattr(study, "STOPPED_RUNS", 400)
    hot = study.at_equilibrium(model, 0.01, 0)
    stopped = study.stopped(model, 0)
    both = pd.concat([hot, stopped])
    z, value, mcse = (both[name].to_numpy(dtype=float) for name in ("z", "value", "mcse"))
    assert np.abs(z).max() < 4
    assert len(z) == 3
    assert np.max(mcse / value) < 0.1


def test_told_apart_by_errors():
    rows = [("a", 0.1, 1.0), ("b", 0.1, 1.5), ("a", 0.01, 1.0), ("b", 0.01, 1.05)]
    table = pd.DataFrame(rows, columns=["problem", "temperature", "value"])
    table = table.assign(mcse=0.05, part="runs", noise=HOT)
    assert told_apart(table, "b", "a", HOT) == ([0.1], [0.01])


@pytest.mark.slow
def test_the_study_at_a_tiny_size(tiny, monkeypatch, tmp_path):
    monkeypatch.setattr(study, "STOPPED_RUNS", 60)
    monkeypatch.setattr(study, "GRID", np.geomspace(1e-4, 1.0, 9))
    monkeypatch.setattr(study, "NEAR_GRID", np.geomspace(1e-4, 1.0, 9))
    finding = study.run(Workshop(tmp_path, jobs=1))
    z = finding.table["z"].to_numpy(dtype=float)
    held = z[np.isfinite(z)]
    assert np.abs(held).max() < 4
    assert len(held) == 12
    assert "12 of 12 coefficients" in finding.text and "never" in finding.text
    assert len(finding.figure.axes) == 6
    assert len(finding.shown) == 16
