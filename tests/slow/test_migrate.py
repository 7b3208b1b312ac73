"""A migration of 10,000 subjects is killed again and again, and in the end nothing is lost or there twice."""

import asyncio
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from convoy.client import Convoy
from convoy.v1 import common_pb2, faces_pb2

from tests.compreface_stub import KEY, CompreFaceStub, copied
from tests.compreface_stub import serving as serving_stub
from tests.fake_faces import FakeFaces, look, picture, serving
from tests.serving import running

pytestmark = pytest.mark.redis
SUBJECTS = 10_000
KILLED_AT = (0.1, 0.4, 0.7)
MOST_S = 900.0


class ShortPhotos(FakeFaces):
    """Takes a number for the photo of one person."""

    def _find(self, image: common_pb2.Image, *more: Any) -> faces_pb2.Faces:
        return super()._find(picture(look(int(image.encoded))), *more)


def start(address: str, *where: str) -> "subprocess.Popen[bytes]":
    words = ["migrate", "compreface", *where, "--key", KEY, "-g", "staff", "--no-compare", "--json"]
    environment = {**os.environ, "CONVOY_RECOGNITION_ADDRESS": address}
    command = [sys.executable, "-m", "convoy.cli", *words]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def kill_at(convoy: Convoy, faces: int, process: "subprocess.Popen[bytes]") -> None:
    """End the process hard once the gallery has so many faces."""
    end = time.monotonic() + MOST_S
    while convoy.get_gallery("staff").face_count < faces:
        assert process.poll() is None and time.monotonic() < end, process.communicate()
        time.sleep(0.02)
    process.kill()
    process.communicate(timeout=60)
    assert process.returncode == -9


@pytest.mark.parametrize("source", ["dump", "rest"])
async def test_ten_thousand_subjects_come_once_whenever_it_is_killed(
    redis_url: str, tmp_path: Path, source: str
) -> None:
    stub = CompreFaceStub(page=500)
    ids = {f"p{number:05}": stub.add(f"P{number:05}", b"%d" % number)[0] for number in range(SUBJECTS)}

    def story(address: str) -> None:
        with serving_stub(stub) as url, Convoy(recognition=address, timeout_s=30) as convoy:
            convoy.create_gallery("staff")
            where = ("--url", url)
            if source == "dump":
                where = ("--dump", str(tmp_path / "frs.sql"))
                Path(where[1]).write_bytes(copied(stub))
            kills = []
            for share in KILLED_AT:
                process = start(address, *where)
                try:
                    kill_at(convoy, int(share * SUBJECTS), process)
                finally:
                    process.kill()
                kills.append(convoy.get_gallery("staff").face_count)
            # Each time it went on: it was killed in the middle, at another place.
            assert kills == sorted(set(kills)) and kills[-1] < SUBJECTS
            out, err = start(address, *where).communicate(timeout=MOST_S)
            said = json.loads(out)
            assert said["left"] == [] and said["known"] >= kills[-1], err
            assert said["known"] + said["registered"] == SUBJECTS
            people = list(convoy.list_people("staff", page_size=1000))
            assert {one.person_id: [face.face_id for face in one.faces] for one in people} == {
                person_id: [face_id] for person_id, face_id in ids.items()
            }
            gallery = convoy.get_gallery("staff")
            assert (gallery.people_count, gallery.face_count) == (SUBJECTS, SUBJECTS)
            assert convoy.get_face("staff", ids["p09999"]).person.display_name == "P09999"

    async with (
        serving(ShortPhotos()) as faces,
        running("recognition", tmp_path, redis_url=redis_url, faces_address=faces) as one,
    ):
        await asyncio.to_thread(story, f"127.0.0.1:{one.server.port}")
