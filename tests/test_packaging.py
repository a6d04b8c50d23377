"""What is installed is whole, and importing it changes nothing."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


def python(code, **environment):
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


@pytest.mark.slow
def test_importing_has_no_side_effects():
    code = """
import sys
import singular, singular.models, singular.posteriors, singular.analysis, singular.cli
import jax
print(jax.config.jax_enable_x64, jax.config.jax_compilation_cache_dir)
print(*[m for m in ("matplotlib", "pymbar", "arviz_plots", "funsor") if m in sys.modules])
from jax.extend import backend
print(jax._src.xla_bridge.backends_are_initialized())
"""
    assert python(code) == ["False", "None", "False"]


@pytest.mark.slow
def test_a_wheel_made_from_the_sdist_is_whole_and_runs(tmp_path):
    subprocess.run(
        [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(tmp_path), str(ROOT)],
        check=True,
        capture_output=True,
        timeout=300,
    )
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        archive.extractall(tmp_path / "site")
    for folder in ("models", "posteriors", "analysis"):
        for file in (ROOT / folder).rglob("*"):
            if file.suffix in (".py", ".csv", ".html", ".md") and "__pycache__" not in file.parts:
                assert f"singular/{file.relative_to(ROOT)}" in names
    assert {"singular/cli.py", "singular/errors.py", "singular/py.typed"} <= names
    where = python("import singular; print(singular.__file__)", PYTHONPATH=str(tmp_path / "site"))
    assert Path(where[0]).is_relative_to(tmp_path)
    listed = python(
        "import sys; sys.argv = ['singular', 'models']; from singular.cli import main; main()",
        PYTHONPATH=str(tmp_path / "site"),
    )
    assert "tanh-2" in listed


def test_the_lock_file_names_no_address():
    lock = (ROOT / "requirements.lock").read_text()
    assert "://" not in lock
    assert "--hash=sha256:" in lock
