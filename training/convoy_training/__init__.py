"""Convoy's trainer: the way from labelled images to a model folder that the services load."""
