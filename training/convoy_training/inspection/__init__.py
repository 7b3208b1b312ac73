"""`convoy-train data`: what was understood of a data set, before a step is made.

counts.py  counts pictures, objects and faults
lines.py   the summary as text
page.py    the summary as an HTML page, with pictures and their labels drawn
alike.py   finds pictures that are nearly the same
"""
