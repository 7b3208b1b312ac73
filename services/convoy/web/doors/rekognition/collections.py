"""Collections are galleries. A name may be an alias's in every call on faces."""

from convoy.core.errors import NotFound, PermissionDenied
from convoy.v1 import common_pb2, recognition_pb2
from convoy.web.doors.calls import RECOGNITION, Caller
from convoy.web.doors.rekognition.fields import MOST_TOKEN, Fields
from convoy.web.doors.rekognition.shapes import Shape

MOST = 1000


def arn(name: str) -> str:
    """What stands for a collection in AWS; it names nothing here but the gallery."""
    return f"aws:rekognition:local:000000000000:collection/{name}"


def version(model: common_pb2.ModelRef) -> str:
    """FaceModelVersion: the embedder."""
    return f"{model.name}:{model.version}"


async def create(caller: Caller, fields: Fields) -> Shape:
    """CreateCollection. Raises AlreadyExists(GALLERY_EXISTS)."""
    request = recognition_pb2.CreateGalleryRequest(gallery=fields.collection())
    made = (await caller.ask(f"{RECOGNITION}/CreateGallery", request)).gallery
    return {"StatusCode": 200, "CollectionArn": arn(made.name), "FaceModelVersion": version(made.model)}


async def describe(caller: Caller, fields: Fields) -> Shape:
    """DescribeCollection. Raises NotFound(GALLERY_NOT_FOUND)."""
    found = await _get(caller, fields.collection())
    return {
        "FaceCount": found.face_count,
        "FaceModelVersion": version(found.model),
        "CollectionARN": arn(found.name),
        "CreationTimestamp": found.create_time.ToMicroseconds() / 1e6,
    }


async def list_all(caller: Caller, fields: Fields) -> Shape:
    """ListCollections: all galleries, or the one of the key."""
    request = recognition_pb2.ListGalleriesRequest(
        page_size=fields.whole("MaxResults", MOST, 0, 4096) or MOST, page_token=fields.text("NextToken", "", MOST_TOKEN)
    )
    request.page_size = min(request.page_size, MOST)
    try:
        page = await caller.ask(f"{RECOGNITION}/ListGalleries", request)
    except PermissionDenied:
        try:
            found = await _get(caller, caller.gallery)
        except NotFound:  # nobody has made it yet
            return {"CollectionIds": [], "FaceModelVersions": []}
        return {"CollectionIds": [found.name], "FaceModelVersions": [version(found.model)]}
    answer: Shape = {
        "CollectionIds": [one.name for one in page.galleries],
        "FaceModelVersions": [version(one.model) for one in page.galleries],
    }
    return answer | ({"NextToken": page.next_page_token} if page.next_page_token else {})


async def delete(caller: Caller, fields: Fields) -> Shape:
    """DeleteCollection. Raises NotFound(GALLERY_NOT_FOUND)."""
    request = recognition_pb2.DeleteGalleryRequest(gallery=fields.collection())
    await caller.ask(f"{RECOGNITION}/DeleteGallery", request)
    return {"StatusCode": 200}


async def _get(caller: Caller, name: str) -> recognition_pb2.Gallery:
    request = recognition_pb2.GetGalleryRequest(gallery=name)
    found: recognition_pb2.Gallery = (await caller.ask(f"{RECOGNITION}/GetGallery", request)).gallery
    return found
