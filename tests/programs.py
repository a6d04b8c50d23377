"""The programs under benchmarks/ as modules, for tests of their arithmetic: they are scripts that import each other."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

PROGRAMS = Path(__file__).parent.parent / "benchmarks"


@contextmanager
def imported(names: Sequence[str]) -> Iterator[dict[str, ModuleType]]:
    """Import programs by name, and forget them and what they imported of each other afterwards."""
    before = set(sys.modules)
    sys.path.insert(0, str(PROGRAMS))
    try:
        yield {name: importlib.import_module(name) for name in names}
    finally:
        sys.path.remove(str(PROGRAMS))
        for name in (set(sys.modules) - before) & {path.stem for path in PROGRAMS.glob("*.py")}:
            del sys.modules[name]
