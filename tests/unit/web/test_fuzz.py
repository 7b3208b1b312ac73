"""Mutated requests before a fleet by rule: every one is answered or hung up on, and none is a fault of the door."""

import os

from tests.web_door import Door, web_door
from tests.web_fuzzing import attack, door_requests

COUNT = int(os.environ.get("BAD_INPUTS", "300"))


def test_no_mutated_request_is_a_fault_of_the_door(door: Door) -> None:
    said = attack(door.port, COUNT, seed=35)
    # The fleet by rule lacks most calls (501); it reads page tokens carelessly, so none is sent.
    assert {status for status in said if status >= 500} <= {501}, said
    assert sum(said.values()) == COUNT
    assert said[200] > COUNT / 20 and sum(count for status, count in said.items() if 400 <= status < 500) > COUNT / 4
    assert door.ask("GET", "/v2/health/live").status == 200


def test_no_mutated_request_is_a_fault_of_a_door_for_others_clients(addresses: dict[str, str]) -> None:
    with web_door(addresses, web_doors="compreface,deepstack,rekognition", doors_gallery="g") as door:
        count = COUNT // 3
        said = attack(door.port, count, seed=36, good=door_requests())
        # The fleet by rule lacks calls (501), and what it says of a picture has no face in it.
        assert {status for status in said if status >= 500} <= {501}, said
        assert sum(said.values()) == count and said[200] > count / 50
        assert door.ask("GET", "/v2/health/live").status == 200
