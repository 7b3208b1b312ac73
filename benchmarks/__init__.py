"""Measurements of the serving path. Each command writes its numbers, with their conditions, into results/."""
