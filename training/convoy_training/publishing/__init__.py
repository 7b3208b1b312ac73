"""From a run to a published model folder: export, calibration, smaller forms, report and card."""
