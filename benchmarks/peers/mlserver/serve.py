"""MLServer: writes its two settings files into a new folder, and starts it there; gRPC."""

import json
import os
import sys
import tempfile
from pathlib import Path

graph, port, second_port, third_port = sys.argv[1], *map(int, sys.argv[2:5])
folder = Path(tempfile.mkdtemp(prefix="mlserver-"))
server = {
    "host": "127.0.0.1",
    "grpc_port": port,
    "http_port": second_port,
    "metrics_port": third_port,
    "parallel_workers": 2,
    "debug": False,
    "grpc_max_message_length": 16 * 2**20,
}
model = {"name": "network", "implementation": "runtime.Network", "parameters": {"uri": graph}}
(folder / "settings.json").write_text(json.dumps(server))
(folder / "model-settings.json").write_text(json.dumps(model))
(folder / "runtime.py").write_text((Path(__file__).parent / "runtime.py").read_text())
os.chdir(folder)
command = Path(sys.executable).parent / "mlserver"
os.execv(command, [str(command), "start", "."])
