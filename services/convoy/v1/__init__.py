"""Generated from proto/convoy/v1."""
