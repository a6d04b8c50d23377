"""A problem as `singular export` writes it, read back as another tool would: data, optimum, and a loss of its own."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from singular import analysis
from singular.analysis.score import family


class Subject(NamedTuple):
    """One exported problem; ``optimum`` by site."""

    name: str
    family: str
    n: int
    seed: int
    x: np.ndarray
    y: np.ndarray
    optimum: dict[str, np.ndarray]
    about: dict[str, Any]


def _chain(w: Mapping[str, Any], x: Any, tanh: Callable) -> Any:
    mean = x.T
    for site in sorted(w):
        mean = w[site] @ mean
    return mean.T


PREDICTIONS: dict[str, Callable[[Mapping[str, Any], Any, Callable], Any]] = {
    "linear regression": lambda w, x, tanh: x @ w["w"],
    "reduced-rank regression": lambda w, x, tanh: x @ (w["B"] @ w["A"]).T,
    "deep linear network": _chain,
    "tanh network": lambda w, x, tanh: tanh(x[:, None] * w["b"]) @ w["a"],
}
"""Family → mean of y; the arrays, and ``tanh``, are those of NumPy, JAX or torch."""


def mean_loss(kind: str, w: Mapping[str, Any], x: Any, y: Any, tanh: Callable) -> Any:
    """Return L(w) = −(1/n) Σ log p(y_i | x_i, w) with unit variance: half the squared error of all outputs, constants
    included."""
    residuals = y - PREDICTIONS[kind](w, x, tanh)
    outputs = 1 if y.ndim == 1 else y.shape[1]
    return 0.5 * (residuals**2).sum() / len(y) + 0.5 * math.log(2 * math.pi) * outputs


def by_site(flat: Any, about: Mapping[str, Any]) -> dict[str, Any]:
    """Return a flat vector by site; every site here is on the real line."""
    parts = {}
    for site in about["sites"]:
        shape = site["unconstrained_shape"]
        parts[site["name"]] = flat[site["offset"] : site["offset"] + math.prod(shape)].reshape(shape)
    return parts


def exported_subject(name: str, n: int, seed: int, folder: Path) -> Subject:
    """Export a problem and read it back; its loss is held against the values written beside it.

    Raises
    ------
    RuntimeError
        If the loss is another one.
    """
    files = analysis.export(name, n, seed, folder)
    about = json.loads(files.description.read_text(encoding="utf-8"))
    with np.load(files.arrays) as file:
        arrays = {key: file[key] for key in file.files}
    subject = Subject(name, family(name), n, seed, arrays["x"], arrays["y"], by_site(arrays["optimum"], about), about)
    for point, nll in zip(arrays["check"], arrays["check_nll"], strict=True):
        loss = mean_loss(subject.family, by_site(point, about), subject.x, subject.y, np.tanh)
        if not math.isclose(n * loss, nll, rel_tol=1e-9):
            raise RuntimeError(f"{name}: loss {n * loss!r} at a point where nL_n is {nll!r}")
    return subject
