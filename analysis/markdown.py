"""A data frame as a Markdown table."""

from __future__ import annotations

import pandas as pd


def markdown(frame: pd.DataFrame) -> str:
    """Return a frame as a Markdown table, its floats to three figures and its missing values empty.

    Examples
    --------
    >>> print(markdown(pd.DataFrame({"model": ["tanh-2"], "λ": [2 / 3]})))
    | model | λ |
    |---|---|
    | tanh-2 | 0.667 |
    """

    def cell(value: object) -> str:
        if isinstance(value, float):
            return "" if pd.isna(value) else f"{value:.3g}"
        return "" if value is None else str(value).replace("|", "\\|")

    lines = ["| " + " | ".join(map(str, frame.columns)) + " |", "|" + "---|" * frame.shape[1]]
    lines += ["| " + " | ".join(map(cell, row)) + " |" for row in frame.itertuples(index=False)]
    return "\n".join(lines)
