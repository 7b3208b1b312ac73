"""The parts of tasks/detection.py: what a recipe says, the batches, and how good a detector is.

config.py     the fields of a recipe, the splits that it names, the input of its network
batches.py    shuffled and changed examples
recent.py     pictures that are still decoded, for mosaics
measuring.py  average precision of boxes, masks and points, as the service answers them
"""
