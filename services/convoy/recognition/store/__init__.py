"""Where galleries are kept: one interface, kept by Redis and by an exact copy of it in memory."""
