"""The layouts that Convoy knows, one in each file, by task and name."""

from convoy.core.manifest import Task
from convoy.importing.adapters.adapter import Adapter
from convoy.importing.adapters.classification import logits as class_logits
from convoy.importing.adapters.classification.softmax import Softmax
from convoy.importing.adapters.classification.tree import Tree
from convoy.importing.adapters.detection.detr import Detr
from convoy.importing.adapters.detection.nanodet import Nanodet
from convoy.importing.adapters.detection.nanodet_plus import NanodetPlus
from convoy.importing.adapters.detection.picodet import Picodet
from convoy.importing.adapters.detection.retinanet import Retinanet
from convoy.importing.adapters.detection.ssd import Ssd
from convoy.importing.adapters.detection.yolov5 import Yolov5
from convoy.importing.adapters.detection.yolov8 import Yolov8
from convoy.importing.adapters.detection.yolov8_pose import Yolov8Pose
from convoy.importing.adapters.detection.yolov8_seg import Yolov8Seg
from convoy.importing.adapters.detection.yolox import Yolox
from convoy.importing.adapters.face_detection.centerface import Centerface
from convoy.importing.adapters.face_detection.retinaface import Retinaface
from convoy.importing.adapters.face_detection.scrfd import Scrfd
from convoy.importing.adapters.face_detection.yunet import Yunet
from convoy.importing.adapters.face_embedding.arcface import Arcface
from convoy.importing.adapters.picture_to_picture.pictures import Pictures
from convoy.importing.adapters.segmentation import logits as pixel_logits
from convoy.importing.adapters.segmentation.class_map import ClassMap

KNOWN: tuple[Adapter, ...] = (
    Softmax(),
    class_logits.Logits(),
    Tree(),
    Yolov5(),
    Yolov8(),
    Yolov8Seg(),
    Yolov8Pose(),
    Yolox(),
    Ssd(),
    Retinanet(),
    Detr(),
    Nanodet(),
    NanodetPlus(),
    Picodet(),
    Scrfd(),
    Yunet(),
    Retinaface(),
    Centerface(),
    pixel_logits.Logits(),
    ClassMap(),
    Arcface(),
    Pictures(),
)
ADAPTERS: dict[Task, dict[str, Adapter]] = {
    task: {adapter.name: adapter for adapter in KNOWN if adapter.task is task} for task in Task
}
