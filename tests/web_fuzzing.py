"""Mutated HTTP requests: bytes of good ones, changed at random by a seed."""

import base64
import json
import random
import select
import socket
from collections import Counter
from collections.abc import Iterator, Sequence

from convoy.client.gallery_format import Sealing
from convoy.v1 import recognition_pb2
from convoy.web.connect import envelope

HASTE_S, PATIENCE_S = 0.05, 1.0
PICTURE = base64.b64encode(b"picture").decode()
FORM = (
    b'--edge\r\ncontent-disposition: form-data; name="image"; filename="a.jpg"\r\ncontent-type: image/jpeg\r\n\r\n'
    b'picture\r\n--edge\r\ncontent-disposition: form-data; name="top_k"\r\n\r\n3\r\n--edge--\r\n'
)
_SEALING = Sealing.create(None)
GALLERY = _SEALING.head + _SEALING.close(recognition_pb2.ExportGalleryResponse(), 0)
TENSORS = json.dumps({"inputs": [{"name": "images", "datatype": "UINT8", "shape": [1, 2], "data": [1, 2]}]}).encode()


def requests() -> list[bytes]:
    """Good requests, as they are on the wire."""
    call = {"images": [{"encoded": PICTURE}], "model": {"name": "net"}, "detectionThreshold": 0.5}
    policy = {"gallery": "g", "policy": {"quality_floor": 0.3, "rate_unit": "FACE"}, "request_id": "r"}
    person = {"display_name": "Ada", "metadata": {"a": "b"}, "add_tags": ["x"], "expire_time": "2030-01-01T00:00:00Z"}
    return [
        write("POST", "/convoy.v1.DetectionService/Detect", "application/json", json.dumps(call).encode()),
        write("POST", "/convoy.v1.DetectionService/Detect", "application/proto", b"\x0a\x09\x0a\x07picture"),
        write("POST", "/convoy.v1.DetectionService/DetectStream", "application/connect+json", envelope(b"{}") * 2),
        write("POST", "/v1/classify", "multipart/form-data; boundary=edge", FORM),
        write("POST", "/v1/detect?detection_threshold=0.5&labels=a", "image/jpeg", b"picture"),
        write("POST", "/v1/faces/embed", "application/json", json.dumps({"image": PICTURE, "max_faces": 3}).encode()),
        write("POST", "/v1/galleries", "application/json", json.dumps(policy).encode()),
        write("PATCH", "/v1/galleries/g/people/p", "application/json", json.dumps(person).encode()),
        write("GET", "/v1/galleries/g/people?page_size=2", "", b""),
        write("POST", "/v2/models/net/infer", "application/json", TENSORS),
        write("POST", "/v1/detect?draw=1&mask_formats=PNG", "image/jpeg", b"picture"),
        write("POST", "/v1/detect/explain?label=a&cells=4", "image/jpeg", b"picture"),
        write("POST", "/v1/galleries/g/people/p/rename", "application/json", b'{"new_person_id": "q"}'),
        write("PUT", "/v1/galleries/g/people/p", "application/json", json.dumps({"display_name": "Ada"}).encode()),
        write("POST", "/v1/galleries/g/import", "application/octet-stream", GALLERY),
        write("POST", "/v1/galleries/g/export", "", b""),
        write("GET", "/v1/galleries/g/erasures/3", "", b""),
        write("GET", "/v1/services/recognition/load", "", b""),
        write("GET", "/v1/caller", "", b""),
        write("GET", "/../console/index.html", "", b""),
    ]


KEY = "b6c7dd3e-4a5b-4c56-9a30-5f1e0b9a7c11"


