"""Work in several processes side by side, each item's answer as soon as it is there."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from typing import Any

LOOK = 1.0
"""Seconds after which a worker looks whether its parent is there."""
ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")


def side_by_side[Item, Answer](
    function: Callable[..., Answer], items: Sequence[Item], jobs: int, *arguments: Any
) -> Iterator[tuple[Item, Answer]]:
    """Yield (item, function(item, *arguments)) as they are done, ``jobs`` processes at a time; all here if it is 1.

    NumPyro's handlers are one stack per process, so models are spread over processes and not over threads. The items
    are begun in their order. Whatever ends this generator early ends the processes too.

    Parameters
    ----------
    function : callable
        Of a module, so that it can be named in another process.
    items : sequence
        What it is applied to.
    jobs : int
    *arguments
        Handed to every call.
    """
    if jobs <= 1 or len(items) <= 1:
        for item in items:
            yield item, function(item, *arguments)
        return
    for library in ONE_THREAD:  # with a process on each core, threads of BLAS only wait for each other
        os.environ.setdefault(library, "1")
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(min(jobs, len(items)), mp_context=context, initializer=_follow_parent)
    try:
        futures = {pool.submit(function, item, *arguments): item for item in items}
        for future in as_completed(futures):
            yield futures[future], future.result()
    except BaseException:
        for worker in multiprocessing.active_children():
            worker.terminate()  # a file that was being written is whole or not there, whenever its writer dies
        raise
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _follow_parent() -> None:
    """Leave Ctrl-C to the parent, and end when it is gone: a killed one cannot end its workers."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()


def _end_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(LOOK)
    os._exit(1)
