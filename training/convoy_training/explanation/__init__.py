"""What a classifier's answer rests on, where training knows the network.

network.py    opens a run or a published model as a PyTorch network; shuffles its weights
maps.py       occlusion, Grad-CAM, gradients of the input
mosaics.py    the pointing game on mosaics of four classes
curves.py     deletion and insertion
measuring.py  measures methods by both
drawing.py    explains a photo, and draws the map over it
"""
