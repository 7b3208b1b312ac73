"""What goes out and what comes back, in both flavours."""

import numpy as np
import pytest
from convoy.client import AsyncConvoy, Convoy
from convoy.client.answers.common import Box
from convoy.client.answers.recognition import read_identification
from convoy.core.errors import InvalidArgument
from convoy.testing.pictures import encode, plain
from convoy.v1 import common_pb2, recognition_pb2


def test_classify_gives_labels_and_the_model(convoy, fleet, tmp_path):
    path = tmp_path / "photo.png"
    path.write_bytes(encode(plain()))
    answer = convoy.classify(path, model="net:2", top_k=3, min_probability=0.25)
    assert (answer.best.label, answer.best.probability, str(answer.model)) == ("cat", 0.75, "rule:3")
    (request,) = fleet.requests
    assert request.images[0].encoded == path.read_bytes()
    assert request.model == common_pb2.ModelRef(name="net", version="2")
    assert (request.top_k, request.min_probability) == (3, 0.25)


def test_many_pictures_go_in_one_call(convoy, fleet):
    assert len(convoy.classify_many([encode(plain())] * 3)) == 3
    assert len(fleet.requests) == 1


def test_the_headers_name_the_model_that_the_message_names(convoy, fleet):
    convoy.classify(plain())
    convoy.detect(plain(), model="bccd-yolo")
    convoy.segment(plain(), model="camvid-unet:2")
    convoy.classify(plain(), model="\N{SNOWMAN}")
    convoy.embed_faces(plain())
    assert fleet.named == ["", "bccd-yolo", "camvid-unet:2", None, None]


def test_detect_sends_only_the_thresholds_that_were_given(convoy, fleet):
    (found,) = convoy.detect(plain(), iou_threshold=0.0, labels=["cell"])
    assert (found.label, found.score, found.box) == ("cell", 0.5, Box(1, 0, 3, 2))
    request = fleet.requests[0]
    assert request.HasField("iou_threshold") and not request.HasField("detection_threshold")


def test_a_mask_is_an_array(convoy):
    answer = convoy.segment(plain())
    assert np.array_equal(answer.mask, [[0, 0, 1, 1], [0, 0, 1, 1]])
    assert np.array_equal(answer.pixels_of("tree"), answer.mask == 1)
    assert not answer.pixels_of("bicycle").any()


def test_an_embedding_is_an_array(convoy):
    (face,) = convoy.embed_faces(plain())
    assert face.embedding.dtype == np.float32
    assert np.allclose(face.embedding, [0.6, 0.8])
    assert face.landmarks.nose.x == 1


def test_a_list_goes_through_all_pages(convoy, fleet):
    assert [person.person_id for person in convoy.list_people("team")] == [f"p{number}" for number in range(6)]
    assert [request.page_token for request in fleet.requests] == ["", "2", "4"]


def test_registration_tells_of_each_photo(convoy, fleet):
    answer = convoy.register("team", "ada", [plain(), plain()], metadata={"desk": "4"})
    assert [photo.accepted for photo in answer.results] == [True, False]
    assert [photo.refusal for photo in answer.results] == ["", "NO_FACE"]
    assert (answer.person.person_id, answer.version) == ("ada", 7)
    convoy.register("team", "ada", [plain()])
    first, second = (request.request_id for request in fleet.requests)
    assert first and second and first != second


def test_a_labels_old_attribute_warns(convoy):
    best = convoy.classify(plain()).best
    with pytest.warns(DeprecationWarning, match="`label`"):
        assert best.name == best.label == "cat"


def test_a_gallery_is_verified_only_when_asked(convoy, fleet):
    plain_status, verified = convoy.get_gallery_status("team"), convoy.get_gallery_status("team", verify=True)
    assert [request.verify for request in fleet.requests] == [False, True]
    assert (plain_status.index_checksum, plain_status.store_checksum) == ("a", "")
    assert (verified.index_checksum, verified.store_checksum) == ("a", "a")


async def test_asyncio_verifies_a_gallery(addresses):
    async with AsyncConvoy(**addresses) as convoy:
        assert (await convoy.get_gallery_status("torn", verify=True)).store_checksum == "b"


async def test_asyncio_gives_the_same(addresses, fleet):
    async with AsyncConvoy(**addresses) as convoy:
        assert (await convoy.classify(plain())).best.label == "cat"
        people = [person.person_id async for person in convoy.list_people("team")]
    assert people == [f"p{number}" for number in range(6)]


