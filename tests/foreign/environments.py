"""An environment for each client: their pins fight (urllib3<2, requests-toolbelt 0.9.1), so none shares one."""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
PATIENCE_S = 300


@dataclass(frozen=True)
class Client:
    """One client. door: whose language it speaks; packages: what pip or npm installs; without: whether with no more."""

    name: str
    door: str
    packages: tuple[str, ...]
    without_dependencies: tuple[str, ...] = ()
    node: bool = False


CLIENTS = (
    Client("deepstack-python", "deepstack", ("deepstack-python==0.9", "pillow")),
    Client("codeproject-ai-api", "deepstack", ("codeproject-ai-api==0.1", "pillow")),
    Client(
        "deepstack-sdk",
        "deepstack",
        ("opencv-python-headless", "matplotlib", "validators", "requests", "pillow"),
        ("deepstack-sdk==0.2.1",),
    ),
    Client("compreface-sdk-python", "compreface", ("compreface-sdk-python==1.0.6",)),
    Client("compreface-sdk", "compreface", ("compreface-sdk==0.6.0", "urllib3<2", "requests<2.32")),
    Client("boto3", "rekognition", ("boto3",)),
    Client("compreface-js-sdk", "compreface", ("@exadel/compreface-js-sdk@1.0.0",), node=True),
    Client("aws-sdk-js", "rekognition", ("@aws-sdk/client-rekognition",), node=True),
)


def install(client: Client, folder: Path) -> Path:
    """Install a client into a new folder."""
    place = folder / client.name
    place.mkdir()
    if client.node:
        _run("npm", "install", "--no-audit", "--no-fund", "--silent", "--prefix", str(place), *client.packages)
        return place
    install_python(place, *client.packages)
    if client.without_dependencies:
        install_python(place, "--no-deps", *client.without_dependencies)
    return place


def install_python(place: Path, *packages: str) -> None:
    """Install packages of PyPI into a folder."""
    pip = (sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--upgrade")
    _run(*pip, "--target", str(place), *packages)


def run_story(client: Client, place: Path, url: str, key: str, album: Path) -> str:
    """Let a client tell its story; gives what it printed."""
    named = {"AWS_ENDPOINT_URL_REKOGNITION": url, "AWS_ACCESS_KEY_ID": key, "AWS_SECRET_ACCESS_KEY": "any"}
    named |= {"AWS_REGION": "eu-central-1", "AWS_DEFAULT_REGION": "eu-central-1", "AWS_EC2_METADATA_DISABLED": "true"}
    bare = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "PYTHON", "CONVOY_"))}
    words = (client.name, url, key, str(album))
    if client.node:
        script = place / "node_clients.mjs"
        script.write_bytes((HERE / "node_clients.mjs").read_bytes())
        return _run("node", str(script), *words, env=bare | named)
    # Without site-packages: it sees the standard library, its own packages, and the story.
    path = os.pathsep.join((str(place), str(HERE)))
    return _run(sys.executable, "-S", str(HERE / "python_clients.py"), *words, env=bare | named | {"PYTHONPATH": path})


def _run(*words: str, env: dict[str, str] | None = None) -> str:
    done = subprocess.run(words, capture_output=True, text=True, env=env, timeout=PATIENCE_S)
    assert done.returncode == 0, f"{' '.join(words[:6])}\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
    return done.stdout
