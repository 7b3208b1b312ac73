"""What a classifier's answer rests on, where training knows the network.

network.py    opens a run or a published model as a PyTorch network; shuffles its weights
maps.py       occlusion, Grad-CAM, gradients of the input
mosaics.py    the pointing game on mosaics of four classes
curves.py     deletion and insertion
measuring.py  measures methods by both
deconvolution.py  from a unit back to the pixels (Zeiler and Fergus); pictures rebuilt from a layer
units.py      which training patches excite a unit most
looking.py    the page of `convoy-train look`
drawing.py    explains a photo, and draws the map over it
"""
