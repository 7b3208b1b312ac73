"""A key is a token; a door without keys stays on loopback."""

from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
from convoy.core.errors import InvalidArgument, PermissionDenied, Unauthenticated
from convoy.core.security.tokens import check_taken_over, write_line
from convoy.core.settings import Settings
from convoy.v1 import detection_pb2, recognition_pb2
from convoy.web.doors.keys import Keys
from convoy.web.doors.opening import open_doors, own_ports

from tests.door_keys import OLD_KEY, write_tokens


@pytest.fixture
def keys(tmp_path: Path) -> Keys:
    lines = [
        write_line("two", "two", ["gallery:a:read", "gallery:b:read"]),
        write_line("all", "all", ["gallery:*:admin", "scores"]),
        write_line("levels", "levels", ["gallery:a:read", "gallery:a:write"]),
    ]
    return Keys(Settings(tokens_file=write_tokens(tmp_path, "home", *lines)))


def test_the_one_gallery_among_the_scopes_is_the_clients(keys: Keys) -> None:
    assert keys.admit(OLD_KEY).need_gallery() == "home"
    assert keys.admit("levels").need_gallery() == "a"
    for key in ("two", "all"):
        with pytest.raises(PermissionDenied) as caught:
            keys.admit(key).need_gallery()
        assert caught.value.reason == "NO_ONE_GALLERY"


def test_a_setting_names_the_gallery_of_a_key_that_names_none(tmp_path: Path) -> None:
    tokens = write_tokens(tmp_path, "home", write_line("all", "all", ["gallery:*:admin"]))
    keys = Keys(Settings(tokens_file=tokens, doors_gallery="fallback"))
    assert keys.admit("all").need_gallery() == "fallback"
    assert keys.admit(OLD_KEY).need_gallery() == "home"


@pytest.mark.parametrize("key", ["", "wrong", OLD_KEY.upper(), OLD_KEY + " ", "sch\u00fcssel"])
def test_a_wrong_key_opens_nothing(keys: Keys, key: str) -> None:
    with pytest.raises(Unauthenticated):
        keys.admit(key)


def test_a_key_without_the_scope_for_scores_sees_none(keys: Keys) -> None:
    keys.admit(OLD_KEY).need_scores()
    with pytest.raises(PermissionDenied) as caught:
        keys.admit("levels").need_scores()
    assert caught.value.reason == "SCOPE_MISSING"


@pytest.mark.parametrize("key", ["", "password", "00000000-0000-0000-0000-000000000000", f"{OLD_KEY}0"])
def test_only_a_random_uuid_is_taken_over(key: str) -> None:
    assert check_taken_over(OLD_KEY) == OLD_KEY
    with pytest.raises(InvalidArgument):
        check_taken_over(key)


def test_a_door_without_keys_stays_on_loopback_unless_told_twice(tmp_path: Path) -> None:
    tokens = write_tokens(tmp_path, "home")
    (tmp_path / "key").write_text(OLD_KEY)
    everywhere: dict[str, Any] = {"web_doors": ("deepstack",), "host": "0.0.0.0"}
    for more in ({}, {"tokens_file": tokens, "deepstack_token_file": tmp_path / "key"}):
        settings = everywhere | more
        with pytest.raises(InvalidArgument, match="CONVOY_DOORS_WITHOUT_KEYS"):
            open_doors(Settings(**settings))
        assert open_doors(Settings(**settings | {"doors_without_keys": True}))
        assert open_doors(Settings(**settings | {"host": "127.0.0.1"}))
    assert open_doors(Settings(**everywhere, tokens_file=tokens))
    assert not open_doors(Settings())


def test_without_keys_one_gallery_is_open_and_beyond_loopback_none_that_is_not_named() -> None:
    everywhere: dict[str, Any] = {"web_doors": ("compreface",), "host": "0.0.0.0", "doors_without_keys": True}
    list_people = recognition_pb2.ListPeopleRequest(gallery="home")
    delete = recognition_pb2.DeleteGalleryRequest(gallery="other")
    for settings, opens_home, opens_other in (
        ({}, True, True),
        ({"doors_gallery": "home"}, True, False),
        (everywhere | {"doors_gallery": "home"}, True, False),
        (everywhere, False, False),
    ):
        admission = Keys(Settings(**settings)).admit("")
        for method, message, is_open in (
            ("ListPeople", list_people, opens_home),
            ("DeleteGallery", delete, opens_other),
        ):
            with nullcontext() if is_open else pytest.raises(PermissionDenied, match="without a key"):
                admission.check(f"/convoy.v1.RecognitionService/{method}", "recognition", message)
        admission.check("/convoy.v1.DetectionService/Detect", "detection", detection_pb2.DetectRequest())


def test_a_port_belongs_to_an_open_door() -> None:
    assert own_ports(Settings(web_doors=("rekognition",), rekognition_port=0)) == {"rekognition": 0}
    with pytest.raises(InvalidArgument, match="CONVOY_DEEPSTACK_PORT"):
        own_ports(Settings(web_doors=("rekognition",), deepstack_port=5000))


def test_an_unknown_door_is_named() -> None:
    with pytest.raises(ValueError, match="facebook"):
        Settings(web_doors=("facebook",))  # type: ignore[arg-type]
