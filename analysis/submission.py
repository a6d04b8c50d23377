"""A submission: estimates of exact targets made elsewhere, read from CSV or JSON and checked row by row."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from singular.analysis.targets import LEAST_N, checked_target
from singular.errors import InputError, StoreError, unknown_name
from singular.models import catalogue, real

REQUIRED = ("problem", "n", "seed", "target", "value", "error")
OPTIONAL = ("method", "gradients", "gamma")
COLUMNS = (*REQUIRED, *OPTIONAL, "source")
KEY = ("problem", "n", "seed", "target", "gamma", "method")
"""What may stand in one row only."""
MOST_N, MOST_SEED = 10_000_000, 2**32 - 1
OURS = "singular"
"""The method of our own estimates: no submission may use the name."""


def read_submissions(paths: Sequence[Path | str]) -> pd.DataFrame:
    """Read and check the rows of one or several files.

    Parameters
    ----------
    paths : sequence of path
        CSV files with a header, or JSON files with a list of objects (by the suffix ``.json``). Columns ``problem, n,
        seed, target, value, error`` are needed, ``method, gradients, gamma`` allowed. ``error``, one standard error,
        may be empty or null: then nothing is said of coverage. ``method`` is the file's name without its suffix if it
        is empty. ``gradients``, gradients of the whole loss that the estimate took, may be a fraction: a minibatch of
        B of n observations is B/n. ``gamma`` belongs to ``local_learning_coefficient``.

    Returns
    -------
    DataFrame
        Columns `COLUMNS`; ``source`` says where a row stood. Missing numbers are NaN.

    Raises
    ------
    StoreError
        If a file cannot be read, or is neither CSV nor JSON.
    InputError
        Naming file, row, what stands there and what is allowed: columns missing or unknown, no rows, an unknown
        problem or target, n or seed not whole or not those of the real data, a value that is not finite, an
        error or a count below 0, γ missing or out of place, the same number twice.
    """
    if not paths:
        raise InputError("files=[]: at least one file of estimates is needed")
    rows = [_checked(where, raw, Path(path).stem) for path in paths for where, raw in _raw_rows(Path(path))]
    seen: dict[tuple[Any, ...], str] = {}
    for row in rows:
        key = tuple(row[name] for name in KEY)
        if key in seen:
            told = ", ".join(f"{name}={row[name]}" for name in KEY if row[name] is not None)
            raise InputError(f"{row['source']}: {told} stands in {seen[key]} already; allowed is one row for each")
        seen[key] = row["source"]
    frame = pd.DataFrame(rows, columns=list(COLUMNS))
    return frame.astype({"n": int, "seed": int, "value": float, "error": float, "gradients": float, "gamma": float})


def _raw_rows(path: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield where each row stands and what its cells hold, empty ones None."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise StoreError(f"{path}: is no text; allowed are CSV and JSON") from None
    except OSError as error:
        raise StoreError(f"{path}: cannot be read ({error.strerror or error})") from None
    if not text.strip():
        raise InputError(f"{path}: is empty; needed are the columns {', '.join(REQUIRED)}")
    rows = list(_from_json(path, text) if path.suffix.lower() == ".json" else _from_csv(path, text))
    if not rows:
        raise InputError(f"{path}: has no rows")
    for where, raw in rows:
        for column in raw:
            if column not in COLUMNS[:-1]:
                raise unknown_name(f"{where}: column", column, COLUMNS[:-1])
        missing = [name for name in REQUIRED if name not in raw]
        if missing:
            raise InputError(f"{where}: lacks {', '.join(missing)}; needed are {', '.join(REQUIRED)}")
        yield where, {k: None if isinstance(v, str) and not v.strip() else v for k, v in raw.items()}


def _from_csv(path: Path, text: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    reader = csv.DictReader(io.StringIO(text, newline=""), skipinitialspace=True, strict=True)
    header = [name.strip() for name in reader.fieldnames or ()]
    twice = [name for name in header if header.count(name) > 1]
    if twice:
        raise InputError(f"{path}: column {twice[0]!r} stands there twice")
    missing = [name for name in REQUIRED if name not in header]
    if missing:
        raise InputError(f"{path}: lacks the columns {', '.join(missing)}; needed are {', '.join(REQUIRED)}")
    reader.fieldnames = header
    try:
        for raw in reader:
            where = f"{path}, line {reader.line_num}"
            if None in raw or None in raw.values():
                raise InputError(f"{where}: does not have the {len(header)} cells of the header")
            yield where, raw
    except csv.Error as error:
        raise StoreError(f"{path}, line {reader.line_num}: is no CSV ({error})") from None


def _from_json(path: Path, text: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    try:
        rows = json.loads(text)
    except ValueError as error:
        raise StoreError(f"{path}: is no JSON ({error})") from None
    if not isinstance(rows, list):
        raise InputError(
            f"{path}: holds one {type(rows).__name__}; allowed is a list of objects, one for each estimate"
        )
    for number, raw in enumerate(rows, 1):
        if not isinstance(raw, dict):
            raise InputError(f"{path}, row {number}: is {raw!r}; allowed is an object with {', '.join(REQUIRED)}")
        yield f"{path}, row {number}", raw


def _checked(where: str, raw: Mapping[str, Any], file: str) -> dict[str, Any]:
    name, target = (_text(where, key, raw[key]) for key in ("problem", "target"))
    if name not in catalogue.MODELS and name not in real.NAMES:
        raise unknown_name(f"{where}: problem", name, [*catalogue.MODELS, *real.NAMES])
    method = file if raw.get("method") is None else _text(where, "method", raw["method"])
    if method == OURS:
        raise InputError(f"{where}: method={OURS!r} is the name of our own estimates; allowed is any other")
    n, seed = _whole(where, "n", raw["n"], LEAST_N, MOST_N), _whole(where, "seed", raw["seed"], 0, MOST_SEED)
    if name in real.NAMES:
        size = real.DATA_SETS[name.rsplit("-", 1)[0]].n
        if (n, seed) != (size, 0):
            raise InputError(f"{where}: n={n}, seed={seed}: allowed for the real data of {name!r} is n={size}, seed=0")
    gamma = _number(where, "gamma", raw.get("gamma"))
    try:
        checked_target(target, gamma)
    except InputError as error:
        raise InputError(f"{where}: {error}") from None
    value = _number(where, "value", raw["value"])
    if value is None:
        raise InputError(f"{where}: value is empty; allowed is a finite number")
    return {
        "problem": name,
        "n": n,
        "seed": seed,
        "target": target,
        "value": value,
        "error": _number(where, "error", raw["error"], least=0.0),
        "method": method,
        "gradients": _number(where, "gradients", raw.get("gradients"), least=0.0),
        "gamma": gamma,
        "source": where,
    }


def _text(where: str, name: str, value: Any) -> str:
    if not isinstance(value, str):
        raise InputError(f"{where}: {name}={value!r}; allowed is a name")
    return value.strip()


def _number(where: str, name: str, value: Any, least: float | None = None) -> float | None:
    """Return a finite number, or None for an empty cell."""
    if value is None:
        return None
    try:
        number = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if not math.isfinite(number) or (least is not None and number < least):
        allowed = "a finite number" if least is None else f"a finite number of at least {least:g}, or nothing"
        raise InputError(f"{where}: {name}={value!r}; allowed is {allowed}")
    return number


def _whole(where: str, name: str, value: Any, least: int, most: int) -> int:
    number = _number(where, name, value)
    if number is None or number != int(number) or not least <= number <= most:
        raise InputError(f"{where}: {name}={value!r}; allowed is a whole number from {least} to {most}")
    return int(number)