def door_requests() -> list[bytes]:
    """Good requests of CompreFace's, DeepStack's and Rekognition's clients."""
    api, vision, form, amazon = "/api/v1/recognition", "/v1/vision", "multipart/form-data; boundary=edge", "/"
    image = json.dumps({"Image": {"Bytes": PICTURE}, "CollectionId": "g", "MaxFaces": 3, "FaceMatchThreshold": 80})
    page = json.dumps({"CollectionId": "g", "MaxResults": 2, "FaceIds": ["f"], "NextToken": ""}).encode()
    photo = FORM.replace(b'name="image"', b'name="file"')
    return [
        write("POST", f"{api}/recognize?limit=1&prediction_count=2&face_plugins=landmarks,calculator", form, photo),
        write("POST", f"{api}/recognize?status=true", "application/json", json.dumps({"file": PICTURE}).encode()),
        write("POST", f"{api}/faces?subject=Ada&det_prob_threshold=0.8", form, photo),
        write("GET", f"{api}/faces?page=1&size=20&subject=Ada", "", b""),
        write("POST", f"{api}/faces/delete", "application/json", b'["f", "g"]'),
        write("PUT", f"{api}/subjects/Ada%20L", "application/json", b'{"subject": "Grace"}'),
        write("GET", f"/static/{KEY}/images/f", "", b""),
        write("POST", f"{vision}/face/recognize?min_confidence=0.4", form, FORM),
        write("POST", f"{vision}/face/register?userid=Ada", form, FORM),
        write("POST", f"{vision}/face/list", "application/x-www-form-urlencoded", b"api_key=key&userid=Ada"),
        write("POST", f"{vision}/custom/general", form, FORM),
        write("POST", amazon, "application/x-amz-json-1.1", image.encode(), target="IndexFaces"),
        write("POST", amazon, "application/x-amz-json-1.1", image.encode(), target="SearchFacesByImage"),
        write("POST", amazon, "application/x-amz-json-1.1", page, target="ListFaces"),
        write("POST", amazon, "application/x-amz-json-1.1", page, target="DeleteFaces"),
    ]


def write(method: str, path: str, media_type: str, body: bytes, target: str = "") -> bytes:
    """A request of HTTP/1.1. target: an operation of Rekognition's."""
    head = f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {media_type}\r\nConnection: close\r\n"
    head += f"X-Amz-Target: RekognitionService.{target}\r\n" if target else f"x-api-key: {KEY}\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


def mutate(content: bytes, chance: random.Random) -> bytes:
    """The content with one to eight changes: bytes flipped, cut out, doubled, or put in."""
    changed = bytearray(content)
    for _ in range(chance.randint(1, 8)):
        place, length = chance.randrange(len(changed) + 1), chance.choice((1, 1, 2, 8, 64))
        match chance.randrange(5):
            case 0 if place < len(changed):
                changed[place] ^= 1 << chance.randrange(8)
            case 1:
                del changed[place : place + length]
            case 2:
                changed[place:place] = changed[place : place + length] * chance.choice((1, 3, 200))
            case 3:
                changed[place:place] = chance.randbytes(length)
            case _:
                changed[place:place] = chance.choice(
                    (b"\r\n", b"\x00", b'"', b"{", b"%", b"\xff\xfe", b"9" * 20, b"[" * 90)
                )
    return bytes(changed)


def mutated(count: int, seed: int, good: Sequence[bytes]) -> Iterator[bytes]:
    """So many mutated requests; the head stays as it is for half of them, so that they arrive."""
    chance = random.Random(seed)
    for _ in range(count):
        content = chance.choice(good)
        head, split, body = content.partition(b"\r\n\r\n")
        if body and chance.random() < 0.5:
            changed = mutate(body, chance)
            yield head.replace(b"h: %d" % len(body), b"h: %d" % len(changed)) + split + changed
        else:
            yield mutate(content, chance)


def attack(port: int, count: int, seed: int, good: Sequence[bytes] = ()) -> Counter[int]:
    """Send them all; give how often each status came. 0: there was none. good: what is mutated."""
    said: Counter[int] = Counter()
    for content in mutated(count, seed, good or requests()):
        with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S) as client:
            answer = b""
            try:
                client.sendall(content)
                # One that hangs up at once is given up, so it does so only where no answer comes.
                if not select.select([client], [], [], HASTE_S)[0]:
                    client.shutdown(socket.SHUT_WR)
                answer = client.recv(64)
                while client.recv(65536):
                    pass
            except OSError:  # it hung up, or waits for the rest of a head that was cut
                pass
        status = answer[9:12]
        said[int(status) if answer.startswith(b"HTTP/1.") and status.isdigit() else 0] += 1
    return said
