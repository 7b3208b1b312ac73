"""A model repository of tiny graphs whose answers you can work out by hand, to test everything around a model.

| task           | name                | what it answers                                                              |
|----------------|---------------------|------------------------------------------------------------------------------|
| classification | cifar10-resnet      | red, green, blue: softmax of a tenth of the mean of each channel; 32x32      |
| detection      | bccd-yolo           | box around all pixels brighter than 200 ("bright": 0.9, and 0.8 again for    |
|                |                     | suppression to remove) and around all darker than 50 ("dark": 0.7)           |
| segmentation   | camvid-unet         | dark (mean of the channels up to 127) or bright; 48x64                       |
| face_detection | face-detector-nano  | a face inside each frame drawn in pure red, green and blue: 0.99, 0.98, 0.97 |
| face_embedding | face-embedder       | the face's middle as 8x8 means less their average: 192 numbers, unit length  |
| picture to     | kernels-sharpen     | 5 times each pixel less its four neighbours, in tiles of 64                  |
| picture        |                     |                                                                              |
| embedding      | things              | the mean of each channel over the picture's quarters, less their average: 12 |
| volume         | membranes-3d        | dark, or bright: the mean of a slice and its neighbours is above 127         |
| segmentation   |                     |                                                                              |
| signal         | heartbeats          | high or low: softmax of the mean and its opposite; 20 samples at 10 Hz       |

They have the names of the published models, so a service needs no setting but CONVOY_MODELS. pictures.py draws for
them.
"""

from pathlib import Path

import onnx
import onnx.parser

from convoy.core.manifest import (
    GRAPH_FILE,
    Calibration,
    Export,
    InputSpec,
    Manifest,
    PictureSpec,
    SignalSpec,
    Task,
    Thresholds,
    Training,
    VolumeSpec,
    digest,
)

HEADER = '<ir_version: 10, opset_import: ["" : 21]>\n'

CLASSIFIER = """
classifier (uint8[N, 32, 32, 3] images) => (float[N, 3] probabilities) {
    pixels = Cast <to = 1> (images)
    rows_columns = Constant <value_ints = [1, 2]> ()
    mean = ReduceMean <keepdims = 0> (pixels, rows_columns)
    tenth = Constant <value_float = 0.1> ()
    logits = Mul (mean, tenth)
    probabilities = Softmax <axis = 1> (logits)
}
"""

THINGS_EMBEDDER = """
things (uint8[N, 32, 32, 3] images) => (float[N, 12] embeddings) {
    pixels = Cast <to = 1> (images)
    planes = Transpose <perm = [0, 3, 1, 2]> (pixels)
    quarters = AveragePool <kernel_shape = [16, 16], strides = [16, 16]> (planes)
    values = Flatten (quarters)
    last = Constant <value_ints = [1]> ()
    mean = ReduceMean <keepdims = 1> (values, last)
    centred = Sub (values, mean)
    tiny = Constant <value_float = 0.001> ()
    length = ReduceL2 <keepdims = 1> (centred, last)
    safe = Add (length, tiny)
    embeddings = Div (centred, safe)
}
"""

VOLUME_SEGMENTER = """
volumes (uint8[N, H, W, 4] images) => (uint8[N, 4, H, W] class_map) {
    pixels = Cast <to = 1> (images)
    slices = Transpose <perm = [0, 3, 1, 2]> (pixels)
    one = Constant <value_ints = [1]> ()
    volume = Unsqueeze (slices, one)
    mean = AveragePool <kernel_shape = [3, 1, 1], pads = [1, 0, 0, 1, 0, 0]> (volume)
    limit = Constant <value_float = 127.0> ()
    bright = Greater (mean, limit)
    classes = Cast <to = 2> (bright)
    class_map = Squeeze (classes, one)
}
"""

SIGNAL_CLASSIFIER = """
signals (float[N, 1, 20, 1] images) => (float[N, 2] probabilities) {
    all = Constant <value_ints = [1, 2]> ()
    mean = ReduceMean <keepdims = 0> (images, all)
    opposite = Neg (mean)
    logits = Concat <axis = 1> (mean, opposite)
    probabilities = Softmax <axis = 1> (logits)
}
"""