def test_both_flavours_have_the_same_methods():
    def public(kind):
        return {name for name in dir(kind) if not name.startswith("_")}

    assert public(Convoy) == public(AsyncConvoy)


def test_raw_pixels_keep_their_layout(convoy, fleet):
    grey = np.arange(6, dtype=np.uint8).reshape(2, 3)
    floats = np.linspace(0, 1, 18, dtype=np.float32).reshape(2, 3, 3)
    rgb = np.arange(18, dtype=np.uint8).reshape(3, 2, 3).transpose(1, 0, 2)
    convoy.classify_many([grey, floats, rgb])
    raws = [image.raw for image in fleet.requests[0].images]
    assert [raw.format for raw in raws] == [
        common_pb2.PIXEL_FORMAT_GRAY8,
        common_pb2.PIXEL_FORMAT_RGB32F,
        common_pb2.PIXEL_FORMAT_RGB8,
    ]
    assert all((raw.width, raw.height) == (3, 2) for raw in raws)
    assert raws[1].data == floats.tobytes()
    assert raws[2].data == np.ascontiguousarray(rgb).tobytes()


def test_a_pillow_image_is_converted(convoy, fleet):
    from PIL import Image

    convoy.classify(Image.new("L", (3, 2), 9))
    raw = fleet.requests[0].images[0].raw
    assert (raw.width, raw.height, raw.data) == (3, 2, bytes([9] * 18))
    convoy.classify(Image.fromarray(np.full((2, 3), 9 * 257, np.uint16)))  # 16-bit grey, which Pillow would clip
    raw = fleet.requests[1].images[0].raw
    assert (raw.width, raw.height, raw.data) == (3, 2, bytes([9] * 18))


@pytest.mark.parametrize("wrong", [np.zeros((2, 2, 4), np.uint8), np.zeros(4, np.uint8), np.zeros((2, 2, 3)), 7])
def test_what_is_no_picture_is_refused_before_it_is_sent(convoy, fleet, wrong):
    with pytest.raises(InvalidArgument):
        convoy.classify(wrong)
    assert not fleet.requests


def test_a_missing_file_is_pythons_own_error(convoy, fleet, tmp_path):
    for ask in (convoy.classify, convoy.detect_faces, lambda path: convoy.register("team", "ada", [path])):
        with pytest.raises(FileNotFoundError):
            ask(tmp_path / "gone.jpg")
    assert fleet.requests == []


def test_a_list_that_is_a_single_path_is_refused(convoy):
    with pytest.raises(InvalidArgument, match="list of pictures"):
        convoy.classify_many("photo.png")


def test_two_criteria_are_refused(convoy):
    with pytest.raises(InvalidArgument, match="only one of match_threshold and false_match_rate"):
        convoy.verify(plain(), photo=plain(), match_threshold=0.5, false_match_rate=0.1)


def test_verify_needs_one_reference(convoy):
    with pytest.raises(InvalidArgument, match="either"):
        convoy.verify(plain(), gallery="team")


def test_a_service_from_before_says_nothing_of_reasons_and_units():
    face = recognition_pb2.IdentifiedFace(decision=recognition_pb2.DECISION_NO_MATCH)
    answer = read_identification(recognition_pb2.IdentifyResponse(faces=[face]))
    assert (answer.rate_unit, answer.same_occasion, answer.expected_false_positive_picture_rate) == (None, False, None)
    assert (answer.faces[0].no_match_reason, answer.faces[0].named_elsewhere) == ("", None)


def test_who_is_named_elsewhere_comes_with_the_reason():
    face = recognition_pb2.IdentifiedFace(
        decision=recognition_pb2.DECISION_NO_MATCH,
        no_match_reason=recognition_pb2.NO_MATCH_REASON_NAMED_ELSEWHERE,
        named_elsewhere=recognition_pb2.Match(person_id="ada", similarity=0.5),
    )
    message = recognition_pb2.IdentifyResponse(
        faces=[face], rate_unit=recognition_pb2.RATE_UNIT_PICTURE, expected_false_positive_picture_rate=0.25
    )
    answer = read_identification(message)
    assert (answer.rate_unit, answer.expected_false_positive_picture_rate) == ("picture", 0.25)
    assert answer.faces[0].no_match_reason == "NAMED_ELSEWHERE" and answer.faces[0].named_elsewhere.person_id == "ada"


def test_a_unit_that_nobody_knows_is_refused_before_it_is_sent(convoy):
    with pytest.raises(InvalidArgument, match="rate_unit is 'crowd'; picture or face is possible"):
        convoy.identify("team", plain(), rate_unit="crowd")
