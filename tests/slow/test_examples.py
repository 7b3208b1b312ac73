"""The examples that need more than Convoy: npm, FastAPI and Jupyter from their registries, Java, stand-ins."""

import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest
from convoy.fleet import Fleet, free_ports
from convoy.fleet.ports import free_range
from convoy.testing.pictures import encode, portrait
from convoy.testing.tiny_models import write_repository

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    models = write_repository(tmp_path_factory.mktemp("models"))
    with Fleet(tmp_path_factory.mktemp("data"), models, free_ports(), metrics=False, web_port=free_range(1)) as started:
        with started.client() as convoy:
            convoy.create_gallery("door")
            convoy.register("door", "ada", [portrait(1)], display_name="Ada")
        yield started


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example, installed and generated as its README says, in a copy of its own."""
    if shutil.which("npm") is None:
        pytest.skip("no npm")
    copy = tmp_path_factory.mktemp("clone") / "examples" / "node"
    shutil.copytree(ROOT / "examples" / "node", copy, ignore=shutil.ignore_patterns("node_modules", "generated"))
    (copy.parents[1] / "proto").symlink_to(ROOT / "proto")
    for command in (["npm", "ci"], ["npm", "run", "generate"], ["npm", "run", "check"]):
        subprocess.run(command, cwd=copy, check=True, timeout=300)
    return copy


def tell(node: Path, fleet: Fleet, *words: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"CONVOY_WEB": str(fleet.web_url)}
    command = ["node", "story.js", *words]
    return subprocess.run(command, cwd=node, env=environment, capture_output=True, text=True, timeout=60)


def test_node_knows_what_and_who(node: Path, fleet: Fleet, tmp_path: Path) -> None:
    photo = tmp_path / "ada.png"
    photo.write_bytes(encode(portrait(1)))
    told = tell(node, fleet, str(photo), "door")
    assert told.returncode == 0, told.stderr
    *labels, who = told.stdout.splitlines()
    assert who == "Ada" and labels and all(line.endswith(" %") for line in labels)


def test_node_tells_what_went_wrong(node: Path, fleet: Fleet, tmp_path: Path) -> None:
    photo = tmp_path / "no.png"
    photo.write_bytes(b"not a picture")
    told = tell(node, fleet, str(photo))
    assert told.returncode == 1 and told.stderr.startswith("InvalidArgument: "), told.stderr


@pytest.mark.skipif(shutil.which("javac") is None, reason="no JDK")
def test_java_knows_what_and_who(fleet: Fleet, tmp_path: Path) -> None:
    photo = tmp_path / "ada.jpg"
    photo.write_bytes(encode(portrait(1)))
    source = ROOT / "examples" / "java" / "Story.java"
    subprocess.run(["javac", "-Xlint:all", "-Werror", "-d", tmp_path, source], check=True, timeout=300)
    command = ["java", "-cp", str(tmp_path), "Story", str(photo), "door"]
    environment = os.environ | {"CONVOY_WEB": str(fleet.web_url)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    what, who = map(json.loads, done.stdout.splitlines())
    assert what["results"][0]["labels"] and who["faces"][0]["matches"][0]["display_name"] == "Ada"
    photo.write_bytes(b"not a picture")
    refused = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
    assert refused.returncode == 1 and "NOT_AN_IMAGE" in refused.stderr


@pytest.mark.parametrize(
    ("service", "call", "more"), [("classification", "Classify", []), ("recognition", "Identify", ["door"])]
)
def test_grpcurl_is_given_a_large_photo_by_standard_input(
    service: str, call: str, more: list[str], tmp_path: Path
) -> None:
    """No package index has grpcurl: a stand-in reads the request by the protos, as grpcurl does."""
    photo, stand_in = tmp_path / "large.bin", tmp_path / "grpcurl"
    photo.write_bytes(os.urandom(3_000_000))
    stand_in.write_text(f"#!{sys.executable}\n{READS_REQUEST}")
    stand_in.chmod(0o755)
    command = [ROOT / "examples" / "grpcurl" / "ask.sh", photo, service, call, *more]
    environment = os.environ | {"GRPCURL": str(stand_in)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [sha256(photo.read_bytes()).hexdigest(), *more]


READS_REQUEST = """
import sys
from hashlib import sha256
from google.protobuf import json_format
from convoy.v1 import classification_pb2, recognition_pb2
from google.protobuf import symbol_database
assert sys.argv[1:6] == ["-plaintext", "-max-msg-sz", "67108864", "-d", "@"], sys.argv
service, call = sys.argv[-1].split("/")
pool = classification_pb2.DESCRIPTOR.pool
asked = pool.FindServiceByName(service).methods_by_name[call].input_type
request = symbol_database.Default().GetSymbol(asked.full_name)()
json_format.Parse(sys.stdin.read(), request)
image = request.image if hasattr(request, "image") else request.images[0]
print(sha256(image.encoded).hexdigest(), getattr(request, "gallery", ""))
"""


class Grafana(BaseHTTPRequestHandler):
    """Takes a dashboard as Grafana's API does."""

    taken: ClassVar[list[tuple[str, str, dict[str, Any]]]] = []

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.taken.append((self.path, self.headers["Authorization"], body))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


