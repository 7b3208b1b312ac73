"""The Open Inference Protocol, version 2: generated from proto/convoy/inference."""