SEGMENTER = """
segmenter (uint8[N, 48, 64, 3] images) => (uint8[N, 48, 64] class_map) {
    pixels = Cast <to = 1> (images)
    channel = Constant <value_ints = [3]> ()
    grey = ReduceMean <keepdims = 0> (pixels, channel)
    limit = Constant <value_float = 127.0> ()
    bright = Greater (grey, limit)
    class_map = Cast <to = 2> (bright)
}
"""

SHARPENER = """
sharpener (uint8[N, H, W, 3] images) => (float[N, Y, X, 3] pictures) {
    pixels = Cast <to = 1> (images)
    planes = Transpose <perm = [0, 3, 1, 2]> (pixels)
    one = Constant <value = float[1, 1, 3, 3] {0, -1, 0, -1, 5, -1, 0, -1, 0}> ()
    thrice = Constant <value_ints = [3, 1, 1, 1]> ()
    kernel = Tile (one, thrice)
    sharp = Conv <group = 3, kernel_shape = [3, 3]> (planes, kernel)
    pictures = Transpose <perm = [0, 2, 3, 1]> (sharp)
}
"""

EMBEDDER = """
embedder (uint8[N, 112, 112, 3] images) => (float[N, 192] embeddings) {
    pixels = Cast <to = 1> (images)
    planes = Transpose <perm = [0, 3, 1, 2]> (pixels)
    from = Constant <value_ints = [12, 12]> ()
    to = Constant <value_ints = [100, 100]> ()
    rows_columns = Constant <value_ints = [2, 3]> ()
    middle = Slice (planes, from, to, rows_columns)
    blocks = AveragePool <kernel_shape = [11, 11], strides = [11, 11]> (middle)
    flat = Flatten <axis = 1> (blocks)
    one = Constant <value_ints = [1]> ()
    average = ReduceMean (flat, one)
    centred = Sub (flat, average)
    embeddings = LpNormalization <axis = 1, p = 2> (centred)
}
"""

# The box around all pixels of a mask [N, H, W]: for each side the smallest or largest index that occurs.
BOX_AROUND = """
    {name}_number = Cast <to = 1> ({name})
    {name}_columns = ReduceMax <keepdims = 0> ({name}_number, rows)
    {name}_rows = ReduceMax <keepdims = 0> ({name}_number, columns)
    {name}_found = ReduceMax <keepdims = 1> ({name}_columns, rows)
    {name}_in_column = Greater ({name}_columns, half)
    {name}_in_row = Greater ({name}_rows, half)
    {name}_left = Where ({name}_in_column, x_low, far)
    {name}_top = Where ({name}_in_row, y_low, far)
    {name}_right = Where ({name}_in_column, x_high, zero)
    {name}_bottom = Where ({name}_in_row, y_high, zero)
    {name}_x_min = ReduceMin <keepdims = 1> ({name}_left, rows)
    {name}_y_min = ReduceMin <keepdims = 1> ({name}_top, rows)
    {name}_x_max = ReduceMax <keepdims = 1> ({name}_right, rows)
    {name}_y_max = ReduceMax <keepdims = 1> ({name}_bottom, rows)
    {name}_corners = Concat <axis = 1> ({name}_x_min, {name}_y_min, {name}_x_max, {name}_y_max)
    {name}_any = Unsqueeze ({name}_found, rows)
    {name}_box_flat = Mul ({name}_corners, {name}_found)
    {name}_box = Unsqueeze ({name}_box_flat, rows)
"""

COORDINATES = """
    pixels = Cast <to = 1> (images)
    rows = Constant <value_ints = [1]> ()
    columns = Constant <value_ints = [2]> ()
    channel = Constant <value_ints = [3]> ()
    half = Constant <value_float = 0.5> ()
    zero = Constant <value_float = 0.0> ()
    far = Constant <value_float = 1000000.0> ()
    i_zero = Constant <value_int = 0> ()
    i_one = Constant <value_int = 1> ()
    one = Constant <value_float = 1.0> ()
    height = Shape <start = 1, end = 2> (images)
    width = Shape <start = 2, end = 3> (images)
    height_scalar = Squeeze (height)
    width_scalar = Squeeze (width)
    y_int = Range (i_zero, height_scalar, i_one)
    x_int = Range (i_zero, width_scalar, i_one)
    y_low = Cast <to = 1> (y_int)
    x_low = Cast <to = 1> (x_int)
    y_high = Add (y_low, one)
    x_high = Add (x_low, one)
"""

