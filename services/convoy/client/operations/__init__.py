"""Every call of the API as a plan: which request goes where, and how to read its response. Nothing here connects.

operation.py     the plan of one call
conversation.py  many plans of one kind on one stream
vision.py        calls of classification, detection and segmentation
imaging.py       calls of imaging
faces.py         calls of faces
recognition.py   registering and identifying
galleries.py     calls about galleries
people.py        calls about people in galleries
models.py        calls about models
"""
