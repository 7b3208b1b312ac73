"""From a cosine similarity, and the threshold that decided, to the scale of each door.

The clients' own default thresholds fall on the threshold of the gallery's policy, so that they name strangers no more
often than the policy promises:

door         at the threshold   formula
CompreFace   0.5                (tanh((c0 - d) * 6) + 1) / 2, CompreFace's own; d: the distance of the unit vectors
DeepStack    0.67               a straight line on each side of the threshold: -1 is 0, 1 is 1
Rekognition  80                 100 times CompreFace's curve, moved so that the threshold is 80
"""

import math

SLOPE = 6.0
"""How fast CompreFace's curve falls with the distance: between its MobileFaceNet (5.55) and ArcFace (6.60)."""
COMPREFACE_AT_THRESHOLD = 0.5
DEEPSTACK_AT_THRESHOLD = 0.67
REKOGNITION_AT_THRESHOLD = 80.0


def distance(similarity: float) -> float:
    """The Euclidean distance of two unit vectors with this cosine."""
    return math.sqrt(max(0.0, 2.0 - 2.0 * similarity))


def compreface(similarity: float, threshold: float) -> float:
    """0 to 1, in five places as CompreFace gives it; 0.5 at the threshold."""
    return round(_bend(distance(threshold) - distance(similarity)), 5)


def deepstack(similarity: float, threshold: float) -> float:
    """0 to 1; 0.67 at the threshold."""
    threshold = min(max(threshold, -1.0 + 1e-6), 1.0 - 1e-6)
    similarity = min(max(similarity, -1.0), 1.0)
    if similarity < threshold:
        return DEEPSTACK_AT_THRESHOLD * (similarity + 1.0) / (threshold + 1.0)
    above = (similarity - threshold) / (1.0 - threshold)
    return DEEPSTACK_AT_THRESHOLD + (1.0 - DEEPSTACK_AT_THRESHOLD) * above


def rekognition(similarity: float, threshold: float) -> float:
    """0 to 100; 80 at the threshold."""
    shift = math.atanh(2.0 * REKOGNITION_AT_THRESHOLD / 100.0 - 1.0) / SLOPE
    return 100.0 * _bend(distance(threshold) - distance(similarity) + shift)


def _bend(nearer: float) -> float:
    return (math.tanh(nearer * SLOPE) + 1.0) / 2.0
