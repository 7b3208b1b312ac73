"""A class for every pixel, of pictures and of volumes.

task.py      pixels to masks
volume.py    slices to blocks, and back to masks of slices
messages.py  masks as messages
volumes.py   the call for volumes: messages to and from volume.py
servicer.py  the calls of the API
"""
