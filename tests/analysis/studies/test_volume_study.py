"""The study of volumes: its rows at a tiny setting, its regions, and a page that follows the rows."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from singular import models
from singular.analysis import exactly_known
from singular.analysis.studies import QUESTIONS, load
from singular.analysis.studies import volume as study
from singular.analysis.studies.volume_figure import draw
from singular.analysis.studies.volume_text import COLUMNS, LAMBDA, LOG_VOLUME, OF_DATA, TRAIL, shown, text
from singular.analysis.volume_law import OPEN, RIVAL


def test_members_and_regions():
    """At least ten members with an exact volume, each with exact λ and m; regions with exact volumes."""
    assert len(set(study.MEMBERS) & set(exactly_known())) >= 12
    assert all(models.get(name).exact is not None for name in study.MEMBERS)
    assert all(region in exactly_known()[name] for name, region in study.REGIONS)
    assert load("volume") is study.STUDY and "volume" in QUESTIONS


@pytest.fixture(scope="module")
def table():
    """Rows of two members, a region and a ladder, from few particles."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(study, "RUN", {"particles": 64, "replicates": 4, "sweeps": 5})
        patch.setattr(study, "LADDER", {"chains": 2, "draws": 100, "warmup": 50})
        frames = [study.split(*at, 0) for at in (("linear-2", ""), ("half-line", ""), ("two-wells", "sharp"))]
        frames.append(study.laddered("linear-2", 100, 0))
    return pd.concat(frames, ignore_index=True)


@pytest.mark.slow
def test_rows(table):
    assert list(table.columns) == COLUMNS
    split = table[(table["method"] == "splitting") & (table["quantity"] == LOG_VOLUME)]
    assert split["z"].notna().all()  # how large they are is for the tests of `volume`, with more replicates
    for _, own in split.groupby(["problem", "region"]):
        decades = np.log10(own["epsilon"].max() / own["epsilon"].min())
        assert decades > 6 and abs(own["decade"].sum() - decades) <= 2.5
    laws = table[table["quantity"] == LAMBDA].set_index(["problem", "method"])
    assert laws.loc[("linear-2", "ellipsoid"), "value"] == 1.0 == laws.loc[("linear-2", "splitting"), "exact"]
    assert "edge" in laws.loc[("half-line", "ellipsoid"), "flags"]
    assert set(table[table["method"] == "ladder"]["quantity"]) == {LOG_VOLUME, OF_DATA}


def test_the_page_follows_the_rows(table):
    worse = table.copy()
    first = worse.index[(worse["quantity"] == LOG_VOLUME) & worse["decade"] & (worse["method"] == "splitting")][0]
    worse.loc[first, "z"] = -9.0
    worse.loc[(worse["quantity"] == TRAIL) & (worse["problem"] == "linear-2"), "value"] = 30.0
    told = text(worse)
    assert "not so: linear-2 at ε" in told and "(z = -9.0)" in told and "is excluded on linear-2" in told
    laws = worse["quantity"].isin(["λ", "m"])
    for flags, said, is_open in (
        ("", "m stays open on 0", False),
        (f"{OPEN}: 1 (0.60), 2 (0.40)", "m stays open on 3", True),
        (f"m = 2 {RIVAL}, with λ = 1.040", "On 3 of the 3 decided ones a flag tells of another m", False),
    ):
        told = text(worse.assign(flags=worse["flags"].mask(laws, flags)))
        assert said in told and ("3 of 3 carry no flag" in told) == (flags == "")
        opened = shown(worse.assign(flags=worse["flags"].mask(laws, flags)))["m"].str.contains("open")
        assert opened.all() == opened.any() == is_open
    rows = shown(table)
    assert list(rows["member"]) == ["linear-2", "half-line", "two-wells"] and list(rows["region"])[2] == "sharp"
    assert list(rows["λ exact"]) == ["1", "1/2", "1/2"] and list(rows["ellipsoid's slope"]) == ["1.0", "", ""]


def test_the_picture_has_its_panels(table):
    panels = draw(table).axes
    assert len(panels) == 6
    labels = [label.get_text() for label in panels[3].get_yticklabels()]
    assert sorted(labels) == ["half-line", "linear-2", "two-wells: sharp"]
