"""The commands of `convoy-train`. Each loads its libraries itself, so that `--help` is quick.

app.py         the command itself, and how it ends
options.py     options that several commands share
training.py    fit, data, find-lr, sweep
measuring.py   evaluate, clean, compare, scaling, zoo
predicting.py  predict
explaining.py  explain, pointing, look
publishing.py  export, calibrate, quantize, convert, table, fit-likeness, fit-visibility
kernels.py     kernel, kernels
"""

from convoy_training.cli import training, measuring, predicting, explaining, publishing, kernels  # noqa: F401, I001 (the help's order)
from convoy_training.cli.app import app, main

__all__ = ["app", "main"]
