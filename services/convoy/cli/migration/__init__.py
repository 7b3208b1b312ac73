"""Brings people with their photos from other systems: every photo is looked at anew, and no vector of theirs is taken.

source.py            what a source gives: people, their photos, and what cannot come over
plan.py              who becomes which person here, and who is left out
enrolment.py         registers everybody; may be stopped and run again
comparison.py        asks both systems who is in each photo
compreface.py        a CompreFace that runs, over its REST interface
compreface_dump.py   the database of CompreFace, as pg_dump wrote it
postgres_dump.py     rows of a plain pg_dump: COPY blocks and INSERT statements
folders.py           folders as Double Take, Viseron and Frigate keep them
layouts.py           which systems these are
deepstack.py         the database of DeepStack and CodeProject.AI: names alone
rekognition.py       a list of Rekognition's faces, with photos of one's own
"""
