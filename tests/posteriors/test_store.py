"""A stored ladder comes back as it was; anything else is refused by name, and no write leaves half a file."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import textwrap

import numpy as np
import pytest
import xarray as xr

from singular.errors import StoreError
from singular.posteriors import store


@pytest.fixture
def ladder() -> xr.DataTree:
    rng = np.random.default_rng(0)
    dims = ("chain", "draw", "beta")
    coords = {"chain": np.arange(2), "draw": np.arange(50), "beta": [0.0, 0.2, 1.0]}
    posterior = xr.Dataset({"w": ((*dims, "unit"), rng.normal(size=(2, 50, 3, 4)))}, coords)
    energy = rng.normal(size=(2, 50, 3))
    energy[..., 0] = np.nan
    stats = xr.Dataset(
        {
            "nll": (dims, rng.normal(size=(2, 50, 3))),
            "energy": (dims, energy),
            "diverging": (dims, rng.random((2, 50, 3)) < 0.1),
            "replica": (dims, rng.integers(0, 3, (2, 50, 3), dtype=np.int32)),
            "n_steps": (dims, rng.integers(0, 63, (2, 50, 3), dtype=np.int64)),
            "step_size": (("chain", "beta"), rng.random((2, 3))),
        },
        coords,
    )
    data = xr.Dataset({"y": ("y_dim_0", rng.normal(size=7))})
    tree = xr.DataTree.from_dict({"/posterior": posterior, "/sample_stats": stats, "/observed_data": data})
    tree.attrs.update(problem="tanh-2", n=7, seed=0, wall_time=1.5, settings='{"chains": 2}', complete=1)
    return tree


def test_a_ladder_comes_back_as_it_was(ladder, tmp_path):
    path = store.save(ladder, tmp_path / "run.nc")
    back = store.load(path)
    assert back.identical(ladder)
    for group in ladder.children:
        for name in ladder[group].data_vars:
            assert back[group][name].dtype == ladder[group][name].dtype
    assert back.attrs["n"] == 7 and back.attrs["settings"] == '{"chains": 2}'
    assert "format" not in ladder.attrs


def test_the_file_is_closed_and_can_be_written_over(ladder, tmp_path):
    path = store.save(ladder, tmp_path / "run.nc")
    back = store.load(path)
    path.unlink()
    assert np.isfinite(back["posterior"]["w"].values).all()
    assert store.load(store.save(back, path)).identical(ladder)
    assert os.listdir(tmp_path) == ["run.nc"]


def test_a_file_is_readable_by_others_as_any_file_is(ladder, tmp_path):
    (tmp_path / "plain").touch()
    path = store.save(ladder, tmp_path / "run.nc")
    assert path.stat().st_mode == (tmp_path / "plain").stat().st_mode


def foreign(path):
    xr.DataTree.from_dict({"/posterior": xr.Dataset({"w": ("draw", np.zeros(3))})}).to_netcdf(path, engine="h5netcdf")


def no_groups(path):
    xr.DataTree(xr.Dataset(attrs={"format": store.FORMAT})).to_netcdf(path, engine="h5netcdf")


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda path: None, "no such file"),
        (lambda path: path.mkdir(), "is a folder"),
        (lambda path: path.touch(), "is empty"),
        (lambda path: path.write_text("n,value\n1,2\n"), "is not a netCDF-4 file"),
        (foreign, "was not written by singular"),
        (no_groups, "has no group posterior, sample_stats"),
    ],
)
def test_anything_else_is_refused_by_name(make, says, tmp_path):
    path = tmp_path / "run.nc"
    make(path)
    with pytest.raises(StoreError, match=says) as caught:
        store.load(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("share", [0.02, 0.3, 0.6, 0.9, 0.999])
def test_a_file_cut_short_is_refused(ladder, tmp_path, share):
    path = store.save(ladder, tmp_path / "run.nc")
    whole = path.read_bytes()
    path.write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(StoreError, match=r"run\.nc: is (cut short|not)"):
        store.load(path)


def test_a_full_disk_leaves_the_old_file_and_nothing_else(ladder, tmp_path, monkeypatch):
    path = store.save(ladder, tmp_path / "run.nc")
    before = path.read_bytes()

    def full(*_args, **_kwargs):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(xr.DataTree, "to_netcdf", full)
    with pytest.raises(StoreError, match="No space left"):
        store.save(ladder, path)
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["run.nc"]


def test_an_interrupt_leaves_nothing_half_written(ladder, tmp_path, monkeypatch):
    def interrupted(_self, path, **_kwargs):
        path.write_bytes(b"half")
        raise KeyboardInterrupt

    monkeypatch.setattr(xr.DataTree, "to_netcdf", interrupted)
    with pytest.raises(KeyboardInterrupt):
        store.save(ladder, tmp_path / "run.nc")
    assert os.listdir(tmp_path) == []


@pytest.mark.slow
def test_a_killed_writer_leaves_the_old_file(tmp_path):
    (tmp_path / "run.csv").write_text("old")
    code = """
        import os, signal, sys
        from pathlib import Path
        from singular.posteriors import store
        def slow(temporary):
            temporary.write_text("half")
            os.kill(os.getpid(), signal.SIGKILL)
        store.write(Path(sys.argv[1]), slow)
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(code), tmp_path / "run.csv"], check=False)
    assert done.returncode == -signal.SIGKILL
    assert (tmp_path / "run.csv").read_text() == "old"


def test_a_folder_that_is_not_there_is_named(ladder, tmp_path):
    with pytest.raises(StoreError, match=r"nowhere/run\.nc: cannot be written"):
        store.save(ladder, tmp_path / "nowhere" / "run.nc")


def test_a_folder_is_no_file_to_write(ladder, tmp_path):
    with pytest.raises(StoreError, match="is a folder"):
        store.save(ladder, tmp_path)


def test_what_is_no_ladder_is_not_saved(tmp_path):
    with pytest.raises(StoreError, match="no group posterior, sample_stats"):
        store.save(xr.DataTree(), tmp_path / "run.nc")


def test_text_and_bytes_are_written_whole(tmp_path):
    assert store.write(tmp_path / "a.txt", "λ").read_bytes() == "λ".encode()
    assert store.write(tmp_path / "a.txt", b"12").read_bytes() == b"12"
    assert os.listdir(tmp_path) == ["a.txt"]
