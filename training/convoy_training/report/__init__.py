"""What a model does right and wrong, as one HTML file without outside parts; the tasks' pages are one file each."""

REPORT = "report.html"
"""The name of a report in the folder of a run or a model."""
