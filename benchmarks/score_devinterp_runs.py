"""Runs of the score of devinterp, kept one by one, and the submissions made of them."""

from __future__ import annotations

import importlib
import json
import platform
import time
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pandas as pd
from rich.progress import track
from score_devinterp_problem import Subject, exported_subject
from score_devinterp_settings import (
    DEVINTERP,
    FAR,
    FAR_OUT,
    LAMBDA_HAT,
    SETTINGS,
    Setting,
    calls,
    gradients,
    method,
    n_beta,
    targets,
)

from singular.analysis.submission import OPTIONAL, REQUIRED
from singular.analysis.targets import LOCAL
from singular.posteriors.store import write

MODULES = {DEVINTERP: "score_devinterp_torch", LAMBDA_HAT: "score_lambda_hat"}
PACKAGES = {DEVINTERP: ("devinterp", "torch"), LAMBDA_HAT: ("jax",)}


def versions(tool: str) -> dict[str, str]:
    """Return the versions that a run of a tool depends on."""
    return {name: version(name) for name in PACKAGES[tool]} | {"Python": platform.python_version()}


def every_run(problems: Sequence[str], n: int, seeds: int, folder: Path) -> pd.DataFrame:
    """Run every setting on every data set; what is done is read back from the folder. One row a run."""
    subjects = [(name, seed) for name in problems for seed in range(seeds)]
    rows = []
    for name, seed in track(subjects, "runs"):
        subject = exported_subject(name, n, seed, folder / "exports")
        rows += [kept_run(subject, setting, folder / "runs") for setting in SETTINGS]
    return pd.DataFrame(rows)


def kept_run(subject: Subject, setting: Setting, folder: Path) -> dict[str, Any]:
    """Return one run, from the folder if the same one is there: same data, setting and versions."""
    title = f"{setting.tool}-{setting.label.replace(', ', '-').replace(' ', '-')}"
    path = folder / f"{subject.name}-{subject.seed}-{title}.json"
    what = {"data": subject.about["data_hash"], "optimum": [v.tolist() for v in subject.optimum.values()],
            "setting": list(setting), "versions": versions(setting.tool)}  # fmt: skip
    held = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    if held.get("what") != what:
        started = time.process_time()
        value, error, status = importlib.import_module(MODULES[setting.tool]).estimate(subject, setting, subject.seed)
        found = {"value": None if status else value, "error": None if status else error, "status": status}
        held = {"what": what, **found, "seconds": time.process_time() - started}
        path.parent.mkdir(parents=True, exist_ok=True)
        write(path, json.dumps(held, ensure_ascii=False, indent=1))
    return {
        "problem": subject.name, "family": family(subject), "n": subject.n, "seed": subject.seed, "tool": setting.tool,
        "method": method(setting, subject.n), "gamma": setting.gamma, "step": setting.step,
        "n_beta": n_beta(setting, subject.n), "calls": calls(setting), "gradients": gradients(setting, subject.n),
        **{name: held[name] for name in ("value", "error", "status", "seconds")},
        "targets": targets(setting, subject.name, subject.n),
    }  # fmt: skip


def family(subject: Subject) -> str:
    """Return the family of a data set, told apart where its maximum-likelihood point lies far out.

    Every weight here has a standard normal prior.
    """
    farthest = max(abs(weights).max() for weights in subject.optimum.values())
    return subject.family + (FAR_OUT if farthest > FAR else "")


def submission(runs: pd.DataFrame, tool: str) -> pd.DataFrame:
    """Return the runs of a tool that gave an answer as `singular score` reads them, a row for each target."""
    answered = runs[(runs["tool"] == tool) & (runs["status"] == "")]
    rows = answered.explode("targets").rename(columns={"targets": "target"})
    rows["gamma"] = rows["gamma"].where(rows["target"] == LOCAL)
    return rows.loc[:, [*REQUIRED, *OPTIONAL]]
