"""Networks. To add an architecture, add one file here; architecture.py says what it must offer.

architecture.py       registers architectures and finds them by name
detector.py           the base class of architectures for detection
segmenter.py          the base class of architectures for segmentation
restorer.py           the base class of architectures that make a picture of a picture
picture_fields.py     the fields of the recipes of these

alexnet.py  alexnet_paper.py  cifar_resnet.py  convnext.py  efficientnet.py  efficientnet_lite.py  googlenet.py
lenet.py  mobilenet_v1.py  mobilenet_v2.py  nin.py  overfeat.py  resnet.py  vgg.py  vit.py  whitened_resnet.py
                      classifiers (overfeat.py also has the sliding-window detector)
unet3d.py             volumes: a U-Net over blocks of slices
resnet1d.py           signals: a residual network in one dimension
backbones.py          classifiers without their head, for the two below
yolo_backbones.py     detection: yolo.py on published classifiers
unet_backbones.py     segmentation: a U-Net on published classifiers
yolo.py               detection: one look, without anchors
yolo_masks.py         detection: yolo.py with masks, as sums of prototypes
yolo_anchors.py       detection: one look, with anchors
yolo_points.py        detection: yolo.py with named points
faster_rcnn.py        detection: proposes regions, then names them
mask_rcnn.py          detection: faster_rcnn.py with a mask of each object
regions.py            the parts of faster_rcnn.py that are plain arithmetic
localiser.py          localisation: one object per picture
unet.py               segmentation: a U-Net for a CPU
unet_original.py      segmentation: the U-Net of the paper
ffdnet.py             pictures: takes noise away
edsr.py               pictures: takes the traces of JPEG away, finds colours, enlarges
gated_inpainter.py    pictures: fills holes
style_network.py      pictures: paints in several styles
espcn.py              pictures: super-resolution
face_detector.py      faces: boxes, scores and landmarks
face_embedder.py      faces: an embedding of each
landmark_head.py      faces: the landmarks in a window
verification_head.py  faces: whether two are the same person

folding.py            rewrites a face embedder so that a CPU runs it fast
measure.py            what a network costs, layer by layer
costs.py              prints these costs: `convoy-train zoo`
counts.py             counts parameters and multiply-adds of a graph
"""
