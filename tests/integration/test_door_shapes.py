"""Every answer of each door has the fields, types, status and codes of the original; none is lost, none made up."""

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from convoy.client import Convoy
from convoy.fleet import Fleet
from convoy.testing.pictures import encode, group, plain, portrait, with_box

from tests.door_keys import OLD_KEY, write_tokens
from tests.web_door import Answer, Door, web_door

SHAPES = json.loads((Path(__file__).parents[1] / "fixtures" / "door_answers.json").read_text())
GALLERY = "shapes"
API, VISION = "/api/v1/recognition", "/v1/vision"
ADA, GRACE, BOTH = encode(portrait(1)), encode(portrait(4)), encode(group([1, 4], shade=0.95))
WORDS: dict[str, type | tuple[type, ...]] = {"text": str, "whole": int, "number": (int, float), "flag": bool}


def differences(value: Any, shape: Any, at: str = "") -> list[str]:
    """Where a value has not this shape. A list of the shape must have an entry, or nothing would be known of it."""
    if shape == "anything":
        return []
    if isinstance(shape, str) and shape in WORDS:
        fits = isinstance(value, WORDS[shape]) and (isinstance(value, bool) == (shape == "flag"))
        return [] if fits else [f"{at}: {value!r} is no {shape}"]
    if isinstance(shape, list):
        if not isinstance(value, list) or not value:
            return [] if shape == ["anything"] and value == [] else [f"{at}: {value!r} is no list with entries"]
        return [one for n, entry in enumerate(value) for one in differences(entry, shape[0], f"{at}[{n}]")]
    if isinstance(shape, dict):
        if not isinstance(value, dict):
            return [f"{at}: {value!r} is no object"]
        names = {name.rstrip("?"): inner for name, inner in shape.items()}
        told = [f"{at}.{name} is missing" for name in shape if not name.endswith("?") and name not in value]
        told += [f"{at}.{name} is not of the original" for name in value if name not in names]
        shared = value.keys() & names.keys()
        return told + [one for name in sorted(shared) for one in differences(value[name], names[name], f"{at}.{name}")]
    return [] if value == shape else [f"{at}: {value!r} is not {shape!r}"]


class Recorded:
    """Compares answers with the shapes of a door, each once."""

    def __init__(self, door: str) -> None:
        self.left: dict[str, Any] = dict(SHAPES[door])

    def check(self, name: str, answer: Answer, more: dict[str, Any] | None = None) -> Any:
        status, shape = self.left.pop(name)
        value = answer.json()
        shape = shape | more if more else shape
        assert (answer.status, differences(value, shape)) == (status, []), (name, value)
        return value


