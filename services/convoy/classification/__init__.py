"""What a picture or a signal shows.

task.py      pixels to labels
embedder.py  pictures of anything to embeddings
signals.py   samples to the input of a graph: checked, and converted to its rate
servicer.py  messages to and from both
"""