DETECTOR = (
    """
detector (uint8[N, H, W, 3] images) => (float[N, 3, 4] boxes, float[N, 3, 2] scores) {"""
    + COORDINATES
    + """
    grey = ReduceMean <keepdims = 0> (pixels, channel)
    bright_limit = Constant <value_float = 200.0> ()
    dark_limit = Constant <value_float = 50.0> ()
    bright = Greater (grey, bright_limit)
    dark = Less (grey, dark_limit)"""
    + BOX_AROUND.format(name="bright")
    + BOX_AROUND.format(name="dark")
    + """
    boxes = Concat <axis = 1> (bright_box, bright_box, dark_box)
    first = Constant <value = float[1, 1, 2] {0.9, 0.0}> ()
    second = Constant <value = float[1, 1, 2] {0.8, 0.0}> ()
    third = Constant <value = float[1, 1, 2] {0.0, 0.7}> ()
    first_score = Mul (bright_any, first)
    second_score = Mul (bright_any, second)
    third_score = Mul (dark_any, third)
    scores = Concat <axis = 1> (first_score, second_score, third_score)
}
"""
)

# Landmarks lie where ArcFace's 112x112 reference has them, so an aligned face is exactly the frame.
REFERENCE_112 = (38.2946, 51.6963, 73.5318, 51.5014, 56.0252, 71.7366, 41.5493, 92.3655, 70.7299, 92.2041)

FRAME = """
    {name}_strong = Greater ({name}_plane, strong)
    {name}_rest = Less ({name}_others, weak)
    {name} = And ({name}_strong, {name}_rest)"""

FACE_DETECTOR = (
    """
face_detector (uint8[N, H, W, 3] images)
    => (float[N, 3, 4] boxes, float[N, 3, 1] scores, float[N, 3, 5, 2] landmarks) {"""
    + COORDINATES
    + """
    strong = Constant <value_float = 170.0> ()
    weak = Constant <value_float = 85.0> ()
    red_4d, green_4d, blue_4d = Split <axis = 3, num_outputs = 3> (pixels)
    red_plane = Squeeze (red_4d, channel)
    green_plane = Squeeze (green_4d, channel)
    blue_plane = Squeeze (blue_4d, channel)
    red_others = Max (green_plane, blue_plane)
    green_others = Max (red_plane, blue_plane)
    blue_others = Max (red_plane, green_plane)"""
    + "".join(FRAME.format(name=name) + BOX_AROUND.format(name=name) for name in ("red", "green", "blue"))
    + """
    boxes = Concat <axis = 1> (red_box, green_box, blue_box)
    found = Concat <axis = 1> (red_any, green_any, blue_any)
    confidence = Constant <value = float[1, 3, 1] {0.99, 0.98, 0.97}> ()
    scores = Mul (found, confidence)
    two = Constant <value_ints = [2]> ()
    origins, ends = Split <axis = 2, num_outputs = 2> (boxes)
    sizes = Sub (ends, origins)
    origins_4d = Unsqueeze (origins, two)
    sizes_4d = Unsqueeze (sizes, two)
    places = Constant <value = float[1, 1, 5, 2] {PLACES}> ()
    offsets = Mul (sizes_4d, places)
    landmarks = Add (origins_4d, offsets)
}
""".replace("PLACES", ", ".join(f"{value / 112:.6f}" for value in REFERENCE_112))
)

LETTERBOX = InputSpec(resize="letterbox", stride=32, long_side=320)
CALIBRATION = Calibration(
    dataset="drawn patterns",
    split="test",
    impostor_pairs=1_000_000,
    similarity=[0.2, 0.3, 0.4, 0.5, 0.6, 0.7],
    false_match_rate=[5e-2, 8e-3, 7e-4, 3e-5, 6e-7, 1e-9],
    upper=[6e-2, 9e-3, 8e-4, 4e-5, 1e-6, 1e-8],
    tail_model="normal",
    command="none: the patterns are independent by construction",
)


