"""A picture of 24 megapixels goes through the imaging service in bounded memory, without seams."""

import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
from convoy.client import Convoy
from convoy.core.errors import ConvoyError

ROOT = Path(__file__).resolve().parents[2]
MOST_MIB = 600
WIDTH, HEIGHT = 6000, 4000


def peak_mib(pid: int) -> float:
    """The most memory that a process has held."""
    (line,) = [one for one in Path(f"/proc/{pid}/status").read_text().splitlines() if one.startswith("VmHWM")]
    return int(line.split()[1]) / 1024


@pytest.mark.parametrize("model", ["kernels-gaussian", "denoise-grey"])
def test_24_megapixels_fit_into_600_mib(model: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    environment = {"CONVOY_MODELS": str(ROOT / "exported_models"), "CONVOY_PORT": str(port), "CONVOY_METRICS_PORT": "0"}
    small = np.random.default_rng(0).integers(0, 256, (HEIGHT // 20, WIDTH // 20, 3), dtype=np.uint8)
    picture = cv2.resize(small, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)
    service = subprocess.Popen([sys.executable, "-m", "convoy.cli", "serve", "imaging"], env=os.environ | environment)
    try:
        with Convoy(imaging=f"127.0.0.1:{port}", timeout_s=600) as convoy:
            for _ in range(120):
                try:
                    convoy.transform(small, model=model)
                    break
                except ConvoyError:
                    time.sleep(0.5)
            data = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 90])[1].tobytes()
            answer = convoy.transform(data, model=model, encoding="jpeg")
        assert answer.image.shape == picture.shape
        peak = peak_mib(service.pid)
        print(f"{model}: {peak:.0f} MiB")
        assert peak <= MOST_MIB
    finally:
        service.terminate()
        service.wait()