@pytest.fixture(scope="module")
def door(fleet: Fleet, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    tokens = write_tokens(tmp_path_factory.mktemp("tokens"), GALLERY)
    with web_door(fleet.addresses, web_doors="compreface,deepstack,rekognition", tokens_file=tokens) as running:
        yield running


@pytest.fixture
def clean(convoy: Convoy) -> Iterator[None]:
    yield
    convoy.delete_gallery(GALLERY)


def test_compreface(door: Door, clean: None) -> None:
    recorded = Recorded("compreface")
    check, key = recorded.check, {"x-api-key": OLD_KEY}

    def form(path: str, *photos: bytes, **headers: str) -> Answer:
        names = ("file",) if len(photos) < 2 else ("source_image", "target_image")
        return door.form(path, list(zip(names, photos, strict=False)), **(headers or key))

    def send(method: str, path: str, value: Any = None) -> Answer:
        return door.send(f"{API}/{path}", value, method, x_api_key=OLD_KEY)

    check("add subject", send("POST", "subjects", {"subject": "Ada"}))
    check("subject exists", send("POST", "subjects", {"subject": "ada"}))
    check("list subjects", send("GET", "subjects"))
    check("rename subject", send("PUT", "subjects/Ada", {"subject": "Countess"}))
    face = check("add face", form(f"{API}/faces?subject=Countess", ADA))["image_id"]
    other = form(f"{API}/faces?subject=Grace", GRACE).json()["image_id"]
    check("list faces", send("GET", "faces"))
    check("recognise", form(f"{API}/recognize", ADA))
    plugins = "landmarks,calculator,age,gender,mask,pose"
    check("recognise with status", form(f"{API}/recognize?status=true&face_plugins={plugins}", ADA))
    check("verify face", form(f"{API}/faces/{face}/verify", ADA))
    check("detect", form("/api/v1/detection/detect?face_plugins=landmarks", BOTH))
    check("verify pictures", form("/api/v1/verification/verify", ADA, BOTH))
    check("no header", form(f"{API}/recognize", ADA, accept="*/*"))
    check("unknown key", form(f"{API}/recognize", ADA, **{"x-api-key": "00000000-0000-4000-8000-000000000000"}))
    check("no face", form(f"{API}/recognize", encode(plain())))
    check("two faces", form(f"{API}/faces?subject=Nobody", BOTH))
    check("no parameter", form(f"{API}/faces", ADA))
    check("no file", send("POST", "recognize", {}))
    check("no picture", form(f"{API}/recognize", b"no picture"))
    check("bad count", form(f"{API}/recognize?prediction_count=0", ADA))
    check("unknown subject", send("DELETE", "subjects/nobody"))
    check("unknown face", send("DELETE", "faces/nobody"))
    check("wrong method", send("GET", "recognize"))
    check("embeddings", send("POST", "embeddings/recognize", {}))
    check("delete face", send("DELETE", f"faces/{face}"))
    check("delete faces", send("POST", "faces/delete", [other]))
    check("delete faces of a subject", send("DELETE", "faces?subject=Grace"))
    check("delete subject", send("DELETE", "subjects/Countess"))
    check("delete subjects", send("DELETE", "subjects"))
    assert recorded.left == {}


def test_deepstack(door: Door, clean: None) -> None:
    recorded = Recorded("deepstack")
    every, wrong = recorded.left.pop("every answer"), recorded.left.pop("every error")

    def check(name: str, path: str, *parts: tuple[str, Any], key: str = OLD_KEY, is_error: bool = False) -> None:
        answer = door.form(f"{VISION}/{path}", [*parts, ("api_key", key)])
        recorded.check(name, answer, wrong if is_error else every)

    box = ("image", encode(with_box((40, 30, 90, 80))))
    check("detection", "detection", box)
    check("custom list", "custom/list")
    check("scene", "scene", box)
    check("face", "face", ("image", BOTH))
    check("face/register", "face/register", ("image1", ADA), ("userid", "Ada"))
    check("face/recognize", "face/recognize", ("image", BOTH))
    check("face/list", "face/list")
    check("face/match", "face/match", ("image1", ADA), ("image2", GRACE))
    check("face/delete", "face/delete", ("userid", "Ada"))
    check("wrong key", "face/list", key="wrong", is_error=True)
    check("no picture", "detection", ("image", b"no picture"), is_error=True)
    check("no userid", "face/register", ("image", ADA), is_error=True)
    check("no face", "face/register", ("image", encode(plain())), ("userid", "Ada"), is_error=True)
    check("enhance", "enhance", box, is_error=True)
    recorded.check("status", door.ask("GET", "/v1/status/updateavailable"), every)
    assert recorded.left == {}


def test_rekognition(door: Door) -> None:
    recorded = Recorded("rekognition")

    def ask(name: str, operation: str = "", **fields: Any) -> Any:
        signature = f"AWS4-HMAC-SHA256 Credential={OLD_KEY}/20261201/eu/rekognition/aws4_request, Signature=0"
        headers = {"x_amz_target": f"RekognitionService.{operation or name}", "authorization": signature}
        return recorded.check(name, door.send("/", {"CollectionId": GALLERY} | fields, **headers))

    def photo(content: bytes) -> dict[str, str]:
        return {"Bytes": base64.b64encode(content).decode()}

    ask("CreateCollection")
    ask("exists", "CreateCollection")
    ask("bad name", "CreateCollection", CollectionId="Big Name")
    ask("ListCollections")
    ask("DescribeCollection")
    found = ask("IndexFaces", Image=photo(BOTH), ExternalImageId="both.jpg", MaxFaces=1)["FaceRecords"]
    more = {"Image": photo(BOTH), "ExternalImageId": "both.jpg"}
    recorded.left["again"] = [200, SHAPES["rekognition"]["IndexFaces"][1] | {"UnindexedFaces": ["anything"]}]
    ask("again", "IndexFaces", **more)
    ask("ListFaces", MaxResults=1)
    ask("SearchFacesByImage", Image=photo(BOTH))
    ask("SearchFaces", FaceId=found[0]["Face"]["FaceId"], FaceMatchThreshold=0)
    ask("CompareFaces", SourceImage=photo(ADA), TargetImage=photo(BOTH))
    ask("DetectFaces", Image=photo(BOTH), Attributes=["ALL"])
    ask("DetectLabels", Image=photo(encode(with_box((40, 30, 90, 80)))), MinConfidence=0)
    ask("no picture", "DetectFaces", Image=photo(b"no picture"))
    ask("S3", "DetectFaces", Image={"S3Object": {"Bucket": "b", "Name": "n"}})
    ask("other gallery", "ListFaces", CollectionId="other")
    ask("unknown operation", "RecognizeCelebrities", Image=photo(ADA))
    ask("DeleteFaces", FaceIds=[found[0]["Face"]["FaceId"], "nobody"])
    ask("DeleteCollection")
    assert recorded.left == {}


def test_what_is_left_out_is_nowhere() -> None:
    for door, absent in SHAPES["absent"].items():
        assert not [name for name in absent if f'"{name}"' in json.dumps(SHAPES[door])]
