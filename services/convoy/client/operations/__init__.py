"""Every call of the API as a plan: which request goes where, and how to read its response. Nothing here connects.

operation.py     the plan of one call, the same for both clients
conversation.py  many operations of one kind on one streaming call
vision.py        classification, detection and segmentation
volumes.py       segmentation of volumes
signals.py       classification of signals
imaging.py       imaging
explanation.py   calls that explain an answer
faces.py         the faces service
recognition.py   recognition, with pictures: register, identify, verify
galleries.py     recognition, on galleries
people.py        recognition, on the people in a gallery
tracking.py      plans of a stream whose objects keep a number
models.py        what every service answers: health, models
"""
