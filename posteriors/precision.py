"""64-bit arithmetic in a scope, and XLA's compilation cache on disk: neither is touched by importing."""

from __future__ import annotations

import os
from pathlib import Path

import jax

CACHE_VARIABLE = "SINGULAR_CACHE_DIR"


def x64():
    """Return a context manager in which JAX computes in 64 bit, in this thread alone.

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> with x64():
    ...     str(jnp.zeros(1).dtype)
    'float64'
    """
    return jax.enable_x64(True)


def keep_compiled_programs() -> None:
    """Keep compiled programs on disk, so that a new process need not compile them again.

    Called by the samplers, never by an import. The folder is ``$SINGULAR_CACHE_DIR``, else ``singular/xla``
    in the user's cache folder; ``SINGULAR_CACHE_DIR=`` (empty) turns it off. A cache that the user has already
    configured for JAX is left alone, and so is everything if the folder cannot be written.
    """
    if jax.config.jax_compilation_cache_dir is not None:
        return
    chosen = os.environ.get(CACHE_VARIABLE)
    if chosen == "":
        return
    cache_home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = Path(chosen) if chosen else cache_home / "singular" / "xla"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return
    if not os.access(folder, os.W_OK):
        return
    jax.config.update("jax_compilation_cache_dir", str(folder))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.2)
