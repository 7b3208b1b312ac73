"""Measures the serving path. Each command writes its numbers and their conditions into results/."""
