"""Publishes runs as models: <model>/<version>/.

publication.py  `export`: the whole way from a run to a published version
export.py       writes the graph as ONNX and compares it with PyTorch
ensemble.py     `export --ensemble`: several runs as one graph
calibrate.py    `calibrate`: how often two strangers reach a similarity
embedder.py     `embedder`: a classifier without its last layer
class_bias.py   `calibrate` of a segmenter: how much it should prefer some classes
completion.py   the last steps before a version goes live: calibration, manifest, report, card
convert.py      `convert`: others' weights for an architecture of ours, as ONNX
folder.py       writes the folder of a version, whole or not at all
quantize.py     `quantize`: the INT8 and FP16 forms
halving.py      the graph of the FP16 form
drops.py        what a smaller form loses, class by class
kernels.py      `kernel`, `kernels`: graphs made from tables of numbers
kernel_tables.py  kernels of image processing, as textbooks print them
recording.py    `evaluate --record`: measures a published version again
fitting.py      `zoo --within`: which architectures answer in time
comparison.py   `compare`: versions side by side
card.py         `table`: writes the cards, and the table of all models
"""
