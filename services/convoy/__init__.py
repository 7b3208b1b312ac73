"""Convoy: a fleet of CNN services."""

import os

# ONNX Runtime reports its use to its maker unless it is told not to before it is imported.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
