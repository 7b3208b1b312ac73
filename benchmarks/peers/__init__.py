"""Other servers from PyPI with the same network on ONNX Runtime, each in its own environment.

peers/<name>/requirements.txt pins what it needs. peers/<name>/serve.py GRAPH PORT PORT PORT starts it as its
documentation advises: two instances of one thread each, on two cores.
"""
