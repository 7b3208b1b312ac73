"""Open networks for `convoy model pull`: which there are, where to download them, and how they become model folders.

entry.py          one model or one set of models, validated
catalogue.py      all entries: the bundled ones, or a company's own folder or address
addresses.py      where a file can lie: https://…, pypi:PACKAGE==VERSION/path, npm:PACKAGE@VERSION/path
download.py       one file over HTTP: resumed, bounded, with progress
packages.py       one file out of a package, by the package's ordinary client
files.py          finds files by digest: in the cache, or in a folder that you copied to this machine
conversion.py     turns files that are not ONNX into ONNX, by tools in another process
tflite.py         the script that does so with .tflite, and says what the file itself answers
options.py        an entry's options as the import takes them
known.py          completes an import of a file that the catalogue knows
golden.py         the answer to one bundled picture, by which a pulled model proves that it is the model of its entry
pull.py           every step in order: licence, file, digest, import, golden answer, folder
models/*.toml     one model each;  sets.toml: sets of models;  labels/*.txt: labels that several models share

Nothing that serves imports this package.
"""