def test_the_dashboard_is_imported_with_one_s_own_source() -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), Grafana) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        environment = os.environ | {"GRAFANA": f"http://127.0.0.1:{server.server_port}", "GRAFANA_TOKEN": "t"}
        script = ROOT / "examples" / "grafana" / "import.sh"
        subprocess.run([script, "mine"], env=environment, check=True, timeout=60)
        server.shutdown()
    [(path, authorization, body)] = Grafana.taken
    assert (path, authorization, body["overwrite"]) == ("/api/dashboards/db", "Bearer t", True)
    assert {panel["datasource"]["uid"] for panel in body["dashboard"]["panels"]} == {"mine"}


@pytest.mark.registry
def test_the_notebook_runs_and_shows_its_answers(fleet: Fleet, tmp_path: Path) -> None:
    """In an environment of its own, with this checkout of Convoy beside Jupyter's packages."""
    packages, photo = tmp_path / "packages", tmp_path / "photo.png"
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--target", str(packages)]
    subprocess.run([*install, "nbclient", "ipykernel", "nbformat"], check=True, timeout=600)
    photo.write_bytes(encode(portrait(3)))
    addresses = {f"CONVOY_{name.upper()}_ADDRESS": address for name, address in fleet.addresses.items()}
    paths = os.pathsep.join([str(packages), os.environ.get("PYTHONPATH", "")])
    environment = os.environ | addresses | {"PYTHONPATH": paths, "PHOTO": str(photo), "JUPYTER_DATA_DIR": str(tmp_path)}
    command = [sys.executable, "-c", RUNS_NOTEBOOK, str(ROOT / "examples" / "notebook" / "tour.ipynb")]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    shown = json.loads(done.stdout)
    assert [
        name
        for name in ("Classification", "Faces", "Registration", "Identification", "Explanation")
        if name not in shown
    ] == []


RUNS_NOTEBOOK = """
import json, sys
from pathlib import Path
import nbformat
from ipykernel.kernelspec import install
from nbclient import NotebookClient
install(user=True)
notebook = nbformat.read(sys.argv[1], 4)
NotebookClient(notebook, timeout=300, kernel_name="python3").execute()
outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
shown = (output.data.get("text/html", "") for output in outputs if output.output_type == "execute_result")
print(json.dumps("".join(shown)))
"""


@pytest.fixture(scope="module")
def web_application(tmp_path_factory: pytest.TempPathFactory, fleet: Fleet) -> Iterator[str]:
    """The FastAPI example, installed as its first line says beside this environment's packages. Gives its address."""
    packages, port = tmp_path_factory.mktemp("packages"), free_range(1)
    wanted = ("fastapi", "uvicorn", "python-multipart")
    subprocess.run(
        [sys.executable, "-m", "pip", "install", "--quiet", "--target", str(packages), *wanted], check=True, timeout=300
    )
    addresses = {f"CONVOY_{name.upper()}_ADDRESS": address for name, address in fleet.addresses.items()}
    paths = os.pathsep.join([str(packages), str(ROOT), os.environ.get("PYTHONPATH", "")])
    command = [sys.executable, "-m", "uvicorn", "examples.fastapi_app:app", "--port", str(port)]
    process = subprocess.Popen(command, cwd=ROOT, env=os.environ | addresses | {"PYTHONPATH": paths})
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(30)


def post(url: str, photo: Path) -> dict[str, object]:
    """Send a photo as a form, by curl, and wait until the application listens."""
    command = [
        "curl",
        "-sS",
        "--retry",
        "60",
        "--retry-delay",
        "1",
        "--retry-connrefused",
        "-F",
        f"photo=@{photo}",
        url,
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    answer: dict[str, object] = json.loads(done.stdout)
    return answer


def test_fastapi_says_what_a_photo_shows(web_application: str, tmp_path: Path) -> None:
    photo = tmp_path / "ada.png"
    photo.write_bytes(encode(portrait(1)))
    assert post(f"{web_application}/what", photo).keys() == {"label", "probability"}
    photo.write_bytes(b"not a picture")
    assert post(f"{web_application}/what", photo)["reason"] == "NOT_AN_IMAGE"
