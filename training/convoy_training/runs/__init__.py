"""One training run: the loop, its checkpoints, its devices, and the weights that it starts from."""
