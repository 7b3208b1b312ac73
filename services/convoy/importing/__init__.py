"""Foreign ONNX graphs, wrapped once so that they keep Convoy's contract: `convoy model import`.

request.py         what the user says
network.py         the foreign graph as it was found
ordering.py        its nodes in the order that ONNX asks for
opset.py           its old operators, raised
convolutional.py   its lengths, where they are only declared
normalisation.py   a normalisation of its own
metadata.py        its class names, task and licence
frame.py           the input's size
preprocessing.py   what goes before the graph; adapters/ has what comes behind it
inspection.py      which adapters fit, by what the file gives
survey.py          which pixels it wants; saying.py has an answer in words
sketch.py          pieces of a graph; assembly.py joins front, graph and back
batch.py           any number of pictures; fixed_batch.py opens graphs for several
original.py        the file itself, run by ONNX Runtime
comparison.py      how far the wrapped graph is from it
bench.py           the pictures that both are run on; pictures.py has them
proof.py           what else must hold
draft.py           the manifest
publication.py     the model folder
model_import.py    the whole way

Nothing that serves imports this package, and only this package knows `onnx` (the extra `import`).
astronaut.jpg is Eileen Collins, by NASA, in the public domain; from scikit-image's data, scaled down.
"""
