"""Where a client lives: in several event loops, in a process after a fork, in a notebook, and after its end."""

import asyncio
import base64
import io
import json
import re
import subprocess
import sys
import threading
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from convoy.client import AsyncConvoy, Convoy
from convoy.core.errors import FailedPrecondition
from convoy.testing.pictures import portrait
from PIL import Image

PHOTO = portrait(1)
FORKED = """
import os, sys, threading
from convoy.client import Convoy
import numpy as np

photo = np.zeros((4, 4, 3), np.uint8)
convoy = Convoy(classification=sys.argv[1], timeout_s=20)
assert convoy.classify(photo).best.label == "cat"
for make in (lambda: convoy, lambda: Convoy(classification=sys.argv[1], timeout_s=20)):
    child = os.fork()
    if not child:
        os._exit(0 if make().classify(photo).best.label == "cat" else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert convoy.classify(photo).best.label == "cat"
print("all answered")
"""


async def once(convoy: AsyncConvoy) -> str:
    best = (await convoy.classify(PHOTO)).best
    assert best is not None
    return best.label


def test_asyncio_works_in_a_second_event_loop(addresses: dict[str, str]) -> None:
    convoy = AsyncConvoy(**addresses)
    assert [asyncio.run(once(convoy)) for _ in range(3)] == ["cat"] * 3
    found: list[str] = []
    threads = [threading.Thread(target=lambda: found.append(asyncio.run(once(convoy)))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert found == ["cat"] * 3
    asyncio.run(convoy.close())


def test_a_client_answers_after_a_fork(addresses: dict[str, str]) -> None:
    command = [sys.executable, "-c", FORKED, addresses["classification"]]
    done = subprocess.run(command, capture_output=True, text=True, timeout=90)
    assert done.stdout == "all answered\n", done.stderr


def test_a_closed_client_says_that_it_is_closed(addresses: dict[str, str]) -> None:
    with Convoy(**addresses) as convoy:
        other = convoy.within(5)
        convoy.classify(PHOTO)
    for closed in (convoy, other):
        with pytest.raises(FailedPrecondition, match="this client is closed") as caught:
            closed.classify(PHOTO)
        assert caught.value.reason == "CLIENT_CLOSED"


async def test_a_closed_asyncio_client_says_that_it_is_closed(addresses: dict[str, str]) -> None:
    async with AsyncConvoy(**addresses) as convoy:
        await convoy.classify(PHOTO)
    with pytest.raises(FailedPrecondition, match="this client is closed"):
        await convoy.classify(PHOTO)


def test_every_answer_becomes_json(convoy: Convoy) -> None:
    answers = [convoy.classify(PHOTO), convoy.detect(PHOTO), convoy.segment(PHOTO), convoy.embed_faces(PHOTO)]
    for answer in answers:
        said = json.loads(json.dumps(answer.to_dict()))
        assert said["image_size"] == {"width": 4, "height": 2}
    assert answers[0].to_dict()["labels"][0]["label"] == "cat"
    assert "mask" not in answers[2].to_dict()


def test_an_answer_shows_itself_as_a_table(convoy: Convoy) -> None:
    html = convoy.detect(PHOTO)._repr_html_()
    assert "<table" in html and "cell" in html and "<img" not in html
    assert "_picture" not in vars(convoy.detect(PHOTO))


@pytest.mark.parametrize("given", ["array", "bgr", "bytes", "pillow", "file"])
def test_in_a_notebook_an_answer_shows_its_picture(convoy: Convoy, monkeypatch: pytest.MonkeyPatch, given: str) -> None:
    monkeypatch.setitem(sys.modules, "IPython", ModuleType("IPython"))
    file = io.BytesIO()
    Image.fromarray(PHOTO).save(file, "PNG")
    picture: Any = {
        "array": PHOTO,
        "bgr": PHOTO[..., ::-1],
        "bytes": file.getvalue(),
        "pillow": Image.fromarray(PHOTO),
        "file": file,
    }[given]
    html = convoy.detect(picture, channels="bgr" if given == "bgr" else "rgb")._repr_html_()
    found = re.search(r'src="data:image/png;base64,([^"]+)"', html)
    assert found is not None
    drawn = np.asarray(Image.open(io.BytesIO(base64.b64decode(found[1]))))
    assert np.array_equal(drawn[100:120, 100:120], PHOTO[100:120, 100:120])


def test_what_an_answer_says_cannot_become_html(convoy: Convoy) -> None:
    from convoy.client.answers.people import Person

    person = Person("<script>alert(1)</script>", "<b>", {"<i>": "<u>"}, (), None, None, None)
    html = person._repr_html_()
    assert "<script>" not in html and "<b><" not in html and "&lt;script&gt;" in html and "<u>" not in html
