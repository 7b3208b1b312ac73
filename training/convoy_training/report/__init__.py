"""What a model does right and wrong, as one HTML file without outside parts.

page.py      puts the page together, and writes it
charts.py    charts as SVG
curves.py    the curves of a training
numbers.py   numbers as people read them
boxes.py     matches boxes that were found with boxes that are there
classification.py  detection.py  localisation.py  segmentation.py
face_detection.py  face_embedding.py  face_landmarks.py  face_verification.py
             the sections of each task
"""

REPORT = "report.html"
"""The name of a report in the folder of a run or a model."""
