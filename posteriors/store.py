"""Ladders on disk: netCDF, written beside the target and renamed, so a file is whole or not there."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import xarray as xr

from singular.errors import StoreError

FORMAT = "singular ladder 1"
"""Root attribute ``format`` of every file: what `load` knows its own by."""

GROUPS = ("posterior", "sample_stats")


def save(ladder: xr.DataTree, path: str | os.PathLike[str]) -> Path:
    """Write a ladder as netCDF.

    The file is written next to ``path`` under a temporary name, flushed to the disk and renamed, so that
    a full disk or a killed process leaves the old file, or none.

    Parameters
    ----------
    ladder : DataTree
        What ``posteriors.ladder`` returns, in the layout of ARCHITECTURE.md.
    path : path
        File to write; its folder must exist.

    Returns
    -------
    Path

    Raises
    ------
    StoreError
        If the ladder lacks its groups, or the file cannot be written.
    """
    path = Path(path)
    missing = [group for group in GROUPS if group not in ladder.children]
    if missing:
        raise StoreError(f"ladder has no group {', '.join(missing)}; only a ladder can be saved")
    if path.is_dir():
        raise StoreError(f"{path}: is a folder, not a file to write")
    tree = ladder.copy()
    tree.attrs["format"] = FORMAT
    encoding = {
        group: {
            str(name): {"zlib": True, "complevel": 1, "shuffle": True}
            for name in node.data_vars
            if node[str(name)].size > 64
        }
        for group, node in ((f"/{name}", child) for name, child in tree.children.items())
    }
    with replaced(path) as temporary:
        tree.to_netcdf(temporary, engine="h5netcdf", encoding=encoding)
    return path


def load(path: str | os.PathLike[str]) -> xr.DataTree:
    """Read a ladder into memory and close its file.

    Parameters
    ----------
    path : path
        A file that `save` wrote.

    Returns
    -------
    DataTree
        Equal to the one saved: groups, attributes, names and kinds of numbers.

    Raises
    ------
    StoreError
        If the file is missing, a folder, no netCDF, cut short, or not a ladder of this package.
    """
    path = Path(path)
    if not path.exists():
        raise StoreError(f"{path}: no such file")
    if path.is_dir():
        raise StoreError(f"{path}: is a folder, not a stored ladder")
    if path.stat().st_size == 0:
        raise StoreError(f"{path}: is empty")
    try:
        with xr.open_datatree(path, engine="h5netcdf") as opened:
            tree = opened.load().copy()
    except Exception as error:  # h5py raises OSError, KeyError, RuntimeError or ValueError as the damage falls
        reason = "is cut short or damaged" if _looks_like_hdf5(path) else "is not a netCDF-4 file"
        raise StoreError(f"{path}: {reason} ({type(error).__name__}: {error})") from error
    if tree.attrs.get("format") != FORMAT:
        found = tree.attrs.get("format", "none")
        raise StoreError(f"{path}: was not written by singular (attribute 'format' is {found!r}, not {FORMAT!r})")
    missing = [group for group in GROUPS if group not in tree.children]
    if missing:
        raise StoreError(f"{path}: has no group {', '.join(missing)}; it is not a whole ladder")
    del tree.attrs["format"]
    for node in tree.subtree:
        for variable in node.dataset.variables.values():
            variable.encoding = {}
    return tree


def write(path: str | os.PathLike[str], content: str | bytes | Callable[[Path], object]) -> Path:
    """Write a small file whole or not at all.

    Parameters
    ----------
    path : path
    content : str, bytes or callable
        Text (as UTF-8), bytes, or a function that writes the temporary file it is given.

    Raises
    ------
    StoreError
        If the file cannot be written; what stood there before still stands.
    """
    path = Path(path)
    with replaced(path) as temporary:
        if callable(content):
            content(temporary)
        else:
            temporary.write_bytes(content.encode("utf-8") if isinstance(content, str) else content)
    return path


@contextlib.contextmanager
def replaced(path: Path) -> Iterator[Path]:
    """Give a temporary name next to ``path``; rename it to ``path`` at the end, remove it on any failure."""
    try:
        descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=path.suffix, dir=path.parent)
        os.close(descriptor)
    except OSError as error:
        raise StoreError(f"{path}: cannot be written ({error.strerror or error})") from error
    temporary = Path(name)
    try:
        yield temporary
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        temporary.chmod(0o666 & ~_umask())
        os.replace(temporary, path)
    except OSError as error:
        raise StoreError(f"{path}: could not be written ({error.strerror or error}); nothing was changed") from error
    finally:
        temporary.unlink(missing_ok=True)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _looks_like_hdf5(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(8) == b"\x89HDF\r\n\x1a\n"
