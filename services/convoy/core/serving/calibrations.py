"""Writes what an embedder's similarities mean, for faces and for things."""

from convoy.core.manifest import GenuineCalibration, Manifest
from convoy.v1 import faces_pb2 as pb


def calibration_message(manifest: Manifest) -> pb.FaceCalibration | None:
    """Write an embedder's calibration; None if it has none."""
    if (table := manifest.calibration) is None:
        return None
    return pb.FaceCalibration(
        similarity=table.similarity,
        false_match_rate=table.false_match_rate,
        false_match_rate_upper=table.upper,
        same_photo_similarity=table.same_photo.similarity if table.same_photo else None,
        same_photo_false_match_rate=table.same_photo.false_match_rate if table.same_photo else None,
        impostor_pairs=table.impostor_pairs,
        tail_model=table.tail_model,
        dataset=f"{table.dataset} {table.split}",
        genuine=_genuine(table.genuine) if table.genuine else None,
    )


def _genuine(table: GenuineCalibration) -> pb.GenuineCalibration:
    return pb.GenuineCalibration(
        similarity=table.similarity,
        false_non_match_rate=table.false_non_match_rate,
        false_non_match_rate_upper=table.upper,
        pairs=table.pairs,
        dataset=f"{table.dataset} {table.split}",
    )
