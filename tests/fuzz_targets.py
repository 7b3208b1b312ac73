"""What reads strangers' bytes, each as one function that may only read or refuse.

    python -m tests.fuzz_targets TARGET SECONDS

Searches by coverage from tests/corpus/TARGET, and writes an input that does anything else into that folder: then it
stays in the corpus, which tests/property/test_corpus.py reads on each run. The search needs atheris, which is no
requirement of development, since it is a wheel for Linux and few versions of Python: `pip install atheris`.
"""

import contextlib
import json
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FunctionType

from convoy.core.errors import InvalidArgument
from convoy.core.manifest import Manifest, outside_files
from convoy.core.pictures.decoding import pixels_to_decode
from convoy.core.serving.inflation import inflate
from convoy.core.serving.wire import bounds_of, check_fields
from convoy.importing.network import read_network
from convoy.inference import open_inference_pb2
from convoy.recognition.domain.pages import check_person_token, version_of
from convoy.v1 import classification_pb2, recognition_pb2
from google.protobuf.message import DecodeError
from pydantic import ValidationError

CORPUS = Path(__file__).with_name("corpus")
MOST_BYTES = 16 * 1024
READERS = (
    "convoy.core.pictures",
    "convoy.core.serving.wire",
    "convoy.core.manifest",
    "convoy.recognition.domain.pages",
    "convoy.importing.network",
    "convoy.importing.metadata",
)
"""Where coverage is measured. All modules together take minutes to instrument."""
KINDS = (
    classification_pb2.ClassifyRequest,
    recognition_pb2.IdentifyRequest,
    recognition_pb2.RegisterRequest,
    open_inference_pb2.ModelInferRequest,
)


def headers(data: bytes) -> None:
    """A picture's header: a weight that is not negative, or 0 for a picture that is refused."""
    assert pixels_to_decode(data) >= 0


def messages(data: bytes) -> None:
    """Bytes of a request: refused, or read by protobuf into a message of as many fields as were allowed."""
    kind, content = KINDS[data[0] % len(KINDS)] if data else KINDS[0], data[1:]
    content = inflate(content, MOST_BYTES * 64) if content[:1] == b"\x1f" else content
    bounds = bounds_of(kind.DESCRIPTOR, 32)
    # A small message is not counted, so the same one is also sent behind bytes that nobody knows.
    for sent in (content, b"\xc2\x3e\x80\x10" + bytes(2048) + content):
        fields = check_fields(sent, kind.DESCRIPTOR, bounds)
        assert 0 <= fields <= bounds.fields
        with contextlib.suppress(DecodeError):
            kind.FromString(sent)


def manifests(data: bytes) -> None:
    """A manifest: refused in a sentence, or kept as it is when it is written and read again."""
    try:
        manifest = Manifest.model_validate(json.loads(data.decode()))
    except (ValidationError, ValueError, RecursionError):
        return
    assert Manifest.model_validate_json(manifest.model_dump_json()) == manifest


def page_tokens(data: bytes) -> None:
    """A page token: refused, or a version that Redis can hold."""
    token = data.decode(errors="surrogateescape")
    with contextlib.suppress(InvalidArgument):
        check_person_token(token)
    assert 0 <= version_of(token) < 2**63


def graphs(data: bytes) -> None:
    """A foreign ONNX graph: refused in a sentence, or described."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "net.onnx"
        file.write_bytes(data)
        network = read_network(file)
        assert network.parameters >= 0 and network.channels in (1, 3)
        assert all("\0" not in name for name in outside_files(file))


TARGETS: dict[str, Callable[[bytes], None]] = {
    "headers": headers,
    "messages": messages,
    "manifests": manifests,
    "page_tokens": page_tokens,
    "graphs": graphs,
}


def guided() -> Iterator[FunctionType]:
    """The functions and methods by whose branches the search is guided."""
    for module in [one for name, one in sorted(sys.modules.items()) if name.startswith(READERS)]:
        for value in list(vars(module).values()):
            inside = vars(value).values() if isinstance(value, type) else ()
            for one in (value, *inside):
                bare = one.fget if isinstance(one, property) else getattr(one, "__func__", one)
                if isinstance(bare, FunctionType) and bare.__module__ == module.__name__:
                    yield bare


def try_one(target: str, data: bytes) -> None:
    """Give bytes to a target. Raises whatever is neither an answer nor a refusal."""
    with contextlib.suppress(InvalidArgument):
        TARGETS[target](data)


def main(target: str, seconds: int) -> None:
    """Search for so long. What is merely new goes into a folder that is thrown away."""
    import atheris

    for function in guided():
        atheris.instrument_func(function)
    folder = CORPUS / target
    options = [f"-max_total_time={seconds}", f"-max_len={MOST_BYTES}", "-timeout=10", "-rss_limit_mb=2048"]
    with tempfile.TemporaryDirectory() as new:
        words = [sys.argv[0], *options, f"-artifact_prefix={folder}/", new, str(folder)]
        atheris.Setup(words, lambda data: try_one(target, data))
        atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
