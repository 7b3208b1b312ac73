"""Doors for clients of other systems: each translates paths, fields, codes and scores, and asks the services over gRPC.

frame.py      what a door is, and which paths it owns
opening.py    which doors are open, on which ports, and when one is refused
keys.py       a client's key is a token; which gallery it works on
calls.py      the calls to the services for one request
given.py      what a request brings: query, forms, JSON, pictures
people.py     names as these systems know them -> people of a gallery
places.py     where the pages of a list begin
embeddings.py  two faces of pictures beside each other
curves.py     similarities -> the scale of each door
compreface/   CompreFace 1.2 REST
deepstack/    DeepStack and CodeProject.AI REST
rekognition/  Amazon Rekognition's JSON 1.1
"""
