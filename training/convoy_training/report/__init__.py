"""The report on what a model does right and wrong, as one HTML file that needs no others.

page.py      puts the page together and writes it
charts.py    draws charts as SVG
curves.py    reads the curves of a training
numbers.py   formats numbers for people
boxes.py     matches found boxes with true ones, and draws them
classification.py  detection.py  localisation.py  segmentation.py
face_detection.py  face_embedding.py  face_landmarks.py  face_verification.py  picture_to_picture.py
style_transfer.py  signal_classification.py  embedding.py  volume_segmentation.py
             the sections of each task
"""

REPORT = "report.html"
"""The name of a report in the folder of a run or a model."""
