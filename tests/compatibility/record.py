"""Records a version: `python -m tests.compatibility.record COMMIT FOLDER`, with PYTHONPATH at that version's services.

Writes its protos, tiny models, a dump of galleries that it made, one of them as a file too, and calls with its
answers. With `published` as a third word it writes the published models' calls alone, into a folder that is there; with
`bound` a dump with a gallery of the published embedder and calls on it, into a new folder.
The README of the folder is written by hand.
"""

import base64
import secrets
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from tests.compatibility import store
from tests.compatibility.calls import Transcript
from tests.compatibility.conversations import bound, doors, faces, published, recognition, stored, vision
from tests.compatibility.conversations.recorder import Recorder
from tests.compatibility.fixture import TINY, link_published, published_settings, recognition_settings, vision_settings
from tests.compatibility.processes import serving
from tests.compatibility.tree import Tree, unpack

REPOSITORY = Path(__file__).resolve().parent.parent.parent
WRITE_MODELS = """
import sys
from pathlib import Path
from convoy.core.manifest import Task
from convoy.testing.tiny_models import write_model
root, *pairs = sys.argv[1:]
for pair in pairs:
    name, task = pair.split("=")
    write_model(Path(root), name, Task(task))
"""
Conversation = Callable[[Recorder], None]


def record(commit: str, folder: Path, part: str = "") -> None:
    """Write everything of a version into a folder, or the part `published` or `bound`."""
    with tempfile.TemporaryDirectory(prefix="convoy-") as name:
        work = Path(name)
        tree = unpack(REPOSITORY, commit, work / "tree")
        if part == "bound":
            _record_bound(tree, folder, work)
            return
        if not part:
            _record_tiny(tree, folder, work)
        _record_published(tree, folder, work)


def _record_tiny(tree: Tree, folder: Path, work: Path) -> None:
    """Everything that needs no published model."""
    folder.mkdir(parents=True)
    _write_protos(tree, folder / "protos.binpb")
    _write_models(tree, folder / "models")
    key = folder / "template.key"
    key.write_text(base64.b64encode(secrets.token_bytes(32)).decode() + "\n")
    _record_answers(tree, folder, work)
    _record_galleries(tree, folder, work, key)


def _write_protos(tree: Tree, file: Path) -> None:
    sources = sorted(str(each.relative_to(tree.root / "proto")) for each in tree.root.glob("proto/convoy/**/*.proto"))
    command = [
        str(REPOSITORY / "build" / "protoc" / "bin" / "python"),
        "-m",
        "grpc_tools.protoc",
        "-I",
        "proto",
        "--include_imports",
    ]
    subprocess.run([*command, f"--descriptor_set_out={file.resolve()}", *sources], cwd=tree.root, check=True)


def _write_models(tree: Tree, folder: Path) -> None:
    pairs = [f"{name}={task}" for name, task in TINY.items()]
    command = [sys.executable, "-c", WRITE_MODELS, str(folder.resolve()), *pairs]
    subprocess.run(command, cwd=tree.root, env=tree.environment({}), check=True)


def _transcript(addresses: Mapping[str, str], *conversations: Conversation) -> Transcript:
    with Recorder(addresses) as recorder:
        for conversation in conversations:
            conversation(recorder)
    return recorder.transcript()


def _record_answers(tree: Tree, folder: Path, logs: Path) -> None:
    """Each service in a conversation, recognition on an empty store."""
    settings = vision_settings(folder.resolve() / "models")
    with store.running() as server, serving(tree, logs, settings) as others:
        _transcript(others, vision.talk, doors.talk, faces.talk).save(folder / "vision.jsonl")
        own = recognition_settings(others["faces"], server.url)
        with serving(tree, logs, {"recognition": own}) as addresses:
            _transcript(addresses, recognition.talk).save(folder / "recognition.jsonl")


def _record_galleries(tree: Tree, folder: Path, logs: Path, key: Path) -> None:
    """The dump, and what its galleries answer and become."""
    settings = {"faces": vision_settings(folder.resolve() / "models")["faces"]}
    with store.running() as server, serving(tree, logs, settings) as others:
        plain = recognition_settings(others["faces"], server.url)
        with serving(tree, logs, {"recognition": plain}) as addresses:
            _transcript(addresses, stored.make_plain)
        sealed = recognition_settings(others["faces"], server.url, key.resolve())
        with serving(tree, logs, {"recognition": sealed}) as addresses:
            _transcript(addresses, stored.make_sealed)
            _export(tree, addresses["recognition"], "crew", folder.resolve() / "crew.gallery", key.resolve())
        with server.client() as client:
            store.save(client, folder / "redis.jsonl")
        with serving(tree, logs, {"recognition": sealed}) as addresses:
            _transcript(addresses, stored.talk).save(folder / "galleries.jsonl")


def _export(tree: Tree, address: str, gallery: str, file: Path, key: Path) -> None:
    command = tree.convoy("gallery", "export", gallery, str(file), "--key-file", str(key))
    subprocess.run(command, env=tree.environment({"CONVOY_RECOGNITION_ADDRESS": address}), cwd=file.parent, check=True)


def _record_published(tree: Tree, folder: Path, logs: Path) -> None:
    """Models that are published, one for each task."""
    models = link_published(REPOSITORY, logs)
    with serving(tree, logs, published_settings(models)) as addresses:
        _transcript(addresses, published.talk).save(folder / "published.jsonl")


def _record_bound(tree: Tree, folder: Path, logs: Path) -> None:
    """A gallery of the published embedder, the dump of it, and what it answers."""
    folder.mkdir(parents=True)
    faces_settings = {"faces": published_settings(link_published(REPOSITORY, logs))["faces"]}
    with store.running() as server, serving(tree, logs, faces_settings) as others:
        settings = {"recognition": recognition_settings(others["faces"], server.url)}
        with serving(tree, logs, settings) as addresses:
            _transcript(addresses, bound.make)
            with server.client() as client:
                store.save(client, folder / "redis.jsonl")
            _transcript(addresses, bound.talk).save(folder / "galleries.jsonl")


if __name__ == "__main__":
    record(sys.argv[1], Path(sys.argv[2]), *sys.argv[3:])
