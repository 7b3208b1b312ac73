"""Clients of other systems, unmodified, each from its registry into an environment of its own.

environments.py   which client, in which version, beside what
album.py          the photos of the story
story.py          the story that each client tells, in a process that knows nothing of Convoy
python_clients.py the Python clients, in the words of the story
node_clients.mjs  the JavaScript clients, which tell the story by themselves
expected.py       what the story is to say
"""
