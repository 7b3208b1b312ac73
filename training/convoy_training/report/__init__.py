"""What a model does right and wrong, as one HTML file without outside parts; the tasks' pages are one file each."""
