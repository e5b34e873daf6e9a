"""evenet as wheels, and an environment of its own that they are installed into, without a network."""

from __future__ import annotations

import shutil
import sys
import sysconfig
import venv
from pathlib import Path

from tests.support.docs import ROOT
from tests.support.kernel import run

__all__ = ["build_wheels", "install", "make_environment"]

PIP = (sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check")
VERSION = "0.1.0"
LEFT_OUT = shutil.ignore_patterns("build", "*.egg-info", "__pycache__")


def build_wheels(directory: Path, version: str) -> list[str]:
    """Wheels of evenet and its plugins, all of them of this version; built from a copy of the checkout."""
    source, wheels = directory / "source", directory / f"wheels-{version}"
    for part in ("evenet_core", "plugins"):
        shutil.copytree(ROOT / part, source / part, ignore=LEFT_OUT)
    for part in ("pyproject.toml", "README.md"):
        shutil.copy(ROOT / part, source)
    for path in (source / "evenet_core/__init__.py", *source.glob("plugins/*/pyproject.toml")):
        path.write_text(path.read_text().replace(VERSION, version))
    packages = [str(source), *map(str, sorted((source / "plugins").iterdir()))]
    run(*PIP, "wheel", "--no-index", "--no-deps", "--no-build-isolation", "--wheel-dir", str(wheels), *packages)
    shutil.rmtree(source)
    return sorted(map(str, wheels.glob("*.whl")))


def make_environment(directory: Path) -> Path:
    """Its interpreter. Other people's libraries are those of this environment; nothing of evenet is in it yet."""
    venv.create(directory, with_pip=False)
    [packages] = directory.glob("lib/python*/site-packages")
    (packages / "libraries.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return directory / "bin" / "python"


def install(python: Path, wheels: list[str]) -> None:
    """Install these wheels, whatever is there."""
    pip = (*PIP, "--python", str(python))
    run(*pip, "install", "--no-index", "--no-deps", "--force-reinstall", *wheels)
