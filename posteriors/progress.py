"""One progress line on a terminal, none in a pipe."""

from __future__ import annotations

import sys
from contextlib import contextmanager


class Silent:
    """Takes the same calls and shows nothing."""

    def stage(self, description: str, total: int) -> None:
        """Begin a stage of ``total`` rounds."""

    def advance(self, rounds: int) -> None:
        """Count ``rounds`` more as done."""


class Line(Silent):
    """A line with stage, bar, rate and time left."""

    def __init__(self, bar) -> None:
        self.bar, self.task = bar, None

    def stage(self, description: str, total: int) -> None:
        if self.task is not None:
            self.bar.remove_task(self.task)
        self.task = self.bar.add_task(description, total=total)

    def advance(self, rounds: int) -> None:
        self.bar.advance(self.task, rounds)


@contextmanager
def progress_line(show: bool):
    """Yield a progress line on standard error if it is a terminal and ``show``, else a silent one."""
    if not show or not sys.stderr.isatty():
        yield Silent()
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, TextColumn, TimeRemainingColumn
    from rich.text import Text

    class Rate(ProgressColumn):
        def render(self, task) -> Text:
            return Text(f"{task.speed or 0:,.0f} rounds/s")

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), Rate(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        yield Line(bar)
