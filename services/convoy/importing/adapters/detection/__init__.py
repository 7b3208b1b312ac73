"""Layouts of object detectors.

yolov5.py, yolov8.py, yolox.py, nanodet_plus.py   one output with a row for each anchor;  rows.py: what they share
ssd.py, detr.py                                   boxes and scores in two outputs;  pairs.py: what they share
yolov8_seg.py, yolov8_pose.py                     the same with masks, and with named points
retinanet.py                                      regression and class logits, before decoding
nanodet.py, picodet.py                            two outputs for each stride;  distribution.py: boxes as distributions
"""
