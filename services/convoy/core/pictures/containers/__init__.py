"""Makes the files of each format safe to open: bounds their parts, leaves out what is no part of the picture.

Each takes the bytes of a file and returns those to open, with the first picture alone. They run before any decoder, and
look at a bounded number of parts.
"""
