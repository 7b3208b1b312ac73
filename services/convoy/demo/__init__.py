"""`convoy demo`: starts a fleet on this machine, asks it real questions, and checks every answer.

main.py         from the start of the fleet to its end
stage.py        asks, judges and records; shows what came back
recognition.py  first chapter: who is this?
vision.py       second chapter: what is in the picture?
photos.py       the people and pictures: those of Python packages, or your own
renditions.py   altered pictures of one photo
sheet.py        all annotated pictures in one
"""
