"""Foreign ONNX graphs, wrapped once so that they keep Convoy's contract: `convoy model import`.

network.py reads the foreign graph, preprocessing.py draws what goes before it, adapters/ what comes after, assembly.py
joins the three, proof.py runs the result, publication.py writes the model folder; model_import.py is the whole way.
Nothing that serves imports this package, and only this package knows `onnx` (the extra `import`).
"""
