"""The numbers of tracks in the answers of a stream."""

from convoy.core.pictures.tracking import Tracks
from convoy.core.serving.track_numbers import number_tracks
from convoy.v1 import common_pb2
from convoy.v1 import detection_pb2 as pb


def answer() -> pb.DetectResponse:
    found = pb.Detection(box=common_pb2.Box(x_min=10, y_min=10, x_max=40, y_max=40), label="it", score=0.9)
    return pb.DetectResponse(
        results=[pb.Detections(detections=[found], image_size=common_pb2.Size(width=99, height=99))]
    )


def number(tracks: Tracks, response: pb.DetectResponse, after_cut: bool = False) -> list[int]:
    number_tracks(tracks, response.results, "detections", after_cut)
    return [found.track_id for result in response.results for found in result.detections]


def test_a_cut_before_a_picture_that_is_refused_ends_all_tracks_too() -> None:
    tracks = Tracks()
    assert number(tracks, answer()) == number(tracks, answer()) == [1]
    assert number(tracks, pb.DetectStreamResponse(error=common_pb2.Error()).response) == []
    assert number(tracks, answer()) == [1]
    number(tracks, pb.DetectStreamResponse(error=common_pb2.Error()).response, after_cut=True)
    assert number(tracks, answer()) == [2]
