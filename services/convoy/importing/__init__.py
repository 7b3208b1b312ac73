"""Foreign ONNX graphs, wrapped once so that they keep Convoy's contract: `convoy model import`.

request.py         what the user says about the graph
words.py           reads options that people write, such as 0.485,0.456,0.406
network.py         reads the foreign graph
best_queries.py    counts the classes of a graph that gives only its best queries
second_input.py    binds the second input of DETR's family, a size
ordering.py        sorts its nodes as ONNX demands
opset.py           raises its opset
convolutional.py   frees its batch and size, if it consists only of convolutions
normalisation.py   finds a normalisation at its beginning
metadata.py        reads its labels, task and licence
frame.py           the input's size
preprocessing.py   what goes in front of the graph; adapters/ has what goes behind it
inspection.py      tries which adapters fit the file's outputs
survey.py          tries ways to prepare pixels; saying.py puts an answer into words
sides.py           the sizes that a network takes that makes pictures; tiling.py finds out how far it sees
likeness.py        how like a picture is that it makes
shuffling.py       replaces an old export's pixel shuffle, in which the size hides
sketch.py          draws pieces of a graph; assembly.py joins front, graph and back
texts.py           checks that names in a graph are text
transposed.py      draws an operator of MediaPipe with ONNX's own
batch.py           makes the graph take any number of pictures; fixed_batch.py does so for a fixed batch
original.py        runs the original file on ONNX Runtime
comparison.py      compares the wrapped graph with the original file
bench.py           runs both on the same pictures, which pictures.py has
proof.py           checks the contract and the independence of a batch's pictures
draft.py           the manifest
publication.py     writes the model folder
model_import.py    all steps, in order

Nothing that serves imports this package, and only this package knows `onnx` (the extra `import`).
astronaut.jpg is Eileen Collins, by NASA, in the public domain; from scikit-image's data, scaled down.
"""
