"""Where galleries are kept: one interface, and Redis behind it. convoy.testing has the same interface in memory."""
