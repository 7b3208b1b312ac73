"""Convoy: a fleet of CNN services."""

import os

# ONNX Runtime reports its use to its maker unless told not to before it is imported; people's faces are nobody's business.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
