"""Recognition: people's face templates in Redis, searched in memory, one gallery at a time."""
