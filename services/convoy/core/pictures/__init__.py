"""Turns pictures from bytes into pixels and into a graph's input, and maps boxes and masks back to the picture.

decoding.py      bytes -> upright sRGB pixels: the one door
formats.py       which formats there are, and how their first bytes look
opening.py       reads a file's header; knows which decoder reads which format
containers/      makes files of each format safe to open
jpeg.py          libjpeg-turbo, also where it warns
jpeg_markers.py  the structure of a JPEG: segments, scans, its end
heic.py          libheif, by the extra `formats`
colours.py       ICC profiles, deep tones, transparency -> sRGB
orientation.py   which way up
refusals.py      what several decoders say
encoding.py      pixels -> PNG, JPEG, WebP
resizing.py      to a graph's input, and boxes and masks back
geometry.py, suppression.py   boxes
"""
