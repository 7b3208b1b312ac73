"""Datasets, one a file: from the archive to uint8 arrays in memory."""
