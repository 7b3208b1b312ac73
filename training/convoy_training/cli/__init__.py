"""The commands of `convoy-train`. Each loads its libraries itself, so that `--help` is quick.

app.py         the command itself, and how it ends
options.py     options that several commands share
training.py    fit, data
measuring.py   evaluate, clean, compare, scaling, zoo
predicting.py  predict
publishing.py  export, calibrate, quantize, convert, table, fit-likeness
"""

from convoy_training.cli import training, measuring, predicting, publishing  # noqa: F401, I001 (in the order of the help)
from convoy_training.cli.app import app, main

__all__ = ["app", "main"]
