"""Turns pictures from bytes into pixels and into a graph's input, and maps boxes and masks back to the picture.

decoding.py      bytes -> upright sRGB pixels: the one door
formats.py       which formats there are, and how their first bytes look
opening.py       reads a file's header; knows which decoder reads which format
containers/      makes files of each format safe to open
jpeg.py          libjpeg-turbo, also where it warns
jpeg_markers.py  the structure of a JPEG: segments, scans, its end
heic.py          libheif, by the extra `formats`
colours.py       ICC profiles, transparency -> sRGB
light.py         colours that a file describes by numbers -> sRGB
tones.py         grey of more than 8 bits, whole or a window of it
orientation.py   which way up
stopping.py      ends work that nobody waits for
refusals.py      what several decoders say
encoding.py      pixels -> PNG, JPEG, WebP
resizing.py      to a graph's input, and boxes and masks back
geometry.py, suppression.py   boxes
occlusion.py     covers one place after another, and lays out what that changes
heat.py          maps of numbers as pictures
tracking.py      boxes followed from picture to picture
run_lengths.py, outlines.py   masks of objects, as COCO writes them
"""
