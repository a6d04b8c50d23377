"""The tables of a study: by model, by model size, by n; and how numbers are written for people and for programs."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from fractions import Fraction
from typing import TYPE_CHECKING, cast

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from singular.analysis.cases import Outcome

HEADINGS = {
    "half_d": "d/2",
    "learning_coefficient": "λ",
    "multiplicity": "m",
    "lambda_eff_exact": "λ_eff exact",
    "lambda_eff": "λ_eff",
    "wbic": "WBIC",
    "wbic_exact": "WBIC exact",
    "free_energy_exact": "F exact",
    "free_energy": "F",
    "bic": "BIC/2",
    "bic_flags": "BIC flags",
    "data_set": "data",
    "probability": "P(size)",
    "free_energy_half": "F, prior × 0.5",
    "free_energy_double": "F, prior × 2",
    "probability_half": "P(size), prior × 0.5",
    "probability_double": "P(size), prior × 2",
    "waic": "WAIC",
    "loo": "LOO",
    "loo_behind": "LOO behind the best",
    "loo_behind_se_data": "± over data, paired",
    "training_loss": "Tₙ",
    "functional_variance": "Vₙ",
    "singular_fluctuation": "ν",
    "prior_flags": "flags",
    "predictive_flags": "flags",
    "probability_bic": "P(size) by BIC",
    "mcse": "±",
    "rhat": "R̂",
    "swap_acceptance": "swap acceptance",
    "tree_depth": "tree depth",
    "acceptance_rate": "acceptance",
    "beta": "β",
    "ess_bulk": "ESS",
    "ess_tail": "tail ESS",
    "discretisation_error": "discretisation",
}
"""Column name in CSV and JSON -> heading for people. ``…_mcse`` is shown as ±, ``…_se_data`` as ± over data."""


def catalogue_table(outcomes: Sequence[Outcome]) -> pd.DataFrame:
    """Return one row for each made problem: what is exact, what the ladder gave, what BIC says.

    ``lambda_eff`` is β² Var_β(nL_n) at β = 1/log n by MBAR, ``free_energy`` is F_n(1) by MBAR, ``bic`` is
    nL_n(ŵ) + d/2 log n on the same scale; all but ``lambda_eff`` in nats. ``bic_flags`` tells where the last is
    no such number, as where the likelihood has no maximum.
    """
    rows = [
        {
            "model": o.job.name,
            "n": o.n,
            "d": o.dim,
            "half_d": o.dim / 2,
            "learning_coefficient": math.nan if o.learning_coefficient is None else o.learning_coefficient,
            "multiplicity": o.multiplicity,
            "lambda_eff_exact": o.lambda_eff["exact"],
            "lambda_eff": o.lambda_eff["value"],
            "lambda_eff_mcse": o.lambda_eff["mcse"],
            "wbic_exact": o.wbic["exact"],
            "wbic": o.wbic["value"],
            "wbic_mcse": o.wbic["mcse"],
            "free_energy_exact": o.free_energy["exact"],
            "free_energy": o.free_energy["value"],
            "free_energy_mcse": o.free_energy["mcse"],
            "bic": o.bic,
            "bic_flags": o.bic_flags,
            "flags": o.flags,
        }
        for o in outcomes
    ]
    return pd.DataFrame(rows)


def probabilities(free_energy: np.ndarray, mcse: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return model probabilities exp(−F)/Σ exp(−F) and their standard errors from independent errors of F.

    Examples
    --------
    >>> share, error = probabilities(np.array([1.0, 1.0]), np.array([0.1, 0.1]))
    >>> share.tolist(), error.round(4).tolist()
    ([0.5, 0.5], [0.0354, 0.0354])
    """
    share = np.exp(-(free_energy - free_energy.min()))
    share /= share.sum()
    gradient = np.outer(share, share) - np.diag(share)
    return share, np.sqrt((gradient**2 * mcse**2).sum(axis=1))


def growth_table(outcomes: Sequence[Outcome], exact: pd.DataFrame) -> pd.DataFrame:
    """Return the share of each phase by n: sampled with its error where it was, exact at every size asked for."""
    sampled = [o.phases[["phase", "value", "mcse"]].assign(n=o.n) for o in outcomes]
    columns = ["n", "phase", "value", "mcse"]
    seen = pd.concat(sampled, ignore_index=True)[columns] if sampled else pd.DataFrame(columns=columns)
    table = exact.merge(seen, on=["n", "phase"], how="outer", sort=False)
    order = {phase: i for i, phase in enumerate(dict.fromkeys(exact["phase"]))}
    table = table.sort_values(["n", "phase"], key=lambda c: c.map(order) if c.name == "phase" else c)
    return table.reindex(columns=["n", "phase", "value", "mcse", "exact"]).reset_index(drop=True)


