"""Starts BentoML with service.py; HTTP."""

import os
import sys
from pathlib import Path

os.environ |= {"GRAPH": sys.argv[1], "BENTOML_DO_NOT_TRACK": "True"}
os.chdir(Path(__file__).parent)
command = Path(sys.executable).parent / "bentoml"
os.execv(command, [str(command), "serve", "service:Network", "--host", "127.0.0.1", "--port", sys.argv[2]])
