"""Augmentation of whole batches as tensors, one kind a file."""
