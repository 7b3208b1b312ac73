"""A client's key goes on to services that check tokens, and is nowhere in the log."""

import asyncio
from pathlib import Path

import pytest
from convoy.core.security.tokens import write_line
from convoy.testing.pictures import encode, with_box

from tests.door_keys import OLD_KEY, write_tokens
from tests.serving import running
from tests.web_door import Answer, web_door

BOX = encode(with_box((40, 30, 90, 80)))


async def test_services_check_the_key_again(
    tiny_repository: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
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
    said = capsys.readouterr()
    written = said.out + said.err
    assert "/static/{key}/images/{image_id}" in written
    assert not [word for word in (OLD_KEY, "people-only", "key-in-a-path", "c0ffee") if word in written]
