"""The study of one axis of temperature at a tiny size; its page is made from its table."""

import pandas as pd
import pytest

from singular.analysis.figures import png
from singular.analysis.resolution_axis import COLUMNS, ISOTROPIC, OWN, SGLD, STOPPED, TEMPERED
from singular.analysis.studies import temperature_axis as study
from singular.analysis.studies.workshop import Workshop


def table():
    """Two rows of each kind for each model, ratio 1 where there is one."""
    rows = [
        (kind, "η", t, "excess coefficient", 1.0, 0.0, 1.0, 0.0, float("nan") if kind == TEMPERED else 1.0, 0.01, "")
        for kind in (TEMPERED, SGLD, ISOTROPIC, OWN, STOPPED)
        for t in (0.01, 0.1)
    ]
    frame = pd.DataFrame(rows, columns=list(COLUMNS))
    return pd.concat([frame.assign(problem=name, route="exact") for name in study.MODELS], ignore_index=True)


def test_the_page_follows_the_table():
    calm = study.text(table())
    assert "on 0 of 2 stops of the singular model" in calm and "product 1.00 to 1.00" in calm
    other = table()
    other.loc[(other["problem"] == "product") & (other["kind"] == STOPPED), "ratio"] = 1.5
    other.loc[(other["problem"] == "product") & (other["kind"] == OWN), "ratio"] = 0.1
    moved = study.text(other)
    assert "on 2 of 2 stops of the singular model" in moved and "product 0.10 to 0.10" in moved


@pytest.mark.slow
def test_the_study_at_a_tiny_size(tmp_path, monkeypatch):
    monkeypatch.setattr(study, "N", 20)
    monkeypatch.setattr(study, "TEMPERATURES", (0.1, 1.0))
    monkeypatch.setattr(study, "SETTINGS", ({"learning_rate": 0.1, "batch_size": 1},))
    monkeypatch.setattr(study, "STOPS", (20, 100))
    monkeypatch.setattr(study, "SIZES", {"runs": 40, "chains": 8, "draws": 40})
    monkeypatch.setattr("singular.analysis.axis_sources.LADDER", {"chains": 4, "draws": 60, "warmup": 50})
    finding = study.run(Workshop(tmp_path, jobs=1))
    counts = finding.table.groupby("kind").size()
    assert dict(counts) == {TEMPERED: 4, SGLD: 4, ISOTROPIC: 2, OWN: 2, STOPPED: 4}
    assert len(finding.figure.axes) == 4 and png(finding.figure).startswith(b"\x89PNG")
    assert "nan" not in finding.text and len(finding.shown) == len(finding.table)