def write_repository(root: Path) -> Path:
    """Write all these models as version 1 under `root`, and return `root`."""
    write_model(root, "cifar10-resnet", Task.CLASSIFICATION)
    write_model(root, "bccd-yolo", Task.DETECTION)
    write_model(root, "camvid-unet", Task.SEGMENTATION)
    write_model(root, "face-detector-nano", Task.FACE_DETECTION)
    write_model(root, "face-embedder", Task.FACE_EMBEDDING)
    write_model(root, "kernels-sharpen", Task.PICTURE_TO_PICTURE)
    write_model(root, "membranes-3d", Task.VOLUME_SEGMENTATION)
    write_model(root, "things", Task.EMBEDDING)
    write_model(root, "heartbeats", Task.SIGNAL_CLASSIFICATION)
    return root


def write_model(root: Path, name: str, task: Task, version: str = "1") -> Path:
    """Write one tiny model of a task, and return its folder."""
    folder = root / name / version
    folder.mkdir(parents=True)
    graph, facts = MODELS[task]
    model = onnx.parser.parse_model(HEADER + graph)
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, folder / GRAPH_FILE)
    manifest = Manifest.model_validate(
        {
            "name": name,
            "version": version,
            "task": task,
            "architecture": "tiny",
            "sha256": digest(folder / GRAPH_FILE),
            "licence": "Apache-2.0",
            "training": Training(recipe="convoy/testing/tiny_models.py", command="none", data=[], data_terms="none"),
            "export": Export(opset=21),
            **facts,
        }
    )
    manifest.save(folder)
    return folder


MODELS: dict[Task, tuple[str, dict[str, object]]] = {
    Task.CLASSIFICATION: (
        CLASSIFIER,
        {"input": InputSpec(height=32, width=32, resize="stretch"), "labels": ["red", "green", "blue"]},
    ),
    Task.VOLUME_SEGMENTATION: (
        VOLUME_SEGMENTER,
        {
            "input": InputSpec(resize="letterbox", stride=16, long_side=128),
            "volume": VolumeSpec(slices=4, context=1),
            "labels": ["dark", "bright"],
        },
    ),
    Task.EMBEDDING: (
        THINGS_EMBEDDER,
        {
            "input": InputSpec(height=32, width=32, resize="stretch"),
            "embedding_size": 12,
            "thresholds": Thresholds(match=0.9),
            "calibration": CALIBRATION,
        },
    ),
    Task.SIGNAL_CLASSIFICATION: (
        SIGNAL_CLASSIFIER,
        {
            "input": InputSpec(height=1, width=20, resize="none"),
            "signal": SignalSpec(rate_hz=10.0, length=20, unit="mV"),
            "labels": ["high", "low"],
        },
    ),
    Task.DETECTION: (
        DETECTOR,
        {"input": LETTERBOX, "labels": ["bright", "dark"], "thresholds": Thresholds(detection=0.25, iou=0.5)},
    ),
    Task.SEGMENTATION: (
        SEGMENTER,
        {
            "input": InputSpec(height=48, width=64, resize="stretch"),
            "labels": ["dark", "bright"],
            "palette": [(40, 40, 40), (250, 220, 90)],
        },
    ),
    Task.FACE_DETECTION: (
        FACE_DETECTOR,
        {"input": LETTERBOX, "labels": ["face"], "thresholds": Thresholds(detection=0.5, iou=0.4)},
    ),
    Task.PICTURE_TO_PICTURE: (
        SHARPENER,
        {
            "input": InputSpec(long_side=64, resize="tiles"),
            "picture": PictureSpec(colour="channels", overlap=1, trimmed=True),
        },
    ),
    Task.FACE_EMBEDDING: (
        EMBEDDER,
        {
            "input": InputSpec(height=112, width=112, resize="aligned"),
            "embedding_size": 192,
            "thresholds": Thresholds(match=0.5),
            "calibration": CALIBRATION,
        },
    ),
}
