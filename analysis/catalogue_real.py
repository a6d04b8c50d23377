"""The real data of the catalogue told in full: what was measured, the models put to it, source and licence."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from singular.analysis.catalogue_pages import escape, markdown_table
from singular.errors import unknown_name
from singular.models import catalogue
from singular.models.real import DATA_SETS, NAMES, DataSet

INTRODUCTION = (
    "Each is here because the choice of a model's size is a known problem on it. No λ is exact here, as the truth is "
    "unknown. `singular sample NAME-SIZE` samples one size, and gives its free energy and WBIC; `models.real` has the "
    "data and what is told here."
)


def describe(name: str) -> dict[str, Any]:
    """Return what is known of a data set (``galaxies``) or of one of its problems (``galaxies-3``), as JSON values.

    Raises
    ------
    InputError
        If there is none of that name, nor a made model, with the nearest one.

    Examples
    --------
    >>> known = describe("galaxies-3")
    >>> known["n"], known["size"], known["d"]
    (82, 3, 8)
    """
    data_set, size = find(name)
    known = {
        "name": name,
        "family": f"{data_set.family}, real data",
        "title": data_set.title,
        "data": data_set.data,
        "n": data_set.n,
        "model": data_set.likelihood,
        "prior": data_set.prior,
        "argument": data_set.argument,
        "size_counts": data_set.counts,
        "sizes": list(data_set.sizes),
        "unbounded_from": data_set.unbounded_from,
        "note": data_set.note,
        "source": data_set.source,
        "licence": data_set.licence,
        "references": list(data_set.references),
    }
    return known if size is None else {**known, "size": size, "d": data_set.dim(size)}


def find(name: str) -> tuple[DataSet, int | None]:
    """Return the data set of this name; of a problem's name also its size.

    Raises
    ------
    InputError
        As `describe`.
    """
    if name in DATA_SETS:
        return DATA_SETS[name], None
    if name not in NAMES:
        raise unknown_name("model", name, [*catalogue.MODELS, *DATA_SETS, *NAMES])
    data_set, size = name.rsplit("-", 1)
    return DATA_SETS[data_set], int(size)


def facts(name: str) -> dict[str, str]:
    """Return what is known of a data set or of one of its problems, heading -> plain text, in the order of reading."""
    data_set, size = find(name)
    largest = data_set.sizes[-1] if size is None else size
    rows = {
        "data": f"{data_set.title}: {data_set.data}",
        "observations": f"n = {data_set.n}",
        "model": data_set.likelihood,
        "prior": data_set.prior,
        "size": data_set.counts if size is None else f"{size}: {data_set.counts}",
        "parameters": sizes(data_set) if size is None else f"d = {data_set.dim(size)}",
        "likelihood": _unbounded(data_set, size),
        "source": data_set.source,
        "licence": data_set.licence,
        "references": "; ".join(reference.rstrip(".") for reference in data_set.references),
        "made by": f"models.real.{data_set.name}({data_set.argument}={largest})",
        "sampled by": f"singular sample {data_set.name}-{largest}",
    }
    return {heading: text for heading, text in rows.items() if text}


def sizes(data_set: DataSet) -> str:
    """Return d for each size, in a line."""
    return ", ".join(f"d = {data_set.dim(size)} at {size}" for size in data_set.sizes)


def page() -> str:
    """Return the page of all real data in Markdown, a table and a section for each set."""
    rows = [
        (
            f"[{d.name}](#{d.name})",
            escape(d.title),
            str(d.n),
            f"{escape(d.family)}, {d.argument} {d.sizes[0]} to {d.sizes[-1]}",
            f"{d.dim(d.sizes[0])} to {d.dim(d.sizes[-1])}",
        )
        for d in DATA_SETS.values()
    ]
    parts = [
        "# Real data",
        INTRODUCTION,
        markdown_table(("name", "data", "n", "models", "d"), rows),
        *(_section(data_set) for data_set in DATA_SETS.values()),
        "[All models](README.md)",
    ]
    return "\n\n".join(parts) + "\n"


def _section(data_set: DataSet) -> str:
    dims = [
        (f"`{name}`", str(data_set.dim(size)), str(Fraction(data_set.dim(size), 2)))
        for name, size in zip(data_set.names, data_set.sizes, strict=True)
    ]
    known = facts(data_set.name)
    listed = ("size", "likelihood", "source", "licence", "references")
    return "\n\n".join(
        [
            f"## {data_set.name}",
            f"{escape(known['data']).rstrip('.')}. n = {data_set.n}.",
            f"```text\nmodel  {data_set.likelihood}\nprior  {data_set.prior}\n```",
            escape(data_set.note),
            markdown_table(("problem", "d", "d/2"), dims),
            "\n".join(f"- {heading.capitalize()}: {escape(known[heading])}" for heading in listed if heading in known),
        ]
    )


def _unbounded(data_set: DataSet, size: int | None) -> str:
    least = data_set.unbounded_from
    if least is None or (size is not None and size < least):
        return ""
    return f"without a maximum from {data_set.argument} = {least} on" if size is None else "without a maximum"
