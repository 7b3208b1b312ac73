"""A client's key goes on to services that check tokens, and is nowhere in the log."""

import asyncio
import base64
import json
from pathlib import Path

import pytest
from convoy.client import Convoy
from convoy.core.security.tokens import write_line
from convoy.fleet import Fleet
from convoy.testing.pictures import encode, portrait, with_box

from tests.door_keys import OLD_KEY, write_tokens
from tests.serving import running
from tests.web_door import Answer, web_door

BOX = encode(with_box((40, 30, 90, 80)))


async def test_services_check_the_key_again(
    tiny_repository: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    tokens = write_tokens(tmp_path, "home", write_line("people", "people-only", ["gallery:home:read", "scores"]))
    async with running("detection", tiny_repository, tokens_file=tokens) as service:
        addresses = {"detection": f"127.0.0.1:{service.server.port}"}
        with web_door(addresses, web_doors="compreface,deepstack", tokens_file=tokens) as door:

            async def detect(key: str) -> Answer:
                parts = [("image", BOX), ("api_key", key)]
                return await asyncio.to_thread(door.form, "/v1/vision/detection", parts)

            assert (await detect(OLD_KEY)).json()["success"] is True
            refused = await detect("people-only")
            assert (refused.status, refused.json()["reason"]) == (403, "SCOPE_MISSING")
            assert (await detect("unknown")).status == 401
            missing = await asyncio.to_thread(door.ask, "GET", "/static/key-in-a-path/images/c0ffee")
            assert (missing.status, missing.json()["code"]) == (404, 10)
    said = capfd.readouterr()
    written = said.out + said.err
    assert "/static/{key}/images/{image_id}" in written
    assert not [word for word in (OLD_KEY, "people-only", "key-in-a-path", "c0ffee") if word in written]


def test_the_door_holds_a_key_to_its_gallery_and_scopes_before_services_without_tokens(
    fleet: Fleet, convoy: Convoy, gallery: str, tmp_path: Path
) -> None:
    """The services of this fleet check nothing: whatever reaches them is done."""
    photo = encode(portrait(1))
    convoy.register(gallery, "ada", [photo])
    lines = (
        write_line("reader", "reads-only", [f"gallery:{gallery}:read", "scores"]),
        write_line("other", "another-gallery", ["gallery:elsewhere:admin", "scores", "faces"]),
    )
    tokens = write_tokens(tmp_path, gallery, *lines)
    doors = "compreface,deepstack,rekognition"
    api = "/api/v1/recognition"
    with web_door(fleet.addresses, web_doors=doors, tokens_file=tokens) as door:

        def recognise(key: str) -> int:
            return door.form(f"{api}/recognize", [("file", photo)], **{"x-api-key": key}).status

        def search(key: str, operation: str, **fields: object) -> tuple[int, str]:
            body = {"CollectionId": gallery} | fields
            signature = f"AWS4-HMAC-SHA256 Credential={key}/2026/eu/rekognition/aws4_request, Signature=0"
            target = {"x_amz_target": f"RekognitionService.{operation}", "authorization": signature}
            answer = door.send("/", body, **target)
            return answer.status, answer.json().get("__type", "")

        assert recognise("reads-only") == 200
        for method, path in (("DELETE", f"{api}/subjects/ada"), ("DELETE", f"{api}/subjects")):
            assert door.ask(method, path, headers={"x-api-key": "reads-only"}).status == 403
        assert door.form(f"{api}/faces?subject=eve", [("file", photo)], **{"x-api-key": "reads-only"}).status == 403
        refused = door.form("/v1/vision/detection", [("image", BOX), ("api_key", "reads-only")])
        assert (refused.status, refused.json()["reason"]) == (403, "SCOPE_MISSING")
        picture = {"Bytes": base64.b64encode(photo).decode()}
        assert search(OLD_KEY, "SearchFacesByImage", Image=picture) == (200, "")
        for operation, fields in (
            ("SearchFacesByImage", {"Image": picture}),
            ("IndexFaces", {"Image": picture}),
            ("ListFaces", {}),
            ("DescribeCollection", {}),
            ("DeleteCollection", {}),
        ):
            assert search("another-gallery", operation, **fields) == (400, "AccessDeniedException"), operation
    assert [person.person_id for person in convoy.list_people(gallery)] == ["ada"]


def test_clients_without_keys_reach_one_gallery(fleet: Fleet, convoy: Convoy, gallery: str) -> None:
    convoy.create_gallery("behind")
    headers = {"x-amz-target": "RekognitionService.DeleteCollection", "content-type": "application/json"}
    try:
        with web_door(fleet.addresses, web_doors="rekognition", doors_gallery=gallery) as door:
            refused = door.ask("POST", "/", json.dumps({"CollectionId": "behind"}), headers)
            assert (refused.status, refused.json()["__type"]) == (400, "AccessDeniedException")
    finally:
        convoy.delete_gallery("behind")
