"""Plans whose objects keep a number from picture to picture of a stream."""

from dataclasses import replace

from convoy.client.operations.operation import Operation, Result
from convoy.core.errors import InvalidArgument
from convoy.v1 import detection_pb2, faces_pb2

KINDS = (detection_pb2.DetectRequest, faces_pb2.DetectFacesRequest, faces_pb2.EmbedFacesRequest)


def tracked(operation: Operation[Result], *, after_cut: bool = False) -> Operation[Result]:
    """The plan of the next picture of a film: the answer's objects have the number of their track, `track_id`.

    after_cut: no track goes on from before. Tracks belong to one `stream`; they keep their label, and
    survive 30 pictures in which their object is hidden. InvalidArgument(BAD_ARGUMENT): it is none of detect,
    detect_faces and embed_faces.
    """
    if not isinstance(operation.request, KINDS):
        raise InvalidArgument(
            "BAD_ARGUMENT", f"{operation.method} has no tracks; give detect, detect_faces or embed_faces"
        )
    return replace(operation, in_stream={"track": True, "after_cut": after_cut})
