"""What the rows of the study of early stopping say: numbers of its page, and the verdicts that follow from them."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd

from singular.analysis.studies.early_stopping_exact import (
    EXPONENT,
    GIBBS_VOLUME,
    LARGEST,
    LEARNED,
    PUSHED,
    TEMPERED,
    VOLUME,
)
from singular.analysis.studies.early_stopping_risk import (
    BEST,
    BEST_LOSS,
    BEST_PARAMETERS,
    DESCENT,
    EDGE,
    LINEAR,
    NETWORKS,
    PARAMETERS,
)

SIGMAS = 2.0
"""Errors beyond which a number is said to differ."""
FEW = 0.2
"""Share of the parameters at the last time below which few are said to be there at the first."""
ALIKE = 1.1
"""Factor within which the exponents of time, or the two log volumes, are said to be the same."""


@dataclass(frozen=True)
class Verdict:
    """What the table says of each part of the claim.

    Attributes
    ----------
    opposite : bool
        Learned directions grow with N while the pushed-forward coefficient falls.
    largest : float
        Most that gradient flow has learnt of a direction, over ridge.
    bounded : bool
        What flow has learnt is never less than ridge, and the sums of the quadratic keep to the bound of one step.
    first : float
        Largest share that the effective parameters at the first time, of either learner of a network, are of those at
        the last.
    outside, points : int
        Points of the networks outside of the bounds of quadratics by more than `SIGMAS` errors, of how many.
    products : name -> (mean, error)
        ηN* T*.
    powers : name -> exponent
        Of time, at the last time, on singular losses.
    nearer : name -> (gap by parameters, gap by times)
        |log| of stopped over tempered, each at its own best, by effective parameters and by ηN T.
    volumes : (descent, tempered posterior)
        Log volumes of the two laws, nats.
    """

    opposite: bool
    largest: float
    bounded: bool
    first: float
    outside: int
    points: int
    products: dict[str, tuple[float, float]]
    powers: dict[str, float]
    nearer: dict[str, tuple[float, float]]
    volumes: tuple[float, float]

    @property
    def few(self) -> bool:
        """Whether both learners of the networks begin with few parameters."""
        return self.first < FEW

    @property
    def apart(self) -> list[str]:
        """Models whose ηN* T* is not 1."""
        return [name for name, (mean, error) in self.products.items() if not abs(mean - 1) <= SIGMAS * error]

    @property
    def earlier(self) -> list[str]:
        """Models whose best stop is earlier than the best temperature says."""
        return [name for name, (mean, error) in self.products.items() if mean + SIGMAS * error < 1]

    @property
    def closer(self) -> list[str]:
        """Models on which the two optima are nearer by their parameters than by their times."""
        return [name for name, (parameters, times) in self.nearer.items() if parameters < times]

    @property
    def other_powers(self) -> list[str]:
        """Singular losses on which the power of time is not that of Gibbs, 1."""
        return [name for name, power in self.powers.items() if not 1 / ALIKE < power < ALIKE]

    @property
    def other_volumes(self) -> bool:
        """Whether the two laws differ in their log volume."""
        descent, gibbs = self.volumes
        return not 1 / ALIKE < descent / gibbs < ALIKE


def verdict(table: pd.DataFrame, compared: tuple[float, ...], some: float) -> Verdict:
    """Return what the table says, the counts compared at some ηN = 1/T, the volumes at ``some`` or the next above."""
    own = table[(table["part"] == "quadratic") & (table["kind"] == "exact")]
    wide = own.pivot_table(index="time", columns="quantity", values="value")
    ridge = table[table["quantity"] == LARGEST].set_index("problem")["value"]
    ratio = wide[LEARNED] / wide[TEMPERED]
    learned, pushed = wide[LEARNED].to_numpy(), wide[PUSHED].to_numpy()
    ratios = [r for name in NETWORKS for at in compared if (r := _ratio(table, name, at)) is not None]
    flow = table[(table["part"] == "flow") & (table["kind"] == "exact") & (table["quantity"] == EXPONENT)]
    last = flow.sort_values(by="time").groupby("problem")["value"].last()
    at = float(wide.index[wide.index >= some - 1e-9].min())
    return Verdict(
        opposite=bool(learned[-1] > learned[0] and pushed[-1] < pushed[0]),
        largest=float(ridge["flow"]),
        bounded=bool(ridge["flow"] >= 1 and ratio.min() >= 1 - 1e-9 and ratio.max() <= ridge.max() + 1e-9),
        first=max(_at_first(table, name, descent) for name in NETWORKS for descent in (True, False)),
        outside=sum(not 1 - SIGMAS * e <= value <= ridge["flow"] + SIGMAS * e for value, e in ratios),
        points=len(ratios),
        products={name: product(pairs(table, name)) for name in problems()},
        powers={str(name): float(value) for name, value in last.items()},
        nearer={name: _gaps(table, name) for name in problems()},
        volumes=(float(wide.at[at, VOLUME]), float(wide.at[at, GIBBS_VOLUME])),
    )


def problems() -> list[str]:
    """Return the models whose test loss was followed."""
    return [f"linear-{LINEAR[0]}", *NETWORKS]


def pairs(table: pd.DataFrame, problem: str, quantity: str = BEST) -> pd.DataFrame:
    """Return the best ηN and the best 1/T of each data set: columns ``stop``, ``heat``, errors, losses, ``inside``."""
    own = table[table["problem"] == problem]

    def column(kind: str, name: str, field: str) -> pd.Series:
        rows = own[(own["kind"] == kind) & (own["quantity"] == name)]
        return pd.Series(rows[field].to_numpy(), index=rows["seed"].to_numpy())

    tempered = "tempered posterior"
    frame = pd.DataFrame(
        {
            "stop": column(DESCENT, quantity, "value"),
            "heat": column(tempered, quantity, "value"),
            "stop_error": column(DESCENT, quantity, "mcse"),
            "heat_error": column(tempered, quantity, "mcse"),
            "stop_loss": column(DESCENT, BEST_LOSS, "value"),
            "heat_loss": column(tempered, BEST_LOSS, "value"),
        }
    )
    return frame.assign(
        inside=(column(DESCENT, quantity, "flags") != EDGE) & (column(tempered, quantity, "flags") != EDGE)
    )


def product(frame: pd.DataFrame) -> tuple[float, float]:
    """Return the geometric mean of ηN* T* over the data sets with both inside, and its standard error over them."""
    logs = np.log(frame["stop"] / frame["heat"])[frame["inside"]]
    if len(logs) < 2:
        return math.nan, math.nan
    mean = math.exp(float(logs.mean()))
    return mean, mean * float(logs.std(ddof=1) / math.sqrt(len(logs)))


def parameters_at(table: pd.DataFrame, problem: str, time: float) -> tuple[float, float, float, float]:
    """Return the effective parameters of descent and of the tempered posterior at one ηN = 1/T, with their errors.

    Of the first data set, linear in log time between the points.
    """
    found = []
    for descent in (True, False):
        rows = _parameters(table, problem, descent)
        where = np.log(rows["time"].to_numpy())
        inside = where[0] - 1e-9 <= math.log(time) <= where[-1] + 1e-9
        found += [float(np.interp(math.log(time), where, rows[f])) if inside else math.nan for f in ("value", "mcse")]
    return found[0], found[1], found[2], found[3]


def best_parameters(table: pd.DataFrame) -> pd.Series:
    """Return the effective parameters of linear regression, stopped over tempered, each at its best time, by seed."""
    own = table[table["quantity"] == BEST_PARAMETERS]
    stop, heat = (own[(own["kind"] == DESCENT) == d].set_index("seed")["value"] for d in (True, False))
    return pd.Series(stop / heat)


def _parameters(table: pd.DataFrame, problem: str, descent: bool) -> pd.DataFrame:
    own = table[(table["problem"] == problem) & (table["quantity"] == PARAMETERS)]
    own = own[(own["seed"] == own["seed"].min()) & ((own["kind"] == DESCENT) == descent)]
    return own.sort_values(by="time")


def _at_first(table: pd.DataFrame, problem: str, descent: bool) -> float:
    values = _parameters(table, problem, descent)["value"].to_numpy()
    return float(values[0] / values[-1])


def _ratio(table: pd.DataFrame, problem: str, time: float) -> tuple[float, float] | None:
    stopped, stopped_error, warm, warm_error = parameters_at(table, problem, time)
    if math.isnan(stopped) or math.isnan(warm):
        return None
    ratio = stopped / warm
    return ratio, ratio * math.hypot(stopped_error / stopped, warm_error / warm)


def _gaps(table: pd.DataFrame, problem: str) -> tuple[float, float]:
    """Return |log| of stopped over tempered by parameters and by ηN T: the mean over data sets, or the first one."""
    frame = pairs(table, problem)
    if problem not in NETWORKS:
        return abs(float(np.log(best_parameters(table)).mean())), abs(math.log(product(frame)[0]))
    first = frame.iloc[0]
    stopped = parameters_at(table, problem, float(first["stop"]))[0]
    warm = parameters_at(table, problem, float(first["heat"]))[2]
    return abs(math.log(stopped / warm)), abs(math.log(first["stop"] / first["heat"]))
