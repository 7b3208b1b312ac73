"""One training run, and the weights that it starts from.

loop.py        the training loop
schedule.py    optimizer, learning rate, moving average
muon.py        the optimizer that makes steps orthogonal
rate_finder.py  finds a learning rate
journal.py     writes curves as CSV, for TensorBoard, MLflow, Weights & Biases
checkpoint.py  writes checkpoints whole or not at all
pace.py        when to validate between epochs
best.py        keeps the weights of the best epoch; early stopping
opening.py     whether a training may begin or go on in a folder
lock.py        one `fit` at a time in a run folder
provenance.py  what a network was trained on, compared with what is there now
devices.py     the devices that training runs on
memory_format.py  how weights lie in memory
memory.py      the memory allocator, for training on a CPU
companions.py  ends a training of several processes when one is gone
shortage.py    says that the memory was too small
weights.py     reads weights that others published, under whatever names
weight_names.py  the names that timm gives to our layers
catalogue_weights.py  weights that the catalogue knows
transfer.py    takes over weights by name; freezes parts
style_target.py  the classifier that judges painted pictures, and the styles as it sees them
recovery.py    turns a published graph back into a network
"""
