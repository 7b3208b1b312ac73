"""Finds, aligns, judges and embeds faces.

servicer.py      the calls of the API
pipeline.py      a picture's way through the models
explaining.py    what is asked of a face to explain why it is similar to another
looks.py         how often and at which size the detector sees a picture; joins what it finds
tiles.py         cuts a large picture into tiles
turning.py       turns a look, so that leaning and lying faces are found
task.py          pixels to faces, and faces to embeddings
alignment.py     cuts a face out by its landmarks
judging.py       a found face, cut out and judged
quality.py       how well a face can be recognised
likeness.py      whether it looks like a face at all; likeness.npz and .json are its weights and their origin
visibility.py    whether something covers it; visibility.npz and .json are the same for this
crop_network.py  the small network that both of them run on an aligned crop
classifiers.py   imported classifiers of faces: liveness and attributes
"""
