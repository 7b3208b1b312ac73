"""Other servers from PyPI with the same network on ONNX Runtime, each in an environment of its own.

peers/<name>/requirements.txt pins what it needs, peers/<name>/serve.py GRAPH PORT PORT PORT starts it as its
documentation advises: two instances, one thread each, on two cores.
"""