def headline(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the rows that are no curve over β, with the columns people read."""
    keep = ~rows["quantity"].isin(["mean_nll", "effective_learning_coefficient"])
    columns = ["quantity", "method", "beta", "value", "mcse", "discretisation_error", "exact", "flags"]
    return rows.loc[keep, columns].reset_index(drop=True)


def readable(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the frame as strings for people: each number to the digits its error leaves, ± columns named so.

    A column ``bic_flags`` without any flag is left out.

    Examples
    --------
    >>> readable(pd.DataFrame({"wbic": [703.12345], "wbic_mcse": [0.0123]})).to_dict("records")
    [{'WBIC': '703.123', '±': '0.012'}]
    """
    if "bic_flags" in frame and not any(frame["bic_flags"]):
        frame = frame.drop(columns="bic_flags")
    columns, names = [], []
    for name in frame.columns:
        error = next((frame[e] for e in (f"{name}_mcse", f"{name.removesuffix('_exact')}_mcse") if e in frame), None)
        if error is None and name in ("value", "exact") and "mcse" in frame:
            error = frame["mcse"]
        name = str(name)
        own = name == "mcse" or name.endswith("_mcse")
        error = frame[name] if own or name.endswith("se_data") else error
        errors = [math.nan] * len(frame) if error is None else error
        columns.append([_cell(name, value, e) for value, e in zip(frame[name], errors, strict=True)])
        names.append("±" if own else HEADINGS.get(name, "± over data" if name.endswith("se_data") else name))
    out = pd.DataFrame(dict(enumerate(columns)), dtype=object)
    out.columns = names
    return out


def narrow(shown: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """Put what `readable` returned into fewer columns: each ± beside its number, flags into notes below.

    Examples
    --------
    >>> table, notes = narrow(pd.DataFrame([["a", "1.2", "0.1", "odd"]], columns=["model", "F", "±", "flags"]))
    >>> table.to_dict("records"), notes
    ([{'model': 'a *', 'F': '1.2 ± 0.1'}], ['* a: odd'])
    """
    columns: dict[str, list[str]] = {}
    marked = [[] for _ in range(len(shown))]
    last = ""
    for place, name in enumerate(map(str, shown.columns)):
        cells = [str(cell) for cell in shown.iloc[:, place]]
        if name == "±":
            columns[last] = [f"{v} ± {e}" if v and e else v for v, e in zip(columns[last], cells, strict=True)]
        elif name.endswith("flags"):
            about = name.removesuffix("flags").strip()
            for flags, cell in zip(marked, cells, strict=True):
                flags += [f"{about}: {part}" if about else part for part in cell.split("; ") if part]
        else:
            columns[name] = cells
            last = name
    out = pd.DataFrame(columns, dtype=object)
    keys = [name for name in ("model", "data", "problem", "size") if name in out] or list(out.columns[:1])
    names = ["-".join(row) for row in out[keys].astype(str).to_numpy()]
    for place, flags in enumerate(marked):
        if flags:
            out.loc[place, keys[-1]] = f"{out.loc[place, keys[-1]]} *"
    return out, _notes(names, marked)


def _notes(names: Sequence[str], marked: Sequence[Sequence[str]]) -> list[str]:
    """Tell each flag once, with the rows that carry it; flags of the same rows share a line."""
    carriers: dict[str, dict[str, None]] = {}
    for name, flags in zip(names, marked, strict=True):
        for flag in flags:
            carriers.setdefault(flag, {})[name] = None
    lines: dict[tuple[str, ...], list[str]] = {}
    for flag, rows in carriers.items():
        lines.setdefault(tuple(rows), []).append(flag)
    every = tuple(dict.fromkeys(names))
    return [
        f"* {'all' if rows == every and len(rows) > 1 else ', '.join(rows)}: {'; '.join(flags)}"
        for rows, flags in lines.items()
    ]


def as_json(frame: pd.DataFrame) -> str:
    """Return the rows as a JSON array of objects; NaN and None are null, fractions are numbers."""
    rows = [{str(k): _plain(v) for k, v in row.items()} for row in frame.to_dict("records")]
    return json.dumps(rows, ensure_ascii=False, indent=1, allow_nan=False)


def digits(error: float) -> int:
    """Return how many decimals show two figures of an error.

    Examples
    --------
    >>> digits(0.0123), digits(4.2), digits(float("nan"))
    (3, 1, 3)
    """
    if not math.isfinite(error) or error <= 0:
        return 3
    return int(min(8, max(0, 1 - math.floor(math.log10(error)))))


def _cell(name: str, value: object, error: float) -> str:
    if value is None or (isinstance(value, float | np.floating) and math.isnan(value)):
        return ""
    if isinstance(value, Fraction) or name == "learning_coefficient":
        return str(Fraction(cast("Fraction | float", value)).limit_denominator(1000))
    if isinstance(value, str | bool | np.bool_):
        return str(value)
    if isinstance(value, int | np.integer) or name in (
        "n",
        "seed",
        "d",
        "multiplicity",
        "size",
        "ess_bulk",
        "ess_tail",
        "rungs",
        "diverging",
    ):
        return f"{cast(float, value):.0f}"
    number = float(cast(float, value))
    if name == "beta":
        return f"{number:.4g}"
    if name in ("half_d", "z"):
        return f"{number:.1f}"
    if name.startswith("probability"):
        return f"{number:.{min(4, digits(error))}f}" if number >= 0.0005 or number == 0 else "< 0.0005"
    if name == "bic":
        return f"{number:.2f}"
    return f"{number:.{digits(error)}f}"


def _plain(value: object) -> object:
    if isinstance(value, Fraction):
        return float(value)
    if isinstance(value, np.generic):
        value = value.item()
    if value is pd.NA or (isinstance(value, float) and not math.isfinite(value)):
        return None
    return value
