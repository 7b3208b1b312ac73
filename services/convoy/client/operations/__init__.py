"""Every call of the API as a plan: which request goes where, and how to read its response. Nothing here connects.

operation.py     what a plan is
conversation.py  plans whose call streams both ways
vision.py        classify, detect, segment
imaging.py       transform
faces.py         detect, embed and compare faces
recognition.py   register photos, identify, verify
people.py        register, change and delete people
galleries.py     make, change, delete, export and import galleries
models.py        models and health of a service
"""
