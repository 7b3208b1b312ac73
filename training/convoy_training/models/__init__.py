"""Networks. A new architecture is one new file here; architecture.py says what it must offer.

architecture.py       registers architectures and finds them by name
detector.py           what detection asks of an architecture
segmenter.py          what segmentation asks of an architecture

alexnet.py  cifar_resnet.py  efficientnet.py  googlenet.py  lenet.py  mobilenet_v1.py  mobilenet_v2.py  nin.py
overfeat.py  resnet.py  vgg.py  whitened_resnet.py
                      classifiers (overfeat.py also has the sliding-window detector)
yolo.py               detection: one look, without anchors
yolo_anchors.py       detection: one look, with anchors
faster_rcnn.py        detection: regions are proposed, then named
regions.py            the parts of faster_rcnn.py that are plain arithmetic
localiser.py          one object a picture
unet.py               segmentation: a U-Net for a CPU
unet_original.py      segmentation: the U-Net of the paper
face_detector.py      faces: boxes, scores and landmarks
face_embedder.py      faces: a vector for each
landmark_head.py      faces: the landmarks in a window
verification_head.py  faces: are two the same person

folding.py            rewrites a face embedder so that a CPU runs it fast
measure.py            what a network costs, layer by layer
costs.py              prints that: `convoy-train zoo`
counts.py             parameters and multiply-adds of a graph
"""
