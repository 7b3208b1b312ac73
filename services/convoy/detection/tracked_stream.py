"""DetectStream with tracks: objects keep their number, and one that is half hidden is not lost."""

from collections.abc import AsyncIterator, Awaitable, Callable

from convoy.core.pictures.tracking import Tracks
from convoy.core.serving.streaming import answer_stream
from convoy.core.serving.track_numbers import number_tracks
from convoy.v1 import detection_pb2 as pb

WEAK = 0.5
"""An object that has a track is answered down to this share of the detection threshold."""
Answer = Callable[[pb.DetectStreamRequest], Awaitable[tuple[pb.DetectResponse, float]]]


def answer_tracked(
    requests: AsyncIterator[pb.DetectStreamRequest], answer: Answer
) -> AsyncIterator[pb.DetectStreamResponse]:
    """Answer a stream in order, its objects with the numbers of their tracks where a message asks for them.

    answer: gives the response with the detection threshold that holds; where tracks are asked for, with what is found
    down to WEAK of it.
    """
    tracks = Tracks()
    thresholds: dict[int, float] = {}

    async def respond(message: pb.DetectStreamRequest) -> pb.DetectResponse:
        response, thresholds[id(message)] = await answer(message)
        return response

    def conclude(message: pb.DetectStreamRequest, reply: pb.DetectStreamResponse) -> None:
        threshold = thresholds.pop(id(message), 0.0)
        if message.track:
            _number(tracks, message, reply.response, threshold)

    return answer_stream(requests, respond, pb.DetectStreamResponse, conclude)


def _number(tracks: Tracks, message: pb.DetectStreamRequest, response: pb.DetectResponse, threshold: float) -> None:
    number_tracks(
        tracks,
        response.results,
        "detections",
        message.after_cut,
        lambda found: found.label,
        lambda found: found.score >= threshold,
    )
    for result in response.results:
        kept = [found for found in result.detections if found.track_id or found.score >= threshold]
        if len(kept) < len(result.detections):
            del result.detections[:]
            result.detections.extend(kept)
