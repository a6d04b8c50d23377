"""docs/catalogue/CHECKS.md: the measurements of `validate_catalogue.py` as a page."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pandas as pd

from singular import __version__

EXPLAINED: dict[tuple[str, str], str] = {
    ("tanh-3", "quadrature"): "the poles at 5/6, 9/10, 1, 15/14, … lie too close for a sum of a few to foretell the "
    "curve: the best misses the unseen decades by as many stated errors as its misfit says, and the range does "
    "not hold what more poles would make of it. The charts decide.",
}
"""(model, route) -> why a measurement does not agree, or leaves m open: written by a person who looked."""


def verdict(rows: pd.DataFrame) -> str:
    """Return the verdict on one model from the rows of its routes."""
    said = list(rows.verdict)
    claim = rows.iloc[0]
    if "agrees" in said:
        return "agrees"
    if "agrees, m open" in said:
        return "λ agrees, m rests on its source"
    if "disagrees" in said:
        return "disagrees"
    return "rests on its source" if claim.claim == "λ" else "bound rests on its argument"


def page(table: pd.DataFrame, identities: pd.DataFrame, silent: Sequence[str]) -> str:
    """Return the page.

    Parameters
    ----------
    table : DataFrame
        One row for each model and route.
    identities : DataFrame
        What `catalogue_identities.run` returns.
    silent : sequence of str
        Members of which no λ is claimed.
    """
    members, beyond = table[table.member], table[~table.member]
    verdicts = members.groupby("name", sort=False).apply(verdict)
    counts = verdicts.value_counts()
    exact = members[members.claim == "λ"].name.nunique()
    failures = int(identities.failures.sum())
    return f"""# How λ and m were checked

Made by `make validate-catalogue` with singular {__version__}. {exact} members claim an exact λ and m,
{members.name.nunique() - exact} an upper bound. Each claim is measured without the formula it came from:
{"; ".join(f"**{name}**: {count}" for name, count in counts.items())}.

**Quadrature.** log Z(t) = log ∫ φ(w) exp(−t K(w)) dw from t = 10, exact to the stated error of its rule. Fits of
−λ L + log(polynomial of degree m − 1 in L + further poles), L = log t, are made for m = 1 to 5 with the same number of
terms each; a fit is made without the last three decades and scored on the whole curve, in units of the stated
error of log Z. A score near 1 is as good as the data; m is the least whose score is within a factor of 3 of the best.
The error of λ is a range: what other windows, numbers of poles and open m that score about as well make of it, and what
the stated errors of log Z can do. A measurement agrees if λ lies in that range and m is the same. m is *open* if a
larger m scores as well with a logarithm that has more than 1 % of Z.

**Charts.** For smooth networks of one hidden layer with truth 0, K is of the order of a sum of squared moments, and
Z(t) of an integral over the inner weights whose integrand is a power of t in each of finitely many charts. λ is the
least of linear programs, m − 1 the dimension of the face on which it is least: no fit, and no error but that of the
solver.

**Splitting.** The prior volume of {{K < ε}} by multilevel splitting, eight independent replicates. Fitted is
log V = λ log ε + (m − 1) log(−log ε + b) + c and further poles; λ is averaged over every m, b and kind of further
poles, each with its probability. The error of λ is one standard deviation, from the replicates and from the spread over
the fits; where the curve fits badly more of its large ε is left out. λ agrees within three. m is the likeliest, and
*open* if the odds against another are less than e^(9/2); compared is twice the log of the odds. A next pole nearer than
1/16 is not allowed for.

z = (measured − claimed)/error. A bound agrees if the measured λ is not above it.

## Members

{_rows(members, verdicts)}
{_explained(members)}
{_silent(silent)}
## Formulas beyond the members

Exact coefficients by formula, for models that are not in the catalogue but whose integral is cheap.

{_rows(beyond, beyond.groupby("name", sort=False).apply(verdict)) if len(beyond) else "Left out of this run."}

## Reductions and invariances

Exact comparisons of fractions (those of the charts rounded to one): {int(identities.cases.sum())} cases,
{failures} failures.

{_markdown(identities.rename(columns={"first": "first failure"}))}
"""


def _rows(table: pd.DataFrame, verdicts: pd.Series) -> str:
    out = []
    for row in table.itertuples():
        measured = isinstance(row.value, float) and not math.isnan(row.value)
        out.append(
            {
                "model": row.name,
                "d": row.d,
                "λ": f"{'≤ ' if row.claim == 'λ ≤' else ''}{row.claimed}",
                "m": "" if pd.isna(row.claimed_m) else f"{row.claimed_m:.0f}",
                "measured λ": _with_error(row.value, row.error) if measured else "",
                "z": f"{row.z:.2f}" if measured else "",
                "measured m": f"{row.m:.0f}" if measured else "",
                "misfit of each m": _comparison(row) if measured else "",
                "decades": f"{row.decades:.1f}",
                "route": row.route,
                "s": f"{row.seconds:.0f}",
                "this route": row.verdict + (f" ({row.note})" if row.note else ""),
                "verdict": verdicts[row.name],
            }
        )
    return _markdown(pd.DataFrame(out))


def _with_error(value: float, error: float) -> str:
    """Return value ± error to two figures of the error."""
    places = min(10, max(3, 1 - math.floor(math.log10(error)))) if error > 0 else 6
    return f"{value:.{places}f} ± {error:.1g}"


def _comparison(row) -> str:
    """Return the scores (or twice the log of the odds) of m − 1, m and m + 1 about the measured m."""
    near = {int(m): s for m, s in row.scores.items() if abs(int(m) - row.m) <= 1}
    return ", ".join(f"{m}: {score:.3g}" for m, score in sorted(near.items()))


def _explained(members: pd.DataFrame) -> str:
    said = [
        f"- **{row.name}**, {row.route} ({row.verdict}): "
        + EXPLAINED.get((row.name, row.route), "not explained: the claim is open until it is.")
        for row in members.itertuples()
        if row.verdict == "disagrees" or (row.name, row.route) in EXPLAINED
    ]
    return "\n### What does not agree, and why\n\n" + "\n".join(said) + "\n" if said else ""


def _silent(names: Sequence[str]) -> str:
    return f"Nothing is claimed of λ for {', '.join(f'`{name}`' for name in names)}.\n" if names else ""


def _markdown(frame: pd.DataFrame) -> str:
    lines = ["| " + " | ".join(frame.columns) + " |", "|" + "---|" * frame.shape[1]]
    lines += [
        "| " + " | ".join(str(v).replace("|", "\\|") for v in row) + " |" for row in frame.itertuples(index=False)
    ]
    return "\n".join(lines)
